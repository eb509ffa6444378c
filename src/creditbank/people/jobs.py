"""What has to be done again and again for people: forgetting sessions that are over, and failed attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.people.actions import forget_sessions

FORGETTING: Final = "forget_sessions"
_EVERY: Final = timedelta(hours=1)
# Long enough to see where one was signed in; who signed in and when stays in the audit log.
_KEPT: Final = timedelta(days=8)


class ForgettingSessions:
    """One round; each round asks for the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Remove what is over."""
        now = self._clock()
        forgotten = await forget_sessions(connection, now - _KEPT)
        following = now + _EVERY
        key = f"{FORGETTING}:{following:%Y%m%d%H}"
        await enqueue(connection, FORGETTING, {}, now, dedup_key=key, run_at=following)
        return Step({"forgotten": forgotten}, is_done=True)


async def ask_forgetting(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, FORGETTING, {}, now, dedup_key=f"{FORGETTING}:{now:%Y%m%d%H}")
