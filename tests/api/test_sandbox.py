"""Sandboxes: what a test credential opens, how its clock travels, and that nothing of it reaches the real books."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from creditbank.access.actions import ClientChange, add_key, change_client, revoke_key
from creditbank.access.domain import SCOPES, SYSTEM, PrintedKey
from creditbank.access.queries import find_client
from creditbank.app import NoRealBooks, create_app
from creditbank.database import schema
from creditbank.sandbox import dispatch
from tests.api.test_oauth import CONFIGURED, EC, FORM, ISSUER, PUBLIC, asserted, register, secretly
from tests.api.world import COLLEGE, RIVAL, SCHOOL, World, opened, statement
from tests.bank import document, granting, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON = {"type": "id_card", "value": "500103199001011232"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A bank with sandboxes, and clients that have test keys beside their live ones."""
    folder = tmp_path_factory.mktemp("sandboxes")
    async with opened(database_url, sandbox_folder=str(folder), **CONFIGURED) as served:
        await served.publish(document(granting("brief", kind="reading"), id_="brief", validity={"max": "P1Y"}))
        for name, provider in (("program", COLLEGE), ("second", COLLEGE), ("school", SCHOOL), ("far", RIVAL)):
            await served.let_in(name, provider, SCOPES)
        await served.let_in("desk", None, SCOPES)
        for name in ("program", "second", "school", "far", "desk"):
            async with served.database.write() as connection:
                key = await add_key(connection, UUID(served.ids[f"client_{name}"]), served.clock(), is_test=True)
            served.keys[f"{name} test"] = str(key)
        await register(served, "program", PUBLIC)
        yield served


class Caller:
    """A caller with some credential, who is told whether the sandbox answered."""

    def __init__(self, world: World, credential: str, app: Any = None) -> None:
        transport = httpx.ASGITransport(app or world.app)
        headers = {"Authorization": f"Bearer {credential}"}
        self.http = httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=headers)

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        assert answer.headers["sandbox"] == "true"
        return answer.json()

    async def record(self, external_id: str, **others: Any) -> Any:
        """Record an achievement of the person, who gets an account."""
        learner = {"learner": {"identity": PERSON}, "open_account": {"name": "张三"}}
        return await self.ok("POST", "/v1/achievements", {**statement(external_id), **learner, **others})


def caller(world: World, name: str) -> Caller:
    return Caller(world, world.keys[f"{name} test"])


async def test_what_is_done_with_a_test_key_is_done_elsewhere(world: World) -> None:
    before = await world.stored()
    made = await caller(world, "program").record("sandboxed")
    assert made["outcome"]["state"] == "recognised"
    learner = made["achievement"]["learner_id"]
    balance = await caller(world, "program").ok("GET", f"/v1/learners/{learner}/balance")
    assert balance["units"][0]["total"] == "3"

    assert await world.stored() == before
    # The same person and the same external id are strangers to each other on the two sides.
    live = await world.client("program").post(
        "/v1/achievements",
        json={**statement("sandboxed", credits="2"), "learner": {"identity": PERSON}},
    )
    assert live.status_code == 201, live.text
    assert "sandbox" not in live.headers
    assert live.json()["achievement"]["learner_id"] == world.ids["learner"] != learner
    assert (await world.client("program").get(f"/v1/learners/{learner}/balance")).status_code == 404
    assert (await caller(world, "program").http.get(f"/v1/learners/{world.ids['learner']}")).status_code == 404


async def test_a_sandbox_has_the_network_and_the_published_rules_and_nobody_in_it(world: World) -> None:
    inside = caller(world, "second")
    await inside.ok("POST", "/v1/sandbox/reset")
    codes = {p["code"] for p in (await inside.ok("GET", "/v1/providers"))["items"]}
    assert {COLLEGE, SCHOOL, RIVAL} <= codes
    sets = {s["code"] for s in (await inside.ok("GET", "/v1/rule-sets"))["items"]}
    assert "town" in sets
    assert not {"draft", "approved", "simulated"} & sets
    offered = await inside.ok("GET", "/v1/offerings")
    assert {o["id"] for o in offered["items"]} >= {world.ids["offering"]}


