"""A served bank for each test: what is redeemed can be told apart only where nobody else redeems."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.api.world import World, opened
from tests.conversions.desk import let_in


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank with the clients of a college, of another, and of the bank itself."""
    async with opened(database_url) as served:
        await let_in(served)
        yield served
