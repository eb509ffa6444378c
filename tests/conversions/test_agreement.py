"""An application holds what the audit says is used: the same lots, amounts, version, waivers, choices (decision 28)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import pytest_asyncio

from creditbank.awards.domain import Conversion, Wanted
from creditbank.conversions.domain import RequirementsMissing
from creditbank.enrolments.domain import ChangeKind
from creditbank.programmes.auditing import Audit
from tests.bank import Bank, document, granting, opened
from tests.programmes.desk import applied, audited, changed, credits_of, decided, enrolled, learnt, waived

TODAY = date(2025, 3, 1)
OWN = granting("own", kind=["course"])


@pytest_asyncio.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    """A bank with two schools."""
    async with opened(database_url) as made:
        await made.enter("own", "else")
        yield made


class Before(NamedTuple):
    """A learner before an application: the bank, the learner's lots in the order of the table, others it knows of."""

    bank: Bank
    learner: UUID
    lots: Sequence[UUID]


Doing = Callable[[Before], Awaitable[None]]


def course(credits_: str, **others: Any) -> dict[str, Any]:
    """A course, completed in June 2024 if nothing else is said."""
    return {"credits": credits_, **others}


def programme(total: int, *requirements: Mapping[str, Any], id_: str = "award", **others: Any) -> dict[str, Any]:
    """A programme."""
    return {"id": id_, "total": total, "requirements": list(requirements), **others}


MAJOR = {"id": "major", "category": "major", "need": {"credits": 3}}
MINOR = {"id": "minor", "category": "minor", "need": {"credits": 3}}
CAP = {"id": "most", "provider": "else", "credits_at_most": 2}
EXIT = programme(3, id_="exit", reuse={"stack_into": ["award"]})


async def nothing(_: Before) -> None:
    """The learner only learnt."""


def waiving(what: str) -> Doing:
    """A requirement or a cap is waived."""

    async def done(before: Before) -> None:
        await waived(before.bank, before.learner, what)

    return done


def pinning(place: int, requirement: str) -> Doing:
    """The learner is enrolled, and chose what a lot fills."""

    async def done(before: Before) -> None:
        enrolment = await enrolled(before.bank, before.learner, "award")
        lots = {str(before.lots[place]): requirement}
        await changed(before.bank, enrolment, ChangeKind.PINNED, lots=lots, requirements=[])

    return done


async def entered_before(before: Before) -> None:
    """The learner entered before version 2, which asks for more."""
    await enrolled(before.bank, before.learner, "award", date(2024, 1, 1))


async def elected(before: Before) -> None:
    """The learner entered before version 2, and elected it."""
    enrolment = await enrolled(before.bank, before.learner, "award", date(2024, 1, 1))
    await changed(before.bank, enrolment, ChangeKind.ELECTED, version=2)


async def left_early(before: Before) -> None:
    """The learner has the award of the exit."""
    await decided(before.bank, await applied(before.bank, before.learner, "exit"))


async def had_a_part(before: Before) -> None:
    """Of an application for this award two credits were approved."""
    made = await applied(before.bank, before.learner, "award", [Wanted(before.lots[1], 3000)])
    await decided(before.bank, made, {before.lots[1]: 2000})


async def used_elsewhere(before: Before) -> None:
    """The first learning is used under the rules of another."""
    await applied(before.bank, before.learner, "rival.award")


async def days_later(before: Before) -> None:
    """Days went by, and no job ran."""
    before.bank.clock.turn(days=12)


RIVAL = document(granting("own", kind=["course"], code=["R"]), id_="rival", programmes=[programme(3)])

# The second version of the rules asks for more.
LATER = document(OWN, version=2, start="2025-01-01", programmes=[programme(4)])

