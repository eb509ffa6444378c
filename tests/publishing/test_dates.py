"""What a day brings is done once a day: lots expire, versions begin; a kill loses nothing and nothing is done twice."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.jobs.domain import LEASE
from creditbank.jobs.tables import jobs
from creditbank.publishing import dates
from creditbank.publishing.dates import DATES, ask_dates
from creditbank.recognition.actions import settle as settle_for_good
from tests.bank import ZONE, Bank, document, granting

LEARNERS = 17
A_STEP = 4


async def ask_today(bank: Bank) -> None:
    """As the application does when it starts."""
    async with bank.database.write() as connection:
        await ask_dates(connection, bank.clock, bank.today() - timedelta(days=1), bank.today(), ZONE)


async def with_dated_lots(bank: Bank) -> list[UUID]:
    """Learners whose lots are good for a year from an achievement of nearly a year ago: they expire in two days."""
    await bank.publish(document(validity={"max": "P1Y"}))
    learners = await bank.open(*(f"Learner {n}" for n in range(LEARNERS)))
    nearly = bank.today().replace(year=bank.today().year - 1) + timedelta(days=2)
    for n, learner in enumerate(learners):
        await bank.record(learner, f"D{n}", completed=nearly.isoformat())
    await ask_today(bank)
    await bank.work()
    return learners


async def codes(bank: Bank, learner: UUID) -> list[str]:
    return [posting.code.value for posting in await bank.postings(learner)]


async def test_lots_expire_on_their_date_whether_or_not_anybody_asks(bank: Bank) -> None:
    learners = await with_dated_lots(bank)
    bank.clock.turn(days=1)
    await bank.work()
    assert await codes(bank, learners[0]) == ["ACCRUE"]
    bank.clock.turn(days=1)
    await bank.work()
    for learner in learners:
        assert await codes(bank, learner) == ["ACCRUE", "EXPIRE"]
    bank.clock.turn(days=1)
    await bank.work()
    assert await codes(bank, learners[0]) == ["ACCRUE", "EXPIRE"]
    assert await bank.verify() == []


async def test_days_that_were_missed_are_made_up_for(bank: Bank) -> None:
    learners = await with_dated_lots(bank)
    bank.clock.turn(days=40)
    await bank.work()
    assert await codes(bank, learners[0]) == ["ACCRUE", "EXPIRE"]
    # The posting is made today, and says from when it holds.
    last = (await bank.postings(learners[0]))[-1]
    assert (last.recorded_at.astimezone(ZONE).date() - last.effective).days == 38


@pytest.mark.parametrize("late", [0, 3])
async def test_a_version_that_begins_is_applied_that_day(bank: Bank, late: int) -> None:
    begins = bank.today() + timedelta(days=5)
    await bank.publish(document())
    (learner,) = await bank.open("Zhang San")
    await bank.record(learner, "V1")
    await ask_today(bank)
    more = granting("more", {"fixed": 7}, kind="course")
    await bank.publish(document(more, version=2, start=begins.isoformat(), transition={"applies_to": "all"}))
    await bank.work()
    bank.clock.turn(days=4)
    await bank.work()
    before = await codes(bank, learner)
    bank.clock.turn(days=1 + late)
    await bank.work()
    assert before == ["ACCRUE"]
    assert await codes(bank, learner) == ["ACCRUE", "ADJUST_UP"]
    assert await bank.verify() == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_round_killed_anywhere_is_followed_by_another(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    learners = await with_dated_lots(bank)
    monkeypatch.setattr(dates, "LEARNERS_A_STEP", A_STEP)
    chance = random.Random(seed)

    class Killed(BaseException):
        """Not an exception that anybody catches, as a kill is none."""

    async def settle(*arguments: Any, **how: Any) -> Any:
        done = await settle_for_good(*arguments, **how)
        if chance.random() < 0.4:
            raise Killed
        return done

    monkeypatch.setattr(dates, "settle", settle)
    bank.clock.turn(days=2)
    kills = 0
    while True:
        try:
            await bank.work()
            break
        except Killed:
            kills += 1
            bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    assert kills > 0
    for learner in learners:
        assert await codes(bank, learner) == ["ACCRUE", "EXPIRE"]
    asked = await bank.sql(select(jobs.c.state).where(jobs.c.kind == DATES))
    assert sorted(row.state for row in asked) == ["done"] * (len(asked) - 1) + ["waiting"]
