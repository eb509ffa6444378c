"""From an Authorization header to an actor, without asking the database for every request."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from creditbank.access.domain import Actor, KeyRecord, PrintedKey, hash_secret
from creditbank.access.queries import find_key
from creditbank.access.tables import api_keys
from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.database.statements import update_rows

_CACHED_MAX: Final = 10_000
_WRITTEN_EVERY_SECONDS: Final = 60

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Remembered:
    record: KeyRecord | None
    until: datetime


class Credentials:
    """Checks keys and remembers each verdict for some seconds: so long may a revoked key still be honoured here.

    ``is_test`` says whose door it is: the sandbox takes test keys only, the real books take none of them.
    """

    def __init__(self, database: Database, clock: Clock, cache_seconds: int, *, is_test: bool = False) -> None:
        self._database = database
        self._clock = clock
        self._lasting = timedelta(seconds=cache_seconds)
        self._is_test = is_test
        self._remembered: dict[str, _Remembered] = {}
        self._used: dict[str, datetime] = {}

    async def actor(self, printed: str, address: str | None = None, *, ask: bool = True) -> Actor | None:
        """The actor whom this credential lets in from there; None when it lets nobody in.

        Without ``ask`` the database is left in peace: only who is remembered is let in.
        """
        key = PrintedKey.parse(printed)
        if key is None or key.is_test is not self._is_test:
            return None
        now = self._clock()
        record = await self._record(key.id, now, ask=ask)
        if record is None:
            # As much work for a key that is not there as for one that is.
            hmac.compare_digest(hash_secret(key.secret), bytes(32))
            return None
        if not record.admits(key.secret, now) or not self._is_welcome(record, address):
            return None
        self._used[key.id] = now
        return record.standing.actor

    def _is_welcome(self, record: KeyRecord, address: str | None) -> bool:
        return record.standing.actor.is_test is self._is_test and record.standing.admits_from(address)

    async def _record(self, key_id: str, now: datetime, *, ask: bool) -> KeyRecord | None:
        remembered = self._remembered.get(key_id)
        if remembered is None or now >= remembered.until:
            if not ask:
                return None
            async with self._database.read() as connection:
                remembered = _Remembered(await find_key(connection, key_id), now + self._lasting)
            if len(self._remembered) >= _CACHED_MAX:
                # Made-up key ids must not fill the memory; the good ones come back at the price of one look.
                self._remembered.clear()
            self._remembered[key_id] = remembered
        return remembered.record

    def forget(self) -> None:
        """Ask the database anew: something changed, and this process knows of it at once."""
        self._remembered.clear()

    async def write_uses(self) -> None:
        """Write down when each key was last used, all keys in one statement."""
        used, self._used = self._used, {}
        if used:
            # In the order of their ids, so that two processes never wait for each other.
            rows = [{"id": key_id, "last_used_at": at} for key_id, at in sorted(used.items())]
            async with self._database.write() as connection:
                await update_rows(connection, api_keys, rows, ("id",))

    async def keep_writing(self) -> None:
        """Write uses down once a minute, for as long as the process serves."""
        while True:
            await asyncio.sleep(_WRITTEN_EVERY_SECONDS)
            try:
                await self.write_uses()
            except (OSError, SQLAlchemyError) as error:
                # What is lost is a minute's uses; the next minute writes again.
                _log.warning("uses_not_written", error=type(error).__name__)
