"""How much counts: limits by period and bucket, over all versions of a rule set (rules/v1 sections 6 and 12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from creditbank.rules.compile import CompiledLimit, CompiledVersion
from creditbank.rules.days import Duration, Periods
from creditbank.rules.drafts import Draft, DraftLot
from creditbank.rules.fact import ancestors

_Bucket = tuple[str, str, tuple[str, ...]]
"""The limit's id, its period (for a rolling window a name alone), and the values it is kept apart by."""


def apply_limits(drafts: Iterable[Draft], line: Sequence[CompiledVersion], as_of: date) -> None:
    """Cut lots to the room that their limits leave, in order of (limits date, achievements, grant)."""
    if not any(version.limits for version in line):
        return
    present = version_at(line, as_of)
    usage = _Usage()
    lots = [(draft.limits_day, draft.keys, lot.grant, lot) for draft in drafts for lot in draft.lots if lot.recognised]
    for day, _, _, lot in sorted(lots, key=lambda entry: entry[:3]):
        _cut(lot, day, list(_limits_on(lot, day, line, present)), usage)


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


class _Usage:
    """What has been used of each bucket."""

    def __init__(self) -> None:
        self._used: dict[_Bucket, list[tuple[date, int, Draft]]] = {}

    def of(self, bucket: _Bucket, limit: CompiledLimit, day: date) -> tuple[int, set[int]]:
        """The thousandths used and the decisions counted; of a rolling window those that still lie in it."""
        entries = self._used.get(bucket, [])
        if isinstance(limit.per, Duration):
            window = limit.per
            entries = [entry for entry in entries if window.after(entry[0]) > day]
        return sum([milli for _, milli, _ in entries]), {id(draft) for _, _, draft in entries}

    def add(self, bucket: _Bucket, day: date, milli: int, draft: Draft) -> None:
        """Count what a lot got."""
        self._used.setdefault(bucket, []).append((day, milli, draft))


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


def _cut(lot: DraftLot, day: date, limits: Sequence[tuple[CompiledLimit, str]], usage: _Usage) -> None:
    wanted = allowed = lot.recognised
    reason: tuple[CompiledLimit, _Bucket, int, int, bool] | None = None
    buckets = []
    for limit, period in limits:
        bucket = _bucket(limit, period, lot)
        buckets.append(bucket)
        used, counted = usage.of(bucket, limit, day)
        room, by_count = wanted, False
        if limit.credits_milli is not None:
            room = min(room, max(limit.credits_milli - used, 0))
        if limit.count is not None and id(lot.draft) not in counted and len(counted) >= limit.count:
            room, by_count = 0, True
        if room < wanted and not limit.splits:
            room = 0
        if room < allowed:
            allowed, reason = room, (limit, bucket, used, len(counted), by_count)
    if reason is not None:
        lot.recognised = allowed
        if reason[0].drops:
            lot.dropped += wanted - allowed
        else:
            lot.excess += wanted - allowed
        lot.steps.append(_step(*reason, day, allowed, wanted))
    if allowed:
        for bucket in buckets:
            usage.add(bucket, day, allowed, lot.draft)


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
