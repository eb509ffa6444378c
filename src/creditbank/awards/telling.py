"""What is told of applications and awards, to the institution that decides about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.awards.domain import State
from creditbank.awards.tables import conversions
from creditbank.database.statements import pairs_among
from creditbank.ledger.domain import Hold
from creditbank.webhooks.domain import Event


def _event(
    type_: str, conversion_id: UUID, learner_id: UUID, provider: str | None, at: datetime, state: State
) -> Event:
    about = {"conversion_id": str(conversion_id), "learner_id": str(learner_id), "state": state.value}
    return Event(type_, provider, f"/v1/conversions/{conversion_id}", about, at)


def applied(conversion_id: UUID, learner_id: UUID, provider: str | None, at: datetime) -> Event:
    """Somebody applied for an award."""
    return _event("conversion.applied", conversion_id, learner_id, provider, at, State.HELD)


def ended(conversion_id: UUID, learner_id: UUID, provider: str | None, at: datetime, state: State) -> Event:
    """An application came to its end."""
    return _event("conversion.ended", conversion_id, learner_id, provider, at, state)


def annulled(conversion_id: UUID, learner_id: UUID, provider: str | None, at: datetime) -> Event:
    """An award was withdrawn."""
    return _event("award.annulled", conversion_id, learner_id, provider, at, State.ANNULLED)


async def ended_with(connection: AsyncConnection, holds: Sequence[Hold], state: State, at: datetime) -> list[Event]:
    """The ends of the applications for which these holds were placed, and which end with them."""
    if not holds:
        return []
    pairs = [(hold.learner_id, hold.id) for hold in holds]
    theirs = pairs_among(connection, (conversions.c.learner_id, conversions.c.hold_id), pairs)
    rows = await connection.execute(
        select(conversions.c.id, conversions.c.learner_id, conversions.c.provider).where(theirs)
    )
    return [ended(row.id, row.learner_id, row.provider, at, state) for row in rows]
