"""Programmes by name, what is waived, what is banked, and who may apply: without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from creditbank.enrolments.domain import Enrolment
from creditbank.programmes.domain import (
    Admission,
    Place,
    ProgrammeNotFound,
    ProgrammeRef,
    banked_milli,
    leaves_of,
    may_apply,
    waive,
)
from creditbank.rules.document import read_documents
from creditbank.rules.language.programmes import Programme
from tests.awards.made import LEARNER, NOW, OTHER, TODAY, TOWN, achievement, lot


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


PAST = date(2025, 3, 1)


def test_what_is_banked_counts_used_credits_and_no_expired_ones() -> None:
    one = achievement()
    lots = [lot(one, available=3, reserved=2, excess=9), lot(one, redeemed=4), lot(one, expires=PAST, available=5)]
    owing = lot(one, redeemed=4, owed=-3)

    assert banked_milli(lots, "CR", TODAY) == 9000
    assert banked_milli([*lots, owing], "CR", TODAY) == 10_000
    assert banked_milli(lots, "KRC", TODAY) == 0


FREE, ASKING = Admission(None, None, 0), Admission(1000, None, 1)
AWARD = Admission(None, ProgrammeRef("town", "certificate"), 1)


@pytest.mark.parametrize(
    ("admission", "restricted", "enrolled", "may"),
    [
        # A programme that asks for nothing makes its award for everybody who has the credits.
        (FREE, False, "", True),
        # One that asks something of whoever enters makes it for those who entered.
        (ASKING, False, "", False),
        (ASKING, False, "degree", True),
        (AWARD, False, "", False),
        (AWARD, False, "certificate", False),
        (AWARD, False, "certificate degree", True),
        # Rules for the enrolled: any of their programmes, one being an exit of another.
        (FREE, True, "", False),
        (FREE, True, "certificate", True),
        (FREE, True, "degree", True),
        (ASKING, True, "certificate", False),
    ],
)
def test_who_may_apply(admission: Admission, restricted: bool, enrolled: str, may: bool) -> None:
    place = Place(ProgrammeRef("town", "degree"), TOWN, [])
    mine = [entered(TOWN, name) for name in enrolled.split()]
    elsewhere = [entered(OTHER, "degree"), entered(TOWN, "degree", date(2025, 3, 2))]

    assert may_apply(place, admission, restricted, [*mine, *elsewhere], TODAY) is may


def entered(rule_set: UUID, programme: str, day: date = TODAY) -> Enrolment:
    """An enrolment."""
    return Enrolment(LEARNER, uuid4(), rule_set, programme, day, None, NOW)


@pytest.mark.parametrize("text", ["", "town", "town.", ".diploma", "town.diploma.x"])
def test_what_names_no_programme(text: str) -> None:
    with pytest.raises(ProgrammeNotFound):
        ProgrammeRef.parse(text)
