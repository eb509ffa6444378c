"""What must hold in a document beyond its shape: references and numbers (rules/v1 section 15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from creditbank.rules.faults import Finding
from creditbank.rules.numbers import decimal_text

if TYPE_CHECKING:
    from creditbank.rules.document import Formula, Grant, Header, Matcher, RuleSetDocument, Unit

_Path = tuple[str | int, ...]


def check(model: RuleSetDocument) -> Iterator[Finding]:
    """The faults of classes E0 (ids, intervals), E1 and E8."""
    yield from _header(model.ruleset)
    for name, register in model.registers.items():
        for index, entry in enumerate(register.entries or ()):
            if entry.from_ and entry.until and entry.until <= entry.from_:
                yield Finding(("registers", name, "entries", index, "until"), "empty_interval", {})
    yield from _unique_ids((rule.id for rule in model.recognition), ("recognition",))
    for index, rule in enumerate(model.recognition):
        yield from _references(rule.match, model, ("recognition", index, "match"))
        for number, grant in enumerate(rule.grant):
            yield from _amounts(grant, model.ruleset.unit, ("recognition", index, "grant", number, "credits"))
    for index, example in enumerate(model.tests):
        yield from _unique_ids((given.id for given in example.given), ("tests", index, "given"))


def _header(header: Header) -> Iterator[Finding]:
    if header.until is not None and header.until <= header.from_:
        yield Finding(("ruleset", "until"), "empty_interval", {})
    yield from _step(header.unit.step, ("ruleset", "unit", "step"))


def _unique_ids(ids: Iterable[str], path: _Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, id_ in enumerate(ids):
        if id_ in seen:
            yield Finding((*path, index, "id"), "duplicate_id", {"id": id_})
        seen.add(id_)


def _references(matcher: Matcher, model: RuleSetDocument, path: _Path) -> Iterator[Finding]:
    if matcher.grade is not None and matcher.grade.scale not in model.scales:
        terms = {"kind": "scale", "kind_zh": "等级制", "name": matcher.grade.scale}
        yield Finding((*path, "grade", "scale"), "unknown_reference", terms)
    if matcher.accredited is not None and matcher.accredited not in model.registers:
        terms = {"kind": "register", "kind_zh": "认证名册", "name": matcher.accredited}
        yield Finding((*path, "accredited"), "unknown_reference", terms)


def _step(step: Fraction, path: _Path) -> Iterator[Finding]:
    if step <= 0:
        yield Finding(path, "not_positive", {})
    elif (step * 1000).denominator != 1:
        yield Finding(path, "step_too_fine", {})


def _amounts(grant: Grant, unit: Unit, path: _Path) -> Iterator[Finding]:
    formula: Formula = grant.credits
    for name, factor in (("native", formula.native), ("per_hour", formula.per_hour)):
        if factor is not None and factor <= 0:
            yield Finding((*path, name), "not_positive", {})
    if formula.step is not None:
        yield from _step(formula.step, (*path, "step"))
    step = formula.step if formula.step is not None else unit.step
    exact = [("fixed", formula.fixed), ("at_least", formula.at_least)]
    if formula.round == "none":
        if formula.fixed is None:
            yield Finding((*path, "round"), "round_none", {})
        # Nothing is rounded, so that whatever comes out must be storable as it is.
        step = Fraction(1, 1000)
        exact.append(("at_most", formula.at_most))
    if step > 0:
        for name, amount in exact:
            if amount is not None and (amount / step).denominator != 1:
                terms = {"value": decimal_text(amount), "step": decimal_text(step)}
                yield Finding((*path, name), "off_step", terms)
