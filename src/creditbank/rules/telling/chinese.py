"""Steps, tests and reasons in plain Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from creditbank.credits import Credits
from creditbank.rules.days import read_duration
from creditbank.rules.numbers import decimal_text, is_number
from creditbank.rules.telling.names import About, Part, Period, is_granted, milli

JOIN: Final = "；"
BETWEEN_LOTS: Final = "。"


def day(iso: str) -> str:
    """``2025-06-20`` as ``2025年6月20日``."""
    return f"{int(iso[:4])}年{int(iso[5:7])}月{int(iso[8:])}日"


def _credits(number: str) -> str:
    return f"{decimal_text(number)} 学分"


def _makes(verb: str, number: str) -> str:
    """What comes out, and a warning where three decimals are not the whole of it."""
    about = "" if milli(number).denominator == 1 else "约"
    return f"{about}{verb} {decimal_text(number)} 学分"


def _listed(texts: Sequence[str], word: str = "或") -> str:
    return texts[0] if len(texts) == 1 else f"{'、'.join(texts[:-1])}{word}{texts[-1]}"


def _quoted(text: str) -> str:
    return f"“{text}”"


def lot(about: About, clauses: Sequence[str], *, named: bool) -> str:
    """The credits of a lot and why; with the name of its unit where a decision gives several."""
    trace = about.lot or {}
    head = _credits(trace["granted"])
    if named:
        head = f"{trace['unit'].removeprefix('blanket:')} {head}"
    return f"{head}：{JOIN.join(clauses)}" if clauses else head


# --- Steps ------------------------------------------------------------------------------------------------------------


def _fixed(step: Part, about: About) -> str:
    return "固定学分" if is_granted(step, about) else _makes("固定为", step["value"])


def _native(step: Part, _: About) -> str:
    own = f"原机构的 {_credits(step['credits'])}"
    return f"{own}，按原值认定" if step["factor"] == "1" else f"{own}，每学分{_makes('折合', step['factor'])}"


def _per_hour(step: Part, about: About) -> str:
    text = f"{decimal_text(step['hours'])} 学时，每 {decimal_text(step['per'])} 学时计 1 学分"
    return text if is_granted(step, about) else f"{text}，{_makes('合', step['value'])}"


def _bands(step: Part, _: About) -> str:
    return f"{decimal_text(step['hours'])} 学时，按档计 {_credits(step['value'])}"


def _table(step: Part, _: About) -> str:
    return f"对照表“{step['table']}”中 {step['key']} {_makes('计', step['value'])}"


def _pool(step: Part, about: About) -> str:
    period = about.pool_period(step)
    when = "您迄今的学时" if period.span == "ever" else f"您在{_whole(period)}内的学时"
    return f"{when}合并计 {_credits(step['value'])}，其中 {_credits(step['already'])}此前已计"


def _grade(step: Part, _: About) -> str:
    above, upto = decimal_text(step["above"]), decimal_text(step["upto"])
    share = f"前 {upto}%" if above == "0" else f"前 {above}% 至 {upto}%"
    return f"成绩 {step['grade']} 位于合格者的{share}，对应此处的 {step['value']}"


def _at_most(step: Part, _: About) -> str:
    return f"最多计 {_credits(step['limit'])}"


def _at_least(step: Part, _: About) -> str:
    return f"至少计 {_credits(step['limit'])}"


def _round(step: Part, _: About) -> str:
    size = decimal_text(step["step"])
    match step["mode"]:
        case "down":
            return f"不足 {size} 学分的部分舍去"
        case "half_up":
            return f"以 {size} 学分为单位四舍五入"
        case _:
            return f"以 {size} 学分为单位四舍六入五成双"


def _achieved(keys: Sequence[str], about: About) -> str:
    named = [about.achieved(key) for key in keys]
    return _listed([f"{_quoted(title)}（{day(on)}完成）" if on else _quoted(title) for title, on in named], "和")


KEEPS: Final = {"best": "该成果更优", "latest": "该成果更近", "first": "该成果更早"}


def _unique(step: Part, about: About) -> str:
    what = "同一学习" if "learning" in step else f"同一单元 {step['unit']} "
    return f"{what}只计一次：已由{_achieved(step['from'], about)}计入，{KEEPS[step['keep']]}，此处不再计入"


def _length(months: int, days: int) -> str:
    parts = []
    if months:
        parts.append(f"{months // 12} 年" if months > 12 and months % 12 == 0 else f"{months} 个月")
    if days or not months:
        parts.append(f"{days} 天")
    return "零 ".join(parts)


_SPANS: Final = {"year": "的一年", "term": "的学期", "quarter": "的季度", "month": "的一个月", "period": "的周期"}


def _whole(period: Period) -> str:
    return f"{day(period.start)}起{_SPANS[period.span]}"


def _within(period: Period) -> str:
    if period.length is not None:
        return f"任意 {_length(period.length.months, period.length.days)}内"
    return "累计" if period.span == "ever" else f"{_whole(period)}内"


_APART: Final = {
    "provider": "在本机构",
    "provider_type": "在此类机构",
    "category": "在本领域",
    "unit": "就本单元",
    "kind": "就此类成果",
}


def _limit(step: Part, about: About) -> str:
    by = about.kept_apart(step)
    where = "".join(_APART[name] for name, _ in by if name is not None)
    codes = [value for name, value in by if name is None and value]
    if codes:
        where += f"（{'、'.join(codes)}）"
    title = about.limit(step["id"])
    most = f"{step['items']} 项" if "items" in step else _credits(step["cap"])
    limit = f"{_quoted(title) if title else ''}上限（{_within(about.limit_period(step))}{where}最多 {most}）"
    allowed, of = milli(step["allowed"]), milli(step["of"])
    counts = f"计 {_credits(step['allowed'])}" if allowed else "不再计入"
    if step["drops"]:
        counts += "，其余作废" if allowed else "，全部作废"
    if "items" in step:
        return f"{limit}已满，{counts}"
    left = Credits(int(milli(step["cap"]) - milli(step["used"])))
    if not allowed and left.milli > 0:
        return f"{limit}仅余 {left} 学分，而此项只能整体计入，{counts}"
    over = "全部" if not allowed else f"其中 {Credits(int(of - allowed))} 学分"
    return f"{over}超过{limit}，{counts}"


def _validity(step: Part, about: About) -> str:
    is_over = about.lot is not None and about.lot.get("state") == "expired"
    return f"已于 {day(step['until'])}失效" if is_over else f"自 {day(step['until'])}起失效"


def _pending(step: Part, _: About) -> str:
    return f"完成“{step['condition']}”后方可使用"


def _transition(step: Part, _: About) -> str:
    gives, former = decimal_text(step["gives"]), _credits(step["value"])
    return f"规则第 {step['version']} 版计 {gives}，但保留第 {step['former']} 版所计的 {former}"


def _kept(step: Part, _: About) -> str:
    return f"规则第 {step['version']} 版所计较少，因此保留第 {step['former']} 版所计的学分"


def _ruling(step: Part, _: About) -> str:
    grade = f"，成绩定为 {step['grade']}" if "grade" in step else ""
    return f"经人工裁定计 {decimal_text(step['value'])} 学分{grade}"


def _blocked(_: Part, __: About) -> str:
    return "经人工裁定不予计入"


STEPS: Final[Mapping[str, Callable[[Part, About], str]]] = {
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


# --- Tests: what was wanted, and what was missing ---------------------------------------------------------------------


def _bounds(test: Part, unit: str = "") -> str:
    if test["op"] == "in_range":
        low, below = test["want"]
        return f"不低于 {decimal_text(low)}{unit} 且低于 {decimal_text(below)}{unit}"
    word = "不低于" if test["op"] == ">=" else "低于"
    return f"{word} {decimal_text(test['want'])}{unit}"


def _kinds(test: Part, about: About) -> str:
    return _listed([_quoted(about.code("kind", kind)) for kind in test["want"]])


def _paths(test: Part, about: About) -> str:
    return _listed([_quoted(about.code(test["fact"], path)) for path in test["want"]])


def _kind(test: Part, about: About) -> str:
    return f"类型是“{about.code('kind', test['got'])}”，须为{_kinds(test, about)}"


def _provider(test: Part, about: About) -> str:
    return f"修习机构是“{about.code('provider', test['got'])}”，只计{_paths(test, about)}"


def _code(test: Part, _: About) -> str:
    got = "没有代码" if test["got"] is None else f"代码是 {test['got']}"
    return f"{got}，须为 {_listed(test['want'], ' 或 ')}"


def _category(test: Part, about: About) -> str:
    got = "未注明领域" if test["got"] is None else f"领域是“{about.code('category', test['got'])}”"
    return f"{got}，须属于{_paths(test, about)}"


def _level(test: Part, _: About) -> str:
    got = "没有本行认得的级别" if test["got"] is None else f"级别是 {decimal_text(test['got'])}"
    return f"{got}，须{_bounds(test)}"


def _wanted_grade(test: Part, about: About) -> str:
    """A number on a scale of numbers is the grade itself; on another it is what a grade is worth there."""
    named = about.grades(test)
    if named:
        wanted = f"{named[-1]} 或更好" if test["op"] == ">=" and len(named) > 1 else _listed(named, " 或 ")
        return f"按 {test['on']} 为 {wanted}" if "got_on" in test else f"为 {wanted}"
    got = test.get("got")
    if "got_on" in test or got is None:
        return f"按 {test['on']} 计{_bounds(test)}"
    return _bounds(test) if is_number(got) else f"按 {test['on']} 折算{_bounds(test)}"


def _grade_test(test: Part, about: About) -> str:
    got = "未注明成绩" if test["got"] is None else f"您的成绩是 {test['got']}"
    if "got_on" in test:
        got += f"（{test['got_on']}）"
    return f"{got}，须{_wanted_grade(test, about)}"


def _hours(test: Part, _: About) -> str:
    got = "未注明学时" if test["got"] is None else f"学时为 {decimal_text(test['got'])}"
    return f"{got}，须{_bounds(test)}"


def _attendance(test: Part, _: About) -> str:
    got = "未注明出勤率" if test["got"] is None else f"出勤率为 {decimal_text(test['got'])}%"
    return f"{got}，须{_bounds(test, '%')}"


def _accredited(test: Part, _: About) -> str:
    return f"在您完成之日，该机构未在名册“{test['want']}”中获认证"


_ASSURED: Final = {
    "self": "由本人自述",
    "provider": "由机构声明",
    "verified": "经过核验",
    "signed": "由签发机构签名",
}


def _assurance(test: Part, _: About) -> str:
    return f"目前仅{_ASSURED[test['got']]}，至少须{_ASSURED[test['want']]}"


def _interval(want: Sequence[str | None]) -> str:
    since, until = want
    parts = [f"{day(since)}起"] if since else []
    if until:
        parts.append(f"{day(until)}前")
    return "、".join(parts) or "任何日期"


_DONE: Final = {"completed": "完成", "submitted": "提交"}


def _in_version(test: Part, _: About) -> str:
    done = _DONE[test["fact"]]
    return f"{done}于 {day(test['got'])}，而规则只适用于 {_interval(test['want'])}{done}的成果"


def _in_force(test: Part, _: About) -> str:
    return f"日期是 {day(test['got'])}，而该规则适用于 {_interval(test['want'])}"


_AT: Final = {"submitted": "提交", "applied": "申请"}


def _age(test: Part, _: About) -> str:
    completed, then = test["got"]
    most = read_duration(test["want"])
    length = _length(most.months, most.days)
    return f"{day(completed)}完成，{day(then)}{_AT[test['at']]}，相隔不得超过 {length}"


def _tags(test: Part, _: About) -> str:
    missing = [tag for tag in test["want"] if tag not in test["got"]]
    return f"缺少标记{_listed([_quoted(tag) for tag in missing], '和')}"


_FACTS: Final = {
    "credits": "学分", "hours": "学时", "attendance": "出勤率", "grade": "成绩", "level": "级别", "kind": "类型",
    "provider": "机构", "code": "代码", "unit": "单元", "category": "领域", "assurance": "可信度",
    "completed": "完成日期", "submitted": "提交日期", "applied": "申请日期", "recognised": "认定日期",
    "shelf_life": "有效期", "learning": "学习标识", "provider_type": "机构类型",
}  # fmt: skip
_COMPARED: Final = re.compile(
    r"(?P<fact>[a-z0-9][a-z0-9_-]*) (?P<op>>=|<=|==|!=|>|<|not in|in|under|is absent|exists)(?= |\)|$)"
    r"|(?P<word> and | or )|(?P<not>\bnot )|\|"
)
_COMPARISONS: Final = {
    ">=": "不低于", "<=": "不高于", "==": "为", "!=": "不为", ">": "高于", "<": "低于",
    "not in": "不属于", "in": "属于", "under": "归于", "is absent": "未注明", "exists": "已注明",
}  # fmt: skip


def _condition(text: str) -> str:
    def put(found: re.Match[str]) -> str:
        if found["op"]:
            return f"{_FACTS.get(found['fact'], found['fact'])}{_COMPARISONS[found['op']]}"
        if found["word"]:
            return "，且" if found["word"] == " and " else "，或"
        return "并非" if found["not"] else " 或 "

    return _COMPARED.sub(put, text)


def _where(test: Part, _: About) -> str:
    got = [f"{_FACTS.get(name, name)}{'未注明' if value is None else f'为 {value}'}" for name, value in test["got"]]
    return f"{'，'.join(got)}；须满足：{_condition(test['want'])}"


FAILED: Final[Mapping[str, Callable[[Part, About], str]]] = {
    "kind": _kind,
    "provider": _provider,
    "code": _code,
    "category": _category,
    "level": _level,
    "grade": _grade_test,
    "hours": _hours,
    "attendance": _attendance,
    "accredited": _accredited,
    "assurance": _assurance,
    "completed": _in_version,
    "submitted": _in_version,
    "in force": _in_force,
    "age": _age,
    "tags": _tags,
    "where": _where,
}

WANTED: Final[Mapping[str, Callable[[Any, About], str]]] = {
    "kind": _kinds,
    "provider": lambda test, about: f"在{_paths(test, about)}修习",
    "code": lambda test, _: f"代码 {_listed(test['want'], ' 或 ')}",
    "category": lambda test, about: f"领域{_paths(test, about)}",
    "level": lambda test, _: f"级别{_bounds(test)}",
    "grade": lambda test, about: f"成绩{_wanted_grade(test, about)}",
    "hours": lambda test, _: f"学时{_bounds(test)}",
    "attendance": lambda test, _: f"出勤率{_bounds(test, '%')}",
    "accredited": lambda test, _: f"在名册“{test['want']}”中获认证",
    "assurance": lambda test, _: f"至少{_ASSURED[test['want']]}",
    "in force": lambda test, _: f"日期在 {_interval(test['want'])}",
    "age": lambda test, _: f"不超过 {_length(*_lasting(test['want']))}",
    "tags": lambda test, _: f"标记{_listed([_quoted(tag) for tag in test['want']], '和')}",
    "where": lambda test, _: _condition(test["want"]),
}


def _lasting(text: str) -> tuple[int, int]:
    duration = read_duration(text)
    return duration.months, duration.days


def parts(missing: Sequence[Sequence[str]]) -> str:
    """What a combination lacks; each part by what is asked of it."""
    if not missing:
        return "须与另一项成果合并计入，而后者尚缺"
    told = ["，".join(asked) or "任意一项其他成果" for asked in missing]
    return f"须与其他部分合并计入，尚缺：{'；以及'.join(told)}"


# --- Decisions --------------------------------------------------------------------------------------------------------


def _review(text: str) -> Callable[[About], str]:
    return lambda about: f"须由人工决定：{text.format_map(about.trace)}"


REASONS: Final[Mapping[str, Callable[[About], str]]] = {
    "credits_missing": _review("规则按原机构的学分计算，而原学分未注明"),
    "hours_missing": _review("规则按学时计算，而学时未注明"),
    "table_entry_missing": _review("对照表“{table}”中没有 {key}，须确定学分"),
    "grade_entry_missing": _review("成绩 {grade} 尚无对应，须确定成绩"),
    "conflict": lambda about: (
        f"须由人工决定：规则{_quoted(about.rule(about.trace['rule']))}与"
        f"{_quoted(about.rule(about.trace['with']))}都适用而结果不同"
    ),
    "review_wanted": lambda about: f"须由人工决定：规则{_quoted(about.rule(about.trace['rule']))}要求人工审核",
    "denied": lambda about: f"未获学分：规则{_quoted(about.rule(about.trace['rule']))}不予认定",
    "part_missing": lambda _: parts(()),
    "blocked": lambda _: "未获学分：经人工裁定，该成果不予计入",
    "no_rule": lambda about: f"未获学分：{_quoted(about.rule_set)}中没有可给学分的规则",
    "no_rule_set": lambda _: "未获学分：尚无任何规则",
    "revoked": lambda _: "该成果已被撤销。",
    "replaced": lambda _: "已由另一项决定取代。",
}


def nearest(about: About, clauses: Sequence[str]) -> str:
    """Nothing was given: the nearest rule, and what was missing."""
    if about.trace["rule"] is None:
        return f"未获学分：{JOIN.join(clauses)}"
    return f"未获学分。最接近的规则是{_quoted(about.rule(about.trace['rule']))}：{JOIN.join(clauses)}"
