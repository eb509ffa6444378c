"""When somebody else holds what is needed for too long, nothing is stored and the caller is told to come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select

from creditbank.access.queries import find_key
from creditbank.database import engine
from creditbank.database.statements import insert_new
from creditbank.learners.tables import learners
from creditbank.web.idempotency import Answer, Attempt, to_row
from creditbank.web.tables import idempotency_records
from tests.api.world import World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that waits for locks for a moment only."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer, and whoever else would write waits for the connection")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "LOCK_WAIT_SECONDS", 0.2)
        async with opened(database_url) as served:
            yield served


@pytest.mark.parametrize("path", ["/v1/learners", "/v1/achievements", "/v1/achievements/batch"])
async def test_key_that_another_request_holds_is_in_flight(path: str, world: World) -> None:
    key = world.fresh("held")
    body: Any = {"name": "A"} if path.endswith("learners") else world.statement()
    body = [body] if path.endswith("batch") else body
    edge = world.app.state.edge
    stored = await world.stored()
    async with world.database.write() as connection:
        client = await find_key(connection, world.keys["partner"].split("_")[2])
        assert client is not None
        name = edge.vault.lookup_key("idempotency", str(client.standing.actor.client_id), key)
        await insert_new(connection, idempotency_records, [to_row(Attempt(name, b"x"), Answer(0, b""), edge.clock())])

        answer = await world.send("partner", f"POST {path}", body, {"Idempotency-Key": key})

        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_flight")
        await connection.rollback()
    assert await world.stored() == stored
    assert (await world.send("partner", f"POST {path}", body, {"Idempotency-Key": key})).is_success


@pytest.mark.parametrize("what", ["a change", "an achievement", "a batch"])
async def test_learner_whom_somebody_else_holds_is_too_busy(what: str, world: World) -> None:
    learner = await world.open()
    request, body = {
        "a change": (f"PATCH /v1/learners/{learner}", {"region": "50"}),
        "an achievement": ("POST /v1/achievements", world.statement(learner)),
        "a batch": ("POST /v1/achievements/batch", [world.statement(learner)]),
    }[what]
    stored = await world.stored()
    async with world.database.write() as connection:
        await connection.execute(select(learners).where(learners.c.id == UUID(learner)).with_for_update())

        answer = await world.send("partner", request, body, {"If-Match": "*"})

        assert (answer.status_code, answer.json()["code"]) == (503, "too_busy")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-request-id"] == answer.json()["instance"].removeprefix("urn:request:")
    assert await world.stored() == stored
    assert (await world.send("partner", request, body, {"If-Match": "*"})).is_success
