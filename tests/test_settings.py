"""Settings by themselves: where a database is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bank import settings_for


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite+aiosqlite:////srv/live.sqlite", "sqlite:/srv/live.sqlite"),
        ("sqlite+aiosqlite:///live.sqlite", f"sqlite:{Path.cwd() / 'live.sqlite'}"),
        ("sqlite+aiosqlite:///one/../live.sqlite", f"sqlite:{Path.cwd() / 'live.sqlite'}"),
        ("postgresql+asyncpg://li:wei@db:5433/bank", "postgresql://db:5433/bank"),
        ("postgresql+asyncpg://another@db:5433/bank?ssl=require&password=wei", "postgresql://db:5433/bank"),
        ("postgresql+asyncpg://li:wei@/bank?host=/run/live", "postgresql:///bank?host=%2Frun%2Flive"),
    ],
)
def test_a_database_is_where_it_is_whoever_asks_it(url: str, place: str) -> None:
    assert settings_for(url).database_place == place
