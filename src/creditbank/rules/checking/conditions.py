"""Whether conditions and keys ask for facts that there are, with operators and values that fit (E9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Final

from creditbank.rules.fact import Assurance
from creditbank.rules.faults import Finding
from creditbank.rules.language.recognition import AllConditions, AnyCondition, FactTest, NotCondition
from creditbank.rules.numbers import is_number
from creditbank.rules.registry import FIELDS, FactType

if TYPE_CHECKING:
    from creditbank.rules.language.recognition import Condition, Matcher, Single
    from creditbank.rules.registry import Registry

_Path = tuple[str | int, ...]

NESTING_MAX: Final = 8

_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_OPERATORS: Final[dict[FactType, frozenset[str]]] = {
    "text": frozenset({"==", "!=", "in", "not_in", "exists"}),
    "path": frozenset({"==", "!=", "in", "not_in", "exists", "under"}),
    "number": frozenset({"==", "!=", "in", "not_in", "exists"}) | _ORDERED,
    "grade": frozenset({"==", "!=", "in", "not_in", "exists"}) | _ORDERED,
    "date": frozenset({"==", "!=", "in", "not_in", "exists"}) | _ORDERED,
    "assurance": frozenset({"==", "!=", "in", "not_in", "exists"}) | _ORDERED,
    "boolean": frozenset({"==", "!=", "exists"}),
    "duration": frozenset({"==", "!=", "in", "not_in", "exists"}),
}
_UNREADABLE: Final = frozenset({"tags", "accredited", "id", "status", "conditions_met", "facts"})


def check_condition(
    condition: Condition, kinds: tuple[str, ...] | None, registry: Registry | None, path: _Path, depth: int = 1
) -> Iterator[Finding]:
    """The faults of a condition; without a registry every fact beside the fields is taken for one of any type."""
    if depth > NESTING_MAX:
        yield Finding(path, "too_deep", {})
        return
    match condition:
        case AllConditions():
            for index, part in enumerate(condition.all):
                yield from check_condition(part, kinds, registry, (*path, "all", index), depth + 1)
        case AnyCondition():
            for index, part in enumerate(condition.any):
                yield from check_condition(part, kinds, registry, (*path, "any", index), depth + 1)
        case NotCondition():
            yield from check_condition(condition.not_, kinds, registry, (*path, "not"), depth + 1)
        case FactTest():
            yield from _fact_test(condition, kinds, registry, path)


def _fact_test(
    test: FactTest, kinds: tuple[str, ...] | None, registry: Registry | None, path: _Path
) -> Iterator[Finding]:
    types = _types(test.fact, kinds, registry)
    if types is None:
        return
    if not types:
        yield Finding((*path, "fact"), "unknown_fact", {"fact": test.fact})
        return
    for type_ in sorted(types):
        if test.op not in _OPERATORS[type_]:
            yield Finding((*path, "op"), "operator_lacking", {"fact": test.fact, "type": type_, "op": test.op})
        elif test.op != "exists":
            for value in test.values:
                if not _fits(value, type_):
                    terms = {"fact": test.fact, "type": type_, "value": value}
                    yield Finding((*path, "value"), "value_of_another_type", terms)


def _types(name: str, kinds: tuple[str, ...] | None, registry: Registry | None) -> set[FactType] | None:
    """The types a fact can have; None when nobody knows."""
    if name in FIELDS:
        return {FIELDS[name]}
    if name in _UNREADABLE:
        return set()
    return registry.types_of(name, kinds) if registry is not None else None


def _fits(value: Single, type_: FactType) -> bool:
    match type_:
        case "number" | "grade":
            return not isinstance(value, bool | date) and is_number(str(value))
        case "date":
            return isinstance(value, date) or (isinstance(value, str) and _is_day(value))
        case "boolean":
            return isinstance(value, bool)
        case "assurance":
            return isinstance(value, str) and value.upper() in Assurance.__members__
        case _:
            return isinstance(value, str)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def check_key(
    name: str, slots: Iterable[tuple[object, Matcher]], registry: Registry | None, path: _Path
) -> Iterator[Finding]:
    """Whether the key of a table is a fact that the rule's lead can have."""
    if name in FIELDS:
        return
    kinds = [matcher.kind for _, matcher in slots]
    known = name not in _UNREADABLE and (registry is None or any(registry.types_of(name, one) for one in kinds))
    if not known:
        yield Finding(path, "unknown_fact", {"fact": name})
