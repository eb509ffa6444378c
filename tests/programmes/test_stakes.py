"""What a programme may use of a learner's lots, what stacks, and plans: without a database."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from creditbank.awards.domain import Conversion, StackUse
from creditbank.programmes.stakes import Seat, Stake, only, stacked_for, stakes_of, with_plan
from creditbank.rules.allocate.problem import Candidate
from tests.awards.made import OTHER, TODAY, TOWN, achievement, application, lot
from tests.programmes.test_domain import programmes

PAST = date(2025, 3, 1)

STACKS = programmes(
    {"id": "certificate", "total": 1, "reuse": {"stack_into": ["diploma"]}},
    {"id": "diploma", "total": 2, "reuse": {"stack_into": ["degree"]}},
    {"id": "degree", "total": 3},
    {"id": "courses", "total": 3, "requirements": [{"id": "two", "need": {"count": 2}}]},
    {"id": "lots", "total": 3, "whole": "lots"},
    {"id": "exit", "total": 1, "reuse": {"stack_into": ["degree", "courses", "lots"]}},
)


def seat(programme: str) -> Seat:
    """The place of one of these programmes."""
    return Seat(TOWN, "CR", STACKS[programme], STACKS)


# --- What stacks ------------------------------------------------------------------------------------------------------

X, Y = UUID(int=11), UUID(int=12)
CERTIFICATE = application("certificate", "whole", {X: 2})
assert CERTIFICATE.award is not None
FROM_CERTIFICATE = StackUse(X, CERTIFICATE.award.id, 2000)


@pytest.mark.parametrize(
    ("programme", "made", "again"),
    [
        ("certificate", [CERTIFICATE], {}),
        ("diploma", [CERTIFICATE], {X: 2}),
        # One rung at a time: the degree takes what stands in the diploma, whatever it was redeemed for at first.
        ("degree", [CERTIFICATE], {}),
        ("degree", [CERTIFICATE, application("diploma", "whole", {Y: 1}, stacked=(FROM_CERTIFICATE,))], {X: 2, Y: 1}),
        # A diploma that was made without the certificate's credits does not bring them into the degree.
        ("degree", [CERTIFICATE, application("diploma", "whole", {Y: 2})], {Y: 2}),
        ("diploma", [application("certificate", "annulled", {X: 2})], {}),
        ("diploma", [application("certificate", "open", {X: 2})], {}),
        ("diploma", [application("certificate", "whole", {X: 2}, rule_set=OTHER)], {}),
        # What was redeemed in part counts when the rest is applied for, and in what stacks upon it.
        ("certificate", [application("certificate", "part", {X: 2}, of=1)], {X: 1}),
        ("diploma", [application("certificate", "part", {X: 2}, of=1)], {X: 1}),
        ("diploma", [application("nothing", "whole", {X: 2})], {}),
    ],
)
def test_what_stacks(programme: str, made: list[Conversion], again: dict[UUID, int]) -> None:
    found = stacked_for(seat(programme), made)

    assert {id_: sum(use.milli for use in uses) // 1000 for id_, uses in found.items()} == again


def test_a_transfer_makes_no_residency() -> None:
    learned = achievement(provider="else")
    # Transferred to "own", which is the provider of the lot since.
    moved = lot(learned, available=1)
    (stake,), _ = stakes_of(seat("certificate"), [moved], {learned.id: learned}, {}, [], TODAY)

    assert (moved.terms.provider, stake.candidate.provider) == ("own", "else")


# --- What may be used -------------------------------------------------------------------------------------------------


def shown(stakes: list[Stake]) -> list[str]:
    """Each stake as available + reserved + stacked, in whole credits."""
    return [f"{s.available // 1000}+{s.reserved // 1000}+{sum(use.milli for use in s.stacked) // 1000}" for s in stakes]


@pytest.mark.parametrize(
    ("positions", "others", "usable", "aside"),
    [
        ({"available": 3}, {}, ["3+0+0"], {}),
        ({"available": 3}, {"expires": date(2025, 3, 2)}, ["3+0+0"], {}),
        # Expired for every reader although the job has not posted it yet.
        ({"available": 3}, {"expires": PAST}, [], {"expired": 3}),
        ({"available": 3, "excess": 2, "pending": 1}, {}, ["3+0+0"], {"excess": 2, "pending": 1}),
        ({"expired": 2}, {}, [], {"expired": 2}),
        ({"reserved": 4}, {}, ["0+2+0"], {"reserved": 2}),
        # A hold does not stop the clock, but credits are judged on the day it was placed.
        ({"reserved": 4}, {"expires": PAST}, ["0+2+0"], {"reserved": 2}),
        ({"redeemed": 5}, {}, ["0+0+4"], {"redeemed": 1}),
        ({"redeemed": 5}, {"expires": PAST}, ["0+0+4"], {"redeemed": 1}),
        ({"redeemed": 5, "available": 1}, {}, ["0+0+4", "1+0+0"], {"redeemed": 1}),
        ({"redeemed": 1}, {}, ["0+0+1"], {}),
        # Credits whose basis fell away count nowhere once more.
        ({"redeemed": 5, "owed": -3}, {}, ["0+0+2"], {"redeemed": 3}),
        ({"redeemed": 5, "owed": -5}, {}, [], {"redeemed": 5}),
        ({"reserved": 1}, {}, ["0+1+0"], {}),
        # Totals are kept by unit, never added across units.
        ({"available": 3}, {"unit": "PT"}, [], {"other_unit": 3}),
    ],
)
def test_what_may_be_used(
    positions: dict[str, Any], others: dict[str, Any], usable: list[str], aside: dict[str, int]
) -> None:
    one = achievement()
    mine = lot(one, TOWN, **others, **positions)
    made = [
        application("degree", "open", {mine.id: 2}),
        application("degree", "voided", {mine.id: 9}),
        application("diploma", "open", {mine.id: 9}),
        application("diploma", "whole", {mine.id: 6}, of=4),
        application("degree", "open", {mine.id: 9}, rule_set=OTHER),
    ]

    stakes, found = stakes_of(seat("degree"), [mine], {one.id: one}, {}, made, TODAY)

    assert shown(stakes) == usable
    assert {a.reason: a.candidate.milli // 1000 for a in found} == aside


@pytest.mark.parametrize(
    ("programme", "parts"),
    [("degree", ["0+0+2", "3+0+0"]), ("courses", ["3+0+2"]), ("lots", ["3+0+2"])],
    ids=["in parts", "where lots are counted", "where lots are used whole"],
)
def test_a_lot_is_counted_once(programme: str, parts: list[str]) -> None:
    one = achievement()
    mine = lot(one, available=3, redeemed=2)
    made = [application("exit", "whole", {mine.id: 2})]

    stakes, _ = stakes_of(seat(programme), [mine], {one.id: one}, {}, made, TODAY)

    assert shown(stakes) == parts
    assert sum(stake.candidate.milli for stake in stakes) == 5000
    assert {stake.lot_name for stake in stakes} == {str(mine.id)}


@pytest.mark.parametrize(
    ("milli", "stacked", "reserved", "fresh"),
    [(1000, 1000, 0, 0), (2000, 2000, 0, 0), (2500, 2000, 500, 0), (6000, 2000, 1000, 3000)],
)
def test_what_costs_nothing_more_is_used_first(milli: int, stacked: int, reserved: int, fresh: int) -> None:
    uses = tuple(StackUse(X, UUID(int=n), 1000) for n in (1, 2))
    stake = Stake(None, (("x",), "U", 0), candidate("x", 6), 3000, 1000, uses)

    spent = stake.spent(milli)

    assert (sum(use.milli for use in spent.stacked), spent.reserved, spent.fresh) == (stacked, reserved, fresh)


def test_of_lots_chosen_no_more_is_used_but_what_counts_once_more() -> None:
    one, two = achievement(), achievement()
    first, second = lot(one, available=3, redeemed=2), lot(two, available=4)
    made = [application("diploma", "whole", {first.id: 2})]
    stakes, _ = stakes_of(seat("degree"), [first, second], {one.id: one, two.id: two}, {}, made, TODAY)

    assert shown(only(stakes, {second.id: 1000})) == ["0+0+2", "1+0+0"]
    assert shown(only(stakes, {first.id: 9000})) == ["0+0+2", "3+0+0"]


# --- Plans ------------------------------------------------------------------------------------------------------------


def candidate(name: str, credits_: int) -> Candidate:
    """A lot of an evaluation."""
    return Candidate(name, credits_ * 1000, "U", "course", "own", None, None, name, None, TODAY, (name,))


@pytest.mark.parametrize(
    ("before", "after", "usable"),
    [
        ({"x": 3}, {"x": 3}, {"x": 2}),
        ({"x": 3}, {"x": 5}, {"x": 4}),
        ({"x": 3}, {"x": 3, "y": 6}, {"x": 2, "y": 6}),
        # The plan takes the place of the lot: as the better of two of one unit, or as a part of a combination.
        ({"x": 3}, {"y": 6}, {"y": 6}),
        ({"x": 3}, {"x": 2, "y": 1}, {"x": 1, "y": 1}),
        ({"x": 3, "y": 4}, {"x": 3, "y": 6}, {"x": 2, "y": 2}),
    ],
)
def test_what_a_plan_changes(before: dict[str, int], after: dict[str, int], usable: dict[str, int]) -> None:
    # Of the three credits of x one is used already: what a plan brings comes to what is left.
    stake = Stake(None, (("x",), "U", 0), candidate("x", 2), 2000)

    def lots(amounts: dict[str, int]) -> dict[Any, Candidate]:
        return {((name,), "U", 0): candidate(name, amount) for name, amount in amounts.items()}

    planned = with_plan([stake], lots(before), lots(after))

    assert {s.candidate.id: s.candidate.milli // 1000 for s in planned} == usable
