"""Idempotency-Key: the same request again is answered as it was the first time, and done once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, select

from creditbank.jobs.housekeeping import ask_housekeeping
from creditbank.learners.tables import learner_keys
from creditbank.web.tables import idempotency_records
from tests.api.world import CLOSED, COLLEGE, World, statement
from tests.bank import document

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = "0190a5b2-7c1d-7e3f-8a4b-5c6d7e8f9a0b"


@dataclass(frozen=True)
class Row:
    """A request that changes something, once in this world."""

    request: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def stated(external_id: str, **others: Any) -> dict[str, Any]:
    return {**statement(external_id), "learner": {"id": "@learner"}, "provider": COLLEGE, **others}


ANY = {"If-Match": "*"}
NEW = {"code": "cq/keyed", "name": {"zh": "新", "en": "New"}, "provider_type": "library"}

WRITERS = (
    Row("POST /v1/achievements", stated("K-1")),
    Row("POST /v1/achievements/batch", [stated("K-2"), stated("K-3", kind="dance")]),
    Row(
        "POST /v1/achievements/@achievement/amendments",
        {"reason": "typo", "achievement": statement("achievement", credits="2")},
    ),
    Row("POST /v1/achievements/@achievement/revocation", {"reason": "a mistake"}),
    Row("POST /v1/learners", {"name": "张三"}),
    Row("PATCH /v1/learners/@learner", {"region": "50"}, ANY),
    Row("POST /v1/providers", NEW),
    Row("PATCH /v1/providers/@cq", {"region": "50"}, ANY),
    Row("POST /v1/providers/@cq/accreditations", {"register": "moe", "from": "2024-01-01"}),
    Row("POST /v1/rule-sets", document(id_="keyed")),
    Row("PUT /v1/rule-sets/@draft/versions/1", document(id_="draft", until="2031-01-01"), ANY),
    Row("POST /v1/rule-sets/@sound/versions/1/validate"),
    Row("POST /v1/rule-sets/@validated/versions/1/simulate"),
    Row("POST /v1/rule-sets/@approved/versions/1/publish"),
    Row("POST /v1/rule-sets/@leaving/versions/1/withdraw"),
)


@pytest.mark.parametrize("row", WRITERS, ids=lambda row: row.request)
async def test_replay_is_answered_as_the_first_time_and_done_once(row: Row, world: World) -> None:
    headers = {
        **row.headers,
        "Idempotency-Key": world.fresh("replay"),
        "X-Request-ID": ASKED,
    }
    first = await world.send("bank", row.request, row.body, headers)
    assert first.is_success, first.text
    assert "idempotent-replayed" not in first.headers
    stored = await world.stored()

    again = await world.send("bank", row.request, row.body, headers)

    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    for name in ("location", "etag", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)
    assert await world.stored() == stored


@pytest.mark.parametrize("row", WRITERS, ids=lambda row: row.request)
async def test_key_serves_one_request_only(row: Row, world: World) -> None:
    mine = {**row.headers, "Idempotency-Key": world.fresh("reuse")}
    assert (await world.send("bank", "POST /v1/learners", {"name": "A"}, mine)).status_code == 201
    stored = await world.stored()

    answer = await world.send("bank", row.request, row.body, mine)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await world.stored() == stored


@pytest.mark.parametrize("path", ["/v1/achievements", "/v1/achievements/batch"])
async def test_other_bytes_are_another_request(path: str, world: World) -> None:
    key = {"Idempotency-Key": world.fresh("bytes")}
    one, other = (json.dumps(world.statement(provider=COLLEGE)) for _ in range(2))
    if path.endswith("batch"):
        one, other = f"[{one}]", f"[{other}]"
    assert (await world.send("bank", f"POST {path}", one, key)).is_success
    answer = await world.send("bank", f"POST {path}", other, key)
    assert answer.json()["code"] == "idempotency_key_reused"


async def test_key_is_one_client_s(world: World) -> None:
    key = {"Idempotency-Key": world.fresh("whose")}
    answers = [await world.send(by, "POST /v1/learners", {"name": "A"}, key) for by in ("partner", "rival")]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


async def test_refused_achievement_may_come_again_under_its_key(world: World) -> None:
    identity = {"type": "phone", "value": world.fresh("138")}
    body = {**statement(world.fresh()), "learner": {"identity": identity}}
    key = {"Idempotency-Key": world.fresh("refused")}
    assert (await world.send("partner", "POST /v1/achievements", body, key)).json()["code"] == "unknown_learner"
    await world.open("A", identities=[identity])
    assert (await world.send("partner", "POST /v1/achievements", body, key)).status_code == 201


async def test_refused_change_may_come_again_under_its_key_and_if_match_is_part_of_it(world: World) -> None:
    request, key = f"PATCH /v1/learners/{await world.open()}", {"Idempotency-Key": world.fresh("match")}
    sent = [
        await world.send("partner", request, {"region": "50"}, {**key, "If-Match": tag})
        for tag in ('"7"', '"1"', '"2"')
    ]
    assert [a.status_code for a in sent] == [412, 200, 422]
    assert sent[2].json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("path", ["/v1/achievements", "/v1/achievements/batch", "/v1/learners"])
async def test_two_at_once_are_done_once(path: str, world: World) -> None:
    body: Any = {"name": "A"} if path.endswith("learners") else world.statement(provider=COLLEGE)
    body = [body] if path.endswith("batch") else body
    headers = {"Idempotency-Key": world.fresh("race"), "X-Request-ID": ASKED}
    stored = await world.stored()

    answers = await asyncio.gather(*[world.send("bank", f"POST {path}", body, headers) for _ in range(6)])

    assert all((a.status_code, a.json()) == (answers[0].status_code, answers[0].json()) for a in answers)
    assert sorted("idempotent-replayed" in a.headers for a in answers) == [False, *[True] * 5]
    after = await world.stored()
    assert after["idempotency_records"] == stored["idempotency_records"] + 1
    assert after["achievements"] + after["learners"] == stored["achievements"] + stored["learners"] + 1


async def test_batch_is_told_again_though_the_bank_has_changed(world: World) -> None:
    headers = {"Idempotency-Key": world.fresh("batch")}
    learner = await world.open()
    taken = await world.record(learner)
    closed = {**statement(world.fresh()), "learner": {"id": learner}, "provider": CLOSED}
    items = [
        world.statement(learner),
        world.statement(learner, kind="dance"),
        world.statement(learner, credits=1.5),
        {**closed, "provider": CLOSED},
        world.statement(learner, external_id=taken["achievement"]["external_id"], credits="9"),
        {"learner": {"identity": {"type": "phone", "value": world.fresh("139")}}, **statement(world.fresh())},
    ]
    first = (await world.send("partner", "POST /v1/achievements/batch", items, headers)).json()
    assert [r["status"] for r in first["results"]] == [201, 422, 422, 403, 409, 422]
    # What was refused would be recorded now; what was recorded is amended.
    await world.open("A", identities=[items[5]["learner"]["identity"]])
    at = f"/v1/achievements/{first['results'][0]['achievement']['id']}"
    amended = {**items[0], "credits": "7"}
    del amended["learner"]
    done = await world.send("partner", f"POST {at}/amendments", {"reason": "typo", "achievement": amended})
    assert done.status_code == 201, done.text
    stored = await world.stored()

    again = (await world.send("partner", "POST /v1/achievements/batch", items, headers)).json()

    assert again["counts"] == first["counts"]
    for one, other in zip(first["results"][1:], again["results"][1:], strict=True):
        assert {**one["problem"], "instance": ""} == {**other["problem"], "instance": ""}
    # Told again is that it was recorded; shown is the achievement as it stands now, as on a single post.
    assert again["results"][0]["status"] == 201
    assert again["results"][0]["achievement"]["version"] == 2
    assert await world.stored() == stored


async def test_nothing_about_a_person_stands_unsealed_beside_a_key(world: World) -> None:
    told = {"title": "Alcohol counselling", "external_id": "500103199001019999"}
    again = {**told, "kind": "dance"}
    taken = {**told, "credits": "5"}
    for path, body in (
        ("/v1/achievements", world.statement(**told)),
        ("/v1/achievements/batch", [world.statement(**one) for one in (told, again, taken)]),
        ("/v1/learners", {"name": "王五六七"}),
    ):
        answer = await world.send("partner", f"POST {path}", body, {"Idempotency-Key": world.fresh("sealed")})
        assert answer.is_success, answer.text
    async with world.database.read() as connection:
        rows = (await connection.execute(select(idempotency_records))).all()
    everything = b"".join(bytes(row.body) + repr(row.headers).encode() for row in rows)
    for name in ("Alcohol", "500103199001019999", "王五六七"):
        assert name.encode() not in everything


async def test_answer_is_gone_when_its_learner_is_erased(world: World) -> None:
    headers = {"Idempotency-Key": world.fresh("erased")}
    learner = (await world.send("partner", "POST /v1/learners", {"name": "A"}, headers)).json()["id"]
    async with world.database.write() as connection:
        await connection.execute(delete(learner_keys).where(learner_keys.c.learner_id == UUID(learner)))
    answer = await world.send("partner", "POST /v1/learners", {"name": "A"}, headers)
    assert (answer.status_code, answer.json()["code"]) == (410, "answer_erased")


async def test_key_is_remembered_for_seven_days(world: World) -> None:
    headers = {"Idempotency-Key": world.fresh("old")}
    body = world.statement()
    assert (await world.send("partner", "POST /v1/achievements", body, headers)).status_code == 201

    async def later(**by: float) -> httpx.Response:
        world.clock.turn(**by)
        async with world.database.write() as connection:
            await ask_housekeeping(connection, world.clock)
        await world.work()
        return await world.send("partner", "POST /v1/achievements", body, headers)

    replayed = await later(days=6.99)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (201, "true")
    fresh = await later(hours=2)
    assert (fresh.status_code, "idempotent-replayed" in fresh.headers) == (200, False)
