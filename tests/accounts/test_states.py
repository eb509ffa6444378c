"""An account that has ended takes nothing new, and all it holds stays to be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from tests.api.world import DIPLOMA, PDF, World, claim, opened
from tests.conversions.desk import (
    CERTIFICATE,
    apply_for,
    codes,
    learner_with,
    let_in,
    only,
    post,
    standing,
    verified,
)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank with a learner who has credits: ``who``, of whom ``fact`` is an achievement."""
    async with opened(database_url) as served:
        await let_in(served)
        await only(served, CERTIFICATE)
        learner, facts, _ = await learner_with(served, "3", "4")
        at = f"/v1/learners/{learner}/evidence"
        shown = await served.partner.post(at, content=b"%PDF-1.7", headers=PDF)
        served.ids |= {"shown": shown.json()["id"], "who": learner, "fact": facts[0], "other_fact": facts[1]}
        yield served


async def become(world: World, state: str, status: int = 200) -> dict[str, Any]:
    """The bank changes the account's state."""
    body = {"state": state, "reason": "family_told"}
    answer = await post(world, f"/v1/learners/{world.ids['who']}/state", body, by="bank", status=status)
    found: dict[str, Any] = answer.json()
    return found


NEW: Mapping[str, Callable[[World], tuple[str, dict[str, Any]]]] = {
    "an achievement": lambda w: ("/v1/achievements", w.statement(w.ids["who"])),
    "a claim": lambda w: ("/v1/recognition-claims", claim(w.ids["who"], w.ids["shown"])),
    "an application": lambda w: ("/v1/conversions", {"learner": w.ids["who"], "programme": "college.certificate"}),
    "an enrolment": lambda w: (f"/v1/learners/{w.ids['who']}/enrolments", {"programme": DIPLOMA}),
}


@pytest.mark.parametrize("state", ["closed", "deceased"])
async def test_nothing_new_is_recorded_of_an_account_that_ended_until_it_is_open_again(
    world: World, state: str
) -> None:
    assert (await become(world, state))["state"] == state
    for name, ask in NEW.items():
        before = await world.stored()
        at, body = ask(world)
        answer = await post(world, at, body, by="bank" if "enrolments" in at else "partner")
        assert (answer.status_code, answer.json()["code"]) == (409, "account_ended"), (name, answer.text)
        assert await world.stored() == before, name
    assert (await become(world, "active"))["state"] == "active"
    for name, ask in NEW.items():
        at, body = ask(world)
        answer = await post(world, at, body, by="bank" if "enrolments" in at else "partner")
        assert answer.status_code == 201, (name, answer.text)
    await verified(world)


async def test_one_ended_account_in_a_batch_harms_no_other_and_its_external_id_stays_free(world: World) -> None:
    await become(world, "closed")
    stated = world.statement(world.ids["who"])
    batch = await world.partner.post("/v1/achievements/batch", json=[stated, world.statement(await world.open())])
    assert [one["status"] for one in batch.json()["results"]] == [409, 201]
    await become(world, "active")
    await post(world, "/v1/achievements", stated, status=201)
    await verified(world)


async def test_what_an_ended_account_holds_is_read_and_mended(world: World) -> None:
    before = await standing(world, world.ids["who"])
    await become(world, "deceased")
    assert await standing(world, world.ids["who"]) == before
    for path in ("", "/achievements", "/lots", "/transcript", "/postings", "/export"):
        assert (await world.bank.get(f"/v1/learners/{world.ids['who']}{path}")).status_code == 200, path
    await post(world, f"/v1/achievements/{world.ids['fact']}/revocation", {"reason": "a mistake"}, status=201)
    assert (before["available"], (await standing(world, world.ids["who"]))["available"]) == ("7", "4")
    await verified(world)


async def test_open_applications_are_withdrawn_and_their_credits_are_free(world: World) -> None:
    held = await apply_for(world, world.ids["who"])
    assert "reserved" in await standing(world, world.ids["who"])
    await become(world, "closed")
    assert "reserved" not in await standing(world, world.ids["who"])
    shown = (await world.bank.get(f"/v1/conversions/{held['id']}")).json()
    assert (shown["state"], shown["reasons"]) == ("withdrawn", ["closed"])
    assert "VOID" in {code.upper() for code in await codes(world, world.ids["who"])}
    await verified(world)


async def test_a_state_is_entered_once_and_written_down(world: World) -> None:
    first = await world.bank.get(f"/v1/learners/{world.ids['who']}")
    assert (await become(world, "active", 409))["code"] == "account_state_same"
    await become(world, "closed")
    assert (await become(world, "closed", 409))["code"] == "account_state_same"
    again = await world.bank.get(f"/v1/learners/{world.ids['who']}")
    assert again.headers["etag"] != first.headers["etag"]
    events = await world.bank.get("/v1/audit-events", params={"action": "learner.state"})
    assert [one["details"] for one in events.json()["items"]] == [{"state": "closed", "reason": "family_told"}]
