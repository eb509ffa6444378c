"""Matchers as boxes: what each fact of an achievement may be (rules/v1 section 15).

A matcher is one box, or several where its ``where`` has alternatives. Claims are one-sided: ``apart`` and ``covers``
say true only when it is so, and ``beyond`` gives boxes of achievements that lie surely outside. What a condition asks
and nobody can decide makes a box ``vague``: it then stands for some part of what its other tests allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from creditbank.rules.checking import sets
from creditbank.rules.checking.sets import (
    ABSENT,
    HIGHEST,
    LOWEST,
    PRESENT,
    Numbers,
    Paths,
    Texts,
    Values,
    Wanted,
    above,
    below,
)
from creditbank.rules.days import Duration, read_duration
from creditbank.rules.fact import Assurance
from creditbank.rules.language.recognition import AllConditions, AnyCondition, FactTest, NotCondition
from creditbank.rules.numbers import is_number, read_number
from creditbank.rules.registry import FIELDS

if TYPE_CHECKING:
    from creditbank.rules.language.recognition import Condition, Matcher, Single
    from creditbank.rules.language.values import Range
    from creditbank.rules.layers import Layered
    from creditbank.rules.registry import FactType, Registry

ALWAYS: Final = frozenset({"kind", "provider", "completed", "submitted", "applied", "assurance"})
"""Facts that every achievement has, by a default if need be."""

MOST_ALTERNATIVES: Final = 64
"""A condition with more alternatives than this is not taken apart."""

_NOTHING: Final[frozenset[str]] = frozenset()

Age = tuple[str, Duration]
"""The date it is measured to, and the longest it may be."""


@dataclass(slots=True, eq=False)
class Box:
    """Achievements whose facts are all as ``wanted`` says; what is not named there is free.

    ``tags`` and ``registers`` must be there, those of ``without_tags`` and ``without_registers`` must not. Each of
    ``ages`` is kept, each of ``older`` exceeded.
    """

    wanted: dict[str, Wanted] = field(default_factory=dict)
    tags: frozenset[str] = _NOTHING
    without_tags: frozenset[str] = _NOTHING
    registers: frozenset[str] = _NOTHING
    without_registers: frozenset[str] = _NOTHING
    ages: frozenset[Age] = frozenset()
    older: frozenset[Age] = frozenset()
    vague: bool = False

    def where(self, name: str, wanted: Wanted) -> Box | None:
        """The part of this box where the fact is as wanted, None when there is none."""
        vague = self.vague
        mine = self.wanted.get(name)
        if mine is not None:
            try:
                met = sets.meet(mine, wanted)
            except TypeError:
                met, vague = mine, True
            if met is None:
                return None
            wanted = met
        return Box(
            {**self.wanted, name: wanted},
            self.tags,
            self.without_tags,
            self.registers,
            self.without_registers,
            self.ages,
            self.older,
            vague,
        )


def apart(one: Box, other: Box) -> bool:
    """Whether surely no achievement is in both."""
    theirs = other.wanted
    for name, mine in one.wanted.items():
        wanted = theirs.get(name)
        if wanted is not None and wanted is not mine and not sets.meets(mine, wanted):
            return True
    return False


def common(one: Box, other: Box) -> Box | None:
    """What is in both, None when that is surely nothing."""
    wanted = dict(one.wanted)
    vague = one.vague or other.vague
    for name, theirs in other.wanted.items():
        mine = wanted.get(name)
        if mine is None:
            wanted[name] = theirs
            continue
        try:
            met = sets.meet(mine, theirs)
        except TypeError:
            vague = True
            continue
        if met is None:
            return None
        wanted[name] = met
    tags, without_tags = one.tags | other.tags, one.without_tags | other.without_tags
    registers = one.registers | other.registers
    without_registers = one.without_registers | other.without_registers
    ages, older = one.ages | other.ages, one.older | other.older
    if tags & without_tags or registers & without_registers or ages & older:
        return None
    return Box(wanted, tags, without_tags, registers, without_registers, ages, older, vague)


def uncovered(outer: Box, inner: Box) -> list[str]:
    """The names of tests of the outer box that may fail for an achievement of the inner; none: it is covered.

    A vague outer box names ``where``. Of more than one name the first two are told, since nobody asks for further ones.
    """
    names = ["where"] if outer.vague else []
    theirs = inner.wanted
    for name, wanted in outer.wanted.items():
        mine = theirs.get(name)
        if mine is not wanted and (mine is None or not sets.covers(wanted, mine)):
            names.append(name)
            if len(names) > 1:
                return names
    if outer.tags and not outer.tags <= inner.tags:
        names.append("tags")
    if outer.without_tags and not outer.without_tags <= inner.without_tags:
        names.append("tags")
    if outer.registers and not outer.registers <= inner.registers:
        names.append("accredited")
    if outer.without_registers and not outer.without_registers <= inner.without_registers:
        names.append("accredited")
    if outer.ages and not all(any(_implies(mine, age) for mine in inner.ages) for age in outer.ages):
        names.append("age")
    if outer.older and not outer.older <= inner.older:
        names.append("age")
    return names


def _implies(mine: Age, wanted: Age) -> bool:
    return mine[0] == wanted[0] and mine[1].months <= wanted[1].months and mine[1].days <= wanted[1].days


def covers(outer: Box, inner: Box) -> bool:
    """Whether surely every achievement of the inner box is in the outer."""
    return not uncovered(outer, inner)


def beyond(box: Box, taken: Box) -> Iterator[Box]:
    """Parts of a box that lie surely outside another; together they are all of it when ``taken`` is not vague."""
    for name, wanted in taken.wanted.items():
        for rest in sets.complement(wanted):
            if rest is ABSENT and name in ALWAYS:
                continue
            part = box.where(name, rest)
            if part is not None:
                yield part
    for tag in sorted(taken.tags - box.tags):
        yield _altered(box, without_tags=box.without_tags | {tag})
    for tag in sorted(taken.without_tags - box.without_tags):
        yield _altered(box, tags=box.tags | {tag})
    for register in sorted(taken.registers - box.registers):
        yield _altered(box, without_registers=box.without_registers | {register})
    for register in sorted(taken.without_registers - box.without_registers):
        yield _altered(box, registers=box.registers | {register})
    for age in taken.ages - box.ages:
        yield _altered(box, older=box.older | {age})
    for age in taken.older - box.older:
        yield _altered(box, ages=box.ages | {age})


def _altered(
    box: Box,
    *,
    tags: frozenset[str] | None = None,
    without_tags: frozenset[str] | None = None,
    registers: frozenset[str] | None = None,
    without_registers: frozenset[str] | None = None,
    ages: frozenset[Age] | None = None,
    older: frozenset[Age] | None = None,
) -> Box:
    return Box(
        box.wanted,
        box.tags if tags is None else tags,
        box.without_tags if without_tags is None else without_tags,
        box.registers if registers is None else registers,
        box.without_registers if without_registers is None else without_registers,
        box.ages if ages is None else ages,
        box.older if older is None else older,
        box.vague,
    )


# --- From matchers ----------------------------------------------------------------------------------------------------


class Boxes:
    """Makes the boxes of one chain's matchers. Equal tests give one object, so that comparing them is quick."""

    def __init__(self, layered: Layered, registry: Registry | None) -> None:
        self.layered = layered
        self.registry = registry
        self.levels = frozenset(level for framework in layered.levels.values() for level in framework.values())
        self._made: dict[object, Wanted] = {}
        self._of: dict[int, tuple[Matcher, tuple[Box, ...]]] = {}

    def of(self, matcher: Matcher, days: Mapping[str, Wanted] | None = None) -> tuple[Box, ...]:
        """The boxes of a matcher, none when no achievement can pass it; ``days`` adds when its rule is in force."""
        if days is None:
            # The key is the object itself, for hashing what it says is slow; it is kept, so that no other has its id.
            made = self._of.get(id(matcher))
            if made is None:
                made = self._of[id(matcher)] = (matcher, self._boxes(matcher, {}))
            return made[1]
        return self._boxes(matcher, days)

    def _boxes(self, matcher: Matcher, days: Mapping[str, Wanted]) -> tuple[Box, ...]:
        wanted = self._wanted(matcher)
        for name in ("level", "grade"):
            # Ranges are never empty, but they may hold no level or grade that there is.
            values = wanted.get(name)
            if isinstance(values, Texts | Numbers) and values.is_empty:
                return ()
        wanted.update(days)
        box = Box(wanted)
        if matcher.tags is not None:
            box.tags = frozenset(matcher.tags)
        if matcher.accredited is not None:
            box.registers = frozenset((matcher.accredited,))
        if matcher.age is not None:
            box.ages = frozenset(((matcher.age.at, read_duration(matcher.age.max)),))
        if matcher.where is None:
            return (box,)
        kinds = matcher.kind
        alternatives = self._alternatives(matcher.where, kinds, negated=False)
        if alternatives is None:
            box.vague = True
            return (box,)
        met = (common(box, alternative) for alternative in alternatives)
        return tuple(part for part in met if part is not None)

    def _wanted(self, matcher: Matcher) -> dict[str, Wanted]:
        wanted: dict[str, Wanted] = {}
        if matcher.provider is not None:
            wanted["provider"] = self._once(("p", matcher.provider), Paths.under, matcher.provider)
        if matcher.code is not None:
            wanted["code"] = self._texts(matcher.code)
        if matcher.kind is not None:
            wanted["kind"] = self._texts(matcher.kind)
        if matcher.category is not None:
            wanted["category"] = self._once(("p", matcher.category), Paths.under, matcher.category)
        if matcher.level is not None:
            span = _span(matcher.level)
            wanted["level"] = Texts(frozenset(level for level in self.levels if _holds(span, level)))
        if matcher.grade is not None:
            scale = matcher.grade.scale
            wanted["scale"] = self._texts((scale,))
            key = ("g", scale, matcher.grade.min, matcher.grade.below)
            made = self._made.get(key)
            if made is None:
                made = self._made[key] = self._positions(scale, _span(matcher.grade))
            wanted["grade"] = made
        if matcher.hours is not None:
            wanted["hours"] = self._range(matcher.hours)
        if matcher.attendance is not None:
            wanted["attendance"] = self._range(matcher.attendance)
        if matcher.assurance is not None:
            least = Assurance[matcher.assurance.upper()]
            wanted["assurance"] = Texts(frozenset(int(level) for level in Assurance if level >= least))
        return wanted

    def only(self, path: str) -> Wanted:
        """The path itself."""
        return self._once(("o", path), Paths.only, (path,))

    def _once(self, key: object, make: object, values: Iterable[str]) -> Wanted:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = make(values)  # type: ignore[operator]
        return made

    def _texts(self, values: tuple[str, ...]) -> Wanted:
        return self._once(("t", values), _texts_of, values)

    def _range(self, wanted: Range) -> Wanted:
        key = ("r", wanted.min, wanted.below)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = _span(wanted)
        return made

    def _positions(self, scale: str, span: Numbers) -> Numbers:
        """On a listed scale only the positions of its grades can occur."""
        grades = self.layered.scales[scale].grades if scale in self.layered.scales else {}
        return Numbers.points(p for p in grades.values() if _holds(span, p)) if grades else span

    # --- Conditions ---

    def _alternatives(self, condition: Condition, kinds: tuple[str, ...] | None, *, negated: bool) -> list[Box] | None:
        """The condition as alternatives; None when they are too many. *Not* goes down to the tests.

        Three-valued logic allows that: what is unknown stays unknown under *not*, and a test of a missing fact holds
        neither as it stands nor negated.
        """
        match condition:
            case NotCondition():
                return self._alternatives(condition.not_, kinds, negated=not negated)
            case AllConditions():
                return self._joined(condition.all, kinds, negated, every=not negated)
            case AnyCondition():
                return self._joined(condition.any, kinds, negated, every=negated)
            case FactTest():
                return self._test(condition, kinds, negated)

    def _joined(
        self, parts: Sequence[Condition], kinds: tuple[str, ...] | None, negated: bool, *, every: bool
    ) -> list[Box] | None:
        found: list[Box] = [Box()] if every else []
        for part in parts:
            alternatives = self._alternatives(part, kinds, negated=negated)
            if alternatives is None or len(alternatives) * max(len(found), 1) > MOST_ALTERNATIVES:
                return None
            if every:
                met = (common(one, other) for one in found for other in alternatives)
                found = [box for box in met if box is not None]
            else:
                found += alternatives
            if len(found) > MOST_ALTERNATIVES:
                return None
        return found

    def _test(self, test: FactTest, kinds: tuple[str, ...] | None, negated: bool) -> list[Box]:
        name = test.fact
        if test.op == "exists":
            there = (test.values[0] is True) != negated
            if name in ALWAYS:
                return [Box()] if there else []
            return [Box({name: PRESENT if there else ABSENT})]
        type_ = self._type(test, kinds)
        wanted = None if type_ is None else _values(type_, _OTHERWISE[test.op] if negated else test.op, test)
        if wanted is None:
            return [Box(vague=True)]
        if name == "level":
            wanted = _among(self.levels, wanted)
        elif type_ == "assurance":
            wanted = _among(frozenset(int(level) for level in Assurance), wanted)
        elif type_ == "boolean" and isinstance(wanted, Texts) and wanted.inverted:
            wanted = Texts(frozenset((True, False)) - wanted.values)
        return [] if wanted.is_empty else [Box({name: wanted})]

    def _type(self, test: FactTest, kinds: tuple[str, ...] | None) -> FactType | None:
        if test.fact in FIELDS:
            return FIELDS[test.fact]
        if self.registry is not None:
            types = self.registry.types_of(test.fact, kinds)
            return next(iter(types)) if len(types) == 1 else None
        if test.op == "under":
            return "path"
        guesses = {_guess(value) for value in test.values}
        return guesses.pop() if len(guesses) == 1 else None


