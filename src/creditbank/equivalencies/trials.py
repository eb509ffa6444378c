"""Tests for the rules of a table: for each alternative a transcript that it takes, and one that it just does not.

What should come out is worked out here from the table alone, by trying every rule in turn: nothing of the engine is
used, so that a test says something about the engine, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final

from creditbank.equivalencies.domain import (
    BLANKET,
    Award,
    Composition,
    Course,
    Equivalency,
    Scheme,
    contains,
    number_text,
)

_ELSEWHERE: Final = "elsewhere"
"""A provider of no table: what a course of the right code is worth there is nothing."""

_STEPS_EARNED: Final = 6


@dataclass(frozen=True, slots=True)
class _Taken:
    """An achievement of a test; ``grade`` is the scale, the grade as written, and its position."""

    id: str
    provider: str
    kind: str
    code: str | None
    grade: tuple[str, str, Fraction] | None

    def serves(self, course: Course) -> bool:
        return (
            contains(course.provider, self.provider)
            and course.code in (None, self.code)
            and course.kind in (None, self.kind)
            and (course.grade is None or (self.grade is not None and course.grade.holds(self.grade[0], self.grade[2])))
        )


@dataclass(frozen=True, slots=True)
class _Lot:
    ids: tuple[str, ...]
    grant: int
    unit: str
    credits: Fraction
    lead: _Taken


def trials_of(composition: Composition) -> Iterator[dict[str, Any]]:
    """The tests, as plain values of a document."""
    table = _Table(composition)
    for rule in composition.rules:
        for number, courses in enumerate(rule.sending, 1):
            name = rule.id if len(rule.sending) == 1 else f"{rule.id}, alternative {number}"
            full = [_taken(course, slot, composition.scheme) for slot, course in enumerate(courses)]
            yield table.trial(f"{name}: satisfied", full)
            for why, part in _just_not(courses, full, composition.scheme):
                yield table.trial(f"{name}: {why}", part)


def _taken(course: Course, slot: int, scheme: Scheme) -> _Taken:
    grade = None
    if course.grade is not None:
        scale = course.grade.scale
        places = [(place, name) for name, place in scheme.scales[scale].items() if course.grade.holds(scale, place)]
        if places:
            grade = (scale, min(places)[1], min(places)[0])
        else:
            place = course.grade.min if course.grade.min is not None else (course.grade.below or Fraction(0)) - 1
            grade = (scale, number_text(place), place)
    return _Taken(f"c{slot + 1:02}", course.provider, course.kind or "course", course.code or "ANY", grade)


def _just_not(courses: Sequence[Course], full: Sequence[_Taken], scheme: Scheme) -> Iterator[tuple[str, list[_Taken]]]:
    if len(full) > 1:
        yield "one course missing", list(full[:-1])
    for slot, course in enumerate(courses):
        lower = _one_step_below(course, scheme)
        if lower is not None:
            one = full[slot]
            worse = _Taken(one.id, one.provider, one.kind, one.code, lower)
            yield "one step below the grade", [*full[:slot], worse, *full[slot + 1 :]]
            return
    if len(full) == 1:
        one = full[0]
        yield "of another provider", [_Taken(one.id, _ELSEWHERE, one.kind, one.code, one.grade)]


def _one_step_below(course: Course, scheme: Scheme) -> tuple[str, str, Fraction] | None:
    if course.grade is None or course.grade.min is None:
        return None
    scale = course.grade.scale
    if not scheme.scales[scale]:
        return (scale, number_text(course.grade.min - 1), course.grade.min - 1)
    lower = [(place, name) for name, place in scheme.scales[scale].items() if place < course.grade.min]
    return (scale, max(lower)[1], max(lower)[0]) if lower else None


class _Table:
    """All rules in the order in which they are tried, found by the codes they name."""

    def __init__(self, composition: Composition) -> None:
        self.scheme = composition.scheme
        self.earned = composition.scheme.step * _STEPS_EARNED
        ordered = sorted(
            composition.rules, key=lambda rule: (-(rule.priority or 0), rule.effect != "deny", -rule.size, rule.id)
        )
        self.ordered = ordered
        self.by_code: dict[str | None, list[int]] = {}
        for place, rule in enumerate(ordered):
            for code in {course.code for courses in rule.sending for course in courses}:
                self.by_code.setdefault(code, []).append(place)

    def trial(self, name: str, taken: Sequence[_Taken]) -> dict[str, Any]:
        """A test with what these achievements should come to."""
        day = self.scheme.start
        then: dict[str, Any] = {}
        lots: list[_Lot] = []
        for rule, binding in self.bind(taken):
            if rule is None:
                then[binding[0].id] = "none"
            elif rule.effect != "grant":
                then["+".join(one.id for one in binding)] = [rule.effect, f"rule={rule.id}"]
            else:
                lots.extend(self.lots(rule.awards, binding))
                then.update((key, [f"rule={rule.id}"]) for key in self.keys(rule.awards, binding))
        counted = _counted(lots)
        for lot in lots:
            key = next(k for k in self.names(lot, lots) if k in then)
            kept = lot.credits if counted[lot] else Fraction(0)
            excess = [number_text(lot.credits)] if kept != lot.credits else []
            then[key] = [number_text(kept), *excess, *then[key]]
        total = sum((lot.credits for lot in lots if counted[lot]), Fraction(0))
        given = [self.given(one, day) for one in taken]
        return {
            "name": name,
            "as_of": day + timedelta(days=1),
            "given": given,
            "then": {"total": number_text(total), **then},
        }

    def given(self, one: _Taken, day: date) -> dict[str, Any]:
        plain: dict[str, Any] = {"id": one.id, "kind": one.kind, "provider": one.provider, "code": one.code}
        plain["credits"] = number_text(self.earned)
        if one.grade is not None:
            plain["grade"] = {one.grade[0]: one.grade[1]}
        plain["completed"] = day
        return plain

    def bind(self, taken: Sequence[_Taken]) -> Iterator[tuple[Equivalency | None, list[_Taken]]]:
        left = list(taken)
        codes = {None, *(one.code for one in taken)}
        for place in sorted({place for code in codes for place in self.by_code.get(code, ())}):
            rule = self.ordered[place]
            while (binding := _first_binding(rule.sending, left)) is not None:
                left = [one for one in left if one not in binding]
                yield rule, binding
        for one in left:
            yield None, [one]

    def lots(self, awards: Sequence[Award], binding: Sequence[_Taken]) -> Iterator[_Lot]:
        ids = tuple(one.id for one in binding)
        for grant, award in enumerate(awards):
            credits = self.earned * len(binding) if award.credits is None else award.credits
            yield _Lot(ids, grant, _unit(award, binding[0]), credits, binding[0])

    def keys(self, awards: Sequence[Award], binding: Sequence[_Taken]) -> Iterator[str]:
        key = "+".join(one.id for one in binding)
        units = [_unit(award, binding[0]) for award in awards]
        for grant, unit in enumerate(units):
            if len(units) == 1:
                yield key
            else:
                yield f"{key}/{unit}" if units.count(unit) == 1 else f"{key}/{unit}#{grant}"

    def names(self, lot: _Lot, lots: Sequence[_Lot]) -> tuple[str, ...]:
        key = "+".join(lot.ids)
        same = [other for other in lots if other.ids == lot.ids]
        if len(same) == 1:
            return (key,)
        repeated = sum(other.unit == lot.unit for other in same) > 1
        return (f"{key}/{lot.unit}#{lot.grant}",) if repeated else (f"{key}/{lot.unit}",)


def _unit(award: Award, lead: _Taken) -> str:
    return (lead.code or lead.id) if award.unit == "same" else award.unit


def _first_binding(alternatives: Sequence[Sequence[Course]], left: Sequence[_Taken]) -> list[_Taken] | None:
    for courses in alternatives:
        binding = _fill(courses, left, [])
        if binding is not None:
            return binding
    return None


def _fill(courses: Sequence[Course], left: Sequence[_Taken], chosen: list[_Taken]) -> list[_Taken] | None:
    if len(chosen) == len(courses):
        return chosen
    for one in left:
        if one not in chosen and one.serves(courses[len(chosen)]):
            filled = _fill(courses, left, [*chosen, one])
            if filled is not None:
                return filled
    return None


def _counted(lots: Sequence[_Lot]) -> Mapping[_Lot, bool]:
    """Which lots count: of several decisions that give one unit the best (rules/v1 section 6)."""
    counted = dict.fromkeys(lots, True)
    best: dict[str, _Lot] = {}
    for lot in sorted(lots, key=lambda lot: (lot.ids, lot.grant)):
        if lot.credits == 0 or lot.unit.startswith(BLANKET):
            continue
        rival = best.get(lot.unit)
        if rival is None or rival.ids == lot.ids:
            best[lot.unit] = rival or lot
        elif _is_better(lot, rival):
            counted[rival], best[lot.unit] = False, lot
        else:
            counted[lot] = False
    return counted


def _is_better(lot: _Lot, rival: _Lot) -> bool:
    if lot.credits != rival.credits:
        return lot.credits > rival.credits
    mine, other = lot.lead.grade, rival.lead.grade
    return mine is not None and other is not None and mine[0] == other[0] and mine[2] > other[2]
