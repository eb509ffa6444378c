"""Which achievement a rule takes, and what is said when none does (rules/v1 sections 5.2, 10 and 11)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from creditbank.rules.explain import explain_decision
from creditbank.rules.fact import Assurance
from tests.rules.writing import by_key, compiled, decide, fact, rule

SCALES = {"pct": {"grades": {}}, "us": {"grades": {"A": "4.0", "B": "3.0", "C": "2.0", "F": 0}}}
LEVELS = {"eqf": {"3": 3, "4": 4, "6": 6}, "nvq": {"2": 3, "3": 4}}
REGISTERS = {
    "niie": {"external": True},
    "ace": {
        "entries": [
            {"provider": "us/acme", "code": "NET1", "from": "2021-07-01", "until": "2024-07-01"},
            {"provider": "us/free"},
        ]
    },
}

TAKEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("everything, by an empty matcher", {}, {}),
    ("its kind among several", {"kind": ["mooc", "course"]}, {}),
    ("the provider itself", {"provider": "cn/cq"}, {"provider": "cn/cq"}),
    ("a provider below", {"provider": "cn/cq"}, {"provider": "cn/cq/yz"}),
    ("a provider below one of several", {"provider": ["us", "cn"]}, {"provider": "cn/cq/yz"}),
    ("its code", {"code": "ENG-A"}, {"code": "ENG-A"}),
    ("its code, written with an accent in two characters", {"code": "Café"}, {"code": " Cafe\u0301 "}),
    ("a category below", {"category": "math"}, {"category": "math/algebra"}),
    ("the least grade", {"grade": {"scale": "pct", "min": 60}}, {"grade": ("pct", "60")}),
    ("a grade with decimals", {"grade": {"scale": "pct", "min": "59.5"}}, {"grade": ("pct", "59.5")}),
    ("a grade just below the end", {"grade": {"scale": "pct", "below": 60}}, {"grade": ("pct", "59.999")}),
    ("a letter by its position", {"grade": {"scale": "us", "min": 2}}, {"grade": ("us", "C")}),
    ("the least level", {"level": {"min": 4}}, {"level": (("nvq", "3"),)}),
    ("a level just below the end", {"level": {"min": 3, "below": 4}}, {"level": (("eqf", "3"),)}),
    ("a level in a framework it knows", {"level": {"min": 4}}, {"level": (("rqf", "9"), ("eqf", "4"))}),
    ("the least hours", {"hours": {"min": 30}}, {"hours": 30}),
    ("the least attendance", {"attendance": {"min": 80}}, {"attendance": 80}),
    ("what the bank's register holds", {"accredited": "niie"}, {"accredited": frozenset({"niie"})}),
    ("the first day of an entry", {"accredited": "ace"},
     {"provider": "us/acme", "code": "NET1", "completed": date(2021, 7, 1)}),
    ("the last day of an entry, at a provider below", {"accredited": "ace"},
     {"provider": "us/acme/x", "code": "NET1", "completed": date(2024, 6, 30)}),
    ("anything of a provider whose entry names no code", {"accredited": "ace"}, {"provider": "us/free"}),
    ("the assurance wanted", {"assurance": "verified"}, {"assurance": Assurance.VERIFIED}),
    ("a better assurance", {"assurance": "provider"}, {"assurance": Assurance.SIGNED}),
]  # fmt: skip


@pytest.mark.parametrize(("match", "given"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_a_rule_takes(match: dict[str, Any], given: dict[str, Any]) -> None:
    version = compiled(rule("r", **match), scales=SCALES, levels=LEVELS, registers=REGISTERS)

    (decision,) = decide(version, fact(**given))

    assert (decision.effect, decision.rule) == ("grant", "r")
    assert all(test["ok"] for test in decision.trace["tests"])


LEFT: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("another kind", {"kind": ["mooc", "exam"]}, {}, "r: kind: course (wanted mooc|exam)"),
    ("a provider of a like name", {"provider": "cn/cq"}, {"provider": "cn/cqx"},
     "r: provider: cn/cqx (wanted in cn/cq)"),
    ("the provider above", {"provider": ["cn/cq", "us"]}, {"provider": "cn"}, "r: provider: cn (wanted in cn/cq|us)"),
    ("another code", {"code": "B"}, {"code": "A"}, "r: code: A (wanted B)"),
    ("no code", {"code": "B"}, {}, "r: code: none (wanted B)"),
    ("no category", {"category": "math"}, {}, "r: category: none (wanted in math)"),
    ("a grade just below", {"grade": {"scale": "pct", "min": 60}}, {"grade": ("pct", "59.999")},
     "r: grade: 59.999 (wanted >=60 on pct)"),
    ("the end of a band", {"grade": {"scale": "pct", "min": 50, "below": 60}}, {"grade": ("pct", "60")},
     "r: grade: 60 (wanted >=50 <60 on pct)"),
    ("no grade", {"grade": {"scale": "pct", "min": 60}}, {}, "r: grade: none (wanted >=60 on pct)"),
    ("a grade on another scale", {"grade": {"scale": "pct", "min": 60}}, {"grade": ("us", "A")},
     "r: grade: A on us (wanted >=60 on pct)"),
    ("a letter on a scale of numbers", {"grade": {"scale": "pct", "min": 60}}, {"grade": ("pct", "good")},
     "r: grade: good (wanted >=60 on pct)"),
    ("a letter too low", {"grade": {"scale": "us", "min": 1}}, {"grade": ("us", "F")},
     "r: grade: F (wanted >=1 on us)"),
    ("a letter that the scale lacks", {"grade": {"scale": "us", "min": 0}}, {"grade": ("us", "P")},
     "r: grade: P (wanted >=0 on us)"),
    ("a level at the end", {"level": {"min": 5, "below": 6}}, {"level": (("eqf", "6"),)},
     "r: level: 6 (wanted >=5 <6)"),
    ("a level that is not mapped", {"level": {"min": 1}}, {"level": (("eqf", "8"),)}, "r: level: none (wanted >=1)"),
    ("the lower of two levels", {"level": {"min": 4}}, {"level": (("eqf", "6"), ("nvq", "2"))},
     "r: level: 3 (wanted >=4)"),
    ("too few hours", {"hours": {"min": 30}}, {"hours": "29.5"}, "r: hours: 29.5 (wanted >=30)"),
    ("no hours", {"hours": {"below": 30}}, {}, "r: hours: none (wanted <30)"),
    ("attendance just below", {"attendance": {"min": 80}}, {"attendance": "79.9"},
     "r: attendance: 79.9 (wanted >=80)"),
    ("no accreditation", {"accredited": "niie"}, {"accredited": frozenset({"ace"})},
     "r: accredited: none (wanted niie)"),
    ("the day before an entry", {"accredited": "ace"},
     {"provider": "us/acme", "code": "NET1", "completed": date(2021, 6, 30)}, "r: accredited: none (wanted ace)"),
    ("the first day after an entry", {"accredited": "ace"},
     {"provider": "us/acme", "code": "NET1", "completed": date(2024, 7, 1)}, "r: accredited: none (wanted ace)"),
    ("another code of an entry's provider", {"accredited": "ace"}, {"provider": "us/acme", "code": "NET2"},
     "r: accredited: none (wanted ace)"),
    ("an external answer for the document's own register", {"accredited": "ace"}, {"accredited": frozenset({"ace"})},
     "r: accredited: none (wanted ace)"),
    ("too little assurance", {"assurance": "verified"}, {"assurance": Assurance.SELF},
     "r: assurance: self (wanted >=verified)"),
    ("everything that fails", {"kind": "mooc", "hours": {"min": 1}}, {},
     "r: kind: course (wanted mooc); r: hours: none (wanted >=1)"),
]  # fmt: skip


@pytest.mark.parametrize(("match", "given", "text"), [case[1:] for case in LEFT], ids=[case[0] for case in LEFT])
def test_a_rule_leaves(match: dict[str, Any], given: dict[str, Any], text: str) -> None:
    version = compiled(rule("r", **match), scales=SCALES, levels=LEVELS, registers=REGISTERS)

    (decision,) = decide(version, fact(**given))

    assert (decision.effect, decision.lots) == ("none", ())
    assert explain_decision(decision) == text


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([rule("low", priority=1), rule("high", priority=2)], "high"),
        ([rule("b"), rule("a")], "a"),
        ([rule("every"), rule("special", priority=5, provider="cn/cq", code="X")], "special"),
        ([rule("wide", priority=1, kind="course"), rule("exact", priority=1, provider="cn/cq", code="X")], "exact"),
        ([rule("z", priority=-1), rule("y", priority=-2, code="X")], "z"),
    ],
    ids=["the higher priority", "at one priority the id", "across buckets", "ids across buckets", "below nothing"],
)
def test_the_first_rule_in_order_of_precedence_takes_it(rules: list[dict[str, Any]], wanted: str) -> None:
    given = fact(code="X")

    assert [decide(compiled(*order), given)[0].rule for order in (rules, rules[::-1])] == [wanted, wanted]


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([rule("far", priority=9, kind="mooc"), rule("near", kind="course", hours={"min": 1})], "near"),
        ([rule("two", priority=9, kind="mooc", code="Q"), rule("one", kind="mooc", provider="cn")], "one"),
        (
            [rule("two", priority=9, hours={"min": 1}, attendance={"min": 1}), rule("one", hours={"min": 1})],
            "one",
        ),
        ([rule("a", kind="mooc"), rule("b", kind="exam", priority=1)], "b"),
        ([rule("b", kind="mooc"), rule("a", kind="exam")], "a"),
        (
            [rule("code", priority=1, provider="us", code="X"), rule("kind", kind="mooc", provider="cn", code="X")],
            "code",
        ),
        ([rule("place", provider="cn", code="Q"), rule("code", priority=9, provider="us", code="X")], "code"),
    ],
    ids=[
        "identity before conditions",
        "fewest facts of identity",
        "fewest conditions",
        "then priority",
        "then the id",
        "one missed of two and one missed of three",
        "one missed of two, whichever",
    ],
)
def test_the_nearest_rule_explains_why_nothing_came(rules: list[dict[str, Any]], wanted: str) -> None:
    given = fact(code="X")

    assert [decide(compiled(*order), given)[0].rule for order in (rules, rules[::-1])] == [wanted, wanted]


def test_the_nearest_rule_is_sought_over_all_rule_sets() -> None:
    far = compiled(rule("a", kind="mooc"), header={"id": "alpha", "version": 7})
    near = compiled(rule("z", hours={"min": 1}), header={"id": "omega", "version": 3})

    (decision,) = decide([far, near], fact())

    assert (decision.rule_set, decision.version, decision.rule) == ("omega", 3, "z")


def test_what_one_rule_set_takes_is_not_reported_as_left_by_another() -> None:
    taker = compiled(rule("all"), header={"id": "taker"})
    leaver = compiled(rule("mooc", kind="mooc"), header={"id": "leaver"})

    (decision,) = decide([leaver, taker], fact())

    assert (decision.rule_set, decision.effect) == ("taker", "grant")


def test_each_rule_set_takes_an_achievement_for_itself() -> None:
    decisions = decide([compiled(rule("all"), header={"id": name}) for name in ("b", "a")], fact())

    assert [(d.rule_set, d.effect, d.credit_unit) for d in decisions] == [("a", "grant", "CR"), ("b", "grant", "CR")]


def test_without_rules_nothing_is_recognised() -> None:
    (decision,) = decide(compiled(), fact())

    assert (decision.effect, decision.rule_set, decision.rule) == ("none", "town", None)
    assert explain_decision(decision) == "town: no rules"


def test_without_rule_sets_nothing_is_recognised() -> None:
    (decision,) = decide([], fact())

    assert (decision.effect, decision.rule_set, decision.rule) == ("none", "", None)
    assert explain_decision(decision) == "no rule set"


# --- Versions ---------------------------------------------------------------------------------------------------------

FIRST = {"version": 1, "from": "2020-03-01", "until": "2024-03-01"}
SECOND = {"version": 2, "from": "2024-03-01"}


@pytest.mark.parametrize(
    ("completed", "version"), [(date(2020, 3, 1), 1), (date(2024, 2, 29), 1), (date(2024, 3, 1), 2)], ids=str
)
def test_the_version_of_the_governing_date_decides(completed: date, version: int) -> None:
    line = [compiled(rule("r", {"fixed": 2}), header=SECOND), compiled(rule("r", {"fixed": 1}), header=FIRST)]

    (decision,) = decide(line, fact(completed=completed))

    assert (decision.version, str(decision.lots[0].recognised)) == (version, str(version))
    assert decision.governing == decision.lots[0].effective == completed


def test_the_submission_governs_where_the_rule_set_says_so() -> None:
    header = {**SECOND, "clock": {"recognition": "submitted"}}
    late = fact("late", completed=date(2019, 1, 1), submitted=date(2024, 3, 1))
    never = fact("never", completed=date(2024, 3, 2))

    decisions = decide(compiled(rule(), header=header), late, never)

    assert [(d.effect, d.governing) for d in decisions] == [("grant", date(2024, 3, 1)), ("grant", date(2024, 3, 2))]


@pytest.mark.parametrize(
    ("completed", "clock", "text"),
    [
        (date(2020, 2, 29), "completed", "town: completed: 2020-02-29 (wanted 2020-03-01 to 2024-03-01)"),
        (date(2024, 3, 1), "completed", "town: completed: 2024-03-01 (wanted 2020-03-01 to 2024-03-01)"),
        (date(2030, 1, 1), "completed", "town: completed: 2030-01-01 (wanted 2020-03-01 to 2024-03-01)"),
        (date(2019, 1, 1), "submitted", "town: submitted: 2019-01-01 (wanted 2020-03-01 to 2024-03-01)"),
    ],
)
def test_outside_every_version_nothing_is_recognised(completed: date, clock: str, text: str) -> None:
    version = compiled(rule(), header={**FIRST, "clock": {"recognition": clock}})

    (decision,) = decide(version, fact(completed=completed))

    assert (decision.effect, decision.rule, decision.version) == ("none", None, 1)
    assert explain_decision(decision) == text


def test_an_open_version_says_so() -> None:
    (decision,) = decide(compiled(rule()), fact(completed=date(2020, 2, 29)))

    assert explain_decision(decision) == "town: completed: 2020-02-29 (wanted 2020-03-01 to open)"


@pytest.mark.parametrize(("days", "version"), [(-80, 1), (-2, 2)])
def test_the_version_that_lies_nearest_is_named(days: int, version: int) -> None:
    gap_end = date(2022, 1, 1)
    line = [
        compiled(header={"version": 1, "from": "2020-03-01", "until": "2021-10-01"}),
        compiled(header={"version": 2, "from": "2022-01-01"}),
    ]

    (decision,) = decide(line, fact(completed=gap_end + timedelta(days=days)))

    assert decision.version == version


def test_an_achievement_is_consumed_once_when_two_clocks_name_two_versions() -> None:
    first = compiled(rule("r", {"fixed": 1}), header=FIRST)
    second = compiled(rule("r", {"fixed": 2}), header={**SECOND, "clock": {"recognition": "submitted"}})

    (decision,) = decide([second, first], fact(completed=date(2023, 1, 1), submitted=date(2024, 6, 1)))

    assert decision.version == 1


def test_two_facts_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="same key"):
        decide(compiled(rule()), fact("a"), fact("a", code="X"))


def test_decisions_come_by_completion_then_key() -> None:
    early, late = date(2024, 1, 1), date(2024, 2, 1)
    decisions = decide(
        compiled(rule()), fact("c", completed=early), fact("b", completed=late), fact("a", completed=late)
    )

    assert list(by_key(decisions)) == ["c", "a", "b"]


def test_texts_are_the_same_however_they_are_padded_or_composed() -> None:
    padded, composed = fact(code=" X ", unit="e\u0301"), fact(code="X", unit="\u00e9")

    assert (padded.code, padded.unit) == (composed.code, composed.unit) == ("X", "\u00e9")
