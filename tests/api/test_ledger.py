"""Balance, lots, postings, decisions and evaluations as they are read."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

import pytest

from tests.api.world import COLLEGE, RIVAL, World
from tests.bank import document, granting

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def read(world: World, learner: str, what: str, by: str = "bank") -> Any:
    answer = await world.send(by, f"GET /v1/learners/{learner}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_balance_counts_by_unit_category_and_state(world: World) -> None:
    learner = await world.open()
    hours = document(granting("hour", {"fixed": 2}, kind="activity"), id_="hours")
    hours["ruleset"]["unit"] = {"code": "HOUR", "step": 1}
    await world.publish(hours)
    await world.record(learner, credits="3", category="arts/languages")
    await world.record(learner, credits="1.5", category="arts/languages")
    await world.record(learner, credits="4")
    await world.record(learner, kind="activity")
    empty = dict.fromkeys(
        ("pending", "available", "reserved", "redeemed", "expired", "excess", "owed", "write_off", "exchange"), "0"
    )

    assert (await read(world, learner, "balance"))["units"] == [
        {
            "unit": "CR",
            "total": "8.5",
            "by_category": {"": "4", "arts/languages": "4.5"},
            "by_level": {"": "8.5"},
            "by_state": {**empty, "available": "8.5"},
        },
        {
            "unit": "HOUR",
            "total": "2",
            "by_category": {"": "2"},
            "by_level": {"": "2"},
            "by_state": {**empty, "available": "2"},
        },
    ]


async def test_learner_without_credits_has_an_empty_balance(world: World) -> None:
    learner = await world.open()
    assert await read(world, learner, "balance") == {"units": []}
    for what in ("lots", "postings", "decisions", "achievements"):
        assert await read(world, learner, what) == {"items": [], "next": None}


async def test_provider_sees_what_it_gave_and_no_more(world: World) -> None:
    learner = await world.open()
    mine = await world.record(learner, credits="3")
    theirs = await world.record(learner, by="rival", credits="5")
    for by, provider, total, recorded in (("partner", COLLEGE, "3", mine), ("rival", RIVAL, "5", theirs)):
        assert (await read(world, learner, "balance", by))["units"][0]["total"] == total
        assert [lot["provider"] for lot in (await read(world, learner, "lots", by))["items"]] == [provider]
        seen = (await read(world, learner, "achievements", by))["items"]
        assert [item["id"] for item in seen] == [recorded["achievement"]["id"]]
    assert (await read(world, learner, "balance"))["units"][0]["total"] == "8"


async def test_postings_are_a_chain_and_sum_to_the_lots(world: World) -> None:
    learner = await world.open()
    for credits_ in ("3", "1.25", "2"):
        await world.record(learner, credits=credits_)
    postings = (await read(world, learner, "postings"))["items"]
    assert [p["seq"] for p in postings] == [1, 2, 3]
    assert postings[0]["previous"] == "00" * 32
    assert [p["previous"] for p in postings[1:]] == [p["hash"] for p in postings[:-1]]
    assert all(len(bytes.fromhex(p["hash"])) == hashlib.sha256().digest_size for p in postings)
    lots = {lot["id"]: lot for lot in (await read(world, learner, "lots"))["items"]}
    for posting in postings:
        assert lots[posting["lot"]]["positions"] == {
            "issued": f"-{posting['amount']}",
            "available": posting["amount"],
        }
        assert lots[posting["lot"]]["decision"] == posting["decision"]


async def test_every_credit_answers_why(world: World) -> None:
    learner = await world.open()
    recorded = await world.record(learner, credits="3")
    outcome = recorded["outcome"]
    decisions = (await read(world, learner, "decisions"))["items"]
    (granted,) = [d for d in decisions if d["id"] in outcome["decisions"]]
    assert (granted["effect"], granted["rule"], granted["is_current"]) == ("grant", "own", True)
    assert granted["achievements"] == [recorded["achievement"]["id"]]
    assert granted["reason"] == outcome["reasons"][0]
    assert (granted["trace"]["rule_set"], granted["trace"]["version"]) == ("town", 1)

    evaluation = await read(world, learner, f"evaluations/{outcome['evaluation']}")
    assert (evaluation["cause"], date.fromisoformat(evaluation["as_of"])) == ("achievement", date(2025, 3, 1))
    assert [d["id"] for d in evaluation["decisions"]] == [granted["id"]]

    gone = f"POST /v1/achievements/{recorded['achievement']['id']}/revocation"
    assert (await world.send("partner", gone, {"reason": "a mistake"})).status_code == 201
    after = (await read(world, learner, "decisions"))["items"]
    assert after[0]["id"] == granted["id"]
    assert (after[0]["is_current"], len(after)) == (False, 2)
    assert after[1]["reason"] == "The achievement was revoked."