def _guess(value: Single) -> FactType:
    """The type of a fact that nobody registered, by a value it is compared with."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, date) or (isinstance(value, str) and _day(value) is not None):
        return "date"
    return "number" if is_number(str(value)) else "text"


def _texts_of(values: Iterable[str]) -> Wanted:
    return Texts(frozenset(values))


def _span(wanted: Range) -> Numbers:
    low = LOWEST if wanted.min is None else below(wanted.min)
    return Numbers.between(low, HIGHEST if wanted.below is None else below(wanted.below))


def _holds(span: Numbers, value: Fraction | int) -> bool:
    return any(low <= below(value) < high for low, high in span.spans)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _number(type_: FactType, value: Single) -> Fraction | int | None:
    if type_ == "date":
        day = value if isinstance(value, date) else _day(str(value))
        return None if day is None else day.toordinal()
    if type_ == "assurance":
        level = Assurance.__members__.get(str(value).upper())
        return None if level is None else int(level)
    try:
        return read_number(str(value))
    except ValueError:
        return None


_OTHERWISE: Final[Mapping[str, str]] = {
    "==": "!=",
    "!=": "==",
    "in": "not_in",
    "not_in": "in",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "under": "not_under",
    "not_under": "under",
}
"""The operator that holds for a fact that is there exactly when the other does not."""


def _values(type_: FactType, op: str, test: FactTest) -> Values | None:
    """The values of a fact for which a test holds; None when nobody knows."""
    if op in {"under", "not_under"}:
        tops = Paths.under(str(value) for value in test.values)
        return tops if op == "under" else tops.complement()[0]
    if op in {"==", "in"}:
        return _equal(type_, test.values)
    if op in {"!=", "not_in"}:
        same = _equal(type_, test.values)
        match same:
            case Texts():
                return Texts(same.values, True)
            case Numbers() | Paths():
                return same.complement()[0]
        return None
    return _ordered(type_, op, test.values[0])


def _among(whole: frozenset[int], wanted: Values) -> Texts:
    """Which of a few whole numbers are wanted."""
    return Texts(frozenset(n for n in whole if isinstance(wanted, Numbers) and _holds(wanted, n)))


def _equal(type_: FactType, values: Sequence[Single]) -> Values | None:
    if type_ in {"number", "grade", "date", "assurance"}:
        numbers = [_number(type_, value) for value in values]
        known = [number for number in numbers if number is not None]
        if len(known) < len(numbers):
            return None
        found = Numbers(())
        for number in sorted(set(known)):
            end = below(number + 1) if type_ == "date" else above(number)
            found = found.joined(Numbers.between(below(number), end))
        return found
    if type_ == "path":
        return Paths.only(str(value) for value in values)
    if type_ == "boolean":
        return Texts(frozenset(value for value in values if isinstance(value, bool)))
    return Texts(frozenset(str(value) for value in values))


def _ordered(type_: FactType, op: str, value: Single) -> Numbers | None:
    number = _number(type_, value)
    if number is None:
        return None
    # Days are whole: after a day is from the next one on, and so ends that touch are seen to touch.
    after = below(number + 1) if type_ == "date" else above(number)
    match op:
        case "<":
            return Numbers.between(LOWEST, below(number))
        case "<=":
            return Numbers.between(LOWEST, after)
        case ">":
            return Numbers.between(after, HIGHEST)
        case _:
            return Numbers.between(below(number), HIGHEST)
