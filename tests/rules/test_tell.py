"""Traces told to people who know nothing of the rule language."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from creditbank.rules import explain
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import compile_version
from creditbank.rules.document import read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import fact_of, in_line
from creditbank.rules.fact import Assurance, Fact
from creditbank.rules.layers import Layered
from creditbank.rules.outcome import Decision
from creditbank.rules.telling import chinese, english
from creditbank.rules.telling.decisions import tell_decision, tell_lot
from creditbank.rules.telling.names import Achieved, Names, Wording, wording_of
from tests.properties.test_rules_laws import AS_OF, FACTS, documents
from tests.properties.test_rules_laws import read as read_law
from tests.rules.writing import decide, fact, plain_document, read, rule

TRACE: dict[str, Any] = {"rule_set": "town", "version": 1, "rule": "course"}
LOT: dict[str, Any] = {"unit": "U", "grant": 0, "granted": "3", "state": "available"}
CALENDARS = {"term": {"starts": ["03-01", "09-01"]}, "year": {"starts": ["03-01"]}}


def named(*rules: dict[str, Any], **blocks: Any) -> tuple[Wording, Names]:
    """A version and its names, with the achievements ``p 1`` and ``p 2``."""
    layered = Layered((read(plain_document(*rules, **blocks)),))
    wording = wording_of(layered, compile_version(layered, sha256=sha256(canonical(layered.own))))
    achievements = {
        "p 1": Achieved({"en": "College English", "zh": "大学英语"}, "2024-06-21"),
        "p 2": Achieved("Logic", "2023-01-05"),
    }
    return wording, Names({("town", 1): wording}, achievements)


def told(steps: list[dict[str, Any]], language: explain.Language, names: Names | None = None, **lot: Any) -> str:
    return tell_lot({**LOT, "steps": steps, **lot}, TRACE, language, names or Names())


def limit(**parts: Any) -> dict[str, Any]:
    own = {"op": "limit", "id": "term-24", "period": "2024-03-01", "by": [], "cap": "24", "used": "23", "allowed": "1"}
    return {**own, "of": "3", "drops": False, "value": "1", **parts}


def test_the_sentence_that_was_asked_for() -> None:
    """48 hours at 16 hours a credit; 2 of them over this term's limit of 24."""
    _, names = named(
        rule("course", {"per_hour": 16}),
        calendars=CALENDARS,
        limits=[{"id": "term-24", "per": "term", "at_most": {"credits": "24"}}],
    )
    steps = [{"op": "per_hour", "hours": "48", "per": "16", "value": "3"}, limit()]

    assert told(steps, "en", names) == (
        "3 credits: 48 hours at 16 hours a credit; "
        "2 of them are over the limit of 24 credits in the term beginning 1 March 2024, so 1 counts"
    )
    assert told(steps, "zh", names) == (
        "3 学分：48 学时，每 16 学时计 1 学分；其中 2 学分超过上限（2024年3月1日起的学期内最多 24 学分），计 1 学分"
    )


