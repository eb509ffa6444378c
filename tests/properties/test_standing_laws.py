"""Laws of what is built on credits (rules/v1 sections 8 and 18): for any rules, facts, holds and redemptions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from creditbank.ledger.domain import Account, Code, Target, apply, reconcile, redeem, reserve
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.evaluate import evaluate
from creditbank.rules.fact import Fact
from creditbank.rules.outcome import Decision, Evaluation
from creditbank.rules.standing import Bound, Era, Standing, VersionName
from tests.properties.test_rules_laws import FACTS, START, compiled, documents

LotName = tuple[tuple[str, ...], str, int]


def examples(number: int) -> settings:
    """So many examples, however busy the machine is."""
    return settings(
        max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


TRANSITIONS: list[dict[str, Any]] = [
    {},
    {"applies_to": "all"},
    {"applies_to": "unredeemed"},
    {"applies_to": "unredeemed", "never_less_than": "previous"},
    {"applies_to": "all", "never_less_than": "previous"},
    {"elect_until": "2030-01-01"},
]


@st.composite
def lines(draw: st.DrawFn, first: int, former: Sequence[CompiledVersion] = ()) -> list[CompiledVersion]:
    """One or two versions, counted from ``first``; each may be one of the line before, what is new corrects it."""
    made: list[CompiledVersion] = []
    for place in (1, 2):
        stays = [version for version in former if (version.valid_until is None) == (place == 2)]
        is_kept: bool = draw(st.booleans())
        if stays and is_kept:
            made += stays
        elif place == 1 or draw(st.integers(0, 3)):
            document = draw(documents(place))
            document["ruleset"]["version"] = first + place
            if place == 2:
                document["transition"] = draw(st.sampled_from(TRANSITIONS))
            made.append(compiled(document))
    return made


LEARNERS = st.lists(FACTS.filter(lambda facts: len(facts) > 2), min_size=1, max_size=1).map(lambda one: one[0])
DAYS = st.integers(0, 12).map(lambda days: START + timedelta(days=days))
SHARES = st.lists(st.sampled_from(["", "", "reserved", "redeemed", "redeemed"]), min_size=8, max_size=8)


def elected_in(line: Sequence[CompiledVersion], *, is_elected: bool) -> dict[str, list[VersionName]]:
    """The last version is elected, if any is."""
    return {"town": [VersionName(line[-1].version, line[-1].valid_from)]} if is_elected else {}


def chosen(found: Evaluation, shares: Sequence[str], what: str) -> list[Decision]:
    """The decisions whose credits somebody built on."""
    useful = [one for one in found.decisions if any(lot.recognised.milli for lot in one.lots)]
    return [one for one, share in zip(useful, shares, strict=False) if share == what]


def bound_by(decisions: Collection[Decision], line: Sequence[CompiledVersion], *, redeemed: bool) -> dict[str, Bound]:
    """What stands by these decisions."""
    since = {version.version: version.valid_from for version in line}
    return {
        key: Bound(
            VersionName(one.version, since[one.version]),
            one.rule,
            one.binding,
            redeemed,
            VersionName(one.kept_by, since[one.kept_by]) if one.kept_by is not None else None,
        )
        for one in decisions
        for key in one.binding
    }


def keys_of(decisions: Collection[Decision]) -> frozenset[str]:
    return frozenset(key for one in decisions for key in one.binding)


def amounts(decisions: Collection[Decision], keys: Collection[str]) -> dict[tuple[str, ...], Any]:
    """What was decided of these facts, but for dates."""
    return {
        one.binding: (
            one.version,
            one.rule,
            one.effect,
            [(lot.unit, lot.number, lot.recognised, lot.excess, lot.dropped) for lot in one.lots],
        )
        for one in decisions
        if not set(keys).isdisjoint(one.binding)
    }


def ledger_of(found: Evaluation, shares: Sequence[str]) -> dict[LotName, dict[Account, int]]:
    """Where the credits are that were accrued, reserved and redeemed by it."""
    by_share = {share: [id(one) for one in chosen(found, shares, share)] for share in ("reserved", "redeemed")}
    at: dict[LotName, dict[Account, int]] = {}
    for one in found.decisions:
        for lot in one.lots:
            mine = settle({}, lot_target(lot))[0]
            if id(one) in by_share["reserved"] + by_share["redeemed"] and mine[Account.AVAILABLE]:
                held = mine[Account.AVAILABLE]
                mine = apply(mine, reserve(held))
                if id(one) in by_share["redeemed"]:
                    mine = apply(mine, redeem(held, held, expired=False))
            at[one.binding, lot.unit, lot.number] = mine
    return at


def lot_target(lot: Any) -> Target:
    return Target(lot.recognised.milli, lot.excess.milli, lot.state)


def settle(positions: Mapping[Account, int], target: Target) -> tuple[dict[Account, int], list[Code]]:
    movements = reconcile(positions, target)
    return apply(positions, movements), [movement.code for movement in movements]


@given(st.data(), LEARNERS, DAYS, SHARES, st.booleans())
@examples(60)
def test_what_is_built_on_credits_changes_nothing_by_itself(
    data: st.DataObject, facts: list[Fact], day: date, shares: list[str], is_elected: bool
) -> None:
    """A hold or a redemption leaves every decision what it was: the same target again (invariant 10)."""
    line = data.draw(lines(0))
    elected = elected_in(line, is_elected=is_elected)
    before = evaluate(facts, line, day, Standing(elected=elected))
    bound = bound_by(chosen(before, shares, "reserved"), line, redeemed=False)
    bound |= bound_by(chosen(before, shares, "redeemed"), line, redeemed=True)

    assert evaluate(facts, line, day, Standing({"town": bound}, elected=elected)) == before


@given(st.data(), LEARNERS, DAYS, DAYS, SHARES, st.tuples(st.booleans(), st.booleans()), st.booleans())
@examples(120)
def test_a_change_of_rules_never_touches_what_is_redeemed(
    data: st.DataObject,
    everything: list[Fact],
    one: date,
    other: date,
    shares: list[str],
    is_elected: tuple[bool, bool],
    ends: bool,
) -> None:
    """Under any setting: whatever is corrected, withdrawn, published, elected or begins, whatever holds end and facts
    come late; twice over, in any order of facts."""
    facts = everything[data.draw(st.integers(0, 2)) :]
    late = frozenset(fact.key for fact in everything) - {fact.key for fact in facts}
    first, second = sorted([one, other])
    old = data.draw(lines(0))
    elected = elected_in(old, is_elected=is_elected[0])
    before = evaluate(facts, old, first, Standing(elected=elected))
    redeemed, reserved = chosen(before, shares, "redeemed"), chosen(before, shares, "reserved")
    bound = bound_by(reserved, old, redeemed=False) | bound_by(redeemed, old, redeemed=True)
    era = Era(old, first, keys_of(redeemed), elected.get("town", ()), bound, late)

    new = data.draw(st.one_of(st.just([]), st.just(old), lines(2, old)))
    elected = elected_in(new or old, is_elected=is_elected[1])
    bound = bound_by(redeemed, old, redeemed=True) if ends else bound
    facts = everything
    standing = Standing({"town": bound}, {"town": [era]}, elected)
    after = evaluate(facts, new, second, standing)

    assert amounts(after.decisions, era.keys) == amounts(before.decisions, era.keys)
    assert evaluate(facts[::-1], new[::-1], second, standing) == after
    nothing_is_clawed_back(ledger_of(before, shares), after, era.keys)

    # More is redeemed under the new rules, and these are changed as well.
    more = [d for d in chosen(after, shares[::-1], "redeemed") if era.keys.isdisjoint(d.binding)]
    bound = bound | bound_by(more, new, redeemed=True)
    eras = [era, Era(new, second, keys_of(more), elected.get("town", ()), bound)] if more else [era]
    newest = data.draw(st.one_of(st.just([]), lines(4, new)))
    last = evaluate(facts, newest, second, Standing({"town": bound}, {"town": eras}, elected))

    both = era.keys | keys_of(more)
    assert amounts(last.decisions, both) == amounts(after.decisions, both)


@given(st.data(), LEARNERS, DAYS, DAYS, SHARES, st.booleans())
@examples(60)
def test_a_later_version_leaves_what_is_held_as_it_was_decided(
    data: st.DataObject, facts: list[Fact], one: date, other: date, shares: list[str], is_elected: bool
) -> None:
    """Unless it reaches all: whatever else it takes, the same rule holds the same facts together."""
    first, second = sorted([one, other])
    line = data.draw(lines(0))
    assume(all(version.transition.applies_to != "all" for version in line))
    before = evaluate(facts, line, first)
    held = chosen(before, shares, "reserved")
    standing = Standing({"town": bound_by(held, line, redeemed=False)}, elected=elected_in(line, is_elected=is_elected))

    after = evaluate(facts, line, second, standing)

    said = {one.binding: (one.version, one.rule) for one in after.decisions}
    assert {one.binding: said.get(one.binding) for one in held} == {
        one.binding: (one.version, one.rule) for one in held
    }


def nothing_is_clawed_back(
    ledger: Mapping[LotName, Mapping[Account, int]], after: Evaluation, redeemed: Collection[str]
) -> None:
    """Post what the new rules say: nothing of what is redeemed is taken, and the same again posts nothing."""
    targets = {(d.binding, lot.unit, lot.number): lot_target(lot) for d in after.decisions for lot in d.lots}
    for name, positions in ledger.items():
        if set(redeemed).isdisjoint(name[0]):
            continue
        now, codes = settle(positions, targets[name])
        assert Code.CLAWBACK not in codes
        assert now[Account.REDEEMED] == positions[Account.REDEEMED]
        assert settle(now, targets[name])[1] == []


@given(st.data(), LEARNERS, DAYS, SHARES)
@examples(60)
def test_what_is_redeemed_takes_room_and_keys_before_all_that_is_not(
    data: st.DataObject, facts: list[Fact], day: date, shares: list[str]
) -> None:
    """Of a limit over a lifetime what is redeemed under former rules leaves only the rest (invariants 16 and 18)."""
    old, new = data.draw(lines(0)), data.draw(lines(2))
    before = evaluate(facts, old, day)
    redeemed = chosen(before, shares, "redeemed")
    era = Era(old, day, keys_of(redeemed))
    after = evaluate(facts, new, day, Standing({"town": bound_by(redeemed, old, redeemed=True)}, {"town": [era]}))
    present = next((v for v in new if v.governs(day)), new[-1] if new[-1].valid_from <= day else new[0])
    for limit in present.limits:
        if limit.per is None and limit.over is None and limit.categories is None and not limit.by:
            own = [d for d in after.decisions if era.keys.isdisjoint(d.binding)]
            kept = [d for d in after.decisions if not era.keys.isdisjoint(d.binding)]
            used, taken = (sum(lot.recognised.milli for d in some for lot in d.lots) for some in (own, kept))
            if limit.credits_milli is not None:
                assert used <= max(limit.credits_milli - taken, 0)
    if present.unique is not None and present.unique[0] == "unit":
        units = {lot.unit for d in after.decisions if not era.keys.isdisjoint(d.binding) for lot in d.lots
                 if lot.recognised.milli and not lot.unit.startswith("blanket:")}  # fmt: skip
        doubled = [lot for d in after.decisions if era.keys.isdisjoint(d.binding) for lot in d.lots
                   if lot.unit in units and lot.recognised.milli]  # fmt: skip
        assert not doubled
