"""Which awards stand, what learning is used elsewhere, and which lots may be chosen: without a database."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from creditbank.awards.domain import (
    AlreadyRedeemed,
    AlreadyUsed,
    StackUse,
    UnknownLot,
    Wanted,
    check_debts,
    chosen,
    has_award,
    used_elsewhere,
)
from creditbank.errors import Refusal
from creditbank.ledger.domain import InsufficientCredits, LearnerInDebt
from tests.awards.made import OTHER, TODAY, TOWN, achievement, application, lot

ONE = uuid4()


@pytest.mark.parametrize(
    ("state", "lots", "stacked", "stands"),
    [
        ("whole", {ONE: 3}, (), True),
        # An award of stacked credits alone redeems nothing, and is one.
        ("whole", {}, (StackUse(ONE, uuid4(), 3000),), True),
        ("part", {ONE: 3}, (), False),
        ("annulled", {ONE: 3}, (), False),
        ("open", {ONE: 3}, (), False),
        ("voided", {ONE: 3}, (), False),
        ("timed_out", {ONE: 3}, (), False),
        ("broken", {ONE: 3}, (), False),
    ],
)
def test_an_award_stands_when_it_was_made_whole_and_not_withdrawn(
    state: str, lots: dict[UUID, int], stacked: tuple[StackUse, ...], stands: bool
) -> None:
    made = [application("degree", state, lots, stacked=stacked)]

    assert has_award(made, TOWN, "degree") is stands
    assert not has_award(made, TOWN, "diploma")
    assert not has_award(made, OTHER, "degree")


def test_an_award_stands_beside_one_that_was_withdrawn_or_made_in_part() -> None:
    made = [application("degree", state, {ONE: 3}) for state in ("annulled", "part", "whole", "open")]

    assert has_award(made, TOWN, "degree")


@pytest.mark.parametrize(
    ("there", "is_barred"),
    [({"reserved": 1}, True), ({"redeemed": 1}, True), ({"available": 1}, False), ({"expired": 1}, False)],
)
@pytest.mark.parametrize("same", ["achievement", "learning", "nothing"])
def test_learning_is_used_once(there: dict[str, Any], is_barred: bool, same: str) -> None:
    mine, theirs = (achievement(learning="welding" if same == "learning" else None) for _ in range(2))
    if same == "achievement":
        theirs = mine
    here, elsewhere = lot(mine, available=3), lot(theirs, OTHER, **there)
    known = {one.id: one for one in (mine, theirs)}

    assert (here.id in used_elsewhere([here, elsewhere], known, TOWN)) is (is_barred and same != "nothing")


def test_lots_are_chosen_in_whole_or_in_part() -> None:
    first, second = lot(achievement(), available=3), lot(achievement(), available=5)
    mine = {one.id: one for one in (first, second)}

    amounts = chosen([Wanted(second.id, 2000), Wanted(first.id, None)], mine, frozenset(), TODAY)

    assert list(amounts.items()) == [(second.id, 2000), (first.id, 3000)]


@pytest.mark.parametrize(
    ("positions", "expires", "barred", "milli", "refusal"),
    [
        ({"available": 3}, None, False, 3001, InsufficientCredits),
        ({"available": 3}, None, False, 0, InsufficientCredits),
        ({"available": 3}, date(2025, 3, 1), False, None, InsufficientCredits),
        ({"reserved": 3}, None, False, None, InsufficientCredits),
        ({"redeemed": 3}, None, False, None, AlreadyRedeemed),
        ({"available": 3}, None, True, None, AlreadyUsed),
    ],
)
def test_a_lot_that_cannot_be_chosen(
    positions: dict[str, Any], expires: date | None, barred: bool, milli: int | None, refusal: type[Refusal]
) -> None:
    first, mine = lot(achievement(), available=1), lot(achievement(), expires=expires, **positions)
    wanted = [Wanted(first.id, None), Wanted(mine.id, milli)]
    all_barred = frozenset({mine.id}) if barred else frozenset()

    with pytest.raises(refusal) as refused:
        chosen(wanted, {first.id: first, mine.id: mine}, all_barred, TODAY)

    assert refused.value.pointer == "/lots/1/lot"


def test_a_lot_is_named_once_and_is_the_learners() -> None:
    mine = lot(achievement(), available=3)

    for wanted in ([Wanted(uuid4(), None)], [Wanted(mine.id, 1000), Wanted(mine.id, 1000)]):
        with pytest.raises(UnknownLot):
            chosen(wanted, {mine.id: mine}, frozenset(), TODAY)


def test_a_debt_that_nobody_decided_stands_in_the_way() -> None:
    owing = lot(achievement(), redeemed=3, owed=-2)

    check_debts({owing.id: owing}, [])
    with pytest.raises(LearnerInDebt) as refused:
        check_debts({owing.id: owing}, [owing.id])

    assert refused.value.owed == "2"