STEPS: list[tuple[dict[str, Any], str, str]] = [
    ({"op": "fixed", "value": "3"}, "a fixed amount", "固定学分"),
    ({"op": "fixed", "value": "4"}, "a fixed amount of 4", "固定为 4 学分"),
    (
        {"op": "native", "credits": "3", "factor": "1", "value": "3"},
        "the provider's own 3 credits, taken as stated",
        "原机构的 3 学分，按原值认定",
    ),
    (
        {"op": "native", "credits": "1", "factor": "2/3", "value": "2/3"},
        "the provider's own 1 credit, each counted as about 0.667",
        "原机构的 1 学分，每学分约折合 0.667 学分",
    ),
    (
        {"op": "per_hour", "hours": "1", "per": "1/2", "value": "2"},
        "1 hour at 0.5 hours a credit makes 2 credits",
        "1 学时，每 0.5 学时计 1 学分，合 2 学分",
    ),
    (
        {"op": "per_hour", "hours": "40", "per": "30", "value": "4/3"},
        "40 hours at 30 hours a credit make about 1.333 credits",
        "40 学时，每 30 学时计 1 学分，约合 1.333 学分",
    ),
    ({"op": "bands", "hours": "199", "value": "2"}, "2 credits for 199 hours", "199 学时，按档计 2 学分"),
    (
        {"op": "table", "table": "exams", "key": "ENG", "value": "3"},
        "the table “exams” gives 3 for ENG",
        "对照表“exams”中 ENG 计 3 学分",
    ),
    (
        {"op": "pool", "period": "2024-01-01", "hours": "95", "value": "3", "already": "3/2"},
        "your hours in the period beginning 1 January 2024 so far are added up and give 3 credits, "
        "of which 1.5 were given before",
        "您在2024年1月1日起的周期内的学时合并计 3 学分，其中 1.5 学分此前已计",
    ),
    (
        {"op": "pool", "period": "all", "hours": "40", "value": "1", "already": "1"},
        "all your hours so far are added up and give 1 credit, of which 1 was given before",
        "您迄今的学时合并计 1 学分，其中 1 学分此前已计",
    ),
    (
        {"op": "grade", "method": "midpoint", "grade": "27", "above": "44", "upto": "60", "middle": "52", "value": "C"},
        "grade 27 is between the best 44 % and 60 % of those who passed, which is C here",
        "成绩 27 位于合格者的前 44% 至 60%，对应此处的 C",
    ),
    (
        {"op": "grade", "method": "max_overlap", "grade": "9", "above": "0", "upto": "8", "overlap": "8", "value": "A"},
        "grade 9 is among the best 8 % of those who passed, which is A here",
        "成绩 9 位于合格者的前 8%，对应此处的 A",
    ),
    ({"op": "at_most", "limit": "3", "value": "3"}, "at most 3 credits can be given", "最多计 3 学分"),
    ({"op": "at_least", "limit": "1", "value": "1"}, "at least 1 credit is given", "至少计 1 学分"),
    (
        {"op": "round", "mode": "down", "step": "1/2", "value": "1"},
        "rounded down to half credits",
        "不足 0.5 学分的部分舍去",
    ),
    (
        {"op": "round", "mode": "half_up", "step": "1", "value": "3"},
        "rounded to the nearest whole credit, halfway up",
        "以 1 学分为单位四舍五入",
    ),
    (
        {"op": "round", "mode": "half_even", "step": "3/10", "value": "3"},
        "rounded to the nearest step of 0.3, halfway to the even one",
        "以 0.3 学分为单位四舍六入五成双",
    ),
    (
        {"op": "unique", "unit": "ENG", "keep": "best", "from": ["p 1"], "value": "0"},
        "ENG counts once, and already counts through College English (completed 21 June 2024), the better result, "
        "so none counts here",
        "同一单元 ENG 只计一次：已由“大学英语”（2024年6月21日完成）计入，该成果更优，此处不再计入",
    ),
    (
        {"op": "unique", "unit": "U", "keep": "latest", "from": ["p 1", "p 3"], "learning": ["x"], "value": "0"},
        "this learning counts once, and already counts through College English (completed 21 June 2024) and p 3, "
        "the later result, so none counts here",
        "同一学习只计一次：已由“大学英语”（2024年6月21日完成）和“p 3”计入，该成果更近，此处不再计入",
    ),
    (
        {"op": "unique", "unit": "U", "keep": "first", "from": ["p 2"], "value": "0"},
        "U counts once, and already counts through Logic (completed 5 January 2023), the earlier result, "
        "so none counts here",
        "同一单元 U 只计一次：已由“Logic”（2023年1月5日完成）计入，该成果更早，此处不再计入",
    ),
    (
        limit(),
        "2 of them are over the limit of 24 credits in the period beginning 1 March 2024, so 1 counts",
        "其中 2 学分超过上限（2024年3月1日起的周期内最多 24 学分），计 1 学分",
    ),
    (
        limit(period="all", allowed="2", used="22", value="2"),
        "1 of them is over the limit of 24 credits in all, so 2 count",
        "其中 1 学分超过上限（累计最多 24 学分），计 2 学分",
    ),
    (
        limit(period="P12M", to="2024-02-29", used="24", allowed="0", value="0"),
        "all of them are over the limit of 24 credits in any 12 months, so none counts",
        "全部超过上限（任意 12 个月内最多 24 学分），不再计入",
    ),
    (
        limit(period="P2Y", to="2024-02-29", used="24", allowed="0", of="1", value="0", drops=True),
        "it is over the limit of 24 credits in any 2 years, so none counts and all of it lapses",
        "全部超过上限（任意 2 年内最多 24 学分），不再计入，全部作废",
    ),
    (
        limit(period="P1M10D", to="2024-02-29", drops=True),
        "2 of them are over the limit of 24 credits in any 1 month and 10 days, so 1 counts and the rest lapses",
        "其中 2 学分超过上限（任意 1 个月零 10 天内最多 24 学分），计 1 学分，其余作废",
    ),
    (
        limit(used="21", allowed="0", of="6", value="0"),
        "the limit of 24 credits in the period beginning 1 March 2024 leaves 3, "
        "and these count whole or not at all, so none counts",
        "上限（2024年3月1日起的周期内最多 24 学分）仅余 3 学分，而此项只能整体计入，不再计入",
    ),
    (
        {
            "op": "limit", "id": "x", "period": "all", "by": ["kr/a"], "items": 3, "items_used": 3, "allowed": "0",
            "of": "3", "drops": False, "value": "0",
        },
        "the limit of 3 achievements (kr/a) in all is used up, so none counts",
        "上限（累计（kr/a）最多 3 项）已满，不再计入",
    ),
    ({"op": "validity", "until": "2030-05-20"}, "expires on 20 May 2030", "自 2030年5月20日起失效"),
    ({"op": "pending", "condition": "oral"}, "usable once “oral” has been completed", "完成“oral”后方可使用"),
    (
        {"op": "ruling", "ruling": "r1", "value": "2.5"},
        "people ruled that it is worth 2.5 credits",
        "经人工裁定计 2.5 学分",
    ),
    (
        {"op": "ruling", "ruling": "r1", "value": "1", "grade": "B"},
        "people ruled that it is worth 1 credit and the grade B",
        "经人工裁定计 1 学分，成绩定为 B",
    ),
    (
        {"op": "blocked", "ruling": "r1", "value": "0"},
        "people ruled that it does not count",
        "经人工裁定不予计入",
    ),
    (
        {"op": "transition", "version": 2, "gives": "3", "former": 1, "value": "4"},
        "version 2 of the rules gives 3, but you keep 4 from version 1",
        "规则第 2 版计 3，但保留第 1 版所计的 4 学分",
    ),
    (
        {"op": "kept", "version": 2, "former": 1},
        "version 2 of the rules would give less, so you keep what version 1 gave",
        "规则第 2 版所计较少，因此保留第 1 版所计的学分",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("step", "in_english", "in_chinese"), STEPS)
def test_a_step_is_told(step: dict[str, Any], in_english: str, in_chinese: str) -> None:
    _, names = named(rule("other"))

    assert told([step], "en", names) == f"3 credits: {in_english}"
    assert told([step], "zh", names) == f"3 学分：{in_chinese}"


def test_every_step_and_reason_of_a_trace_has_a_sentence_in_both_languages() -> None:
    """Whoever adds an op to the canonical text is told here that people must be able to read it too."""
    for tongue in (english, chinese):
        assert set(tongue.STEPS) == set(explain._STEPS)
        assert set(tongue.REASONS) == {*explain._REASONS, "revoked", "replaced"}
        assert set(tongue.KEEPS) == set(explain._KEEPS)
        assert set(tongue.FAILED) == set(explain._FACTS_ZH)
        assert set(tongue.WANTED) == set(explain._FACTS_ZH) - {"completed", "submitted"}
    assert {step["op"] for step, _, _ in STEPS} == set(explain._STEPS)
    assert {step["mode"] for step, _, _ in STEPS if step["op"] == "round"} == set(explain._MODES)
    assert {step["keep"] for step, _, _ in STEPS if step["op"] == "unique"} == set(explain._KEEPS)


@pytest.mark.parametrize(
    ("by", "value", "in_english", "in_chinese"),
    [
        ("provider", "kr/a", "at this institution", "在本机构"),
        ("provider_type", "hei", "at institutions of this type", "在此类机构"),
        ("category", "math", "in this subject area", "在本领域"),
        ("unit", "U", "for this unit", "就本单元"),
        ("kind", "mooc", "for achievements of this kind", "就此类成果"),
    ],
)
def test_a_limit_is_told_by_its_title_and_by_what_it_is_kept_apart(
    by: str, value: str, in_english: str, in_chinese: str
) -> None:
    title = {"en": "Yearly limit", "zh": "年度限额"}
    _, names = named(
        calendars=CALENDARS,
        limits=[{"id": "y", "title": title, "per": "year", "by": [by], "at_most": {"credits": "24"}}],
    )
    step = limit(id="y", by=[value], allowed="0", used="24", value="0")

    assert told([step], "en", names) == (
        f"3 credits: all of them are over the limit “Yearly limit” of 24 credits {in_english} "
        "in the year beginning 1 March 2024, so none counts"
    )
    assert told([step], "zh", names) == (
        f"3 学分：全部超过“年度限额”上限（2024年3月1日起的一年内{in_chinese}最多 24 学分），不再计入"
    )


def test_credits_over_a_limit_are_not_taken_for_those_who_passed() -> None:
    graded = next(step for step, _, _ in STEPS if step["op"] == "grade")

    assert "60 of these credits are over" in told([graded, limit(of="90", allowed="30")], "en", granted="90")


def test_what_has_expired_is_said_to_have() -> None:
    step = {"op": "validity", "until": "2024-05-20"}

    assert told([step], "en", state="expired") == "3 credits: expired on 20 May 2024"
    assert told([step], "zh", state="expired") == "3 学分：已于 2024年5月20日失效"


SCALES = {"pct": {"grades": {}}, "us": {"grades": {"A": "4", "B": "3", "C": "2"}}}
REGISTERS = {"niie": {"external": True}}

MISSED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (
        {"kind": ["mooc", "exam"]}, {},
        "it is of the kind “Course”, but “mooc” or “exam” is needed", "类型是“课程”，须为“mooc”或“exam”",
    ),
    (
        {"provider": ["us", "kr"]}, {},
        "it was achieved at cn/cq, but only us or kr counts", "修习机构是“cn/cq”，只计“us”或“kr”",
    ),
    ({"code": "X"}, {}, "it has no code, but X is needed", "没有代码，须为 X"),
    ({"code": ["X", "Y"]}, {"code": "Z"}, "its code is Z, but X or Y is needed", "代码是 Z，须为 X 或 Y"),
    ({"category": "math"}, {}, "no subject area is stated, but math is needed", "未注明领域，须属于“math”"),
    (
        {"category": "math"}, {"category": "art"},
        "its subject area is art, but math is needed", "领域是“art”，须属于“math”",
    ),
    (
        {"level": {"min": 4}}, {"level": (("eqf", "3"),)},
        "its level is 3, but at least 4 is needed", "级别是 3，须不低于 4",
    ),
    (
        {"level": {"below": 4}}, {},
        "it has no level that is known here, but less than 4 is needed", "没有本行认得的级别，须低于 4",
    ),
    (
        {"grade": {"scale": "pct", "min": 60}}, {"grade": ("pct", "58")},
        "your grade is 58, but 60 or more is needed", "您的成绩是 58，须不低于 60",
    ),
    (
        {"grade": {"scale": "pct", "below": 60}}, {"grade": ("pct", "61.5")},
        "your grade is 61.5, but less than 60 is needed", "您的成绩是 61.5，须低于 60",
    ),
    (
        {"grade": {"scale": "pct", "min": 60}}, {},
        "no grade is stated, but at least 60 on the scale pct is needed", "未注明成绩，须按 pct 计不低于 60",
    ),
    (
        {"grade": {"scale": "pct", "min": 60}}, {"grade": ("us", "A")},
        "your grade is A on the scale us, but at least 60 on the scale pct is needed",
        "您的成绩是 A（us），须按 pct 计不低于 60",
    ),
    (
        {"grade": {"scale": "us", "min": 3}}, {"grade": ("us", "C")},
        "your grade is C, but B or better is needed", "您的成绩是 C，须为 B 或更好",
    ),
    (
        {"grade": {"scale": "us", "min": 2, "below": 4}}, {"grade": ("us", "A")},
        "your grade is A, but B or C is needed", "您的成绩是 A，须为 B 或 C",
    ),
    (
        {"grade": {"scale": "us", "min": 5}}, {"grade": ("us", "A")},
        "your grade is A, but a grade worth at least 5 on the scale us is needed",
        "您的成绩是 A，须按 us 折算不低于 5",
    ),
    (
        {"hours": {"min": 30, "below": "45.5"}}, {"hours": 1},
        "it took 1 hour, but at least 30 and less than 45.5 hours are needed", "学时为 1，须不低于 30 且低于 45.5",
    ),
    ({"hours": {"min": 30}}, {}, "no hours are stated, but at least 30 hours are needed", "未注明学时，须不低于 30"),
    (
        {"attendance": {"min": 80}}, {"attendance": 62},
        "attendance is 62 %, but at least 80 % is needed", "出勤率为 62%，须不低于 80%",
    ),
    (
        {"attendance": {"min": 80}}, {},
        "no attendance is stated, but at least 80 % is needed", "未注明出勤率，须不低于 80%",
    ),
    (
        {"accredited": "niie"}, {},
        "this provider was not accredited in the register niie on the day you finished",
        "在您完成之日，该机构未在名册“niie”中获认证",
    ),
    (
        {"assurance": "signed"}, {"assurance": Assurance.SELF},
        "it is only stated by yourself, but it must be signed by the issuer", "目前仅由本人自述，至少须由签发机构签名",
    ),
    (
        {"age": {"max": "P5Y"}}, {"completed": date(2020, 6, 1), "submitted": date(2025, 6, 2)},
        "it was completed on 1 June 2020 and submitted on 2 June 2025, but at most 5 years may lie between",
        "2020年6月1日完成，2025年6月2日提交，相隔不得超过 5 年",
    ),
    (
        {"age": {"max": "P30D", "at": "applied"}}, {"applied": date(2024, 8, 1)},
        "it was completed on 10 June 2024 and applied with on 1 August 2024, but at most 30 days may lie between",
        "2024年6月10日完成，2024年8月1日申请，相隔不得超过 30 天",
    ),
    (
        {"tags": ["proctored", "onsite"]}, {"tags": frozenset({"onsite"})},
        "it is not marked “proctored”", "缺少标记“proctored”",
    ),
    (
        {"where": {"fact": "credits", "op": ">=", "value": 4}}, {},
        "credits is 3, but what is needed is: credits at least 4", "学分为 3；须满足：学分不低于 4",
    ),
    (
        {
            "where": {
                "any": [
                    {"fact": "unit", "op": "exists"},
                    {"not": {"fact": "code", "op": "not_in", "value": ["A", "B"]}},
                ]
            }
        },
        {},
        "unit is not stated and code is not stated, but what is needed is: "
        "(unit is stated or not code is none of A or B)",
        "单元未注明，代码未注明；须满足：(单元已注明，或并非代码不属于 A 或 B)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("match", "achieved", "in_english", "in_chinese"), MISSED)
def test_what_was_missing_is_told(
    match: dict[str, Any], achieved: dict[str, Any], in_english: str, in_chinese: str
) -> None:
    title = {"title": {"en": "City course", "zh": "全市课程"}}
    wording, names = named(
        {**rule("course", **match), **title}, scales=SCALES, registers=REGISTERS, levels={"eqf": {"3": 3}}
    )
    kinds = {"kind": {"course": {"en": "Course", "zh": "课程"}}}
    (decision,) = decide(wording.compiled, fact(**achieved))

    names = Names(names.wordings, names.achievements, kinds)
    assert tell_decision(decision, "en", names) == (f"No credits. The nearest rule is “City course”: {in_english}")
    assert tell_decision(decision, "zh", names) == f"未获学分。最接近的规则是“全市课程”：{in_chinese}"


def test_every_fact_that_a_test_can_ask_for_is_told() -> None:
    asked = {fact_ for match, _, _, _ in MISSED for fact_ in match}

    assert asked | {"completed", "submitted", "in force"} == set(explain._FACTS_ZH)


@pytest.mark.parametrize(
    ("blocks", "own", "in_english", "in_chinese"),
    [
        (
            {},
            {},
            "No credits: it was completed on 1 January 2019, "
            "but the rules hold for what was completed from 1 March 2020",
            "未获学分：完成于 2019年1月1日，而规则只适用于 2020年3月1日起完成的成果",
        ),
        (
            {"header": {"until": "2024-03-01", "clock": {"recognition": "submitted"}}},
            {},
            "No credits: it was submitted on 1 January 2019, "
            "but the rules hold for what was submitted from 1 March 2020 until before 1 March 2024",
            "未获学分：提交于 2019年1月1日，而规则只适用于 2020年3月1日起、2024年3月1日前提交的成果",
        ),
        (
            {"header": {"from": "2015-03-01"}},
            {"until": "2018-01-01"},
            "No credits. The nearest rule is “course”: its day is 1 January 2019, "
            "but the rule holds until before 1 January 2018",
            "未获学分。最接近的规则是“course”：日期是 2019年1月1日，而该规则适用于 2018年1月1日前",
        ),
    ],
)
def test_days_that_rules_do_not_hold_for_are_told(
    blocks: dict[str, Any], own: dict[str, Any], in_english: str, in_chinese: str
) -> None:
    wording, names = named({**rule("course"), **own}, **blocks)
    (decision,) = decide(wording.compiled, fact(completed=date(2019, 1, 1)))

    assert tell_decision(decision, "en", names) == in_english
    assert tell_decision(decision, "zh", names) == in_chinese


TOGETHER = {
    "id": "pair",
    "match": {"all": [{"code": "A"}, {"code": "B", "kind": "exam", "grade": {"scale": "pct", "min": 60}}]},
    "grant": [{"credits": {"fixed": 4}}],
}


def test_the_part_of_a_combination_that_is_missing_is_told() -> None:
    wording, names = named(TOGETHER, scales=SCALES)
    first = fact("a", code="A")
    (decision,) = decide(wording.compiled, first)

    holding = Names(names.wordings, held=lambda: [first])
    assert tell_decision(decision, "en", holding) == (
        "No credits. The nearest rule is “pair”: it counts only together with another part, which is missing: "
        "“exam”, code B, grade at least 60 on the scale pct"
    )
    assert tell_decision(decision, "zh", holding) == (
        "未获学分。最接近的规则是“pair”：须与其他部分合并计入，尚缺：“exam”，代码 B，成绩按 pct 计不低于 60"
    )
    assert tell_decision(decision).endswith("together with another achievement, which is missing")
    assert tell_decision(decision, "zh").endswith("须与另一项成果合并计入，而后者尚缺")


@pytest.mark.parametrize(
    ("asked", "in_english", "in_chinese"),
    [
        ({"kind": "exam"}, "“exam”", "“exam”"),
        ({"provider": "kr"}, "at kr", "在“kr”修习"),
        ({"code": ["B", "C", "D"]}, "code B, C or D", "代码 B、C 或 D"),
        ({"category": "math"}, "subject area math", "领域“math”"),
        ({"level": {"min": 4}}, "level at least 4", "级别不低于 4"),
        ({"grade": {"scale": "us", "min": 3}}, "grade B or better", "成绩为 B 或更好"),
        ({"hours": {"min": 30}}, "at least 30 hours", "学时不低于 30"),
        ({"attendance": {"min": 80}}, "attendance at least 80 %", "出勤率不低于 80%"),
        ({"accredited": "niie"}, "accredited in the register niie", "在名册“niie”中获认证"),
        ({"assurance": "signed"}, "at least signed by the issuer", "至少由签发机构签名"),
        ({"age": {"max": "P5Y"}}, "at most 5 years old", "不超过 5 年"),
        ({"tags": ["a", "b"]}, "marked “a” and “b”", "标记“a”和“b”"),
        ({"where": {"fact": "hours", "op": "<", "value": 9}}, "hours less than 9", "学时低于 9"),
        ({}, "any further achievement", "任意一项其他成果"),
    ],
)
def test_a_missing_part_is_told_by_what_is_asked_of_it(asked: dict[str, Any], in_english: str, in_chinese: str) -> None:
    pair = {**TOGETHER, "match": {"all": [{"code": "A"}, asked]}}
    _, names = named(pair, scales=SCALES, registers=REGISTERS)
    trace = {**TRACE, "rule": "pair", "effect": "none", "reason": "part_missing", "failed": []}

    assert tell_decision(trace, "en", names).endswith(f"code A – and {in_english}")
    assert tell_decision(trace, "zh", names).endswith(f"代码 A；以及{in_chinese}")
    assert set(english.WANTED) - {"in force"} >= set(asked)


def test_of_alternatives_the_nearest_is_said_to_be_missing() -> None:
    ways = {"any": [{"all": [{"code": "A"}, {"code": "B"}, {"code": "C"}]}, {"all": [{"code": "A"}, {"code": "D"}]}]}
    wording, names = named({**TOGETHER, "match": ways})
    first = fact("a", code="A")
    (decision,) = decide(wording.compiled, first)

    holding = Names(names.wordings, held=lambda: [first])
    assert tell_decision(decision, "en", holding).endswith("which is missing: code D")


REASONS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"effect": "review", "reason": "credits_missing"},
        "A person must decide: the provider's own credits, which the rule counts, are not stated",
        "须由人工决定：规则按原机构的学分计算，而原学分未注明",
    ),
    (
        {"effect": "review", "reason": "hours_missing"},
        "A person must decide: the hours, which the rule counts, are not stated",
        "须由人工决定：规则按学时计算，而学时未注明",
    ),
    (
        {"effect": "review", "reason": "table_entry_missing", "table": "exams", "key": "{x}"},
        "A person must decide: the table “exams” has no entry for {x}, so the credits are to be set",
        "须由人工决定：对照表“exams”中没有 {x}，须确定学分",
    ),
    (
        {"effect": "review", "reason": "grade_entry_missing", "grade": "Pass"},
        "A person must decide: grade Pass has no counterpart here yet, so the grade is to be set",
        "须由人工决定：成绩 Pass 尚无对应，须确定成绩",
    ),
    (
        {"effect": "review", "reason": "conflict", "with": "other"},
        "A person must decide: the rules “course” and “other” both fit and give different results",
        "须由人工决定：规则“course”与“other”都适用而结果不同",
    ),
    (
        {"effect": "review", "reason": "review_wanted"},
        "A person must decide: the rule “course” wants this looked at",
        "须由人工决定：规则“course”要求人工审核",
    ),
    ({"effect": "deny"}, "No credits: the rule “course” excludes this", "未获学分：规则“course”不予认定"),
    (
        {"effect": "none", "reason": "part_missing", "failed": []},
        "No credits. The nearest rule is “course”: it counts only together with another achievement, which is missing",
        "未获学分。最接近的规则是“course”：须与另一项成果合并计入，而后者尚缺",
    ),
    (
        {"effect": "none", "reason": "no_rule", "rule": None},
        "No credits: “town” has no rule that gives any",
        "未获学分：“town”中没有可给学分的规则",
    ),
    (
        {"effect": "none", "reason": "no_rule_set", "rule": None, "rule_set": ""},
        "No credits: there are no rules yet",
        "未获学分：尚无任何规则",
    ),
    (
        {"effect": "none", "reason": "blocked", "rule": None, "rule_set": "", "ruling": "r1"},
        "No credits: people ruled that this achievement does not count",
        "未获学分：经人工裁定，该成果不予计入",
    ),
    ({"effect": "withdrawn", "reason": "revoked"}, "The achievement was revoked.", "该成果已被撤销。"),
    (
        {"effect": "withdrawn", "reason": "replaced"},
        "Another decision has taken its place.",
        "已由另一项决定取代。",
    ),
]


