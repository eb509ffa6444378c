"""What a grant gives: formulas over whole numbers, tables, and grades converted by shares (rules/v1 section 5.4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from creditbank.rules.days import Periods
from creditbank.rules.fact import Fact
from creditbank.rules.language.definitions import DatedValue, GradeConversion
from creditbank.rules.numbers import decimal_text, is_number, ratio_text, read_number, span_of

if TYPE_CHECKING:
    from creditbank.rules.language.definitions import TableEntry, Unit
    from creditbank.rules.language.recognition import Formula
    from creditbank.rules.matching import LevelOf

Step = dict[str, Any]
Missing = Mapping[str, str]
"""Why a person must decide: ``reason``, and what the sentence names."""


class Amount(NamedTuple):
    """What a formula gives: thousandths of a credit, with its steps; or why a person must decide."""

    milli: int
    steps: list[Step]
    missing: Missing | None


_Value = tuple[int, int, Step]
"""Numerator, denominator, and the step that tells of it."""

_Base = Callable[[Sequence[Fact], date], "_Value | Missing"]
_OverHours = Callable[[Fraction], _Value]

_CREDITS_MISSING: Final[Missing] = {"reason": "credits_missing"}
_HOURS_MISSING: Final[Missing] = {"reason": "hours_missing"}


class CompiledFormula:
    """One base, bounds, one rounding. ``over_hours`` is there where hours can be pooled."""

    __slots__ = ("_base", "_bounds", "_mode", "_step_milli", "_step_text", "over_hours")

    def __init__(
        self,
        base: _Base,
        over_hours: _OverHours | None,
        bounds: Sequence[tuple[str, Fraction]],
        mode: str,
        step: Fraction,
    ) -> None:
        self._base = base
        self.over_hours = over_hours
        self._bounds = [(name, bound.numerator, bound.denominator, str(bound)) for name, bound in bounds]
        self._mode = mode
        self._step_text = str(step)
        self._step_milli = (step * 1000).numerator

    def amount(self, binding: Sequence[Fact], governing: date) -> Amount:
        """The credits of a binding; tables are read as of the governing date."""
        found = self._base(binding, governing)
        return self._finished(found) if isinstance(found, tuple) else Amount(0, [], found)

    def amount_of_hours(self, hours: Fraction) -> Amount:
        """The credits of so many hours, for a pool."""
        if self.over_hours is None:
            raise ValueError("this formula does not count hours")
        return self._finished(self.over_hours(hours))

    def _finished(self, found: _Value) -> Amount:
        numerator, denominator, first = found
        steps = [first]
        for name, bound_n, bound_d, text in self._bounds:
            over = numerator * bound_d - bound_n * denominator
            if over > 0 if name == "at_most" else over < 0:
                numerator, denominator = bound_n, bound_d
                steps.append({"op": name, "limit": text, "value": text})
        mode, step_milli = self._mode, self._step_milli
        if mode == "none":
            return Amount(numerator * 1000 // denominator, steps, None)
        size = denominator * step_milli
        whole, rest = divmod(numerator * 1000, size)
        if rest:
            if (mode == "half_up" and 2 * rest >= size) or (
                mode == "half_even" and (2 * rest > size or (2 * rest == size and whole % 2 == 1))
            ):
                whole += 1
            value = ratio_text(whole * step_milli, 1000)
            steps.append({"op": "round", "mode": mode, "step": self._step_text, "value": value})
        return Amount(whole * step_milli, steps, None)


class FormulaMaker:
    """Makes the formulas of one version; of these there are few kinds, so equal ones are one."""

    def __init__(self, tables: Mapping[str, Mapping[str, TableEntry]], level_of: LevelOf) -> None:
        self._tables = tables
        self._level_of = level_of
        self._made: dict[Any, CompiledFormula] = {}
        self.read: set[str] = set()
        """The facts that tables are looked up by."""

    def of(self, formula: Formula, unit: Unit) -> CompiledFormula:
        """The formula, rounded as it says itself or else as the unit does."""
        numbers = (
            formula.fixed, formula.native, formula.per_hour, formula.at_most, formula.at_least, formula.step, unit.step,
        )  # fmt: skip
        # The hash of a fraction is slow to make.
        plain = tuple([None if number is None else number.as_integer_ratio() for number in numbers])
        key = (plain, formula.bands, formula.table, formula.key, formula.round, unit.round)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(formula, unit)
            if formula.key is not None:
                self.read.add(formula.key)
        return made

    def _make(self, formula: Formula, unit: Unit) -> CompiledFormula:
        bounds = [("at_most", formula.at_most), ("at_least", formula.at_least)]
        over_hours: _OverHours | None = None
        if formula.per_hour is not None:
            over_hours = _per_hour(formula.per_hour)
        elif formula.bands is not None:
            over_hours = _bands(formula.bands)
        base = _of_hours(over_hours) if over_hours is not None else self._base(formula)
        return CompiledFormula(
            base,
            over_hours,
            [(name, bound) for name, bound in bounds if bound is not None],
            formula.round or unit.round,
            formula.step if formula.step is not None else unit.step,
        )

    def _base(self, formula: Formula) -> _Base:
        if formula.fixed is not None:
            return _fixed(formula.fixed)
        if formula.native is not None:
            return _native(formula.native)
        if formula.table is not None and formula.key is not None:
            return _table(formula.table, self._tables[formula.table], formula.key, self._level_of)
        raise AssertionError("a formula has a base")


def _fixed(fixed: Fraction) -> _Base:
    value: _Value = (fixed.numerator, fixed.denominator, {"op": "fixed", "value": str(fixed)})
    return lambda _, __: value


def _native(factor: Fraction) -> _Base:
    factor_n, factor_d, factor_text = factor.numerator, factor.denominator, str(factor)

    def native(binding: Sequence[Fact], _: date) -> _Value | Missing:
        own = _total([fact.credits for fact in binding])
        if own is None:
            return _CREDITS_MISSING
        numerator, denominator = own.numerator * factor_n, own.denominator * factor_d
        value = ratio_text(numerator, denominator)
        return numerator, denominator, {"op": "native", "credits": str(own), "factor": factor_text, "value": value}

    return native


def _of_hours(over_hours: _OverHours) -> _Base:
    def of_hours(binding: Sequence[Fact], _: date) -> _Value | Missing:
        hours = _total([fact.hours for fact in binding])
        return _HOURS_MISSING if hours is None else over_hours(hours)

    return of_hours


def _per_hour(hours_of_one: Fraction) -> _OverHours:
    per_n, per_d, per_text = hours_of_one.numerator, hours_of_one.denominator, str(hours_of_one)

    def per_hour(hours: Fraction) -> _Value:
        numerator, denominator = hours.numerator * per_d, hours.denominator * per_n
        value = ratio_text(numerator, denominator)
        return numerator, denominator, {"op": "per_hour", "hours": str(hours), "per": per_text, "value": value}

    return per_hour


def _bands(bands: Sequence[tuple[Fraction, Fraction]]) -> _OverHours:
    starts = [start for start, _ in bands]

    def banded(hours: Fraction) -> _Value:
        place = bisect_right(starts, hours)
        value = bands[place - 1][1] if place else Fraction(0)
        return value.numerator, value.denominator, {"op": "bands", "hours": str(hours), "value": str(value)}

    return banded


def _table(name: str, table: Mapping[str, TableEntry], key: str, level_of: LevelOf) -> _Base:
    read = _key_reader(key, level_of)

    def looked_up(binding: Sequence[Fact], governing: date) -> _Value | Missing:
        asked = read(binding[0])
        value = _dated(table.get(asked) if asked is not None else None, governing)
        if value is None:
            return {"reason": "table_entry_missing", "table": name, "key": asked if asked is not None else "none"}
        step = {"op": "table", "table": name, "key": asked, "value": str(value)}
        return value.numerator, value.denominator, step

    return looked_up


def _key_reader(name: str, level_of: LevelOf) -> Callable[[Fact], str | None]:
    """How a table's key is read: a grade as written, a level as mapped, a number or a day as texts."""

    def read(fact: Fact) -> str | None:
        value: Any
        match name:
            case "grade":
                value = fact.grade[1] if fact.grade is not None else None
            case "level":
                value = level_of(fact)
            case "submitted":
                value = fact.submitted_on
            case "applied":
                value = fact.applied_on
            case "assurance":
                value = fact.assurance.name.lower()
            case _ if name in Fact.__dataclass_fields__ and name not in {"key", "facts", "tags", "conditions_met"}:
                value = getattr(fact, name)
            case _:
                value = fact.typed(name)
        match value:
            case None:
                return None
            case bool():
                return "true" if value else "false"
            case Fraction() | int():
                return decimal_text(Fraction(value))
            case date():
                return value.isoformat()
            case _:
                return str(value)

    return read


