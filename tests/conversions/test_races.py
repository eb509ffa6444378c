"""Many at once on PostgreSQL: what concurrent requests come to is what some order of them would have come to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.api.world import World, opened
from tests.conftest import chosen_engines
from tests.conversions.desk import (
    apply_for,
    codes,
    learner_with,
    let_in,
    only,
    post,
    programme,
    standing,
    verified,
)

CLIENTS = 64

pytestmark = pytest.mark.skipif(
    "postgresql" not in chosen_engines(), reason="SQLite has one writer: there is nothing to race for"
)


@pytest_asyncio.fixture
async def world(postgresql_url: str) -> AsyncIterator[World]:
    """A bank on PostgreSQL."""
    async with opened(postgresql_url) as served:
        await let_in(served)
        yield served


def counted(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """How often each status and code was answered."""
    return Counter((one.status_code, one.json().get("code", "")) for one in answers)


async def test_of_many_who_want_the_same_credits_for_different_awards_one_gets_them(world: World) -> None:
    await only(world, *[programme(f"p{number}", "3") for number in range(CLIENTS)])
    learner, _, _ = await learner_with(world, "3")

    answers = await asyncio.gather(
        *[
            post(world, "/v1/conversions", {"learner": learner, "programme": f"college.p{number}"})
            for number in range(CLIENTS)
        ]
    )

    assert counted(list(answers)) == {(201, ""): 1, (409, "already_used"): CLIENTS - 1}
    assert await standing(world, learner) == {"reserved": "3"}
    assert (await codes(world, learner)).count("HOLD") == 1
    await verified(world)


async def test_of_many_who_want_some_of_the_credits_as_many_as_there_are_get_them(world: World) -> None:
    await only(world, *[programme(f"p{number}", "3") for number in range(CLIENTS)])
    learner, _, _ = await learner_with(world, "7", "3", "5")

    answers = await asyncio.gather(
        *[
            post(world, "/v1/conversions", {"learner": learner, "programme": f"college.p{number}"})
            for number in range(CLIENTS)
        ]
    )

    assert counted(list(answers)) == {(201, ""): 5, (409, "already_used"): CLIENTS - 5}
    assert await standing(world, learner) == {"reserved": "15"}
    await verified(world)


async def test_an_application_ends_once_whoever_ends_it(world: World) -> None:
    await only(world, programme("certificate", "3"))
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)
    at = f"/v1/conversions/{held['id']}"
    ways = [
        ("decision", {"decision": "approve"}, "registrar"),
        ("decision", {"decision": "reject", "reasons": ["other"]}, "bank"),
        ("withdrawal", {}, "partner"),
    ]

    answers = await asyncio.gather(*[post(world, f"{at}/{verb}", body, by) for verb, body, by in ways * 10])

    assert counted(list(answers)) == {(200, ""): 1, (409, "hold_ended"): 29}
    assert (await codes(world, learner))[-2] == "HOLD"
    assert "reserved" not in await standing(world, learner)
    await verified(world)


async def test_the_same_request_many_times_at_once_is_done_once(world: World) -> None:
    await only(world, programme("certificate", "3"))
    learner, _, _ = await learner_with(world, "6")
    body = {"learner": learner, "programme": "college.certificate"}

    answers = await asyncio.gather(*[post(world, "/v1/conversions", body, key="once") for _ in range(16)])

    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    assert await standing(world, learner) == {"available": "3", "reserved": "3"}
    await verified(world)


async def test_everything_at_once_for_one_learner_equals_some_order(world: World) -> None:
    # Records, revocations, applications and exchanges meet on one learner: whatever the order, the books are proven
    # and what is held is what the open applications hold.
    conversions = [{"id": "x", "from": "CR", "to": "PT", "factor": "1"}]
    await only(world, *[programme(f"p{number}", "3") for number in range(8)], unit_conversions=conversions)
    learner, achievements, _ = await learner_with(world, "3", "3", "3", "3")
    wish = {"rule_set": "college", "unit_conversion": "x", "amount": "1"}
    statement = world.statement(learner, kind="training", credits="3")

    answers = await asyncio.gather(
        *[post(world, "/v1/conversions", {"learner": learner, "programme": f"college.p{n}"}) for n in range(8)],
        *[post(world, f"/v1/learners/{learner}/exchanges", wish) for _ in range(8)],
        *[post(world, f"/v1/achievements/{one}/revocation", {"reason": "a mistake"}) for one in achievements[:2]],
        *[post(world, "/v1/achievements", {**statement, "external_id": f"late-{n}"}) for n in range(4)],
    )

    assert not [one for one in answers if one.status_code >= 500]
    seen = {one.json().get("code", "") for one in answers}
    assert seen <= {"", "already_used", "already_redeemed", "requirements_missing", "credits_short", "learner_in_debt"}
    held = await world.partner.get("/v1/conversions", params={"learner": learner})
    reserved = 3 * sum(one["state"] == "held" for one in held.json()["items"])
    assert (await standing(world, learner)).get("reserved", "0") == str(reserved)
    await verified(world)
