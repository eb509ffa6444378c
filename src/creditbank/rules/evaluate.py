"""The engine: all valid facts of one learner and the versions of the rule sets -> lots and traces (section 10, law).

A pure function: no I/O, no clock, no randomness, no floats; the order of facts, versions and rules changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from creditbank.credits import ZERO, Credits
from creditbank.rules.compile import CompiledRule, CompiledVersion
from creditbank.rules.fact import Fact
from creditbank.rules.outcome import Decision, Evaluation, TargetLot

_BLANKET: Final = "blanket:"


class _Lot:
    """A lot while it is being decided; amounts in thousandths."""

    __slots__ = (
        "category", "draft", "excess", "grade", "grant", "level", "number", "recognised", "steps", "unit",
    )  # fmt: skip

    def __init__(self, draft: _Draft, grant: int, unit: str, milli: int, steps: list[dict[str, Any]]) -> None:
        self.draft = draft
        self.grant = grant
        self.unit = unit
        self.number = sum(lot.unit == unit for lot in draft.lots)
        self.recognised = milli
        self.excess = 0
        self.steps = steps
        lead, terms, version = draft.binding[0], draft.rule.grants[grant], draft.version
        self.category = terms.category or lead.category
        self.level = version.level_of(lead) if terms.level == "mapped" else terms.level
        self.grade = lead.grade if terms.keeps_grade else ("pass", "pass")


class _Draft:
    """A decision while it is being made: a rule that took a binding."""

    __slots__ = ("binding", "governing", "lots", "missing", "rule", "version")

    def __init__(self, version: CompiledVersion, rule: CompiledRule, binding: tuple[Fact, ...]) -> None:
        self.version = version
        self.rule = rule
        self.binding = binding
        self.governing = max([version.governing(fact) for fact in binding])
        self.lots: list[_Lot] = []
        # Why a person must decide, with the index of the grant; then there are no lots.
        self.missing: tuple[int, str] | None = None
        for index, grant in enumerate(rule.grants):
            milli, steps, missing = grant.amount(binding)
            if missing is not None:
                self.missing = (index, missing)
                self.lots = []
                break
            self.lots.append(_Lot(self, index, grant.unit_of(binding[0]), milli, steps))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple([fact.key for fact in self.binding])

    @property
    def order(self) -> tuple[date, tuple[str, ...]]:
        return max([fact.completed for fact in self.binding]), self.keys


def evaluate(facts: Sequence[Fact], versions: Sequence[CompiledVersion], as_of: date) -> Evaluation:
    """Decide everything about one learner as of a day (section 10).

    ``facts`` are the learner's valid achievements, each key once (else ValueError). ``versions`` may belong to
    several rule sets; a fact is consumed once in each. What no rule set took gets one decision with effect none, which
    names the nearest rule of all.
    """
    ordered = sorted(facts, key=lambda fact: (fact.completed, fact.key))
    if len({fact.key for fact in ordered}) != len(ordered):
        raise ValueError("two facts have the same key")
    by_rule_set: dict[str, list[CompiledVersion]] = {}
    for version in sorted(versions, key=lambda v: (v.rule_set, v.valid_from, v.version)):
        by_rule_set.setdefault(version.rule_set, []).append(version)
    taken: set[str] = set()
    decided: list[tuple[date, tuple[str, ...], str, Decision]] = []
    for rule_set, line in by_rule_set.items():
        drafts = _recognise(ordered, line)
        _keep_unique(drafts, _in_force(line, as_of))
        for draft in drafts:
            completed, keys = draft.order
            taken.update(keys)
            decided.append((completed, keys, rule_set, _decision(draft, keys)))
    for fact in ordered:
        if fact.key not in taken:
            decided.append((fact.completed, (fact.key,), "", _untaken(fact, by_rule_set)))
    # A rule set decides once about a binding, so that the decisions themselves are never compared.
    decided.sort(key=lambda entry: entry[:3])
    return Evaluation(as_of, tuple([entry[3] for entry in decided]))


# --- Match: section 10, step 2 ----------------------------------------------------------------------------------------


def _recognise(ordered: Sequence[Fact], line: Sequence[CompiledVersion]) -> list[_Draft]:
    """The decisions of one rule set, in the order of versions and then of (completed, key)."""
    drafts: list[_Draft] = []
    left = ordered
    for version in line:
        untaken: list[Fact] = []
        for fact in left:
            rule = version.first_match(fact) if version.governs(version.governing(fact)) else None
            if rule is None:
                untaken.append(fact)
            else:
                drafts.append(_Draft(version, rule, (fact,)))
        left = untaken
    return drafts


# --- Unique: section 6 ------------------------------------------------------------------------------------------------


def _in_force(line: Sequence[CompiledVersion], as_of: date) -> CompiledVersion:
    """The version that governs what spans versions: the one of that day, else the last before it, else the first."""
    begun = [version for version in line if version.valid_from <= as_of]
    return next((version for version in begun if version.governs(as_of)), begun[-1] if begun else line[0])


def _keep_unique(drafts: Iterable[_Draft], version: CompiledVersion) -> None:
    """Let lots of one unit compete; the loser's credits become excess."""
    if version.keep is None:
        return
    holders: dict[str, list[_Lot]] = {}
    for draft in sorted(drafts, key=lambda draft: draft.order):
        for lot in draft.lots:
            if not lot.recognised or lot.unit.startswith(_BLANKET):
                continue
            standing = holders.setdefault(lot.unit, [])
            rivals = [holder for holder in standing if holder.draft is not draft]
            stronger = next((rival for rival in rivals if not _beats(lot, rival, version)), None)
            if stronger is not None:
                _give_way(lot, stronger, version)
                continue
            for rival in rivals:
                _give_way(rival, lot, version)
            holders[lot.unit] = [holder for holder in standing if holder.draft is draft] + [lot]


