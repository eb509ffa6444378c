"""What is swept up behind evidence: files that no row came to name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.claims.files import EvidenceFolder
from creditbank.clock import Clock
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.sealing import Vault

SWEEPING: Final = "sweeping"
"""The kind of job that sets aside files of evidence that no row names, and at last removes them."""

YOUNG: Final = timedelta(days=1)
"""How long a file is left where it was written: its row is written seconds later."""

Naming = Callable[[AsyncConnection, Sequence[str]], Awaitable[set[str]]]
"""Finds those of the files that a row of some table names."""

_EVERY: Final = timedelta(days=1)
_FILES_A_STEP: Final = 500

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Holding:
    """A folder of evidence in the hands of one bank.

    The bank is told from others by its look-up secret and by where its database is: a copy of the database that is
    served from elsewhere is another bank, though every secret and every row is the same.
    """

    folder: EvidenceFolder
    vault: Vault
    database: str

    async def is_ours(self) -> bool:
        """Whether nobody else keeps evidence in the folder; it says so in the log when somebody does."""
        mark = self.vault.lookup_key("evidence folder", self.database).hex()[:32]
        try:
            alone = await asyncio.to_thread(self.folder.belongs_to, mark, self.database)
        except OSError as error:
            _log.warning("evidence_folder_unwritable", error=type(error).__name__)
            return False
        if not alone:
            _log.warning("evidence_folder_shared", mark=f"bank-{mark}")
        return alone


class Sweeping:
    """One round over the folder, then over what was set aside; each round asks for the next.

    What no row names is set aside. It comes back when a row names it again, as after the restoring of an older copy
    of the database and then of the right one, and is removed when it has lain aside for ``kept`` and no row names it.
    The age of a file says nothing about how long it has been unnamed, so it never decides what is removed.
    """

    def __init__(self, holding: Holding, naming: Sequence[Naming], kept: timedelta, clock: Clock) -> None:
        self._holding = holding
        self._naming = naming
        self._folder = holding.folder
        self._kept = kept
        self._clock = clock

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Take the next files. Nothing is touched in a folder that another bank keeps evidence in too."""
        progress = {"set_aside": 0, "brought_back": 0, "removed": 0, **job.progress}
        if not await self._holding.is_ours():
            return await self._ended(connection, progress)
        if "aside" not in progress:
            return await self._set_aside(connection, progress)
        return await self._look_through(connection, progress)

    async def _set_aside(self, connection: AsyncConnection, progress: dict[str, Any]) -> Step:
        now = self._clock()
        after = progress.pop("after", "")
        found = await asyncio.to_thread(self._folder.aged, now - YOUNG, after, _FILES_A_STEP)
        left = sorted(set(found) - await self._named(connection, found))
        await asyncio.to_thread(self._folder.set_aside, left, now)
        progress["set_aside"] += len(left)
        # What comes next: more of these, or those that were set aside.
        return Step({**progress, **({"after": found[-1]} if len(found) == _FILES_A_STEP else {"aside": ""})}, False)

    async def _look_through(self, connection: AsyncConnection, progress: dict[str, Any]) -> Step:
        found = await asyncio.to_thread(self._folder.unnamed, progress["aside"], _FILES_A_STEP)
        named = await self._named(connection, found)
        await asyncio.to_thread(self._folder.bring_back, sorted(named))
        left = [name for name in found if name not in named]
        progress["brought_back"] += len(named)
        progress["removed"] += await asyncio.to_thread(self._folder.forget, left, self._clock() - self._kept)
        if len(found) == _FILES_A_STEP:
            return Step({**progress, "aside": found[-1]}, is_done=False)
        return await self._ended(connection, progress)

    async def _named(self, connection: AsyncConnection, files: Sequence[str]) -> set[str]:
        named: set[str] = set()
        if files:
            for naming in self._naming:
                named |= await naming(connection, files)
        return named

    async def _ended(self, connection: AsyncConnection, progress: Mapping[str, Any]) -> Step:
        now = self._clock()
        following = now + _EVERY
        await enqueue(connection, SWEEPING, {}, now, dedup_key=f"{SWEEPING}:{following:%Y%m%d}", run_at=following)
        return Step({name: progress[name] for name in ("set_aside", "brought_back", "removed")}, is_done=True)


async def ask_sweeping(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, SWEEPING, {}, now, dedup_key=f"{SWEEPING}:{now:%Y%m%d}")
