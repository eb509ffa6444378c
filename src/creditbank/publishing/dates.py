"""What time alone does: once a day versions begin and end, and lots and rulings reach their date."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, learning_day
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.learners.queries import lock
from creditbank.learners.tables import learners
from creditbank.ledger.tables import is_unexpired, lots
from creditbank.publishing.actions import LEARNERS_A_STEP, ask_resettling
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause, RulingState
from creditbank.recognition.tables import rulings
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault

DATES: Final = "dates"
"""The kind of job that does what a day brings."""


class Dates:
    """One day's round; it asks for the next day's. Rounds that were missed are made up for by the next that runs."""

    def __init__(self, vault: Vault, shelf: Shelf, clock: Clock, zone: ZoneInfo) -> None:
        self._vault = vault
        self._shelf = shelf
        self._clock = clock
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Settle the next learners of whom something has reached its date, everybody where other rules govern."""
        today = learning_day(self._clock(), self._zone)
        after = UUID(job.progress["behind"]) if "behind" in job.progress else None
        ids = await reached(connection, today, after, LEARNERS_A_STEP)
        # Learners come before the epoch, as in every write.
        locked = await lock(connection, self._vault, ids)
        if not job.progress:
            await ask_dates(connection, self._clock, today, today + timedelta(days=1), self._zone)
            book = await self._shelf.book(connection)
            if not book.same_rules(date.fromisoformat(job.payload["after"]), today):
                await ask_resettling(connection, self._clock, Cause.DATE)
        await settle(connection, self._shelf, locked, Cause.DATE, as_of=today, clock=self._clock)
        progress = {"learners": job.progress.get("learners", 0) + len(ids)}
        if len(ids) < LEARNERS_A_STEP:
            return Step(progress, is_done=True)
        return Step({**progress, "behind": str(ids[-1])}, is_done=False)


async def reached(connection: AsyncConnection, today: date, after: UUID | None, limit: int) -> list[UUID]:
    """The next learners, in the order of their ids, of whom a lot or a ruling has reached its date unsettled."""
    of_lots = select(lots.c.learner_id.label("id")).where(lots.c.expires <= today, is_unexpired())
    of_rulings = (
        select(rulings.c.learner_id.label("id"))
        .join(learners, learners.c.id == rulings.c.learner_id)
        .where(
            rulings.c.state == RulingState.APPROVED.value,
            rulings.c.expires <= today,
            learners.c.evaluated_as_of < rulings.c.expires,
        )
    )
    both = union(of_lots, of_rulings).subquery()
    wanted = select(both.c.id).order_by(both.c.id).limit(limit)
    if after is not None:
        wanted = wanted.where(both.c.id > after)
    return list((await connection.execute(wanted)).scalars())


async def ask_dates(connection: AsyncConnection, clock: Clock, after: date, day: date, zone: ZoneInfo) -> None:
    """Ask for the round of ``day``, which does what came after ``after``, unless that round is asked for already."""
    now = clock()
    begins = datetime.combine(day, time(), zone)
    await enqueue(
        connection,
        DATES,
        {"after": after.isoformat()},
        now,
        dedup_key=f"{DATES}:{day.isoformat()}",
        run_at=max(begins, now),
    )
