"""How much a grant gives, and of which unit, category, level and grade (rules/v1 section 5.4)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from creditbank.rules.explain import explain_decision, explain_lot
from tests.rules.writing import compiled, decide, fact, only_lot, rule

# The formula, the unit's step and rounding, the fact, the credits, the explanation.
FORMULAS: list[tuple[dict[str, Any], str, str, dict[str, Any], str, str]] = [
    ({"fixed": 4}, "1/2", "down", {}, "4", "fixed 4"),
    ({"fixed": 0}, "1/2", "down", {}, "0", "fixed 0"),
    ({"fixed": "1.234", "round": "none"}, "1/2", "down", {}, "1.234", "fixed 1.234"),
    ({"native": 1}, "1", "down", {"credits": 15}, "15", "15 native x 1 = 15"),
    ({"native": "1/2"}, "1/2", "half_even", {"credits": 180}, "90", "180 native x 0.5 = 90"),
    # Five quarter hours are a third less in semester hours; the third is kept until the one rounding at the end.
    ({"native": "2/3"}, "0.01", "half_up", {"credits": 5}, "3.33",
     "5 native x 0.667 = 3.333; rounded half up to 0.01: 3.33"),
    ({"per_hour": 30}, "1/2", "down", {"hours": 40}, "1", "40 h / 30 = 1.333; rounded down to 0.5: 1"),
    ({"per_hour": 30}, "1/2", "down", {"hours": 45}, "1.5", "45 h / 30 = 1.5"),
    ({"per_hour": 30}, "1/2", "down", {"hours": "14.999"}, "0", "14.999 h / 30 = 0.5; rounded down to 0.5: 0"),
    ({"per_hour": "12.5"}, "1/2", "down", {"hours": 25}, "2", "25 h / 12.5 = 2"),
    ({"per_hour": 40, "at_most": 2}, "1/2", "half_up", {"hours": 130}, "2", "130 h / 40 = 3.25; at most 2"),
    ({"per_hour": 40, "at_most": 4}, "1/2", "down", {"hours": 130}, "3", "130 h / 40 = 3.25; rounded down to 0.5: 3"),
    ({"native": 1, "at_most": 3}, "1/2", "down", {"credits": 3}, "3", "3 native x 1 = 3"),
    ({"native": 1, "at_least": 1}, "1/2", "down", {"credits": "0.2"}, "1", "0.2 native x 1 = 0.2; at least 1"),
    ({"native": 1, "at_least": 1}, "1/2", "down", {"credits": 1}, "1", "1 native x 1 = 1"),
    ({"native": 1, "at_most": 1, "at_least": 2}, "1/2", "down", {"credits": 9}, "2",
     "9 native x 1 = 9; at most 1; at least 2"),
    # The limit applies before the rounding, once.
    ({"native": 1, "at_most": "2.9"}, "1", "down", {"credits": 5}, "2",
     "5 native x 1 = 5; at most 2.9; rounded down to 1: 2"),
    # Rounding, on both sides of the half and on it.
    ({"native": 1}, "1", "down", {"credits": "1.999"}, "1", "1.999 native x 1 = 1.999; rounded down to 1: 1"),
    ({"native": 1}, "1", "half_up", {"credits": "1.499"}, "1", "1.499 native x 1 = 1.499; rounded half up to 1: 1"),
    ({"native": 1}, "1", "half_up", {"credits": "1.5"}, "2", "1.5 native x 1 = 1.5; rounded half up to 1: 2"),
    ({"native": 1}, "1", "half_up", {"credits": "2.5"}, "3", "2.5 native x 1 = 2.5; rounded half up to 1: 3"),
    ({"native": 1}, "1", "half_even", {"credits": "1.5"}, "2", "1.5 native x 1 = 1.5; rounded half even to 1: 2"),
    ({"native": 1}, "1", "half_even", {"credits": "2.5"}, "2", "2.5 native x 1 = 2.5; rounded half even to 1: 2"),
    ({"native": 1}, "1", "half_even", {"credits": "2.501"}, "3", "2.501 native x 1 = 2.501; rounded half even to 1: 3"),
    ({"native": 1}, "1", "half_even", {"credits": "2.499"}, "2", "2.499 native x 1 = 2.499; rounded half even to 1: 2"),
    ({"native": 1}, "1/2", "half_even", {"credits": "0.75"}, "1",
     "0.75 native x 1 = 0.75; rounded half even to 0.5: 1"),
    ({"native": 1}, "0.3", "half_up", {"credits": 1}, "0.9", "1 native x 1 = 1; rounded half up to 0.3: 0.9"),
    # A formula's own step and mode come before those of the unit.
    ({"native": 1, "step": 1, "round": "half_up"}, "1/2", "down", {"credits": "2.5"}, "3",
     "2.5 native x 1 = 2.5; rounded half up to 1: 3"),
    ({"native": 1, "step": "0.1"}, "1/2", "down", {"credits": "2.56"}, "2.5",
     "2.56 native x 1 = 2.56; rounded down to 0.1: 2.5"),
    # A third three times over is exact.
    ({"native": "1/3"}, "0.001", "half_up", {"credits": 2}, "0.667",
     "2 native x 0.333 = 0.667; rounded half up to 0.001: 0.667"),
    ({"per_hour": "1/3"}, "1", "down", {"hours": 7}, "21", "7 h / 0.333 = 21"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "step", "mode", "given", "credits_", "text"), FORMULAS)
def test_a_formula_gives(
    formula: dict[str, Any], step: str, mode: str, given: dict[str, Any], credits_: str, text: str
) -> None:
    version = compiled(rule("r", formula), header={"unit": {"code": "CR", "step": step, "round": mode}})

    lot = only_lot(version, fact(**given))

    assert (str(lot.recognised), str(lot.excess), str(lot.dropped), lot.state) == (credits_, "0", "0", "available")
    assert explain_lot(lot.trace) == text
    assert (lot.trace["granted"], lot.trace["credits"]) == (credits_, credits_)


@pytest.mark.parametrize(
    ("grants", "text"),
    [
        ([{"credits": {"native": 1}}], "r: credits missing"),
        ([{"credits": {"per_hour": 30}}], "r: hours missing"),
        ([{"credits": {"fixed": 1}}, {"unit": "X", "credits": {"per_hour": 30, "at_least": 1}}], "r: hours missing"),
    ],
    ids=["credits", "hours", "of a second grant, in spite of a least"],
)
def test_what_is_missing_goes_to_a_person_and_is_never_zero(grants: list[dict[str, Any]], text: str) -> None:
    (decision,) = decide(compiled(rule("r", grant=grants)), fact(credits=None))

    assert (decision.effect, decision.rule, decision.lots) == ("review", "r", ())
    assert explain_decision(decision) == text


def test_stated_zeros_are_not_missing() -> None:
    lots = [
        only_lot(compiled(rule("r", {"native": 1})), fact(credits=0)),
        only_lot(compiled(rule("r", {"per_hour": 30})), fact(hours=0)),
    ]

    assert [str(lot.recognised) for lot in lots] == ["0", "0"]


@pytest.mark.parametrize(
    ("unit", "given", "wanted"),
    [
        ("same", {"unit": "U", "code": "C"}, "U"),
        ("same", {"code": "C"}, "C"),
        ("same", {}, "a"),
        ("MATH3A", {"unit": "U"}, "MATH3A"),
        ("blanket:elective", {"unit": "U"}, "blanket:elective"),
    ],
)
def test_the_unit_of_a_lot(unit: str, given: dict[str, Any], wanted: str) -> None:
    version = compiled(rule("r", grant={"unit": unit, "credits": {"fixed": 1}}))

    assert only_lot(version, fact(**given)).unit == wanted


def test_one_certificate_gives_three_units_at_their_own_levels() -> None:
    grants = [
        {"unit": "E1", "category": "electrical", "grade": "pass", "credits": {"fixed": 3}},
        {"unit": "E2", "level": "none", "credits": {"fixed": 2}},
        {"unit": "E1", "level": 3, "credits": {"fixed": "1.5"}},
    ]
    version = compiled(rule("r", grant=grants), levels={"nvq": {"3": 4}})

    (decision,) = decide(version, fact(category="vocational", level=(("nvq", "3"),), grade=("pct", "71")))

    shown = [(x.unit, x.number, x.grant, x.category, x.level, x.grade, str(x.recognised)) for x in decision.lots]
    assert shown == [
        ("E1", 0, 0, "electrical", 4, ("pass", "pass"), "3"),
        ("E2", 0, 1, "vocational", None, ("pct", "71"), "2"),
        ("E1", 1, 2, "vocational", 3, ("pct", "71"), "1.5"),
    ]
    assert explain_decision(decision) == "r: E1: fixed 3; E2: fixed 2; E1: fixed 1.5"


def test_a_trace_tells_tests_steps_and_amounts() -> None:
    version = compiled(rule("community", {"per_hour": 30}, kind="community", assurance="verified"))

    (decision,) = decide(version, fact("h1", kind="community", hours=40, completed=date(2024, 3, 10)))

    assert decision.trace == {
        "rule_set": "town",
        "version": 1,
        "rule": "community",
        "effect": "grant",
        "governing": "2024-03-10",
        "tests": [
            {"fact": "kind", "op": "in", "want": ["community"], "got": "community", "ok": True},
            {"fact": "assurance", "op": ">=", "want": "verified", "got": "verified", "ok": True},
        ],
    }
    assert decision.lots[0].trace == {
        "rule": "community",
        "unit": "h1",
        "number": 0,
        "grant": 0,
        "category": None,
        "level": None,
        "grade": None,
        "steps": [
            {"op": "per_hour", "hours": "40", "per": "30", "value": "4/3"},
            {"op": "round", "mode": "down", "step": "1/2", "value": "1"},
        ],
        "granted": "1",
        "credits": "1",
        "excess": "0",
        "dropped": "0",
        "expires": None,
        "state": "available",
    }
