"""Signing in at an identity provider: a real one, in a process of its own, asked as a browser would ask it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import orjson
import pytest
import pytest_asyncio

from creditbank.app import create_app
from creditbank.people import actions, queries
from creditbank.people.domain import NewGrant, Place
from creditbank.people.login.providers import Flow, Gate
from tests.api.world import COLLEGE, World, opened
from tests.bank import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE = "__Host-creditbank"
BACK = "https://bank.test/login/with/{name}/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The issuer: its process ends with these tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    claims = [
        {"sub": "chen", "name": "陈静", "preferred_username": "chen", "groups": ["assessors"]},
        {"sub": "sub-of-lin", "name": "Lin", "preferred_username": "lin", "groups": []},
        {"sub": "wu", "name": "Wu", "preferred_username": "wu", "groups": []},
    ]
    for one in claims:
        arguments += ["--user-claims", json.dumps(one)]
    # A proxy in the environment is for the outside.
    quiet = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    running = subprocess.Popen(arguments, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                if httpx.get(url, trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str, issuer: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A bank with three doors to it: for who is known, for everybody, and one that leads nowhere."""
    title = {"zh": "校园", "en": "Campus"}
    common = {"title": title, "issuer": issuer, "client_id": "bank", "client_secret": "s3cret", "roles_claim": "groups"}
    mapped = [{"value": "assessors", "role": "assessor", "provider": COLLEGE}]
    providers = [
        {**common, "name": "known"},
        {**common, "name": "campus", "accounts": "create", "roles": mapped},
        {**common, "name": "nowhere", "issuer": "http://127.0.0.1:9"},
        {**common, "name": "elsewhere", "issuer": issuer + "/other"},
    ]
    file = tmp_path_factory.mktemp("idp") / "providers.json"
    file.write_text(json.dumps(providers), "utf-8")
    async with opened(database_url, public_url="https://bank.test", identity_providers=str(file)) as served:
        yield served


