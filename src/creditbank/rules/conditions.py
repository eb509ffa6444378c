"""``where``: conditions over the fields and typed facts of an achievement, in three-valued logic (section 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from creditbank.rules.fact import Assurance, Fact, ancestors
from creditbank.rules.language.recognition import AllConditions, AnyCondition, FactTest, NotCondition
from creditbank.rules.numbers import decimal_text, is_number, read_number

if TYPE_CHECKING:
    from creditbank.rules.language.recognition import Condition, Single

Truth = bool | None
"""None is unknown: the fact is missing, or it cannot be compared with the value."""

_Read = Callable[[Fact], Any]


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """A condition with what a trace says of it; only *true* matches."""

    truth: Callable[[Fact], Truth]
    got: Callable[[Fact], dict[str, Any]]
    text: str
    facts: tuple[str, ...]

    def holds(self, fact: Fact) -> bool:
        """Whether the condition is true of the fact."""
        return self.truth(fact) is True


def compile_condition(
    condition: Condition,
    level_of: Callable[[Fact], int | None],
    position: Callable[[str, str], Fraction | None],
) -> CompiledCondition:
    """Compile a condition that was checked."""

    def read_for(name: str) -> _Read:
        match name:
            case "grade":
                return lambda fact: position(*fact.grade) if fact.grade is not None else None
            case "level":
                return level_of
            case "submitted":
                return lambda fact: fact.submitted_on
            case "applied":
                return lambda fact: fact.applied_on
            case _ if name in _FIELDS:
                return lambda fact: getattr(fact, name)
            case _:
                return lambda fact: _typed(fact, name)

    names: list[str] = []
    reads: dict[str, _Read] = {}

    def build(part: Condition) -> Callable[[Fact], Truth]:
        match part:
            case AllConditions():
                return _all([build(one) for one in part.all])
            case AnyCondition():
                return _any([build(one) for one in part.any])
            case NotCondition():
                inner = build(part.not_)
                return lambda fact: None if (truth := inner(fact)) is None else not truth
            case FactTest():
                if part.fact not in reads:
                    names.append(part.fact)
                    reads[part.fact] = read_for(part.fact)
                return _test(part, reads[part.fact])

    truth = build(condition)

    def got(fact: Fact) -> dict[str, Any]:
        return {"got": [[name, _shown(reads[name](fact))] for name in names]}

    return CompiledCondition(truth, got, condition_text(condition), tuple(names))


_FIELDS = frozenset(
    {
        "kind", "provider", "code", "unit", "category", "credits", "hours", "attendance", "assurance", "completed",
        "recognised", "shelf_life", "learning", "provider_type",
    }
)  # fmt: skip


def _typed(fact: Fact, name: str) -> Any:
    value = fact.typed(name)
    if not isinstance(value, str):
        return value
    # Exact numbers and days travel as texts, in documents as in statements.
    return read_number(value) if is_number(value) else _day(value) or value


def _all(parts: list[Callable[[Fact], Truth]]) -> Callable[[Fact], Truth]:
    def truth(fact: Fact) -> Truth:
        found = [part(fact) for part in parts]
        if False in found:
            return False
        return None if None in found else True

    return truth


def _any(parts: list[Callable[[Fact], Truth]]) -> Callable[[Fact], Truth]:
    def truth(fact: Fact) -> Truth:
        found = [part(fact) for part in parts]
        if True in found:
            return True
        return None if None in found else False

    return truth


def _test(test: FactTest, read: _Read) -> Callable[[Fact], Truth]:
    op = test.op
    if op == "exists":
        wanted = test.value is not False
        return lambda fact: (read(fact) is not None) is wanted
    values = test.values
    if op == "under":
        return lambda fact: _under(read(fact), values)
    if op in {"in", "not_in"}:

        def among(fact: Fact) -> Truth:
            found = [_compare("==", read(fact), value) for value in values]
            inside = True if True in found else None if None in found else False
            return inside if op == "in" or inside is None else not inside

        return among
    value = values[0]
    return lambda fact: _compare(op, read(fact), value)


def _under(actual: Any, tops: tuple[Single, ...]) -> Truth:
    if not isinstance(actual, str):
        return None
    return any(top in ancestors(actual) for top in tops)


def _compare(op: str, actual: Any, value: Single) -> Truth:
    """Compare a fact with a value of the document, which is read as the fact's type asks."""
    wanted = _as_type_of(actual, value)
    if actual is None or wanted is None:
        return None
    match op:
        case "==":
            return bool(actual == wanted)
        case "!=":
            return bool(actual != wanted)
        case "<":
            return bool(actual < wanted)
        case "<=":
            return bool(actual <= wanted)
        case ">":
            return bool(actual > wanted)
        case _:
            return bool(actual >= wanted)


def _as_type_of(actual: Any, value: Single) -> Any:
    match actual:
        case None:
            return None
        case bool():
            return value if isinstance(value, bool) else None
        case Assurance():
            return Assurance.__members__.get(str(value).upper())
        case int() | Fraction():
            text = str(value)
            return read_number(text) if not isinstance(value, bool) and is_number(text) else None
        case date():
            return value if isinstance(value, date) else _day(value)
        case str():
            # A number typed into a text is compared as it was written.
            return value if isinstance(value, str) else None if isinstance(value, bool | date) else str(value)
    return None


def _day(value: Single) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case Assurance():
            return value.name.lower()
        case int() | Fraction():
            return decimal_text(Fraction(value))
        case date():
            return value.isoformat()
        case _:
            return str(value)


def condition_text(condition: Condition) -> str:
    """The condition as a trace writes it, such as ``credits >= 4``."""
    match condition:
        case AllConditions():
            return "(" + " and ".join(condition_text(part) for part in condition.all) + ")"
        case AnyCondition():
            return "(" + " or ".join(condition_text(part) for part in condition.any) + ")"
        case NotCondition():
            return "not " + condition_text(condition.not_)
        case FactTest():
            if condition.op == "exists":
                return f"{condition.fact} {'exists' if condition.value is not False else 'is absent'}"
            values = "|".join(_value_text(value) for value in condition.values)
            return f"{condition.fact} {condition.op.replace('_', ' ')} {values}"


def _value_text(value: Single) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return decimal_text(read_number(value)) if is_number(value) else value
