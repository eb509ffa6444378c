"""Tokens (OAuth 2.0 client credentials): who gets one, what it opens, when it dies, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import hypothesis
import pytest
import pytest_asyncio
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from pydantic import SecretStr

from creditbank.access.actions import ClientChange, change_client, forget_assertions, revoke_key
from creditbank.access.domain import SYSTEM
from creditbank.access.queries import find_client
from creditbank.access.tokens import Tokens
from creditbank.app import create_app
from tests.api.world import COLLEGE, World, opened
from tests.bank import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

ISSUER = "https://bank.test"
SEEDS = (b"k" * 32, b"o" * 32)
CONFIGURED = {
    "public_url": ISSUER,
    "token_keys": SecretStr(" ".join(base64.b64encode(seed).decode() for seed in SEEDS)),
    "security_contact": "mailto:security@bank.test",
}
EC, OKP, RSA = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)
PUBLIC = {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in (("ec", EC), ("ed", OKP), ("rsa", RSA))]}
SCOPES = ("achievements:write", "ledger:read")
LOTS = f"/v1/learners/{UUID(int=1)}/lots"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_serial = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that issues tokens, and a program with keys of its own."""
    async with opened(database_url, **CONFIGURED) as served:
        await served.let_in("program", COLLEGE, SCOPES)
        await served.let_in("neighbour", COLLEGE, SCOPES)
        for name in ("program", "neighbour"):
            await register(served, name, PUBLIC if name == "program" else {"keys": PUBLIC["keys"][:1]})
        yield served


async def register(world: World, name: str, keys: Mapping[str, Any]) -> None:
    async with world.database.write() as connection:
        client = await find_client(connection, UUID(world.ids[f"client_{name}"]), lock=True)
        await change_client(connection, client, ClientChange(public_keys=keys), world.clock(), SYSTEM)


