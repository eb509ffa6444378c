"""A provider revokes an achievement: its credits go, its history stays, and what stood behind it comes forward."""

from __future__ import annotations

from tests.bank import document, granting
from tests.journeys.story import ask, told, transcript, worth


async def test_revoked_result_gives_way_to_the_one_behind_it(database_url: str) -> None:
    best = document(granting("sitting", kind="training"), id_="sittings", unique={"key": "unit", "keep": "best"})
    async with told(database_url) as world:
        await world.publish(best)
        learner = await world.open("张三")
        sitting = {"kind": "training", "unit": "MATH"}
        await world.record(learner, **sitting, code="first", credits="2")
        second = await world.record(learner, **sitting, code="second", credits="3")
        assert worth(await transcript(world, learner)) == {"second": "3"}
        world.clock.turn(days=10)

        at = f"/v1/achievements/{second['achievement']['id']}"
        gone = await ask(world, "partner", f"POST {at}/revocation", {"reason": "impersonation"}, 201)

        assert (gone["achievement"]["status"], gone["outcome"]["state"]) == ("revoked", "not_recognised")
        shown = await transcript(world, learner)
        assert worth(shown) == {"first": "2"}
        assert [t["total"] for t in shown["totals"]] == ["2"]
        whole = await ask(world, "partner", f"GET {at}")
        assert [(v["status"], v["reason"]) for v in whole["versions"]] == [
            ("valid", None),
            ("revoked", "impersonation"),
        ]
        again = await ask(world, "partner", f"POST {at}/revocation", {"reason": "twice"}, 409)
        assert again["code"] == "achievement_revoked"
