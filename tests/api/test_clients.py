"""Programs are let in and out over the API, and nobody gives what they do not have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from sqlalchemy import select

from creditbank.access.domain import SCOPES, PrintedKey
from creditbank.access.tables import audit_events
from creditbank.app import create_app
from creditbank.web.tables import idempotency_records
from tests.api.world import COLLEGE, RIVAL, SCHOOL, World, opened
from tests.bank import HandClock, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN_SCOPES = ("achievements:write", "clients:read", "clients:write", "ledger:read")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college has an administrator of its own, and programs above and below it."""
    async with opened(database_url) as served:
        await served.let_in("admin", COLLEGE, ADMIN_SCOPES)
        await served.let_in("reading admin", COLLEGE, ("clients:read",))
        await served.let_in("school", SCHOOL, ("achievements:write",))
        await served.let_in("registrar", COLLEGE, ("achievements:write", "rules:write"))
        await served.let_in("network", "cq", ("achievements:write",))
        yield served


def wanted(**others: Any) -> dict[str, Any]:
    return {"name": "desk", "scopes": ["achievements:write"], **others}


def caller(world: World, key: str, app: Any = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app or world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://b", headers={"Authorization": f"Bearer {key}"})


async def create(world: World, by: str = "admin", **others: Any) -> tuple[str, str]:
    """Let a program in over the API; answers its id and its key."""
    answer = await world.client(by).post("/v1/clients", json=wanted(**others))
    assert answer.status_code == 201, answer.text
    return answer.json()["client"]["id"], answer.json()["key"]["key"]


# --- What may be given ------------------------------------------------------------------------------------------------

# By what is tried: who, the body, the answer.
CREATED: Mapping[str, tuple[str, dict[str, Any], int, str | None]] = {
    "one's own scopes, for oneself": ("admin", wanted(), 201, None),
    "for a school below": ("admin", wanted(provider=SCHOOL), 201, None),
    "as far assured as oneself": ("admin", wanted(assurance="verified"), 201, None),
    "a scope one lacks": ("admin", wanted(scopes=["rules:write"]), 403, "scope_not_held"),
    "a scope one lacks among others": ("admin", wanted(scopes=["ledger:read", "audit:read"]), 403, "scope_not_held"),
    "more assured than oneself": ("admin", wanted(assurance="signed"), 403, "assurance_not_held"),
    "for the provider above": ("admin", wanted(provider="cq"), 403, "provider_not_held"),
    "for a neighbour": ("admin", wanted(provider=RIVAL), 403, "provider_not_held"),
    "for one whose name only begins alike": ("admin", wanted(provider=f"{COLLEGE}x"), 403, "provider_not_held"),
    "for nobody that is there": ("admin", wanted(provider=f"{COLLEGE}/none"), 422, "client_provider_unknown"),
    "no scope that there is": ("admin", wanted(scopes=["everything"]), 422, "unknown_scope"),
    "no network": ("admin", wanted(networks=["192.0.2.0/24", "here"]), 422, "network_malformed"),
    "a network with bits beyond its length": ("admin", wanted(networks=["192.0.2.1/24"]), 422, "network_malformed"),
    "no kind": ("admin", wanted(kind="demo"), 422, "invalid_request"),
    "days below one": ("admin", wanted(days=0), 422, "invalid_request"),
    "without the scope to": ("reading admin", wanted(), 403, "missing_scope"),
    "by the bank for anybody": ("bank", wanted(provider=RIVAL, scopes=list(SCOPES)), 201, None),
    "by the bank for itself": ("bank", wanted(assurance="verified"), 201, None),
    "by the bank more assured than its own client": ("bank", wanted(assurance="signed"), 403, "assurance_not_held"),
}


@pytest.mark.parametrize(("by", "body", "status", "code"), CREATED.values(), ids=CREATED)
async def test_a_program_is_let_in(by: str, body: dict[str, Any], status: int, code: str | None, world: World) -> None:
    before = await world.stored()
    answer = await world.client(by).post("/v1/clients", json=body)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    if status != 201:
        assert await world.stored() == before
    else:
        made = answer.json()["client"]
        own = None if by == "bank" else COLLEGE
        assert (made["provider"], made["scopes"]) == (body.get("provider", own), sorted(body["scopes"]))


GOVERNED: Mapping[str, tuple[str, str, dict[str, Any] | None, int, str | None]] = {
    "a key for a program below": ("POST", "school/keys", {}, 201, None),
    "a key for oneself": ("POST", "admin/keys", {"kind": "test"}, 201, None),
    "a key for a program with more scopes": ("POST", "registrar/keys", {}, 403, "scope_not_held"),
    "a key for the provider above": ("POST", "network/keys", {}, 404, "client_not_found"),
    "a key for the bank": ("POST", "bank/keys", {}, 404, "client_not_found"),
    "scopes one has": ("PATCH", "school", {"scopes": ["achievements:write", "ledger:read"]}, 200, None),
    "scopes one lacks": ("PATCH", "school", {"scopes": ["rules:write"]}, 403, "scope_not_held"),
    "more scopes for oneself": ("PATCH", "admin", {"scopes": [*ADMIN_SCOPES, "rules:write"]}, 403, "scope_not_held"),
    "fewer scopes for a stronger program": ("PATCH", "registrar", {"scopes": []}, 403, "scope_not_held"),
    "everywhere for a stronger program": ("PATCH", "registrar", {"networks": []}, 403, "scope_not_held"),
    "suspending a stronger program": ("PATCH", "registrar", {"suspended": True}, 200, None),
    "and taking it in again": ("PATCH", "registrar", {"suspended": False}, 403, "scope_not_held"),
    "revoking a stronger program's key": ("DELETE", "registrar/keys/@key_registrar", None, 200, None),
    "and again": ("DELETE", "registrar/keys/@key_registrar", None, 404, "key_not_found"),
    "revoking another's key by way of one's own": ("DELETE", "school/keys/@key_rival", None, 404, "key_not_found"),
    "reading a program above": ("GET", "network", None, 404, "client_not_found"),
    "reading a program below": ("GET", "school", None, 200, None),
    "reading nobody": ("GET", "nowhere", None, 404, "client_not_found"),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), GOVERNED.values(), ids=GOVERNED)
