"""The README's own first achievement: its very body goes in, is answered, comes again, and stands on the transcript."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.journeys.story import ask, told, transcript

ROOT = Path(__file__).parents[2]


def posted_in(readme: str) -> str:
    """The body that the first curl of a README posts."""
    found = re.search(r"curl -s \S+/v1/achievements .*?-d '(\{.*?\})'", (ROOT / readme).read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_the_readme_s_first_achievement_is_recognised(readme: str, database_url: str) -> None:
    body = posted_in(readme)
    stated = json.loads(body)
    async with told(database_url) as world:
        # The README's course is completed in the summer of 2026.
        world.clock.turn(days=520)
        key = {"Idempotency_Key": "first-1"}

        first = await ask(world, "partner", "POST /v1/achievements", body, 201, **key)

        assert first["outcome"]["state"] == "recognised"
        assert [lot["positions"]["available"] for lot in first["outcome"]["lots"]] == [stated["credits"]]
        assert len(first["outcome"]["reasons"]) == len(first["outcome"]["decisions"]) == 1

        assert await ask(world, "partner", "POST /v1/achievements", body, 201, **key) == first
        assert await ask(world, "partner", "POST /v1/achievements", body, 200) == first
        other = {**stated, "credits": "4"}
        conflict = await ask(world, "partner", "POST /v1/achievements", other, 409)
        assert conflict["code"] == "external_id_conflict"

        shown = await transcript(world, first["achievement"]["learner_id"])
        assert shown["learner"]["name"] == stated["open_account"]["name"]
        assert [(t["unit"], t["total"]) for t in shown["totals"]] == [("CR", stated["credits"])]
        (line,) = shown["achievements"]
        assert (line["title"], line["grade"]) == (stated["title"], stated["grade"])
        assert line["recognised"][0]["reason"] in first["outcome"]["reasons"][0]
