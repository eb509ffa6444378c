"""What is swept up behind evidence: files that no row came to name."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.claims.files import EvidenceFolder
from creditbank.claims.queries import files_named
from creditbank.clock import Clock
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step

SWEEPING: Final = "sweeping"
"""The kind of job that removes files of evidence that no row names."""

KEPT: Final = timedelta(days=7)
"""How long such a file is kept. A file is written seconds before its row is; but who has restored an old copy of the
database, and finds that out, still has the files of the newer one."""

_EVERY: Final = timedelta(days=1)
_FILES_A_STEP: Final = 500


class Sweeping:
    """One round over the folder; each round asks for the next."""

    def __init__(self, folder: EvidenceFolder, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Remove what is old enough of the next files and named by no row."""
        now = self._clock()
        after = job.progress.get("after", "")
        found = await asyncio.to_thread(self._folder.aged, now - KEPT, after, _FILES_A_STEP)
        left = sorted(set(found) - await files_named(connection, found)) if found else []
        await asyncio.to_thread(self._folder.remove, left)
        progress = {"removed": job.progress.get("removed", 0) + len(left)}
        if len(found) == _FILES_A_STEP:
            return Step({**progress, "after": found[-1]}, is_done=False)
        following = now + _EVERY
        await enqueue(connection, SWEEPING, {}, now, dedup_key=f"{SWEEPING}:{following:%Y%m%d}", run_at=following)
        return Step(progress, is_done=True)


async def ask_sweeping(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, SWEEPING, {}, now, dedup_key=f"{SWEEPING}:{now:%Y%m%d}")
