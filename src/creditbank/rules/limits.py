"""How much counts: limits by period and bucket, over all versions of a rule set (rules/v1 sections 6 and 12)."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    drafts: Iterable[Draft], line: Sequence[CompiledVersion], as_of: date, rulings: Rulings = NO_RULINGS
) -> None:
    """Cut lots to the room that their limits leave, in order of (limits date, achievements, grant).

    A lot for which a limit was waived takes no room of it either.
    """
    if not any(version.limits for version in line):
        return
    present = version_at(line, as_of)
    usage: defaultdict[_Bucket, _Used] = defaultdict(_Used)
    lots = [(draft.limits_day, draft.keys, lot.grant, lot) for draft in drafts for lot in draft.lots if lot.recognised]
    for day, _, _, lot in sorted(lots, key=lambda entry: entry[:3]):
        limits = _limits_on(lot, day, line, present)
        if rulings.waives:
            limits = (pair for pair in limits if not rulings.waives_limit(pair[0].id, lot.draft.keys))
        _cut(lot, day, list(limits), usage)


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

    @property
    def count(self) -> int:
        """How many decisions were counted."""
        return len(self._decisions)

    def has(self, draft: Draft) -> bool:
        """Whether another lot of the decision was counted."""
        return id(draft) in self._decisions

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
        room, by_count = wanted, False
        if limit.credits_milli is not None:
            room = min(room, max(limit.credits_milli - used.milli, 0))
        if limit.count is not None and not used.has(lot.draft) and used.count >= limit.count:
            room, by_count = 0, True
        if room < wanted and not limit.splits:
            room = 0
        if room < allowed:
            allowed, reason = room, (limit, bucket, used.milli, used.count, by_count)
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
