"""How much counts: limits by period and bucket, over all versions of a rule set (rules/v1 sections 6 and 12)."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from creditbank.rules.compile import CompiledLimit, CompiledVersion
from creditbank.rules.days import Duration, Periods
from creditbank.rules.drafts import Draft, DraftLot
from creditbank.rules.fact import ancestors
from creditbank.rules.rulings import NO_RULINGS, Rulings

_Bucket = tuple[str, str, tuple[str, ...]]
"""The limit's id, its period (for a rolling window a name alone), and the values it is kept apart by."""


def apply_limits(
    drafts: Iterable[Draft],
    line: Sequence[CompiledVersion],
    as_of: date,
    rulings: Rulings = NO_RULINGS,
    kept: Sequence[Draft] = (),
) -> None:
    """Cut lots to the room that their limits leave, in order of (limits date, achievements, grant).

    A lot for which a limit was waived takes no room of it either. What is ``kept`` is never cut, and its room is taken
    before anything else is given some.
    """
    if not any(version.limits for version in line):
        return
    present = version_at(line, as_of)
    usage: defaultdict[_Bucket, _Used] = defaultdict(_Used)
    fixed = {id(draft) for draft in kept}

    def limits_on(lot: DraftLot, day: date) -> list[tuple[CompiledLimit, str]]:
        limits = _limits_on(lot, day, line, present)
        if rulings.waives:
            limits = (pair for pair in limits if not rulings.waives_limit(pair[0].id, lot.draft.keys))
        return list(limits)

    for lot in [lot for draft in kept for lot in draft.lots if lot.recognised]:
        for limit, period in limits_on(lot, lot.draft.limits_day):
            usage[_bucket(limit, period, lot)].ahead.append((lot.draft.limits_day, lot))
    lots = [
        (draft.limits_day, draft.keys, lot.grant, lot)
        for draft in (*drafts, *kept)
        for lot in draft.lots
        if lot.recognised
    ]
    for day, _, _, lot in sorted(lots, key=lambda entry: entry[:3]):
        if id(lot.draft) in fixed:
            _pass(lot, day, limits_on(lot, day), usage)
        else:
            _cut(lot, day, limits_on(lot, day), usage)


def version_at(line: Sequence[CompiledVersion], day: date) -> CompiledVersion:
    """The version that governs a day; else the last that began before it, else the first."""
    begun = [version for version in line if version.valid_from <= day]
    return next((version for version in begun if version.governs(day)), begun[-1] if begun else line[0])


def _limits_on(
    lot: DraftLot, day: date, line: Sequence[CompiledVersion], present: CompiledVersion
) -> Iterator[tuple[CompiledLimit, str]]:
    """The limits that hold for a lot, each with its period.

    A limit over a calendar is that of the version in force when the period began, one over a lifetime or a rolling
    window that of the day of evaluation; so a bucket has one limit, however many versions there are.
    """
    for version in line:
        for limit in version.limits:
            if isinstance(limit.per, Periods):
                start = limit.per.start_of(day)
                governs = version_at(line, start) is version
                period = start.isoformat()
            else:
                governs = version is present
                period = limit.per.text if isinstance(limit.per, Duration) else "all"
            if governs and _is_over(limit, lot):
                yield limit, period


def _is_over(limit: CompiledLimit, lot: DraftLot) -> bool:
    if limit.over is not None and not limit.over.holds(lot.draft.binding[0]):
        return False
    if limit.categories is not None:
        lines = ancestors(lot.category) if lot.category is not None else ()
        if not any(category in lines for category in limit.categories):
            return False
    return limit.level is None or (lot.level is not None and limit.level(lot.level))