@pytest.mark.parametrize(("part", "in_english", "in_chinese"), REASONS)
def test_a_reason_is_told(part: dict[str, Any], in_english: str, in_chinese: str) -> None:
    assert tell_decision({**TRACE, **part}, "en") == in_english
    assert tell_decision({**TRACE, **part}, "zh") == in_chinese


def test_every_reason_stands_in_the_table() -> None:
    shown = {part.get("reason", "denied") for part, _, _ in REASONS}

    assert shown == set(english.REASONS)


def test_several_lots_are_told_by_their_units() -> None:
    wording, names = named(
        {
            "id": "r",
            "match": {},
            "grant": [{"unit": "U", "credits": {"fixed": 1}}, {"unit": "V", "credits": {"fixed": 2}}],
        }
    )
    (decision,) = decide(wording.compiled, fact())

    assert tell_decision(decision, "en", names) == "U, 1 credit: a fixed amount. V, 2 credits: a fixed amount"
    assert tell_decision(decision, "zh", names) == "U 1 学分：固定学分。V 2 学分：固定学分"


def test_titles_of_the_nearest_layer_win_and_one_language_stands_for_the_other() -> None:
    above = plain_document({**rule("r"), "title": {"en": "National"}}, header={"id": "nation", "layer": "national"})
    below = plain_document(rule("s"), header={"extends": "nation@1"})
    parsed = [read_documents(json.dumps(above), format="json")[0].model]
    nation = {f"nation@{parsed[0].ruleset.version}": parsed[0]}
    layered = read_documents(json.dumps(below), format="json", above=nation)[0].layered
    wording = wording_of(layered, compile_version(layered, sha256=""))

    trace = {**TRACE, "rule": "r", "effect": "deny"}
    names = Names({("town", 1): wording})
    assert tell_decision(trace, "en", names) == "No credits: the rule “National” excludes this"
    assert tell_decision(trace, "zh", names) == "未获学分：规则“National”不予认定"


