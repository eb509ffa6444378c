"""What has to be done again and again for webhooks: forgetting what was told long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.webhooks.actions import forget_deliveries

FORGETTING_DELIVERIES: Final = "forget_deliveries"
_EVERY: Final = timedelta(hours=1)
_A_STEP: Final = 5000


class ForgettingDeliveries:
    """One round, in steps; each round asks for the next."""

    def __init__(self, clock: Clock, days: int) -> None:
        self._clock = clock
        self._kept = timedelta(days=days)

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Remove what is old, delivered or not, and what removed webhooks left."""
        now = self._clock()
        forgotten = await forget_deliveries(connection, now - self._kept, now, _A_STEP)
        so_far = {"forgotten": job.progress.get("forgotten", 0) + forgotten}
        if forgotten:
            return Step(so_far, is_done=False)
        following = now + _EVERY
        key = f"{FORGETTING_DELIVERIES}:{following:%Y%m%d%H}"
        await enqueue(connection, FORGETTING_DELIVERIES, {}, now, dedup_key=key, run_at=following)
        return Step(so_far, is_done=True)


async def ask_forgetting_deliveries(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, FORGETTING_DELIVERIES, {}, now, dedup_key=f"{FORGETTING_DELIVERIES}:{now:%Y%m%d%H}")
