"""A rule set's life: draft, publication, succession, correction; everybody follows by a job (decisions 6 and 8)."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.intake.actions import Recorded, submit
from creditbank.ledger.domain import Account
from creditbank.providers.actions import NewAccreditation
from creditbank.publishing.actions import enter_accreditation, publish, read_draft
from creditbank.rules.document import read_documents
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets import domain
from creditbank.rulesets.domain import (
    DocumentRejected,
    NotADraft,
    StoredVersion,
    VersionExists,
    VersionOverlaps,
)
from creditbank.rulesets.shelf import Shelf
from creditbank.rulesets.tables import rule_set_publications, rules_epoch
from tests.bank import EDITOR, ZONE, Bank, document, granting, submission
from tests.covering import covered


def giving(credits_: int, **how: Any) -> dict[str, Any]:
    """A version that gives so many credits for every course."""
    return document(granting("flat", {"fixed": credits_}, kind="course"), **how)


async def available(bank: Bank, learner: UUID) -> list[int]:
    """Whole credits that can be used, lot by lot."""
    return [lot.positions[Account.AVAILABLE] // 1000 for lot in await bank.lots(learner)]


async def epoch(bank: Bank) -> int:
    (row,) = await bank.sql(select(rules_epoch.c.epoch))
    return int(row.epoch)


async def publication_rows(bank: Bank) -> list[tuple[int, str, str | None, bool]]:
    """Version number, days, and whether the bank still holds it so; in the order in which they became known."""
    found = await bank.sql(select(rule_set_publications).order_by(rule_set_publications.c.known_from, "valid_from"))
    numbers = {row.id: row.number for row in await bank.sql("select id, number from rule_set_versions")}
    return [
        (
            numbers[row.version_id.hex if bank.database.is_sqlite else row.version_id],
            row.valid_from.isoformat(),
            row.valid_until.isoformat() if row.valid_until else None,
            row.known_until is None,
        )
        for row in found
    ]


# --- Drafts -----------------------------------------------------------------------------------------------------------


async def test_a_draft_gives_nothing(bank: Bank) -> None:
    await bank.draft(giving(3))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")

    assert await bank.lots(learner) == []
    assert await epoch(bank) == 1


async def test_a_stored_document_is_the_canonical_form_of_what_was_sent(bank: Bank) -> None:
    plain = giving(3)

    stored = await bank.draft(plain)

    (kept,) = read_documents(stored.document, format="json")
    (sent,) = read_documents(json.dumps(plain), format="json")
    assert kept.model == sent.model
    reordered = read_draft(json.dumps(dict(reversed(plain.items())), indent=3).encode(), "json", "en")
    assert (reordered.document, reordered.sha256) == (stored.document, stored.sha256)


async def test_a_version_number_is_given_once(bank: Bank) -> None:
    await bank.draft(giving(3))

    with pytest.raises(VersionExists):
        await bank.draft(giving(4))


async def test_a_draft_can_be_replaced_and_discarded_and_a_published_version_cannot(bank: Bank) -> None:
    draft = await bank.draft(giving(3))
    better = read_draft(json.dumps(covered(giving(4))).encode(), "json", "en")
    async with bank.database.write() as connection:
        await rulesets.replace_draft(connection, draft, better, EDITOR, bank.clock())
    replaced = await bank.version("town", 1)
    assert (replaced.sha256, replaced.revision) == (better.sha256, 2)
    await publish_stored(bank, await bank.approve(replaced))
    published = await bank.version("town", 1)

    async with bank.database.write() as connection:
        with pytest.raises(NotADraft):
            await rulesets.replace_draft(connection, published, better, EDITOR, bank.clock())
        with pytest.raises(NotADraft):
            await rulesets.discard_draft(connection, published)
        with pytest.raises(NotADraft):
            await publish(connection, published, bank.clock)

    second = await bank.draft(giving(5, version=2))
    async with bank.database.write() as connection:
        await rulesets.discard_draft(connection, second)
    assert await bank.count("rule_set_versions") == 1


async def test_a_document_that_is_none_is_rejected_with_each_fault(bank: Bank) -> None:
    plain = giving(3)
    plain["recognition"][0]["grunt"] = []

    with pytest.raises(DocumentRejected) as refused:
        await bank.draft(plain)

    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [("E0", "/recognition/0/grunt")]


async def test_a_version_whose_own_tests_fail_is_not_published(bank: Bank) -> None:
    fact = {"id": "a", "kind": "course", "provider": "cq/school", "completed": "2024-06-10", "credits": "3"}
    failing = {"name": "four", "as_of": "2025-01-01", "given": [fact], "then": {"total": "4"}}
    draft = await bank.draft({**giving(3), "tests": [failing]})

    with pytest.raises(domain.TestsFailed):
        await bank.validate(draft)

    assert await epoch(bank) == 1
    assert (await bank.version("town", 1)).state == "draft"


async def publish_stored(bank: Bank, version: StoredVersion) -> None:
    async with bank.database.write() as connection:
        await publish(connection, version, bank.clock)


# --- Publication ------------------------------------------------------------------------------------------------------


async def test_publishing_settles_everybody_by_a_job(bank: Bank) -> None:
    learners = await bank.open("Li Wei", "Zhang San", "Wang Wu")
    for number, learner in enumerate(learners[:2]):
        await bank.record(learner, f"E{number}")

    await bank.publish(giving(3))
    assert [await available(bank, learner) for learner in learners] == [[], [], []]
    assert await bank.work() == 1

    assert [await available(bank, learner) for learner in learners] == [[3], [3], []]
    (job,) = await bank.sql("select progress, state from jobs")
    assert job.state == "done"
    assert await bank.verify() == []
    causes = await bank.sql("select distinct cause from evaluations where epoch = 2")
    assert [row.cause for row in causes] == ["rules"]


async def test_a_successor_leaves_the_days_before_it_to_the_former(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", completed="2023-12-31")
    await bank.record(learner, "E2", completed="2024-01-01")
    await bank.publish(giving(3))
    await bank.work()

    await bank.publish(giving(5, version=2, start="2024-01-01"))
    await bank.work()

    assert await available(bank, learner) == [3, 5]
    assert await publication_rows(bank) == [
        (1, "2020-01-01", None, False),
        (1, "2020-01-01", "2024-01-01", True),
        (2, "2024-01-01", None, True),
    ]
    assert not (await bank.version("town", 1)).is_superseded
    assert await bank.verify() == []


async def test_a_correction_keeps_what_was_held_before_as_it_was_known(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")
    await bank.publish(giving(3))
    await bank.work()
    between = bank.clock()
    bank.clock.turn(days=30)

    await bank.publish(giving(4, version=2))
    await bank.work()

    assert await available(bank, learner) == [4]
    assert await publication_rows(bank) == [(1, "2020-01-01", None, False), (2, "2020-01-01", None, True)]
    first, second = (await bank.version("town", 1)).publications[0], (await bank.version("town", 2)).publications[0]
    # In known time the one ends at the very instant at which the other begins.
    assert first.known_from < between < second.known_from == first.known_until
    assert (await bank.version("town", 1)).is_superseded
    codes = [(p.code.value, p.amount_milli) for p in await bank.postings(learner)]
    assert codes == [("ACCRUE", 3000), ("ADJUST_UP", 1000)]


async def test_versions_one_two_one_return_to_the_first_positions(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")
    seen = []
    for number, credits_ in enumerate((3, 7, 3), start=1):
        await bank.publish(giving(credits_, version=number))
        await bank.work()
        (lot,) = await bank.lots(learner)
        seen.append((lot.id, lot.positions))

    assert seen[0] == seen[2] != seen[1]
    assert await bank.verify() == []


OVERLAPPING: dict[str, dict[str, str]] = {
    "a hole": {"start": "2022-01-01", "until": "2023-01-01"},
    "from before": {"start": "2019-01-01"},
    "an end given to an open one": {"start": "2020-01-01", "until": "2024-01-01"},
}


@pytest.mark.parametrize("days", OVERLAPPING.values(), ids=OVERLAPPING)
async def test_an_overlap_is_refused_and_changes_nothing(bank: Bank, days: dict[str, str]) -> None:
    plain = giving(4, version=2, start=days["start"], until=days.get("until"))
    approved = await bank.approve(await bank.draft(covered(plain)))
    await bank.publish(giving(3))

    with pytest.raises(VersionOverlaps):
        await publish_stored(bank, approved)

    assert await publication_rows(bank) == [(1, "2020-01-01", None, True)]
    assert (await bank.version("town", 2)).state == "approved"
    assert await epoch(bank) == 2
    assert await bank.count("jobs") == 1


async def test_two_rule_sets_govern_the_same_days_side_by_side(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.publish(giving(3))
    await bank.publish(giving(1, id_="province"))

    await bank.record(learner, "E1")

    assert sorted(await available(bank, learner)) == [1, 3]
    assert await bank.verify() == []


# --- The epoch --------------------------------------------------------------------------------------------------------


async def test_every_process_sees_a_publication_at_once(bank: Bank) -> None:
    """Another process has a shelf of its own; it never settles with rules that have been replaced."""
    (learner,) = await bank.open("Li Wei")
    await bank.publish(giving(3))
    other = Shelf(ZONE)
    async with bank.database.read() as connection:
        first = await other.book(connection)
        assert await other.book(connection) is first

    await bank.publish(giving(4, version=2))

    async with bank.database.read() as connection:
        second = await other.book(connection)
    assert (first.epoch, second.epoch) == (2, 3)
    assert [version.sha256 for version in second.versions] == [(await bank.version("town", 2)).sha256]
    await bank.record(learner, "E1")
    assert await available(bank, learner) == [4]


async def test_a_publication_waits_for_the_settlings_under_way(bank: Bank) -> None:
    """So what was settled without it was recorded before it is known, on both databases."""
    await bank.publish(giving(3))
    (learner,) = await bank.open("Li Wei")
    version = await bank.approve(await bank.draft(covered(giving(4, version=2))))

    async with bank.database.write() as connection:
        (outcome,) = await submit(connection, bank.desk, [submission(learner, "E1")], bank.today())
        publishing = asyncio.create_task(publish_stored(bank, version))
        done, _ = await asyncio.wait([publishing], timeout=0.1)
        assert not done
    await publishing

    assert isinstance(outcome, Recorded)
    (before,) = await bank.sql("select recorded_at from evaluations")
    (after,) = await bank.sql("select max(known_from) as known_from from rule_set_publications")
    assert before.recorded_at < after.known_from
    await bank.work()
    assert await available(bank, learner) == [4]


async def test_an_accreditation_turns_the_epoch_and_settles_everybody(bank: Bank) -> None:
    needed = granting("accredited", {"fixed": 2}, kind="course", accredited="niie")
    await bank.publish(document(needed, registers={"niie": {"external": True}}))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", completed="2024-06-10")
    await bank.record(learner, "E2", completed="2023-06-10")
    await bank.work()
    assert await available(bank, learner) == []
    before = await epoch(bank)
    (school,) = (provider for provider in await bank.sql("select id from providers where code = 'cq/school'"))

    async with bank.database.write() as connection:
        await enter_accreditation(
            connection,
            UUID(str(school.id)),
            NewAccreditation("niie", None, date(2024, 1, 1), None),
            bank.clock,
        )
    assert await epoch(bank) == before + 1
    await bank.work()

    assert await available(bank, learner) == [2]
    assert await bank.verify() == []
