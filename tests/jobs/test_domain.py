"""When a job that failed comes again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from creditbank.jobs.domain import ATTEMPTS_MAX, next_try

NOW = datetime(2025, 3, 1, tzinfo=UTC)
SECONDS = {0: 2, 1: 2, 2: 4, 3: 8, 4: 16, 7: 128}


@pytest.mark.parametrize(("attempts", "seconds"), SECONDS.items())
def test_each_time_it_waits_longer(attempts: int, seconds: int) -> None:
    assert next_try(attempts, NOW) == NOW + timedelta(seconds=seconds)


def test_at_last_it_is_given_up() -> None:
    assert next_try(ATTEMPTS_MAX, NOW) is None
