"""Slots: the tests that a matcher makes of one fact, ready to run and to be traced (rules/v1 section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from creditbank.rules.conditions import compile_condition
from creditbank.rules.days import read_duration
from creditbank.rules.fact import Assurance, Fact, ancestors
from creditbank.rules.numbers import read_number

if TYPE_CHECKING:
    from creditbank.rules.language.definitions import Register
    from creditbank.rules.language.recognition import Age, GradeRange, Matcher
    from creditbank.rules.language.values import Range
    from creditbank.rules.layers import Layered

Got = Callable[[Fact], dict[str, Any]]
Holds = Callable[[Fact], bool]
LevelOf = Callable[[Fact], int | None]
Governing = Callable[[Fact], date]


@dataclass(slots=True, eq=False)
class Test:
    """One condition of a matcher. Equal ones of a version are one object, so that a test is known by its identity.

    ``terms`` are what a trace says of the test whatever the fact: ``fact``, ``op``, ``want``, and ``on`` for a scale.
    """

    holds: Holds
    got: Got
    terms: Mapping[str, Any]

    def traced(self, fact: Fact, ok: bool) -> dict[str, Any]:
        """The test as a trace shows it (section 14)."""
        return {**self.terms, **self.got(fact), "ok": ok}


class Slot:
    """What one place of a match asks of the fact that fills it.

    Identity (kind, provider, code, category) is compared as it stands, for of these there are as many as rules; the
    conditions are shared by all slots of a version that make the same ones.
    """

    __slots__ = ("categories", "codes", "conditions", "kinds", "providers")

    def __init__(
        self,
        kinds: tuple[str, ...] | None,
        providers: tuple[str, ...] | None,
        codes: tuple[str, ...] | None,
        categories: tuple[str, ...] | None,
        conditions: tuple[Test, ...],
    ) -> None:
        self.kinds = kinds
        self.providers = providers
        self.codes = codes
        self.categories = categories
        self.conditions = conditions

    def holds(self, fact: Fact) -> bool:
        """Whether the fact may fill this slot."""
        if self.codes is not None and fact.code not in self.codes:
            return False
        if self.kinds is not None and fact.kind not in self.kinds:
            return False
        if self.providers is not None and not _touches(self.providers, ancestors(fact.provider)):
            return False
        if self.categories is not None and not _is_in(self.categories, fact.category):
            return False
        for test in self.conditions:  # noqa: SIM110 (a generator costs twice as much as the tests)
            if not test.holds(fact):
                return False
        return True

    def _identity(self, fact: Fact) -> Iterable[tuple[str, str, tuple[str, ...], str | None, bool]]:
        if self.kinds is not None:
            yield "kind", "in", self.kinds, fact.kind, fact.kind in self.kinds
        if self.providers is not None:
            held = _touches(self.providers, ancestors(fact.provider))
            yield "provider", "under", self.providers, fact.provider, held
        if self.codes is not None:
            yield "code", "in", self.codes, fact.code, fact.code in self.codes
        if self.categories is not None:
            yield "category", "under", self.categories, fact.category, _is_in(self.categories, fact.category)

    def traced(self, fact: Fact, *, failed: bool = False) -> list[dict[str, Any]]:
        """Every test as a trace shows it, or those alone that failed."""
        told = [
            {"fact": name, "op": op, "want": list(want), "got": got, "ok": ok}
            for name, op, want, got, ok in self._identity(fact)
            if not (failed and ok)
        ]
        for test in self.conditions:
            ok = test.holds(fact)
            if not (failed and ok):
                told.append(test.traced(fact, ok))
        return told

    def misses(self, fact: Fact) -> tuple[int, int]:
        """How many tests on identity fail, and how many others (section 10, step 6)."""
        identity = sum(not ok for *_, ok in self._identity(fact))
        return identity, sum(not test.holds(fact) for test in self.conditions)


def _touches(tops: tuple[str, ...], lines: tuple[str, ...]) -> bool:
    if len(tops) == 1:
        return tops[0] in lines
    return any(top in lines for top in tops)


def _is_in(tops: tuple[str, ...], category: str | None) -> bool:
    return category is not None and _touches(tops, ancestors(category))


# --- What facts are read by -------------------------------------------------------------------------------------------


def levels_by(levels: Mapping[str, Mapping[str, int]]) -> LevelOf:
    """How a fact's level is mapped; of several frameworks the lowest, for a claim holds only as far as all bear it."""

    def level_of(fact: Fact) -> int | None:
        if not fact.level:
            return None
        mapped = [
            levels[framework][value]
            for framework, value in fact.level
            if framework in levels and value in levels[framework]
        ]
        return min(mapped, default=None)

    return level_of


