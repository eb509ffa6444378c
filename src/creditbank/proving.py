"""Composition root of `verify`: everybody is proven, in one process or several, and a run that broke off goes on."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy.engine import make_url

from creditbank.checkpoints.notes import keys_of
from creditbank.checkpoints.receipts import Receipt
from creditbank.checkpoints.verify import verify_leaves, verify_log, verify_receipts
from creditbank.database.engine import Database
from creditbank.learners.queries import page_of_ids
from creditbank.merges.queries import verify_merges
from creditbank.privacy.queries import verify_erasures
from creditbank.recognition.verify import (
    LEARNERS_A_PAGE,
    Depth,
    Finding,
    Page,
    count_learners,
    verify_claims,
    verify_learners,
)
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings

LEARNERS_A_RANGE = LEARNERS_A_PAGE
# How seldom garbage in cycles is looked for: a page is many objects and hardly a cycle (decision 0015). With the usual
# thresholds looking took as long as verifying.
_SELDOM: Final = (50_000, 20, 50)
_FORMAT: Final = "creditbank.verify/v1"


class ResumeRefused(ValueError):
    """The file is of another run: another bank, another depth, or no state of a run at all."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be proven, and with how many processes."""

    settings: Settings
    today: date
    processes: int = 1
    is_chains_only: bool = False
    resume: Path | None = None
    receipts: Sequence[Receipt] = ()


@dataclass(slots=True)
class Tally:
    """What came of it so far. Every learner up to ``after`` has been proven."""

    after: str | None = None
    learners: int = 0
    achievements: int = 0
    postings: int = 0
    findings: list[Finding] = field(default_factory=list)
    erased: int = 0

    def add(self, page: Page) -> None:
        """Count a page in."""
        self.learners += page.learners
        self.achievements += page.achievements
        self.postings += page.postings
        self.findings += page.findings
        self.erased += page.erased


class _Prover:
    """One process's own connection to the bank, kept from range to range."""

    def __init__(self, order: Order, shelf: Shelf) -> None:
        settings = order.settings
        self._runner = asyncio.Runner()
        self._database = Database(settings.database_url, pool_size=2, pooler=settings.database_pooler)
        self._vault = Vault(*settings.secrets())
        self._shelf = shelf
        self._today = order.today
        self._depth = Depth(order.is_chains_only, (verify_leaves,))
        self._order = order

    def prove(self, after: UUID | None, until: UUID) -> Page:
        """Prove the learners of a range."""
        return self._runner.run(self._prove(after, until))

    async def _prove(self, after: UUID | None, until: UUID) -> Page:
        tally = Tally()
        async for page in verify_learners(
            self._database, self._vault, self._shelf, self._today, self._depth, after=after, until=until
        ):
            tally.add(page)
        return Page(tally.learners, tally.achievements, tally.postings, tally.findings, tally.erased)

    def read_rules(self) -> None:
        """Compile the rules in force, unless only chains are asked for."""
        if not self._order.is_chains_only:
            self._runner.run(self._read_rules())

    async def _read_rules(self) -> None:
        async with self._database.snapshot() as connection:
            await self._shelf.book_seen(connection)

    def count(self) -> int:
        """How many learners there are."""
        return self._runner.run(count_learners(self._database))

    def ranges(self, after: UUID | None) -> Iterator[tuple[UUID | None, UUID]]:
        """Ranges of learners in the order of their ids, beginning after one."""
        while ids := self._runner.run(self._page(after)):
            yield after, ids[-1]
            after = ids[-1]

    async def _page(self, after: UUID | None) -> list[UUID]:
        async with self._database.read() as connection:
            return await page_of_ids(connection, after=after, limit=LEARNERS_A_RANGE)

    def prove_whole(self) -> Page:
        """Prove what holds for the bank as a whole: claims, the log, and what people kept."""
        return self._runner.run(self._prove_whole())

    async def _prove_whole(self) -> Page:
        keys = keys_of(self._order.settings)
        async with self._database.snapshot() as connection:
            findings = await verify_claims(connection)
            findings += await verify_erasures(connection)
            findings += await verify_merges(connection)
            findings += await verify_log(connection, keys)
            findings += await verify_receipts(connection, self._order.receipts, keys)
        return Page(0, 0, 0, findings)

    def close(self) -> None:
        """Give the connections back."""
        self._runner.run(self._database.close())
        self._runner.close()


_own: list[_Prover] = []
"""The prover of a process that was started to prove; a pool hands its tasks nothing else."""


