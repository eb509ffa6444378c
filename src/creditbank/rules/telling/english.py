"""Steps, tests and reasons in plain English."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from creditbank.credits import Credits
from creditbank.rules.days import read_duration
from creditbank.rules.numbers import decimal_text, is_number
from creditbank.rules.telling.names import About, Part, Period, is_granted, milli

JOIN: Final = "; "
BETWEEN_LOTS: Final = ". "

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def day(iso: str) -> str:
    """``2025-06-20`` as ``20 June 2025``."""
    return f"{int(iso[8:])} {_MONTHS[int(iso[5:7]) - 1]} {int(iso[:4])}"


def count(number: str, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    text = decimal_text(number)
    return f"{text} {one if text == '1' else many or one + 's'}"


def _credits(number: str) -> str:
    return count(number, "credit")


def _about(number: str) -> str:
    """The number as people read it, and a warning where that is not the whole of it."""
    return decimal_text(number) if milli(number).denominator == 1 else f"about {decimal_text(number)}"


def _listed(texts: Sequence[str], word: str) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def _quoted(text: str) -> str:
    return f"“{text}”"


def lot(about: About, clauses: Sequence[str], *, named: bool) -> str:
    """The credits of a lot and why; with the name of its unit where a decision gives several."""
    trace = about.lot or {}
    head = _credits(trace["granted"])
    if named:
        head = f"{trace['unit'].removeprefix('blanket:')}, {head}"
    return f"{head}: {JOIN.join(clauses)}" if clauses else head


def _of_hours(step: Part, text: str, about: About) -> str:
    """What hours give; the result is said where it is not the number at the head of the sentence."""
    if is_granted(step, about):
        return text
    made = _about(step["value"])
    verb = "makes" if step["hours"] == "1" else "make"
    return f"{text} {verb} {made} {'credit' if made == '1' else 'credits'}"


# --- Steps ------------------------------------------------------------------------------------------------------------


def _fixed(step: Part, about: About) -> str:
    return "a fixed amount" if is_granted(step, about) else f"a fixed amount of {_about(step['value'])}"


def _native(step: Part, _: About) -> str:
    own = _credits(step["credits"])
    if step["factor"] == "1":
        return f"the provider's own {own}, taken as stated"
    return f"the provider's own {own}, each counted as {_about(step['factor'])}"


def _per_hour(step: Part, about: About) -> str:
    return _of_hours(step, f"{count(step['hours'], 'hour')} at {count(step['per'], 'hour')} a credit", about)


def _bands(step: Part, _: About) -> str:
    return f"{_credits(step['value'])} for {count(step['hours'], 'hour')}"


def _table(step: Part, _: About) -> str:
    return f"the table {_quoted(step['table'])} gives {_about(step['value'])} for {step['key']}"


def _pool(step: Part, about: About) -> str:
    period = about.pool_period(step)
    when = "all your hours so far" if period.span == "ever" else f"your hours in {_whole(period)} so far"
    worth, already = _credits(step["value"]), decimal_text(step["already"])
    before = "none" if already == "0" else already
    given = "was" if already == "1" else "were"
    return f"{when} are added up and give {worth}, of which {before} {given} given before"


def _grade(step: Part, _: About) -> str:
    above, upto = decimal_text(step["above"]), decimal_text(step["upto"])
    share = f"among the best {upto} %" if above == "0" else f"between the best {above} % and {upto} %"
    return f"grade {step['grade']} is {share} of those who passed, which is {step['value']} here"


def _at_most(step: Part, _: About) -> str:
    return f"at most {_credits(step['limit'])} can be given"


def _at_least(step: Part, _: About) -> str:
    return f"at least {_credits(step['limit'])} {'is' if step['limit'] == '1' else 'are'} given"


_SIZES: Final = {
    "1": ("whole credits", "whole credit"),
    "1/2": ("half credits", "half credit"),
    "1/4": ("quarter credits", "quarter credit"),
    "1/10": ("tenths of a credit", "tenth of a credit"),
}


def _round(step: Part, _: About) -> str:
    many, one = _SIZES.get(step["step"]) or (f"{word} of {decimal_text(step['step'])}" for word in ("steps", "step"))
    match step["mode"]:
        case "down":
            return f"rounded down to {many}"
        case "half_up":
            return f"rounded to the nearest {one}, halfway up"
        case _:
            return f"rounded to the nearest {one}, halfway to the even one"


def _achieved(keys: Sequence[str], about: About) -> str:
    named = [about.achieved(key) for key in keys]
    return _listed([f"{title} (completed {day(on)})" if on else title for title, on in named], "and")


KEEPS: Final = {"best": "the better result", "latest": "the later result", "first": "the earlier result"}


def _unique(step: Part, about: About) -> str:
    what = "this learning" if "learning" in step else step["unit"]
    winner, which = _achieved(step["from"], about), KEEPS[step["keep"]]
    return f"{what} counts once, and already counts through {winner}, {which}, so none counts here"


def _length(months: int, days: int) -> str:
    parts = []
    if months:
        parts.append(count(str(months // 12), "year") if months > 12 and months % 12 == 0 else _months(months))
    if days or not months:
        parts.append(count(str(days), "day"))
    return " and ".join(parts)


def _months(months: int) -> str:
    return count(str(months), "month")


def _whole(period: Period) -> str:
    return f"the {period.span} beginning {day(period.start)}"


def _within(period: Period) -> str:
    if period.length is not None:
        return f"in any {_length(period.length.months, period.length.days)}"
    return "in all" if period.span == "ever" else f"in {_whole(period)}"


_APART: Final = {
    "provider": "at this institution",
    "provider_type": "at institutions of this type",
    "category": "in this subject area",
    "unit": "for this unit",
    "kind": "for achievements of this kind",
}


def _limit(step: Part, about: About) -> str:
    by = about.kept_apart(step)
    where = [_APART[name] for name, _ in by if name is not None]
    codes = [value for name, value in by if name is None and value]
    if codes:
        where.append(f"({', '.join(codes)})")
    title = about.limit(step["id"])
    amount = count(str(step["items"]), "achievement") if "items" in step else _credits(step["cap"])
    limit = " ".join(
        ["the limit", *([_quoted(title)] if title else []), "of", amount, *where, _within(about.limit_period(step))]
    )
    allowed, of = milli(step["allowed"]), milli(step["of"])
    counts = f"so {_counted(decimal_text(step['allowed']))}"
    if step["drops"]:
        counts += " and the rest lapses" if allowed else " and all of it lapses"
    if "items" in step:
        return f"{limit} is used up, {counts}"
    left = Credits(int(milli(step["cap"]) - milli(step["used"])))
    if not allowed and left.milli > 0:
        return f"{limit} leaves {left}, and these count whole or not at all, {counts}"
    # After those who passed, "them" would be people.
    of_them = (
        "of them"
        if about.lot is None or not any(s["op"] == "grade" for s in about.lot["steps"])
        else "of these credits"
    )
    if not allowed:
        return f"{'it is' if of == 1000 else f'all {of_them} are'} over {limit}, {counts}"
    over = str(Credits(int(of - allowed)))
    return f"{over} {of_them} {'is' if over == '1' else 'are'} over {limit}, {counts}"


def _counted(number: str) -> str:
    return "none counts" if number == "0" else f"{number} {'counts' if number == '1' else 'count'}"


def _validity(step: Part, about: About) -> str:
    is_over = about.lot is not None and about.lot.get("state") == "expired"
    return f"{'expired' if is_over else 'expires'} on {day(step['until'])}"


def _pending(step: Part, _: About) -> str:
    return f"usable once {_quoted(step['condition'])} has been completed"


def _transition(step: Part, _: About) -> str:
    gives, former = decimal_text(step["gives"]), decimal_text(step["value"])
    return f"version {step['version']} of the rules gives {gives}, but you keep {former} from version {step['former']}"


def _kept(step: Part, _: About) -> str:
    return f"version {step['version']} of the rules would give less, so you keep what version {step['former']} gave"


def _ruling(step: Part, _: About) -> str:
    grade = f" and the grade {step['grade']}" if "grade" in step else ""
    return f"people ruled that it is worth {_credits(step['value'])}{grade}"


def _blocked(_: Part, __: About) -> str:
    return "people ruled that it does not count"


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
        return f"at least {decimal_text(low)} and less than {decimal_text(below)}{unit}"
    word = "at least" if test["op"] == ">=" else "less than"
    return f"{word} {decimal_text(test['want'])}{unit}"


def _kinds(test: Part, about: About) -> str:
    return _listed([_quoted(about.code("kind", kind)) for kind in test["want"]], "or")


def _paths(test: Part, about: About) -> str:
    return _listed([about.code(test["fact"], path) for path in test["want"]], "or")


def _kind(test: Part, about: About) -> str:
    return f"it is of the kind {_quoted(about.code('kind', test['got']))}, but {_kinds(test, about)} is needed"


def _provider(test: Part, about: About) -> str:
    return f"it was achieved at {about.code('provider', test['got'])}, but only {_paths(test, about)} counts"


def _code(test: Part, _: About) -> str:
    got = "it has no code" if test["got"] is None else f"its code is {test['got']}"
    return f"{got}, but {_listed(test['want'], 'or')} is needed"


def _category(test: Part, about: About) -> str:
    got = "no subject area is stated"
    if test["got"] is not None:
        got = f"its subject area is {about.code('category', test['got'])}"
    return f"{got}, but {_paths(test, about)} is needed"


def _level(test: Part, _: About) -> str:
    got = "it has no level that is known here" if test["got"] is None else f"its level is {decimal_text(test['got'])}"
    return f"{got}, but {_bounds(test)} is needed"


def _wanted_grade(test: Part, about: About) -> str:
    """A number on a scale of numbers is the grade itself; on another it is what a grade is worth there."""
    named = about.grades(test)
    if named:
        wanted = f"{named[-1]} or better" if test["op"] == ">=" and len(named) > 1 else _listed(named, "or")
        return f"{wanted} on the scale {test['on']}" if "got_on" in test else wanted
    got = test.get("got")
    if "got_on" in test or got is None:
        return f"{_bounds(test)} on the scale {test['on']}"
    if not is_number(got):
        return f"a grade worth {_bounds(test)} on the scale {test['on']}"
    if test["op"] == ">=":
        return f"{decimal_text(test['want'])} or more"
    return _bounds(test)


def _grade_test(test: Part, about: About) -> str:
    got = "no grade is stated" if test["got"] is None else f"your grade is {test['got']}"
    if "got_on" in test:
        got += f" on the scale {test['got_on']}"
    return f"{got}, but {_wanted_grade(test, about)} is needed"


def _hours(test: Part, _: About) -> str:
    got = "no hours are stated" if test["got"] is None else f"it took {count(test['got'], 'hour')}"
    return f"{got}, but {_bounds(test, ' hours')} are needed"


def _attendance(test: Part, _: About) -> str:
    got = "no attendance is stated" if test["got"] is None else f"attendance is {decimal_text(test['got'])} %"
    return f"{got}, but {_bounds(test, ' %')} is needed"


def _accredited(test: Part, _: About) -> str:
    return f"this provider was not accredited in the register {test['want']} on the day you finished"


_ASSURED: Final = {
    "self": "stated by yourself",
    "provider": "stated by the provider",
    "verified": "verified",
    "signed": "signed by the issuer",
}


def _assurance(test: Part, _: About) -> str:
    return f"it is only {_ASSURED[test['got']]}, but it must be {_ASSURED[test['want']]}"


def _interval(want: Sequence[str | None]) -> str:
    since, until = want
    parts = [f"from {day(since)}"] if since else []
    if until:
        parts.append(f"until before {day(until)}")
    return " ".join(parts) or "at any time"


_DONE: Final = {"completed": "completed", "submitted": "submitted"}


def _in_version(test: Part, _: About) -> str:
    done = _DONE[test["fact"]]
    return f"it was {done} on {day(test['got'])}, but the rules hold for what was {done} {_interval(test['want'])}"


def _in_force(test: Part, _: About) -> str:
    return f"its day is {day(test['got'])}, but the rule holds {_interval(test['want'])}"


_AT: Final = {"submitted": "submitted", "applied": "applied with"}


def _age(test: Part, _: About) -> str:
    completed, then = test["got"]
    most = read_duration(test["want"])
    return (
        f"it was completed on {day(completed)} and {_AT[test['at']]} on {day(then)}, "
        f"but at most {_length(most.months, most.days)} may lie between"
    )


def _tags(test: Part, _: About) -> str:
    missing = [tag for tag in test["want"] if tag not in test["got"]]
    return f"it is not marked {_listed([_quoted(tag) for tag in missing], 'or')}"


_COMPARED: Final = re.compile(r" (>=|<=|==|!=|>|<|not in|in|under|is absent|exists)(?= |\)|$)|\|")
_COMPARISONS: Final = {
    ">=": "at least", "<=": "at most", "==": "is", "!=": "is not", ">": "more than", "<": "less than",
    "not in": "is none of", "in": "is one of", "under": "lies in", "is absent": "is not stated", "exists": "is stated",
}  # fmt: skip


def _condition(text: str) -> str:
    return _COMPARED.sub(lambda found: f" {_COMPARISONS[found[1]]}" if found[1] else " or ", text)


def _where(test: Part, _: About) -> str:
    got = [f"{name} is {'not stated' if value is None else value}" for name, value in test["got"]]
    return f"{_listed(got, 'and')}, but what is needed is: {_condition(test['want'])}"


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
    "provider": lambda test, about: f"at {_paths(test, about)}",
    "code": lambda test, _: f"code {_listed(test['want'], 'or')}",
    "category": lambda test, about: f"subject area {_paths(test, about)}",
    "level": lambda test, _: f"level {_bounds(test)}",
    "grade": lambda test, about: f"grade {_wanted_grade(test, about)}",
    "hours": lambda test, _: _bounds(test, " hours"),
    "attendance": lambda test, _: f"attendance {_bounds(test, ' %')}",
    "accredited": lambda test, _: f"accredited in the register {test['want']}",
    "assurance": lambda test, _: f"at least {_ASSURED[test['want']]}",
    "in force": lambda test, _: f"in force {_interval(test['want'])}",
    "age": lambda test, _: f"at most {_length(*_lasting(test['want']))} old",
    "tags": lambda test, _: f"marked {_listed([_quoted(tag) for tag in test['want']], 'and')}",
    "where": lambda test, _: _condition(test["want"]),
}


def _lasting(text: str) -> tuple[int, int]:
    duration = read_duration(text)
    return duration.months, duration.days


def parts(missing: Sequence[Sequence[str]]) -> str:
    """What a combination lacks; each part by what is asked of it."""
    if not missing:
        return "it counts only together with another achievement, which is missing"
    told = [", ".join(asked) or "any further achievement" for asked in missing]
    return f"it counts only together with another part, which is missing: {' – and '.join(told)}"


# --- Decisions --------------------------------------------------------------------------------------------------------


def _review(text: str) -> Callable[[About], str]:
    return lambda about: f"A person must decide: {text.format_map(about.trace)}"


REASONS: Final[Mapping[str, Callable[[About], str]]] = {
    "credits_missing": _review("the provider's own credits, which the rule counts, are not stated"),
    "hours_missing": _review("the hours, which the rule counts, are not stated"),
    "table_entry_missing": _review("the table “{table}” has no entry for {key}, so the credits are to be set"),
    "grade_entry_missing": _review("grade {grade} has no counterpart here yet, so the grade is to be set"),
    "conflict": lambda about: (
        f"A person must decide: the rules {_quoted(about.rule(about.trace['rule']))} and "
        f"{_quoted(about.rule(about.trace['with']))} both fit and give different results"
    ),
    "review_wanted": lambda about: (
        f"A person must decide: the rule {_quoted(about.rule(about.trace['rule']))} wants this looked at"
    ),
    "denied": lambda about: f"No credits: the rule {_quoted(about.rule(about.trace['rule']))} excludes this",
    "part_missing": lambda _: parts(()),
    "blocked": lambda _: "No credits: people ruled that this achievement does not count",
    "no_rule": lambda about: f"No credits: {_quoted(about.rule_set)} has no rule that gives any",
    "no_rule_set": lambda _: "No credits: there are no rules yet",
    "revoked": lambda _: "The achievement was revoked.",
    "replaced": lambda _: "Another decision has taken its place.",
}


def nearest(about: About, clauses: Sequence[str]) -> str:
    """Nothing was given: the nearest rule, and what was missing."""
    if about.trace["rule"] is None:
        return f"No credits: {JOIN.join(clauses)}"
    return f"No credits. The nearest rule is {_quoted(about.rule(about.trace['rule']))}: {JOIN.join(clauses)}"
