"""Header and definitions of a document (rules/v1 sections 3 and 4)."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from creditbank.rules.language.values import (
    Amount,
    Day,
    GradeText,
    Id,
    Listed,
    MonthDay,
    Number,
    OwnLevel,
    Path,
    Some,
    Text,
    Titled,
    VersionRef,
    as_tuple,
    fault,
)

Rounding = Literal["down", "half_up", "half_even"]

Layer = Literal["national", "authority", "institution", "bilateral"]


class Unit(Titled):
    """The unit of credit: amounts are multiples of its step."""

    code: Text
    step: Number = Fraction(1, 2)
    round: Rounding = "down"


class Clock(Titled):
    """Which dates govern."""

    recognition: Literal["completed", "submitted"] = "completed"
    limits: Literal["completed", "submitted"] = "completed"
    programme: Literal["enrolled", "applied"] = "enrolled"


class Header(Titled):
    """Which rule set and version this is, and when it governs (section 3)."""

    lcb: Literal["rules/v1"]
    id: Id
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    from_: Day = Field(alias="from")
    until: Day | None = None
    unit: Unit
    clock: Clock = Clock()
    legal_basis: Listed[Text] = ()
    layer: Layer = "institution"
    extends: VersionRef | None = None
    after_redemption: Literal["review", "write_off"] = "review"
    migrations: dict[Id, Id] = {}

    @property
    def ref(self) -> str:
        """How others point at this version: ``id@version``."""
        return f"{self.id}@{self.version}"


def _ascending(starts: tuple[str, ...]) -> tuple[str, ...]:
    if list(starts) != sorted(set(starts)):
        raise fault("not_ascending")
    if any(start == "02-29" or int(start[3:]) > _LONGEST[int(start[:2]) - 1] for start in starts):
        raise fault("no_such_day")
    return starts


_LONGEST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Calendar(Titled):
    """Periods of a year, each from one start to the next."""

    starts: Annotated[Some[MonthDay], AfterValidator(_ascending)]


class Scale(Titled):
    """Grades by position, higher is better; empty: the grade is itself a number."""

    grades: dict[GradeText, Number]


def _as_pairs(value: object) -> object:
    return tuple(value.items()) if isinstance(value, dict) else as_tuple(value)


def _pairs_plain(value: Any) -> list[list[str]]:
    return [[grade, str(percent)] for grade, percent in value]


def _different(pairs: tuple[tuple[str, Fraction], ...]) -> tuple[tuple[str, Fraction], ...]:
    if len({grade for grade, _ in pairs}) != len(pairs):
        raise fault("grade_twice")
    return pairs


_Pair = Annotated[tuple[GradeText, Amount], BeforeValidator(as_tuple)]

Distribution = Annotated[
    tuple[_Pair, ...],
    BeforeValidator(_as_pairs),
    AfterValidator(_different),
    Field(min_length=1),
    PlainSerializer(_pairs_plain, return_type=list),
]
"""Percent of passes by grade, best first; in the canonical form, which sorts keys, a list of pairs (decision 0018)."""


class GradeConversion(Titled):
    """Two distributions of passes: a source grade goes where its share of passes lies among the targets."""

    source: Distribution
    target: Distribution
    method: Literal["midpoint", "max_overlap"] = "midpoint"
    from_: Day | None = Field(default=None, alias="from")


class DatedValue(Titled):
    """A table's value from a day on."""

    from_: Day = Field(alias="from")
    value: Amount


def _plain_or_dated(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _entry_plain(entry: Fraction | tuple[DatedValue, ...]) -> Any:
    # Of a union of two such types pydantic takes the first one's serializer, which would write dated values by repr.
    if isinstance(entry, Fraction):
        return str(entry)
    return [dated.model_dump(mode="json", by_alias=True, exclude_defaults=True) for dated in entry]


TableEntry = Annotated[Amount | tuple[DatedValue, ...], BeforeValidator(_plain_or_dated), PlainSerializer(_entry_plain)]


class RegisterEntry(Titled):
    """What was accredited, and on which days."""

    provider: Path
    code: Text | None = None
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None


class Register(Titled):
    """A list of what is accredited: the document's own entries, or the bank's register of that name."""

    external: Literal[True] | None = None
    entries: Listed[RegisterEntry] | None = None

    @model_validator(mode="after")
    def _one(self) -> Register:
        if (self.external is None) == (self.entries is None):
            raise fault("alternatives", choices="external, entries")
        return self


class Group(Titled):
    """What happens where rules of a group and of one priority overlap."""

    hit: Literal["first", "best_for_learner"] = "first"


LevelMap = dict[GradeText, OwnLevel]