async def test_a_program_is_governed(
    method: str, path: str, body: dict[str, Any] | None, status: int, code: str | None, world: World
) -> None:
    named = "@nowhere" if path == "nowhere" else f"@client_{path}"
    answer = await world.send("admin", f"{method} /v1/clients/{named}", body, {"If-Match": "*"})
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code


async def test_an_administrator_lists_those_of_its_subtree_only(world: World) -> None:
    async def listed(by: str) -> set[str]:
        found, cursor = set(), ""
        while True:
            page = (await world.client(by).get(f"/v1/clients?limit=3{cursor}")).json()
            found |= {client["id"] for client in page["items"]}
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    seen, all_ = await listed("admin"), await listed("bank")
    assert {world.ids[f"client_{name}"] for name in ("admin", "school", "registrar", "partner")} <= seen
    assert not {world.ids[f"client_{name}"] for name in ("network", "rival", "bank")} & seen
    assert {world.ids[f"client_{name}"] for name in ("network", "rival", "bank", "school")} <= all_


# --- Keys -------------------------------------------------------------------------------------------------------------


async def test_two_keys_live_at_once_and_a_third_is_refused(world: World) -> None:
    client, first = await create(world)
    at = f"/v1/clients/{client}/keys"
    second = await world.client("admin").post(at, json={})
    third = await world.client("admin").post(at, json={})
    assert (second.status_code, third.status_code, third.json()["code"]) == (201, 409, "too_many_keys")
    # Those of the sandbox are counted apart.
    assert (await world.client("admin").post(at, json={"kind": "test"})).status_code == 201

    for key in (first, second.json()["key"]):
        assert (await caller(world, key).post("/v1/achievements", content=b"{")).status_code == 400
    old = PrintedKey.parse(first)
    assert old is not None
    assert (await world.client("admin").delete(f"{at}/{old.id}")).status_code == 200
    assert (await world.client("admin").post(at, json={"days": 1})).status_code == 201
    # An expired key makes room as well.
    world.clock.turn(days=2)
    assert (await world.client("admin").post(at, json={})).status_code == 201


async def test_a_key_is_shown_once_and_kept_nowhere(world: World) -> None:
    headers = {"Idempotency-Key": "made-once"}
    first = await world.client("admin").post("/v1/clients", json=wanted(name="once"), headers=headers)
    again = await world.client("admin").post("/v1/clients", json=wanted(name="once"), headers=headers)

    assert first.json()["client"]["id"] == again.json()["client"]["id"]
    assert (again.json()["key"]["key"], again.headers["idempotent-replayed"]) == (None, "true")
    printed = first.json()["key"]["key"]
    key = PrintedKey.parse(printed)
    assert key is not None
    shown = await world.client("admin").get(f"/v1/clients/{first.json()['client']['id']}")
    assert key.id in shown.text
    assert key.secret not in shown.text
    async with world.database.read() as connection:
        kept = await connection.execute(select(idempotency_records.c.body).where(idempotency_records.c.status == 201))
        bodies = [bytes(body) for body in kept.scalars()]
    assert any(key.id.encode() in body for body in bodies)
    assert not any(key.secret.encode() in body for body in bodies)


async def test_a_key_says_when_it_was_last_used_without_a_write_for_each_request(world: World) -> None:
    client, key = await create(world, scopes=["ledger:read"])
    at = f"/v1/clients/{client}"

    async def last() -> Any:
        return (await world.client("admin").get(at)).json()["keys"][0]["last_used_at"]

    before = await world.stored()
    for _ in range(3):
        await caller(world, key).get(f"/v1/learners/{UUID(int=1)}/lots")
    assert await last() is None
    await world.app.state.credentials.write_uses()
    first = await last()
    assert first is not None
    await world.app.state.credentials.write_uses()
    assert await last() == first
    assert await world.stored() == before


