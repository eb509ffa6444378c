"""Many achievements at once: a JSON array or one a line; one that is refused harms no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.world import CLOSED, COLLEGE, RIVAL, SCHOOL, World, statement

pytestmark = pytest.mark.asyncio(loop_scope="module")

BATCH = "POST /v1/achievements/batch"


def lines(items: list[Any], ending: str = "\n") -> bytes:
    return ending.join(json.dumps(item, ensure_ascii=False) for item in items).encode()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (lambda items: json.dumps(items).encode(), {}),
        (lambda items: json.dumps(items).encode(), {"Content-Type": "application/json; charset=utf-8"}),
        (lines, {"Content-Type": "application/x-ndjson"}),
        (lambda items: lines(items, "\r\n\n") + b"\n", {"Content-Type": "application/x-ndjson"}),
    ],
    ids=["an array", "an array with a charset", "lines", "lines with CRLF and empty ones"],
)
async def test_every_form_is_taken_alike(body: Any, headers: dict[str, str], world: World) -> None:
    learners = [await world.open(name) for name in ("张三", "李四")]
    items = [world.statement(learner, title="数学") for learner in (*learners, *learners)]

    answer = await world.send("partner", BATCH, body(items), headers)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["counts"] == {"recorded": 4, "unchanged": 0, "refused": 0}
    assert [r["index"] for r in found["results"]] == [0, 1, 2, 3]
    assert [r["achievement"]["external_id"] for r in found["results"]] == [item["external_id"] for item in items]
    assert [r["achievement"]["learner_id"] for r in found["results"]] == [*learners, *learners]
    assert {r["outcome"]["state"] for r in found["results"]} == {"recognised"}


BAD: tuple[tuple[str, Any, int, str, str], ...] = (
    ("nothing of an achievement", {}, 422, "invalid_request", "/external_id"),
    ("no object", 5, 422, "invalid_request", ""),
    ("null", None, 422, "invalid_request", ""),
    ("a float", {"credits": 1.5}, 422, "invalid_request", "/credits"),
    ("an unknown kind", {"kind": "dance"}, 422, "unknown_kind", "/kind"),
    ("the future", {"completed": "2030-01-01"}, 422, "date_in_future", "/completed"),
    ("an unknown learner", {"learner": {"number": "CQ0"}}, 422, "unknown_learner", "/learner"),
    ("another's provider", {"provider": RIVAL}, 403, "foreign_provider", "/provider"),
    ("a closed provider", {"provider": CLOSED}, 403, "provider_not_active", ""),
    ("a provider nobody knows", {"provider": f"{COLLEGE}/x"}, 422, "unknown_provider", "/provider"),
    ("a taken external id", {"external_id": "achievement"}, 409, "external_id_conflict", "/external_id"),
)


@pytest.mark.parametrize("ndjson", [False, True], ids=["array", "lines"])
@pytest.mark.parametrize(("name", "wrong", "status", "code", "pointer"), BAD, ids=[row[0] for row in BAD])
async def test_bad_item_never_harms_good_ones(
    name: str, wrong: Any, status: int, code: str, pointer: str, ndjson: bool, world: World
) -> None:
    learner = await world.open()
    bad = {**world.statement(learner), **wrong} if isinstance(wrong, dict) and wrong else wrong
    items = [world.statement(learner), bad, world.statement(learner)]
    before = await world.stored()

    body, headers = (lines(items), {"Content-Type": "application/x-ndjson"}) if ndjson else (items, {})
    answer = (await world.send("partner", BATCH, body, headers)).json()

    assert answer["counts"] == {"recorded": 2, "unchanged": 0, "refused": 1}
    assert [r["status"] for r in answer["results"]] == [201, status, 201]
    refused = answer["results"][1]
    assert set(refused) == {"index", "status", "problem"}
    assert (refused["problem"]["status"], refused["problem"]["code"]) == (status, code)
    places = [error["pointer"] for error in refused["problem"]["errors"]]
    assert f"/1{pointer}" in places if pointer or code == "invalid_request" else places == []
    assert (await world.stored())["achievements"] == before["achievements"] + 2


async def test_line_that_is_no_json_is_one_bad_item(world: World) -> None:
    good = json.dumps(world.statement()).encode()
    answer = await world.send("partner", BATCH, b'{"a\n' + good, {"Content-Type": "application/x-ndjson"})
    results = answer.json()["results"]
    assert [r["status"] for r in results] == [400, 201]
    assert results[0]["problem"]["code"] == "malformed_body"


async def test_same_external_id_twice_meets_the_first(world: World) -> None:
    learner = await world.open()
    one = world.statement(learner)
    answer = (await world.send("partner", BATCH, [one, {**one, "credits": "4"}, one])).json()
    assert [r["status"] for r in answer["results"]] == [201, 409, 200]
    assert answer["counts"] == {"recorded": 1, "unchanged": 1, "refused": 1}
    again = (await world.send("partner", BATCH, [one])).json()
    assert again["counts"] == {"recorded": 0, "unchanged": 1, "refused": 0}


async def test_account_is_opened_once_for_all_items_of_a_person(world: World) -> None:
    identity = {"type": "student_number", "value": world.fresh("S")}
    item = {"learner": {"identity": identity}, "open_account": {"name": "Wu"}}
    items = [{**statement(world.fresh()), **item} for _ in range(3)]
    answer = (await world.send("partner", BATCH, items)).json()
    assert [r["status"] for r in answer["results"]] == [201, 201, 201]
    assert len({r["achievement"]["learner_id"] for r in answer["results"]}) == 1


async def test_thousand_are_taken_and_one_more_is_not(world: World) -> None:
    learners = [await world.open() for _ in range(10)]
    items = [world.statement(learners[i % 10], provider=SCHOOL) for i in range(1000)]
    before = await world.stored()

    refused = await world.send("partner", BATCH, [*items, world.statement()])
    assert (refused.status_code, refused.json()["code"]) == (422, "batch_too_large")
    assert await world.stored() == before

    taken = await world.send("partner", BATCH, items)
    assert taken.json()["counts"] == {"recorded": 1000, "unchanged": 0, "refused": 0}
    assert (await world.stored())["achievements"] == before["achievements"] + 1000
