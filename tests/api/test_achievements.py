"""One achievement: recorded, recorded again, amended, revoked; its credits follow."""

from __future__ import annotations

from typing import Any

import pytest

from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from tests.api.world import COLLEGE, SCHOOL, World, statement

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def total(world: World, learner: str) -> str:
    units = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()["units"]
    return str(units[0]["total"]) if units else "0"


async def test_recorded_is_what_was_stated_and_what_became_of_it(world: World) -> None:
    learner = await world.open()
    body = world.statement(
        learner, tags=["1+X", "1+X"], grade={"percent": 86}, credits="2.50", facts={"proctored": True}
    )

    answer = await world.send("partner", "POST /v1/achievements", body)

    assert answer.status_code == 201
    achievement, outcome = answer.json()["achievement"], answer.json()["outcome"]
    assert answer.headers["location"] == f"/v1/achievements/{achievement['id']}"
    assert answer.headers["etag"] == '"1"'
    assert achievement["content"] == {
        "external_id": body["external_id"],
        "kind": "course",
        "completed": "2025-01-20",
        "title": body["title"],
        "credits": "2.5",
        "grade": {"percent": "86"},
        "tags": ["1+X"],
        "facts": {"proctored": True},
        "assurance": "provider",
        "provider": COLLEGE,
    }
    assert (achievement["learner_id"], achievement["status"], achievement["version"]) == (learner, "valid", 1)
    assert outcome["state"] == "recognised"
    (lot,) = outcome["lots"]
    assert lot["positions"] == {"issued": "-2.5", "available": "2.5"}
    assert lot["achievements"] == [achievement["id"]]
    assert outcome["decisions"]
    assert outcome["reasons"]
    assert await total(world, learner) == "2.5"


@pytest.mark.parametrize(("stated", "kept"), [("self", "self"), ("verified", "verified"), ("signed", "verified")])
async def test_assurance_is_capped_by_the_credential(stated: str, kept: str, world: World) -> None:
    recorded = await world.record(await world.open(), assurance=stated)
    assert recorded["achievement"]["content"]["assurance"] == kept


async def test_client_speaks_for_those_under_its_provider(world: World) -> None:
    recorded = await world.record(await world.open(), provider=SCHOOL)
    assert recorded["achievement"]["provider"] == SCHOOL


@pytest.mark.parametrize(
    "again",
    [{}, {"credits": 3}, {"credits": "3.000"}, {"tags": []}, {"assurance": "provider"}, {"provider": COLLEGE}],
    ids=str,
)
async def test_same_content_again_is_answered_200_with_what_is_there(again: dict[str, Any], world: World) -> None:
    body = world.statement(await world.open())
    first = await world.send("partner", "POST /v1/achievements", body)
    before = await world.stored()

    second = await world.send("partner", "POST /v1/achievements", {**body, **again})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert await world.stored() == before


@pytest.mark.parametrize("other", [{"credits": "4"}, {"title": "Other"}, {"completed": "2025-01-21"}, {"kind": "exam"}])
async def test_other_content_under_the_same_external_id_is_a_conflict(other: dict[str, Any], world: World) -> None:
    body = world.statement(await world.open())
    await world.send("partner", "POST /v1/achievements", body)
    before = await world.stored()
    answer = await world.send("partner", "POST /v1/achievements", {**body, **other})
    assert (answer.status_code, answer.json()["code"]) == (409, "external_id_conflict")
    assert answer.json()["errors"][0]["pointer"] == "/external_id"
    assert await world.stored() == before


async def test_external_id_is_one_provider_s(world: World) -> None:
    name, learner = world.fresh(), await world.open()
    mine = await world.record(learner, external_id=name)
    theirs = await world.record(learner, by="rival", external_id=name)
    assert mine["achievement"]["id"] != theirs["achievement"]["id"]


async def test_amendment_is_a_further_version_and_the_credits_follow(world: World) -> None:
    learner = await world.open()
    recorded = await world.record(learner, credits="3")
    id_, external = recorded["achievement"]["id"], recorded["achievement"]["external_id"]

    amended = await world.send(
        "partner",
        f"POST /v1/achievements/{id_}/amendments",
        {"reason": "a digit was wrong", "achievement": statement(external, credits="5")},
    )

    assert amended.status_code == 201
    assert amended.headers["etag"] == '"2"'
    assert amended.json()["achievement"]["version"] == 2
    assert await total(world, learner) == "5"
    whole = (await world.send("partner", f"GET /v1/achievements/{id_}")).json()
    assert [(v["number"], v["content"]["credits"], v["reason"]) for v in whole["versions"]] == [
        (1, "3", None),
        (2, "5", "a digit was wrong"),
    ]
    # Any version of it is known again; only what it never said is a conflict.
    for credits_, status in (("3", 200), ("5", 200), ("4", 409)):
        again = await world.send(
            "partner", "POST /v1/achievements", world.statement(learner, external_id=external, credits=credits_)
        )
        assert again.status_code == status
        if status == 200:
            assert again.json()["achievement"]["version"] == 2


async def test_revocation_takes_the_credits_back_and_deletes_nothing(world: World) -> None:
    learner = await world.open()
    kept, recorded = await world.record(learner), await world.record(learner)
    id_ = recorded["achievement"]["id"]
    before = await world.stored()

    gone = await world.send("partner", f"POST /v1/achievements/{id_}/revocation", {"reason": "plagiarism"})

    assert gone.status_code == 201
    assert gone.json()["achievement"]["status"] == "revoked"
    assert gone.json()["outcome"]["state"] == "not_recognised"
    assert await total(world, learner) == "3"
    postings = (await world.send("bank", f"GET /v1/learners/{learner}/postings")).json()["items"]
    moved = [(p["seq"], p["code"], p["source"], p["target"], p["amount"]) for p in postings]
    assert moved == [
        (1, "ACCRUE", "issued", "available", "3"),
        (2, "ACCRUE", "issued", "available", "3"),
        (3, "REVERSE", "available", "issued", "3"),
    ]
    assert postings[2]["lot"] == postings[1]["lot"]
    after = await world.stored()
    assert all(after[name] >= count for name, count in before.items())
    again = await world.send(
        "partner", "POST /v1/achievements", world.statement(learner, external_id=recorded["achievement"]["external_id"])
    )
    assert (again.status_code, again.json()["achievement"]["status"]) == (200, "revoked")
    assert kept["achievement"]["id"] != id_


async def test_all_that_these_tests_left_can_be_proved(world: World) -> None:
    edge = world.app.state.edge
    pages = [page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    assert [finding for page in pages for finding in page.findings] == []
    assert sum(page.postings for page in pages) > 20
