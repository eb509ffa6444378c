"""The network: institutions in a tree by their codes, and the registers in which they are accredited."""

from __future__ import annotations

import pytest

from tests.api.world import COLLEGE, World
from tests.bank import document, granting

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_institution_stands_under_the_one_that_its_code_names(world: World) -> None:
    code = f"{COLLEGE}/reading-room"
    body = {
        "code": code,
        "name": {"zh": "阅览室", "en": "Reading room"},
        "provider_type": "library",
        "region": "500103",
    }

    answer = await world.send("partner", "POST /v1/providers", body)

    assert answer.status_code == 201
    entered = answer.json()
    assert answer.headers["location"] == f"/v1/providers/{entered['id']}"
    assert entered == {**body, "id": entered["id"], "parent": COLLEGE, "status": "active"}
    assert (await world.send("rival", f"GET /v1/providers/{entered['id']}")).json() == entered


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("under=cq/jiangbei", ["cq/jiangbei"]),
        ("under=cq/yuzhong&provider_type=community_school", ["cq/yuzhong/closed", "cq/yuzhong/jiefangbei"]),
        ("under=cq/yuz", []),
        ("provider_type=guidance_centre", ["cq"]),
    ],
)
async def test_list_is_of_a_subtree_and_a_type(query: str, codes: list[str], world: World) -> None:
    found = (await world.send("reader", f"GET /v1/providers?{query}")).json()["items"]
    assert [item["code"] for item in found] == codes


async def test_closed_institution_states_nothing_until_it_is_opened(world: World) -> None:
    learner = await world.open()
    body = world.statement(learner, provider="cq/yuzhong/closed")
    assert (await world.send("partner", "POST /v1/achievements", body)).json()["code"] == "provider_not_active"
    at = "PATCH /v1/providers/@cq/yuzhong/closed"
    opened = await world.send("partner", at, {"status": "active"}, {"If-Match": "*"})
    assert opened.json()["status"] == "active"
    assert (await world.send("partner", "POST /v1/achievements", body)).status_code == 201


async def test_accreditation_is_listed_and_settles_everybody_again(world: World) -> None:
    accredited = granting("accredited", {"fixed": 2}, kind="degree", accredited="moe")
    await world.publish(document(accredited, id_="accredited", registers={"moe": {"external": True}}))
    learner = await world.open()
    before = await world.record(learner, kind="degree")
    assert before["outcome"]["state"] == "not_recognised"
    entry = {"register": "moe", "from": "2024-01-01", "until": "2030-01-01"}

    answer = await world.send("bank", "POST /v1/providers/@cq/yuzhong/accreditations", entry)

    assert answer.status_code == 201
    assert answer.json() == {**entry, "id": answer.json()["id"], "provider": COLLEGE, "offering": None}
    listed = (await world.send("reader", "GET /v1/providers/@cq/yuzhong/accreditations")).json()
    assert listed == {"items": [answer.json()], "next": None}
    await world.work()
    balance = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()
    assert [unit["total"] for unit in balance["units"]] == ["2"]


@pytest.mark.parametrize("path", ["/v1/kinds", "/v1/categories", "/v1/provider-types"])
async def test_public_lists_name_every_code_in_both_languages(path: str, world: World) -> None:
    items = (await world.send("nobody", f"GET {path}")).json()["items"]
    assert len(items) > 5
    assert len({item["code"] for item in items}) == len(items)
    assert all(set(item["name"]) == {"zh", "en"} and all(item["name"].values()) for item in items)
