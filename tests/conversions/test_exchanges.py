"""Credits that change their unit or their institution: both legs or none, and no cycle gains (rules/v1 section 8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import COLLEGE, RIVAL, World
from tests.conversions.desk import (
    CERTIFICATE,
    apply_for,
    awarding,
    codes,
    decide,
    learner_with,
    post,
    programme,
    refused,
    standing,
    verified,
)
from tests.conversions.test_debts import amend, revoke

# US-1: a quarter hour is two thirds of a semester hour, which is two ECTS credits and four of CATS.
CONVERSIONS = [
    {"id": "q-to-s", "from": "QH", "to": "SCH", "factor": "2/3"},
    {"id": "q-to-s-drop", "from": "QH", "to": "SCH", "factor": "2/3", "remainder": "drop"},
    {"id": "s-to-q", "from": "SCH", "to": "QH", "factor": "3/2"},
    {"id": "s-to-ects", "from": "SCH", "to": "ECTS", "factor": "2", "step": "1"},
    {"id": "ects-to-cats", "from": "ECTS", "to": "CATS", "factor": "2", "step": "1"},
]


async def quarters(world: World, *credits_: str, **blocks: Any) -> str:
    """A learner with quarter hours."""
    rules = awarding(unit_conversions=CONVERSIONS, **blocks)
    rules["ruleset"]["unit"] = {"code": "QH", "step": "0.001"}
    await world.publish(rules, by="partner")
    await world.work()
    learner, _, _ = await learner_with(world, *credits_)
    return learner


async def exchange(world: World, learner: str, by: str = "partner", **wish: Any) -> dict[str, Any]:
    """Exchange credits, which must not be refused."""
    body = {"rule_set": "college", **wish}
    answer = await post(world, f"/v1/learners/{learner}/exchanges", body, by, status=201)
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("lots", "wish", "gives", "uses", "rest", "quarters_left", "semesters"),
    [
        (["5"], {"unit_conversion": "q-to-s", "amount": "5"}, "3", "4.5", "0.5", "0.5", "3"),
        (["5"], {"unit_conversion": "q-to-s-drop", "amount": "5"}, "3", "5", "0", None, "3"),
        (["3", "2"], {"unit_conversion": "q-to-s", "amount": "5"}, "3", "4.5", "0.5", "0.5", "3"),
        (["3", "2"], {"unit_conversion": "q-to-s", "amount": "4"}, "2.5", "3.75", "0.25", "1.25", "2.5"),
        (["0.75"], {"unit_conversion": "q-to-s", "amount": "0.75"}, "0.5", "0.75", "0", None, "0.5"),
    ],
)
async def test_credits_change_their_unit(
    world: World,
    lots: list[str],
    wish: dict[str, str],
    gives: str,
    uses: str,
    rest: str,
    quarters_left: str | None,
    semesters: str,
) -> None:
    learner = await quarters(world, *lots)

    made = await exchange(world, learner, **wish)

    assert (made["gives"], made["uses"], made["rest"]) == (gives, uses, rest)
    assert (await standing(world, learner, "QH")).get("available") == quarters_left
    assert (await standing(world, learner, "QH"))["exchange"] == uses
    assert await standing(world, learner, "SCH") == {"available": semesters, "exchange": f"-{semesters}"}
    assert (await codes(world, learner)).count("CONVERT") == 2 * len(made["legs"])
    listed = await world.partner.get(f"/v1/learners/{learner}/exchanges")
    assert listed.json()["items"] == [made]
    await verified(world)


async def test_there_and_back_never_gains(world: World) -> None:
    learner = await quarters(world, "5", "1.1")
    for unit_conversion, amount in (("q-to-s", "6.1"), ("s-to-q", "4"), ("q-to-s", "6"), ("s-to-ects", "4")):
        await exchange(world, learner, unit_conversion=unit_conversion, amount=amount)
    await exchange(world, learner, unit_conversion="ects-to-cats", amount="8")

    assert (await standing(world, learner, "QH"))["available"] == "0.1"
    assert (await standing(world, learner, "CATS"))["available"] == "16"
    await verified(world)


async def test_credits_that_came_by_exchange_make_an_award_in_their_unit(world: World) -> None:
    learner = await quarters(world, "6")
    await exchange(world, learner, unit_conversion="q-to-s", amount="6")
    # The next version counts in semester hours and has an award in them.
    rules = awarding(CERTIFICATE, version=2, start="2025-03-01", unit_conversions=CONVERSIONS)
    rules["ruleset"]["unit"] = {"code": "SCH", "step": "0.001"}
    await world.publish(rules, by="partner")
    await world.work()

    made = await decide(world, await apply_for(world, learner))

    assert made["award"]["credits"] == "3"
    assert (await standing(world, learner, "SCH"))["redeemed"] == "3"
    await verified(world)


async def test_settling_again_leaves_exchanged_credits_alone(world: World) -> None:
    learner = await quarters(world, "6")
    await exchange(world, learner, unit_conversion="q-to-s", amount="6")
    before = await codes(world, learner)

    await world.record(learner, kind="training", credits="1")
    await world.publish(awarding(id_="further"), by="partner")
    await world.work()

    assert (await codes(world, learner))[: len(before)] == before
    assert (await standing(world, learner, "SCH"))["available"] == "4"
    await verified(world)


async def test_exchanged_credits_expire_on_the_day_of_the_old_ones(world: World) -> None:
    learner = await quarters(world, "6", validity={"max": "P1Y"})
    await exchange(world, learner, unit_conversion="q-to-s", amount="3")
    # Completed on 20 January 2025: a year later a course brings the learner before the rules again.
    world.clock.turn(days=400)
    await world.record(learner, kind="training", credits="1", completed="2026-03-01")

    assert (await standing(world, learner, "QH"))["expired"] == "3"
    assert (await standing(world, learner, "SCH"))["expired"] == "2"
    await verified(world)


async def test_a_basis_that_falls_away_after_an_exchange_is_a_debt(world: World) -> None:
    learner = await quarters(world, "6")
    await exchange(world, learner, unit_conversion="q-to-s", amount="6")
    (achievement,) = (await world.partner.get(f"/v1/learners/{learner}/achievements")).json()["items"]

    await revoke(world, achievement["id"])

    assert (await standing(world, learner, "QH")) == {"exchange": "6", "owed": "-6"}
    body = {"rule_set": "college", "unit_conversion": "s-to-q", "amount": "1"}
    await refused(world, f"/v1/learners/{learner}/exchanges", body, "learner_in_debt", 409)
    await verified(world)


async def test_a_changed_amount_moves_what_was_not_exchanged_only(world: World) -> None:
    learner = await quarters(world, "6")
    await exchange(world, learner, unit_conversion="q-to-s", amount="3")
    (achievement,) = (await world.partner.get(f"/v1/learners/{learner}/achievements")).json()["items"]

    await amend(world, achievement["id"], credits="4")

    assert (await standing(world, learner, "QH")) == {"available": "1", "exchange": "3"}
    assert (await standing(world, learner, "SCH"))["available"] == "2"
    await verified(world)


async def test_credits_are_transferred_to_another_institution(world: World) -> None:
    # One programme takes credits of anywhere; the other asks for credits learned at the receiving institution itself.
    anywhere = programme("anywhere", "3", {"id": "all", "need": {"credits": "3"}})
    own = programme("resident", "3", {"id": "own", "provider": RIVAL, "need": {"credits": "3"}})
    await world.publish(awarding(anywhere, own), by="partner")
    await world.work()
    learner, _, (lot,) = await learner_with(world, "5")

    made = await exchange(world, learner, provider=RIVAL, lots=[{"lot": lot, "amount": "3"}])
    # Credits that moved make nobody's residency (decision 28).
    resident = {"learner": learner, "programme": "college.resident"}
    await refused(world, "/v1/conversions", resident, "requirements_missing", 409)
    held = await apply_for(world, learner, "college.anywhere")

    assert made["kind"] == "transfer"
    assert made["legs"][0]["old_lot"] == lot
    moved = made["legs"][0]["new_lot"]
    assert moved != lot
    assert {one["lot"] for one in held["held"]} <= {lot, moved}
    assert await standing(world, learner) == {"available": "2", "reserved": "3"}
    assert (await codes(world, learner)).count("TRANSFER") == 2
    await verified(world)


@pytest.mark.parametrize(
    ("wish", "code", "status"),
    [
        ({"unit_conversion": "nothing", "amount": "1"}, "unknown_unit_conversion", 422),
        ({"unit_conversion": "q-to-s", "amount": "1", "rule_set": "nowhere"}, "unknown_unit_conversion", 422),
        ({"unit_conversion": "q-to-s", "amount": "7"}, "credits_short", 409),
        ({"unit_conversion": "s-to-q", "amount": "1"}, "credits_short", 409),
        ({"unit_conversion": "q-to-s", "amount": "0.7"}, "exchange_too_small", 409),
        ({"unit_conversion": "q-to-s", "amount": "0"}, "exchange_too_small", 409),
        ({"unit_conversion": "q-to-s", "lots": [{"lot": "mine", "amount": "7"}]}, "insufficient_credits", 409),
        ({"unit_conversion": "s-to-q", "lots": [{"lot": "mine"}]}, "unknown_lot", 422),
        ({"unit_conversion": "q-to-s", "lots": [{"lot": "mine"}, {"lot": "mine"}]}, "unknown_lot", 422),
        ({"provider": "cq/nowhere", "amount": "1"}, "unknown_provider", 422),
        ({"provider": "cq/yuzhong/closed", "amount": "1"}, "provider_not_active", 403),
        ({"provider": COLLEGE, "amount": "1"}, "same_institution", 422),
        ({"provider": RIVAL, "unit_conversion": "q-to-s", "amount": "1"}, "invalid_request", 422),
        ({"unit_conversion": "q-to-s"}, "invalid_request", 422),
        ({"unit_conversion": "q-to-s", "amount": "1", "unit": "QH"}, "invalid_request", 422),
    ],
)
async def test_a_bad_exchange_is_refused_and_moves_nothing(
    world: World, wish: dict[str, Any], code: str, status: int
) -> None:
    learner = await quarters(world, "6")
    (lot,) = (await world.partner.get(f"/v1/learners/{learner}/lots")).json()["items"]
    if "lots" in wish:
        # A list of its own: the table is read once for every database.
        mine = [one | {"lot": lot["id"] if one["lot"] == "mine" else one["lot"]} for one in wish["lots"]]
        wish = {**wish, "lots": mine}

    await refused(world, f"/v1/learners/{learner}/exchanges", {"rule_set": "college", **wish}, code, status)
    await refused(world, f"/v1/learners/{learner}/exchanges", {"rule_set": "college", **wish}, code, status)

    assert await standing(world, learner, "QH") == {"available": "6"}


async def test_the_same_exchange_again_is_the_same_exchange(world: World) -> None:
    learner = await quarters(world, "6")
    at, body = f"/v1/learners/{learner}/exchanges", {"rule_set": "college", "unit_conversion": "q-to-s", "amount": "3"}
    first = await post(world, at, body, key="once", status=201)
    world.clock.turn(days=20)
    await world.work()

    again = await post(world, at, body, key="once", status=201)
    other = await post(world, at, {**body, "amount": "1.5"}, key="once")

    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await codes(world, learner)).count("CONVERT") == 2


async def test_a_stranger_exchanges_nothing(world: World) -> None:
    learner = await quarters(world, "6")
    body = {"rule_set": "college", "unit_conversion": "q-to-s", "amount": "3"}

    await refused(world, f"/v1/learners/{learner}/exchanges", body, "learner_not_found", 404, by="rival")
    listed = await world.rival.get(f"/v1/learners/{learner}/exchanges")

    assert listed.status_code == 404
