"""Whose sandbox it is, and where its clock may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from creditbank.access.domain import Actor
from creditbank.errors import Refusal
from creditbank.sandbox.domain import AHEAD_MAX, ClockBackwards, ClockTooFar, check_travel, name_of

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def actor(client: int, provider: str | None) -> Actor:
    return Actor(UUID(int=client), provider, frozenset(), "provider", is_test=True)


def test_programs_of_one_provider_share_a_sandbox_and_nobody_else_does() -> None:
    first = name_of(actor(1, "cq/a"))
    assert name_of(actor(2, "cq/a")) == first
    others = [actor(1, "cq"), actor(1, "cq/a/b"), actor(1, None), actor(2, None)]
    assert len({first, *(name_of(other) for other in others)}) == 5


TRAVELS: dict[str, tuple[timedelta, timedelta, type[Refusal] | None]] = {
    "forward": (timedelta(0), timedelta(days=1), None),
    "nowhere": (timedelta(0), timedelta(0), None),
    "back": (timedelta(0), timedelta(seconds=-1), ClockBackwards),
    "as far as it goes": (timedelta(0), AHEAD_MAX, None),
    "further": (timedelta(0), AHEAD_MAX + timedelta(seconds=1), ClockTooFar),
    "further in two steps": (AHEAD_MAX, timedelta(seconds=1), ClockTooFar),
}


@pytest.mark.parametrize(("ahead", "by", "refused"), TRAVELS.values(), ids=TRAVELS)
def test_where_the_clock_may_go(ahead: timedelta, by: timedelta, refused: type[Refusal] | None) -> None:
    if refused is None:
        check_travel(NOW, NOW + by, ahead)
        return
    with pytest.raises(refused):
        check_travel(NOW, NOW + by, ahead)