async def ask(
    world: World, form: Mapping[str, Any] | str | bytes, headers: Mapping[str, str] | None = None, app: Any = None
) -> httpx.Response:
    content = form if isinstance(form, str | bytes) else urlencode(form)
    transport = httpx.ASGITransport(app or world.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        return await client.post("/oauth/token", content=content, headers={**FORM, **(headers or {})})


def basic(user: str, password: str) -> dict[str, str]:
    pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def secretly(world: World, name: str = "program", **others: Any) -> dict[str, Any]:
    """A request with a key as the secret."""
    given = {"client_id": world.ids[f"client_{name}"], "client_secret": world.keys[name]}
    return {"grant_type": "client_credentials", **given, **others}


def asserted(
    world: World, key: Any = EC, kid: str | None = "ec", alg: str = "ES256", form: Mapping[str, Any] | None = None,
    **claims: Any,
) -> dict[str, Any]:  # fmt: skip
    """A request with an assertion; a claim that is None is left out."""
    at = int(world.clock.instant.timestamp())
    client = world.ids["client_program"]
    whole = {"iss": client, "sub": client, "aud": ISSUER, "exp": at + 300, "iat": at, "jti": f"a-{next(_serial)}"}
    said = {name: value for name, value in {**whole, **claims}.items() if value is not None}
    header = {"alg": alg} if kid is None else {"alg": alg, "kid": kid}
    signed = jwt.encode(header, said, key, algorithms=[alg])
    return {
        "grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": signed,
        **(form or {}),
    }  # fmt: skip


async def token(world: World, form: Mapping[str, Any] | None = None) -> str:
    answer = await ask(world, secretly(world) if form is None else form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def use(world: World, bearer: str, path: str = LOTS, app: Any = None) -> int:
    transport = httpx.ASGITransport(app or world.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        return (await client.get(path, headers={"Authorization": f"Bearer {bearer}"})).status_code


# --- Who gets a token -------------------------------------------------------------------------------------------------

Make = Callable[[World], tuple[dict[str, Any], dict[str, str]]]
GIVEN: Mapping[str, Make] = {
    "a key in the body": lambda w: (secretly(w), {}),
    "a key in the header": lambda w: (
        {"grant_type": "client_credentials"}, basic(w.ids["client_program"], w.keys["program"]),
    ),
    "an assertion with ES256": lambda w: (asserted(w), {}),
    "an assertion with Ed25519": lambda w: (asserted(w, OKP, "ed", "Ed25519"), {}),
    "an assertion with RS256": lambda w: (asserted(w, RSA, "rsa", "RS256"), {}),
    "an assertion to the endpoint": lambda w: (asserted(w, aud=f"{ISSUER}/oauth/token"), {}),
    "an assertion to several": lambda w: (asserted(w, aud=["https://x.test", ISSUER]), {}),
    "an assertion of a clock behind": lambda w: (asserted(w, exp=int(w.clock.instant.timestamp()) - 50), {}),
    "an assertion of a clock ahead": lambda w: (asserted(w, iat=int(w.clock.instant.timestamp()) + 50), {}),
    "an assertion with its client named": lambda w: (
        asserted(w, form={"client_id": w.ids["client_program"]}), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
async def test_a_client_that_proves_itself_gets_a_token(make: Make, world: World) -> None:
    form, headers = make(world)
    answer = await ask(world, form, headers)

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
    assert said["scope"].split() == sorted(SCOPES)
    assert await use(world, said["access_token"]) == 404


async def test_a_token_says_what_rfc_9068_asks_for_and_is_verified_with_what_is_published(world: World) -> None:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
        published = (await client.get(metadata["jwks_uri"])).json()
    # The grant has no response types: an empty list says so, and Authlib takes none for none given.
    assert metadata["response_types_supported"] == []
    AuthorizationServerMetadata({**metadata, "response_types_supported": ["none"]}).validate()
    assert len(published["keys"]) == len(SEEDS)
    assert all("d" not in key for key in published["keys"])

    found = jwt.decode(await token(world), KeySet.import_key_set(published), algorithms=["ES256"])

    client_id = world.ids["client_program"]
    assert found.header["typ"] == "at+jwt"
    assert found.header["kid"] == published["keys"][0]["kid"]
    assert {name: found.claims[name] for name in ("iss", "aud", "sub", "client_id")} == {
        "iss": ISSUER, "aud": ISSUER, "sub": client_id, "client_id": client_id,
    }  # fmt: skip
    assert found.claims["exp"] - found.claims["iat"] == 600
    assert found.claims["scope"].split() == sorted(SCOPES)


# --- Who does not -----------------------------------------------------------------------------------------------------

SYMMETRIC = OctKey.import_key(json.dumps(PUBLIC["keys"][0]))
STRANGER = ECKey.generate_key("P-256")
NOBODY = str(UUID(int=99))


def without(form: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name not in names}


def later(world: World, seconds: int) -> int:
    return int(world.clock.instant.timestamp()) + seconds


def unsigned(world: World) -> dict[str, Any]:
    form = asserted(world)
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    body = form["client_assertion"].split(".")[1]
    return {**form, "client_assertion": f"{header}.{body}."}


REFUSED: Mapping[str, tuple[Make, int, str]] = {
    "no grant type": (lambda w: (without(secretly(w), "grant_type"), {}), 400, "invalid_request"),
    "another grant": (lambda w: (secretly(w, grant_type="password"), {}), 400, "unsupported_grant_type"),
    "a scope that the client lacks": (lambda w: (secretly(w, scope="rules:write"), {}), 400, "invalid_scope"),
    "a scope among others": (lambda w: (secretly(w, scope="ledger:read audit:read"), {}), 400, "invalid_scope"),
    "a resource elsewhere": (lambda w: (secretly(w, resource="https://x.test"), {}), 400, "invalid_target"),
    "the sandbox with a live key": (lambda w: (secretly(w, resource=f"{ISSUER}/sandbox"), {}), 400, "invalid_target"),
    "no credential": (lambda w: ({"grant_type": "client_credentials"}, {}), 401, "invalid_client"),
    "an unknown client": (lambda w: (secretly(w, client_id=NOBODY), {}), 401, "invalid_client"),
    "no id at all": (lambda w: (secretly(w, client_id="program"), {}), 401, "invalid_client"),
    "another client's key": (lambda w: (secretly(w, client_secret=w.keys["partner"]), {}), 401, "invalid_client"),
    "no key of ours": (lambda w: (secretly(w, client_secret="secret"), {}), 401, "invalid_client"),
    "a revoked key": (lambda w: (secretly(w, "revoked"), {}), 401, "invalid_client"),
    "an expired key": (lambda w: (secretly(w, "expired"), {}), 401, "invalid_client"),
    "two ways at once": (
        lambda w: (secretly(w), basic(w.ids["client_program"], w.keys["program"])), 400, "invalid_request",
    ),
    "a key and an assertion": (
        lambda w: ({**asserted(w), "client_secret": w.keys["program"]}, {}), 400, "invalid_request",
    ),
    "a key as bearer": (
        lambda w: ({"grant_type": "client_credentials"}, {"Authorization": f"Bearer {w.keys['program']}"}),
        401, "invalid_client",
    ),
    "basic that is no text": (
        lambda w: ({"grant_type": "client_credentials"}, {"Authorization": "Basic /////w=="}), 400, "invalid_client",
    ),
    "an assertion for another client named": (
        lambda w: (asserted(w, form={"client_id": w.ids["client_partner"]}), {}), 400, "invalid_client",
    ),
    "an assertion of an unknown client": (lambda w: (asserted(w, sub=NOBODY, iss=NOBODY), {}), 400, "invalid_client"),
    "an assertion with a stranger's key": (lambda w: (asserted(w, STRANGER), {}), 400, "invalid_client"),
    "an assertion in a neighbour's name": (
        lambda w: (asserted(w, OKP, "ed", "Ed25519", sub=w.ids["client_neighbour"], iss=w.ids["client_neighbour"]), {}),
        400, "invalid_client",
    ),
    "an assertion of a client without keys": (
        lambda w: (asserted(w, sub=w.ids["client_partner"], iss=w.ids["client_partner"]), {}), 400, "invalid_client",
    ),
    "the public key as a shared secret": (lambda w: (asserted(w, SYMMETRIC, "ec", "HS256"), {}), 400, "invalid_client"),
    "one key under another's name": (lambda w: (asserted(w, OKP, "ec", "Ed25519"), {}), 400, "invalid_client"),
    "an algorithm that is not taken": (lambda w: (asserted(w, RSA, "rsa", "PS256"), {}), 400, "invalid_client"),
    "unsigned": (lambda w: (unsigned(w), {}), 400, "invalid_client"),
    "expired": (lambda w: (asserted(w, exp=later(w, -61)), {}), 400, "invalid_client"),
    "not yet valid": (lambda w: (asserted(w, nbf=later(w, 70)), {}), 400, "invalid_client"),
    "of the future": (lambda w: (asserted(w, iat=later(w, 70)), {}), 400, "invalid_client"),
    "for ever": (lambda w: (asserted(w, exp=later(w, 10**9)), {}), 400, "invalid_client"),
    "until infinity": (lambda w: (asserted(w, exp=10**400), {}), 400, "invalid_client"),
    "for another bank": (lambda w: (asserted(w, aud="https://x.test"), {}), 400, "invalid_client"),
    "without an audience": (lambda w: (asserted(w, aud=None), {}), 400, "invalid_client"),
    "without an end": (lambda w: (asserted(w, exp=None), {}), 400, "invalid_client"),
    "without an id": (lambda w: (asserted(w, jti=None), {}), 400, "invalid_client"),
    "without a subject": (lambda w: (asserted(w, sub=None), {}), 400, "invalid_client"),
    "issued by another": (lambda w: (asserted(w, iss=NOBODY), {}), 400, "invalid_client"),
    "of another type": (
        lambda w: ({**asserted(w), "client_assertion_type": "urn:saml"}, {}), 401, "invalid_client",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "status", "error"), REFUSED.values(), ids=REFUSED)
async def test_whoever_does_not_prove_itself_is_refused(make: Make, status: int, error: str, world: World) -> None:
    form, headers = make(world)
    before = await world.stored()
    answer = await ask(world, form, headers)

    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Basic ")
    assert await world.stored() == before


BODIES = {
    "no form": (b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}),
    "a parameter twice": (b"grant_type=client_credentials&grant_type=password", {}),
    "too many parameters": ("&".join(f"a{i}=1" for i in range(30)).encode(), {}),
    "no UTF-8": (b"grant_type=%ff", {}),
    "not ASCII": ("grant_type=身".encode(), {}),
    "too long": (b"a=" + b"b" * 70_000, {}),
}


@pytest.mark.parametrize(("body", "headers"), BODIES.values(), ids=BODIES)
async def test_what_is_no_form_is_refused(body: bytes, headers: dict[str, str], world: World) -> None:
    answer = await ask(world, body, headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_nobody_learns_from_a_refusal_whether_a_client_is_there(world: World) -> None:
    there = await ask(world, secretly(world, client_secret="x"))
    nowhere = await ask(world, secretly(world, client_secret="x", client_id=NOBODY))
    assert there.content == nowhere.content
    signed = [
        await ask(world, asserted(world, STRANGER, sub=who, iss=who))
        for who in (world.ids["client_program"], world.ids["client_partner"], NOBODY)
    ]
    assert len({answer.content for answer in signed}) == 1


# --- Once only --------------------------------------------------------------------------------------------------------


async def test_an_assertion_is_good_once_whichever_process_it_comes_to(world: World) -> None:
    url = world.app.state.edge.settings.database_url
    other = create_app(settings_for(url, worker=False, **CONFIGURED), clock=world.clock)
    async with other.router.lifespan_context(other):
        form = asserted(world)
        assert (await ask(world, form)).status_code == 200
        for app in (world.app, other):
            again = await ask(world, form, app=app)
            assert (again.status_code, again.json()["error"]) == (400, "invalid_client")
            assert "used before" in again.json()["error_description"]
        # Though it comes to both at the same time.
        twice = asserted(world)
        answers = await asyncio.gather(*[ask(world, twice, app=app) for app in (world.app, other) * 2])
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    # Two clients may use the same id.
    twin: dict[str, Any] = {"jti": "shared", "key": EC}
    neighbour = world.ids["client_neighbour"]
    assert (await ask(world, asserted(world, **twin))).status_code == 200
    assert (await ask(world, asserted(world, **twin, sub=neighbour, iss=neighbour))).status_code == 200


async def test_an_assertion_is_forgotten_when_it_could_not_be_used_any_more(world: World) -> None:
    form = asserted(world, exp=later(world, 30))
    assert (await ask(world, form)).status_code == 200
    world.clock.turn(seconds=85)
    async with world.database.write() as connection:
        await forget_assertions(connection, world.clock())
    assert "used before" in (await ask(world, form)).json()["error_description"]
    world.clock.turn(seconds=10)
    async with world.database.write() as connection:
        assert await forget_assertions(connection, world.clock()) > 0
    assert "exp" in (await ask(world, form)).json()["error_description"]


# --- What a token opens, and how long ---------------------------------------------------------------------------------


async def test_a_token_opens_what_it_was_asked_for(world: World) -> None:
    narrow = await token(world, secretly(world, scope="achievements:write"))
    assert await use(world, narrow) == 403
    assert await use(world, await token(world, secretly(world, scope="ledger:read"))) == 404
    assert await use(world, await token(world, secretly(world, scope=""))) == 404


async def test_a_key_that_asks_for_a_token_was_used(world: World) -> None:
    await world.let_in("asker", COLLEGE, ["ledger:read"])
    assert (await ask(world, secretly(world, "asker"))).status_code == 200
    await world.app.state.credentials.write_uses()
    (key,) = (await world.bank.get(f"/v1/clients/{world.ids['client_asker']}")).json()["keys"]
    assert key["last_used_at"] is not None


async def test_a_token_lasts_ten_minutes(world: World) -> None:
    bearer = await token(world)
    world.clock.turn(seconds=599)
    assert await use(world, bearer) == 404
    world.clock.turn(seconds=10)
    assert await use(world, bearer) == 401


ENDED = ("the client suspended", "the key revoked", "the scope taken", "the public key taken", "another in its place")


CHANGES = {
    "the client suspended": ClientChange(is_suspended=True),
    "the scope taken": ClientChange(scopes=()),
    "the public key taken": ClientChange(public_keys={"keys": PUBLIC["keys"][1:]}),
    "another in its place": ClientChange(
        public_keys={"keys": [{**ECKey.generate_key("P-256").as_dict(private=False), "kid": "ec"}]}
    ),
}


@pytest.mark.parametrize("how", ENDED)
@pytest.mark.parametrize("by", ["key", "assertion"])
async def test_a_token_is_dead_within_thirty_seconds(how: str, by: str, world: World) -> None:
    name = f"{how} {by}"
    await world.let_in(name, COLLEGE, SCOPES)
    await register(world, name, PUBLIC)
    client = world.ids[f"client_{name}"]
    form = secretly(world, name) if by == "key" else asserted(world, sub=client, iss=client)
    bearer = await token(world, form)
    assert await use(world, bearer) == 404
    async with world.database.write() as connection:
        found = await find_client(connection, UUID(client), lock=True)
        if how == "the key revoked":
            await revoke_key(connection, world.ids[f"key_{name}"], world.clock())
        else:
            await change_client(connection, found, CHANGES[how], world.clock(), SYSTEM, "user:somebody else")
    assert await use(world, bearer) == 404
    world.clock.turn(seconds=30)
    # What was proved by an assertion rests on no key.
    by_key = by == "key"
    expected = {"the client suspended": 401, "the key revoked": 401 if by_key else 404, "the scope taken": 403}
    assert await use(world, bearer) == expected.get(how, 404 if by_key else 401)
    again = await ask(world, secretly(world, name))
    assert again.status_code == (401 if how in {"the client suspended", "the key revoked"} else 200)


def _forge(change: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> Callable[[World, str], str]:
    def make(world: World, good: str) -> str:
        claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
        said = {name: value for name, value in {**claims, **change}.items() if value is not None}
        signing = world.app.state.tokens._keys[0]
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": signing.kid, **(header or {})}, said, signing)

    return make


def _confused(world: World, good: str) -> str:
    shared = OctKey.import_key(json.dumps(world.app.state.tokens.public_keys()["keys"][0]))
    header, body = (base64.urlsafe_b64decode(part + "==") for part in good.split(".")[:2])
    return jwt.encode({**json.loads(header), "alg": "HS256"}, json.loads(body), shared, algorithms=["HS256"])


FORGED: Mapping[str, tuple[Callable[[World, str], str], int]] = {
    "as it is": (_forge({}, {}), 404),
    "for another bank": (_forge({"aud": "https://x.test"}), 401),
    "for the sandbox": (_forge({"aud": f"{ISSUER}/sandbox"}), 401),
    "of another issuer": (_forge({"iss": "https://x.test"}), 401),
    "without an end": (_forge({"exp": None}), 401),
    "without a client": (_forge({"client_id": None}), 401),
    "of a client that is none": (_forge({"client_id": "x"}), 401),
    "of a client that is not there": (_forge({"client_id": NOBODY, "key_id": None}), 401),
    "of another client's key": (_forge({"client_id": NOBODY}), 401),
    "with a key that is not there": (_forge({"key_id": "nokey"}), 401),
    "with scopes that the client lacks": (_forge({"scope": "rules:write"}), 403),
    "of another type": (_forge({}, {"typ": "JWT"}), 401),
    "signed by nobody": (lambda w, t: t.rpartition(".")[0] + ".", 401),
    "with a letter changed": (lambda w, t: t[:-9] + ("A" if t[-9] != "A" else "B") + t[-8:], 401),
    "with the public key as a shared secret": (_confused, 401),
    "signed by a stranger": (
        lambda w, t: Tokens(ISSUER, [b"z" * 32], "ES256").issue(
            UUID(w.ids["client_program"]), SCOPES, w.clock(), is_test=False, key_id=None, kid="ec"
        ),
        401,
    ),
    "signed by the former key": (
        lambda w, t: Tokens(ISSUER, [SEEDS[1]], "ES256").issue(
            UUID(w.ids["client_program"]), SCOPES, w.clock(), is_test=False, key_id=None, kid="ec"
        ),
        404,
    ),
    "not at all": (lambda w, t: "a.b.c", 401),
}


@pytest.mark.parametrize(("forge", "status"), FORGED.values(), ids=FORGED)
async def test_a_token_is_taken(forge: Callable[[World, str], str], status: int, world: World) -> None:
    assert await use(world, forge(world, await token(world))) == status


async def test_tokens_may_be_signed_with_ed25519(world: World) -> None:
    url = world.app.state.edge.settings.database_url
    other = create_app(settings_for(url, worker=False, **CONFIGURED, token_algorithm="Ed25519"), clock=world.clock)
    async with other.router.lifespan_context(other):
        bearer = (await ask(world, secretly(world), app=other)).json()["access_token"]
        assert await use(world, bearer, app=other) == 404
    assert await use(world, bearer) == 401


async def test_without_keys_there_is_no_oauth(world: World) -> None:
    app = create_app(settings_for("sqlite+aiosqlite:///never-opened.sqlite"))
    answer = await ask(world, {}, app=app)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
    for name in ("jwks.json", "oauth-authorization-server", "security.txt"):
        assert await use(world, "x", f"/.well-known/{name}", app) == 404


async def test_the_security_contact_is_published(world: World) -> None:
    answer = await world.client("nobody").get("/.well-known/security.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert lines["Contact"] == "mailto:security@bank.test"
    assert lines["Canonical"] == f"{ISSUER}/.well-known/security.txt"
    days = (world.clock.instant + timedelta(days=180)).date()
    assert lines["Expires"] == f"{days}T00:00:00Z"


# --- Anything at all --------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["", "client_credentials", "Basic", "Basic ", "Basic Og==", "Bearer", "a.b.c", "..", "e30.e30.e30", NOBODY,
     ASSERTION, "eyJhbGciOiJub25lIn0.W10.", "eyJhbGciOiJFUzI1NiJ9.MQ.AA",
     "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AA"]
)  # fmt: skip
TEXTS = st.one_of(PIECES, st.text(max_size=40))
NAMES = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource", "x"]
)
HEADERS = st.one_of(
    PIECES,
    st.binary(max_size=40).map(lambda raw: f"Basic {base64.b64encode(raw).decode()}"),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)


def _compact(header: Any, claims: Any) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, "AA"])


MEMBERS = ["alg", "kid", "crit", "b64", "iss", "sub", "aud", "exp", "jti", "nbf"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(NOBODY)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["alg", "kid", "crit", "b64", "iss", "sub", "aud", "exp", "jti", "nbf"]), inner
        ),
    ),
    max_leaves=6,
)
FORMS = st.dictionaries(NAMES, st.one_of(TEXTS, st.builds(_compact, JSON, JSON)), max_size=6)


