"""What is gravest is done by people who have just proven who they are; programs are not asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from joserfc import jwt
from joserfc.jwk import ECKey

from creditbank.access.domain import Actor
from creditbank.people.domain import NewGrant, Place
from tests.api.test_oauth import CONFIGURED
from tests.api.test_policy import routes
from tests.api.world import World, opened, ruling
from tests.bank import document, granting
from tests.covering import covered

pytestmark = pytest.mark.asyncio(loop_scope="module")

REGISTRAR = NewGrant("registrar", Place())
GRAVE = {
    "GET /v1/learners/{id}/export",
    "PATCH /v1/clients/{id}",
    "POST /v1/achievements/{id}/revocation",
    "POST /v1/activities/{id}/cancellation",
    "POST /v1/conversions/{id}/annulment/decision",
    "POST /v1/learners/activation-codes",
    "POST /v1/learners/{id}/confirmation",
    "POST /v1/learners/{id}/guardianships",
    "POST /v1/learners/{id}/guardianships/{guardianship_id}/end",
    "POST /v1/clients",
    "POST /v1/clients/{id}/keys",
    "POST /v1/learners/{id}/merges",
    "POST /v1/learners/{id}/merges/{merge_id}/decision",
    "POST /v1/learners/{id}/merges/{merge_id}/undoing",
    "POST /v1/learners/{id}/erasure",
    "POST /v1/learners/{id}/erasure/decision",
    "POST /v1/rule-sets/{id}/versions/{number}/publish",
    "POST /v1/rule-sets/{id}/versions/{number}/withdraw",
    "POST /v1/users",
    "POST /v1/webhooks",
    "PATCH /v1/webhooks/{id}",
    "POST /v1/webhooks/{id}/secret",
    "POST /v1/users/{id}/roles",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, with two registrars."""
    async with opened(database_url, **CONFIGURED) as served:
        await served.person("anna@town", REGISTRAR)
        await served.person("bo@town", REGISTRAR)
        yield served


def is_grave(dependant: Dependant) -> bool:
    return any(getattr(inner.call, "is_grave", False) or is_grave(inner) for inner in dependant.dependencies)


async def test_these_routes_are_grave(world: World) -> None:
    found = {name for name, route in routes(world.app) if isinstance(route, APIRoute) and is_grave(route.dependant)}
    assert found == GRAVE


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        ("POST /v1/achievements/@achievement/revocation", {"reason": "a mistake"}),
        ("POST /v1/activities/@cancelling/cancellation", {"reason": "Rain."}),
        ("POST /v1/rule-sets/@approved/versions/1/publish", None),
        ("POST /v1/rule-sets/@leaving/versions/1/withdraw", None),
    ],
)
async def test_a_person_signs_in_once_more_before_it_and_a_key_does_not(request_: str, body: Any, world: World) -> None:
    browser = await world.sign_in("anna@town")
    method, path = request_.split(" ")
    for name, id_ in world.ids.items():
        path = path.replace(f"@{name}/", f"{id_}/")
    world.clock.turn(minutes=10)
    before = await world.stored()
    refused = await browser.request(method, path, json=body)

    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_needed")
    assert "/login?again=1" in refused.json()["detail"]
    assert await world.stored() == before
    assert "once more" in (await browser.get("/login?again=1")).text

    await world.sign_in("anna@town", browser)
    world.clock.turn(minutes=9)
    done = await browser.request(method, path, json=body)
    assert done.is_success, done.text


async def test_a_key_is_never_asked(world: World) -> None:
    posted = (await world.bank.post("/v1/achievements", json={**world.statement(), "provider": "cq"})).json()
    world.clock.turn(hours=1)
    at = f"/v1/achievements/{posted['achievement']['id']}/revocation"
    assert (await world.bank.post(at, json={"reason": "a mistake"})).status_code == 201


async def test_approving_is_another_person_s_on_whatever_device_and_with_whatever_role(world: World) -> None:
    desk, phone = await world.sign_in("anna@town"), await world.sign_in("anna@town")
    other = await world.sign_in("bo@town")
    drafted = await desk.post("/v1/rule-sets", json=covered(document(granting("none", kind="heritage"), id_="people")))
    assert drafted.status_code == 201, drafted.text
    at = drafted.headers["location"]
    for step in ("validate", "simulate"):
        done = await desk.post(f"{at}/{step}")
        assert done.is_success, done.text
    await world.work()

    own = await phone.post(f"{at}/approve")
    assert (own.status_code, own.json()["code"]) == (403, "approver_is_editor")
    approved = await other.post(f"{at}/approve")
    assert approved.status_code == 200, approved.text
    assert approved.json()["approved_by"].startswith("user:")
    assert (await desk.post(f"{at}/publish")).status_code == 200


