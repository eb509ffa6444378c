"""What reading refuses beyond shape, so that whatever was read can be compiled (rules/v1 section 15).

Here stand E0 (ids, intervals, sizes), E1 (references), E5 (percentages), E6 (cycles, layers, gains), E8 (numbers) and
E9 (conditions). What clashes between rules is for ``overlaps``, which publishing asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from creditbank.rules.checking.conditions import check_condition, check_key
from creditbank.rules.faults import Finding
from creditbank.rules.language.definitions import GradeConversion
from creditbank.rules.language.programmes import AllRequirements, AnyRequirement, NRequirements, StackInto
from creditbank.rules.language.recognition import LIFETIME, Matcher, parts_of, slots_of
from creditbank.rules.layers import DEFINITIONS, DEPTH, Layered
from creditbank.rules.numbers import decimal_text, span_of

if TYPE_CHECKING:
    from creditbank.rules.document import RuleSetDocument
    from creditbank.rules.language.definitions import Header, Unit
    from creditbank.rules.language.programmes import Programme, UnitConversion
    from creditbank.rules.language.recognition import Grant, Limit, Match, Rule
    from creditbank.rules.registry import Registry

_Path = tuple[str | int, ...]

SLOTS_MAX: Final = 12
NESTING_MAX: Final = 8


def check(layered: Layered, registry: Registry | None) -> Iterator[Finding]:
    """The faults of the document itself; those of the documents it extends are found in these."""
    model = layered.own
    yield from _header(layered)
    yield from _definitions(layered)
    yield from _unique_ids((rule.id for rule in model.recognition), ("recognition",))
    checker = _Rules(layered, registry)
    for index, rule in enumerate(model.recognition):
        yield from checker.rule(rule, ("recognition", index))
    yield from checker.exceptions()
    yield from _unique_ids((limit.id for limit in model.limits), ("limits",))
    for index, limit in enumerate(model.limits):
        yield from checker.limit(limit, ("limits", index))
    yield from _programmes(layered, checker)
    yield from _conversions(model.unit_conversions)
    yield from _transition(model)
    for index, example in enumerate(model.tests):
        yield from _unique_ids((given.id for given in example.given), ("tests", index, "given"))
        yield from _expected(layered, index)


def _unknown(path: _Path, kind: str, name: str) -> Finding:
    return Finding(path, "unknown_reference", {"kind": kind, "kind_zh": _KINDS[kind], "name": name})


_KINDS: Final = {
    "scale": "等级制",
    "register": "认证名册",
    "calendar": "历法",
    "table": "对照表",
    "grade conversion": "成绩换算",
    "group": "规则组",
    "rule": "规则",
    "category": "类别",
    "programme": "项目",
    "rule, limit or requirement": "规则、限额或要求",
    "unit conversion": "单位换算",
}


# --- Header and definitions -------------------------------------------------------------------------------------------


def _header(layered: Layered) -> Iterator[Finding]:
    header = layered.header
    if header.until is not None and header.until <= header.from_:
        yield Finding(("ruleset", "until"), "empty_interval", {})
    yield from _step(header.unit.step, ("ruleset", "unit", "step"))
    if header.extends is not None:
        yield from _extended(layered, header)
    known = {rule.id for rule in layered.own.recognition} | {limit.id for limit in layered.own.limits}
    for programme in layered.own.programmes:
        known |= {id_ for id_, _ in requirement_ids(programme.requirements, ())}
    for old, new in header.migrations.items():
        if new not in known:
            yield _unknown(("ruleset", "migrations", old), "rule, limit or requirement", new)


def _extended(layered: Layered, header: Header) -> Iterator[Finding]:
    path = ("ruleset", "extends")
    if len(layered.documents) == 1:
        yield Finding(path, "unknown_version", {"name": header.extends})
        return
    refs = [document.ruleset.ref for document in layered.documents]
    if len(set(refs)) < len(refs):
        yield Finding(path, "extends_cycle", {"chain": " > ".join(refs)})
        return
    base = layered.documents[1].ruleset
    if DEPTH[header.layer] <= DEPTH[base.layer]:
        yield Finding(path, "layer_above", {"own": header.layer, "base": base.layer})
    if base.unit.code != header.unit.code:
        yield Finding(("ruleset", "unit", "code"), "unit_differs", {"own": header.unit.code, "base": base.unit.code})
    above = layered.documents[1:]
    for block in DEFINITIONS:
        for name in getattr(layered.own, block):
            if any(name in getattr(document, block) for document in above):
                yield Finding((block, name), "redefined", {"name": name})
    for block in ("recognition", "limits", "programmes"):
        taken = {item.id for document in above for item in getattr(document, block)}
        for index, item in enumerate(getattr(layered.own, block)):
            if item.id in taken:
                yield Finding((block, index, "id"), "redefined", {"name": item.id})


def _definitions(layered: Layered) -> Iterator[Finding]:
    model = layered.own
    for name, register in model.registers.items():
        for index, listed in enumerate(register.entries or ()):
            if listed.from_ and listed.until and listed.until <= listed.from_:
                yield Finding(("registers", name, "entries", index, "until"), "empty_interval", {})
    for name, conversions in model.grade_conversions.items():
        yield from _conversion(conversions, ("grade_conversions", name))
    for name, table in model.tables.items():
        for key, entry in table.items():
            if isinstance(entry, tuple):
                days = [dated.from_ for dated in entry]
                if not days or days != sorted(set(days)):
                    yield Finding(("tables", name, key), "not_ascending", {})
    for name, conversions in model.grade_conversions.items():
        days_of = [conversion.from_ for conversion in conversions]
        later = [day for day in days_of[1:] if day is not None]
        first = [day for day in days_of[:1] if day is not None]
        if len(later) < len(conversions) - 1 or first + later != sorted(set(first + later)):
            yield Finding(("grade_conversions", name), "not_ascending", {})


def _conversion(conversions: Sequence[GradeConversion], path: _Path) -> Iterator[Finding]:
    for index, conversion in enumerate(conversions):
        for side in ("source", "target"):
            pairs = getattr(conversion, side)
            total = sum((percent for _, percent in pairs), Fraction(0))
            if total != 100:
                yield Finding((*path, index, side), "not_hundred", {"total": decimal_text(total)})
            for grade, _ in pairs:
                span = span_of(grade)
                if span is not None and span[0] > span[1]:
                    yield Finding((*path, index, side, grade), "empty_range", {})


def _unique_ids(ids: Iterable[str], path: _Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, id_ in enumerate(ids):
        if id_ in seen:
            yield Finding((*path, index, "id"), "duplicate_id", {"id": id_})
        seen.add(id_)


def _step(step: Fraction, path: _Path) -> Iterator[Finding]:
    if step <= 0:
        yield Finding(path, "not_positive", {})
    elif (step * 1000).denominator != 1:
        yield Finding(path, "step_too_fine", {})


# --- Rules and limits -------------------------------------------------------------------------------------------------


class _Rules:
    """Checks rules and limits against the definitions of a chain."""

    def __init__(self, layered: Layered, registry: Registry | None) -> None:
        self.layered = layered
        self.registry = registry
        self.rules = {rule.id: rule for _, rule in layered.rules()}

    def rule(self, rule: Rule, path: _Path) -> Iterator[Finding]:
        header = self.layered.header
        if rule.from_ is not None or rule.until is not None:
            if rule.from_ is not None and rule.until is not None and rule.until <= rule.from_:
                yield Finding((*path, "until"), "empty_interval", {})
            for name, day in (("from", rule.from_), ("until", rule.until)):
                if day is not None and (day < header.from_ or (header.until is not None and day > header.until)):
                    yield Finding((*path, name), "outside_version", {})
        yield from self.match(rule.match, (*path, "match"))
        if rule.group is not None and rule.group not in self.layered.groups:
            yield _unknown((*path, "group"), "group", rule.group)
        if rule.exception_to is not None and rule.exception_to not in self.rules:
            yield _unknown((*path, "exception_to"), "rule", rule.exception_to)
        for number, grant in enumerate(rule.grant):
            yield from self.grant(rule, grant, (*path, "grant", number))

    def match(self, match: Match, path: _Path) -> Iterator[Finding]:
        slots = list(slots_of(match))
        if len(slots) > SLOTS_MAX:
            yield Finding(path, "too_many_slots", {"most": SLOTS_MAX})
        if _depth(match) > NESTING_MAX:
            yield Finding(path, "too_deep", {})
        for place, matcher in slots:
            yield from self.matcher(matcher, (*path, *place))

    def matcher(self, matcher: Matcher, path: _Path) -> Iterator[Finding]:
        layered, registry = self.layered, self.registry
        if matcher.grade is not None and matcher.grade.scale not in layered.scales:
            yield _unknown((*path, "grade", "scale"), "scale", matcher.grade.scale)
        if matcher.accredited is not None and matcher.accredited not in layered.registers:
            yield _unknown((*path, "accredited"), "register", matcher.accredited)
        if registry is not None:
            for category in matcher.category or ():
                if not registry.has_category(category):
                    yield _unknown((*path, "category"), "category", category)
        if matcher.where is not None:
            yield from check_condition(matcher.where, matcher.kind, registry, (*path, "where"))

    def grant(self, rule: Rule, grant: Grant, path: _Path) -> Iterator[Finding]:
        layered = self.layered
        if grant.grade not in {"keep", "pass"} and grant.grade not in layered.grade_conversions:
            yield _unknown((*path, "grade"), "grade conversion", grant.grade)
        if grant.category is not None and self.registry is not None and not self.registry.has_category(grant.category):
            yield _unknown((*path, "category"), "category", grant.category)
        formula = grant.credits
        if grant.pool is not None:
            if grant.pool.per != LIFETIME and grant.pool.per not in layered.calendars:
                yield _unknown((*path, "pool", "per"), "calendar", grant.pool.per)
            if rule.is_combination or rule.group is not None or (formula.per_hour is None and formula.bands is None):
                yield Finding((*path, "pool"), "pool_of_what", {})
        if formula.table is not None and formula.key is not None:
            if formula.table not in layered.tables:
                yield _unknown((*path, "credits", "table"), "table", formula.table)
            yield from check_key(formula.key, slots_of(rule.match), self.registry, (*path, "credits", "key"))
        yield from self.amounts(grant, layered.header.unit, (*path, "credits"))

    def amounts(self, grant: Grant, unit: Unit, path: _Path) -> Iterator[Finding]:
        """Numbers of a formula (E8)."""
        formula = grant.credits
        for name, factor in (("native", formula.native), ("per_hour", formula.per_hour)):
            if factor is not None and factor <= 0:
                yield Finding((*path, name), "not_positive", {})
        if formula.step is not None:
            yield from _step(formula.step, (*path, "step"))
        step = formula.step if formula.step is not None else unit.step
        exact = [("fixed", formula.fixed), ("at_least", formula.at_least)]
        if formula.round == "none":
            if formula.fixed is None and formula.table is None and formula.bands is None:
                yield Finding((*path, "round"), "round_none", {})
            # Nothing is rounded, so that whatever comes out must be storable as it is.
            step = Fraction(1, 1000)
            exact.append(("at_most", formula.at_most))
        if step <= 0:
            return
        for name, amount in exact:
            if amount is not None and (amount / step).denominator != 1:
                yield _off_step((*path, name), amount, step)
        for index, (_, credits_) in enumerate(formula.bands or ()):
            if (credits_ / step).denominator != 1:
                yield _off_step((*path, "bands", index), credits_, step)
        bands = formula.bands or ()
        for index, (lower, upper) in enumerate(pairwise(bands), start=1):
            if upper[0] <= lower[0] or upper[1] < lower[1]:
                yield Finding((*path, "bands", index), "falling_bands", {})
        table = self.layered.tables.get(formula.table, {}) if formula.table is not None else {}
        for key, entry in table.items():
            for amount in [dated.value for dated in entry] if isinstance(entry, tuple) else [entry]:
                if (amount / step).denominator != 1:
                    yield _off_step((*path, "table"), amount, step, f"{formula.table}[{key}] = ")

    def exceptions(self) -> Iterator[Finding]:
        """Cycles among exceptions (E6), and exceptions to exceptions nested too deep."""
        for index, rule in enumerate(self.layered.own.recognition):
            place = ("recognition", index, "exception_to")
            seen, at = [rule.id], rule
            while at.exception_to is not None and at.exception_to in self.rules:
                at = self.rules[at.exception_to]
                if at.id == rule.id:
                    yield Finding(place, "exception_cycle", {"chain": " > ".join([*seen, at.id])})
                if at.id in seen:
                    break
                seen.append(at.id)
                if len(seen) > NESTING_MAX:
                    yield Finding(place, "too_deep", {})
                    break

    def limit(self, limit: Limit, path: _Path) -> Iterator[Finding]:
        if limit.over is not None:
            yield from self.matcher(limit.over, (*path, "over"))
        if not limit.is_rolling and limit.per != LIFETIME and limit.per not in self.layered.calendars:
            yield _unknown((*path, "per"), "calendar", limit.per)


def _off_step(path: _Path, value: Fraction, step: Fraction, what: str = "") -> Finding:
    return Finding(path, "off_step", {"value": what + decimal_text(value), "step": decimal_text(step)})


def _depth(match: Match) -> int:
    return 1 + max((_depth(part) for part in parts_of(match)), default=0) if parts_of(match) else 0


# --- Programmes, conversions, transition ------------------------------------------------------------------------------


def requirement_ids(requirements: Sequence[AnyRequirement], path: _Path) -> Iterator[tuple[str, _Path]]:
    """Every requirement's id with its place, groups and their parts alike."""
    for index, requirement in enumerate(requirements):
        here = (*path, index)
        yield requirement.id, here
        if isinstance(requirement, AllRequirements):
            yield from requirement_ids(requirement.all, (*here, "all"))
        elif isinstance(requirement, NRequirements):
            yield from requirement_ids(requirement.of, (*here, "of"))


