"""The job that moves facts between two accounts of one person; a killed one finds out what is left."""

from __future__ import annotations

from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, learning_day
from creditbank.database.statements import update_rows
from creditbank.intake.actions import Desk
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.learners.queries import find, likeness_key, lock
from creditbank.learners.tables import learners
from creditbank.merges.actions import carry, give_back
from creditbank.merges.domain import MergeState
from creditbank.merges.queries import find_merge, unmarked
from creditbank.sealing import Vault


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


MARKING: Final = "mark_likeness"
_ACCOUNTS_A_STEP: Final = 200


class Marking:
    """Reckons of accounts from before anybody did what they are like; a killed one goes on with those that are left."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Reckon it of the next accounts."""
        ids = await unmarked(connection, _ACCOUNTS_A_STEP)
        # Held, so that nobody mends a name between the look and the mark.
        await lock(connection, self._vault, ids)
        rows = []
        for id_ in ids:
            learner, _ = await find(connection, self._vault, id_)
            rows.append({"id": id_, "likeness": likeness_key(self._vault, learner.profile)})
        await update_rows(connection, learners, rows, ("id",))
        return Step({"marked": job.progress.get("marked", 0) + len(ids)}, is_done=len(ids) < _ACCOUNTS_A_STEP)


async def ask_marking(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for it where some account waits for it."""
    if await unmarked(connection, 1):
        await enqueue(connection, MARKING, {}, clock(), dedup_key=MARKING)