# --- Golden: everything that the documents in the folder say of their own tests ---------------------------------------

FOLDER = Path(__file__).parent / "documents"


def golden(file: Path, language: explain.Language) -> Iterator[str]:
    parsed = read_documents(file.read_bytes())
    compiled = [compile_version(d.layered, sha256="") for d in parsed]
    wordings: Mapping[tuple[str, int], Wording] = {
        (v.rule_set, v.version): wording_of(d.layered, v) for d, v in zip(parsed, compiled, strict=True)
    }
    for document in parsed:
        for example in document.model.tests:
            facts = [fact_of(given_) for given_ in example.given if given_.status == "valid"]
            achievements = {f.key: Achieved(f.key, f.completed.isoformat()) for f in facts}
            names = Names(wordings, achievements, held=lambda facts=facts: facts)  # type: ignore[misc]
            yield f"# {example.name}"
            for decision in evaluate(facts, in_line(compiled), example.as_of).decisions:
                yield f"{'+'.join(decision.binding)}: {tell_decision(decision, language, names)}"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_documents_tell_their_tests_as_they_did(file: Path, language: explain.Language) -> None:
    """A changed word shows here; what is right is read, and then written into the file."""
    expected = (FOLDER / "told" / f"{file.stem}.{language}.txt").read_text("utf-8")

    assert "\n".join(golden(file, language)) + "\n" == expected


# --- For any rules and any facts --------------------------------------------------------------------------------------


def tells(decision: Decision, names: Names) -> None:
    stored = json.loads(json.dumps({**decision.trace, "lots": [lot.trace for lot in decision.lots]}))
    languages: tuple[explain.Language, ...] = ("en", "zh")
    for language in languages:
        assert tell_decision(stored, language, names) == tell_decision(decision, language, names)
        assert tell_decision(stored, language)


@given(documents(1), documents(2), FACTS, AS_OF)
@settings(max_examples=60, deadline=None)
def test_every_decision_can_be_told_from_its_stored_trace(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date
) -> None:
    layered = [Layered((read_law(document),)) for document in (first, second)]
    versions = [compile_version(one, sha256="") for one in layered]
    wordings = {(v.rule_set, v.version): wording_of(one, v) for one, v in zip(layered, versions, strict=True)}

    for decision in evaluate(facts, versions, as_of).decisions:
        tells(decision, Names(wordings, held=lambda: facts))
