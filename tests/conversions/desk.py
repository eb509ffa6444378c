"""Short words for what the tests of conversions do over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import SCOPES
from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from tests.api.world import COLLEGE, PARTNER_SCOPES, World
from tests.bank import document, granting


async def let_in(world: World) -> None:
    """Let in a second client of the bank and of the college: some acts need two people."""
    now = world.clock()
    async with world.database.write() as connection:
        for name, provider, scopes in (
            ("second", None, SCOPES),
            ("registrar", COLLEGE, PARTNER_SCOPES),
        ):
            _, key = await create_client(connection, NewClient(name, provider, scopes, "verified", None), now)
            world.keys[name] = str(key)


def programme(id_: str, total: str, *requirements: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """A programme."""
    return {"id": id_, "total": total, "requirements": list(requirements), **others}


def awarding(
    *programmes: Mapping[str, Any], id_: str = "college", header: Mapping[str, Any] | None = None, **others: Any
) -> dict[str, Any]:
    """Rules of a college: what was trained counts its own credits, and there are awards to be had."""
    plain = document(granting("own", kind=["training"]), id_=id_, programmes=list(programmes), **others)
    plain["ruleset"].update(header or {})
    return plain


CERTIFICATE = programme("certificate", "3")


async def post(
    world: World, at: str, body: Any = None, by: str = "partner", key: str | None = None, status: int | None = None
) -> httpx.Response:
    """Send a change under a key of its own, or under the key given."""
    headers = {"Idempotency-Key": key or world.fresh("key")}
    answer = await world.client(by).post(at, json={} if body is None else body, headers=headers)
    assert status is None or answer.status_code == status, answer.text
    return answer


async def apply_for(
    world: World, learner: str, name: str = "college.certificate", by: str = "partner", **others: Any
) -> dict[str, Any]:
    """Apply for an award, which must not be refused."""
    body = {"learner": learner, "programme": name, **others}
    answer = await post(world, "/v1/conversions", body, by, status=201)
    found: dict[str, Any] = answer.json()
    return found


async def decide(world: World, conversion: Mapping[str, Any], by: str = "registrar", **said: Any) -> dict[str, Any]:
    """Decide an application, which must not be refused."""
    body = {"decision": "approve", **said}
    answer = await post(world, f"/v1/conversions/{conversion['id']}/decision", body, by, status=200)
    found: dict[str, Any] = answer.json()
    return found


async def standing(world: World, learner: str, unit: str = "CR") -> dict[str, str]:
    """The learner's balance of a unit, by account; those at 0 left out."""
    answer = await world.bank.get(f"/v1/learners/{learner}/balance")
    units = {one["unit"]: one["by_state"] for one in answer.json()["units"]}
    return {account: amount for account, amount in units.get(unit, {}).items() if amount != "0"}


async def codes(world: World, learner: str) -> list[str]:
    """What was posted for the learner, in order."""
    answer = await world.bank.get(f"/v1/learners/{learner}/postings", params={"limit": 500})
    return [one["code"] for one in answer.json()["items"]]


async def refused(
    world: World, at: str, body: Any, code: str, status: int, by: str = "partner"
) -> Sequence[Mapping[str, str]]:
    """A change must be refused with this code, and nothing may have been written."""
    before = await world.stored()
    answer = await post(world, at, body, by, status=status)
    assert answer.json()["code"] == code, answer.text
    assert await world.stored() == before
    errors: Sequence[Mapping[str, str]] = answer.json()["errors"]
    return errors


async def verified(world: World) -> None:
    """The books must be proven."""
    edge = world.app.state.edge
    pages = [page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    assert [finding for page in pages for finding in page.findings] == []


async def learner_with(world: World, *credits_: str, **others: Any) -> tuple[str, list[str], list[str]]:
    """A new learner with trainings of these credits; answers the learner, the achievements, their lots."""
    learner = await world.open(world.fresh("Li"))
    made = [await world.record(learner, kind="training", credits=one, **others) for one in credits_]
    lots = [lot["id"] for one in made for lot in one["outcome"]["lots"]]
    return learner, [one["achievement"]["id"] for one in made], lots


async def only(world: World, *programmes: Mapping[str, Any], **others: Any) -> None:
    """Publish the college's rules and settle everybody by them."""
    await world.publish(awarding(*programmes, **others), by="partner")
    await world.work()