async def test_who_did_it_is_written_down(world: World) -> None:
    client, _ = await create(world, name="audited")
    await world.client("admin").patch(f"/v1/clients/{client}", json={"suspended": True}, headers={"If-Match": "*"})
    async with world.database.read() as connection:
        rows = await connection.execute(
            select(audit_events.c.action, audit_events.c.actor).where(audit_events.c.subject == f"client:{client}")
        )
        found = {(row.action, row.actor) for row in rows}
    admin = world.ids["client_admin"]
    assert found == {("client.create", admin), ("client.change", admin)}


# --- Elsewhere and from elsewhere -------------------------------------------------------------------------------------


async def test_what_one_process_revokes_the_other_honours_no_longer_than_its_cache(world: World) -> None:
    clock = HandClock(world.clock.instant)
    url = world.app.state.edge.settings.database_url
    other = create_app(settings_for(url, worker=False), clock=clock)
    async with other.router.lifespan_context(other):
        for change in ("revoke", "suspend"):
            client, key = await create(world, scopes=["ledger:read"])
            printed = PrintedKey.parse(key)
            assert printed is not None
            asked = f"/v1/learners/{UUID(int=1)}/lots"
            here, there = caller(world, key), caller(world, key, other)
            assert [(await one.get(asked)).status_code for one in (here, there)] == [404, 404]
            if change == "revoke":
                done = await world.client("admin").delete(f"/v1/clients/{client}/keys/{printed.id}")
            else:
                body, headers = {"suspended": True}, {"If-Match": "*"}
                done = await world.client("admin").patch(f"/v1/clients/{client}", json=body, headers=headers)
            assert done.is_success
            # The process that did it knows at once, the other when its cache has run out.
            assert [(await one.get(asked)).status_code for one in (here, there)] == [401, 404]
            clock.turn(seconds=30)
            assert (await there.get(asked)).status_code == 401


ADDRESSES = {
    "inside": (["192.0.2.0/24"], "192.0.2.7", True),
    "outside": (["192.0.2.0/24"], "198.51.100.7", False),
    "inside the second": (["192.0.2.0/24", "2001:db8::/32"], "2001:db8::7", True),
    "an IPv4 address written as IPv6": (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
    "no address": (["192.0.2.0/24"], "unix", False),
    "no list": ([], "198.51.100.7", True),
}


@pytest.mark.parametrize(("networks", "address", "admitted"), ADDRESSES.values(), ids=ADDRESSES)
async def test_a_program_calls_from_where_it_may(
    networks: list[str], address: str, admitted: bool, world: World
) -> None:
    _, key = await create(world, scopes=["ledger:read"], networks=networks)
    transport = httpx.ASGITransport(world.app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:
        answer = await client.get(f"/v1/learners/{UUID(int=1)}/lots", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == (404 if admitted else 401)


async def test_a_change_needs_the_revision_that_was_read(world: World) -> None:
    client, _ = await create(world)
    read = await world.client("admin").get(f"/v1/clients/{client}")
    tag = {"If-Match": read.headers["etag"]}
    at = f"/v1/clients/{client}"
    assert (await world.client("admin").patch(at, json={"name": "a"})).status_code == 428
    assert (await world.client("admin").patch(at, json={"name": "a"}, headers=tag)).status_code == 200
    assert (await world.client("admin").patch(at, json={"name": "b"}, headers=tag)).status_code == 412
    again = await world.client("admin").get(at, headers={"If-None-Match": '"2"'})
    assert again.status_code == 304


# --- Public keys ------------------------------------------------------------------------------------------------------


def jwk(key: Any, **others: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": "1", **others}


EC, OKP, RSA = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)
PUBLIC: Mapping[str, tuple[list[dict[str, Any]], int]] = {
    "of three kinds": ([jwk(EC), jwk(OKP, kid="2"), jwk(RSA, kid="3", use="sig", alg="RS256")], 200),
    "none at all": ([], 200),
    "two of one name": ([jwk(EC), jwk(OKP)], 422),
    "a private one": ([{**EC.as_dict(private=True), "kid": "1"}], 422),
    "a shared secret": ([{**OctKey.generate_key(256).as_dict(), "kid": "1"}], 422),
    "without a name": ([{k: v for k, v in jwk(EC).items() if k != "kid"}], 422),
    "a point not on the curve": ([jwk(EC, x=jwk(EC)["y"])], 422),
    "half a point": ([{k: v for k, v in jwk(EC).items() if k != "y"}], 422),
    "an RSA key too short": ([{"kty": "RSA", "kid": "1", "n": "AQAB" * 32, "e": "AQAB"}], 422),
    "a curve under another's name": ([jwk(EC, crv="Ed25519")], 422),
    "a key for something else": ([jwk(EC, use="enc")], 422),
    "letters that are no number": ([jwk(EC, x="A")], 422),
}


@pytest.mark.parametrize(("keys", "status"), PUBLIC.values(), ids=PUBLIC)
async def test_public_keys_are_registered_by_value(keys: list[dict[str, Any]], status: int, world: World) -> None:
    client, _ = await create(world)
    body = {"public_keys": {"keys": keys}}
    answer = await world.client("admin").patch(f"/v1/clients/{client}", json=body, headers={"If-Match": "*"})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["public_keys"] == [key["kid"] for key in keys]