@lru_cache(maxsize=4096)
def numeric(grade: str) -> Fraction | None:
    """The grade as a number; None when it is none."""
    try:
        return read_number(grade)
    except ValueError:
        return None


def positions_on(scales: Mapping[str, Mapping[str, Fraction]]) -> Callable[[str, str], Fraction | None]:
    """How a grade's position is found, higher is better; None when the scale does not know it."""

    def position(scale: str, grade: str) -> Fraction | None:
        grades = scales.get(scale)
        if grades is None:
            return None
        return grades.get(grade) if grades else numeric(grade)

    return position


def within(wanted: Range) -> Callable[[Fraction | int], bool]:
    """Membership of [min, below), by whole numbers only: comparing fractions is slow."""
    low, below = wanted.min, wanted.below
    low_n, low_d = (low.numerator, low.denominator) if low is not None else (0, 0)
    below_n, below_d = (below.numerator, below.denominator) if below is not None else (0, 0)

    def holds(value: Fraction | int) -> bool:
        numerator, denominator = value.numerator, value.denominator
        # An open end has denominator 0 and compares 0 >= 0; an open upper end is asked for first.
        return numerator * low_d >= low_n * denominator and (not below_d or numerator * below_d < below_n * denominator)

    return holds


def _range_terms(fact: str, wanted: Range) -> dict[str, Any]:
    low, below = (str(bound) if bound is not None else None for bound in (wanted.min, wanted.below))
    if low is not None and below is not None:
        return {"fact": fact, "op": "in_range", "want": [low, below]}
    return {"fact": fact, "op": ">=", "want": low} if low is not None else {"fact": fact, "op": "<", "want": below}


def in_force_test(start: date | None, until: date | None, governing: Governing) -> Test:
    """The rule's own dates, asked of the governing date."""

    def holds(fact: Fact) -> bool:
        day = governing(fact)
        return (start is None or start <= day) and (until is None or day < until)

    want = [start.isoformat() if start else None, until.isoformat() if until else None]
    return Test(
        holds,
        lambda fact: {"got": governing(fact).isoformat()},
        {"fact": "in force", "op": "in_force", "want": want},
    )


class SlotMaker:
    """Makes the slots of one version; equal conditions are made once."""

    def __init__(self, layered: Layered, level_of: LevelOf, position: Callable[[str, str], Fraction | None]) -> None:
        self._scales = {name: scale.grades for name, scale in layered.scales.items()}
        self._registers = layered.registers
        self._level_of = level_of
        self._position = position
        self._made: dict[Any, Test] = {}
        self._shared: dict[Any, Any] = {}
        self.read: set[str] = set()
        """The facts that conditions read."""

    def of(self, matcher: Matcher, *extra: Test) -> Slot:
        """The slot of a matcher, with a test of the rule's own where it has one."""
        share = self._shared.setdefault
        conditions = self._conditions(matcher)
        if extra:
            conditions += extra
        kinds, providers, codes, categories = matcher.kind, matcher.provider, matcher.code, matcher.category
        return Slot(
            share(kinds, kinds),
            share(providers, providers),
            codes,
            share(categories, categories),
            share(conditions, conditions),
        )

    def _conditions(self, matcher: Matcher) -> tuple[Test, ...]:
        made: list[Test] = []
        known = self._made
        if (level := matcher.level) is not None:
            key: Any = ("level", *_range_key(level))
            made.append(known.get(key) or known.setdefault(key, self._level(level)))
        if (grade := matcher.grade) is not None:
            key = ("grade", grade.scale, *_range_key(grade))
            made.append(known.get(key) or known.setdefault(key, self._grade(grade)))
        if (hours := matcher.hours) is not None:
            key = ("hours", *_range_key(hours))
            made.append(known.get(key) or known.setdefault(key, _number_test("hours", hours)))
        if (attendance := matcher.attendance) is not None:
            key = ("attendance", *_range_key(attendance))
            made.append(known.get(key) or known.setdefault(key, _number_test("attendance", attendance)))
        if (name := matcher.accredited) is not None:
            key = ("accredited", name)
            made.append(known.get(key) or known.setdefault(key, accredited_test(name, self._registers[name])))
        if (assurance := matcher.assurance) is not None:
            key = ("assurance", assurance)
            made.append(known.get(key) or known.setdefault(key, _assurance_test(assurance)))
        if (age := matcher.age) is not None:
            key = ("age", age.max, age.at)
            made.append(known.get(key) or known.setdefault(key, _age_test(age)))
        if (tags := matcher.tags) is not None:
            key = ("tags", tags)
            made.append(known.get(key) or known.setdefault(key, _tags_test(tags)))
        if (where := matcher.where) is not None:
            # A condition is a frozen model, which is its own key.
            key = ("where", where)
            made.append(known.get(key) or known.setdefault(key, self._where(where)))
        return tuple(made)

    def _where(self, where: Any) -> Test:
        compiled = compile_condition(where, self._level_of, self._position)
        self.read.update(compiled.facts)
        return Test(compiled.holds, compiled.got, {"fact": "where", "op": "where", "want": compiled.text})

    def _level(self, wanted: Range) -> Test:
        level_of, inside = self._level_of, within(wanted)

        def holds(fact: Fact) -> bool:
            level = level_of(fact)
            return level is not None and inside(level)

        def got(fact: Fact) -> dict[str, Any]:
            level = level_of(fact)
            return {"got": None if level is None else str(level)}

        return Test(holds, got, _range_terms("level", wanted))

    def _grade(self, wanted: GradeRange) -> Test:
        scale, inside, grades = wanted.scale, within(wanted), self._scales[wanted.scale]
        enough = frozenset(grade for grade, position in grades.items() if inside(position))

        def listed(fact: Fact) -> bool:
            return fact.grade is not None and fact.grade[0] == scale and fact.grade[1] in enough

        def counted(fact: Fact) -> bool:
            if fact.grade is None or fact.grade[0] != scale:
                return False
            position = numeric(fact.grade[1])
            return position is not None and inside(position)

        def got(fact: Fact) -> dict[str, Any]:
            if fact.grade is None:
                return {"got": None}
            if fact.grade[0] != scale:
                return {"got": fact.grade[1], "got_on": fact.grade[0]}
            return {"got": fact.grade[1]}

        return Test(listed if grades else counted, got, {**_range_terms("grade", wanted), "on": scale})


