"""Reads of guardianships."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.guardianships.domain import Guardianship
from creditbank.guardianships.tables import guardianships
from creditbank.learners.tables import learners
from creditbank.people.domain import GUARDIANSHIP
from creditbank.people.tables import user_roles, users


async def of_learner(connection: AsyncConnection, learner_id: UUID) -> list[Guardianship]:
    """The guardianships that a learner ever had, oldest first."""
    statement = select(guardianships).where(guardianships.c.learner_id == learner_id).order_by(guardianships.c.id)
    return [Guardianship(**row) for row in (await connection.execute(statement)).mappings()]


async def lasting_of(
    connection: AsyncConnection, guardian_id: UUID, today: date, *, is_minor_too: bool
) -> list[Guardianship]:
    """The guardianships that last of a guardian by this account or one merged into it; with ``is_minor_too``
    also those over this account."""
    mine = select(learners.c.id).where(learners.c.merged_into == guardian_id)
    theirs = or_(guardianships.c.guardian_id == guardian_id, guardianships.c.guardian_id.in_(mine))
    if is_minor_too:
        theirs = or_(theirs, guardianships.c.learner_id == guardian_id)
    statement = (
        select(guardianships)
        .where(theirs, guardianships.c.ended_at.is_(None), guardianships.c.until > today)
        .order_by(guardianships.c.id)
    )
    return [Guardianship(**row) for row in (await connection.execute(statement)).mappings()]


async def user_of(connection: AsyncConnection, learner_id: UUID, now: datetime) -> UUID | None:
    """Who signs in as this learner and as nobody's guardian; the first of them."""
    statement = (
        select(user_roles.c.user_id)
        .join(users, users.c.id == user_roles.c.user_id)
        .where(
            user_roles.c.learner_id == learner_id,
            user_roles.c.revoked_at.is_(None),
            or_(user_roles.c.until.is_(None), user_roles.c.until > now),
            not_(user_roles.c.granted_by.startswith(GUARDIANSHIP)),
            users.c.status == "active",
        )
        .order_by(user_roles.c.id)
        .limit(1)
    )
    found: UUID | None = (await connection.execute(statement)).scalar_one_or_none()
    return found
