"""What a programme may use of a learner's lots, what is waived, what stacks, and plans: without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from creditbank.achievements.domain import Achievement, Version
from creditbank.credits import Credits
from creditbank.ledger.domain import Account, HoldState, Lot, LotKey, LotTerms
from creditbank.programmes.domain import (
    Held,
    ProgrammeNotFound,
    ProgrammeRef,
    Stake,
    banked_milli,
    has_award,
    leaves_of,
    read_allocation,
    stacking_into,
    stakes_of,
    waive,
    with_plan,
    write_allocation,
)
from creditbank.rules.allocate.allocation import allocate
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.document import read_documents
from creditbank.rules.language.programmes import Programme

TODAY = date(2025, 3, 1)
LEARNER, TOWN, OTHER = (UUID(int=n) for n in (1, 2, 3))


def programmes(*plain: Mapping[str, Any]) -> dict[str, Programme]:
    """Programmes as a document has them, by id."""
    header = {"lcb": "rules/v1", "id": "t", "version": 1, "from": "2020-01-01", "unit": {"code": "CR"}}
    text = json.dumps({"ruleset": header, "programmes": list(plain)})
    return {one.id: one for one in read_documents(text, format="json")[0].model.programmes}


A = {"id": "a", "need": {"credits": 3}}
B = {"id": "b", "need": {"credits": 3}}
C = {"id": "c", "need": {"credits": 3}}


@pytest.mark.parametrize(
    ("requirements", "waived", "left"),
    [
        ([A, B], {"a"}, "b"),
        ([A, B], {"x"}, "a b"),
        ([{"id": "g", "all": [A, B]}], {"a"}, "all(b)"),
        ([{"id": "g", "all": [A, B]}], {"a", "b"}, ""),
        ([{"id": "g", "all": [A, B]}, C], {"g"}, "c"),
        # A waived alternative counts as met: of two of three one is left to be chosen.
        ([{"id": "g", "n": 2, "of": [A, B, C]}], {"a"}, "1of(b c)"),
        ([{"id": "g", "n": 1, "of": [A, B]}], {"a"}, ""),
        ([{"id": "g", "n": 1, "of": [{"id": "h", "all": [A, B]}, C]}], {"a"}, "1of(all(b) c)"),
    ],
)
def test_waivers(requirements: list[dict[str, Any]], waived: set[str], left: str) -> None:
    (programme,) = programmes({"id": "p", "total": 9, "requirements": requirements}).values()

    def written(one: Any) -> str:
        if hasattr(one, "need"):
            return str(one.id)
        parts = one.all if hasattr(one, "all") else one.of
        name = "all" if hasattr(one, "all") else f"{one.n}of"
        return f"{name}({' '.join(written(part) for part in parts)})"

    after = waive(programme, frozenset(waived))

    assert " ".join(written(one) for one in after.requirements) == left
    assert {leaf.id for leaf in leaves_of(after.requirements)}.isdisjoint(waived)


def test_a_cap_is_waived() -> None:
    (programme,) = programmes({"id": "p", "total": 9, "caps": [{"id": "most", "credits_at_most": 3}]}).values()

    assert waive(programme, frozenset({"most"})).caps == ()


STACKS = programmes(
    {"id": "certificate", "total": 1, "reuse": {"stack_into": ["diploma"]}},
    {"id": "diploma", "total": 2, "reuse": {"stack_into": ["degree"]}},
    {"id": "degree", "total": 3},
)


@pytest.mark.parametrize(
    ("programme", "awarded", "lower"),
    [
        ("certificate", "", ""),
        ("diploma", "", "certificate"),
        ("degree", "certificate", "diploma"),
        ("degree", "certificate diploma", "certificate diploma"),
    ],
)
def test_what_stacks(programme: str, awarded: str, lower: str) -> None:
    assert stacking_into(programme, STACKS, frozenset(awarded.split())) == frozenset(lower.split())


# --- What may be used -------------------------------------------------------------------------------------------------


def achievement(**others: Any) -> Achievement:
    """A stated achievement."""
    id_ = uuid4()
    content = {"provider": "own", "external_id": str(id_), "completed": "2024-06-01", "kind": "course", **others}
    return Achievement(LEARNER, id_, (Version(LEARNER, id_, 1, "valid", content, None, None, None, None),))  # type: ignore[arg-type]


def lot(one: Achievement, rule_set: UUID = TOWN, expires: date | None = None, **positions: int) -> Lot:
    """A lot of an achievement; positions in whole credits."""
    terms = LotTerms(uuid4(), "own", "course", "CR", None, None, None, None, TODAY, expires)
    at = {Account(name): credits_ * 1000 for name, credits_ in positions.items()}
    return Lot(LEARNER, uuid4(), LotKey(rule_set, str(one.id), "U", 0), terms, at)


PAST = date(2025, 3, 1)


@pytest.mark.parametrize(
    ("positions", "expires", "usable", "aside"),
    [
        ({"available": 3}, None, "3+0+0", {}),
        ({"available": 3}, date(2025, 3, 2), "3+0+0", {}),
        # Expired for every reader although the job has not posted it yet.
        ({"available": 3}, PAST, None, {"expired": 3}),
        ({"available": 3, "excess": 2, "pending": 1}, None, "3+0+0", {"excess": 2, "pending": 1}),
        ({"expired": 2}, None, None, {"expired": 2}),
        ({"reserved": 4}, None, "0+2+0", {"reserved": 2}),
        # A hold does not stop the clock, but credits are judged on the day it was placed.
        ({"reserved": 4}, PAST, "0+2+0", {"reserved": 2}),
        ({"redeemed": 5}, None, "0+0+4", {"redeemed": 1}),
        ({"redeemed": 1}, None, "0+0+1", {}),
        ({"reserved": 1}, None, "0+1+0", {}),
    ],
)
def test_what_may_be_used(
    positions: dict[str, int], expires: date | None, usable: str | None, aside: dict[str, int]
) -> None:
    one = achievement()
    mine = lot(one, TOWN, expires, **positions)
    held = [
        Held(TOWN, "degree", HoldState.OPEN, mine.id, 2000, 0),
        Held(TOWN, "degree", HoldState.VOIDED, mine.id, 9000, 0),
        Held(TOWN, "diploma", HoldState.OPEN, mine.id, 9000, 0),
        Held(TOWN, "diploma", HoldState.REDEEMED, mine.id, 6000, 4000),
        Held(OTHER, "degree", HoldState.OPEN, mine.id, 9000, 0),
    ]

    stakes, found = stakes_of(TOWN, [mine], {str(one.id): one}, {}, held, STACKS["degree"], STACKS, TODAY)

    shown = [f"{s.available // 1000}+{s.reserved // 1000}+{s.stacked // 1000}" for s in stakes]
    assert shown == ([usable] if usable else [])
    assert {a.reason: a.milli // 1000 for a in found} == aside


def test_an_award_is_held_while_its_credits_are_redeemed() -> None:
    one = achievement()
    mine, annulled = lot(one, redeemed=3), lot(one, available=3)
    made = Held(TOWN, "degree", HoldState.REDEEMED, mine.id, 3000, 3000)

    assert has_award(TOWN, "degree", [made], [mine])
    assert not has_award(TOWN, "diploma", [made], [mine])
    assert not has_award(OTHER, "degree", [made], [mine])
    assert not has_award(
        TOWN, "degree", [Held(TOWN, "degree", HoldState.REDEEMED, annulled.id, 3000, 3000)], [annulled]
    )


def test_what_is_banked_counts_used_credits_and_no_expired_ones() -> None:
    one = achievement()
    lots = [lot(one, available=3, reserved=2, excess=9), lot(one, redeemed=4), lot(one, expires=PAST, available=5)]

    assert banked_milli(lots, "CR", TODAY) == 9000
    assert banked_milli(lots, "KRC", TODAY) == 0


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


def test_an_allocation_is_read_as_it_was_written() -> None:
    (programme,) = programmes(
        {"id": "p", "total": 9, "requirements": [A, B], "caps": [{"id": "most", "unit": "U", "credits_at_most": 5}]}
    ).values()
    found = allocate(programme, [candidate("x", 4), candidate("y", 4)])

    assert read_allocation("p", json.loads(json.dumps(write_allocation(found)))) == found
    assert found.idle
    assert str(Credits(found.recognised)) == "5"


@pytest.mark.parametrize("text", ["", "town", "town.", ".diploma", "town.diploma.x"])
def test_what_names_no_programme(text: str) -> None:
    with pytest.raises(ProgrammeNotFound):
        ProgrammeRef.parse(text)
