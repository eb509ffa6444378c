"""What an erasure leaves to be done after its commit: files outside the database."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.claims.files import EvidenceFolder
from creditbank.jobs.domain import Job, Step


class RemovingFiles:
    """Removes the files that a job names. A file that is gone already is no matter."""

    def __init__(self, folder: EvidenceFolder) -> None:
        self._folder = folder

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Remove them all."""
        names = [str(name) for name in job.payload["files"]]
        await asyncio.to_thread(self._folder.remove, names)
        return Step({"removed": len(names)}, is_done=True)
