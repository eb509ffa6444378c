"""What publishing a version would change: for one learner, and for all together. Pure.

Amounts are thousandths of credits, kept by unit: units are never added up. What counts is what is available, as in a
learner's total.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from creditbank.credits import Credits
from creditbank.rules.outcome import Decision, TargetLot

LARGEST: Final = 20
"""So many of the largest changes are named in a report."""

CAUSES: Final = ("deny", "review", "pending", "expiry", "unique", "limit", "no_rule", "amount")
"""Why credits are lost: the rules deny or want a person's decision; a condition is not met; the validity is over; the
same learning counts once; a limit; no rule takes it any more; the formula gives less."""

Amounts = dict[str, int]
"""Thousandths by credit unit."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of rules does to one learner, who has achievements under the rules before or after it.

    ``lost`` tells by cause and unit what those achievements lose that lose; ``shrinking`` counts them. ``capped`` is
    what is kept aside or dropped by limits and uniqueness.
    """

    before: Amounts
    after: Amounts
    capped_before: Amounts
    capped_after: Amounts
    lost: Mapping[tuple[str, str], int]
    reviews_new: int
    reviews_gone: int
    shrinking: int

    @property
    def changes(self) -> Amounts:
        """By how much what is available rises, or falls, in each unit in which it does either."""
        units = sorted({*self.before, *self.after})
        found = {unit: self.after.get(unit, 0) - self.before.get(unit, 0) for unit in units}
        return {unit: milli for unit, milli in found.items() if milli}


def effect_of(before: Sequence[Decision], after: Sequence[Decision]) -> Effect:
    """Compare the decisions of one rule set about one learner under the rules as they are and as they would be."""
    lost: Counter[tuple[str, str]] = Counter()
    shrinking = 0
    for old, new in _matched(before, after):
        losing = False
        for unit, milli in _available(old).items():
            missing = milli - _available(new).get(unit, 0)
            if missing > 0:
                losing = True
                for cause, part in _causes(missing, unit, new):
                    lost[cause, unit] += part
        shrinking += losing or _recognises_less(old, new) or _expires_earlier(old, new)
    reviewed, reviewing = ({d.binding for d in decisions if d.effect == "review"} for decisions in (before, after))
    return Effect(
        _available(before),
        _available(after),
        _capped(before),
        _capped(after),
        lost,
        len(reviewing - reviewed),
        len(reviewed - reviewing),
        shrinking,
    )


def _lots(decisions: Iterable[Decision]) -> Iterable[tuple[str, TargetLot]]:
    return ((decision.credit_unit, lot) for decision in decisions for lot in decision.lots)


def _available(decisions: Iterable[Decision]) -> Amounts:
    found: Counter[str] = Counter()
    for unit, lot in _lots(decisions):
        if lot.state == "available":
            found[unit] += lot.recognised.milli
    return dict(+found)


def _recognised(decisions: Iterable[Decision]) -> Amounts:
    found: Counter[str] = Counter()
    for unit, lot in _lots(decisions):
        found[unit] += lot.recognised.milli
    return dict(+found)


def _capped(decisions: Iterable[Decision]) -> Amounts:
    found: Counter[str] = Counter()
    for unit, lot in _lots(decisions):
        found[unit] += lot.excess.milli + lot.dropped.milli
    return dict(+found)


def _matched(
    before: Sequence[Decision], after: Sequence[Decision]
) -> Iterable[tuple[Sequence[Decision], Sequence[Decision]]]:
    """The decisions before and after, in the smallest groups that speak of the same achievements.

    A combination may be taken apart or put together, so that single bindings could not be compared.
    """
    group: dict[str, str] = {}

    def root(key: str) -> str:
        while group.setdefault(key, key) != key:
            group[key] = group[group[key]]
            key = group[key]
        return key

    for decision in (*before, *after):
        first = root(decision.binding[0])
        for key in decision.binding[1:]:
            group[root(key)] = first
    found: defaultdict[str, tuple[list[Decision], list[Decision]]] = defaultdict(lambda: ([], []))
    for place, decisions in enumerate((before, after)):
        for decision in decisions:
            found[root(decision.binding[0])][place].append(decision)
    return found.values()


def _causes(missing: int, unit: str, new: Sequence[Decision]) -> Iterable[tuple[str, int]]:
    """Divide what is missing among its causes: first what is kept back by name, then what is not there at all."""
    kept: Counter[str] = Counter()
    for credit_unit, lot in _lots(new):
        if credit_unit == unit:
            if lot.state != "available":
                kept["pending" if lot.state == "pending" else "expiry"] += lot.recognised.milli
            is_twice = any(step["op"] == "unique" for step in lot.trace["steps"])
            kept["unique" if is_twice else "limit"] += lot.excess.milli + lot.dropped.milli
    for cause in CAUSES:
        part = min(missing, kept[cause])
        if part:
            missing -= part
            yield cause, part
    if missing:
        effects = {decision.effect for decision in new}
        named = {"deny": "deny", "review": "review", "none": "no_rule"}
        yield next((cause for effect, cause in named.items() if effect in effects), "amount"), missing


def _recognises_less(old: Sequence[Decision], new: Sequence[Decision]) -> bool:
    now = _recognised(new)
    return any(milli > now.get(unit, 0) for unit, milli in _recognised(old).items())


def _expires_earlier(old: Sequence[Decision], new: Sequence[Decision]) -> bool:
    """Whether some credits of the same lot can be used for a shorter time."""
    ends = {(d.binding, lot.unit, lot.number): lot.expires for d in new for lot in d.lots if lot.recognised.milli}
    for decision in old:
        for lot in decision.lots:
            key = (decision.binding, lot.unit, lot.number)
            end = ends.get(key)
            if end is not None and lot.recognised.milli and (lot.expires is None or end < lot.expires):
                return True
    return False


@dataclass(slots=True)
class Tally:
    """The effects on many learners added up. As JSON it is the progress of a simulation, and goes on from there."""

    seen: int = 0
    evaluated: int = 0
    gaining: int = 0
    losing: int = 0
    shrinking: int = 0
    reviews_new: int = 0
    reviews_gone: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    capped_before: Counter[str] = field(default_factory=Counter)
    capped_after: Counter[str] = field(default_factory=Counter)
    # By ``cause unit``.
    causes: Counter[str] = field(default_factory=Counter)
    # Learner's id, what is available before and after by unit; the largest change first.
    largest: list[tuple[str, Amounts, Amounts]] = field(default_factory=list)

    def add(self, learner_id: UUID, effect: Effect) -> None:
        """Count one learner, once."""
        self.evaluated += 1
        changes = effect.changes
        self.gaining += any(milli > 0 for milli in changes.values())
        self.losing += any(milli < 0 for milli in changes.values())
        self.shrinking += effect.shrinking
        self.reviews_new += effect.reviews_new
        self.reviews_gone += effect.reviews_gone
        for total, amounts in (
            (self.before, effect.before),
            (self.after, effect.after),
            (self.capped_before, effect.capped_before),
            (self.capped_after, effect.capped_after),
        ):
            total.update(amounts)
        for unit, milli in changes.items():
            (self.gained if milli > 0 else self.lost)[unit] += abs(milli)
        self.causes.update({f"{cause} {unit}": milli for (cause, unit), milli in effect.lost.items()})
        if changes:
            self.largest.append((str(learner_id), effect.before, effect.after))
            # A tie is decided by the id, so that the order in which learners were met does not matter.
            self.largest.sort(key=lambda case: (-_size(case[1], case[2]), case[0]))
            del self.largest[LARGEST:]

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Tally:
        """What ``as_json`` gave."""
        made = cls()
        for name, value in plain.items():
            if isinstance(getattr(made, name), Counter):
                setattr(made, name, Counter(value))
            elif name == "largest":
                made.largest = [(id_, dict(before), dict(after)) for id_, before, after in value]
            else:
                setattr(made, name, value)
        return made

    def report(self) -> dict[str, Any]:
        """What people read, with amounts as decimal texts."""
        units = sorted({*self.before, *self.after, *self.capped_before, *self.capped_after})
        losses: dict[str, dict[str, str]] = {}
        for cause in CAUSES:
            mine = {unit: self.causes[f"{cause} {unit}"] for unit in units}
            losses[cause] = _texts({unit: milli for unit, milli in mine.items() if milli})
        return {
            "learners": {
                "seen": self.seen,
                "evaluated": self.evaluated,
                "gaining": self.gaining,
                "losing": self.losing,
            },
            "units": [
                {
                    "unit": unit,
                    **{
                        name: str(Credits(getattr(self, name)[unit]))
                        for name in ("before", "after", "gained", "lost", "capped_before", "capped_after")
                    },
                }
                for unit in units
            ],
            "reviews": {"new": self.reviews_new, "gone": self.reviews_gone},
            "losses": losses,
            "shrinking": self.shrinking,
            "largest": [
                {"learner": id_, "before": _texts(before), "after": _texts(after)}
                for id_, before, after in self.largest
            ],
        }


def _size(before: Amounts, after: Amounts) -> int:
    return max(abs(after.get(unit, 0) - before.get(unit, 0)) for unit in {*before, *after})


def _texts(amounts: Amounts) -> dict[str, str]:
    return {unit: str(Credits(milli)) for unit, milli in sorted(amounts.items())}