def _begin(order: Order, shelf: Shelf) -> None:
    # What was there before the fork stays shared with the parent for as long as nobody counts its references anew.
    gc.freeze()
    _own.append(_Prover(order, shelf))


def _is_begun() -> bool:
    return bool(_own)


def _prove_range(after: UUID | None, until: UUID) -> Page:
    return _own[0].prove(after, until)


def prove(order: Order, *, begun: Callable[[int, int], None], proven: Callable[[Page], None]) -> Tally:
    """Prove the bank. ``begun`` is told how many learners there are and how many were proven before; ``proven`` of each
    range as it is done, in the order of ids. Raises ResumeRefused.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        with ExitStack() as stack:
            tally, shelf = _resumed(order), Shelf(order.settings.zone)
            pool = stack.enter_context(_forked(order, shelf)) if order.processes > 1 else None
            prover = stack.enter_context(closing(_Prover(order, shelf)))
            begun(prover.count(), tally.learners)
            ranges = prover.ranges(UUID(tally.after) if tally.after else None)
            for until, page in _pages(order, prover, pool, ranges):
                tally.add(page)
                tally.after = str(until)
                _keep(order, tally)
                proven(page)
            tally.add(prover.prove_whole())
    finally:
        gc.set_threshold(*usual)
    if order.resume is not None:
        # The run is over: the same file begins a new one.
        order.resume.unlink(missing_ok=True)
    return tally


def _forked(order: Order, shelf: Shelf) -> ProcessPoolExecutor:
    """Processes that hold what this one has loaded and compiled: both take longer than proving a thousand learners.

    A connection or a loop must not be shared, so this one's are closed before, and each process opens its own.
    """
    with closing(_Prover(order, shelf)) as prover:
        prover.read_rules()
    pool = ProcessPoolExecutor(order.processes, get_context("fork"), _begin, (order, shelf))
    # The first task is what makes a pool fork.
    pool.submit(_is_begun).result()
    return pool


def _pages(
    order: Order, prover: _Prover, pool: ProcessPoolExecutor | None, ranges: Iterator[tuple[UUID | None, UUID]]
) -> Iterator[tuple[UUID, Page]]:
    if pool is None:
        for after, until in ranges:
            yield until, prover.prove(after, until)
        return
    waiting: deque[tuple[UUID, Future[Page]]] = deque()
    try:
        for after, until in ranges:
            # A driver's own kind of UUID is not handed to another process.
            given = UUID(int=after.int) if after is not None else None
            waiting.append((until, pool.submit(_prove_range, given, UUID(int=until.int))))
            # Some in advance, so that nobody waits; not all, or a large bank's ranges would fill the memory.
            if len(waiting) >= order.processes * 3:
                done, page = waiting.popleft()
                yield done, page.result()
        while waiting:
            done, page = waiting.popleft()
            yield done, page.result()
    finally:
        for _, page in waiting:
            page.cancel()


# --- A run that broke off ---------------------------------------------------------------------------------------------


def _head(order: Order) -> dict[str, Any]:
    database = make_url(order.settings.database_url).render_as_string(hide_password=True)
    return {"format": _FORMAT, "database": database, "chains_only": order.is_chains_only}


def _resumed(order: Order) -> Tally:
    if order.resume is None or not order.resume.exists():
        return Tally()
    try:
        plain = json.loads(order.resume.read_text("utf-8"))
        if {name: plain[name] for name in _head(order)} != _head(order):
            raise ResumeRefused(f"{order.resume} is of a run over another bank, or of another kind")
        found = plain["tally"]
        findings = [
            Finding(code, UUID(learner) if learner else None, detail) for code, learner, detail in found["findings"]
        ]
        return Tally(**{**found, "findings": findings})
    except (KeyError, TypeError, json.JSONDecodeError) as wrong:
        raise ResumeRefused(f"{order.resume} is not the state of a run") from wrong


def _keep(order: Order, tally: Tally) -> None:
    if order.resume is None:
        return
    findings = [(f.code, str(f.learner_id) if f.learner_id else None, f.detail) for f in tally.findings]
    text = json.dumps({**_head(order), "tally": {**asdict(tally), "findings": findings}})
    # Written beside and put in place at once: a crash leaves the former state or this one.
    fresh = order.resume.with_name(order.resume.name + ".new")
    fresh.write_text(text, "utf-8")
    os.replace(fresh, order.resume)
