"""The job that settles everybody survives whatever happens to its worker, and settles nobody twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.identifiers import new_id
from creditbank.jobs.actions import advance, lease
from creditbank.jobs.domain import LEASE, Job, LeaseLost, Step
from creditbank.jobs.tables import jobs
from creditbank.jobs.working import Handler
from creditbank.learners.queries import lock
from creditbank.learners.tables import learners
from creditbank.ledger.domain import Account
from creditbank.providers.actions import NewAccreditation
from creditbank.publishing import actions
from creditbank.publishing.actions import RESETTLE, Resettling, enter_accreditation, publish
from creditbank.publishing.dates import DATES, Dates
from creditbank.recognition.actions import settle as settle_for_good
from creditbank.recognition.domain import Cause
from creditbank.rulesets.shelf import Shelf
from creditbank.rulesets.tables import rules_epoch
from tests.bank import ZONE, Bank, document, granting, opened, submission
from tests.covering import covered
from tests.intake.test_locks import until_waiting

LEARNERS = 23
A_STEP = 4


@pytest.fixture
async def settled(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Learners with one achievement each, and a correction published that nobody has worked off yet."""
    monkeypatch.setattr(actions, "LEARNERS_A_STEP", A_STEP)
    await bank.publish(document())
    learners = await bank.open(*(f"Learner {n}" for n in range(LEARNERS)))
    await bank.submit(*(submission(learner, f"E{n}") for n, learner in enumerate(learners)))
    await bank.work()
    await bank.publish(document(granting("more", {"fixed": 7}, kind="course"), version=2))
    return learners


async def check_settled_once(bank: Bank, learners: Sequence[UUID]) -> None:
    for learner in learners:
        assert [(p.code.value, p.amount_milli) for p in await bank.postings(learner)] == [
            ("ACCRUE", 3000), ("ADJUST_UP", 4000),
        ]  # fmt: skip
    assert await bank.verify() == []
    assert {row.state for row in await bank.sql(select(jobs.c.state))} == {"done"}


