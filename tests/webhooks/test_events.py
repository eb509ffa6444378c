"""What is told, to whom, and that whoever has no webhook costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from creditbank.access.domain import SCOPES
from creditbank.intake.actions import submit
from creditbank.webhooks.domain import EVENTS
from creditbank.webhooks.schemas import EventType
from tests.api.world import COLLEGE, RIVAL, SCHOOL
from tests.bank import document, granting, submission
from tests.conversions.desk import CERTIFICATE, apply_for, decide, learner_with, only, post
from tests.webhooks.conftest import ALL, Desk
from tests.webhooks.receivers import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(desk: Desk, at: str, by: str = "partner") -> list[str]:
    """The types of what was told, the earliest first."""
    return [one["type"] for one in reversed(await desk.deliveries(at, by=by, limit=500))]


async def test_the_types_are_those_of_the_api_and_their_scopes_are_known() -> None:
    assert list(EventType.__args__) == list(EVENTS)  # type: ignore[attr-defined]
    assert set(EVENTS.values()) <= set(SCOPES)


async def test_every_statement_is_told_once_however_often_it_comes(desk: Desk) -> None:
    at, _ = await desk.listen("https://partner.example/", "achievement.recorded", "achievement.amended",
                              "achievement.revoked")  # fmt: skip
    partner, stated = desk.world.partner, desk.world.statement()
    first = await partner.post("/v1/achievements", json=stated)
    assert (await partner.post("/v1/achievements", json=stated)).status_code == 200
    id_ = first.json()["achievement"]["id"]
    body = {"reason": "a slip", "achievement": {k: v for k, v in stated.items() if k != "learner"} | {"credits": "2"}}
    assert (await partner.post(f"/v1/achievements/{id_}/amendments", json=body)).status_code == 201
    assert (await partner.post(f"/v1/achievements/{id_}/revocation", json={"reason": "fraud"})).status_code == 201
    # What is refused is not told, and neither is what was there already.
    assert (await partner.post("/v1/achievements", json={**stated, "credits": "9"})).status_code == 409
    assert await told(desk, at) == ["achievement.recorded", "achievement.amended", "achievement.revoked"]
    events = list(reversed(await desk.deliveries(at)))
    assert [one["data"]["version"] for one in events] == [1, 2, 3]
    assert [one["data"]["status"] for one in events] == ["valid", "valid", "revoked"]


async def test_a_provider_hears_of_its_own_and_of_those_below_and_the_bank_of_all(desk: Desk) -> None:
    mine, _ = await desk.listen("https://partner.example/", "achievement.recorded")
    below, _ = await desk.listen("https://partner.example/", "achievement.recorded", provider=SCHOOL)
    theirs, _ = await desk.listen("https://rival.example/", "achievement.recorded", by="rival")
    everybody, _ = await desk.listen("https://bank.example/", "achievement.recorded", by="bank")
    for by, provider in (("partner", COLLEGE), ("partner", SCHOOL), ("rival", RIVAL)):
        await desk.world.record(desk.world.ids["learner"], by=by, provider=provider)
    counts = [len(await desk.deliveries(at, by="bank")) for at in (mine, below, theirs, everybody)]
    assert counts == [2, 1, 1, 3]


async def test_credits_that_change_by_rules_are_told_to_who_gave_them(desk: Desk) -> None:
    made = await desk.world.record(desk.world.ids["learner"], kind="work", code="TOLD")
    assert made["outcome"]["lots"] == []
    at, _ = await desk.listen("https://partner.example/", "credits.changed")
    rule = granting("licensed", {"fixed": "1"}, kind="work", code="TOLD")
    await desk.world.publish(document(rule, id_="told", until="2030-01-01"))
    await desk.world.work()
    (changed,) = await desk.deliveries(at)
    assert changed["data"]["learner_id"] == desk.world.ids["learner"]
    lots = (await desk.world.bank.get(f"/v1/learners/{desk.world.ids['learner']}/lots")).json()["items"]
    assert set(changed["data"]["lots"]) <= {lot["id"] for lot in lots}


REASONS: dict[str, dict[str, Any]] = {"approve": {}, "reject": {"reasons": ["content_differs"]}}


async def test_applications_and_awards_are_told_to_who_decides(desk: Desk) -> None:
    world = desk.world
    await only(world, CERTIFICATE)
    at, _ = await desk.listen(
        "https://bank.example/", "conversion.applied", "conversion.ended", "award.annulled", by="bank"
    )
    for ending in ("approve", "reject", "withdraw", "lapse"):
        learner, _, _ = await learner_with(world, "3")
        held = await apply_for(world, learner)
        id_ = held["id"]
        if ending == "withdraw":
            await post(world, f"/v1/conversions/{id_}/withdrawal", status=200)
        elif ending != "lapse":
            await decide(world, held, "bank", decision=ending, **REASONS[ending])
        if ending == "approve":
            undone = f"/v1/conversions/{id_}/annulment"
            await post(world, undone, {"reason": "identity_in_doubt"}, by="bank", status=200)
            await post(world, f"{undone}/decision", {"decision": "approve"}, by="approver", status=200)

    async def told_so_far() -> list[tuple[str, str]]:
        return [(one["type"], one["data"]["state"]) for one in reversed(await desk.deliveries(at, by="bank"))]

    found = await told_so_far()
    # What was told before is forgotten when the hold lapses.
    world.clock.turn(days=61)
    await world.work()
    found += await told_so_far()
    assert found == [
        ("conversion.applied", "held"), ("conversion.ended", "approved"), ("award.annulled", "annulled"),
        ("conversion.applied", "held"), ("conversion.ended", "rejected"),
        ("conversion.applied", "held"), ("conversion.ended", "withdrawn"),
        ("conversion.applied", "held"), ("conversion.ended", "timed_out"),
    ]  # fmt: skip


async def test_what_is_undone_with_its_transaction_was_never_told(desk: Desk) -> None:
    at, _ = await desk.listen("https://partner.example/")
    bank = desk.world.app.state
    statement_ = submission(UUID(desk.world.ids["learner"]), "undone", provider=COLLEGE)

    async def fail() -> None:
        async with desk.world.database.write() as connection:
            await submit(connection, bank.desk, [statement_], bank.edge.today())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await told(desk, at) == []
    async with desk.world.database.write() as connection:
        await submit(connection, bank.desk, [statement_], bank.edge.today())
    assert await told(desk, at) == ["achievement.recorded", "credits.changed"]


# --- What it costs ----------------------------------------------------------------------------------------------------


@contextmanager
def statements(desk: Desk) -> Iterator[list[str]]:
    """The statements that are run meanwhile."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = desk.world.database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)


