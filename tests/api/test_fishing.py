"""To open an account, or to record something of somebody, is to ask after them: counted and written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from creditbank.access.tables import audit_events
from tests.api.test_activities import announced
from tests.api.world import COLLEGE, PARTNER_SCOPES, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank where each client may look up three people a minute."""
    async with opened(database_url, rate_resolve_per_minute=3) as served:
        for name in ("stater", "holder"):
            await served.let_in(name, COLLEGE, PARTNER_SCOPES)
        yield served


async def test_who_fishes_by_opening_is_counted_as_who_looks_up_and_written_down(world: World) -> None:
    phones = [{"type": "phone", "value": f"1371234567{n}"} for n in range(9)]
    for phone in phones[:4]:
        await world.open(by="rival", identities=[phone])

    def asks(n: int) -> dict[str, Any]:
        return {"name": "Li Wei", "identities": [phones[n]]}

    single = await world.send("partner", "POST /v1/learners", asks(0))
    assert (single.status_code, single.json()["code"]) == (409, "identity_taken")
    key = {"Idempotency-Key": "fishing"}
    items = [asks(1), asks(5), asks(2), asks(3), asks(6), {"name": "Nobody asks after anybody"}]
    for _ in range(2):
        batch = await world.send("partner", "POST /v1/learners/batch", items, key)
        # Once the look-ups are spent it is told of no identity whether somebody has it.
        assert [one["status"] for one in batch.json()["results"]] == [409, 201, 409, 429, 429, 201]
    for n in (3, 7):
        spent = await world.send("partner", "POST /v1/learners", asks(n))
        assert (spent.status_code, spent.json()["code"]) == (429, "too_many_requests")
    looked = await world.send("partner", "POST /v1/learners/resolve", {"identity": phones[0]})
    assert looked.status_code == 429

    async with world.database.read() as connection:
        found = select(audit_events).where(audit_events.c.action == "learner.open_refused")
        events = (await connection.execute(found.order_by(audit_events.c.id))).all()
    client = world.ids["client_partner"]
    assert [(e.subject, e.details, str(e.actor)) for e in events] == [
        (f"client:{client}", {"refused": 1}, client),
        (f"client:{client}", {"refused": 2}, client),
    ]


async def _refused(world: World, name: str) -> list[tuple[str, Any]]:
    mine = audit_events.c.actor == world.ids[f"client_{name}"]
    async with world.database.read() as connection:
        found = select(audit_events).where(audit_events.c.action == "learner.name_refused", mine)
        return [(e.subject, e.details) for e in await connection.execute(found.order_by(audit_events.c.id))]


async def test_who_fishes_by_stating_achievements_is_counted_and_written_down(world: World) -> None:
    phones = [{"type": "phone", "value": f"1381234567{n}"} for n in range(9)]
    known = {"type": "student_number", "value": "S-1"}
    await world.open(by="stater", identities=[phones[0], known])

    def names(identity: dict[str, str]) -> dict[str, Any]:
        return {**world.statement(), "learner": {"identity": identity}}

    async def state(identity: dict[str, str]) -> tuple[int, str]:
        answer = await world.send("stater", "POST /v1/achievements", names(identity))
        return answer.status_code, answer.json().get("code", "")

    # Whoever is known is no look-up, nor whoever is named by the caller's own number.
    for _ in range(4):
        assert await state(phones[0]) == (201, "")
        assert await state({**known, "value": "S-2"}) == (422, "unknown_learner")
    assert await state(phones[1]) == (422, "unknown_learner")
    items = [names(one) for one in (phones[2], phones[0], phones[3], phones[4], phones[0], known)]
    key = {"Idempotency-Key": "fishing"}
    for _ in range(2):
        batch = await world.send("stater", "POST /v1/achievements/batch", items, key)
        # Once the look-ups are spent it is told of no identity whether somebody has it.
        assert [one["status"] for one in batch.json()["results"]] == [422, 201, 422, 429, 429, 201]
        assert batch.json()["results"][4]["problem"]["code"] == "too_many_requests"
    for one in (phones[0], phones[5]):
        assert await state(one) == (429, "too_many_requests")
    assert await state(known) == (201, "")
    client = f"client:{world.ids['client_stater']}"
    assert await _refused(world, "stater") == [(client, {"refused": 1})] * 5 + [(client, {"refused": 2})]


async def test_who_fishes_by_a_roster_is_counted_and_by_a_code_is_written_down(world: World) -> None:
    phones = [{"type": "phone", "value": f"1391234567{n}"} for n in range(9)]
    await world.open(by="holder", identities=[phones[0]])
    activity = await announced(world)
    roster = {
        "learners": [{"identity": one} for one in (phones[1], phones[0], phones[2], phones[3], phones[4], phones[0])]
    }
    answer = await world.send("holder", f"POST {activity}/attendance", roster)
    codes = [one.get("problem", {}).get("code") for one in answer.json()["results"]]
    assert codes == [
        "unknown_learner",
        None,
        "unknown_learner",
        "unknown_learner",
        "too_many_requests",
        "too_many_requests",
    ]
    code = (await world.send("holder", f"GET {activity}/check-in-code")).json()["code"]
    by_code = {"learner": {"identity": phones[4]}, "code": code}
    answer = await world.send("holder", f"POST {activity}/check-ins", by_code)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    world.clock.turn(minutes=1)
    code = (await world.send("holder", f"GET {activity}/check-in-code")).json()["code"]
    answer = await world.send("holder", f"POST {activity}/check-ins", {**by_code, "code": code})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_learner")
    assert await _refused(world, "holder") == [(f"client:{world.ids['client_holder']}", {"refused": 1})]