async def leave(browser: httpx.AsyncClient, name: str, query: str = "") -> str:
    """Set out for the provider; answers where the browser is sent."""
    answer = await browser.get(f"/login/with/{name}{query}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def consent(at: str, subject: str) -> str:
    """Sign in there as somebody; answers where the browser is sent back."""
    async with httpx.AsyncClient(trust_env=False) as elsewhere:
        answer = await elsewhere.post(at, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def through(world: World, name: str, subject: str, query: str = "") -> tuple[httpx.AsyncClient, httpx.Response]:
    """All the way there and back in a fresh browser."""
    # What the provider sends comes from another site: Lax lets the cookie go along with it.
    browser = world.browser(**{"Sec-Fetch-Site": "cross-site"})
    back = await consent(await leave(browser, name, query), subject)
    assert back.startswith(BACK.format(name=name))
    return browser, await browser.get(back)


async def test_whom_the_settings_let_in_gets_an_account_and_the_roles_of_the_claims(world: World) -> None:
    browser, answer = await through(world, "campus", "chen", "?next=/v1/providers")

    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/providers")
    assert f"{COOKIE}=" in answer.headers["set-cookie"]
    (mine,) = (await browser.get("/v1/sessions")).json()["items"]
    assert mine["provider"] == COLLEGE
    (user,) = [one for one in (await world.bank.get("/v1/users")).json()["items"] if one["login"] == "campus:chen"]
    assert user["name"] == "陈静"
    assert [(r["role"], r["provider"], r["granted_by"]) for r in user["roles"]] == [
        ("assessor", COLLEGE, "issuer:campus")
    ]

    # The next time it is the same account, with the same grant.
    await through(world, "campus", "chen")
    assert (await world.bank.get(f"/v1/users/{user['id']}")).json()["roles"] == user["roles"]


async def test_a_name_that_somebody_chose_before_keeps_nobody_out(world: World) -> None:
    async with world.database.write() as connection:
        vault = world.app.state.edge.vault
        squatted = actions.NewUser("campus:lin", "Somebody who calls himself so there")
        await actions.enter(connection, vault, squatted, "issuer:campus", world.clock())
    _, answer = await through(world, "campus", "sub-of-lin")
    assert answer.status_code == 303, answer.text
    logins = {one["login"] for one in (await world.bank.get("/v1/users?limit=100")).json()["items"]}
    assert {"campus:lin", "campus:sub-of-lin"} <= logins


@pytest.mark.parametrize("login", ["campus:zhao", "campus\uff1azhao", "x:"])
@pytest.mark.parametrize("path", ["/v1/users", "/v1/registrations", "/v1/activations"])
async def test_nobody_takes_a_login_that_is_an_identity_provider_s_word(path: str, login: str, world: World) -> None:
    body = {"name": "Zhao", "login": login, "birth_date": "1990-01-01", "region": "500103", "password": "plum-rain 7 x"}
    asked = {
        "/v1/users": {"name": "Zhao", "login": login},
        "/v1/registrations": body,
        "/v1/activations": {k: v for k, v in body.items() if k not in {"name", "region"}} | {"code": "0000-0000"},
    }[path]
    refused = await (world.bank if path == "/v1/users" else world.browser()).post(path, json=asked)
    assert refused.status_code == 422, refused.text
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [("/login", "wrong_form")]


async def test_a_role_that_the_claims_name_no_more_is_taken_back_and_another_s_grant_is_not(world: World) -> None:
    await through(world, "campus", "wu")
    (user,) = [one for one in (await world.bank.get("/v1/users")).json()["items"] if one["login"] == "campus:wu"]
    at = f"/v1/users/{user['id']}"
    async with world.database.write() as connection:
        now = world.clock()
        for role, by in (("assessor", "issuer:campus"), ("auditor", "operator:root")):
            who = UUID(user["id"])
            await actions.grant(connection, who, NewGrant(role, Place(COLLEGE)), None, by, now)
    await through(world, "campus", "wu")

    roles = (await world.bank.get(at)).json()["roles"]
    assert [(one["role"], one["revoked_at"] is None) for one in roles] == [("assessor", False), ("auditor", True)]


async def test_who_is_not_known_is_let_in_only_where_the_settings_say_so(world: World, issuer: str) -> None:
    before = await world.stored()
    _, refused = await through(world, "known", "stranger")
    assert (refused.status_code, COOKIE + "=" in refused.headers["set-cookie"]) == (403, False)
    assert (await world.stored())["users"] == before["users"]

    user_id = await world.person("linked@town", NewGrant("auditor", Place()))
    async with world.database.write() as connection:
        vault = world.app.state.edge.vault
        assert await actions.know_as(connection, vault, user_id, issuer, "linked", world.clock())
        assert not await actions.know_as(connection, vault, user_id, issuer, "linked", world.clock())
    browser, answer = await through(world, "known", "linked")
    assert answer.status_code == 303
    assert (await browser.get("/v1/providers")).status_code == 200


async def test_the_request_carries_a_challenge_whose_answer_stays_sealed_in_the_browser(world: World) -> None:
    browser = world.browser()
    sent = dict(parse_qsl(urlsplit(await leave(browser, "campus")).query))

    assert (sent["code_challenge_method"], sent["response_type"]) == ("S256", "code")
    assert sent["redirect_uri"] == BACK.format(name="campus")
    sealed = bytes.fromhex(browser.cookies[f"{COOKIE}-login"])
    flow = orjson.loads(world.app.state.edge.vault.passing.open(sealed, b"login.flow"))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow["verifier"].encode()).digest()).decode().rstrip("=")
    assert (sent["code_challenge"], sent["state"], sent["nonce"]) == (challenge, flow["state"], flow["nonce"])
    assert not [word for word in (flow["verifier"], flow["state"]) if word.encode() in sealed]
    again = dict(parse_qsl(urlsplit(await leave(browser, "campus", "?again=1")).query))
    assert (again["prompt"], again["max_age"]) == ("login", "0")
    assert not {again["state"], again["nonce"], again["code_challenge"]} & set(sent.values())