class _Used:
    """What has been used of one bucket, told in the order of days; of a rolling window what still lies in it."""

    def __init__(self) -> None:
        self.milli = 0
        self._lots: deque[tuple[date, int, int]] = deque()
        # By decision the number of its lots: a count is one of decisions.
        self._decisions: Counter[int] = Counter()
        # Lots that will get what they have whatever is left, each with its day.
        self.ahead: list[tuple[date, DraftLot]] = []

    @property
    def taken(self) -> int:
        """What is used, with what is as good as used."""
        return self.milli + sum([lot.recognised for _, lot in self.ahead])

    @property
    def count(self) -> int:
        """How many decisions were counted, or are as good as counted."""
        return len(self._decisions.keys() | {id(lot.draft) for _, lot in self.ahead})

    def room(self, limit: CompiledLimit, draft: Draft, day: date, wanted: int) -> tuple[int, bool]:
        """How much of what a lot wants there is room for, and whether it is the number of decisions that leaves none.

        Another lot of a decision that was counted is not counted again.
        """
        if not self.ahead:
            return _room(limit, wanted, self.milli, self._decisions, draft)
        return min([_room(limit, wanted, *view, draft) for view in self._views(limit.per, day)])

    def _views(self, per: Periods | Duration | None, day: date) -> Iterator[tuple[int, Collection[int]]]:
        """What is used, in thousandths and by decision, wherever more on this day would add to it.

        Of a rolling window that is the one that ends on the day, and each later one that holds the day and ends with a
        lot that will get what it has.
        """
        if not isinstance(per, Duration):
            yield self.taken, self._decisions.keys() | {id(lot.draft) for _, lot in self.ahead}
            return
        yield self.milli, self._decisions
        for end in {on for on, _ in self.ahead if per.after(day) > on}:
            inside = [(milli, decision) for on, milli, decision in self._lots if per.after(on) > end]
            inside += [(lot.recognised, id(lot.draft)) for on, lot in self.ahead if on <= end < per.after(on)]
            yield sum([milli for milli, _ in inside]), {decision for _, decision in inside}

    def add(self, day: date, milli: int, draft: Draft) -> None:
        """Count what a lot got."""
        self.milli += milli
        self._lots.append((day, milli, id(draft)))
        self._decisions[id(draft)] += 1

    def forget(self, window: Duration, day: date) -> None:
        """Leave out what lies outside of the window that ends on the day; no earlier day is asked for again."""
        while self._lots and window.after(self._lots[0][0]) <= day:
            _, milli, decision = self._lots.popleft()
            self.milli -= milli
            self._decisions[decision] -= 1
            if not self._decisions[decision]:
                del self._decisions[decision]


def _room(limit: CompiledLimit, wanted: int, milli: int, decisions: Collection[int], draft: Draft) -> tuple[int, bool]:
    if limit.count is not None and id(draft) not in decisions and len(decisions) >= limit.count:
        return 0, True
    if limit.credits_milli is None:
        return wanted, False
    return min(wanted, max(limit.credits_milli - milli, 0)), False


def _bucket(limit: CompiledLimit, period: str, lot: DraftLot) -> _Bucket:
    lead = lot.draft.binding[0]
    values = {
        "provider": lead.provider,
        "provider_type": lead.provider_type or "",
        "category": lot.category or "",
        "unit": lot.unit,
        "kind": lead.kind,
    }
    return limit.id, period, tuple([values[name] for name in limit.by])


def _pass(
    lot: DraftLot, day: date, limits: Sequence[tuple[CompiledLimit, str]], usage: Mapping[_Bucket, _Used]
) -> None:
    """Count a lot that is never cut, which was expected so far."""
    for limit, period in limits:
        used = usage[_bucket(limit, period, lot)]
        if isinstance(limit.per, Duration):
            used.forget(limit.per, day)
        used.ahead = [(on, other) for on, other in used.ahead if other is not lot]
        used.add(day, lot.recognised, lot.draft)


def _cut(lot: DraftLot, day: date, limits: Sequence[tuple[CompiledLimit, str]], usage: Mapping[_Bucket, _Used]) -> None:
    wanted = allowed = lot.recognised
    reason: tuple[CompiledLimit, _Bucket, int, int, bool] | None = None
    buckets = []
    for limit, period in limits:
        bucket = _bucket(limit, period, lot)
        buckets.append(bucket)
        used = usage[bucket]
        if isinstance(limit.per, Duration):
            used.forget(limit.per, day)
        room, by_count = used.room(limit, lot.draft, day, wanted)
        if room < wanted and not limit.splits:
            room = 0
        if room < allowed:
            allowed, reason = room, (limit, bucket, used.taken, used.count, by_count)
    if reason is not None:
        lot.recognised = allowed
        if reason[0].drops:
            lot.dropped += wanted - allowed
        else:
            lot.excess += wanted - allowed
        lot.steps.append(_step(*reason, day, allowed, wanted))
    if allowed:
        for bucket in buckets:
            usage[bucket].add(day, allowed, lot.draft)


def _step(
    limit: CompiledLimit, bucket: _Bucket, used: int, count: int, by_count: bool, day: date, allowed: int, wanted: int
) -> dict[str, Any]:
    step: dict[str, Any] = {"op": "limit", "id": limit.id, "period": bucket[1], "by": list(bucket[2])}
    if isinstance(limit.per, Duration):
        step["to"] = day.isoformat()
    if by_count:
        step |= {"items": limit.count, "items_used": count}
    else:
        step |= {"cap": _text(limit.credits_milli or 0), "used": _text(used)}
    return {**step, "allowed": _text(allowed), "of": _text(wanted), "drops": limit.drops, "value": _text(allowed)}


def _text(milli: int) -> str:
    return str(Fraction(milli, 1000))
