"""Whether the process lives, whether it can work, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.app import SchemaBehind, create_app
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.web import health
from tests.api.world import World
from tests.bank import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_living_process_says_so_and_a_ready_one_names_its_schema(world: World) -> None:
    assert (await world.send("nobody", "GET /livez")).json() == {"status": "ok"}
    assert (await world.send("nobody", "GET /readyz")).json() == {"status": "ok", "schema": schema.head()}


@asynccontextmanager
async def _gone(_: Database) -> AsyncIterator[AsyncConnection]:
    raise OperationalError("select 1", {}, OSError("connection refused"))
    yield


@asynccontextmanager
async def _hanging(_: Database) -> AsyncIterator[AsyncConnection]:
    never: asyncio.Future[AsyncConnection] = asyncio.get_running_loop().create_future()
    yield await never


@pytest.mark.parametrize("read", [_gone, _hanging], ids=["gone", "hanging"])
async def test_without_its_database_it_lives_but_is_not_ready(
    read: object, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "read", read)
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.01)
    answer = await world.send("nobody", "GET /readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "2"
    assert (await world.send("nobody", "GET /livez")).status_code == 200


async def test_with_another_schema_it_is_not_ready_and_does_not_start(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "head", lambda: "9999")
    assert (await world.send("nobody", "GET /readyz")).json()["code"] == "not_ready"
    app = create_app(settings_for(database_url, worker=False))
    with pytest.raises(SchemaBehind):
        async with app.router.lifespan_context(app):
            pass
    await app.state.edge.database.close()


async def test_figures_count_by_route_and_never_by_path(world: World) -> None:
    for path in ("/v1/learners/@learner", "/v1/learners/@learner", "/v1/nothing/13900001111"):
        await world.send("bank", f"GET {path}")
    await world.record(world.ids["learner"])
    answer = await world.send("nobody", "GET /metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    seen = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["creditbank_http_request_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert seen["/v1/learners/{id}", "200"] >= 2
    assert seen["none", "404"] >= 1
    assert not any("13900001111" in route for route, _ in seen)
    assert world.ids["learner"] not in answer.text
    (groups,) = [s for s in families["creditbank_commit_group_size"].samples if s.name.endswith("_count")]
    assert groups.value >= 1
    active = families["creditbank_http_requests_active"].samples[0]
    assert active.value == 1, "the request that asks"


async def test_figures_are_nowhere_where_the_operator_does_not_want_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = world.app.state.edge
    quiet = replace(edge, settings=edge.settings.model_copy(update={"metrics": False}))
    monkeypatch.setitem(world.app.state._state, "edge", quiet)
    answer = await world.send("nobody", "GET /metrics")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")


async def test_too_many_waiting_is_answered_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    edge = world.app.state.edge
    settings = edge.settings.model_copy(update={"gather_waiting_max": 1})
    monkeypatch.setattr(world.app.state.gathering, "_edge", replace(edge, settings=settings))
    answers = await asyncio.gather(
        *[world.send("partner", "POST /v1/achievements", world.statement()) for _ in range(20)]
    )
    statuses = sorted(a.status_code for a in answers)
    assert set(statuses) == {201, 503}
    busy = [a for a in answers if a.status_code == 503]
    assert {(a.json()["code"], a.headers["retry-after"]) for a in busy} == {("too_busy", "1")}
