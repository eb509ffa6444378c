"""Who looked: each read of a learner's data is noted in memory, and written down some seconds later.

An insert for each read would cost more than the read. What a process has noted and not yet written is lost when it is
killed: so many seconds as the setting says. It is written at an orderly end, and before anybody is shown the looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Scope

from creditbank.access.tables import api_clients
from creditbank.clock import Clock
from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id
from creditbank.privacy.tables import looks

_OF_A_LEARNER: Final = "/v1/learners/{id}"
_SEEN: Final = frozenset({200, 304})
_WAITING_MAX: Final = 10_000
"""So many different looks wait at most; when nobody can write them down, the oldest are given up and counted."""

LOOKED_AT: Final = "looked_at"
"""Where a route says of which learners it showed data, when its path does not."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Noted:
    times: int
    first_at: datetime
    last_at: datetime


Subject = tuple[UUID, UUID, str | None, str]
"""Whose data was read, by which program or person, for which institution (None: the bank), by which route."""


class Looks:
    """The looks that a process has noted. ``note`` is told of every answer and costs a look into a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Subject, _Noted] = {}

    def note(self, scope: Scope, route: str, status: int) -> None:
        """Note that a learner's data was answered to a client."""
        client: UUID | None = scope.get("client_id")
        if status not in _SEEN or client is None:
            return
        if scope["method"] == "GET" and (route == _OF_A_LEARNER or route.startswith(_OF_A_LEARNER + "/")):
            # A path holds the id as it was written, which may be in capitals.
            seen = [UUID(str(scope["path_params"]["id"]))]
        else:
            seen = scope.get(LOOKED_AT, [])
        for learner in seen:
            self._note_one((learner, client, scope.get("acting_for"), f"{scope['method']} {route}"), scope)

    def _note_one(self, subject: Subject, scope: Scope) -> None:
        if subject[0] == scope.get("self"):
            # Who reads their own is not told of it.
            return
        now = self._clock()
        noted = self._waiting.get(subject)
        if noted is None:
            self._waiting[subject] = _Noted(1, now, now)
        else:
            noted.times, noted.last_at = noted.times + 1, now

    async def write(self, connection: AsyncConnection) -> int:
        """Write down what was noted; answers how many rows that made.

        When the statement fails it is noted still; what a commit loses after it is lost, since it may have been done.
        """
        taken, self._waiting = self._waiting, {}
        rows = [
            {"learner_id": learner, "id": new_id(), "client_id": client, "provider": provider, "route": route,
             "times": noted.times, "first_at": noted.first_at, "last_at": noted.last_at}
            for (learner, client, provider, route), noted in taken.items()
        ]  # fmt: skip
        try:
            await insert_rows(connection, looks, rows)
        except BaseException:
            self._put_back(taken)
            raise
        return len(rows)

    def _put_back(self, taken: Mapping[Subject, _Noted]) -> None:
        for subject, noted in taken.items():
            later = self._waiting.get(subject)
            if later is not None:
                later.times, later.first_at = later.times + noted.times, noted.first_at
            else:
                self._waiting[subject] = noted
        lost = len(self._waiting) - _WAITING_MAX
        if lost > 0:
            oldest = sorted(self._waiting, key=lambda subject: self._waiting[subject].last_at)[:lost]
            for subject in oldest:
                del self._waiting[subject]
            _log.error("looks_lost", looks=lost)

    @property
    def are_waiting(self) -> bool:
        """Whether anything is to be written down."""
        return bool(self._waiting)


async def write_again_and_again(write: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Write what was noted every so many seconds, until cancelled. The database may be away for a while."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await write()
        except (SQLAlchemyError, OSError) as error:
            _log.error("looks_unwritten", error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody read what is a learner's, so many times between two instants."""

    id: UUID
    client_id: UUID
    client_name: str | None
    provider: str | None
    route: str
    times: int
    first_at: datetime
    last_at: datetime


def _look_of(row: Row[Any]) -> Look:
    return Look(row.id, row.client_id, row.name, row.provider, row.route, row.times, row.first_at, row.last_at)


async def page_of_looks(
    connection: AsyncConnection, learner_id: UUID, *, before: UUID | None, limit: int
) -> list[Look]:
    """Who looked, the latest first, those before a place."""
    statement = (
        select(looks, api_clients.c.name)
        .outerjoin(api_clients, api_clients.c.id == looks.c.client_id)
        .where(looks.c.learner_id == learner_id)
        .order_by(looks.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(looks.c.id < before)
    return [_look_of(row) for row in await connection.execute(statement)]
