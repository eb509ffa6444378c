"""Instants rise, days are those of the bank's own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from creditbank.clock import is_within_time, learning_day, microseconds, rising, system_clock

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
RISING = [
    (NOON, None, NOON),
    (NOON, NOON - TICK, NOON),
    (NOON, NOON, NOON + TICK),
    (NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1) + TICK),
]


@pytest.mark.parametrize(("now", "last", "expected"), RISING)
def test_a_record_is_after_the_one_before_it(now: datetime, last: datetime | None, expected: datetime) -> None:
    assert rising(now, last) == expected


def test_microseconds_are_exact_where_a_float_is_not() -> None:
    assert microseconds(datetime(2025, 3, 1, 4, 0, 0, 123457, tzinfo=UTC)) == 1740801600123457
    assert microseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert microseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1
    assert microseconds(datetime(2025, 3, 1, 12, tzinfo=ZoneInfo("Asia/Shanghai"))) == 1740801600000000


DAYS = [
    ("2025-03-01T15:59:59+00:00", "Asia/Shanghai", date(2025, 3, 1)),
    ("2025-03-01T16:00:00+00:00", "Asia/Shanghai", date(2025, 3, 2)),
    ("2025-03-01T16:00:00+00:00", "UTC", date(2025, 3, 1)),
    ("2025-03-01T04:59:00+00:00", "America/New_York", date(2025, 2, 28)),
]


@pytest.mark.parametrize(("instant", "zone", "day"), DAYS)
def test_a_day_of_learning_is_that_of_the_zone(instant: str, zone: str, day: date) -> None:
    assert learning_day(datetime.fromisoformat(instant), ZoneInfo(zone)) == day


def test_the_system_clock_is_aware() -> None:
    assert system_clock().utcoffset() == timedelta(0)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_an_instant_within_time_has_a_day_in_every_zone(zone: str) -> None:
    for text in ("1900-01-01T00:00:00+14:00", "8999-12-31T23:59:59-12:00"):
        assert is_within_time(datetime.fromisoformat(text))
        learning_day(datetime.fromisoformat(text), ZoneInfo(zone))
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-08:00"):
        assert not is_within_time(datetime.fromisoformat(text))