def _dated(entry: Fraction | tuple[DatedValue, ...] | None, governing: date) -> Fraction | None:
    """Of dated values the latest that has begun; before the first there is none (section 4)."""
    if not isinstance(entry, tuple):
        return entry
    begun = [dated.value for dated in entry if dated.from_ <= governing]
    return begun[-1] if begun else None


def _total(numbers: Sequence[Fraction | None]) -> Fraction | None:
    """The sum; None when one of them is missing, for a part of a sum is not the sum."""
    total: Fraction | None = None
    for number in numbers:
        if number is None:
            return None
        total = number if total is None else total + number
    return total


# --- Grades -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Share:
    """A grade with the shares of passes, from the best, between which it lies."""

    grade: str
    above: Fraction
    upto: Fraction


def _shares(distribution: Sequence[tuple[str, Fraction]]) -> tuple[_Share, ...]:
    found, above = [], Fraction(0)
    for grade, percent in distribution:
        found.append(_Share(grade, above, above + percent))
        above += percent
    return tuple(found)


class Conversion:
    """A grade conversion with its dated forms: a suggestion that examiners confirm."""

    def __init__(self, name: str, forms: Sequence[GradeConversion]) -> None:
        self.name = name
        self._forms = [
            (form.from_ or date.min, _shares(form.source), _shares(form.target), form.method) for form in forms
        ]
        self._places = {share.grade: -place for form in forms for place, share in enumerate(_shares(form.target))}

    def position(self, grade: str) -> int | None:
        """Where a grade stands among the targets, higher is better."""
        return self._places.get(grade)

    def convert(self, grade: str | None, governing: date) -> tuple[str, Step] | Missing:
        """The target grade with its step; or why a person must decide."""
        missing: Missing = {"reason": "grade_entry_missing", "grade": grade if grade is not None else "none"}
        begun = [form for form in self._forms if form[0] <= governing]
        if grade is None or not begun:
            return missing
        _, source, target, method = begun[-1]
        share = _find(source, grade)
        if share is None:
            return missing
        step: Step = {
            "op": "grade", "conversion": self.name, "grade": grade, "above": str(share.above), "upto": str(share.upto),
        }  # fmt: skip
        if method == "midpoint":
            middle = (share.above + share.upto) / 2
            # A band holds what lies above its lower end and up to its upper; the best also holds its very top.
            found = next(one for one in target if middle <= one.upto)
            return found.grade, {**step, "method": "midpoint", "middle": str(middle), "value": found.grade}
        found = max(target, key=lambda one: (_overlap(one, share), -one.above))
        return found.grade, {
            **step, "method": "max_overlap", "overlap": str(_overlap(found, share)), "value": found.grade,
        }  # fmt: skip


