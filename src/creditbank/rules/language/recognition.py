"""What is recognised, for how much, how often and for how long (rules/v1 sections 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from creditbank.rules.language.values import (
    Amount,
    Closed,
    Count,
    Day,
    Duration,
    Id,
    Listed,
    Number,
    OwnLevel,
    Path,
    Range,
    Some,
    Text,
    Titled,
    as_tuple,
    branch,
    chosen,
    fault,
)

AssuranceName = Literal["self", "provider", "verified", "signed"]

# --- Conditions: section 5.2 ------------------------------------------------------------------------------------------

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not_in", "exists", "under"]

Single = str | int | bool | date


def _singles(value: object) -> object:
    if isinstance(value, list | tuple):
        if not value or not all(isinstance(item, str | int | date) for item in value):
            raise fault("wrong_value")
        return tuple(value)
    if isinstance(value, str | int | date):
        return value
    raise fault("wrong_value")


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


class FactTest(Closed):
    """One fact of the achievement against a value."""

    fact: Id
    op: Operator
    value: Annotated[Any, BeforeValidator(_singles), PlainSerializer(_plain_value)] = None

    @model_validator(mode="after")
    def _has_a_value(self) -> FactTest:
        if self.op == "exists":
            if self.value is not None and not isinstance(self.value, bool):
                raise fault("wrong_value")
        elif self.value is None:
            raise fault("missing_value")
        elif isinstance(self.value, tuple) and self.op not in {"in", "not_in", "under"}:
            raise fault("wrong_value")
        return self

    @property
    def values(self) -> tuple[Single, ...]:
        """The value, or the list of them; for ``exists`` without one: true."""
        if self.value is None:
            return (True,)
        return self.value if isinstance(self.value, tuple) else (self.value,)


class AllConditions(Closed):
    """True when all are."""

    all: Some[Condition]


class AnyCondition(Closed):
    """True when one is."""

    any: Some[Condition]


class NotCondition(Closed):
    """True when the condition is false."""

    not_: Condition = Field(alias="not")


_CONDITIONS: Final = (branch("#all", "all"), branch("#any", "any"), branch("#not", "not"))


def _condition(value: object) -> str:
    match value:
        case AllConditions():
            return "#all"
        case AnyCondition():
            return "#any"
        case NotCondition():
            return "#not"
    return chosen(value, _CONDITIONS, "#fact")


Condition = Annotated[
    Annotated[AllConditions, Tag("#all")]
    | Annotated[AnyCondition, Tag("#any")]
    | Annotated[NotCondition, Tag("#not")]
    | Annotated[FactTest, Tag("#fact")],
    Discriminator(_condition),
]

# --- Matchers and combinations: sections 5.2 and 5.3 ------------------------------------------------------------------


class GradeRange(Range):
    """Grades on one scale with their position in [min, below)."""

    scale: Id


class Age(Closed):
    """How long ago it may have been completed, to the day."""

    max: Duration
    at: Literal["submitted", "applied"] = "submitted"


class Matcher(Titled):
    """Tests on one achievement: all that are given must hold, and an absent fact fails its test (section 5.2)."""

    kind: Some[Text] | None = None
    provider: Some[Path] | None = None
    code: Some[Text] | None = None
    category: Some[Path] | None = None
    level: Range | None = None
    grade: GradeRange | None = None
    hours: Range | None = None
    attendance: Range | None = None
    accredited: Id | None = None
    assurance: AssuranceName | None = None
    age: Age | None = None
    tags: Some[Text] | None = None
    where: Condition | None = None


class AllOf(Titled):
    """Every part must be bound."""

    all: Some[Match]


class AnyOf(Titled):
    """The first part that can be bound."""

    any: Some[Match]


class NOf(Titled):
    """So many of the parts must be bound."""

    n: Annotated[int, Field(ge=1, le=12)]
    of: Some[Match]

    @model_validator(mode="after")
    def _enough(self) -> NOf:
        if self.n > len(self.of):
            raise fault("n_too_large", n=self.n, parts=len(self.of))
        return self


_MATCHES: Final = (branch("#all", "all"), branch("#any", "any"), branch("#n_of", "n", "of"))


def _match(value: object) -> str:
    match value:
        case AllOf():
            return "#all"
        case AnyOf():
            return "#any"
        case NOf():
            return "#n_of"
    return chosen(value, _MATCHES, "#matcher")


Match = Annotated[
    Annotated[AllOf, Tag("#all")]
    | Annotated[AnyOf, Tag("#any")]
    | Annotated[NOf, Tag("#n_of")]
    | Annotated[Matcher, Tag("#matcher")],
    Discriminator(_match),
]


def parts_of(match: Matcher | AllOf | AnyOf | NOf) -> tuple[Matcher | AllOf | AnyOf | NOf, ...]:
    """The parts of a combination; none for a matcher."""
    match match:
        case AllOf():
            return match.all
        case AnyOf():
            return match.any
        case NOf():
            return match.of
        case Matcher():
            return ()


def slots_of(
    match: Matcher | AllOf | AnyOf | NOf, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Matcher]]:
    """Every slot with its place below ``match``, in document order; a matcher is itself the only slot."""
    if isinstance(match, Matcher):
        yield path, match
        return
    key = "all" if isinstance(match, AllOf) else "any" if isinstance(match, AnyOf) else "of"
    for index, part in enumerate(parts_of(match)):
        yield from slots_of(part, (*path, key, index))


# --- Grants: section 5.4 ----------------------------------------------------------------------------------------------


_Band = Annotated[tuple[Amount, Amount], BeforeValidator(as_tuple)]


def _plain_bands(value: Any) -> list[list[str]]:
    return [[str(start), str(credits_)] for start, credits_ in value]


Bands = Annotated[
    tuple[_Band, ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
    PlainSerializer(_plain_bands, return_type=list, when_used="unless-none"),
]


class Formula(Closed):
    """One base, then at_most, then at_least, then one rounding."""

    fixed: Amount | None = None
    native: Number | None = None
    per_hour: Number | None = None
    bands: Bands | None = None
    table: Id | None = None
    key: Id | None = None
    at_most: Amount | None = None
    at_least: Amount | None = None
    step: Number | None = None
    round: Literal["down", "half_up", "half_even", "none"] | None = None

    @model_validator(mode="after")
    def _one_base(self) -> Formula:
        bases = (self.fixed, self.native, self.per_hour, self.bands, self.table)
        if sum(base is not None for base in bases) != 1:
            raise fault("alternatives", choices="fixed, native, per_hour, bands, table")
        if (self.table is None) != (self.key is None):
            raise fault("table_and_key")
        return self


BLANKET: Final = "blanket:"
"""Units that never compete begin with this (section 6)."""


def _unit_of_grant(value: str) -> str:
    if value.startswith(BLANKET) and not value.removeprefix(BLANKET).strip():
        raise fault("wrong_form", form="blanket:<category>")
    return value


class Pool(Closed):
    """Hours are added up within a period before the formula."""

    per: Id


class Grant(Titled):
    """What a rule gives for its binding; each grant makes a lot."""

    unit: Annotated[Text, AfterValidator(_unit_of_grant)] = "same"
    category: Path | None = None
    level: Literal["mapped", "none"] | OwnLevel = "mapped"
    grade: Id = "keep"
    credits: Formula
    pool: Pool | None = None


Effect = Literal["grant", "deny", "review", "conditional"]


class Rule(Titled):
    """What is recognised, and for how much (section 5.1)."""

    id: Id
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    match: Match
    effect: Effect = "grant"
    grant: Listed[Grant] = ()
    condition: Id | None = None
    exception_to: Id | None = None
    group: Id | None = None
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None

    @model_validator(mode="after")
    def _as_its_effect_says(self) -> Rule:
        if self.effect in {"grant", "conditional"}:
            if not self.grant:
                raise fault("grants_missing")
        elif self.grant:
            raise fault("grants_of_nothing", effect=self.effect)
        if (self.effect == "conditional") != (self.condition is not None):
            raise fault("condition_and_effect")
        return self

    @property
    def is_combination(self) -> bool:
        """Whether it takes achievements together, or one in several ways."""
        return not isinstance(self.match, Matcher)


# --- Uniqueness, limits, validity: section 6 --------------------------------------------------------------------------


class Unique(Titled):
    """No double use within the rule set."""

    key: Literal["unit", "learning"] = "unit"
    keep: Literal["best", "latest", "first"] = "best"


class AtMost(Closed):
    """The most that counts."""

    credits: Amount | None = None
    count: Count | None = None

    @model_validator(mode="after")
    def _some(self) -> AtMost:
        if self.credits is None and self.count is None:
            raise fault("one_at_least", choices="credits, count")
        return self


LIFETIME: Final = "lifetime"

_PERIOD: Final = r"^(P([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,5}D)?|[a-z0-9][a-z0-9_-]{0,63})$"


class Limit(Titled):
    """The most that the bank recognises of something in a period."""

    id: Id
    over: Matcher | None = None
    per: Annotated[str, Field(pattern=_PERIOD, min_length=1)] = LIFETIME
    by: Listed[Literal["provider", "provider_type", "category", "unit", "kind"]] = ()
    at_most: AtMost
    overflow: Literal["excess", "drop"] = "excess"
    split: bool = True

    @property
    def is_rolling(self) -> bool:
        """Whether its period is a duration before each lot."""
        return self.per.startswith("P")


class Validity(Titled):
    """For how long lots can be used."""

    max: Duration | None = None
    shorter_of: Literal["provider"] | None = None
    start: Literal["completed", "recognised"] = "completed"

    @model_validator(mode="after")
    def _ends(self) -> Validity:
        if self.max is None and self.shorter_of is None:
            raise fault("one_at_least", choices="max, shorter_of")
        return self
