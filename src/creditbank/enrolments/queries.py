"""Reads of enrolments."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among
from creditbank.enrolments.domain import Change, ChangeKind, Enrolment, EnrolmentNotFound
from creditbank.enrolments.tables import enrolment_changes, enrolments


async def enrolments_of(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Enrolment]]:
    """Every enrolment of these learners with its changes, by learner, the first first."""
    changed = select(enrolment_changes).where(among(connection, enrolment_changes.c.learner_id, learner_ids))
    changes: dict[UUID, list[Change]] = {}
    for row in await connection.execute(changed.order_by(enrolment_changes.c.recorded_at, enrolment_changes.c.id)):
        change = Change(row.id, ChangeKind(row.kind), row.day, row.detail, row.recorded_at)
        changes.setdefault(row.enrolment_id, []).append(change)
    statement = select(enrolments).where(among(connection, enrolments.c.learner_id, learner_ids))
    found: dict[UUID, list[Enrolment]] = {learner_id: [] for learner_id in learner_ids}
    for row in await connection.execute(statement.order_by(enrolments.c.id)):
        found[row.learner_id].append(
            Enrolment(
                row.learner_id,
                row.id,
                row.rule_set_id,
                row.programme,
                row.enrolled_on,
                row.applied_on,
                row.recorded_at,
                tuple(changes.get(row.id, ())),
            )
        )
    return found


async def find(connection: AsyncConnection, learner_id: UUID, enrolment_id: UUID) -> Enrolment:
    """One enrolment. Raises EnrolmentNotFound."""
    for enrolment in (await enrolments_of(connection, [learner_id]))[learner_id]:
        if enrolment.id == enrolment_id:
            return enrolment
    raise EnrolmentNotFound


async def page_of_enrolled(
    connection: AsyncConnection, rule_set_id: UUID, *, after: UUID | None, limit: int
) -> list[UUID]:
    """Learners who were ever enrolled in a programme of this rule set, by their ids, those beyond ``after``."""
    mine = select(enrolments.c.learner_id).where(enrolments.c.rule_set_id == rule_set_id).distinct()
    if after is not None:
        mine = mine.where(enrolments.c.learner_id > after)
    return list((await connection.execute(mine.order_by(enrolments.c.learner_id).limit(limit))).scalars())


async def count_enrolled(connection: AsyncConnection, rule_set_id: UUID) -> int:
    """How many learners were ever enrolled in a programme of this rule set."""
    counted = select(func.count(enrolments.c.learner_id.distinct())).where(enrolments.c.rule_set_id == rule_set_id)
    return (await connection.execute(counted)).scalar_one()


async def enrolled_in(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """The rule sets in a programme of which each learner was ever enrolled: the audience ``enrolled``.

    Whoever leaves keeps what was recognised.
    """
    found: dict[UUID, set[UUID]] = {learner_id: set() for learner_id in learner_ids}
    statement = select(enrolments.c.learner_id, enrolments.c.rule_set_id)
    for row in await connection.execute(statement.where(among(connection, enrolments.c.learner_id, learner_ids))):
        found[row.learner_id].add(row.rule_set_id)
    return found
