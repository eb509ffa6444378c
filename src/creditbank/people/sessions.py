"""From a session's cookie to a person acting, without asking the database for every request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from creditbank.access.domain import Actor, hash_secret
from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.people.actions import touch_session
from creditbank.people.domain import Session, Standing, actor_of
from creditbank.people.queries import standing_of
from creditbank.people.tokens import is_ours
from creditbank.sealing import Vault

_CACHED_MAX: Final = 10_000
# That a session is in use is written down no oftener.
_TOUCHED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts: unused, and at the most."""

    idle: timedelta
    whole: timedelta

    def alive(self, session: Session, now: datetime) -> bool:
        """Whether the session still lets in."""
        return session.ended_at is None and now < session.used_at + self.idle and now < session.created_at + self.whole


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a cookie lets in, and by which session. With an initial password nothing may be done but changing it."""

    actor: Actor
    session: Session
    is_password_initial: bool


@dataclass(frozen=True, slots=True)
class _Remembered:
    standing: Standing | None
    until: datetime


class Sessions:
    """Checks cookies and remembers each verdict for some seconds: so long may another process honour an ended one.

    Whoever may act for a learner's account is never remembered.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock, cache_seconds: int, limits: Limits) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._lasting = timedelta(seconds=cache_seconds)
        self._remembered: dict[bytes, _Remembered] = {}
        self.limits: Final = limits

    async def signed_in(self, token: str) -> SignedIn | None:
        """Whom the token lets in; None when it lets nobody in."""
        if not is_ours(self._vault, token):
            return None
        now = self._clock()
        key = hash_secret(token)
        remembered = self._remembered.get(key)
        if remembered is None or now >= remembered.until:
            found = await self._look(key, now)
            # Who signs in for a learner may be erased in another process, at once and for ever.
            is_for_learner = found is not None and any(grant.place.learner_id is not None for grant in found.grants)
            remembered = _Remembered(found, now + self._lasting)
            if len(self._remembered) >= _CACHED_MAX:
                # Tokens of old must not fill the memory; the good ones come back at the price of one look.
                self._remembered.clear()
            if not is_for_learner:
                self._remembered[key] = remembered
        standing = remembered.standing
        if standing is None or not standing.is_active or not self.limits.alive(standing.session, now):
            return None
        session = standing.session
        actor = actor_of(
            session.user_id,
            () if standing.is_password_initial else standing.grants,
            session.place,
            now,
            session.authenticated_at,
        )
        return SignedIn(
            replace(actor, stopped_by=standing.stopped_by, must_change_password=standing.is_password_initial),
            session,
            standing.is_password_initial,
        )

    async def actor(self, token: str) -> Actor | None:
        """The person whom the token lets in, as the doorkeeper asks for them."""
        found = await self.signed_in(token)
        return None if found is None else found.actor

    async def _look(self, key: bytes, now: datetime) -> Standing | None:
        async with self._database.snapshot() as connection:
            found = await standing_of(connection, key)
        if found is not None and self.limits.alive(found.session, now) and now - found.session.used_at > _TOUCHED_EVERY:
            async with self._database.write() as connection:
                await touch_session(connection, found.session.id, now)
            return replace(found, session=replace(found.session, used_at=now))
        return found

    def forget(self, user_id: UUID) -> None:
        """Remember nothing of a user's sessions: one of them has just ended, moved, or begun."""
        stale = [
            key
            for key, kept in self._remembered.items()
            if kept.standing is not None and kept.standing.session.user_id == user_id
        ]
        for key in stale:
            del self._remembered[key]

    def forget_all(self) -> None:
        """Remember nothing: an institution was suspended, or taken in again."""
        self._remembered.clear()