# name, programmes, blocks, what was learnt, what was done before, held by place of the lot, counted once more likewise
AGREEING: list[tuple[str, list[Any], dict[str, Any], list[Any], Doing, dict[int, str], dict[int, str]]] = [
    (
        "the oldest first",
        [programme(5)],
        {},
        [course("3", completed="2024-06-02"), course("3", completed="2024-06-01")],
        nothing,
        {1: "3", 0: "2"},
        {},
    ),
    (
        "each requirement its own",
        [programme(6, MAJOR, MINOR)],
        {},
        [course("5", category="major"), course("5", category="minor")],
        nothing,
        {0: "3", 1: "3"},
        {},
    ),
    (
        "a waived requirement is open to others",
        [programme(6, MAJOR, MINOR)],
        {},
        [course("3", category="major"), course("3", category="other")],
        waiving("minor"),
        {0: "3", 1: "3"},
        {},
    ),
    (
        "a waived cap caps nothing",
        [programme(3, caps=[CAP])],
        {},
        [course("3", provider="else")],
        waiving("most"),
        {0: "3"},
        {},
    ),
    (
        "what the learner did not pin",
        [programme(4, {"id": "a", "need": {"credits": 3}}, {"id": "b", "need": {"credits": 1}})],
        {},
        [course("5", completed="2024-01-01"), course("5")],
        nothing,
        {0: "4"},
        {},
    ),
    (
        "what the learner pinned",
        [programme(4, {"id": "a", "need": {"credits": 3}}, {"id": "b", "need": {"credits": 1}})],
        {},
        [course("5", completed="2024-01-01"), course("5")],
        pinning(0, "b"),
        {0: "1", 1: "3"},
        {},
    ),
    (
        "the version of the enrolment, which governs nobody new",
        [programme(3)],
        {"until": LATER["ruleset"]["from"]},
        [course("5")],
        entered_before,
        {0: "3"},
        {},
    ),
    (
        "the version elected",
        [programme(3)],
        {"until": LATER["ruleset"]["from"]},
        [course("5")],
        elected,
        {0: "4"},
        {},
    ),
    (
        "an earlier award counts once more, and first",
        [EXIT, programme(5)],
        {},
        [course("3", completed="2024-06-01"), course("4", completed="2024-06-02")],
        left_early,
        {1: "2"},
        {0: "3"},
    ),
    (
        "a lot that the earlier award used in part",
        [EXIT, programme(6)],
        {},
        [course("4", completed="2024-06-01"), course("4", completed="2024-06-02")],
        left_early,
        {0: "1", 1: "2"},
        {0: "3"},
    ),
    (
        "lots are counted once each",
        [EXIT, programme(8, {"id": "two", "need": {"count": 2}})],
        {},
        [course("4", completed="2024-06-01"), course("4", completed="2024-06-02")],
        left_early,
        {0: "1", 1: "4"},
        {0: "3"},
    ),
    (
        "the rest of what was approved in part",
        [programme(3)],
        {},
        [course("1", completed="2024-01-01"), course("3")],
        had_a_part,
        {0: "1"},
        {1: "2"},
    ),
    (
        "what is used under other rules is not",
        [programme(3)],
        {},
        [course("3", code="R", completed="2024-01-01"), course("3")],
        used_elsewhere,
        {1: "3"},
        {},
    ),
    (
        "what has expired today is not",
        [programme(3)],
        {"validity": {"max": "P1Y"}},
        [course("3", completed="2024-03-10"), course("3", completed="2024-03-20")],
        days_later,
        {1: "3"},
        {},
    ),
    (
        "overlays, by the solver",
        [programme(4, {"id": "else-2", "provider": "else", "exclusive": False, "need": {"credits": 2}}, MAJOR)],
        {},
        [course("3", category="major"), course("3", category="major", provider="else", completed="2024-07-01")],
        nothing,
        {0: "2", 1: "2"},
        {},
    ),
]


def used(audit: Audit) -> tuple[dict[str, str], dict[str, str]]:
    """What the audit uses of each lot: what is to be held, and what counts once more."""
    fresh = {use.stake.lot_name: use.milli - use.stacked - use.reserved for use in audit.uses}
    again = {use.stake.lot_name: use.stacked for use in audit.uses}
    return (
        credits_of({id_: m for id_, m in fresh.items() if m}),
        credits_of({id_: m for id_, m in again.items() if m}),
    )


