"""A result that comes late changes what came before it: the order of arrival decides nothing."""

from __future__ import annotations

import itertools

from tests.api.world import World
from tests.bank import document, granting
from tests.journeys.story import ask, told, transcript, worth

# Three sittings of one examination, and of another; the best of each unit counts.
SITTINGS = (
    {"code": "spring", "unit": "MATH", "completed": "2024-03-01", "credits": "2"},
    {"code": "summer", "unit": "MATH", "completed": "2024-07-01", "credits": "3"},
    {"code": "autumn", "unit": "PHYS", "completed": "2024-10-01", "credits": "4"},
)


async def _sit(world: World, order: tuple[int, ...]) -> str:
    learner = await world.open()
    for index in order:
        await world.record(learner, kind="training", **SITTINGS[index])
        # Each comes on another day, and some after the bank has settled for other reasons.
        world.clock.turn(days=1)
    return learner


async def test_late_result_takes_its_place_whenever_it_comes(database_url: str) -> None:
    best = document(granting("sitting", kind="training"), id_="sittings", unique={"key": "unit", "keep": "best"})
    async with told(database_url) as world:
        await world.publish(best)
        learners = [await _sit(world, order) for order in itertools.permutations(range(3))]
        for learner in learners:
            shown = await transcript(world, learner)
            assert worth(shown) == {"summer": "3", "autumn": "4"}
            assert [t["total"] for t in shown["totals"]] == ["7"]
            (other,) = [line for line in shown["achievements"] if line["code"] == "spring"]
            assert other["not_recognised"] or other["recognised"], "what gives nothing says why"

        # Those whose better sitting came late had the worse one's credits first: taken back by a posting, not deleted.
        late = (await ask(world, "bank", f"GET /v1/learners/{learners[0]}/postings"))["items"]
        early = (await ask(world, "bank", f"GET /v1/learners/{learners[2]}/postings"))["items"]
        assert len(late) > len(early)
