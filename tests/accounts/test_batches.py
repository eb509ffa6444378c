"""Many accounts opened at once: one that is refused harms no other, and the same batch again opens none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.world import World, opened
from tests.privacy.test_erasure import dump, erase


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank."""
    async with opened(database_url) as served:
        yield served


def person(name: str, phone: str, **others: Any) -> dict[str, Any]:
    """Somebody whose account is to be opened."""
    return {"name": name, "identities": [{"type": "phone", "value": phone}], **others}


CARD = {"type": "id_card", "value": "11010519491231002X"}
BATCH = [
    person("Shen Yilan", "13900000001", birth_date="1990-01-01"),
    person("Shen Yilan", "139 0000 0001"),
    {"name": ""},
    person("Gu Mingzhe", "13900000002", birth_date="2999-01-01"),
    {
        "name": "Gu Mingzhe",
        "identities": [{"type": "id_card", "value": "11010519491231002X"}],
        "birth_date": "1990-01-01",
    },
    person("Tao Ruoxi", "13900000003"),
    7,
]
WANTED = [201, 409, 422, 422, 422, 201, 422]
CODES = [None, "identity_taken", "invalid_request", "born_in_future", "birth_date_differs", None, "invalid_request"]


async def test_one_that_is_refused_harms_no_other(world: World) -> None:
    answer = await world.partner.post("/v1/learners/batch", json=BATCH)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [one["status"] for one in results] == WANTED
    assert [one.get("problem", {}).get("code") for one in results] == CODES
    assert answer.json()["counts"] == {"opened": 2, "refused": 5}
    assert results[4]["problem"]["errors"][0]["pointer"] == "/4/birth_date"
    for one in results:
        if one["status"] == 201:
            read = await world.partner.get(f"/v1/learners/{one['learner']['id']}")
            assert read.json() == one["learner"]
            events = await world.bank.get("/v1/audit-events", params={"subject": f"learner:{one['learner']['id']}"})
            assert [event["action"] for event in events.json()["items"]] == ["learner.open"]


async def test_the_same_batch_again_is_answered_again_and_opens_none(world: World) -> None:
    headers = {"Idempotency-Key": "batch"}
    first = await world.partner.post("/v1/learners/batch", json=BATCH, headers=headers)
    before = await world.stored()
    again = await world.partner.post("/v1/learners/batch", json=BATCH, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    plain = [{k: v for k, v in one.items() if k != "problem"} for one in first.json()["results"]]
    assert [{k: v for k, v in one.items() if k != "problem"} for one in again.json()["results"]] == plain
    assert [one.get("problem", {}).get("code") for one in again.json()["results"]] == CODES
    assert await world.stored() == before
    # What is kept of it names nobody.
    assert b"Shen Yilan" not in await dump(world)

    await erase(world, first.json()["results"][0]["learner"]["id"])
    gone = await world.partner.post("/v1/learners/batch", json=BATCH, headers=headers)
    assert [one["status"] for one in gone.json()["results"]] == [410, *WANTED[1:]]


async def test_a_batch_may_come_one_a_line(world: World) -> None:
    lines = b"\n".join(json.dumps(one).encode() for one in BATCH) + b"\n{"
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await world.partner.post("/v1/learners/batch", content=lines, headers=headers)
    assert [one["status"] for one in answer.json()["results"]] == [*WANTED, 400]


REFUSED = {
    "no list": (b'{"name": "Li"}', 422, "invalid_request"),
    "nobody": (b"[]", 422, "invalid_request"),
    "no JSON": (b"[", 400, "malformed_body"),
    "too many": (json.dumps([{"name": "Li"}] * 1001).encode(), 422, "batch_too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_batch_is_refused_whole(world: World, body: bytes, status: int, code: str) -> None:
    before = await world.stored()
    headers = {"Content-Type": "application/json"}
    answer = await world.partner.post("/v1/learners/batch", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await world.stored() == before
