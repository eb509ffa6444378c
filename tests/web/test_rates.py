"""How often a caller may come: the bucket, its levels, and who counts as one caller."""

from __future__ import annotations

from datetime import timedelta

import pytest

from creditbank.web import rates
from creditbank.web.rates import Level, Meter, origin_of
from tests.bank import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still."""
    return HandClock(tick=timedelta())


def levels(meter: Meter, times: int, caller: str = "a") -> list[tuple[bool, int, int]]:
    found = [meter.take(caller) for _ in range(times)]
    return [(level.is_admitted, level.left, level.seconds) for level in found]


def test_a_bucket_is_emptied_and_fills_again(clock: HandClock) -> None:
    meter = Meter(6, 1, clock)

    assert levels(meter, 7) == [
        (True, 5, 10), (True, 4, 20), (True, 3, 30), (True, 2, 40), (True, 1, 50), (True, 0, 60), (False, 0, 10),
    ]  # fmt: skip
    clock.turn(seconds=9)
    assert levels(meter, 1) == [(False, 0, 1)]
    clock.turn(seconds=1)
    assert levels(meter, 2) == [(True, 0, 60), (False, 0, 10)]
    clock.turn(seconds=60)
    assert levels(meter, 1) == [(True, 5, 10)]


def test_asking_while_empty_does_not_make_the_wait_longer(clock: HandClock) -> None:
    meter = Meter(1, 1, clock)
    levels(meter, 100)
    clock.turn(seconds=60)
    assert levels(meter, 1) == [(True, 0, 60)]


def test_each_caller_has_a_bucket_of_its_own(clock: HandClock) -> None:
    meter = Meter(1, 1, clock)
    assert [meter.take(caller).is_admitted for caller in "aabb"] == [True, False, True, False]


@pytest.mark.parametrize(("amount", "processes", "admitted"), [(6, 1, 6), (6, 2, 3), (7, 2, 3), (1, 4, 1)])
def test_a_process_allows_its_share_and_never_nothing(
    amount: int, processes: int, admitted: int, clock: HandClock
) -> None:
    meter = Meter(amount, processes, clock)
    assert sum(meter.take("a").is_admitted for _ in range(20)) == admitted


def test_whether_a_bucket_is_empty_is_seen_without_taking(clock: HandClock) -> None:
    meter = Meter(2, 1, clock)
    seen = []
    for _ in range(3):
        seen.append((meter.is_empty("a"), meter.is_empty("a"), meter.take("a").is_admitted))
    assert seen == [(False, False, True), (False, False, True), (True, True, False)]
    clock.turn(seconds=30)
    assert not meter.is_empty("a")


def test_a_clock_set_back_keeps_nobody_out_for_ever(clock: HandClock) -> None:
    meter = Meter(1, 1, clock)
    levels(meter, 1)
    clock.turn(days=-1)
    assert levels(meter, 1) == [(False, 0, 60)]
    clock.turn(seconds=60)
    assert not meter.is_empty("a")


def test_made_up_callers_do_not_fill_the_memory(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_CALLERS_MAX", 10)
    meter = Meter(60, 1, clock)
    levels(meter, 59, "busy")
    for number in range(100):
        meter.take(number)
        assert len(meter._full_at) <= 10
    # Whoever has come most is remembered longest.
    assert meter.take("busy") == Level(True, 0, 60)
    assert not meter.take("busy").is_admitted


ORIGINS = {
    "an IPv4 address": ("192.0.2.7", "192.0.2.7"),
    "one IPv6 address of a network": ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    "another of the same": ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
    "with a zone": ("fe80::1%eth0", "fe80::/64"),
    "a socket": ("unix:/run/x", "unix:/run/x"),
    "nothing": (None, "unknown"),
}


@pytest.mark.parametrize(("address", "origin"), ORIGINS.values(), ids=ORIGINS)
def test_where_a_caller_comes_from(address: str | None, origin: str) -> None:
    assert origin_of(address) == origin


def test_a_window_may_be_an_hour(clock: HandClock) -> None:
    meter = Meter(2, 1, clock, window=3600)
    assert levels(meter, 3) == [(True, 1, 1800), (True, 0, 3600), (False, 0, 1800)]
    clock.turn(seconds=1799)
    assert levels(meter, 1) == [(False, 0, 1)]
    clock.turn(seconds=1)
    assert levels(meter, 1) == [(True, 0, 3600)]