def _range_key(wanted: Range) -> tuple[object, object]:
    # The hash of a fraction is slow to make.
    low, below = wanted.min, wanted.below
    return (
        None if low is None else low.as_integer_ratio(),
        None if below is None else below.as_integer_ratio(),
    )


def _number_test(name: str, wanted: Range) -> Test:
    inside = within(wanted)

    def hours(fact: Fact) -> bool:
        return fact.hours is not None and inside(fact.hours)

    def attendance(fact: Fact) -> bool:
        return fact.attendance is not None and inside(fact.attendance)

    def got(fact: Fact) -> dict[str, Any]:
        number = fact.hours if name == "hours" else fact.attendance
        return {"got": None if number is None else str(number)}

    return Test(hours if name == "hours" else attendance, got, _range_terms(name, wanted))


def accredited_test(name: str, register: Register) -> Test:
    """Whether an achievement was accredited in a register on completion."""
    entries = register.entries

    def external(fact: Fact) -> bool:
        return name in fact.accredited and not fact.barred

    def listed(fact: Fact) -> bool:
        lines = ancestors(fact.provider)
        return not fact.barred and any(
            entry.provider in lines
            and (entry.code is None or entry.code == fact.code)
            and (entry.from_ is None or entry.from_ <= fact.completed)
            and (entry.until is None or fact.completed < entry.until)
            for entry in entries or ()
        )

    holds = external if entries is None else listed
    return Test(
        holds,
        lambda fact: {"got": name if holds(fact) else None},
        {"fact": "accredited", "op": "==", "want": name},
    )


def _assurance_test(wanted: str) -> Test:
    least = Assurance[wanted.upper()]
    return Test(
        lambda fact: fact.assurance >= least,
        lambda fact: {"got": fact.assurance.name.lower()},
        {"fact": "assurance", "op": ">=", "want": wanted},
    )


def _age_test(age: Age) -> Test:
    duration, at = read_duration(age.max), age.at

    def day_of(fact: Fact) -> date:
        return fact.submitted_on if at == "submitted" else fact.applied_on

    def got(fact: Fact) -> dict[str, Any]:
        return {"got": [fact.completed.isoformat(), day_of(fact).isoformat()]}

    return Test(
        # Five years to the day still pass: the bound is inclusive (section 5.2).
        lambda fact: day_of(fact) <= duration.after(fact.completed),
        got,
        {"fact": "age", "op": "within", "want": age.max, "at": at},
    )


def _tags_test(wanted: tuple[str, ...]) -> Test:
    needed: Final = frozenset(wanted)
    return Test(
        lambda fact: needed <= fact.tags,
        lambda fact: {"got": sorted(fact.tags)},
        {"fact": "tags", "op": "has_all", "want": list(wanted)},
    )
