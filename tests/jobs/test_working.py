"""Leases and fences: a job has one holder at a time, a silent one is replaced, and who comes back changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM
from creditbank.database.engine import Database
from creditbank.jobs.actions import advance, backlog, enqueue, fail, lease, release
from creditbank.jobs.domain import ATTEMPTS_MAX, LEASE, Job, LeaseLost, Step
from creditbank.jobs.housekeeping import HOUSEKEEPING, ask_housekeeping
from creditbank.jobs.tables import jobs
from creditbank.jobs.working import Handler, Worker
from creditbank.web.metrics import Metrics
from creditbank.web.tables import idempotency_records
from tests.bank import Bank, opened

COUNT = "count"


class Interrupted(Exception):
    """What a handler raises in these tests."""


class Counting:
    """A job of so many steps, each of which writes one audit event; it fails at the steps that it is told to."""

    def __init__(self, bank: Bank, steps: int, fail_at: tuple[int, ...] = ()) -> None:
        self._bank = bank
        self._steps = steps
        self.fail_at = list(fail_at)

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Write down one more."""
        at = job.progress.get("at", 0) + 1
        await record(connection, SYSTEM, "job.step", f"step:{at}", {}, self._bank.clock())
        if at in self.fail_at:
            self.fail_at.remove(at)
            raise Interrupted
        return Step({"at": at}, is_done=at == self._steps)


def worker(bank: Bank, **handlers: Handler) -> Worker:
    return Worker(bank.database, bank.clock, handlers, Metrics())


async def ask(bank: Bank, kind: str = COUNT, **how: Any) -> UUID | None:
    async with bank.database.write() as connection:
        return await enqueue(connection, kind, {}, bank.clock(), **how)


async def take(bank: Bank) -> Job | None:
    async with bank.database.write() as connection:
        return await lease(connection, bank.clock())


async def row(bank: Bank) -> Mapping[str, Any]:
    (found,) = await bank.sql(select(jobs))
    return dict(found._mapping)


async def steps_kept(bank: Bank) -> list[str]:
    return [found.subject for found in await bank.sql("select subject from audit_events order by at")]


async def test_a_job_runs_step_by_step_and_is_done(bank: Bank) -> None:
    await ask(bank, dedup_key="one")

    assert await worker(bank, count=Counting(bank, 3)).run_once()

    assert await steps_kept(bank) == ["step:1", "step:2", "step:3"]
    ended = await row(bank)
    assert (ended["state"], ended["progress"]) == ("done", {"at": 3})
    assert (ended["lease_until"], ended["dedup_key"]) == (None, None)
    assert ended["ended_at"] is not None
    assert not await worker(bank, count=Counting(bank, 3)).run_once()


async def test_the_same_work_is_asked_for_once_until_it_is_done(bank: Bank) -> None:
    assert await ask(bank, dedup_key="one") is not None
    assert await ask(bank, dedup_key="one") is None
    assert await ask(bank, dedup_key="two") is not None

    counting = worker(bank, count=Counting(bank, 1))
    assert await counting.run_once()
    assert await counting.run_once()

    assert await ask(bank, dedup_key="one") is not None


async def test_a_job_waits_for_its_time_and_the_oldest_comes_first(bank: Bank) -> None:
    late = await ask(bank, run_at=bank.clock() + timedelta(hours=1))
    second = await ask(bank, run_at=bank.clock() - timedelta(hours=1))
    first = await ask(bank, run_at=bank.clock() - timedelta(hours=2))

    taken = [await take(bank) for _ in range(3)]
    assert [job.id if job else None for job in taken] == [first, second, None]
    bank.clock.turn(hours=2)
    # The holders of the others have been silent for two hours.
    assert {job.id for job in [await take(bank) for _ in range(3)] if job} == {first, second, late}


async def test_who_comes_while_another_is_leasing_passes_over_that_job(postgresql_url: str) -> None:
    """On SQLite the second waits for the first; both ways no job has two holders."""
    async with opened(postgresql_url) as bank:
        first, second = await ask(bank), await ask(bank)

        async with bank.database.write() as connection:
            mine = await lease(connection, bank.clock())
            other, nothing = await take(bank), await take(bank)

        assert [job.id if job else None for job in (mine, other, nothing)] == [first, second, None]


async def test_a_killed_worker_is_replaced_when_its_lease_is_over_and_not_before(bank: Bank) -> None:
    await ask(bank)
    counting = Counting(bank, 3)
    job = await take(bank)
    assert job is not None
    async with bank.database.write() as connection:
        await advance(connection, job, await counting(connection, job), bank.clock())
    # Here the first worker is killed: nobody says goodbye.

    bank.clock.turn(seconds=LEASE.total_seconds() - 1)
    assert not await worker(bank, count=counting).run_once()
    bank.clock.turn(seconds=2)
    assert await worker(bank, count=counting).run_once()

    assert await steps_kept(bank) == ["step:1", "step:2", "step:3"]
    assert (await row(bank))["lease_token"] == job.token + 1


async def test_a_worker_that_comes_back_changes_nothing(bank: Bank) -> None:
    await ask(bank)
    counting = Counting(bank, 3)
    slow = await take(bank)
    assert slow is not None
    bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    assert await take(bank) is not None

    async def go_on() -> None:
        async with bank.database.write() as connection:
            await advance(connection, slow, await counting(connection, slow), bank.clock())

    with pytest.raises(LeaseLost):
        await go_on()
    async with bank.database.write() as connection:
        await fail(connection, slow, "too late", bank.clock())

    # Neither its step nor its failure was kept.
    assert await steps_kept(bank) == []
    held = await row(bank)
    assert (held["state"], held["progress"], held["error"], held["attempts"]) == ("running", {}, None, 2)


