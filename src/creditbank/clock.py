"""Where time comes from: one place, handed to whoever acts, so that tests and proofs can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = range(1900, 9000)

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present instant, UTC, to the microsecond."""
    return datetime.now(UTC)


def rising(now: datetime, last: datetime | None) -> datetime:
    """An instant not before ``now`` and strictly after ``last``: the order of one learner's records never ties."""
    return now if last is None or now > last else last + timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """The instant as whole microseconds since 1970, exactly: the form in which instants enter a hash."""
    gap = instant - _EPOCH
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def instant_of(microseconds_: int) -> datetime:
    """The instant so many microseconds after 1970. Raises ValueError beyond the calendar."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds_)
    except OverflowError as beyond:
        raise ValueError(microseconds_) from beyond


def is_within_time(instant: datetime) -> bool:
    """Whether the instant has a day in every zone: at the ends of the calendar it has none, and no arithmetic."""
    return instant.year in _YEARS


def learning_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of learning that an instant falls on, in the bank's own time zone."""
    return instant.astimezone(zone).date()
