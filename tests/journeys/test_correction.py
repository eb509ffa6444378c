"""A provider corrects what it stated: every version stays, the credits follow the newest."""

from __future__ import annotations

from tests.api.world import statement
from tests.journeys.story import ask, told, transcript, worth


async def test_correction_changes_the_credits_and_keeps_the_history(database_url: str) -> None:
    async with told(database_url) as world:
        learner = await world.open("张三")
        recorded = await world.record(learner, external_id="R-1", code="ENG101", credits="3")
        await world.record(learner, code="ART200", credits="1")
        id_ = recorded["achievement"]["id"]
        world.clock.turn(days=40)

        for reason, credits_ in (("a digit was wrong", "5"), ("the committee halved it", "2.5")):
            amended = statement("R-1", code="ENG101", credits=credits_)
            body = {"reason": reason, "achievement": amended}
            answer = await ask(world, "partner", f"POST /v1/achievements/{id_}/amendments", body, 201)
            assert answer["outcome"]["lots"][0]["positions"]["available"] == credits_
            shown = await transcript(world, learner)
            assert worth(shown) == {"ENG101": credits_, "ART200": "1"}

        whole = await ask(world, "partner", f"GET /v1/achievements/{id_}")
        assert [(v["content"]["credits"], v["reason"]) for v in whole["versions"]] == [
            ("3", None),
            ("5", "a digit was wrong"),
            ("2.5", "the committee halved it"),
        ]
        postings = (await ask(world, "bank", f"GET /v1/learners/{learner}/postings"))["items"]
        assert sum(1 for p in postings if p["target"] == "issued" or p["source"] == "issued") == len(postings) > 3
        # The other achievement's credits were never touched.
        decisions = (await ask(world, "bank", f"GET /v1/learners/{learner}/decisions"))["items"]
        assert sum(1 for d in decisions if id_ not in d["achievements"]) == 1
