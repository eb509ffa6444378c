"""Why, as people read it: the answer to a post, the transcript as JSON and as a page, and the decisions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES: dict[str, Any] = {
    "ruleset": {"lcb": "rules/v1", "id": "reasons", "version": 1, "from": "2020-01-01", "unit": {"code": "PT"}},
    "calendars": {"term": {"starts": ["03-01", "09-01"]}},
    "scales": {"pct": {"grades": {}}},
    "recognition": [
        {
            "id": "volunteering",
            "title": {"en": "Work for the community", "zh": "社区服务"},
            "match": {"kind": "community", "attendance": {"min": "80"}},
            "grant": [{"credits": {"per_hour": "16"}}],
        },
        {
            "id": "pair",
            "match": {"all": [{"code": "PAIR-A"}, {"code": "PAIR-B"}]},
            "grant": [{"credits": {"fixed": "4"}}],
        },
    ],
    "limits": [{"id": "term-4", "per": "term", "at_most": {"credits": "4"}}],
    "unique": {"keep": "first"},
}

ENGLISH = [
    "3 credits: 48 hours at 16 hours a credit",
    "3 credits: 48 hours at 16 hours a credit; "
    "2 of them are over the limit of 4 credits in the term beginning 1 March 2024, so 1 counts",
    "3 credits: 48 hours at 16 hours a credit; TEA counts once, and already counts through "
    "A garden (completed 1 April 2024), the earlier result, so none counts here",
    "No credits. The nearest rule is “Work for the community”: attendance is 62 %, but at least 80 % is needed",
]
CHINESE = [
    "3 学分：48 学时，每 16 学时计 1 学分",
    "3 学分：48 学时，每 16 学时计 1 学分；其中 2 学分超过上限（2024年3月1日起的学期内最多 4 学分），计 1 学分",
    "3 学分：48 学时，每 16 学时计 1 学分；同一单元 TEA 只计一次："
    "已由“花园”（2024年4月1日完成）计入，该成果更早，此处不再计入",
    "未获学分。最接近的规则是“社区服务”：出勤率为 62%，须不低于 80%",
]


async def test_a_person_reads_the_same_sentence_everywhere_and_what_a_combination_lacks(world: World) -> None:
    await world.publish(RULES)
    await world.work()
    learner = await world.open()
    hours: dict[str, Any] = {"kind": "community", "credits": None, "grade": None, "hours": "48", "attendance": "90"}
    posted = [
        await world.record(
            learner, **hours, code="TEA", completed="2024-04-01", title={"en": "A garden", "zh": "花园"}
        ),
        await world.record(learner, **hours, code="READ", completed="2024-05-01"),
        await world.record(learner, **hours, code="TEA", completed="2024-09-02"),
        await world.record(learner, **{**hours, "attendance": "62"}, code="SING", completed="2024-10-01"),
    ]
    assert [post["outcome"]["reasons"] for post in posted] == [[sentence] for sentence in ENGLISH]

    at = f"/v1/learners/{learner}"
    for language, sentences in (("en", ENGLISH), ("zh-Hans", CHINESE)):
        headers = {"Accept-Language": language}
        transcript = (await world.bank.get(f"{at}/transcript", headers=headers)).json()
        told = [one["reason"] for a in transcript["achievements"] for one in (*a["recognised"], *a["not_recognised"])]
        assert told == sentences

        page = await world.bank.get(f"{at}/transcript", headers={**headers, "Accept": "text/html"})
        assert all(sentence in page.text for sentence in sentences)

        decisions = (await world.bank.get(f"{at}/decisions", headers=headers)).json()["items"]
        assert sorted(d["reason"] for d in decisions if d["is_current"]) == sorted(sentences)
        assert "volunteering: attendance: 62 (wanted >=80)" in [d["canonical"] for d in decisions]
        assert all(d["trace"]["rule_set"] == "reasons" for d in decisions)

    half = await world.record(learner, kind="training", code="PAIR-A", completed="2024-11-01")
    assert half["outcome"]["reasons"] == [
        "No credits. The nearest rule is “pair”: "
        "it counts only together with another part, which is missing: code PAIR-B"
    ]
