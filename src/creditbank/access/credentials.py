"""From an Authorization header to an actor, without asking the database for every request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from creditbank.access.domain import Actor, KeyRecord, PrintedKey, Standing, hash_secret
from creditbank.access.queries import find_key, find_standing
from creditbank.access.tables import api_keys
from creditbank.access.tokens import Grant, Tokens
from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.database.statements import update_rows

_CACHED_MAX: Final = 10_000
_WRITTEN_EVERY_SECONDS: Final = 60

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Remembered:
    found: KeyRecord | Standing | None
    until: datetime


class Credentials:
    """Checks keys and tokens, and remembers what it was told for some seconds.

    So long may a process still honour a key that was revoked, or a token of a client that was suspended. ``is_test``
    says whose door it is: the sandbox takes test credentials only, the real books take none of them.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        cache_seconds: int,
        tokens: Tokens | None = None,
        *,
        is_test: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._lasting = timedelta(seconds=cache_seconds)
        self._tokens = tokens
        self._is_test = is_test
        # By the id of a key, or of a client that proved itself by an assertion.
        self._remembered: dict[str | UUID, _Remembered] = {}
        # What tokens say, by their hash: a signature is verified once.
        self._grants: dict[bytes, Grant] = {}
        self._used: dict[str, datetime] = {}

    async def actor(self, printed: str, address: str | None = None, *, ask: bool = True) -> Actor | None:
        """The actor whom this credential lets in from there; None when it lets nobody in.

        Without ``ask`` the database is left in peace: only who is remembered is let in.
        """
        now = self._clock()
        key = PrintedKey.parse(printed)
        standing = (
            await self._standing_of_key(key, now, ask=ask)
            if key is not None
            else await self._standing_of_token(printed, now, ask=ask)
        )
        if standing is None or standing.actor.is_test is not self._is_test or not standing.admits_from(address):
            return None
        return standing.actor

    async def _standing_of_key(self, key: PrintedKey, now: datetime, *, ask: bool) -> Standing | None:
        if key.is_test is not self._is_test:
            return None
        record = await self._find(key.id, now, ask=ask)
        if not isinstance(record, KeyRecord):
            # As much work for a key that is not there as for one that is.
            hmac.compare_digest(hash_secret(key.secret), bytes(32))
            return None
        if not record.admits(key.secret, now):
            return None
        self._used[key.id] = now
        return record.standing

    async def _standing_of_token(self, token: str, now: datetime, *, ask: bool) -> Standing | None:
        grant = self._read(token, now)
        if grant is None:
            return None
        found = await self._find(grant.client_id if grant.key_id is None else grant.key_id, now, ask=ask)
        if isinstance(found, KeyRecord):
            # A token is worth no more than the key with which it was asked for.
            if not found.is_live(now) or found.standing.actor.client_id != grant.client_id:
                return None
            found = found.standing
        elif found is not None:
            if grant.kid is None or found.public_key_makers.get(grant.kid, "") != grant.made_by:
                # The public key was taken away since, or replaced by somebody else's of the same name.
                return None
            found = replace(found, actor=replace(found.actor, made_by=grant.made_by))
        if found is None:
            return None
        # What was taken from the client since is taken from its tokens too.
        return replace(found, actor=replace(found.actor, scopes=found.actor.scopes & grant.scopes))

    def _read(self, token: str, now: datetime) -> Grant | None:
        if self._tokens is None or not token:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        grant = self._grants.get(digest)
        if grant is None:
            grant = self._tokens.read(token, now, is_test=self._is_test)
            if grant is not None:
                if len(self._grants) >= _CACHED_MAX:
                    self._grants.clear()
                self._grants[digest] = grant
        return grant if grant is not None and now.timestamp() < grant.expires_at else None

    async def _find(self, id_: str | UUID, now: datetime, *, ask: bool) -> KeyRecord | Standing | None:
        remembered = self._remembered.get(id_)
        if remembered is None or now >= remembered.until:
            if not ask:
                return None
            async with self._database.read() as connection:
                found = (
                    await find_standing(connection, id_, is_test=self._is_test)
                    if isinstance(id_, UUID)
                    else await find_key(connection, id_)
                )
            remembered = _Remembered(found, now + self._lasting)
            if len(self._remembered) >= _CACHED_MAX:
                # Made-up key ids must not fill the memory; the good ones come back at the price of one look.
                self._remembered.clear()
            self._remembered[id_] = remembered
        return remembered.found

    def forget(self) -> None:
        """Ask the database anew: something changed, and this process knows of it at once."""
        self._remembered.clear()

    def note_use(self, key_id: str) -> None:
        """Note that a key was used otherwise than by an Authorization header."""
        self._used[key_id] = self._clock()

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