def _beats(later: _Lot, earlier: _Lot, version: CompiledVersion) -> bool:
    """Whether the later contestant takes the place of the earlier; a tie keeps the earlier."""
    if version.keep != "best":
        return version.keep == "latest"
    ours = (-1 if later.level is None else later.level, later.recognised)
    theirs = (-1 if earlier.level is None else earlier.level, earlier.recognised)
    return ours > theirs if ours != theirs else _better_grade(later.grade, earlier.grade, version)


def _better_grade(ours: tuple[str, str] | None, theirs: tuple[str, str] | None, version: CompiledVersion) -> bool:
    """Whether a grade is better: comparable on one scale only, and a pass is below any other."""
    if ours is None or theirs is None or ours == theirs:
        return False
    if theirs[0] == "pass" or ours[0] == "pass":
        return ours[0] != "pass"
    if ours[0] != theirs[0]:
        return False
    our_position, their_position = version.position(*ours), version.position(*theirs)
    return our_position is not None and their_position is not None and our_position > their_position


def _give_way(loser: _Lot, winner: _Lot, version: CompiledVersion) -> None:
    loser.excess, loser.recognised = loser.recognised, 0
    loser.steps.append(
        {"op": "unique", "unit": loser.unit, "keep": version.keep, "from": list(winner.draft.keys), "value": "0"}
    )


# --- Decisions and traces: section 14 ---------------------------------------------------------------------------------


def _decision(draft: _Draft, keys: tuple[str, ...]) -> Decision:
    version, rule = draft.version, draft.rule
    lead = draft.binding[0]
    trace: dict[str, Any] = {
        "rule_set": version.rule_set,
        "version": version.version,
        "rule": rule.id,
        "effect": "grant" if draft.missing is None else "review",
        "governing": draft.governing.isoformat(),
        "tests": [test.traced(lead, True) for test in rule.tests],
    }
    if draft.missing is not None:
        trace["grant"], trace["reason"] = draft.missing
        trace["steps"] = []
    return Decision(
        version.rule_set,
        version.version,
        rule.id,
        "grant" if draft.missing is None else "review",
        keys,
        version.credit_unit,
        draft.governing,
        tuple([_target(lot, draft) for lot in draft.lots]),
        trace,
    )


def _target(lot: _Lot, draft: _Draft) -> TargetLot:
    recognised = Credits(lot.recognised)
    excess = Credits(lot.excess) if lot.excess else ZERO
    trace = {
        "rule": draft.rule.id,
        "unit": lot.unit,
        "number": lot.number,
        "grant": lot.grant,
        "category": lot.category,
        "level": lot.level,
        "grade": list(lot.grade) if lot.grade is not None else None,
        "steps": lot.steps,
        "granted": str(Credits(lot.recognised + lot.excess)),
        "credits": str(recognised),
        "excess": str(excess),
        "dropped": "0",
        "expires": None,
        "state": "available",
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
        ZERO,
        draft.governing,
        None,
        "available",
        trace,
    )


# --- What no rule took: section 10, step 6 ----------------------------------------------------------------------------


def _untaken(fact: Fact, by_rule_set: dict[str, list[CompiledVersion]]) -> Decision:
    versions = [version for line in by_rule_set.values() for version in line]
    in_force = [version for version in versions if version.governs(version.governing(fact))]
    near = [(miss, version) for version in in_force if (miss := version.nearest(fact)) is not None]
    if near:
        miss, version = min(near, key=lambda pair: (pair[0][:4], pair[1].rule_set, pair[1].version))
        failed = [test.traced(fact, False) for test in miss.rule.tests if not test.holds(fact)]
        return _none(fact, version, miss.rule.id, {"failed": failed, "reason": None})
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
