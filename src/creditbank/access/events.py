"""Reading the audit log, and which of its months were exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import ActorKind, By
from creditbank.access.policy import Owned
from creditbank.access.tables import audit_events, audit_exports
from creditbank.database.statements import under
from creditbank.identifiers import is_under


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Somebody did something to what was, at that time, ``about``'s."""

    id: UUID
    at: datetime
    by: By
    action: str
    subject: str
    about: Owned
    details: Mapping[str, Any]
    request_id: str | None

    def seen_by(self, top: str) -> AuditEvent:
        """What those of a provider are told: of somebody who acted for another, for whom, and not who it was."""
        if self.by.provider is not None and is_under(self.by.provider, top):
            return self
        return replace(self, by=replace(self.by, actor=None), request_id=None)


Place = tuple[datetime, UUID]
"""Where an event stands among all: its instant, and its id among those of that instant."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted.

    ``top``: only what was done for that provider or one under it, or to what was theirs. ``provider``: done for it.
    """

    top: str | None = None
    actor: str | None = None
    kind: ActorKind | None = None
    provider: str | None = None
    learner_id: UUID | None = None
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What rows must hold to."""
        events = audit_events.c
        found: list[ColumnElement[bool]] = []
        if self.top is not None:
            mine = under(events.provider, self.top)
            # Asking by somebody's id would tell what is not shown: who it was that acted for another.
            found.append(mine if self.actor is not None else mine | under(events.owner, self.top))
        if self.provider is not None:
            found.append(under(events.provider, self.provider))
        for column, value in (
            (events.actor, self.actor),
            (events.actor_kind, self.kind),
            (events.learner_id, self.learner_id),
            (events.subject, self.subject),
            (events.action, self.action),
        ):
            if value is not None:
                found.append(column == value)
        if self.since is not None:
            found.append(events.at >= self.since)
        if self.until is not None:
            found.append(events.at < self.until)
        return found


def _event_of(row: Row[Any]) -> AuditEvent:
    by, about = By(row.actor_kind, row.actor, row.provider), Owned(row.owner, row.learner_id)
    return AuditEvent(row.id, row.at, by, row.action, row.subject, about, row.details, row.request_id)


async def page_of_events(
    connection: AsyncConnection, wanted: EventFilter, *, before: Place | None, limit: int
) -> list[AuditEvent]:
    """Events, the latest first, those before a place."""
    place = (audit_events.c.at, audit_events.c.id)
    statement = select(audit_events).where(*wanted.conditions())
    if before is not None:
        statement = statement.where(tuple_(*place) < before)
        # Said once more in a form by which months are passed over.
        statement = statement.where(audit_events.c.at <= before[0])
    statement = statement.order_by(*(column.desc() for column in place)).limit(limit)
    return [_event_of(row) for row in await connection.execute(statement)]


async def events_in_order(
    connection: AsyncConnection, since: datetime, until: datetime, *, after: Place | None, limit: int
) -> list[AuditEvent]:
    """Events of a span of time, the first first, those after a place."""
    place = (audit_events.c.at, audit_events.c.id)
    statement = select(audit_events).where(audit_events.c.at >= since, audit_events.c.at < until)
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    return [_event_of(row) for row in await connection.execute(statement.order_by(*place).limit(limit))]


async def count_events(connection: AsyncConnection, since: datetime, until: datetime) -> int:
    """How many events a span of time has."""
    span = (audit_events.c.at >= since) & (audit_events.c.at < until)
    found = await connection.execute(select(func.count()).select_from(audit_events).where(span))
    return found.scalar_one()


async def first_event(connection: AsyncConnection) -> datetime | None:
    """The instant of the first event that is kept."""
    found: datetime | None = (await connection.execute(select(func.min(audit_events.c.at)))).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Exported:
    """A month of the audit log that was written to a file: so many events, and the hash that the chain ends with."""

    month: str
    events: int
    hash: bytes


async def exports(connection: AsyncConnection) -> list[Exported]:
    """The months that were exported, the first first."""
    rows = await connection.execute(select(audit_exports).order_by(audit_exports.c.month))
    return [Exported(row.month, row.events, bytes(row.hash)) for row in rows]
