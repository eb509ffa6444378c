"""From a trace to sentences: the canonical English text of section 14, and Chinese for people.

A trace is read as it was stored, so that what was decided years ago explains itself in the words of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from creditbank.rules.numbers import decimal_text
from creditbank.rules.outcome import Decision, Trace

Language = Literal["en", "zh"]
_Words = Mapping[str, str]
_Part = Mapping[str, Any]

_JOIN: Final = {"en": "; ", "zh": "；"}


def explain_lot(trace: Trace, language: Language = "en") -> str:
    """Why a lot has the credits that it has: its steps, one after another."""
    return _JOIN[language].join(_STEPS[step["op"]](step, language) for step in trace["steps"])


def explain_decision(decision: Decision | Trace, language: Language = "en") -> str:
    """Why a rule, or none, took the binding.

    Takes a decision or its stored trace. A grant names its rule and then, where the trace has them under ``lots``, each
    lot with its unit; a review gives the rule and the reason; none gives every failed test of the nearest rule.
    """
    trace: Trace
    if isinstance(decision, Decision):
        trace = {**decision.trace, "lots": [lot.trace for lot in decision.lots]}
    else:
        trace = decision
    rule = trace["rule"]
    match trace["effect"]:
        case "none":
            return _none(trace, language)
        case "deny":
            return _subject(rule, language) + _REASONS["denied"][language]
        case "review":
            parts = [_STEPS[step["op"]](step, language) for step in trace["steps"]]
            parts.append(_reason(trace, language))
            return _subject(rule, language) + _JOIN[language].join(parts)
        case _:
            lots = [_subject(lot["unit"], language) + explain_lot(lot, language) for lot in trace.get("lots", ())]
            return _subject(rule, language) + _JOIN[language].join(lots)


def _reason(trace: Trace, language: Language) -> str:
    """Why a person must decide, with what the sentence names."""
    return _REASONS[trace["reason"]][language].format_map(trace)


def _subject(name: str, language: Language) -> str:
    return f"{name}: " if language == "en" else f"{name}："


def _none(trace: Trace, language: Language) -> str:
    if trace["reason"] in {"no_rule", "no_rule_set", "blocked"}:
        text = _reason(trace, language)
        return _subject(trace["rule_set"], language) + text if trace["rule_set"] else text
    subject = _subject(trace["rule"] or trace["rule_set"], language)
    if trace["reason"] == "part_missing":
        return subject + _REASONS["part_missing"][language]
    return _JOIN[language].join(subject + explain_test(test, language) for test in trace["failed"])


def explain_test(test: _Part, language: Language = "en") -> str:
    """What a test found and what it wanted, such as ``grade: 58 (wanted >=60 on pct)``."""
    got = _got(test, language)
    if language == "en":
        return f"{test['fact']}: {got} (wanted {_wanted(test)})"
    return f"{_FACTS_ZH[test['fact']]}：{got}（要求 {_wanted_zh(test)}）"


def _got(test: _Part, language: Language) -> str:
    got = test["got"]
    match test["op"]:
        case "within":
            completed, at = got
            if language == "en":
                return f"completed {completed}, {test['at']} {at}"
            return f"{completed} 完成，{at} {_AT_ZH[test['at']]}"
        case "where":
            absent = "none" if language == "en" else "无"
            return ", ".join(f"{name}={absent if value is None else value}" for name, value in got)
        case "has_all":
            return "|".join(got) or ("none" if language == "en" else "无")
    if got is None:
        return "none" if language == "en" else "无"
    if test["fact"] == "assurance" and language == "zh":
        return _ASSURANCE_ZH[got]
    text = decimal_text(got) if test["fact"] in _NUMERIC else str(got)
    if "got_on" not in test:
        return text
    return f"{text} on {test['got_on']}" if language == "en" else f"{test['got_on']} {text}"


def _bounds(test: _Part) -> str:
    if test["op"] == "in_range":
        low, below = test["want"]
        return f">={decimal_text(low)} <{decimal_text(below)}"
    return f"{test['op']}{decimal_text(test['want'])}"


def _wanted(test: _Part) -> str:
    want = test["want"]
    match test["op"]:
        case "in" | "has_all":
            return "|".join(want)
        case "under":
            return f"in {'|'.join(want)}"
        case "in_force":
            return f"{want[0] or 'open'} to {want[1] or 'open'}"
        case "within":
            return f"within {want}"
        case "==" | "where":
            return str(want)
        case _ if test["fact"] == "assurance":
            return f">={want}"
        case _:
            return f"{_bounds(test)} on {test['on']}" if "on" in test else _bounds(test)


def _wanted_zh(test: _Part) -> str:
    want = test["want"]
    match test["op"]:
        case "in" | "has_all":
            return "、".join(want)
        case "under":
            return f"属于 {'、'.join(want)}"
        case "in_force":
            return f"{want[0] or '不限'} 起，{want[1]} 前" if want[1] else f"{want[0]} 起"
        case "within":
            return f"不超过 {want}"
        case "==" | "where":
            return str(want)
        case _ if test["fact"] == "assurance":
            return f"不低于“{_ASSURANCE_ZH[want]}”"
        case _:
            bounds = _bounds(test).replace(">=", "≥").replace("<", "＜")
            return f"{test['on']} {bounds}" if "on" in test else bounds


# --- Steps ------------------------------------------------------------------------------------------------------------


def _fixed(step: _Part, language: Language) -> str:
    return f"{'fixed' if language == 'en' else '固定'} {decimal_text(step['value'])}"


def _native(step: _Part, language: Language) -> str:
    own, factor, value = (decimal_text(step[name]) for name in ("credits", "factor", "value"))
    return f"{own} native x {factor} = {value}" if language == "en" else f"原学分 {own} × {factor} = {value}"


def _per_hour(step: _Part, language: Language) -> str:
    hours, per, value = (decimal_text(step[name]) for name in ("hours", "per", "value"))
    return f"{hours} h / {per} = {value}" if language == "en" else f"{hours} 学时 ÷ {per} = {value}"


def _bands(step: _Part, language: Language) -> str:
    hours, value = decimal_text(step["hours"]), decimal_text(step["value"])
    return f"{hours} h -> band {value}" if language == "en" else f"{hours} 学时 → 档位 {value}"


def _table(step: _Part, language: Language) -> str:
    what = f"{step['table']}[{step['key']}] = {decimal_text(step['value'])}"
    return f"table {what}" if language == "en" else f"对照表 {what}"


def _pool(step: _Part, language: Language) -> str:
    hours, value, already = (decimal_text(step[name]) for name in ("hours", "value", "already"))
    if language == "en":
        return f"pool {step['period']}: {hours} h -> {value}, less {already} already"
    return f"汇总 {_period_zh(step['period'])}：{hours} 学时 → {value}，减去已计 {already}"


def _grade(step: _Part, language: Language) -> str:
    above, upto, target = decimal_text(step["above"]), decimal_text(step["upto"]), step["value"]
    if step["method"] == "midpoint":
        middle = decimal_text(step["middle"])
        if language == "en":
            return f"grade {step['grade']} = top {above}-{upto} %, middle {middle} % -> {target}"
        return f"成绩 {step['grade']} 位于前 {above}-{upto} %，中点 {middle} % → {target}"
    overlap = decimal_text(step["overlap"])
    if language == "en":
        return f"grade {step['grade']} = top {above}-{upto} %, overlap {overlap} % -> {target}"
    return f"成绩 {step['grade']} 位于前 {above}-{upto} %，重叠 {overlap} % → {target}"


def _at_most(step: _Part, language: Language) -> str:
    return f"{'at most' if language == 'en' else '最多'} {decimal_text(step['limit'])}"


def _at_least(step: _Part, language: Language) -> str:
    return f"{'at least' if language == 'en' else '最少'} {decimal_text(step['limit'])}"


def _round(step: _Part, language: Language) -> str:
    english, chinese = _MODES[step["mode"]]
    size, value = decimal_text(step["step"]), decimal_text(step["value"])
    return f"rounded {english} to {size}: {value}" if language == "en" else f"按 {size} {chinese}：{value}"


def _unique(step: _Part, language: Language) -> str:
    winner, value = "+".join(step["from"]), decimal_text(step["value"])
    english, chinese = _KEEPS[step["keep"]]
    if "learning" in step:
        what, what_zh = f"learning {'|'.join(step['learning'])}", f"学习 {'、'.join(step['learning'])}"
    else:
        what, what_zh = f"unit {step['unit']}", f"单元 {step['unit']}"
    if language == "en":
        return f"same {what} already from {winner} ({english}): {value}"
    return f"同一{what_zh} 已由 {winner} 计入（{chinese}）：{value}"


def _limit(step: _Part, language: Language) -> str:
    period = f"{step['period']} to {step['to']}" if "to" in step else step["period"]
    period_zh = f"截至 {step['to']} 的 {step['period']}" if "to" in step else _period_zh(step["period"])
    allowed, of = decimal_text(step["allowed"]), decimal_text(step["of"])
    if "items" in step:
        cap, used = f"{step['items']} items", f"{step['items_used']} used"
        cap_zh, used_zh = f"{step['items']} 项", f"已用 {step['items_used']} 项"
    else:
        cap, used = f"{decimal_text(step['cap'])} credits", f"{decimal_text(step['used'])} used"
        cap_zh, used_zh = f"{decimal_text(step['cap'])} 学分", f"已用 {decimal_text(step['used'])}"
    if language == "en":
        rest = "; the rest is dropped" if step["drops"] else ""
        return f"limit {step['id']} [{', '.join([period, *step['by']])}] {cap}, {used}: {allowed} of {of}{rest}"
    rest = "；其余不予保留" if step["drops"] else ""
    return f"限额 {step['id']}（{'，'.join([period_zh, *step['by']])}）{cap_zh}，{used_zh}：{of} 中计 {allowed}{rest}"


def _period_zh(period: str) -> str:
    return "终身" if period == "all" else f"{period} 起的周期"


def _validity(step: _Part, language: Language) -> str:
    return f"valid until {step['until']}" if language == "en" else f"有效期至 {step['until']}（不含）"


def _pending(step: _Part, language: Language) -> str:
    return f"pending {step['condition']}" if language == "en" else f"待满足条件 {step['condition']}"


def _transition(step: _Part, language: Language) -> str:
    gives, former = decimal_text(step["gives"]), decimal_text(step["value"])
    if language == "en":
        return f"version {step['version']} gives {gives}; never less than version {step['former']}: {former}"
    return f"第 {step['version']} 版给 {gives}；不少于第 {step['former']} 版：{former}"


def _kept(step: _Part, language: Language) -> str:
    if language == "en":
        return f"version {step['version']} gives less; version {step['former']} stands"
    return f"第 {step['version']} 版所给较少；仍按第 {step['former']} 版"


def _ruling(step: _Part, language: Language) -> str:
    grade = step.get("grade")
    value = decimal_text(step["value"])
    if language == "en":
        return f"ruling {step['ruling']}: {value}" + (f", grade {grade}" if grade else "")
    return f"裁定 {step['ruling']}：{value}" + (f"，成绩 {grade}" if grade else "")


def _blocked(step: _Part, language: Language) -> str:
    return f"blocked by ruling {step['ruling']}: 0" if language == "en" else f"已由裁定 {step['ruling']} 排除：0"


_STEPS: Final[Mapping[str, Callable[[_Part, Language], str]]] = {
    "fixed": _fixed,
    "native": _native,
    "per_hour": _per_hour,
    "bands": _bands,
    "table": _table,
    "pool": _pool,
    "grade": _grade,
    "at_most": _at_most,
    "at_least": _at_least,
    "round": _round,
    "unique": _unique,
    "limit": _limit,
    "validity": _validity,
    "pending": _pending,
    "transition": _transition,
    "kept": _kept,
    "ruling": _ruling,
    "blocked": _blocked,
}

_MODES: Final[Mapping[str, Sequence[str]]] = {
    "down": ("down", "向下取整"),
    "half_up": ("half up", "四舍五入"),
    "half_even": ("half even", "四舍六入五成双"),
}

_KEEPS: Final[Mapping[str, Sequence[str]]] = {
    "best": ("best", "择优"),
    "latest": ("latest", "取最近"),
    "first": ("first", "取最早"),
}

_REASONS: Final[Mapping[str, _Words]] = {
    "credits_missing": {"en": "credits missing", "zh": "缺少学分"},
    "hours_missing": {"en": "hours missing", "zh": "缺少学时"},
    "table_entry_missing": {"en": "table {table} has no entry for {key}", "zh": "对照表 {table} 没有 {key} 的条目"},
    "grade_entry_missing": {"en": "grade no entry for {grade}", "zh": "成绩 {grade} 没有对应条目"},
    "conflict": {"en": "conflict with {with}", "zh": "与规则 {with} 冲突"},
    "review_wanted": {"en": "to be reviewed", "zh": "须人工审核"},
    "blocked": {"en": "blocked by ruling {ruling}", "zh": "已由裁定 {ruling} 排除"},
    "denied": {"en": "denied", "zh": "不予认定"},
    "part_missing": {"en": "another part of the combination is missing", "zh": "组合中缺少另一部分"},
    "no_rule": {"en": "no rules", "zh": "没有规则"},
    "no_rule_set": {"en": "no rule set", "zh": "没有规则集"},
}

_NUMERIC: Final = frozenset({"level", "hours", "attendance"})

_FACTS_ZH: Final[_Words] = {
    "kind": "类型",
    "provider": "机构",
    "code": "代码",
    "category": "类别",
    "level": "级别",
    "grade": "成绩",
    "hours": "学时",
    "attendance": "出勤率",
    "accredited": "认证",
    "assurance": "可信度",
    "completed": "完成日期",
    "submitted": "提交日期",
    "in force": "规则有效期",
    "age": "时限",
    "tags": "标签",
    "where": "条件",
}

_AT_ZH: Final[_Words] = {"submitted": "提交", "applied": "申请"}

_ASSURANCE_ZH: Final[_Words] = {"self": "自述", "provider": "机构声明", "verified": "已核验", "signed": "已签名"}
