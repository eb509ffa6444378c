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
RESERVED_BY_ONE, RESERVED_BY_TWO = Bound(ONE, is_redeemed=False), Bound(TWO, is_redeemed=False)
REDEEMED_BY_ONE, REDEEMED_BY_TWO = Bound(ONE, is_redeemed=True), Bound(TWO, is_redeemed=True)

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
    standing = Standing(
        {"town": {"a": REDEEMED_BY_ONE, "b": RESERVED_BY_ONE, "c": REDEEMED_BY_ONE, "d": REDEEMED_BY_TWO}}
    )
    facts = [fact(key, code=key) for key in "abcd"]

    found = evaluate(facts, [FIRST, second("all")], TODAY, standing=standing).decisions

    assert {decision.binding: decision.version for decision in found} == {("a",): 1, ("b",): 2, ("c",): 1, ("d",): 2}
