"""Reads of codes, and of who has come into an account already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.activations.tables import activation_codes
from creditbank.database.statements import among, for_update, under
from creditbank.learners.domain import ENDED, ERASED
from creditbank.learners.tables import learners
from creditbank.people.domain import GUARDIANSHIP
from creditbank.people.tables import user_roles, users


async def learner_of(connection: AsyncConnection, key: bytes, now: datetime) -> UUID | None:
    """The learner whom a code that lives brings in; whoever else comes with the code waits until this is decided."""
    live = select(activation_codes.c.learner_id).where(
        activation_codes.c.key == key, activation_codes.c.expires_at > now
    )
    locked = for_update(connection, live, activation_codes)
    found: UUID | None = (await connection.execute(locked)).scalar_one_or_none()
    return found


def _in_force(now: datetime) -> ColumnElement[bool]:
    """Whether a role lets in as the learner themself; a guardian's does not."""
    lasts = or_(user_roles.c.until.is_(None), user_roles.c.until > now)
    return user_roles.c.revoked_at.is_(None) & lasts & not_(user_roles.c.granted_by.startswith(GUARDIANSHIP))


async def entered(connection: AsyncConnection, learner_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Those of the learners as whom somebody signs in."""
    in_force = _in_force(now)
    held = select(user_roles.c.learner_id).where(among(connection, user_roles.c.learner_id, learner_ids), in_force)
    return set((await connection.execute(held)).scalars())


async def guarded(connection: AsyncConnection, learner_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Those of the learners for whom a guardian acts, who signs in with an account of their own."""
    held = (
        select(user_roles.c.learner_id)
        .join(users, users.c.id == user_roles.c.user_id)
        .where(
            among(connection, user_roles.c.learner_id, learner_ids),
            user_roles.c.revoked_at.is_(None),
            or_(user_roles.c.until.is_(None), user_roles.c.until > now),
            user_roles.c.granted_by.startswith(GUARDIANSHIP),
            users.c.status == "active",
        )
    )
    return set((await connection.execute(held)).scalars())


async def waiting(connection: AsyncConnection, provider: str, now: datetime) -> list[UUID]:
    """The accounts that a provider, or one under it, opened and that nobody has come into, oldest first."""
    in_force = _in_force(now)
    held = select(user_roles.c.learner_id).where(user_roles.c.learner_id.is_not(None), in_force)
    statement = (
        select(learners.c.id)
        .where(
            under(learners.c.provider, provider),
            learners.c.state.not_in([*ENDED, ERASED]),
            learners.c.id.not_in(held),
        )
        .order_by(learners.c.id)
    )
    return list((await connection.execute(statement)).scalars())
