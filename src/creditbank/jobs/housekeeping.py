"""What has to be done again and again: forgetting old answers and assertions, making room for the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import forget_assertions
from creditbank.access.months import forget_old
from creditbank.clock import Clock
from creditbank.database.schema import make_month_partitions
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.web.idempotency import forget

HOUSEKEEPING: Final = "housekeeping"
_EVERY: Final = timedelta(hours=1)


class Housekeeping:
    """One round; each round asks for the next."""

    def __init__(self, clock: Clock, idempotency_days: int, audit_months: int) -> None:
        self._clock = clock
        self._kept = timedelta(days=idempotency_days)
        self._audit_months = audit_months

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Forget old answers, expired assertions and exported months of the audit log; make its coming months."""
        now = self._clock()
        forgotten = await forget(connection, now - self._kept)
        await forget_assertions(connection, now)
        gone = await forget_old(connection, now, self._audit_months)
        await make_month_partitions(connection, "audit_events", now)
        # The next round stands under a key of its hour, so that there is one whoever asks.
        following = now + _EVERY
        await enqueue(
            connection, HOUSEKEEPING, {}, now, dedup_key=f"{HOUSEKEEPING}:{following:%Y%m%d%H}", run_at=following
        )
        return Step({"forgotten": forgotten, "audit_months": gone}, is_done=True)


async def ask_housekeeping(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, HOUSEKEEPING, {}, now, dedup_key=f"{HOUSEKEEPING}:{now:%Y%m%d%H}")