async def test_a_person_makes_no_user_and_gives_no_role_without_signing_in_once_more(world: World) -> None:
    await world.person("root@town", NewGrant("administrator", Place()))
    browser = await world.sign_in("root@town")
    user = {"login": "other@town", "name": "Other", "roles": []}
    world.clock.turn(minutes=10)
    before = await world.stored()
    for path, body in (("/v1/users", user), (f"/v1/users/{world.ids['user']}/roles", {"role": "assessor"})):
        refused = await browser.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_needed")
    assert await world.stored() == before
    await world.sign_in("root@town", browser)
    assert (await browser.post("/v1/users", json=user)).status_code == 201


async def test_a_program_is_no_second_person_to_who_made_it(world: World) -> None:
    scopes = ["learners:read", "clients:write", "rulings:write", "rulings:approve", "privacy:erase"]
    for name, by in (("hand", "bank"), ("hand's hand", "hand")):
        caller = world.client(by)
        made = await caller.post("/v1/clients", json={"name": name, "scopes": scopes})
        assert made.status_code == 201, made.text
        world.keys[name] = made.json()["key"]["key"]
    learner = await world.open()
    for author, second, status in (
        ("bank", "hand", 403),
        ("bank", "hand's hand", 403),
        ("hand", "bank", 403),
        ("hand", "hand's hand", 403),
        ("hand", "approver", 200),
    ):
        proposed = await world.client(author).post("/v1/rulings", json=ruling(learner))
        assert proposed.status_code == 201, proposed.text
        at = f"/v1/learners/{learner}/rulings/{proposed.json()['id']}/approval"
        decided = await world.client(second).post(at)
        assert decided.status_code == status, (author, second, decided.text)
        if status == 403:
            assert decided.json()["code"] == "two_people_needed"


SECOND_KEYS = ("a key", "a public key", "a public key beside another's")


@pytest.mark.parametrize("made", SECOND_KEYS)
async def test_a_program_is_no_second_person_to_who_made_the_key_that_it_shows(made: str, world: World) -> None:
    """Whoever rotates a key has the new one, whoever let the program in."""
    scopes = ["rulings:write", "rulings:approve"]
    first = await world.bank.post("/v1/clients", json={"name": made, "scopes": scopes})
    client, world.keys[f"first {made}"] = first.json()["client"]["id"], first.json()["key"]["key"]
    at = f"/v1/clients/{client}"
    if made == "a key":
        second = await world.client("approver").post(f"{at}/keys", json={})
        world.keys[f"second {made}"] = second.json()["key"]
        # It is the first key's maker's as ever, and the second maker's only by the second key.
        cases = [("bank", f"first {made}", 403), ("approver", f"first {made}", 200)]
        cases += [("approver", f"second {made}", 403), ("bank", f"second {made}", 200)]
    else:
        keys = {kid: ECKey.generate_key("P-256") for kid in ("a", "b")}
        shown = [{**key.as_dict(private=False), "kid": kid} for kid, key in keys.items()]
        for by, given in (("bank", shown[:1]), ("approver", shown if "beside" in made else shown[1:])):
            change = {"public_keys": {"keys": given}}
            revision = (await world.bank.get(at)).headers["etag"]
            changed = await world.client(by).patch(at, json=change, headers={"If-Match": revision})
            assert changed.status_code == 200, changed.text
        cases = [("approver", f"b {made}", 403), ("bank", f"b {made}", 200)]
        cases += [("bank", f"a {made}", 403), ("approver", f"a {made}", 200)] if "beside" in made else []
        for kid in keys if "beside" in made else "b":
            # With one key a client need not say which it is.
            world.keys[f"{kid} {made}"] = await proven_by(world, client, keys[kid], kid if "beside" in made else None)
    for author, by, status in cases:
        learner = await world.open()
        proposed = await world.client(author).post("/v1/rulings", json=ruling(learner))
        decided = await world.client(by).post(f"/v1/learners/{learner}/rulings/{proposed.json()['id']}/approval")
        assert decided.status_code == status, (author, by, decided.text)


async def proven_by(world: World, client: str, key: ECKey, kid: str | None) -> str:
    """A token for a client that proves itself by an assertion under this key."""
    at, issuer = int(world.clock().timestamp()), world.app.state.tokens.issuer
    claims = {"iss": client, "sub": client, "aud": issuer, "exp": at + 300, "jti": world.fresh("a")}
    header = {"alg": "ES256", **({"kid": kid} if kid is not None else {})}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, key),
    }
    answer = await world.client("nobody").post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def test_a_program_of_a_person_counts_as_the_person() -> None:
    person = Actor(UUID(int=1), None, frozenset(), "provider", user_id=UUID(int=1))
    program = Actor(UUID(int=2), None, frozenset(), "provider", made_by=person.principal)
    operators = Actor(UUID(int=3), None, frozenset(), "provider")
    assert (person.principal, person.principal_id) == (program.principal, program.principal_id)
    assert program.identity == f"client:{UUID(int=2)}"
    assert (operators.principal, operators.principal_id) == (operators.identity, UUID(int=3))
