"""What the stories share: a served bank on a fresh database, and a proof of it at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from tests.api.world import World, opened


@asynccontextmanager
async def told(url: str) -> AsyncIterator[World]:
    """A bank in which a story happens; afterwards every learner is recomputed from the facts, and nothing is found."""
    async with opened(url) as world:
        yield world
        edge = world.app.state.edge
        pages = [
            page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())
        ]
        assert [finding for page in pages for finding in page.findings] == []


async def ask(world: World, by: str, request: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    """Ask for something; answers the JSON of the answer, whose status must be this one."""
    answer = await world.send(by, request, body, {name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == status, answer.text
    return answer.json()


async def transcript(world: World, learner: str) -> Any:
    """The learner's transcript."""
    return await ask(world, "bank", f"GET /v1/learners/{learner}/transcript")


def worth(shown: Any) -> dict[str, str]:
    """What a transcript's achievements are worth now, by their code; what gives nothing is left out."""
    return {
        line["code"]: credit["credits"]
        for line in shown["achievements"]
        for credit in line["recognised"]
        if credit["credits"] != "0"
    }
