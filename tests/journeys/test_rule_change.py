"""A rule set changes: written by one, simulated, approved by another, published; a learner reads before and after."""

from __future__ import annotations

from typing import Any

from tests.api.world import World, opened
from tests.bank import document, granting

OLD = granting("reading", {"per_hour": 20, "at_most": 2}, kind="reading")
NEW = granting("reading", {"per_hour": 20, "at_most": 4}, kind="reading")


def reading_rules(version: int, rule: dict[str, Any], most: str) -> dict[str, Any]:
    """A rule set as somebody writes it, with its own test."""
    book = {"id": "b", "kind": "reading", "provider": "cq", "hours": 100, "completed": "2024-06-10"}
    test = {"name": "a long book", "as_of": "2025-01-01", "given": [book], "then": {"b": [most, f"at most {most}"]}}
    return {**document(rule, id_="reading", version=version), "tests": [test]}


async def total(world: World, learner: str) -> tuple[dict[str, str], list[str]]:
    """The totals of a learner's transcript, and the reason for each credit."""
    shown = (await world.bank.get(f"/v1/learners/{learner}/transcript", headers={"Accept": "application/json"})).json()
    reasons = [credit["reason"] for line in shown["achievements"] for credit in line["recognised"]]
    return {line["unit"]: line["total"] for line in shown["totals"]}, reasons


async def test_a_learner_gains_by_a_version_that_somebody_else_approved(database_url: str) -> None:
    async with opened(database_url) as world:
        at = await world.publish(reading_rules(1, OLD, "2"))
        learner = await world.open("赵六")
        await world.record(learner, kind="reading", hours="60")
        await world.work()
        assert (await total(world, learner))[0] == {"CR": "2"}

        # Somebody writes the next version; its test is wrong at first.
        drafted = await world.bank.post("/v1/rule-sets", json=reading_rules(2, NEW, "3"))
        second = drafted.headers["location"]
        assert (await world.bank.post(f"{second}/validate")).json()["code"] == "rule_tests_failed"
        mended = await world.bank.put(
            second, json=reading_rules(2, NEW, "4"), headers={"If-Match": drafted.headers["etag"]}
        )
        assert mended.status_code == 200
        assert (await world.bank.post(f"{second}/validate")).json()["tests"] == 1

        # What would it change? Nothing is settled by asking.
        await world.bank.post(f"{second}/simulate")
        report = (await world.simulated(second))["report"]
        assert report["learners"]["gaining"] == 1
        assert report["largest"] == [{"learner": learner, "before": {"CR": "2"}, "after": {"CR": "3"}}]
        assert (await total(world, learner))[0] == {"CR": "2"}

        # Whoever wrote it does not approve it.
        assert (await world.bank.post(f"{second}/approve")).json()["code"] == "approver_is_editor"
        assert (await world.client("approver").post(f"{second}/approve")).status_code == 200
        published = await world.client("approver").post(f"{second}/publish")
        assert published.json()["state"] == "published"
        await world.work()

        # The simulation said what came.
        totals, (reason,) = await total(world, learner)
        assert totals == {"CR": "3"}
        assert "60 hours at 20 hours a credit" in reason
        first = (await world.bank.get(at)).json()
        assert first["state"] == "superseded"

        # The new version is withdrawn: its days are governed by none, and the learner's credits say so.
        assert (await world.client("approver").post(f"{second}/withdraw")).json()["state"] == "withdrawn"
        await world.work()
        assert (await total(world, learner))[0] in ({}, {"CR": "0"})
