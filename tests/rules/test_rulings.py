"""Rulings: what people decided enters an evaluation as an input (rules/v1 section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from creditbank.rules.compile import CompiledVersion
from creditbank.rules.evaluate import evaluate
from creditbank.rules.explain import explain_decision, explain_lot
from creditbank.rules.fact import Fact
from creditbank.rules.outcome import Decision, TargetLot
from creditbank.rules.rulings import Block, Force, Insert, Ruling, Value, Waive
from tests.rules.writing import TODAY, compiled, fact, rule


def decided(version: CompiledVersion, facts: Sequence[Fact], *rulings: Ruling) -> dict[str, Decision]:
    """The decisions by the keys of their bindings."""
    return {"+".join(d.binding): d for d in evaluate(facts, [version], TODAY, rulings=rulings).decisions}


def lot(version: CompiledVersion, facts: Sequence[Fact], *rulings: Ruling, key: str = "a") -> TargetLot:
    """The only lot of a binding."""
    (found,) = decided(version, facts, *rulings)[key].lots
    return found


def worth(found: TargetLot) -> tuple[str, str, str]:
    """Recognised, excess and dropped."""
    return str(found.recognised), str(found.excess), str(found.dropped)


def test_credits_without_a_rule() -> None:
    version = compiled(rule(kind="degree"))
    insert = Insert("r1", "town", "a", "APL1", 4500, category="math", level=3)
    decision = decided(version, [fact()], insert)["a"]

    assert (decision.effect, decision.rule, decision.trace["ruling"]) == ("grant", "ruling", "r1")
    (made,) = decision.lots
    assert (str(made.recognised), made.unit, made.category, made.level) == ("4.5", "APL1", "math", 3)


def test_inserted_credits_are_limited_and_compete_like_others() -> None:
    limit: dict[str, Any] = {"limits": [{"id": "l", "at_most": {"credits": 4}}]}
    version = compiled(rule(), unique={"keep": "best"}, **limit)
    insert = Insert("r1", "town", "a", "U", 6000)

    assert worth(lot(version, [fact()], insert)) == ("4", "2", "0")


def test_a_forced_rule_takes_what_its_tests_refuse() -> None:
    version = compiled(rule("strict", {"fixed": 2}, attendance={"min": 80}))
    late = fact(attendance=79)

    assert decided(version, [late])["a"].effect == "none"
    forced = decided(version, [late], Force("r1", "town", "a", "strict"))["a"]
    assert (forced.rule, str(forced.lots[0].recognised)) == ("strict", "2")
    assert [test["ok"] for test in forced.trace["tests"]] == [False]


def test_a_forced_rule_is_found_under_its_new_id() -> None:
    version = compiled(rule("maths", {"fixed": 2}, kind="exam"), header={"migrations": {"maths-1": "maths"}})

    assert decided(version, [fact()], Force("r1", "town", "a", "maths-1"))["a"].rule == "maths"


def test_a_waived_limit_neither_binds_nor_counts() -> None:
    version = compiled(rule(), limits=[{"id": "l", "at_most": {"credits": 4}}])
    facts = [fact("a"), fact("b")]

    assert worth(lot(version, facts, key="b")) == ("1", "2", "0")
    assert worth(lot(version, facts, Waive("r1", "town", "l", "b"), key="b")) == ("3", "0", "0")
    # What was waived for the first leaves the room to the second.
    assert worth(lot(version, facts, Waive("r1", "town", "l", "a"), key="b")) == ("3", "0", "0")
    assert worth(lot(version, [*facts, fact("c")], Waive("r1", "town", "l"), key="c")) == ("3", "0", "0")


def test_a_blocked_achievement_earns_nothing_and_says_so() -> None:
    version = compiled(rule())
    decision = decided(version, [fact()], Block("r1", "town", "a"))["a"]

    assert (decision.effect, decision.lots) == ("none", ())
    assert explain_decision(decision) == "blocked by ruling r1"


def test_a_blocked_achievement_stays_blocked_under_a_version_that_gives_no_less() -> None:
    first = compiled(rule(), header={"version": 1, "until": "2025-01-01"})
    second = compiled(
        rule(),
        header={"version": 2, "from": "2025-01-01"},
        transition={"applies_to": "unredeemed", "never_less_than": "previous"},
    )
    found = evaluate([fact()], [first, second], date(2025, 6, 1), rulings=(Block("r1", "town", "a"),)).decisions

    assert [(decision.effect, decision.lots) for decision in found] == [("none", ())]


def test_a_blocked_lot_is_dropped_and_its_neighbours_stand() -> None:
    version = compiled(rule(grant=[{"unit": "U", "credits": {"fixed": 1}}, {"unit": "V", "credits": {"fixed": 2}}]))
    decision = decided(version, [fact()], Block("r1", "town", "a", "U"))["a"]

    assert [worth(one) for one in decision.lots] == [("0", "0", "1"), ("2", "0", "0")]
    assert "blocked by ruling r1: 0" in explain_lot(decision.lots[0].trace)
    assert decision.lots[0].trace["steps"][-1] == {"op": "blocked", "ruling": "r1", "value": "0"}


def test_a_value_comes_before_limits() -> None:
    version = compiled(rule(), limits=[{"id": "l", "at_most": {"credits": 4}}])
    found = lot(version, [fact(unit="U")], Value("r1", "town", "a", "U", 5000))

    assert worth(found) == ("4", "1", "0")
    assert "ruling r1: 5" in explain_lot(found.trace)


def test_a_value_settles_what_was_missing() -> None:
    version = compiled(rule())
    without = fact(credits=None, unit="U")

    assert decided(version, [without])["a"].effect == "review"
    assert worth(lot(version, [without], Value("r1", "town", "a", "U", 2000))) == ("2", "0", "0")


def test_examiners_confirm_a_grade() -> None:
    version = compiled(rule())
    found = lot(version, [fact(unit="U", grade=("pct", "70"))], Value("r1", "town", "a", "U", grade="B"))

    assert (found.grade, str(found.recognised)) == (("pct", "B"), "3")
    assert "grade B" in explain_lot(found.trace)


def test_of_two_rulings_the_later_counts_and_another_rule_set_is_left_alone() -> None:
    version = compiled(rule())
    both = (Value("r2", "town", "a", "U", 2000), Value("r1", "town", "a", "U", 1000))

    assert worth(lot(version, [fact(unit="U")], *both)) == ("2", "0", "0")
    assert worth(lot(version, [fact(unit="U")], Value("r1", "other", "a", "U", 1000))) == ("3", "0", "0")


def test_the_order_of_rulings_changes_nothing() -> None:
    version = compiled(rule(), limits=[{"id": "l", "at_most": {"credits": 4}}])
    rulings: list[Ruling] = [
        Value("r1", "town", "a", "a", 1000), Waive("r2", "town", "l", "b"), Block("r3", "town", "c"),
        Insert("r4", "town", "d", "X", 2000),
    ]  # fmt: skip
    facts = [fact(key) for key in "abcd"]
    first = evaluate(facts, [version], TODAY, rulings=rulings)

    assert evaluate(facts[::-1], [version], TODAY, rulings=rulings[::-1]) == first
