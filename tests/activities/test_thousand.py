"""A thousand people at one activity, by code and by a late sheet that overlaps: each is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from creditbank.activities.actions import Attended, Door, Present, announce, cancel, check_in
from creditbank.activities.domain import Activity, ActivityCancelled, Way
from creditbank.activities.queries import counts_by_way, held, locked
from creditbank.clock import learning_day
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.learners.domain import Reference
from creditbank.ledger.domain import Account
from tests.bank import BANKER, CLIENT, SCHOOL, ZONE, Bank, document, granting, opened
from tests.conftest import chosen_engines

PEOPLE = 1000


async def announced(bank: Bank) -> UUID:
    """An activity of today that gives two credits to whoever was there."""
    await bank.publish(document(granting("talk", {"fixed": 2}, kind="activity"), id_="talks"))
    now = bank.clock()
    activity = Activity(
        new_id(), SCHOOL, "learning_week", "activity", "讲座", "Talk", None, None, now, now.replace(hour=9), 2000,
        None, "held", None, 1,
    )  # fmt: skip
    async with bank.database.write() as connection:
        await announce(connection, activity, now)
    return activity.id


async def let_in(bank: Bank, activity_id: UUID, way: Way, learners: Sequence[UUID]) -> list[Attended | Refusal]:
    """Check people in, in one transaction."""
    async with bank.database.write() as connection:
        activity = await held(connection, activity_id)
        present = [Present(Reference(id=learner), bank.clock()) for learner in learners]
        door = Door(bank.desk, BANKER, way)
        day = learning_day(activity.starts, ZONE)
        return await check_in(connection, door, activity, present, day, bank.today())


async def by_way(bank: Bank, activity_id: UUID) -> dict[str, int]:
    async with bank.database.read() as connection:
        return await counts_by_way(connection, activity_id)


@pytest.mark.slow
async def test_a_thousand_by_code_and_by_an_overlapping_sheet_are_each_counted_once(bank: Bank) -> None:
    activity = await announced(bank)
    learners = await bank.open(*[f"P{number}" for number in range(PEOPLE)])
    by_code, on_sheet = learners[:700], learners[300:]

    # Phones come in twos and threes; the sheet comes at the end, and once more.
    for start in range(0, len(by_code), 100):
        await let_in(bank, activity, "code", by_code[start : start + 100])
    replayed = await let_in(bank, activity, "code", by_code[:50])
    late = await let_in(bank, activity, "sheet", [*on_sheet, *on_sheet[:10]])
    again = await let_in(bank, activity, "sheet", on_sheet)

    def new(outcomes: Sequence[Attended | Refusal]) -> int:
        return sum(isinstance(one, Attended) and one.is_new for one in outcomes)

    assert (new(replayed), new(late), new(again)) == (0, 300, 0)
    assert await by_way(bank, activity) == {"code": 700, "sheet": 300}
    assert await bank.count("achievements") == await bank.count("attendances") == PEOPLE
    assert {-lot.positions[Account.ISSUED] for id_ in learners[::111] for lot in await bank.lots(id_)} == {2000}

    async with bank.database.write() as connection:
        await cancel(connection, await locked(connection, activity), "The hall was closed.", CLIENT, bank.clock)
    await bank.work()
    assert (await bank.sql("select count(*) from achievement_versions where status = 'revoked'"))[0][0] == PEOPLE
    assert await bank.verify() == []


async def test_two_at_the_same_time_count_each_person_once(bank: Bank) -> None:
    activity = await announced(bank)
    learners = await bank.open(*[f"P{number}" for number in range(40)])
    doors: list[tuple[Way, Sequence[UUID]]] = [
        ("code", learners[:30]),
        ("sheet", learners[10:]),
        ("roster", list(reversed(learners))),
        ("sheet", learners[5:35]),
    ]

    outcomes = await asyncio.gather(*(let_in(bank, activity, way, some) for way, some in doors))

    told = [one for of_door in outcomes for one in of_door]
    assert all(isinstance(one, Attended) for one in told)
    new = [one.learner_id for one in told if isinstance(one, Attended) and one.is_new]
    assert sorted(new) == sorted(learners)
    assert sum((await by_way(bank, activity)).values()) == len(learners)
    assert await bank.count("achievements") == len(learners)


async def test_nothing_stands_of_who_was_checked_in_while_it_was_cancelled(bank: Bank) -> None:
    activity = await announced(bank)
    learners = await bank.open(*[f"P{number}" for number in range(20)])

    async def stop() -> None:
        async with bank.database.write() as connection:
            await cancel(connection, await locked(connection, activity), "Rain.", CLIENT, bank.clock)

    outcomes = await asyncio.gather(
        *(let_in(bank, activity, "code", [learner]) for learner in learners), stop(), return_exceptions=True
    )
    await bank.work()

    refused = [one for one in outcomes if isinstance(one, ActivityCancelled)]
    assert len(refused) + await bank.count("attendances") == len(learners)
    revoked = await bank.sql("select count(*) from achievement_versions where status = 'revoked'")
    assert revoked[0][0] == await bank.count("achievements") == len(learners) - len(refused)


@pytest.mark.skipif("postgresql" not in chosen_engines(), reason="SQLite has one writer, who waits for nobody")
async def test_a_cancellation_waits_for_whoever_is_checking_in(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bank:
        activity = await announced(bank)
        async with bank.database.write() as checking:
            await held(checking, activity)
            async with bank.database.write() as cancelling:
                await cancelling.execute(text("set local lock_timeout = '50ms'"))
                with pytest.raises(DBAPIError, match="lock timeout"):
                    await locked(cancelling, activity)
                await cancelling.rollback()
