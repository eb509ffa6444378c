"""A bank with somebody who has two accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from creditbank.merges.queries import verify_merges
from tests.api import conftest
from tests.api.test_merges import train
from tests.api.world import World, opened
from tests.conversions.desk import CERTIFICATE, let_in, only, verified

database_url = conftest.database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college counts trainings, three credits of which make a certificate."""
    async with opened(database_url) as served:
        await let_in(served)
        await only(served, CERTIFICATE)
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def twice(world: World) -> AsyncIterator[tuple[str, str]]:
    """Somebody with two accounts: one with a training of 2 credits, one with trainings of 1 and 3."""
    stays, goes = await world.open(world.fresh("Li")), await world.open(world.fresh("Li"))
    await train(world, stays, "2")
    await train(world, goes, "1")
    await train(world, goes, "3")
    yield stays, goes
    await verified(world)
    async with world.database.read() as connection:
        assert await verify_merges(connection) == []
