"""What time ends: applications that nobody decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, learning_day
from creditbank.conversions.actions import Counter, let_lapse
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.ledger.queries import lapsed

LAPSING: Final = "lapsing"
"""The kind of job that ends holds whose time is over."""

_EVERY: Final = timedelta(minutes=5)
_HOLDS_A_STEP: Final = 50


class Lapsing:
    """One round; each round asks for the next."""

    def __init__(self, counter: Counter, zone: ZoneInfo) -> None:
        self._counter = counter
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """End the next holds. One that ends otherwise meanwhile is passed over: a hold ends once."""
        now = self._counter.clock()
        found = await lapsed(connection, now, _HOLDS_A_STEP)
        ended = await let_lapse(connection, self._counter, found, learning_day(now, self._zone)) if found else 0
        progress = {"ended": job.progress.get("ended", 0) + ended}
        if len(found) == _HOLDS_A_STEP:
            return Step(progress, is_done=False)
        await _ask(connection, now, now + _EVERY)
        return Step(progress, is_done=True)


async def ask_lapsing(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await _ask(connection, now, now)


async def _ask(connection: AsyncConnection, now: datetime, run_at: datetime) -> None:
    # Rounds stand under a key of their five minutes, so that there is one whoever asks.
    slot = int(run_at.timestamp()) // int(_EVERY.total_seconds())
    await enqueue(connection, LAPSING, {}, now, dedup_key=f"{LAPSING}:{slot}", run_at=run_at)