async def test_a_lease_is_renewed_with_each_step(bank: Bank) -> None:
    await ask(bank)
    job = await take(bank)
    assert job is not None
    bank.clock.turn(seconds=25)
    async with bank.database.write() as connection:
        await advance(connection, job, Step({"at": 1}, is_done=False), bank.clock())
    bank.clock.turn(seconds=25)

    assert await take(bank) is None


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_job_that_fails_goes_on_behind_the_last_step_it_kept(bank: Bank, at: int) -> None:
    await ask(bank)
    working = worker(bank, count=Counting(bank, 3, fail_at=(at,)))

    assert await working.run_once()
    assert not await working.run_once()
    failed = await row(bank)
    assert (failed["state"], failed["error"]) == ("waiting", "Interrupted")
    assert failed["progress"] == ({"at": at - 1} if at > 1 else {})
    bank.clock.turn(seconds=3)
    assert await working.run_once()

    assert await steps_kept(bank) == ["step:1", "step:2", "step:3"]
    assert (await row(bank))["error"] is None


async def test_a_job_that_never_gets_on_is_given_up(bank: Bank) -> None:
    await ask(bank, dedup_key="one")
    working = worker(bank, count=Counting(bank, 2, fail_at=(1,) * 99))

    tries = 0
    while await working.run_once():
        tries += 1
        bank.clock.turn(hours=1)

    assert tries == ATTEMPTS_MAX
    ended = await row(bank)
    assert (ended["state"], ended["dedup_key"]) == ("failed", None)
    assert await steps_kept(bank) == []


async def test_a_job_that_gets_on_is_not_given_up_however_often_it_fails(bank: Bank) -> None:
    await ask(bank)
    steps = 3
    almost = tuple(step for step in range(1, steps + 1) for _ in range(ATTEMPTS_MAX - 1))
    working = worker(bank, count=Counting(bank, steps, fail_at=almost))

    while await working.run_once():
        bank.clock.turn(hours=1)

    assert (await row(bank))["state"] == "done"
    assert await steps_kept(bank) == [f"step:{step}" for step in range(1, steps + 1)]


async def test_a_kind_that_nobody_knows_fails_and_stops_nobody(bank: Bank) -> None:
    await ask(bank, "unknown")
    await ask(bank)
    working = worker(bank, count=Counting(bank, 1))

    assert await working.run_once()
    assert await working.run_once()

    assert sorted(found.state for found in await bank.sql("select state from jobs")) == ["done", "waiting"]


async def test_the_backlog_counts_what_is_due(bank: Bank) -> None:
    for _ in range(2):
        await ask(bank)
    await ask(bank, run_at=bank.clock() + timedelta(hours=2))
    bank.clock.turn(seconds=90)

    async with bank.database.read() as connection:
        count, seconds = await backlog(connection, bank.clock())

    assert count == 2
    assert 90 <= seconds < 91


async def test_a_worker_stops_after_the_step_under_way_and_another_goes_on_at_once(bank: Bank) -> None:
    await ask(bank)
    working: list[Worker] = []

    async def stopping(connection: AsyncConnection, job: Job) -> Step:
        working[0].stop()
        return await Counting(bank, 3)(connection, job)

    working.append(worker(bank, count=stopping))
    await working[0].run()

    assert await steps_kept(bank) == ["step:1"]
    assert (await row(bank))["lease_until"] is None
    assert await worker(bank, count=Counting(bank, 3)).run_once()
    assert await steps_kept(bank) == ["step:1", "step:2", "step:3"]


async def test_what_another_holds_by_now_is_not_given_back(bank: Bank) -> None:
    await ask(bank)
    slow = await take(bank)
    assert slow is not None
    bank.clock.turn(seconds=LEASE.total_seconds() + 1)
    assert await take(bank) is not None

    async with bank.database.write() as connection:
        await release(connection, slow)

    assert (await row(bank))["state"] == "running"
    assert await take(bank) is None


async def test_a_worker_waits_for_a_database_that_is_away(bank: Bank) -> None:
    await ask(bank)
    counting = worker(bank, count=Counting(bank, 1))

    class Away(Database):
        """Fails once, then is the bank's."""

        def __init__(self) -> None:
            pass

        def read(self) -> Any:
            counting._database = bank.database
            raise ConnectionRefusedError

    counting._database = Away()

    async def rest() -> None:
        if counting._database is bank.database and await steps_kept(bank):
            counting.stop()

    counting._rest = rest  # type: ignore[method-assign]
    await counting.run()

    assert await steps_kept(bank) == ["step:1"]


async def test_housekeeping_forgets_old_answers_and_asks_for_its_next_round(bank: Bank) -> None:
    def answered(key: bytes, days: int) -> dict[str, Any]:
        at = bank.clock() - timedelta(days=days)
        return {
            "key": key, "fingerprint": b"f", "status": 200, "headers": {}, "body": b"", "learner_id": None,
            "media_type": "text/plain", "created_at": at,
        }  # fmt: skip

    await bank.sql(insert(idempotency_records).values([answered(b"old", 8), answered(b"new", 6)]))
    for _ in range(3):
        async with bank.database.write() as connection:
            await ask_housekeeping(connection, bank.clock)

    assert await bank.work() == 1

    assert [bytes(found.key) for found in await bank.sql("select key from idempotency_records")] == [b"new"]
    assert await bank.work() == 0
    for _ in range(2):
        bank.clock.turn(hours=1, minutes=1)
        assert await bank.work() == 1
    found = await bank.sql(select(jobs.c.state).where(jobs.c.kind == HOUSEKEEPING))
    assert sorted(one.state for one in found) == ["done", "done", "done", "waiting"]
