"""Locks are taken in one order: writers wait for each other and never in a circle. On SQLite one writes at a time."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import pytest

from creditbank.intake.actions import Outcome, Recorded, submit
from creditbank.learners.domain import Identity
from creditbank.publishing.actions import publish
from creditbank.rulesets.queries import rule_set_by_code
from tests.bank import Bank, document, granting, opened, submission
from tests.covering import covered


async def test_concurrent_batches_about_the_same_learners_never_deadlock(bank: Bank) -> None:
    """Each batch names the same people and external ids in an order of its own; some people are unknown before."""
    await bank.publish(document(unique={"keep": "best"}))
    known = await bank.open(*(f"Learner {n}" for n in range(6)))
    unknown = [Identity("phone", f"1380013800{n}") for n in range(4)]
    who: list[UUID | Identity] = [*known, *unknown]
    chance = random.Random(3)

    async def batch(number: int) -> list[Outcome]:
        one = [submission(person, f"E{n}", code="A") for n, person in enumerate(who)]
        own = [submission(person, f"E{n}/{number}", code="A", credits="4") for n, person in enumerate(who)]
        items = [*one, *own]
        chance.shuffle(items)
        return await bank.submit(*items)

    answered = await asyncio.gather(*(batch(number) for number in range(8)))

    outcomes = [outcome for batch_ in answered for outcome in batch_ if isinstance(outcome, Recorded)]
    assert len(outcomes) == 8 * 20
    # What all batches had in common was recorded by one of them and found by the others.
    assert sum(outcome.is_new for outcome in outcomes) == 10 + 8 * 10
    assert await bank.count("learners") == 10
    assert await bank.verify() == []


async def test_one_external_id_from_everybody_at_once_is_recorded_once(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")

    answered = await asyncio.gather(*(bank.submit(submission(learner, "E1")) for _ in range(8)))

    outcomes = [outcome for (outcome,) in answered if isinstance(outcome, Recorded)]
    assert [outcome.is_new for outcome in outcomes].count(True) == 1
    assert len({outcome.achievement.id for outcome in outcomes}) == 1
    assert await bank.count("postings") == 1


async def until_waiting(bank: Bank, sessions: int) -> None:
    """Come back when so many sessions of this database wait for a lock; only the database knows when that is."""
    found = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while (await bank.sql(found))[0][0] < sessions:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.005)


PEOPLE = [Identity("phone", f"1380013800{n}") for n in range(5)]


@pytest.mark.parametrize("of", ["external ids", "identities"])
async def test_keys_are_claimed_in_one_order_whatever_that_of_the_batch(postgresql_url: str, of: str) -> None:
    """Somebody holds the middle one while two batches come from both ends: unsorted, each would bar the other's way."""
    async with opened(postgresql_url) as bank:
        (learner,) = await bank.open("Li Wei")
        if of == "identities":
            batch = [submission(person, f"E{n}") for n, person in enumerate(PEOPLE)]
        else:
            batch = [submission(learner, f"E{n}") for n in range(5)]

        async with bank.database.write() as connection:
            await submit(connection, bank.desk, [batch[2]], bank.today())
            orders = (batch, batch[::-1])
            coming = [asyncio.create_task(bank.submit(*order)) for order in orders]
            await until_waiting(bank, 2)
        answered = await asyncio.gather(*coming)

        outcomes = [outcome for outcomes in answered for outcome in outcomes if isinstance(outcome, Recorded)]
        assert [outcome.is_new for outcome in outcomes].count(True) == 4
        assert len(outcomes) == 10


async def test_a_settling_and_a_publication_never_wait_for_each_other(postgresql_url: str) -> None:
    """The publication holds the rule set and waits for the settling; the settling then writes lots of that rule set."""
    async with opened(postgresql_url) as bank:
        await bank.publish(document())
        (learner,) = await bank.open("Li Wei")
        more = covered(document(granting("more", {"fixed": 7}, kind="course"), version=2))
        version = await bank.approve(await bank.draft(more))

        async def publication() -> None:
            async with bank.database.write() as connection:
                await rule_set_by_code(connection, version.rule_set.code, lock=True)
                await publish(connection, version, bank.clock)

        async with bank.database.write() as connection:
            await bank.shelf.book(connection)
            publishing = asyncio.create_task(publication())
            await until_waiting(bank, 1)
            (outcome,) = await submit(connection, bank.desk, [submission(learner, "E1")], bank.today())
        await publishing

        assert isinstance(outcome, Recorded)
        assert [decision.rule for decision in outcome.decisions] == ["own"]
        await bank.work()
        assert await bank.verify() == []