def _find(shares: Sequence[_Share], grade: str) -> _Share | None:
    """The share of a grade: an exact key comes first, then one such as ``18-21``."""
    for share in shares:
        if share.grade == grade:
            return share
    if is_number(grade):
        number = read_number(grade)
        for share in shares:
            span = span_of(share.grade)
            if span is not None and span[0] <= number <= span[1]:
                return share
    return None


def _overlap(one: _Share, other: _Share) -> Fraction:
    return max(min(one.upto, other.upto) - max(one.above, other.above), Fraction(0))


# --- Grants -----------------------------------------------------------------------------------------------------------


class CompiledGrant:
    """One grant: everything but the unit is taken from the lead as the grant says.

    ``grade`` is keep, pass, or a conversion. ``pool`` is the calendar within which hours are added up, "lifetime", or
    None without a pool.
    """

    __slots__ = ("category", "formula", "grade", "level", "pool", "unit")

    def __init__(
        self,
        unit: str | None,
        category: str | None,
        level: int | Literal["mapped"] | None,
        grade: Literal["keep", "pass"] | Conversion,
        formula: CompiledFormula,
        pool: Periods | Literal["lifetime"] | None,
    ) -> None:
        self.unit = unit
        self.category = category
        self.level = level
        self.grade = grade
        self.formula = formula
        self.pool = pool

    def unit_of(self, lead: Fact) -> str:
        """The unit of the lot: the grant's, or the lead's unit, else its code, else its key."""
        return self.unit or lead.unit or lead.code or lead.key
