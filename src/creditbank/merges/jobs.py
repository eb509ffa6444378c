"""The job that moves facts between two accounts of one person; a killed one finds out what is left."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import learning_day
from creditbank.intake.actions import Desk
from creditbank.jobs.domain import Job, Step
from creditbank.merges.actions import carry, give_back
from creditbank.merges.domain import MergeState
from creditbank.merges.queries import find_merge


class Merging:
    """One step of a merge, or of undoing one, as its state says."""

    def __init__(self, desk: Desk, zone: ZoneInfo) -> None:
        self._desk = desk
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Move the next facts."""
        merge = await find_merge(connection, UUID(job.payload["learner"]), UUID(job.payload["merge"]))
        today = learning_day(self._desk.clock(), self._zone)
        facts: int = job.progress.get("facts", 0)
        if merge.state is MergeState.APPROVED:
            now = await carry(connection, self._desk, merge, today)
        elif merge.state is MergeState.UNDOING:
            now = await give_back(connection, self._desk, merge, today)
        else:
            now = 0
        return Step({"facts": facts + now}, is_done=not now)
