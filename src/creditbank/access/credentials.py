"""From an Authorization header to an actor, without asking the database for every request."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from creditbank.access.domain import Actor, KeyRecord, PrintedKey, hash_secret
from creditbank.access.queries import find_key
from creditbank.clock import Clock
from creditbank.database.engine import Database

_CACHED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Remembered:
    record: KeyRecord | None
    until: datetime


class Credentials:
    """Checks keys and remembers each verdict for some seconds: so long may a revoked key still be honoured here."""

    def __init__(self, database: Database, clock: Clock, cache_seconds: int) -> None:
        self._database = database
        self._clock = clock
        self._lasting = timedelta(seconds=cache_seconds)
        self._remembered: dict[str, _Remembered] = {}

    async def actor(self, printed: str) -> Actor | None:
        """The actor whom this key lets in; None when it lets nobody in."""
        key = PrintedKey.parse(printed)
        if key is None:
            return None
        now = self._clock()
        remembered = self._remembered.get(key.id)
        if remembered is None or now >= remembered.until:
            async with self._database.read() as connection:
                remembered = _Remembered(await find_key(connection, key.id), now + self._lasting)
            if len(self._remembered) >= _CACHED_MAX:
                # Made-up key ids must not fill the memory; the good ones come back at the price of one look.
                self._remembered.clear()
            self._remembered[key.id] = remembered
        record = remembered.record
        if record is None:
            # As much work for a key that is not there as for one that is.
            hmac.compare_digest(hash_secret(key.secret), bytes(32))
            return None
        return record.actor if record.admits(key.secret, now) else None
