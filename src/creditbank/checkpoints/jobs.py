"""Checkpoints made again and again, at an interval that the bank sets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.checkpoints.actions import LEAVES_A_STEP, append, sign
from creditbank.checkpoints.notes import Signer
from creditbank.clock import Clock, microseconds
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.sealing import Vault

CHECKPOINT: Final = "checkpoint"


class Checkpointing:
    """One checkpoint in steps: leaves, some at a time, then the signature; the last step asks for the next one."""

    def __init__(self, vault: Vault, signer: Signer | None, clock: Clock, every: timedelta) -> None:
        self._vault = vault
        self._signer = signer
        self._clock = clock
        self._every = every

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Append some leaves, or sign when there are no more."""
        if self._signer is None:
            # The key was taken out of the settings since this was asked for.
            return Step({}, is_done=True)
        after = job.progress.get("after")
        leaves = int(job.progress.get("leaves", 0))
        appended = await append(connection, self._vault, after=UUID(after) if after else None, limit=LEAVES_A_STEP)
        leaves += appended.leaves
        if appended.after is not None:
            return Step({"after": str(appended.after), "leaves": leaves}, is_done=False)
        now = self._clock()
        made = await sign(connection, self._signer, now)
        await _ask(connection, now, now + self._every, self._every)
        return Step({"leaves": leaves, "size": made.size}, is_done=True)


async def ask_checkpoint(connection: AsyncConnection, clock: Clock, every: timedelta) -> None:
    """Ask for a checkpoint now, unless this interval has asked for one already."""
    now = clock()
    await _ask(connection, now, now, every)


async def _ask(connection: AsyncConnection, now: datetime, run_at: datetime, every: timedelta) -> None:
    # Under a key of its interval, so that there is one whoever asks.
    number = microseconds(run_at) // (every // timedelta(microseconds=1))
    await enqueue(connection, CHECKPOINT, {}, now, dedup_key=f"{CHECKPOINT}:{number}", run_at=run_at)
