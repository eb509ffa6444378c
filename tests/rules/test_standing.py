"""What a version does to facts on whose credits something is built (rules/v1 section 8, law)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from creditbank.rules.compile import CompiledVersion
from creditbank.rules.evaluate import evaluate
from creditbank.rules.fact import Fact
from creditbank.rules.standing import Bound, Era, Standing, VersionName
from tests.rules.writing import TODAY, compiled, fact, rule

START, MIDDLE = date(2020, 3, 1), date(2024, 9, 1)
ONE = VersionName(1, START)
TWO = VersionName(2, MIDDLE)


def giving(amount: str, number: int, start: date = START, **blocks: Any) -> CompiledVersion:
    """A version that gives everything so many credits."""
    return compiled(
        rule("r", {"fixed": amount}), header={"version": number, "from": start.isoformat(), **LAW}, **blocks
    )


LAW = {"legal_basis": ["notice 12/2023"]}


def second(applies_to: str, number: int = 2) -> CompiledVersion:
    """A later version that gives 5, and what it does to older achievements."""
    return giving("5", number, MIDDLE, transition={"applies_to": applies_to, "retroactive": True})


ELECTIVE = giving("5", 2, MIDDLE, transition={"elect_until": "2030-01-01"})
FIRST = replace(giving("2", 1), valid_until=MIDDLE)
RESERVED_BY_ONE, RESERVED_BY_TWO = (Bound(by, "r", ("a",), is_redeemed=False) for by in (ONE, TWO))
REDEEMED_BY_ONE, REDEEMED_BY_TWO = (Bound(by, "r", ("a",), is_redeemed=True) for by in (ONE, TWO))

# Versions beside the first; what stands on the old fact ``a``; whether 2 is elected; the version that decides ``a``.
CASES: list[tuple[str, list[CompiledVersion], Bound | None, bool, int]] = [
    ("new only", [second("new_only")], None, False, 1),
    ("unredeemed reaches what is free", [second("unredeemed")], None, False, 2),
    ("unredeemed leaves what the former decided and is held", [second("unredeemed")], RESERVED_BY_ONE, False, 1),
    ("unredeemed keeps what it decided and is held", [second("unredeemed")], RESERVED_BY_TWO, False, 2),
    ("unredeemed keeps what it decided and is redeemed", [second("unredeemed")], REDEEMED_BY_TWO, False, 2),
    ("all reaches what is held", [second("all")], RESERVED_BY_ONE, False, 2),
    ("all leaves what is redeemed", [second("all")], REDEEMED_BY_ONE, False, 1),
    ("all keeps what it decided and is redeemed", [second("all")], REDEEMED_BY_TWO, False, 2),
    ("what may be elected and is not", [ELECTIVE], None, False, 1),
    ("elected", [ELECTIVE], None, True, 2),
    ("elected leaves what is held", [ELECTIVE], RESERVED_BY_ONE, True, 1),
    ("elected keeps what it decided and is held", [ELECTIVE], RESERVED_BY_TWO, True, 2),
    ("a correction that reaches back keeps what the corrected one decided", [second("unredeemed", 3)], RESERVED_BY_TWO,
     False, 3),
    ("a correction that does not lets it go", [second("new_only", 3)], RESERVED_BY_TWO, False, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("others", "bound", "is_elected", "version"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_which_version_decides(
    others: list[CompiledVersion], bound: Bound | None, is_elected: bool, version: int
) -> None:
    standing = Standing(
        {"town": {"a": bound}} if bound is not None else {}, elected={"town": [TWO]} if is_elected else {}
    )
    facts = [fact("a"), fact("b", completed=date(2024, 10, 1))]

    old, new = evaluate(facts, [FIRST, *others], TODAY, standing).decisions

    assert (old.binding, old.version) == (("a",), version)
    assert new.version == others[0].version


def reading() -> Standing:
    """What stands when ``a`` was redeemed under the first version, which others have replaced since."""
    return Standing({"town": {"a": REDEEMED_BY_ONE}}, {"town": [Era([FIRST], TODAY, frozenset("a"))]})


A, B = fact("a", unit="U"), fact("b", unit="V", completed=date(2024, 7, 1))
EARLIER = fact("e", unit="W", completed=date(2024, 1, 1))

# The rules now; the facts; what is recognised of each.
LATER: list[tuple[str, Sequence[CompiledVersion], Sequence[Fact], Mapping[str, str]]] = [
    ("less", [giving("1", 2)], [A, B], {"a": "2", "b": "1"}),
    ("nothing in force", [], [A, B], {"a": "2", "b": "none"}),
    ("another rule", [compiled(rule("x", kind="exam"), header={"version": 2})], [A, B], {"a": "2", "b": "none"}),
    ("a lifetime limit: its room is taken first",
     [giving("2", 2, limits=[{"id": "l", "at_most": {"credits": "3"}}])], [EARLIER, A, B],
     {"a": "2", "e": "1", "b": "0"}),
    ("a limit below what is redeemed",
     [giving("2", 2, limits=[{"id": "l", "at_most": {"credits": "1"}}])], [EARLIER, A, B],
     {"a": "2", "e": "0", "b": "0"}),
    ("a count: it is counted first",
     [giving("2", 2, limits=[{"id": "l", "at_most": {"count": 2}}])], [EARLIER, A, B], {"a": "2", "e": "2", "b": "0"}),
    ("a rolling window that ends with it",
     [giving("2", 2, limits=[{"id": "l", "per": "P12M", "at_most": {"credits": "3"}}])], [EARLIER, A],
     {"a": "2", "e": "1"}),
    ("a rolling window whose last day before it holds both",
     [giving("2", 2, limits=[{"id": "l", "per": "P12M", "at_most": {"credits": "3"}}])],
     [fact("e", unit="W", completed=date(2023, 6, 11)), A], {"a": "2", "e": "1"}),
    ("a rolling window that has just let the other go as it comes",
     [giving("2", 2, limits=[{"id": "l", "per": "P12M", "at_most": {"credits": "3"}}])],
     [fact("e", unit="W", completed=date(2023, 6, 10)), A], {"a": "2", "e": "2"}),
    ("a rolling window that does not reach it",
     [giving("2", 2, limits=[{"id": "l", "per": "P1M", "at_most": {"credits": "3"}}])], [EARLIER, A],
     {"a": "2", "e": "2"}),
    ("its unit is taken", [giving("9", 2, unique={"keep": "best"})],
     [A, fact("b", unit="U", completed=date(2024, 7, 1))], {"a": "2", "b": "0"}),
    ("its own kind of achievement revoked", [giving("1", 2)], [B], {"b": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "given", "then"), [case[1:] for case in LATER], ids=[case[0] for case in LATER])
def test_what_is_redeemed_stands_before_all_else(
    line: Sequence[CompiledVersion], given: Sequence[Fact], then: Mapping[str, str]
) -> None:
    found = evaluate(given, line, TODAY, reading())

    said = {d.binding[0]: str(d.lots[0].recognised) if d.lots else d.effect for d in found.decisions}
    assert said == then


def test_a_version_is_found_by_its_number_and_only_then_by_its_first_day() -> None:
    corrected = compiled(header={"version": 2, "from": "2020-01-01"})
    moved = compiled(header={"version": 1, "from": "2021-01-01"})

    assert VersionName(1, date(2020, 1, 1)).within([corrected, moved]) is moved
    assert VersionName(3, date(2020, 1, 1)).within([corrected, moved]) is corrected
    assert VersionName(3, date(2022, 1, 1)).within([corrected, moved]) is None


def test_what_is_redeemed_stays_beside_what_is_held_and_reached() -> None:
    """What is held goes with the new version; what is redeemed, before and after it, does not."""
    built = [("a", ONE, True), ("b", ONE, False), ("c", ONE, True), ("d", TWO, True)]
    standing = Standing({"town": {key: Bound(by, "r", (key,), redeemed) for key, by, redeemed in built}})
    facts = [fact(key, code=key) for key in "abcd"]

    found = evaluate(facts, [FIRST, second("all")], TODAY, standing=standing).decisions

    assert {decision.binding: decision.version for decision in found} == {("a",): 1, ("b",): 2, ("c",): 1, ("d",): 2}


# The first version denies what was done with a course before its time, and gives 9 for everything else.
COMPANY = compiled(
    {"id": "pair", "match": {"n": 2, "of": [{"code": "x"}, {"code": "y"}]}, "effect": "deny", "priority": 1},
    rule("rest", grant=[{"credits": {"fixed": "9"}, "unit": "U"}]),
    header={"version": 1, "from": START.isoformat(), "until": MIDDLE.isoformat()},
)
KEEPING = {"applies_to": "all", "never_less_than": "previous"}

# What the later version does; whether it had begun, and kept the decision; whether its credits are redeemed.
LEFT: list[tuple[str, Mapping[str, str], VersionName | None, bool]] = [
    ("held before a version began that reaches what is free", {"applies_to": "unredeemed"}, None, False),
    ("redeemed before a version began that reaches what is held", {"applies_to": "all"}, None, True),
    ("kept by a version that promises never less, then held", KEEPING, TWO, False),
    ("kept by a version that promises never less, then redeemed", KEEPING, TWO, True),
]


@pytest.mark.parametrize(
    ("transition", "kept_by", "is_redeemed"), [case[1:] for case in LEFT], ids=[case[0] for case in LEFT]
)
def test_what_is_built_on_is_not_bound_with_what_its_company_left(
    transition: Mapping[str, str], kept_by: VersionName | None, is_redeemed: bool
) -> None:
    """What was denied together with ``b`` is not free for ``c`` because ``b`` goes to the later version."""
    facts = [
        fact("a", code="x", completed=date(2020, 1, 1)),
        fact("b", code="y", completed=date(2021, 1, 1)),
        fact("c", code="y", completed=date(2022, 1, 1)),
    ]
    later = giving("2", 2, MIDDLE, transition={**transition, "retroactive": True})
    bound = Bound(ONE, "rest", ("c",), is_redeemed, kept_by)
    alone = evaluate(facts, [COMPANY, later], MIDDLE if kept_by is not None else date(2024, 8, 31))
    assert {d.binding: (d.version, d.kept_by) for d in alone.decisions if "c" in d.binding} == {
        ("c",): (1, kept_by.number if kept_by is not None else None)
    }

    found = evaluate(facts, [COMPANY, later], TODAY, Standing({"town": {"c": bound}})).decisions

    assert [(d.binding, d.effect, d.version, [str(lot.recognised) for lot in d.lots]) for d in found] == [
        (("a",), "none", 1, []),
        (("b",), "grant", 2, ["2"]),
        (("c",), "grant", 1, ["9"]),
    ]


GROUPED = [
    {"id": "a-pair", "match": {"n": 2, "of": [{"code": "x"}, {"code": "y"}]}, "group": "best",
     "grant": [{"credits": {"fixed": "1"}}]},
    rule("b-plain", {"fixed": "2"}),
    {"id": "c-single", "match": {"code": "x"}, "group": "best", "grant": [{"credits": {"fixed": "5"}}]},
]  # fmt: skip


@pytest.mark.parametrize("is_redeemed", [False, True], ids=["held", "redeemed"])
def test_a_rule_that_won_in_company_goes_on_winning(is_redeemed: bool) -> None:
    """The pair brought the better rule of its group to ``a``; asked about ``a`` alone another rule would come first."""
    groups = {"best": {"hit": "best_for_learner"}}
    line = [
        compiled(*GROUPED, header={"version": 1, "from": "2020-03-01", "until": MIDDLE.isoformat()}, groups=groups),
        compiled(*GROUPED, header={"version": 2, "from": MIDDLE.isoformat()}, groups=groups,
                 transition={"applies_to": "unredeemed"}),
    ]  # fmt: skip
    facts = [fact("a", code="x"), fact("b", code="y")]

    def of_a(standing: Standing) -> tuple[int, str | None, list[str]]:
        found = next(d for d in evaluate(facts, line, TODAY, standing).decisions if d.binding == ("a",))
        return found.version, found.rule, [str(lot.recognised) for lot in found.lots]

    free = of_a(Standing())
    assert free[1:] == ("c-single", ["5"])
    by = VersionName(free[0], line[free[0] - 1].valid_from)
    assert of_a(Standing({"town": {"a": Bound(by, "c-single", ("a",), is_redeemed)}})) == free