def _programmes(layered: Layered, checker: _Rules) -> Iterator[Finding]:
    yield from _unique_ids((programme.id for programme in layered.own.programmes), ("programmes",))
    known = {programme.id for programme in layered.programmes()}
    for index, programme in enumerate(layered.own.programmes):
        path: _Path = ("programmes", index)
        seen: set[str] = set()
        for id_, place in requirement_ids(programme.requirements, (*path, "requirements")):
            if id_ in seen:
                yield Finding((*place, "id"), "duplicate_id", {"id": id_})
            seen.add(id_)
            if len(place) > 2 * NESTING_MAX + 3:
                yield Finding(place, "too_deep", {})
        yield from _unique_ids((cap.id for cap in programme.caps), (*path, "caps"))
        if isinstance(programme.reuse, StackInto):
            for target in programme.reuse.stack_into:
                if target not in known:
                    yield _unknown((*path, "reuse", "stack_into"), "programme", target)
    yield from _stacking_cycles(layered)


def _stacking_cycles(layered: Layered) -> Iterator[Finding]:
    into: Mapping[str, Programme] = {programme.id: programme for programme in layered.programmes()}

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        queue = [start]
        while queue:
            at = into.get(queue.pop())
            if at is not None and isinstance(at.reuse, StackInto):
                new = set(at.reuse.stack_into) - found
                found |= new
                queue.extend(new)
        return found

    for index, programme in enumerate(layered.own.programmes):
        if programme.id in reached(programme.id):
            yield Finding(("programmes", index, "reuse"), "stacking_cycle", {"id": programme.id})


