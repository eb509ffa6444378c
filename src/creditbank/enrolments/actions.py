"""Writing enrolments and their changes; whoever calls has locked the learner and asked whether it may be."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.enrolments.domain import Change, Enrolment
from creditbank.enrolments.tables import enrolment_changes, enrolments


async def add(connection: AsyncConnection, enrolment: Enrolment, client_id: UUID) -> None:
    """Record that a learner entered a programme."""
    await connection.execute(
        insert(enrolments).values(
            learner_id=enrolment.learner_id,
            id=enrolment.id,
            rule_set_id=enrolment.rule_set_id,
            programme=enrolment.programme,
            enrolled_on=enrolment.enrolled_on,
            applied_on=enrolment.applied_on,
            client_id=client_id,
            recorded_at=enrolment.recorded_at,
        )
    )


async def add_change(connection: AsyncConnection, enrolment: Enrolment, change: Change, client_id: UUID) -> None:
    """Record a change of an enrolment."""
    await connection.execute(
        insert(enrolment_changes).values(
            learner_id=enrolment.learner_id,
            id=change.id,
            enrolment_id=enrolment.id,
            kind=change.kind.value,
            day=change.day,
            detail=dict(change.detail),
            client_id=client_id,
            recorded_at=change.recorded_at,
        )
    )
