"""One served bank a module and database: making one costs more than most of these tests do."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.world import World, opened
from tests.conftest import chosen_engines
from tests.postgres import EmbeddedPostgres


@pytest.fixture(scope="module", params=chosen_engines())
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh migrated database that the tests of a module share."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        file = tmp_path_factory.mktemp("api") / "creditbank.sqlite"
        shutil.copyfile(template, file)
        yield f"sqlite+aiosqlite:///{file}"
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    name = f"api_{os.urandom(6).hex()}"
    yield server.create_database(name, request.getfixturevalue("postgres_template"))
    server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """The bank that the tests of a module share."""
    async with opened(database_url) as served:
        yield served
