"""What a person is told beside a trace: titles for its codes, and over which period a limit or pool counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from creditbank.rules.compile import CompiledLimit, CompiledRule, CompiledVersion
from creditbank.rules.days import Duration, Periods, read_duration
from creditbank.rules.explain import Language
from creditbank.rules.fact import Fact
from creditbank.rules.layers import Layered
from creditbank.rules.matching import Slot
from creditbank.rules.outcome import Trace

Part = Mapping[str, Any]
"""A step or a test of a trace."""

Title = str | Mapping[str, str | None] | None
"""One text for both languages, or a text by language."""


def in_language(title: Title, language: Language) -> str | None:
    """The title in the language; one that exists in the other alone is shown as it is."""
    if title is None or isinstance(title, str):
        return title
    return title.get(language) or title.get("en") or title.get("zh")


class Achieved(NamedTuple):
    """How an achievement is called: by its title and the day of its completion, as ISO text."""

    title: Title
    completed: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A version with the titles that its document gives: its own, and those of rules and limits by id.

    ``scales`` are those whose grades have names: grade -> position, higher is better.
    """

    compiled: CompiledVersion
    title: Title = None
    rules: Mapping[str, Title] = field(default_factory=dict)
    limits: Mapping[str, Title] = field(default_factory=dict)
    scales: Mapping[str, Mapping[str, Fraction]] = field(default_factory=dict)


def wording_of(layered: Layered, compiled: CompiledVersion) -> Wording:
    """The titles of a document and of those it extends; the nearest gives the name."""
    rules: dict[str, Title] = {}
    limits: dict[str, Title] = {}
    for document in reversed(layered.documents):
        rules |= {rule.id: rule.title.model_dump() for rule in document.recognition if rule.title is not None}
        limits |= {limit.id: limit.title.model_dump() for limit in document.limits if limit.title is not None}
    own = layered.own.title
    scales = {name: scale.grades for name, scale in layered.scales.items() if scale.grades}
    return Wording(compiled, own.model_dump() if own is not None else None, rules, limits, scales)


@dataclass(frozen=True, slots=True)
class Names:
    """What the caller knows of names. Each may be missing: then the code stands in its place.

    ``wordings`` are found by (rule set, version), ``achievements`` by fact key, ``codes`` by fact (``kind``,
    ``provider``, ``category``) and code. ``held`` gives the learner's facts when a part of a combination is missing.
    """

    wordings: Mapping[tuple[str, int], Wording] = field(default_factory=dict)
    achievements: Mapping[str, Achieved] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, Title]] = field(default_factory=dict)
    held: Callable[[], Iterable[Fact]] = tuple


NO_NAMES = Names()

Span = Literal["ever", "rolling", "year", "term", "quarter", "month", "period"]

_SPANS: Mapping[int, Span] = {1: "year", 2: "term", 3: "term", 4: "quarter", 12: "month"}
"""How a period is called by the number of them in a year."""


