"""Programmes, unit conversions and transitions (rules/v1 sections 7 and 8)."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from creditbank.rules.language.values import (
    Amount,
    Closed,
    Count,
    Day,
    Duration,
    Id,
    Listed,
    Number,
    Path,
    Range,
    Some,
    Text,
    Titled,
    branch,
    chosen,
    fault,
)


class LotFilter(Titled):
    """Tests on a lot: all that are given must hold."""

    category: Some[Path] | None = None
    unit: Some[Text] | None = None
    kind: Some[Text] | None = None
    provider: Some[Path] | None = None
    provider_not: Some[Path] | None = None
    level: Range | None = None


class Need(Closed):
    """What a requirement asks for: credits, or so many whole lots."""

    credits: Amount | None = None
    count: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Need:
        if (self.credits is None) == (self.count is None):
            raise fault("alternatives", choices="credits, count")
        return self


class Requirement(LotFilter):
    """What lots must fill; an overlay (``exclusive: false``) may share credits with the others."""

    id: Id
    need: Need
    exclusive: bool = True


class AllRequirements(Titled):
    """Every one of them."""

    id: Id
    all: Some[AnyRequirement]


class NRequirements(Titled):
    """So many of them."""

    id: Id
    n: Annotated[int, Field(ge=1, le=1000)]
    of: Some[AnyRequirement]


_REQUIREMENTS: Final = (branch("#all", "all"), branch("#n_of", "n", "of"))


def _requirement(value: object) -> str:
    match value:
        case AllRequirements():
            return "#all"
        case NRequirements():
            return "#n_of"
    return chosen(value, _REQUIREMENTS, "#requirement")


AnyRequirement = Annotated[
    Annotated[AllRequirements, Tag("#all")]
    | Annotated[NRequirements, Tag("#n_of")]
    | Annotated[Requirement, Tag("#requirement")],
    Discriminator(_requirement),
]


class Cap(LotFilter):
    """The most that a programme uses of something."""

    id: Id
    by: Literal["provider"] | None = None
    credits_at_most: Amount | None = None
    share_at_most: Amount | None = None
    count_at_most: Count | None = None

    @model_validator(mode="after")
    def _one(self) -> Cap:
        given = (self.credits_at_most, self.share_at_most, self.count_at_most)
        if sum(value is not None for value in given) != 1:
            raise fault("alternatives", choices="credits_at_most, share_at_most, count_at_most")
        return self


class StackInto(Closed):
    """Credits used here may count once more in these programmes."""

    stack_into: Some[Id]


class Programme(Titled):
    """An award and what it takes."""

    id: Id
    total: Amount
    requirements: Listed[AnyRequirement] = ()
    caps: Listed[Cap] = ()
    prefer: Listed[Literal["expiring_first", "highest_level", "oldest"]] = ("expiring_first", "oldest")
    whole: Literal["none", "lots"] = "none"
    reuse: Literal["never"] | StackInto = "never"
    catalogue_right: Duration | None = None


class UnitConversion(Titled):
    """How credits of one unit become credits of another."""

    id: Id
    from_: Text = Field(alias="from")
    to: Text
    factor: Number
    step: Number = Fraction(1, 2)
    round: Literal["down"] = "down"
    remainder: Literal["keep", "drop"] = "keep"


class Transition(Titled):
    """What a new version does to older achievements."""

    applies_to: Literal["new_only", "unredeemed", "all"] = "new_only"
    never_less_than: Literal["previous"] | None = None
    elect_until: Day | None = None
    retroactive: bool = False