async def test_who_has_no_webhook_costs_no_statement_and_who_has_one_a_single_insert(desk: Desk) -> None:
    state = desk.world.app.state
    learner = UUID(desk.world.ids["learner"])
    calls = 0

    async def batch(size: int) -> tuple[int, list[str]]:
        nonlocal calls
        calls += 1
        rows = [submission(learner, f"cost-{calls}-{n}", provider=COLLEGE) for n in range(size)]
        async with desk.world.database.write() as connection:
            with statements(desk) as seen:
                await submit(connection, state.desk, rows, state.edge.today())
        # The epoch is read by the statement that reads that of the rules.
        ours = [one for one in seen if "webhook" in one and "rules_epoch" not in one]
        return len(seen), ours

    await batch(3)
    without, ours = await batch(3)
    assert ours == []
    theirs, _ = await desk.listen("https://rival.example/", by="rival")
    await batch(3)
    assert await batch(3) == (without, [])
    at, _ = await desk.listen("https://partner.example/", *ALL)
    await batch(3)
    before = len(await desk.deliveries(at, limit=500))
    count, ours = await batch(3)
    assert count == without + 1
    assert [one[:30] for one in ours] == ["INSERT INTO webhook_deliveries"]
    assert len(await desk.deliveries(at, limit=500)) == before + 3 + 1
    assert await desk.deliveries(theirs, by="rival") == []


# --- What is kept -----------------------------------------------------------------------------------------------------


async def rows_of(desk: Desk, table: str) -> Sequence[Any]:
    """Every row of a table."""
    async with desk.world.database.read() as connection:
        return (await connection.execute(text(f"select * from {table}"))).all()


async def test_secrets_and_addresses_are_sealed_and_gone_once_removed(desk: Desk) -> None:
    at, secret = await desk.listen("https://robot.example/send?access_token=tok3n")
    for _ in range(2):
        stored = "".join(repr(row) for row in await rows_of(desk, "webhooks"))
        assert at.rpartition("/")[2].replace("-", "") in stored.replace("-", "")
        assert not [part for part in (secret, secret[6:], "robot", "tok3n") if part in stored]
    assert (await desk.world.partner.delete(at)).status_code == 204
    assert (await desk.world.partner.get(at)).status_code == 404
    columns = "url, secrets"
    async with desk.world.database.read() as connection:
        found = await connection.execute(text(f"select {columns} from webhooks where state = 'removed'"))
        assert all(bytes(url) == bytes(kept) == b"" for url, kept in found)


async def test_what_happened_long_ago_is_forgotten_delivered_or_not(desk: Desk) -> None:
    async with receiving(Receiver()) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        waiting, _ = await desk.listen("https://partner.example/", "achievement.recorded")
        gone, _ = await desk.listen("https://partner.example/", "achievement.recorded")
        await desk.world.partner.patch(waiting, json={"state": "paused"}, headers={"If-Match": "*"})
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        await desk.world.partner.delete(gone)
        desk.world.clock.turn(days=29)
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        await desk.world.work()
        assert [len(await desk.deliveries(one)) for one in (at, waiting)] == [2, 2]
        left = gone.rpartition("/")[2].replace("-", "")
        assert left not in "".join(repr(row) for row in await rows_of(desk, "webhooks")).replace("-", "")
        desk.world.clock.turn(days=2)
        await desk.world.work()
        assert [len(await desk.deliveries(one)) for one in (at, waiting)] == [1, 1]
