"""Sentences from stored traces, in English and Chinese (rules/v1 section 14)."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from creditbank.rules.explain import explain_decision, explain_lot
from creditbank.rules.fact import Assurance
from creditbank.rules.numbers import decimal_text, read_number
from tests.rules.writing import compiled, decide, fact, rule

SCALES: dict[str, Any] = {"pct": {"grades": {}}}
REGISTERS = {"niie": {"external": True}}


@pytest.mark.parametrize(
    ("step", "english", "chinese"),
    [
        ({"op": "fixed", "value": "4"}, "fixed 4", "固定 4"),
        ({"op": "native", "credits": "15", "factor": "1", "value": "15"}, "15 native x 1 = 15", "原学分 15 × 1 = 15"),
        ({"op": "per_hour", "hours": "40", "per": "30", "value": "4/3"}, "40 h / 30 = 1.333", "40 学时 ÷ 30 = 1.333"),
        ({"op": "at_most", "limit": "3", "value": "3"}, "at most 3", "最多 3"),
        ({"op": "at_least", "limit": "1", "value": "1"}, "at least 1", "最少 1"),
        ({"op": "round", "mode": "down", "step": "1/2", "value": "1"}, "rounded down to 0.5: 1", "按 0.5 向下取整：1"),
        ({"op": "round", "mode": "half_up", "step": "1", "value": "3"}, "rounded half up to 1: 3", "按 1 四舍五入：3"),
        (
            {"op": "round", "mode": "half_even", "step": "1", "value": "2"},
            "rounded half even to 1: 2",
            "按 1 四舍六入五成双：2",
        ),
        (
            {"op": "pool", "period": "2024-01-01", "hours": "95", "value": "3", "already": "3/2"},
            "pool 2024-01-01: 95 h -> 3, less 1.5 already",
            "汇总 2024-01-01 起的周期：95 学时 → 3，减去已计 1.5",
        ),
        (
            {
                "op": "grade",
                "method": "midpoint",
                "grade": "27",
                "above": "44",
                "upto": "60",
                "middle": "52",
                "value": "C",
            },
            "grade 27 = top 44-60 %, middle 52 % -> C",
            "成绩 27 位于前 44-60 %，中点 52 % → C",
        ),
        (
            {
                "op": "grade",
                "method": "max_overlap",
                "grade": "30",
                "above": "8",
                "upto": "20",
                "overlap": "10",
                "value": "B",
            },
            "grade 30 = top 8-20 %, overlap 10 % -> B",
            "成绩 30 位于前 8-20 %，重叠 10 % → B",
        ),
        (
            {"op": "transition", "version": 2, "gives": "3", "former": 1, "value": "4"},
            "version 2 gives 3; never less than version 1: 4",
            "第 2 版给 3；不少于第 1 版：4",
        ),
        ({"op": "ruling", "ruling": "r1", "value": "5"}, "ruling r1: 5", "裁定 r1：5"),
        ({"op": "ruling", "ruling": "r1", "value": "5", "grade": "B"}, "ruling r1: 5, grade B", "裁定 r1：5，成绩 B"),
        (
            {"op": "unique", "unit": "ELEC101", "keep": "best", "from": ["p1"], "value": "0"},
            "same unit ELEC101 already from p1 (best): 0",
            "同一单元 ELEC101 已由 p1 计入（择优）：0",
        ),
        (
            {"op": "unique", "unit": "U", "keep": "latest", "from": ["m1", "m2"], "value": "0"},
            "same unit U already from m1+m2 (latest): 0",
            "同一单元 U 已由 m1+m2 计入（取最近）：0",
        ),
        (
            {"op": "unique", "unit": "U", "keep": "first", "from": ["m1"], "value": "0"},
            "same unit U already from m1 (first): 0",
            "同一单元 U 已由 m1 计入（取最早）：0",
        ),
        (
            {"op": "kept", "version": 2, "former": 1},
            "version 2 gives less; version 1 stands",
            "第 2 版所给较少；仍按第 1 版",
        ),
        (
            {
                "op": "limit",
                "id": "few",
                "period": "all",
                "by": [],
                "cap": 10,
                "used": 8,
                "allowed": 2,
                "of": 3,
                "drops": False,
            },
            "limit few [all] 10 credits, 8 used: 2 of 3",
            "限额 few（终身）10 学分，已用 8：3 中计 2",
        ),
        (
            {
                "op": "limit",
                "id": "few",
                "period": "all",
                "by": [],
                "cap": 10,
                "used": 8,
                "allowed": 2,
                "of": 3,
                "drops": True,
            },
            "limit few [all] 10 credits, 8 used: 2 of 3; the rest is dropped",
            "限额 few（终身）10 学分，已用 8：3 中计 2；其余不予保留",
        ),
    ],
)
def test_a_step_reads(step: dict[str, Any], english: str, chinese: str) -> None:
    assert explain_lot({"steps": [step]}) == english
    assert explain_lot({"steps": [step]}, "zh") == chinese


@pytest.mark.parametrize(
    ("match", "given", "chinese"),
    [
        ({"kind": ["mooc", "exam"]}, {}, "规则：类型：course（要求 mooc、exam）"),
        ({"provider": "us"}, {}, "规则：机构：cn/cq（要求 属于 us）"),
        ({"code": "X"}, {}, "规则：代码：无（要求 X）"),
        ({"grade": {"scale": "pct", "min": 60}}, {"grade": ("pct", "58")}, "规则：成绩：58（要求 pct ≥60）"),
        ({"grade": {"scale": "pct", "min": 60}}, {"grade": ("us", "A")}, "规则：成绩：us A（要求 pct ≥60）"),
        ({"hours": {"min": 30, "below": "45.5"}}, {"hours": 20}, "规则：学时：20（要求 ≥30 ＜45.5）"),
        ({"attendance": {"min": 80}}, {"attendance": "79.9"}, "规则：出勤率：79.9（要求 ≥80）"),
        ({"accredited": "niie"}, {}, "规则：认证：无（要求 niie）"),
        (
            {"age": {"max": "P1Y"}},
            {"completed": date(2022, 1, 1), "submitted": date(2024, 1, 1)},
            "规则：时限：2022-01-01 完成，2024-01-01 提交（要求 不超过 P1Y）",
        ),
        ({"assurance": "signed"}, {"assurance": Assurance.SELF}, "规则：可信度：自述（要求 不低于“已签名”）"),
    ],
)
def test_a_failed_test_reads_in_chinese(match: dict[str, Any], given: dict[str, Any], chinese: str) -> None:
    (decision,) = decide(compiled(rule("r", **match), scales=SCALES, registers=REGISTERS), fact(**given))

    assert explain_decision(decision, "zh").replace("r：", "规则：", 1) == chinese


@pytest.mark.parametrize(
    ("until", "chinese"),
    [
        (None, "town：完成日期：2019-01-01（要求 2020-03-01 起）"),
        ("2024-03-01", "town：完成日期：2019-01-01（要求 2020-03-01 起，2024-03-01 前）"),
    ],
)
def test_no_version_reads_in_chinese(until: str | None, chinese: str) -> None:
    header = {"until": until} if until else {}
    (decision,) = decide(compiled(rule(), header=header), fact(completed=date(2019, 1, 1)))

    assert explain_decision(decision, "zh") == chinese


def test_a_review_reads_in_chinese() -> None:
    (decision,) = decide(compiled(rule("r")), fact(credits=None))

    assert explain_decision(decision, "zh") == "r：缺少学分"


def test_a_grant_reads_in_both_languages() -> None:
    (decision,) = decide(compiled(rule("r", {"per_hour": 30})), fact(hours=40, unit="U"))

    assert explain_decision(decision) == "r: U: 40 h / 30 = 1.333; rounded down to 0.5: 1"
    assert explain_decision(decision, "zh") == "r：U：40 学时 ÷ 30 = 1.333；按 0.5 向下取整：1"


def test_a_stored_trace_explains_itself_as_the_decision_did() -> None:
    decisions = decide(
        compiled(rule("r", {"per_hour": 30}, kind="course")), fact("a", hours=40), fact("b", kind="exam"), fact("c")
    )
    for decision in decisions:
        stored = json.loads(json.dumps({**decision.trace, "lots": [lot.trace for lot in decision.lots]}))
        for language in ("en", "zh"):
            assert explain_decision(stored, language) == explain_decision(decision, language)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("4/3", "1.333"),
        ("2/3", "0.667"),
        ("1/2000", "0"),
        ("3/2000", "0.002"),
        ("5/2000", "0.002"),
        ("-3/2", "-1.5"),
        ("100", "100"),
        ("199999/100000", "2"),
    ],
)
def test_numbers_for_people_have_three_decimals_half_even(number: str, text: str) -> None:
    assert decimal_text(number) == text


@pytest.mark.parametrize("text", ["", "1.", ".5", "+1", "1e3", "1/0", "1 1", "0x1", "１", "1/2/3", "1000000001", "--1"])
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|large|nothing"):
        read_number(text)


def test_numbers_are_read_exactly() -> None:
    texts = ["3", "-3", "0.1", "2/3"]

    assert [read_number(text) for text in texts] == [3, -3, Fraction(1, 10), Fraction(2, 3)]
