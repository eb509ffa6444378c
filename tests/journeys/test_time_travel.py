"""Yesterday's statement can be drawn again: asked for by the instant it names, a transcript is the same."""

from __future__ import annotations

from typing import Any

from tests.api.world import World, statement
from tests.bank import document, granting
from tests.journeys.story import ask, told

FORMS = {"Accept": "application/json", "Accept-Language": "zh-Hans"}


def rules(version: int, *, start: str = "2020-01-01", until: str | None = None, factor: int = 1) -> dict[str, Any]:
    """Courses count for seven years, at most six credits a year, each unit once."""
    return document(
        {**granting("courses", {"native": factor}, kind=["course", "exam"]), "title": {"zh": "课程", "en": "Courses"}},
        id_="seven-years",
        version=version,
        start=start,
        until=until,
        calendars={"year": {"starts": ["01-01"]}},
        limits=[{"id": "six", "per": "year", "at_most": {"credits": 6}}],
        unique={"keep": "best"},
        validity={"max": "P7Y"},
    )


async def printed(world: World, learner: str, **when: str) -> bytes:
    """The bytes of the transcript."""
    path = f"/v1/learners/{learner}/transcript"
    answer = await world.bank.get(path, headers=FORMS, params=when)
    assert answer.status_code == 200, answer.text
    return answer.content


async def named(world: World, learner: str) -> tuple[str, bytes]:
    """The instant that the present transcript names, and its bytes."""
    answer = await world.bank.get(f"/v1/learners/{learner}/transcript", headers=FORMS)
    return answer.json()["known"], answer.content


async def test_a_transcript_is_drawn_again_as_it_was(database_url: str) -> None:
    async with told(database_url) as world:
        await world.publish(rules(1))
        await world.work()
        learner = await world.open("张三")
        first = await world.record(learner, external_id="T-1", unit="A", credits="4", completed="2018-03-10")
        second = await world.record(learner, external_id="T-2", unit="B", credits="3", completed="2024-05-01")
        kept = [await named(world, learner)]

        async def then(days: int) -> None:
            world.clock.turn(days=days)
            kept.append(await named(world, learner))

        # The first lot expires by its date, though nothing was posted.
        await then(12)
        await world.record(learner, external_id="T-3", unit="C", credits="5", completed="2024-02-01")
        await then(1)
        whole = statement("T-2", unit="B", credits="2", completed="2024-05-01", title={"zh": "数学", "en": "Maths"})
        id_ = second["achievement"]["id"]
        body = {"reason": "a digit was wrong", "achievement": whole}
        await ask(world, "partner", f"POST /v1/achievements/{id_}/amendments", body, 201)
        await then(30)
        gone = f"POST /v1/achievements/{first['achievement']['id']}/revocation"
        await ask(world, "partner", gone, {"reason": "forged", "effective": "2025-03-20"}, 201)
        await then(1)
        await world.publish(rules(2, factor=2))
        await world.work()
        await then(200)

        assert len({content for _, content in kept}) == len(kept)
        for known, content in kept:
            assert await printed(world, learner, known=known) == content


async def test_the_balance_is_answered_for_any_day_as_it_was_known_at_any_instant(database_url: str) -> None:
    async with told(database_url) as world:
        learner = await world.open()
        await world.record(learner, external_id="B-1", unit="A", credits="4", completed="2024-03-10")
        world.clock.turn(days=10)
        before = world.clock.instant.isoformat()
        world.clock.turn(days=10)
        # It was completed long before, but stated late.
        await world.record(learner, external_id="B-2", unit="B", credits="2", completed="2024-02-01")

        async def total(**when: str) -> str:
            answer = await world.bank.get(f"/v1/learners/{learner}/balance", params=when)
            assert answer.status_code == 200, answer.text
            units = answer.json()["units"]
            return str(units[0]["total"]) if units else "0"

        assert await total() == "6"
        assert await total(effective="2024-02-15") == "2"
        assert await total(effective="2024-03-09") == "2"
        assert await total(effective="2024-03-10") == "6"
        assert await total(known=before) == "4"
        assert await total(effective="2024-02-15", known=before) == "0"
        lots = await world.bank.get(f"/v1/learners/{learner}/lots", params={"known": before})
        assert [lot["unit"] for lot in lots.json()["items"]] == ["A"]
        wrong = await world.bank.get(f"/v1/learners/{learner}/balance", params={"known": "yesterday"})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "?known")