@pytest.mark.parametrize("broken", ["no cookie", "another's cookie", "state", "provider", "late", "twice", "made up"])
async def test_who_comes_back_otherwise_than_they_left_is_not_let_in(broken: str, world: World) -> None:
    browser = world.browser()
    back = await consent(await leave(browser, "campus"), "chen")
    if broken == "no cookie":
        browser.cookies.clear()
    elif broken == "another's cookie":
        # Whoever is led to finish a login that somebody else began has not that one's cookie.
        browser.cookies.clear()
        await leave(browser, "campus")
    elif broken == "state":
        back = back.replace("state=", "state=x")
    elif broken == "provider":
        back = back.replace("/campus/", "/known/")
    elif broken == "late":
        world.clock.turn(minutes=11)
    elif broken == "twice":
        assert (await browser.get(back)).status_code == 303
    else:
        browser.cookies.set(f"{COOKIE}-login", "00" * 80, domain="bank.test", path="/")
    answer = await browser.get(back)

    assert answer.status_code == 400
    assert "begin again" in answer.text
    assert f"{COOKIE}=" not in answer.headers["set-cookie"]


async def test_of_two_who_come_back_at_once_with_one_state_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = world.browser()
    back = await consent(await leave(browser, "campus"), "chen")
    gate: Gate = world.app.state.gates["campus"]
    asked: list[str] = []
    real = gate.claims

    async def claims(flow: Flow, code: str) -> Mapping[str, Any]:
        asked.append(code)
        return await real(flow, code)

    monkeypatch.setattr(gate, "claims", claims)
    # The same cookie in two hands, and a code each: the provider's own word on its codes is not what decides.
    cookie = f"{COOKIE}-login={browser.cookies[f'{COOKIE}-login']}"
    both = [world.browser(Cookie=cookie) for _ in range(2)]
    answers = await asyncio.gather(*[one.get(back) for one in both])
    assert sorted(answer.status_code for answer in answers) == [303, 400]
    assert len(asked) == 1
    # Nor later, though the browser kept its cookie.
    assert (await world.browser(Cookie=cookie).get(back)).status_code == 400
    assert len(asked) == 1


async def test_a_code_is_good_once_and_a_refusal_there_is_one_here(world: World) -> None:
    browser = world.browser()
    back = await consent(await leave(browser, "campus"), "chen")
    forged = back.replace("code=", "code=x")
    assert (await browser.get(forged)).status_code == 403
    denied = dict(parse_qsl(urlsplit(await leave(browser, "campus")).query))
    answer = await browser.get(f"/login/with/campus/callback?error=access_denied&state={denied['state']}")
    assert answer.status_code == 403
    assert "access_denied" not in answer.text


@pytest.mark.parametrize("name", ["nowhere", "elsewhere"])
async def test_a_provider_that_does_not_answer_or_is_another_is_not_gone_to(name: str, world: World) -> None:
    answer = await world.browser().get(f"/login/with/{name}")
    assert answer.status_code == 503
    assert "location" not in answer.headers
    assert "cannot be reached" in answer.text


async def test_when_they_signed_in_there_is_believed_of_who_says_it(world: World) -> None:
    # This one says that it was just now; of one that says nothing: tests/people/login/test_domain.py.
    browser, _ = await through(world, "campus", "chen")
    (mine,) = [one for one in (await browser.get("/v1/sessions")).json()["items"] if one["is_current"]]
    assert mine["authenticated_at"] == mine["created_at"]


async def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FileNotFoundError"):
        create_app(settings_for("sqlite+aiosqlite:///never-opened", identity_providers=str(tmp_path / "none")))


async def test_a_role_that_a_provider_gave_twice_is_taken_back_twice(world: World) -> None:
    user_id = await world.person("twice@town")
    auditor, now = NewGrant("auditor", Place()), world.clock()
    async with world.database.write() as connection:
        for _ in range(2):
            # As two browsers of one person that come back at once would once have left it.
            await actions.grant(connection, user_id, auditor, None, "issuer:campus", now)
        await actions.grant(connection, user_id, auditor, None, "issuer:other", now)
        await actions.sync_grants(connection, user_id, [], "issuer:campus", now)
        held = (await queries.grants_of(connection, [user_id]))[user_id]
    assert [one.granted_by for one in held if one.holds(now)] == ["issuer:other"]
