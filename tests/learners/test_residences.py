"""Where learners lived before the bank kept a history of it becomes the beginning of that history."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, Uuid, insert, text

from creditbank.database.engine import Database
from creditbank.database.metadata import Instant
from creditbank.database.schema import upgrade
from creditbank.identifiers import new_id
from creditbank.learners.domain import Residence
from creditbank.learners.queries import residences_of
from tests.conftest import chosen_engines
from tests.postgres import EmbeddedPostgres

OPENED = datetime(2024, 5, 1, tzinfo=UTC)
FORMER = Table(
    "learners",
    MetaData(),
    Column("id", Uuid),
    Column("profile", LargeBinary),
    Column("region", Text),
    Column("head", LargeBinary),
    Column("recorded_at", Instant),
    Column("created_at", Instant),
    Column("revision"),
    Column("seq"),
)


@pytest.fixture(params=chosen_engines())
def former_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database as it was before there was a history."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'former.sqlite'}"
        upgrade(url, "0005")
        yield url
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    name = f"former_{os.urandom(6).hex()}"
    url = server.create_database(name)
    upgrade(url, "0005")
    yield url
    server.drop_database(name)


def test_a_region_becomes_a_residence_since_nobody_knows_when(former_url: str) -> None:
    somewhere, nowhere = new_id(), new_id()

    async def run() -> None:
        database = Database(former_url)
        row = {"profile": b"", "head": bytes(32), "recorded_at": OPENED, "created_at": OPENED, "revision": 1, "seq": 0}
        async with database.write() as connection:
            await connection.execute(insert(FORMER), [{"id": somewhere, "region": "500103", **row}])
            await connection.execute(insert(FORMER), [{"id": nowhere, "region": None, **row}])
        await database.close()
        await asyncio.to_thread(upgrade, former_url)
        database = Database(former_url)
        async with database.snapshot() as connection:
            assert await residences_of(connection, somewhere) == [Residence("500103", None)]
            assert await residences_of(connection, nowhere) == []
            count = await connection.execute(text("select count(*) from learners"))
            assert count.scalar_one() == 2
        await database.close()

    asyncio.run(run())