async def test_one_partner_does_not_disturb_another(world: World) -> None:
    names = ("program", "school", "far", "desk")
    for name in names:
        await caller(world, name).ok("POST", "/v1/sandbox/reset")
    made = await caller(world, "program").record("mine")
    at = f"/v1/achievements/{made['achievement']['id']}"

    # Programs of one provider share a sandbox; those of another, even below it, have their own.
    assert (await caller(world, "second").http.get(at)).status_code == 200
    for name in names[1:]:
        assert (await caller(world, name).http.get(at)).status_code == 404
    await caller(world, "far").ok("POST", "/v1/sandbox/reset")
    assert (await caller(world, "program").http.get(at)).status_code == 200
    await caller(world, "second").ok("POST", "/v1/sandbox/reset")
    assert (await caller(world, "program").http.get(at)).status_code == 404


async def test_the_clock_goes_forward_and_brings_what_time_brings(world: World) -> None:
    inside = caller(world, "desk")
    started = await inside.ok("POST", "/v1/sandbox/reset")
    to = world.clock.instant + timedelta(days=400)
    travelled = await inside.ok("POST", "/v1/sandbox/clock", {"to": to.isoformat()})
    assert travelled["is_settled"] is True
    assert travelled["now"][:10] == to.date().isoformat()
    assert travelled["made_at"] == started["made_at"]
    # What was yet to come is past there, and still to come in the real books.
    stated = statement("later", completed=(to - timedelta(days=10)).date().isoformat())
    learner = {"learner": {"identity": PERSON}, "open_account": {"name": "张三"}, "provider": COLLEGE}
    assert (await inside.http.post("/v1/achievements", json={**stated, **learner})).status_code == 201
    live = await world.client("desk").post("/v1/achievements", json={**stated, **learner})
    assert live.json()["code"] == "date_in_future"

    for wrong, code in (
        (world.clock.instant.isoformat(), "sandbox_clock_backwards"),
        ("2190-01-01T00:00:00Z", "sandbox_clock_too_far"),
        ("tomorrow", "invalid_request"),
        ("9999-12-31T23:59:00-08:00", "invalid_request"),
        ("0001-01-01T00:00:00+08:00", "invalid_request"),
        ("2030-01-01T00:00:00", "invalid_request"),
    ):
        refused = await inside.http.post("/v1/sandbox/clock", json={"to": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await inside.ok("POST", "/v1/sandbox/reset"))["now"][:10] == world.clock.instant.date().isoformat()


async def test_credits_expire_when_the_clock_passes_their_day(world: World) -> None:
    inside = caller(world, "program")
    await inside.ok("POST", "/v1/sandbox/reset")
    made = await inside.record("expiring", kind="reading")
    at = f"/v1/learners/{made['achievement']['learner_id']}/balance"

    async def states() -> Any:
        return (await inside.ok("GET", at))["units"][0]["by_state"]

    assert (await states())["available"] == "3"
    await inside.ok("POST", "/v1/sandbox/clock", {"to": "2026-01-19T00:00:00Z"})
    assert (await states())["available"] == "3"
    await inside.ok("POST", "/v1/sandbox/clock", {"to": "2026-01-20T00:00:00Z"})
    assert {name: amount for name, amount in (await states()).items() if amount != "0"} == {"expired": "3"}


CROSSWISE = ("POST /v1/clients", "GET /v1/clients", "GET /.well-known/jwks.json", "GET /v1/checkpoints")


async def test_keys_clients_and_what_the_bank_signs_are_not_in_a_sandbox(world: World) -> None:
    inside = caller(world, "desk")
    for request in CROSSWISE:
        method, path = request.split()
        answer = await inside.http.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
    # And a sandbox's own routes are not in the bank.
    for path in ("/v1/sandbox", "/v1/sandbox/reset"):
        assert (await world.client("desk").post(path)).status_code == 404
    described = await inside.ok("GET", "/openapi.json")
    assert "/v1/sandbox/clock" in described["paths"]


async def test_a_dead_test_key_opens_nothing(world: World) -> None:
    made_up = str(PrintedKey("0" * 12, "0" * 50, is_test=True))
    crossed = world.keys["program test"].replace("cb_test_", "cb_live_")
    for credential in (made_up, crossed, "cb_test_", world.keys["program"].replace("cb_live_", "cb_test_")):
        answer = await Caller(world, credential).http.get("/v1/sandbox")
        assert answer.status_code in {401, 404}
        answer = await Caller(world, credential).http.get("/v1/providers")
        assert (answer.status_code, answer.headers.get("sandbox")) == (401, None)

    await world.let_in("brief", COLLEGE, SCOPES)
    async with world.database.write() as connection:
        key = await add_key(connection, UUID(world.ids["client_brief"]), world.clock(), is_test=True)
    assert (await Caller(world, str(key)).http.get("/v1/providers")).status_code == 200
    async with world.database.write() as connection:
        await revoke_key(connection, key.id, world.clock())
    world.clock.turn(seconds=31)
    assert (await Caller(world, str(key)).http.get("/v1/providers")).status_code == 401


async def test_tokens_are_for_one_side_only(world: World) -> None:
    async def token(form: dict[str, Any]) -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url=ISSUER) as client:
            answer = await client.post("/oauth/token", data=form, headers=FORM)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    tests = {"client_secret": world.keys["program test"], "resource": f"{ISSUER}/sandbox"}
    for form, is_test in (
        (secretly(world), False),
        (secretly(world, **tests), True),
        (secretly(world, client_secret=tests["client_secret"]), True),
        (asserted(world, EC), False),
        (asserted(world, EC, form={"resource": tests["resource"]}), True),
    ):
        bearer = Caller(world, await token(form))
        answer = await bearer.http.get("/v1/providers")
        assert (answer.status_code, answer.headers.get("sandbox")) == (200, "true" if is_test else None)
        assert (await bearer.http.get("/v1/sandbox")).status_code == (200 if is_test else 404)
    bearer = Caller(world, await token(asserted(world, EC, form={"resource": tests["resource"]})))
    assert (await bearer.http.get("/v1/providers")).status_code == 200
    async with world.database.write() as connection:
        found = await find_client(connection, UUID(world.ids["client_program"]), lock=True)
        await change_client(connection, found, ClientChange(is_suspended=True), world.clock(), SYSTEM)
    world.clock.turn(seconds=31)
    answer = await bearer.http.get("/v1/providers")
    assert answer.status_code == 401
    async with world.database.write() as connection:
        found = await find_client(connection, UUID(world.ids["client_program"]), lock=True)
        await change_client(connection, found, ClientChange(is_suspended=False), world.clock(), SYSTEM)
    world.clock.turn(seconds=31)