async def test_nothing_that_is_asked_is_answered_with_a_server_error(world: World) -> None:
    asked: list[tuple[dict[str, str] | bytes, str]] = []

    @hypothesis.seed(20250301)
    @hypothesis.settings(max_examples=400, database=None, phases=[hypothesis.Phase.generate], deadline=None)
    @hypothesis.given(form=st.one_of(FORMS, st.binary(max_size=60)), header=HEADERS, whole=st.booleans())
    def collect(form: dict[str, str] | bytes, header: str, whole: bool) -> None:
        if isinstance(form, dict) and whole:
            form = {**form, "grant_type": "client_credentials"}
            if "client_assertion" in form:
                form["client_assertion_type"] = ASSERTION
        asked.append((form, header))

    collect()
    deep = base64.urlsafe_b64encode(b"[" * 20_000).decode().rstrip("=")
    whole = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
    asked += [
        ({**whole, "client_assertion": f"{deep}.{deep}.AA"}, ""),
        ({**whole, "client_assertion": f"e30.{deep}.AA"}, ""),
    ]
    seen = set()
    for form, header in asked:
        encoded: Any = form
        if isinstance(form, dict):
            encoded = urlencode(form, errors="surrogatepass") if form else ""
        answer = await ask(world, encoded, {"Authorization": header} if header else {})
        assert answer.status_code in {400, 401}, (form, header, answer.text)
        assert set(answer.json()) <= {"error", "error_description"}
        seen.add(answer.json()["error"])
    assert {"invalid_request", "invalid_client", "unsupported_grant_type"} <= seen
