"""What is gravest is done by people who have just proven who they are; programs are not asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from creditbank.people.domain import NewGrant, Place
from tests.api.test_policy import routes
from tests.api.world import World, opened
from tests.bank import document, granting
from tests.covering import covered

pytestmark = pytest.mark.asyncio(loop_scope="module")

REGISTRAR = NewGrant("registrar", Place())
GRAVE = {
    "GET /v1/learners/{id}/export",
    "POST /v1/achievements/{id}/revocation",
    "POST /v1/activities/{id}/cancellation",
    "POST /v1/conversions/{id}/annulment/decision",
    "POST /v1/learners/activation-codes",
    "POST /v1/learners/{id}/confirmation",
    "POST /v1/learners/{id}/guardianships",
    "POST /v1/learners/{id}/merges",
    "POST /v1/learners/{id}/merges/{merge_id}/decision",
    "POST /v1/learners/{id}/merges/{merge_id}/undoing",
    "POST /v1/learners/{id}/erasure",
    "POST /v1/learners/{id}/erasure/decision",
    "POST /v1/rule-sets/{id}/versions/{number}/publish",
    "POST /v1/rule-sets/{id}/versions/{number}/withdraw",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, with two registrars."""
    async with opened(database_url, public_url="https://bank.test") as served:
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