@pytest.mark.parametrize("seed", range(4))
async def test_a_worker_killed_anywhere_is_followed_by_another(
    bank: Bank, settled: list[UUID], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A kill within a step undoes the step: what is killed is never asked, so nothing of it cleans up."""
    chance = random.Random(seed)

    class Killed(BaseException):
        """Not an exception that anybody catches, as a kill is none."""

    async def settle(*arguments: Any, **how: Any) -> Any:
        done = await settle_for_good(*arguments, **how)
        if chance.random() < 0.4:
            raise Killed
        return done

    monkeypatch.setattr(actions, "settle", settle)
    kills = 0
    while True:
        try:
            # A worker with a shelf of its own, as another process has.
            bank.shelf = Shelf(ZONE)
            await bank.work()
            break
        except Killed:
            kills += 1
            assert await bank.work() == 0
            bank.clock.turn(seconds=LEASE.total_seconds() + 1)

    assert kills > 0
    await check_settled_once(bank, settled)


async def test_a_worker_that_was_thought_dead_settles_nobody(bank: Bank, settled: list[UUID]) -> None:
    handler = Resettling(bank.vault, Shelf(ZONE), bank.clock, ZONE)
    async with bank.database.write() as connection:
        slow = await lease(connection, bank.clock())
    assert slow is not None
    assert slow.kind == RESETTLE
    bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    async with bank.database.write() as connection:
        assert await lease(connection, bank.clock()) is not None
    before = await bank.count("postings")

    async def go_on() -> None:
        async with bank.database.write() as connection:
            step = await handler(connection, slow)
            assert step.progress["changed"] == A_STEP
            await advance(connection, slow, step, bank.clock())

    with pytest.raises(LeaseLost):
        await go_on()

    assert await bank.count("postings") == before == LEARNERS
    bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    await bank.work()
    await check_settled_once(bank, settled)


async def test_achievements_that_come_while_the_job_is_half_way(bank: Bank, settled: list[UUID]) -> None:
    handler = Resettling(bank.vault, bank.shelf, bank.clock, ZONE)
    async with bank.database.write() as connection:
        job = await lease(connection, bank.clock())
        assert job is not None
        await advance(connection, job, await handler(connection, job), bank.clock())
    # The first was settled by the job, the last is settled by what comes in; a newcomer needs nothing.
    first, last = settled[0], settled[-1]
    await bank.submit(submission(first, "F"), submission(last, "L"))
    (newcomer,) = await bank.open("Newcomer")
    await bank.record(newcomer, "N")

    bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    assert await bank.work() == 1

    for learner in (first, last):
        amounts = [lot.positions for lot in await bank.lots(learner)]
        assert [positions["available"] for positions in amounts] == [7000, 7000]  # type: ignore[index]
    (done,) = await bank.sql(select(jobs.c.progress).order_by(jobs.c.created_at.desc()).limit(1))
    progress = done.progress
    assert progress["learners"] == LEARNERS + 1
    # The learner whom an achievement brought under the new rules was not changed by the job.
    assert progress["changed"] == LEARNERS - 1
    assert await bank.verify() == []


async def test_two_publications_one_after_the_other(bank: Bank, settled: list[UUID]) -> None:
    await bank.publish(document(granting("most", {"fixed": 8}, kind="course"), version=3))

    assert await bank.work() == 2

    for learner in settled:
        assert [p.amount_milli for p in await bank.postings(learner)] == [3000, 5000]
    assert await bank.verify() == []


def everybody(bank: Bank) -> tuple[Handler, Job]:
    """The job that settles everybody."""
    handler = Resettling(bank.desk.vault, bank.shelf, bank.clock, ZONE)
    return handler, Job(new_id(), RESETTLE, {"cause": Cause.RULES.value}, {}, 1)


def round_of_today(bank: Bank) -> tuple[Handler, Job]:
    """The round of a day on which credits expire."""
    handler = Dates(bank.desk.vault, bank.shelf, bank.clock, ZONE)
    return handler, Job(new_id(), DATES, {"after": (bank.today() - timedelta(days=1)).isoformat()}, {}, 1)


@pytest.mark.parametrize("work", [everybody, round_of_today])
async def test_a_publication_waits_for_no_job_that_waits_for_its_learners(
    postgresql_url: str, work: Callable[[Bank], tuple[Handler, Job]]
) -> None:
    """Somebody has the learner: the job waits, the publication goes past it, and the job settles by what is new."""
    lasting: dict[str, Any] = {"validity": {"max": "P1Y"}}
    async with opened(postgresql_url) as bank:
        await bank.publish(document(**lasting))
        (learner,) = await bank.open("Li Wei")
        await bank.record(learner, "E1")
        bank.clock.turn(days=365)
        more = document(granting("more", {"fixed": 7}, kind="course"), version=2, **lasting)
        version = await bank.approve(await bank.draft(covered(more)))
        handler, job = work(bank)

        async def step() -> Step:
            async with bank.database.write() as connection:
                return await handler(connection, job)

        async def publication() -> None:
            async with bank.database.write() as connection:
                await publish(connection, version, bank.clock)

        async with bank.database.write() as connection:
            await lock(connection, bank.desk.vault, [learner])
            stepping = asyncio.create_task(step())
            await until_waiting(bank, 1)
            # The time is for whoever breaks it: each would wait for the other's transaction, and nobody would end.
            await asyncio.wait_for(publication(), 20)
        await stepping

        (row,) = await bank.sql(select(learners.c.evaluated_epoch))
        (epoch,) = await bank.sql(select(rules_epoch.c.epoch))
        assert row.evaluated_epoch == epoch.epoch
        assert [(p.code.value, p.amount_milli) for p in await bank.postings(learner)][-1] == ("EXPIRE", 7000)
        await bank.work()
        assert await bank.verify() == []


async def test_an_accreditation_settles_whom_it_concerns_and_no_other(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "LEARNERS_A_STEP", 2)
    school, annex, other = await bank.enter("cq/near", "cq/near/annex", "cq/nearby")
    listed = granting("listed", {"fixed": 2}, kind="course", accredited="niie")
    await bank.publish(document(listed, registers={"niie": {"external": True}}))
    learners = await bank.open(*(f"Learner {n}" for n in range(7)))
    codes = [school.code, annex.code, other.code, "cq/school", school.code, annex.code, other.code]
    for n, (learner, code) in enumerate(zip(learners, codes, strict=True)):
        await bank.record(learner, f"E{n}", provider=code)
    await bank.work()

    async with bank.database.write() as connection:
        new = NewAccreditation("niie", None, date(2020, 1, 1), None)
        await enter_accreditation(connection, school.id, new, bank.clock)
    await bank.work()

    done = await bank.sql(select(jobs.c.progress).where(jobs.c.kind == RESETTLE).order_by(jobs.c.id.desc()).limit(1))
    assert (done[0].progress["learners"], done[0].progress["changed"]) == (4, 4)
    found = await bank.sql("select learner_id from evaluations where cause = 'accreditation'")
    concerned = [learner for learner, code in zip(learners, codes, strict=True) if code.startswith("cq/near/annex")]
    concerned += [learner for learner, code in zip(learners, codes, strict=True) if code == "cq/near"]
    assert sorted(str(UUID(str(row.learner_id))) for row in found) == sorted(map(str, concerned))
    # Whoever was passed over stands well, and goes on under the rules of now.
    assert await bank.verify() == []
    await bank.record(learners[2], "more", provider=annex.code)
    assert [lot.positions[Account.AVAILABLE] for lot in await bank.lots(learners[2])] == [2000]
    assert await bank.verify() == []
