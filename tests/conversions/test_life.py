"""Applications for awards over HTTP, from the hold to its end, on both databases."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.world import COLLEGE, World
from tests.conversions.desk import (
    CERTIFICATE,
    apply_for,
    codes,
    decide,
    learner_with,
    only,
    post,
    programme,
    refused,
    standing,
    verified,
)


async def test_an_award_is_applied_for_held_and_made(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    before = await standing(world, learner)

    held = await apply_for(world, learner)
    during = await standing(world, learner)
    made = await decide(world, held)
    again = await world.partner.get(f"/v1/conversions/{held['id']}")

    assert before["available"] == "3"
    assert held["state"] == "held"
    assert held["provider"] == COLLEGE
    assert [one["amount"] for one in held["held"]] == ["3"]
    assert during == {"reserved": "3"}
    assert made["state"] == "approved"
    assert made["award"]["credits"] == "3"
    assert not made["award"]["in_part"]
    assert re.fullmatch(r"A\d{13}", made["award"]["number"])
    assert again.json() == made
    assert await standing(world, learner) == {"redeemed": "3"}
    assert (await codes(world, learner))[-2:] == ["HOLD", "REDEEM"]
    await verified(world)


async def test_an_approval_in_part_gives_the_rest_back(world: World) -> None:
    # LG-1: freeze 5, post 3, 2 come back; more than is frozen is an error; a second resolution is an error.
    await only(world, programme("certificate", "5"))
    learner, _, _ = await learner_with(world, "5")
    held = await apply_for(world, learner)
    lot = held["held"][0]["lot"]
    at = f"/v1/conversions/{held['id']}/decision"

    part = {"decision": "approve_in_part", "amounts": [{"lot": lot, "amount": "5.001"}]}
    await refused(world, at, part, "more_than_held", 422, by="registrar")
    nothing = {"decision": "approve_in_part", "amounts": [{"lot": lot, "amount": "0"}]}
    await refused(world, at, nothing, "nothing_approved", 422, by="registrar")
    made = await decide(world, held, decision="approve_in_part", amounts=[{"lot": lot, "amount": "3"}])
    await refused(world, at, {"decision": "approve"}, "hold_ended", 409, by="registrar")

    assert made["award"]["in_part"]
    assert made["award"]["credits"] == "3"
    assert [one["redeemed"] for one in made["held"]] == ["3"]
    assert await standing(world, learner) == {"available": "2", "redeemed": "3"}
    await verified(world)


async def test_what_was_approved_in_part_counts_when_the_rest_is_applied_for(world: World) -> None:
    await only(world, programme("certificate", "5"))
    learner, _, _ = await learner_with(world, "5")
    held = await apply_for(world, learner)
    await decide(world, held, decision="approve_in_part", amounts=[{"lot": held["held"][0]["lot"], "amount": "3"}])

    rest = await apply_for(world, learner)
    whole = await decide(world, rest)

    assert [one["amount"] for one in rest["stacked"]] == ["3"]
    assert [one["amount"] for one in rest["held"]] == ["2"]
    assert whole["award"]["credits"] == "5"
    assert await standing(world, learner) == {"redeemed": "5"}
    await verified(world)


@pytest.mark.parametrize(
    ("verb", "body", "by", "state"),
    [
        ("decision", {"decision": "reject", "reasons": ["content_differs"]}, "registrar", "rejected"),
        ("withdrawal", {}, "partner", "withdrawn"),
        ("withdrawal", {}, "bank", "withdrawn"),
    ],
)
async def test_what_was_held_is_given_back(world: World, verb: str, body: Any, by: str, state: str) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)

    ended = await post(world, f"/v1/conversions/{held['id']}/{verb}", body, by, status=200)

    assert ended.json()["state"] == state
    assert ended.json()["reasons"] == body.get("reasons", [])
    assert ended.json()["award"] is None
    assert await standing(world, learner) == {"available": "3"}
    assert (await codes(world, learner))[-2:] == ["HOLD", "VOID"]
    await refused(world, f"/v1/conversions/{held['id']}/{verb}", body, "hold_ended", 409, by=by)
    await verified(world)


async def test_an_application_that_nobody_decides_lapses(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)

    world.clock.turn(days=60, minutes=10)
    at = f"/v1/conversions/{held['id']}/decision"
    await refused(world, at, {"decision": "approve"}, "hold_ended", 409, by="registrar")
    await world.work()
    found = await world.partner.get(f"/v1/conversions/{held['id']}")

    assert found.json()["state"] == "timed_out"
    assert await standing(world, learner) == {"available": "3"}
    assert (await codes(world, learner))[-2:] == ["HOLD", "TIMEOUT"]
    await verified(world)


async def test_credits_are_judged_on_the_day_they_were_held_and_a_hold_lengthens_nothing(world: World) -> None:
    # Completed on 10 April a year ago: expired on 10 April, between the hold of 1 March and its end.
    await only(world, CERTIFICATE, validity={"max": "P1Y"})
    kept, _, _ = await learner_with(world, "3", completed="2024-04-10")
    given, _, _ = await learner_with(world, "3", completed="2024-04-10")
    redeemed, voided = await apply_for(world, kept), await apply_for(world, given)

    world.clock.turn(days=45)
    made = await decide(world, redeemed)
    ended = await post(world, f"/v1/conversions/{voided['id']}/withdrawal", {}, status=200)

    assert made["state"] == "approved"
    assert ended.json()["state"] == "withdrawn"
    assert await standing(world, kept) == {"redeemed": "3"}
    assert await standing(world, given) == {"expired": "3"}
    postings = (await world.bank.get(f"/v1/learners/{given}/postings")).json()["items"]
    assert [one["code"] for one in postings][-2:] == ["VOID", "EXPIRE"]
    assert postings[-1]["effective"] == "2025-04-10"
    await refused(
        world, "/v1/conversions", {"learner": given, "programme": "college.certificate"}, "requirements_missing", 409
    )
    await verified(world)