class Period(NamedTuple):
    """The period that a limit or a pool counts over: its first day as ISO text, or the length of a rolling one."""

    span: Span
    start: str = ""
    length: Duration | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What is told of: a decision's trace, with the names of the things in it in the reader's language."""

    trace: Trace
    language: Language
    names: Names
    lot: Trace | None = None

    @property
    def wording(self) -> Wording | None:
        """The version that decided, when the caller knows it."""
        return self.names.wordings.get((self.trace.get("rule_set", ""), self.trace.get("version", 0)))

    @property
    def rule_set(self) -> str:
        """The title of the rule set, else its id."""
        wording = self.wording
        return (wording and in_language(wording.title, self.language)) or str(self.trace["rule_set"])

    def rule(self, rule: str) -> str:
        """The title of a rule, else its id."""
        wording = self.wording
        return (wording and in_language(wording.rules.get(rule), self.language)) or rule

    def limit(self, limit: str) -> str | None:
        """The title of a limit."""
        wording = self.wording
        return in_language(wording.limits.get(limit), self.language) if wording is not None else None

    def code(self, fact: str, code: str) -> str:
        """The name of a kind, a provider or a category, else its code."""
        named = self.names.codes.get(fact)
        return (named and in_language(named.get(code), self.language)) or code

    def achieved(self, key: str) -> tuple[str, str | None]:
        """The title of an achievement and the day of its completion, else its key alone."""
        found = self.names.achievements.get(key)
        if found is None:
            return key, None
        return in_language(found.title, self.language) or key, found.completed

    def grades(self, test: Part) -> list[str]:
        """The names of the grades that a test wants, the best first; none on a scale of numbers or an unknown one."""
        wording = self.wording
        grades = wording.scales.get(test["on"], {}) if wording is not None else {}
        low, below = {"in_range": test["want"], ">=": (test["want"], None)}.get(test["op"], (None, test["want"]))
        inside = [
            grade
            for grade, position in grades.items()
            if (low is None or position >= Fraction(low)) and (below is None or position < Fraction(below))
        ]
        return sorted(inside, key=lambda grade: (-grades[grade], grade))

    def _limit(self, limit: str) -> CompiledLimit | None:
        wording = self.wording
        limits = wording.compiled.limits if wording is not None else ()
        return next((one for one in limits if one.id == limit), None)

    def limit_period(self, step: Part) -> Period:
        """The period of a limit's step."""
        if "to" in step:
            return Period("rolling", length=read_duration(step["period"]))
        limit = self._limit(step["id"])
        return _period(step["period"], limit.per if limit is not None else None)

    def pool_period(self, step: Part) -> Period:
        """The period of a pool's step."""
        pool = None
        rule = self.compiled_rule()
        if rule is not None and self.lot is not None and self.lot["grant"] < len(rule.grants):
            pool = rule.grants[self.lot["grant"]].pool
        return _period(step["period"], pool)

    def kept_apart(self, step: Part) -> Sequence[tuple[str | None, str]]:
        """What a limit is kept apart by, each with its value; None where the caller does not know the limit."""
        limit = self._limit(step["id"])
        by = limit.by if limit is not None and len(limit.by) == len(step["by"]) else [None] * len(step["by"])
        return list(zip(by, step["by"], strict=True))

    def compiled_rule(self) -> CompiledRule | None:
        """The rule of the trace, when the caller knows its version."""
        wording = self.wording
        rules = wording.compiled.rules if wording is not None else ()
        return next((one for one in rules if one.id == self.trace["rule"]), None)

    def missing_parts(self) -> list[Slot]:
        """The slots of the rule's combination that none of the learner's facts fills, by the way with the fewest."""
        rule = self.compiled_rule()
        if rule is None or not rule.ways:
            return []
        facts = list(self.names.held())
        empty = {number for number, slot in enumerate(rule.slots) if not any(slot.holds(fact) for fact in facts)}
        nearest = min(rule.ways, key=lambda way: sum(number in empty for number in way))
        return [rule.slots[number] for number in nearest if number in empty]


def milli(number: str) -> Fraction | int:
    """A number of a trace in thousandths. Most are whole, and fractions of these would cost most of the time."""
    return int(number) * 1000 if number.isdecimal() else Fraction(number) * 1000


def is_granted(step: Part, about: About) -> bool:
    """Whether a step came to what was granted in the end, so that saying the number again would tell nothing."""
    return about.lot is not None and milli(step["value"]) == milli(about.lot["granted"])


def _period(start: str, per: object) -> Period:
    if start == "all":
        return Period("ever")
    return Period(_SPANS.get(len(per.starts), "period") if isinstance(per, Periods) else "period", start)


def terms_of(slot: Slot) -> list[Part]:
    """What a slot asks for, as a trace writes tests, but without a fact."""
    identity = (
        ("kind", "in", slot.kinds),
        ("provider", "under", slot.providers),
        ("code", "in", slot.codes),
        ("category", "under", slot.categories),
    )
    asked: list[Part] = [{"fact": fact, "op": op, "want": list(want)} for fact, op, want in identity if want]
    return [*asked, *(test.terms for test in slot.conditions)]
