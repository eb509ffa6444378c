"""The engine: all valid facts of one learner and the versions of the rule sets -> lots and traces (section 10, law).

A pure function: no I/O, no clock, no randomness, no floats; the order of facts, versions and rules changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from creditbank.credits import ZERO, Credits
from creditbank.rules.compile import CompiledValidity, CompiledVersion
from creditbank.rules.days import read_duration
from creditbank.rules.drafts import Draft, DraftLot
from creditbank.rules.fact import Fact
from creditbank.rules.limits import apply_limits, version_at
from creditbank.rules.outcome import Decision, Evaluation, State, TargetLot
from creditbank.rules.recognise import recognise
from creditbank.rules.rulings import NO_RULINGS, Ruling, Rulings, sort_rulings
from creditbank.rules.standing import NOTHING_STANDS, Standing
from creditbank.rules.unique import keep_unique


def evaluate(
    facts: Sequence[Fact],
    versions: Sequence[CompiledVersion],
    as_of: date,
    standing: Standing = NOTHING_STANDS,
    rulings: Sequence[Ruling] = (),
) -> Evaluation:
    """Decide everything about one learner as of a day (section 10).

    ``facts`` are the learner's valid achievements, each key once (else ValueError). ``versions`` may belong to
    several rule sets; a fact is consumed once in each. What no rule set took gets one decision with effect none, which
    names the nearest rule of all.
    """
    ordered = sorted(facts, key=lambda fact: (fact.completed, fact.key))
    if len({fact.key for fact in ordered}) != len(ordered):
        raise ValueError("two facts have the same key")
    by_rule_set = _lines(versions)
    ruled = sort_rulings(rulings)
    taken: set[str] = set()
    decided: list[tuple[date, tuple[str, ...], str, Decision]] = []
    for rule_set in sorted({*by_rule_set, *standing.eras}):
        line, mine = by_rule_set.get(rule_set, []), ruled.get(rule_set, NO_RULINGS)
        for draft in _decide(ordered, rule_set, line, as_of, standing, mine):
            taken.update(draft.keys)
            decided.append((draft.completed, draft.keys, rule_set, _decision(draft, as_of)))
    for fact in ordered:
        if fact.key not in taken:
            lines = _asked(fact, by_rule_set, standing)
            decided.append((fact.completed, (fact.key,), "", _blocked(fact, ruled) or _untaken(fact, lines)))
    # A rule set decides once about a binding, so that the decisions themselves are never compared.
    decided.sort(key=lambda entry: entry[:3])
    return Evaluation(as_of, tuple([entry[3] for entry in decided]))


def _lines(versions: Sequence[CompiledVersion]) -> dict[str, list[CompiledVersion]]:
    """The versions of each rule set by the days they govern."""
    lines: dict[str, list[CompiledVersion]] = {}
    for version in sorted(versions, key=lambda v: (v.rule_set, v.valid_from, v.version)):
        lines.setdefault(version.rule_set, []).append(version)
    return lines


def _decide(
    ordered: Sequence[Fact],
    rule_set: str,
    line: Sequence[CompiledVersion],
    as_of: date,
    standing: Standing,
    rulings: Rulings,
) -> list[Draft]:
    """The decisions of one rule set: first those on redeemed credits, each by the rules of its own era, then the rest.

    An era is asked about every fact that is left and was there before it ended, under the elections and with the holds
    of its time, so that pools, bindings and limits come to what they came to then; only what is said of its own facts
    is kept.
    """
    drafts: list[Draft] = []
    left = ordered
    for era in standing.eras.get(rule_set, ()):
        then = Standing({rule_set: era.bound}, elected={rule_set: era.elected})
        asked = [fact for fact in left if fact.key not in era.late] if era.late else left
        found = _decide_by(asked, era.line, era.day, then, rulings, drafts)
        own = [draft for draft in found if not era.keys.isdisjoint(draft.keys)]
        gone = era.keys.union(*[draft.keys for draft in own])
        left = [fact for fact in left if fact.key not in gone]
        drafts += own
    return drafts + _decide_by(left, line, as_of, standing, rulings, drafts) if line else drafts


def _decide_by(
    facts: Sequence[Fact],
    line: Sequence[CompiledVersion],
    day: date,
    standing: Standing,
    rulings: Rulings,
    kept: Sequence[Draft],
) -> list[Draft]:
    drafts = recognise(facts, line, day, standing, rulings, kept)
    keep_unique(drafts, version_at(line, day), kept)
    apply_limits(drafts, line, day, rulings, kept)
    return drafts


def _asked(
    fact: Fact, by_rule_set: Mapping[str, Sequence[CompiledVersion]], standing: Standing
) -> Mapping[str, Sequence[CompiledVersion]]:
    """The versions that were asked about a fact: of an era where it belongs to one, else those in force."""
    eras = {
        rule_set: era.line for rule_set, eras in standing.eras.items() for era in eras if fact.key in era.keys
    }  # fmt: skip
    return {**by_rule_set, **eras} if eras else by_rule_set


# --- Validity: section 6 ----------------------------------------------------------------------------------------------


def _expires(draft: Draft, as_of: date) -> date | None:
    """The first day on which its lots can no longer be used; None when there is none."""
    ends = [end for validity in draft.version.validity for end in _ends(validity, draft, as_of)]
    expires = min(ends, default=None)
    former = draft.former
    if former is None or expires is None or draft.version.transition.retroactive:
        return expires
    # A later version may lengthen what stands; to shorten it takes a retroactive one.
    before = _expires(former, as_of)
    return None if before is None else max(expires, before)


def _ends(validity: CompiledValidity, draft: Draft, as_of: date) -> list[date]:
    start = max([fact.recognised or as_of for fact in draft.binding]) if validity.from_recognition else draft.completed
    durations = [validity.max] if validity.max is not None else []
    if validity.shorter_of_provider:
        durations += [read_duration(fact.shelf_life) for fact in draft.binding if fact.shelf_life is not None]
    return [duration.after(start) for duration in durations]


# --- Decisions and traces: section 14 ---------------------------------------------------------------------------------


def _decision(draft: Draft, as_of: date) -> Decision:
    version, rule, effect = draft.version, draft.rule, draft.effect
    trace: dict[str, Any] = {
        "rule_set": version.rule_set,
        "version": version.version,
        "rule": rule.id,
        "effect": effect,
        "governing": draft.governing.isoformat(),
        "tests": _tests(draft),
    }
    if draft.ruling is not None:
        trace["ruling"] = draft.ruling
    if draft.missing is not None:
        trace |= {"grant": draft.missing_grant, "steps": draft.steps, **draft.missing}
    elif effect == "review":
        trace |= {"steps": [], "reason": "review_wanted"}
    expires = _expires(draft, as_of) if draft.lots and version.validity else None
    return Decision(
        version.rule_set,
        version.version,
        rule.id,
        effect,  # type: ignore[arg-type]
        draft.keys,
        version.credit_unit,
        draft.governing,
        tuple([_target(lot, draft, expires, as_of) for lot in draft.lots]),
        trace,
        draft.kept_by.version if draft.kept_by is not None else None,
    )


def _tests(draft: Draft) -> list[dict[str, Any]]:
    """What the slots tested. A combination tells each with the place of its fact in the binding."""
    rule = draft.rule
    if rule.ways is None:
        return rule.slots[0].traced(draft.binding[0])
    way = next(way for way in rule.ways if _fills(way, draft))
    return [
        {**test, "part": place}
        for place, slot in enumerate(way)
        for test in rule.slots[slot].traced(draft.binding[place])
    ]


def _fills(way: Sequence[int], draft: Draft) -> bool:
    slots = draft.rule.slots
    return len(way) == len(draft.binding) and all(
        slots[slot].holds(fact) for slot, fact in zip(way, draft.binding, strict=True)
    )


def _target(lot: DraftLot, draft: Draft, expires: date | None, as_of: date) -> TargetLot:
    state: State = "available"
    if draft.is_pending:
        state = "pending"
        lot.steps.append({"op": "pending", "condition": draft.rule.condition})
    if expires is not None:
        lot.steps.append({"op": "validity", "until": expires.isoformat()})
        if expires <= as_of:
            state = "expired"
    recognised = Credits(lot.recognised)
    excess = Credits(lot.excess) if lot.excess else ZERO
    dropped = Credits(lot.dropped) if lot.dropped else ZERO
    trace = {
        "rule": draft.rule.id,
        "unit": lot.unit,
        "number": lot.number,
        "grant": lot.grant,
        "category": lot.category,
        "level": lot.level,
        "grade": list(lot.grade) if lot.grade is not None else None,
        "steps": lot.steps,
        "granted": str(Credits(lot.recognised + lot.excess + lot.dropped)),
        "credits": str(recognised),
        "excess": str(excess),
        "dropped": str(dropped),
        "expires": expires.isoformat() if expires is not None else None,
        "state": state,
    }
    return TargetLot(
        lot.unit,
        lot.number,
        lot.grant,
        lot.category,
        lot.level,
        lot.grade,
        recognised,
        excess,
        dropped,
        draft.governing,
        expires,
        state,
        trace,
    )


# --- What no rule took: section 10, step 6 ----------------------------------------------------------------------------


def _blocked(fact: Fact, ruled: Mapping[str, Rulings]) -> Decision | None:
    """What is said of a fact that a ruling keeps from every rule; None where there is no such ruling."""
    blocks = [rulings.blocks[fact.key, None] for rulings in ruled.values() if (fact.key, None) in rulings.blocks]
    if not blocks:
        return None
    return _none(fact, None, None, {"failed": [], "reason": "blocked", "ruling": blocks[0].id})


def _untaken(fact: Fact, by_rule_set: Mapping[str, Sequence[CompiledVersion]]) -> Decision:
    versions = [version for line in by_rule_set.values() for version in line]
    in_force = [version for version in versions if version.governs(version.governing(fact))]
    near = [(miss, version) for version in in_force if (miss := version.nearest(fact)) is not None]
    if near:
        miss, version = min(near, key=lambda pair: (pair[0][:5], pair[1].rule_set, pair[1].version))
        failed = miss.entry.slot.traced(fact, failed=True)
        reason = None if failed else "part_missing"
        return _none(fact, version, miss.id, {"failed": failed, "reason": reason})
    if in_force:
        return _none(fact, in_force[0], None, {"failed": [], "reason": "no_rule"})
    if versions:
        version = min(versions, key=lambda v: (_days_away(v, v.governing(fact)), v.rule_set, v.version))
        until = version.valid_until.isoformat() if version.valid_until is not None else None
        test = {
            "fact": version.clock,
            "op": "in_force",
            "want": [version.valid_from.isoformat(), until],
            "got": version.governing(fact).isoformat(),
            "ok": False,
        }
        return _none(fact, version, None, {"failed": [test], "reason": "no_version"})
    return _none(fact, None, None, {"failed": [], "reason": "no_rule_set"})


def _days_away(version: CompiledVersion, day: date) -> int:
    """How far a day lies outside the version."""
    if day < version.valid_from:
        return (version.valid_from - day).days
    return (day - version.valid_until).days + 1 if version.valid_until is not None else 0


def _none(fact: Fact, version: CompiledVersion | None, rule: str | None, why: dict[str, Any]) -> Decision:
    rule_set, number = (version.rule_set, version.version) if version is not None else ("", 0)
    governing = version.governing(fact) if version is not None else fact.completed
    trace: dict[str, Any] = {
        "rule_set": rule_set,
        "version": number,
        "rule": rule,
        "effect": "none",
        "governing": governing.isoformat(),
        **why,
    }
    unit = version.credit_unit if version is not None else ""
    return Decision(rule_set, number, rule, "none", (fact.key,), unit, governing, (), trace)
