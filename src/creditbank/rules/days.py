"""Durations and the periods of calendars (rules/v1 sections 2 and 4)."""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta
from functools import lru_cache
from typing import Final

_DURATION: Final = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """Years and months, which keep the day and clip to the month's end, then days."""

    months: int
    days: int
    text: str

    def after(self, day: date) -> date:
        """The day that lies this long after ``day``; the last day of all when there is none."""
        count = day.year * 12 + day.month - 1 + self.months
        year, month = count // 12, count % 12 + 1
        if year > MAXYEAR:
            return date.max
        clipped = date(year, month, min(day.day, monthrange(year, month)[1]))
        return clipped + timedelta(days=min(self.days, (date.max - clipped).days))


@lru_cache(maxsize=1024)
def read_duration(text: str) -> Duration:
    """Read ``P[nY][nM][nD]``. Raises ValueError for anything else."""
    found = _DURATION.fullmatch(text)
    if not found or text == "P":
        raise ValueError(f"not a duration: {text!r}")
    years, months, days = (int(part or 0) for part in found.groups())
    return Duration(years * 12 + months, days, text)


@dataclass(frozen=True, slots=True)
class Periods:
    """A calendar: every year each start begins a period that lasts until the next."""

    starts: tuple[tuple[int, int], ...]

    def start_of(self, day: date) -> date:
        """The first day of the period that holds ``day``."""
        place = bisect_right(self.starts, (day.month, day.day))
        if place:
            month, first = self.starts[place - 1]
            return date(day.year, month, first)
        if day.year == 1:
            return date.min
        month, first = self.starts[-1]
        return date(day.year - 1, month, first)


def read_starts(starts: Sequence[str]) -> Periods:
    """The periods of a calendar whose starts are written ``MM-DD``."""
    return Periods(tuple((int(start[:2]), int(start[3:])) for start in starts))
