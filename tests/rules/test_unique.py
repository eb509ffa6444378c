"""A unit counts once within a rule set (rules/v1 section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from creditbank.rules.explain import explain_lot
from creditbank.rules.fact import Fact
from creditbank.rules.outcome import Decision
from tests.rules.writing import by_key, compiled, decide, fact, rule

LEVELS = {"eqf": {"3": 3, "4": 4, "5": 5}}
SCALES = {"us": {"grades": {"A": 4, "B": 3, "C": 2, "D": 1}}, "pct": {"grades": {}}}
EARLY, LATE = date(2024, 1, 10), date(2024, 6, 10)


def course(key: str, completed: date = EARLY, **parts: Any) -> Fact:
    """A course of the unit U."""
    return fact(key, unit="U", completed=completed, **parts)


def contested(keep: str, *facts: Fact, **blocks: Any) -> Mapping[str, Decision]:
    """The decisions when lots of one unit meet."""
    version = compiled(rule("r"), unique={"keep": keep}, levels=LEVELS, scales=SCALES, **blocks)
    return by_key(decide(version, *facts))


CONTESTS: list[tuple[str, str, Fact, Fact, str]] = [
    ("first: the earlier", "first", course("e"), course("l", LATE, credits=9), "e"),
    ("latest: the later", "latest", course("e", credits=9), course("l", LATE), "l"),
    ("best: the higher level, though smaller", "best", course("e", credits=9, level=(("eqf", "3"),)),
     course("l", LATE, credits=1, level=(("eqf", "4"),)), "l"),
    ("best: any level is above none", "best", course("e", credits=9), course("l", LATE, level=(("eqf", "3"),)), "l"),
    ("best: at one level more credits", "best", course("e", grade=("us", "A")),
     course("l", LATE, credits=4, grade=("us", "C")), "l"),
    ("best: at equal credits the better grade", "best", course("e", grade=("us", "D")),
     course("l", LATE, grade=("us", "C")), "l"),
    ("best: a worse grade does not replace", "best", course("e", grade=("us", "B")),
     course("l", LATE, grade=("us", "C")), "e"),
    ("best: numbers compare as numbers", "best", course("e", grade=("pct", "99")),
     course("l", LATE, grade=("pct", "100")), "l"),
    ("best: two scales do not compare, the earlier stays", "best", course("e", grade=("us", "D")),
     course("l", LATE, grade=("pct", "100")), "e"),
    ("best: an unknown scale does not compare", "best", course("e", grade=("x", "1")),
     course("l", LATE, grade=("x", "9")), "e"),
    ("best: a pass is below any other grade", "best", course("e", grade=("pass", "pass")),
     course("l", LATE, grade=("us", "D")), "l"),
    ("best: a pass does not replace a grade", "best", course("e", grade=("us", "D")),
     course("l", LATE, grade=("pass", "pass")), "e"),
    ("best: no grade does not compare", "best", course("e"), course("l", LATE, grade=("us", "A")), "e"),
    ("best: a tie keeps the earlier", "best", course("e"), course("l", LATE), "e"),
    ("best: on one day the key decides who came first", "best", course("a"), course("b"), "a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keep", "one", "other", "kept"), [case[1:] for case in CONTESTS], ids=[case[0] for case in CONTESTS]
)
def test_of_two_lots_of_a_unit(keep: str, one: Fact, other: Fact, kept: str) -> None:
    for order in ([one, other], [other, one]):
        lots = {key: decision.lots[0] for key, decision in contested(keep, *order).items()}

        lost = other.key if kept == one.key else one.key
        granted = {given.key: str(given.credits) for given in order}
        assert (str(lots[kept].recognised), str(lots[kept].excess)) == (granted[kept], "0")
        assert (str(lots[lost].recognised), str(lots[lost].excess)) == ("0", granted[lost])
        assert explain_lot(lots[lost].trace).endswith(f"; same unit U already from {kept} ({keep}): 0")
        assert "same unit" not in explain_lot(lots[kept].trace)
        assert (lots[lost].trace["granted"], lots[lost].trace["excess"]) == (granted[lost], granted[lost])


@pytest.mark.parametrize(("first", "second", "kept"), [("30", "18", "e"), ("18", "30", "l")])
def test_converted_grades_compare_by_their_place_among_the_targets(first: str, second: str, kept: str) -> None:
    """A conversion names its grades best first; it is the scale of what it gives."""
    conversion = {"source": {"30": 50, "18": 50}, "target": {"excellent": 50, "good": 50}}
    grants = [{"credits": {"native": 1}, "grade": "home"}]
    version = compiled(rule("r", grant=grants), unique={"keep": "best"}, grade_conversions={"home": conversion})

    decisions = decide(version, course("e", grade=("it", first)), course("l", LATE, grade=("it", second)))

    assert {d.binding: str(d.lots[0].recognised) for d in decisions} == {
        (key,): "3" if key == kept else "0" for key in "el"
    }


def test_the_winner_of_one_contest_meets_the_next() -> None:
    decisions = contested("best", course("a", credits=1), course("b", LATE, credits=2), course("c", date(2025, 1, 1)))

    assert {key: str(d.lots[0].recognised) for key, d in decisions.items()} == {"a": "0", "b": "0", "c": "3"}
    assert "already from b (best)" in explain_lot(decisions["a"].lots[0].trace)
    assert "already from c (best)" in explain_lot(decisions["b"].lots[0].trace)


def test_who_lost_to_a_loser_stays_lost() -> None:
    """Contestants meet once each, in order: what the second took from the first it does not give back."""
    weak = course("a", credits=2, grade=("us", "A"))
    strong = course("b", LATE, credits=2, level=(("eqf", "3"),))
    strongest = course("c", date(2025, 1, 1), credits=1, level=(("eqf", "5"),))

    decisions = contested("best", weak, strong, strongest)

    assert {key: str(d.lots[0].recognised) for key, d in decisions.items()} == {"a": "0", "b": "0", "c": "1"}


def test_a_lot_of_nothing_takes_no_unit() -> None:
    decisions = contested("first", course("nothing", credits=0), course("something", LATE))

    assert {key: str(d.lots[0].recognised) for key, d in decisions.items()} == {"nothing": "0", "something": "3"}
    assert "same unit" not in explain_lot(decisions["nothing"].lots[0].trace)


def test_blanket_credit_never_competes() -> None:
    grants = [{"unit": "blanket:elective", "credits": {"native": 1}}]
    version = compiled(rule("r", grant=grants), unique={"keep": "best"})

    assert [str(d.lots[0].recognised) for d in decide(version, fact("a"), fact("b"))] == ["3", "3"]


def test_lots_of_one_decision_never_compete_but_both_meet_the_next() -> None:
    grants = [{"unit": "U", "credits": {"fixed": 3}}, {"unit": "U", "credits": {"fixed": 1}}]
    version = compiled(rule("r", grant=grants, kind="course"), rule("s", {"fixed": 9}, kind="exam"), unique={})

    alone = decide(version, course("a"))
    met = by_key(decide(version, course("a"), course("b", LATE, kind="exam")))

    assert [str(lot.recognised) for lot in alone[0].lots] == ["3", "1"]
    assert [(str(lot.recognised), str(lot.excess)) for lot in met["a"].lots] == [("0", "3"), ("0", "1")]
    assert str(met["b"].lots[0].recognised) == "9"


def test_without_unique_a_unit_may_count_twice() -> None:
    decisions = decide(compiled(rule("r")), course("a"), course("b", LATE))

    assert [str(d.lots[0].recognised) for d in decisions] == ["3", "3"]


def test_units_compete_within_a_rule_set_only() -> None:
    versions = [compiled(rule("r", kind=k), unique={}, header={"id": k}) for k in ("course", "exam")]

    decisions = decide(versions, course("a"), course("b", LATE, kind="exam"))

    assert [str(d.lots[0].recognised) for d in decisions] == ["3", "3"]


def test_contestants_of_two_versions_meet_in_the_order_of_completion() -> None:
    """Where submissions govern, the later course may belong to the earlier version."""
    clock = {"clock": {"recognition": "submitted"}}
    line = [
        compiled(rule("r"), header={"version": 1, "until": "2024-03-01", **clock}, unique={"keep": "first"}),
        compiled(rule("r"), header={"version": 2, "from": "2024-03-01", **clock}, unique={"keep": "first"}),
    ]
    slow = course("slow", date(2023, 1, 1), submitted=date(2024, 6, 1))
    quick = course("quick", date(2023, 5, 1), submitted=date(2023, 6, 1))

    decisions = by_key(decide(line, quick, slow))

    assert {key: (d.version, str(d.lots[0].recognised)) for key, d in decisions.items()} == {
        "slow": (2, "3"),
        "quick": (1, "0"),
    }


@pytest.mark.parametrize(
    ("as_of", "kept"), [(date(2024, 2, 1), "e"), (date(2025, 1, 1), "l"), (date(2031, 1, 1), "l")], ids=str
)
def test_the_version_of_the_day_decides_which_is_kept(as_of: date, kept: str) -> None:
    line = [
        compiled(rule("r"), header={"version": 1, "until": "2024-03-01"}, unique={"keep": "first"}),
        compiled(
            rule("r"),
            header={"version": 2, "from": "2024-03-01", "until": "2030-01-01"},
            unique={"keep": "latest"},
        ),
    ]

    decisions = by_key(decide(line, course("e"), course("l", LATE), as_of=as_of))

    assert [key for key, d in decisions.items() if d.lots[0].recognised] == [kept]
