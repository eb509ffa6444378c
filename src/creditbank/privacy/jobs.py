"""What an erasure leaves to be done after its commit: files outside the database. And letting go of old looks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.months import month_of, months_before, span_of
from creditbank.claims.files import EvidenceFolder
from creditbank.clock import Clock
from creditbank.database.schema import forget_before
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.privacy.queries import has_looks_before
from creditbank.privacy.tables import looks

FORGETTING_LOOKS: Final = "forget_looks"
_EVERY: Final = timedelta(days=1)


class RemovingFiles:
    """Removes the files that a job names. A file that is gone already is no matter."""

    def __init__(self, folder: EvidenceFolder) -> None:
        self._folder = folder

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Remove them all."""
        names = [str(name) for name in job.payload["files"]]
        await asyncio.to_thread(self._folder.remove, names)
        return Step({"removed": len(names)}, is_done=True)


class ForgettingLooks:
    """One round; each round asks for the next."""

    def __init__(self, clock: Clock, months: int) -> None:
        self._clock = clock
        self._months = months

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Let go of the looks that are older than so many whole months."""
        now = self._clock()
        oldest, _ = span_of(months_before(month_of(now), self._months))
        gone = 0
        # Taking the guard down holds up whoever writes looks: not for nothing.
        if await has_looks_before(connection, oldest):
            gone = await forget_before(connection, looks.name, "last_at", oldest)
        following = now + _EVERY
        key = f"{FORGETTING_LOOKS}:{following:%Y%m%d}"
        await enqueue(connection, FORGETTING_LOOKS, {}, now, dedup_key=key, run_at=following)
        return Step({"forgotten": gone}, is_done=True)


async def ask_forgetting_looks(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, FORGETTING_LOOKS, {}, now, dedup_key=f"{FORGETTING_LOOKS}:{now:%Y%m%d}")
