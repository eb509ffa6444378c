"""A bank with partners who listen, and what the tests of webhooks do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest_asyncio

from creditbank.web.edge import Edge
from creditbank.web.metrics import Metrics
from creditbank.webhooks.courier import Courier
from creditbank.webhooks.sending import Sender
from creditbank.worker import build_courier
from tests.api.conftest import database_url
from tests.api.world import World, opened
from tests.webhooks.receivers import NETWORKS, Receiver

__all__ = ["ALL", "Desk", "database_url", "desk", "listening"]

ALL = ["achievement.recorded", "achievement.amended", "achievement.revoked", "credits.changed"]


class Desk:
    """A world, and short words for what tests of webhooks do with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.made: list[tuple[str, str]] = []
        self.courier = self.another_courier()

    def another_courier(self) -> Courier:
        """Whoever carries events here, as another process would have one."""
        edge: Edge = self.world.app.state.edge
        return build_courier(edge.settings, edge.database, edge.vault, self.world.clock, Metrics())

    async def listen(
        self, receiver: Receiver | str, *types: str, by: str = "partner", **others: Any
    ) -> tuple[str, str]:
        """Make a webhook; answers its address in the API and its secret."""
        url = receiver if isinstance(receiver, str) else receiver.url
        asked = {"url": url, "types": list(types or ALL), **others}
        answer = await self.world.client(by).post("/v1/webhooks", json=asked)
        assert answer.status_code == 201, answer.text
        at = str(answer.headers["location"])
        self.made.append((at, by))
        return at, str(answer.json()["secret"])

    async def close(self) -> None:
        """Let every webhook go that was made here, so that the next test is alone."""
        for at, by in self.made:
            assert (await self.world.client(by).delete(at)).status_code in {204, 404}

    async def carry(self) -> int:
        """Carry what is due now."""
        return await self.courier.run_until_done()

    async def deliveries(self, at: str, by: str = "partner", **asked: Any) -> list[dict[str, Any]]:
        """What was sent or is to be sent, the latest first."""
        answer = await self.world.client(by).get(f"{at}/deliveries", params=asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def read(self, at: str, by: str = "partner") -> dict[str, Any]:
        """A webhook as it stands."""
        found: dict[str, Any] = (await self.world.client(by).get(at)).json()
        return found

    def set_sender(self, **others: Any) -> None:
        """Let the courier send otherwise than it would."""
        sender: Sender = self.courier._sender
        self.courier._sender = replace(sender, **others)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening(database_url: str) -> AsyncIterator[World]:
    """A bank whose receivers are on this machine."""
    async with opened(database_url, webhook_networks=NETWORKS, webhook_seconds=1) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def desk(listening: World) -> AsyncIterator[Desk]:
    """The bank, with webhooks of one's own only."""
    desk = Desk(listening)
    yield desk
    await desk.close()
