"""Deliveries end as documented, whatever the receiver does: nothing is lost and nobody else waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from creditbank.webhooks.domain import DELAYS
from tests.webhooks.conftest import Desk
from tests.webhooks.receivers import Received, Receiver, hang, receiving, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_was_recorded_arrives_signed_as_a_cloud_event(desk: Desk) -> None:
    async with receiving(Receiver()) as receiver:
        at, secret = await desk.listen(receiver)
        made = await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        got = {one.event["type"]: one for one in receiver.got}

        assert sorted(got) == ["achievement.recorded", "credits.changed"]
        recorded = got["achievement.recorded"]
        event = Webhook(secret).verify(recorded.body, recorded.headers)
        achievement = made["achievement"]["id"]
        assert event == recorded.event
        assert recorded.headers["content-type"] == "application/cloudevents+json"
        assert event["specversion"] == "1.0"
        assert event["id"] == recorded.headers["webhook-id"]
        assert event["source"] == "http://127.0.0.1:8000"
        assert event["subject"] == f"/v1/achievements/{achievement}"
        assert event["data"] == {
            "achievement_id": achievement,
            "learner_id": desk.world.ids["learner"],
            "version": 1,
            "status": "valid",
            "link": f"http://127.0.0.1:8000/v1/achievements/{achievement}",
        }
        lots = [lot["id"] for lot in made["outcome"]["lots"]]
        assert got["credits.changed"].event["data"]["lots"] == lots
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(recorded.body + b" ", recorded.headers)

        delivered = await desk.deliveries(at)
        assert [one["state"] for one in delivered] == ["delivered"] * 2
        assert [len(one["attempts"]) for one in delivered] == [1, 1]
        assert await desk.carry() == 0


Answer = Any

HABITS: list[tuple[str, Answer, float, int | None, str]] = [
    ("fails", status("500 Oops"), 0, 500, "refused"),
    ("refuses", status("400 Bad Request"), 0, 400, "refused"),
    ("redirects", status("307 Elsewhere", "location: {other}"), 0, 307, "redirected"),
    ("hangs", hang, 0, None, "timeout"),
    ("answers slowly", status("200 OK"), 0.2, None, "timeout"),
    ("speaks no HTTP", lambda _: b"220 mail.example ESMTP\r\n", 0, None, "broken_answer"),
    ("hangs up", lambda _: b"", 0, None, "broken_answer"),
    (
        "answers with headers without end",
        lambda _: b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000,
        0,
        None,
        "broken_answer",
    ),
]


@pytest.mark.parametrize(("answer", "pause", "code", "problem"), [h[1:] for h in HABITS], ids=[h[0] for h in HABITS])
async def test_a_receiver_with_a_bad_habit_is_tried_again_and_gets_it(
    answer: Answer, pause: float, code: int | None, problem: str, desk: Desk
) -> None:
    async with receiving(Receiver()) as other, receiving(Receiver(answer=answer, pause=pause)) as receiver:
        if problem == "redirected":
            receiver.answer = status("307 Elsewhere", f"location: {other.url}")
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()

        (waiting,) = await desk.deliveries(at, state="waiting")
        (attempt,) = waiting["attempts"]
        assert (attempt["status"], attempt["problem"]) == (code, problem)
        assert other.connections == 0
        assert (await desk.read(at))["failing_since"] is not None
        # Not before its time.
        assert await desk.carry() == 0
        receiver.answer, receiver.pause = status("200 OK"), 0
        receiver.release.set()
        desk.world.clock.turn(seconds=DELAYS[0].total_seconds() * 1.1)
        assert await desk.carry() == 1

        (delivered,) = await desk.deliveries(at)
        assert (delivered["state"], delivered["next_at"]) == ("delivered", None)
        assert [one["problem"] for one in delivered["attempts"]] == [problem, None]
        assert len({one.headers["webhook-id"] for one in receiver.got}) == 1
        assert len({one.body for one in receiver.got}) == 1
        assert (await desk.read(at))["failing_since"] is None


async def test_nobody_waits_for_a_receiver_that_hangs(desk: Desk) -> None:
    async with receiving(Receiver(answer=hang)) as slow, receiving(Receiver()) as quick:
        desk.set_sender(seconds=60)
        of_slow, _ = await desk.listen(slow, "achievement.recorded")
        of_quick, _ = await desk.listen(quick, "achievement.recorded")
        for _ in range(12):
            await desk.world.record(desk.world.ids["learner"])
        running = asyncio.create_task(desk.courier.run())
        await quick.has(12)

        # What hangs has its own lanes, and the rest of it waits its turn.
        assert len(slow.got) == 8
        waiting = await desk.deliveries(of_slow)
        assert [(one["state"], one["attempts"]) for one in waiting] == [("waiting", [])] * 12
        desk.courier.stop()
        slow.answer = status("200 OK")
        slow.release.set()
        await running
        assert [one["state"] for one in await desk.deliveries(of_quick)] == ["delivered"] * 12


async def test_what_a_receiver_refuses_for_days_is_given_up_and_may_be_sent_again(desk: Desk) -> None:
    def refusing_one(received: Received) -> bytes | None:
        is_test = received.event["type"] == "webhook.test"
        return status("204 No Content" if is_test else "422 No")(received)

    async with receiving(Receiver(answer=refusing_one)) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.record(desk.world.ids["learner"])
        for delay in DELAYS:
            assert await desk.carry() == 1
            # Something else arrives, so it is not the receiver that is dead.
            assert (await desk.world.partner.post(f"{at}/test")).status_code == 202
            assert await desk.carry() == 1
            desk.world.clock.turn(seconds=delay.total_seconds() * 1.1)
        assert await desk.carry() == 1

        (given_up,) = await desk.deliveries(at, state="failed")
        assert len(given_up["attempts"]) == len(DELAYS) + 1
        assert (await desk.read(at))["state"] == "active"
        desk.world.clock.turn(days=2)
        assert await desk.carry() == 0

        receiver.answer = status("204 No Content")
        again = await desk.world.partner.post(f"{at}/deliveries/{given_up['id']}/resend")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        assert await desk.carry() == 1
        delivered = (await desk.world.partner.get(again.headers["location"])).json()
        assert delivered["state"] == "delivered"
        assert receiver.got[-1].headers["webhook-id"] == given_up["id"]


async def test_a_receiver_may_ask_for_more_time(desk: Desk) -> None:
    async with receiving(Receiver(answer=status("429 Slowly", "retry-after: 600"))) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        desk.world.clock.turn(seconds=590)
        assert await desk.carry() == 0
        receiver.answer = status("200 OK")
        desk.world.clock.turn(seconds=15)
        assert await desk.carry() == 1
        assert [one["state"] for one in await desk.deliveries(at)] == ["delivered"]


async def test_what_nothing_reaches_for_days_is_disabled_with_notice_and_nothing_that_waited_is_lost(
    desk: Desk,
) -> None:
    async with receiving(Receiver(answer=status("503 Away"))) as away, receiving(Receiver()) as office:
        at, _ = await desk.listen(away, "achievement.recorded")
        await desk.listen(office, "webhook.disabled")
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        days = 0
        while (await desk.read(at))["state"] == "active":
            desk.world.clock.turn(hours=12)
            days += 1
            await desk.carry()
            assert days < 30
        await desk.carry()

        webhook = await desk.read(at)
        since = webhook["disabled_at"]
        assert (webhook["state"], webhook["disabled_reason"]) == ("disabled", "failing")
        (waiting,) = await desk.deliveries(at)
        assert waiting["state"] == "waiting"
        # Told to whoever else listens, in the log, and to the operator.
        (notice,) = office.got
        assert notice.event["type"] == "webhook.disabled"
        assert notice.event["data"]["webhook_id"] == webhook["id"]
        asked = {"action": "webhook.disable", "subject": f"webhook:{webhook['id']}"}
        events = (await desk.world.bank.get("/v1/audit-events", params=asked)).json()["items"]
        assert [(one["subject"], one["kind"]) for one in events] == [(f"webhook:{webhook['id']}", "system")]
        assert since is not None

        # While it is disabled nothing more is written for it, and nothing is sent.
        await desk.world.record(desk.world.ids["learner"])
        desk.world.clock.turn(days=2)
        assert await desk.carry() == 0
        refused = await desk.world.partner.post(f"{at}/test")
        assert (refused.status_code, refused.json()["code"]) == (409, "webhook_not_active")

        away.answer, seen = status("200 OK"), len(away.got)
        changed = await desk.world.partner.patch(at, json={"state": "active"}, headers={"If-Match": "*"})
        assert changed.json()["state"] == "active"
        assert changed.json()["failing_since"] is None
        await desk.carry()
        assert [one.headers["webhook-id"] for one in away.got[seen:]] == [waiting["id"]]


async def test_whoever_says_that_nobody_is_there_any_more_is_believed(desk: Desk) -> None:
    async with receiving(Receiver(answer=status("410 Gone"))) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        webhook = await desk.read(at)
        assert (webhook["state"], webhook["disabled_reason"]) == ("disabled", "gone")


async def test_while_paused_events_wait(desk: Desk) -> None:
    async with receiving(Receiver()) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.partner.patch(at, json={"state": "paused"}, headers={"If-Match": "*"})
        for _ in range(3):
            await desk.world.record(desk.world.ids["learner"])
        assert await desk.carry() == 0
        await desk.world.partner.patch(at, json={"state": "active"}, headers={"If-Match": "*"})
        assert await desk.carry() == 3


async def test_after_a_rotation_both_secrets_verify_until_the_former_has_had_its_time(desk: Desk) -> None:
    async with receiving(Receiver()) as receiver:
        at, first = await desk.listen(receiver, "achievement.recorded")
        told = await desk.world.partner.post(f"{at}/secret", json={"former_hours": 2})
        second = told.json()["secret"]

        async def verified(secret: str) -> bool:
            await desk.world.partner.post(f"{at}/test")
            await desk.carry()
            try:
                Webhook(secret).verify(receiver.got[-1].body, receiver.got[-1].headers)
            except WebhookVerificationError:
                return False
            return True

        assert (await verified(first), await verified(second)) == (True, True)
        desk.world.clock.turn(hours=2)
        assert (await verified(first), await verified(second)) == (False, True)
        third = (await desk.world.partner.post(f"{at}/secret", json={"former_hours": 0})).json()["secret"]
        assert (await verified(second), await verified(third)) == (False, True)


async def test_a_carrier_that_dies_is_followed_by_another_under_the_same_id(desk: Desk) -> None:
    async with receiving(Receiver(answer=hang)) as receiver:
        at, _ = await desk.listen(receiver, "achievement.recorded")
        await desk.world.record(desk.world.ids["learner"])
        desk.set_sender(seconds=60)
        dying = asyncio.create_task(desk.carry())
        await receiver.has(1)
        dying.cancel()
        for task in desk.courier._under_way:
            task.cancel()
        await asyncio.gather(dying, *desk.courier._under_way, return_exceptions=True)
        receiver.answer = status("200 OK")
        assert await desk.carry() == 0
        desk.world.clock.turn(seconds=desk.courier._lease.total_seconds() + 1)
        assert await desk.carry() == 1
        assert len(receiver.got) == 2
        assert len({one.headers["webhook-id"] for one in receiver.got}) == 1
        assert [one["state"] for one in await desk.deliveries(at)] == ["delivered"]


@pytest.mark.asyncio(loop_scope="function")
async def test_together_the_delays_are_longer_than_a_dead_receiver_stays_enabled() -> None:
    assert sum(DELAYS, timedelta()) * 0.9 > timedelta(days=5)