async def test_only_one_process_serves_the_sandboxes(world: World) -> None:
    await caller(world, "far").ok("GET", "/v1/sandbox")
    settings = world.app.state.edge.settings
    other = create_app(settings, clock=world.clock)
    async with other.router.lifespan_context(other):
        answer = await Caller(world, world.keys["far test"], other).http.get("/v1/sandbox")
        assert (answer.status_code, answer.json()["code"]) == (503, "sandbox_elsewhere")
        assert answer.headers["retry-after"] == "30"
        assert answer.headers["x-request-id"] in answer.json()["instance"]
        live = await Caller(world, world.keys["far"], other).http.get("/v1/providers")
        assert live.status_code == 200
    without = create_app(settings_for(settings.database_url, worker=False, **CONFIGURED), clock=world.clock)
    async with without.router.lifespan_context(without):
        answer = await Caller(world, world.keys["far test"], without).http.get("/v1/providers")
        assert answer.status_code == 401


def _boxes(world: World) -> list[Any]:
    return list(world.app.state.sandboxes._open.values())


async def test_a_sandbox_is_no_bank(world: World) -> None:
    await caller(world, "far").ok("GET", "/v1/sandbox")
    (address,) = [box.app.state.edge.settings.database_url for box in _boxes(world)][:1]
    app = create_app(settings_for(address, worker=False))
    with pytest.raises(NoRealBooks):
        async with app.router.lifespan_context(app):
            raise AssertionError("it was served")
    await app.state.edge.database.close()