def _conversions(conversions: Sequence[UnitConversion]) -> Iterator[Finding]:
    yield from _unique_ids((conversion.id for conversion in conversions), ("unit_conversions",))
    for index, conversion in enumerate(conversions):
        yield from _step(conversion.step, ("unit_conversions", index, "step"))
        if conversion.factor <= 0:
            yield Finding(("unit_conversions", index, "factor"), "not_positive", {})
    # The best product of factors from each unit to each other one: above 1 back to itself, credits come from nothing.
    best: dict[tuple[str, str], Fraction] = {}
    for conversion in conversions:
        pair = (conversion.from_, conversion.to)
        best[pair] = max(best.get(pair, Fraction(0)), conversion.factor)
    units = {unit for pair in best for unit in pair}
    for through in units:
        for start in units:
            for end in units:
                if (start, through) in best and (through, end) in best:
                    product = best[start, through] * best[through, end]
                    if product > best.get((start, end), Fraction(0)):
                        best[start, end] = min(product, Fraction(10**9))
    for index, conversion in enumerate(conversions):
        back = best.get((conversion.to, conversion.from_))
        gains = conversion.factor > 1 if conversion.to == conversion.from_ else back and conversion.factor * back > 1
        if gains:
            terms = {"from": conversion.from_, "to": conversion.to}
            yield Finding(("unit_conversions", index, "factor"), "conversion_gains", terms)


def _transition(model: RuleSetDocument) -> Iterator[Finding]:
    if model.transition.retroactive and not model.ruleset.legal_basis:
        yield Finding(("transition", "retroactive"), "legal_basis_missing", {})


def _expected(layered: Layered, index: int) -> Iterator[Finding]:
    then = layered.own.tests[index].then
    conversions = {c.id for document in layered.documents for c in document.unit_conversions}
    programmes = {programme.id for programme in layered.programmes()}
    for number, conversion in enumerate(then.convert):
        if conversion.id not in conversions:
            yield _unknown(("tests", index, "then", "convert", number, "id"), "unit conversion", conversion.id)
    for number, programme in enumerate(then.programme):
        if programme.id not in programmes:
            yield _unknown(("tests", index, "then", "programme", number, "id"), "programme", programme.id)
