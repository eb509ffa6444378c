"""Reads of guardianships."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.guardianships.domain import Guardianship
from creditbank.guardianships.tables import guardianships
from creditbank.people.domain import GUARDIANSHIP
from creditbank.people.tables import user_roles, users


async def of_learner(connection: AsyncConnection, learner_id: UUID) -> list[Guardianship]:
    """The guardianships that a learner ever had, oldest first."""
    statement = select(guardianships).where(guardianships.c.learner_id == learner_id).order_by(guardianships.c.id)
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