def held(made: Conversion) -> tuple[dict[str, str], dict[str, str]]:
    """What an application holds of each lot, and what counts once more."""
    again: dict[UUID, int] = {}
    for use in made.stacked:
        again[use.lot_id] = again.get(use.lot_id, 0) + use.milli
    return credits_of({line.lot_id: line.milli for line in made.hold.lines}), credits_of(again)


@pytest.mark.parametrize(
    ("programmes", "blocks", "courses", "doing", "fresh", "again"),
    [row[1:] for row in AGREEING],
    ids=[row[0] for row in AGREEING],
)
async def test_an_application_holds_what_the_audit_uses(
    bank: Bank,
    programmes: list[Any],
    blocks: dict[str, Any],
    courses: list[Any],
    doing: Doing,
    fresh: dict[int, str],
    again: dict[int, str],
) -> None:
    await bank.publish(document(OWN, programmes=programmes, **blocks))
    if "until" in blocks:
        await bank.publish(LATER)
    if doing is used_elsewhere:
        await bank.publish(RIVAL)
    (learner,) = await bank.open("Li Wei")
    lots = await learnt(bank, learner, *courses)
    await doing(Before(bank, learner, lots))

    audit = await audited(bank, learner, "award")
    made = await applied(bank, learner, "award")
    after = await audited(bank, learner, "award")

    wanted = tuple({str(lots[place]): amount for place, amount in by_place.items()} for by_place in (fresh, again))
    assert used(audit) == wanted
    assert held(made) == wanted
    assert made.version == audit.version.version
    assert {(one["lot"], one["requirement"]): one["amount"] for one in made.shares} == {
        key: credits_of({0: milli})["0"] for key, milli in audit.shares.items()
    }
    # What is held counts for its programme as before: the same best use, of which nothing is left to be held.
    assert (after.to_hold, after.shares) == ([], audit.shares)
    assert await bank.verify() == []


async def test_lots_chosen_are_used_as_an_audit_of_them_alone_would(bank: Bank) -> None:
    await bank.publish(document(OWN, programmes=[programme(4, MAJOR)]))
    (learner,) = await bank.open("Li Wei")
    first, second, third = await learnt(
        bank, learner, course("3", category="major"), course("3", category="major"), course("3")
    )

    with pytest.raises(RequirementsMissing):
        await applied(bank, learner, "award", [Wanted(second, 2000), Wanted(third, None)])
    made = await applied(bank, learner, "award", [Wanted(third, 1000), Wanted(second, None)])

    assert held(made) == ({str(second): "3", str(third): "1"}, {})
    assert first not in {line.lot_id for line in made.hold.lines}


async def test_one_lot_in_two_parts_is_not_two_lots(bank: Bank) -> None:
    two = programme(4, {"id": "two", "need": {"count": 2}})
    await bank.publish(document(OWN, programmes=[EXIT, two]))
    (learner,) = await bank.open("Li Wei")
    lots = await learnt(bank, learner, course("4"))
    await left_early(Before(bank, learner, lots))

    audit = await audited(bank, learner, "award")
    with pytest.raises(RequirementsMissing) as refused:
        await applied(bank, learner, "award")

    assert audit.allocation.missing["two"].count == 1
    assert [(fault.pointer, fault.message) for fault in refused.value.faults] == [("/requirements/two", "1 / 2")]


async def test_an_answer_is_kept_when_an_award_is_applied_for(bank: Bank) -> None:
    await bank.publish(document(OWN, programmes=[programme(3)]))
    (learner,) = await bank.open("Li Wei")
    await learnt(bank, learner, course("3"))

    await applied(bank, learner, "award")

    (kept,) = await bank.sql("select inputs_sha256 from programme_audits")
    assert bytes(kept.inputs_sha256) == (await audited(bank, learner, "award")).inputs