async def test_those_that_nobody_is_in_make_room_and_find_everything_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_OPEN_MAX", 1)
    await caller(world, "far").ok("POST", "/v1/sandbox/reset")
    to = world.clock.instant + timedelta(days=30)
    await caller(world, "far").ok("POST", "/v1/sandbox/clock", {"to": to.isoformat()})
    made = await caller(world, "far").record("kept")
    await caller(world, "school").ok("GET", "/v1/sandbox")

    assert (await caller(world, "far").ok("GET", "/v1/sandbox"))["now"][:10] == to.date().isoformat()
    await caller(world, "far").ok("GET", f"/v1/achievements/{made['achievement']['id']}")


async def test_a_folder_that_cannot_be_written_to_harms_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "copyfile", fail)
        answer = await caller(world, "far").http.post("/v1/sandbox/reset")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert (await world.client("far").get("/v1/providers")).status_code == 200
    await caller(world, "far").ok("POST", "/v1/sandbox/reset")


async def test_many_come_at_once_while_it_is_reset(world: World) -> None:
    inside = caller(world, "school")
    asked = [inside.http.get("/v1/sandbox") for _ in range(8)]
    resets = [inside.http.post("/v1/sandbox/reset") for _ in range(2)]
    answers = await asyncio.gather(*asked, *resets, inside.http.get("/v1/providers"))
    assert {answer.status_code for answer in answers} == {200}


async def test_partners_who_all_come_first_each_find_a_sandbox(world: World, tmp_path: Path) -> None:
    fresh = create_app(
        settings_for(world.app.state.edge.settings.database_url, sandbox_folder=str(tmp_path), **CONFIGURED),
        clock=world.clock,
    )
    (tmp_path / "template-cut.part").write_bytes(b"what a killed process left")
    names = ("program", "school", "far", "desk")
    async with fresh.router.lifespan_context(fresh):
        asked = [Caller(world, world.keys[f"{name} test"], fresh).http.get("/v1/sandbox") for name in names]
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * len(names)
    assert not [name for name in os.listdir(tmp_path) if ".part" in name]


async def test_a_sandbox_is_migrated_when_it_is_behind_and_not_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated: list[str] = []

    def set_version(url: str, version: str) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))) as file, file:
            file.execute("update alembic_version set version_num = ?", (version,))

    def upgrade(url: str) -> None:
        migrated.append(url)
        set_version(url, schema.head())

    async def open_again() -> None:
        await world.app.state.sandboxes.close()
        await caller(world, "far").ok("GET", "/v1/sandbox")

    await open_again()
    (address,) = [box.app.state.edge.settings.database_url for box in _boxes(world)]
    monkeypatch.setattr(schema, "upgrade", upgrade)
    await open_again()
    assert migrated == []
    await world.app.state.sandboxes.close()
    set_version(address, "behind")
    await open_again()
    assert migrated == [address]


async def test_a_sandbox_is_not_begun_anew_without_end_and_a_reset_lets_nobody_come_more_often(
    world: World, tmp_path: Path
) -> None:
    url = world.app.state.edge.settings.database_url
    others = {"sandbox_folder": str(tmp_path), "rate_reset_per_hour": 2, "rate_client_per_minute": 6, **CONFIGURED}
    counted = create_app(settings_for(url, **others), clock=world.clock)
    async with counted.router.lifespan_context(counted):
        http, neighbour = (Caller(world, world.keys[f"{name} test"], counted).http for name in ("far", "school"))
        answers = [await http.post("/v1/sandbox/reset") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[1].headers["ratelimit-policy"] == '"reset";q=2;w=3600, "client";q=6;w=60'
        assert (answers[2].json()["code"], answers[2].headers["retry-after"]) == ("too_many_requests", "1800")
        assert (await neighbour.post("/v1/sandbox/reset")).status_code == 200

        assert [(await http.get("/v1/sandbox")).status_code for _ in range(4)] == [200] * 4
        to = (world.clock.instant + timedelta(days=1)).isoformat()
        assert (await http.post("/v1/sandbox/clock", json={"to": to})).status_code == 429
        world.clock.turn(seconds=1800)
        assert (await http.post("/v1/sandbox/reset")).status_code == 200
