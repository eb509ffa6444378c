"""What is recorded of a learner is recorded in its order, however slowly the clock goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest_asyncio
from sqlalchemy import select

from creditbank.awards.tables import annulments, awards
from creditbank.conversions.actions import let_lapse
from creditbank.learners.tables import learners
from creditbank.ledger.tables import holds
from tests.bank import Bank, document, granting, opened
from tests.programmes.desk import annulled, applied, counter_of, decided


@pytest_asyncio.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    """A bank whose clock stands still until it is turned."""
    async with opened(database_url) as made:
        await made.enter("own")
        await made.publish(document(granting("own", kind="course"), programmes=[{"id": "award", "total": 3}]))
        made.clock.tick = timedelta(0)
        yield made


async def test_a_hold_that_breaks_ends_after_it_was_placed(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    stated = await bank.record(learner, "a", provider="own", credits="3")
    await applied(bank, learner, "award")

    await bank.revoke(stated)

    (hold,) = await bank.sql(select(holds))
    assert hold.state == "broken"
    assert hold.ended_at > hold.recorded_at


async def test_an_annulment_is_proposed_after_the_award_and_decided_after_that(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "a", provider="own", credits="3")
    await annulled(bank, await decided(bank, await applied(bank, learner, "award")))

    (award,) = await bank.sql(select(awards))
    (annulment,) = await bank.sql(select(annulments))
    assert award.recorded_at < annulment.recorded_at < annulment.decided_at
    assert annulment.decided_at <= (await last_records(bank))[learner]


async def test_whose_hold_ended_otherwise_is_passed_over(bank: Bank) -> None:
    first, second = await bank.open("Li Wei", "Wang Fang")
    for learner in (first, second):
        await bank.record(learner, f"a{learner}", provider="own", credits="3")
    made = [await applied(bank, learner, "award") for learner in (first, second)]
    await decided(bank, made[0])
    before = await evaluated(bank)
    bank.clock.turn(days=61)

    async with bank.database.write() as connection:
        ended = await let_lapse(
            connection, counter_of(bank), [(one.learner_id, one.hold.id) for one in made], bank.today()
        )

    after = await evaluated(bank)
    assert ended == 1
    assert after[first] == before[first]
    assert after[second] != before[second]
    assert await bank.verify() == []


async def last_records(bank: Bank) -> dict[UUID, datetime]:
    """When something was last recorded of each learner."""
    return {row.id: row.recorded_at for row in await bank.sql(select(learners))}


async def evaluated(bank: Bank) -> dict[UUID, object]:
    """The day as of which each learner was last evaluated."""
    return {row.id: row.evaluated_as_of for row in await bank.sql(select(learners))}
