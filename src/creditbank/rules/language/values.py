"""The values that documents are made of: exact numbers, days, durations, ids, paths and texts (rules/v1 section 2)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from creditbank.rules.numbers import read_number


def fault(reason: str, **terms: object) -> PydanticCustomError:
    """A fault of ours travels through Pydantic as a custom error: its type is the reason, its context the terms."""
    return PydanticCustomError(reason, "{reason}", {**terms, "reason": reason})


def _number(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return read_number(str(value))
        except ValueError:
            pass
    raise fault("not_a_number")


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise fault("not_a_date")


def _at_least_nothing(value: Fraction) -> Fraction:
    if value < 0:
        raise fault("out_of_range", range=">= 0")
    return value


def as_tuple(value: object) -> object:
    """A field of type *list* also takes one value."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _grade_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
VersionRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}@[1-9][0-9]{0,8}$")]
Path = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,7}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^P([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,5}D)?$", min_length=3)]
MonthDay = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
GradeText = Annotated[Text, BeforeValidator(_grade_text)]
Number = Annotated[Fraction, PlainValidator(_number), PlainSerializer(str, return_type=str)]
Amount = Annotated[Number, AfterValidator(_at_least_nothing)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Day = Annotated[date, BeforeValidator(_day)]
OwnLevel = Annotated[int, Field(ge=0, le=8)]

_T = TypeVar("_T")
Some = Annotated[tuple[_T, ...], BeforeValidator(as_tuple), Field(min_length=1)]
"""A field of type *list* also takes one value; when it is given it is not empty."""

Listed = Annotated[tuple[_T, ...], BeforeValidator(as_tuple)]
"""A list that may be empty; one value stands for a list of one."""


class Closed(BaseModel):
    """An object that knows all its keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class InTwoLanguages(Closed):
    """A text for people."""

    zh: Text | None = None
    en: Text | None = None

    @model_validator(mode="after")
    def _some(self) -> InTwoLanguages:
        if self.zh is None and self.en is None:
            raise fault("empty")
        return self


def _in_both(value: object) -> object:
    return {"zh": value, "en": value} if isinstance(value, str) else value


Title = Annotated[InTwoLanguages, BeforeValidator(_in_both)]
"""One text stands for both languages."""


class Titled(Closed):
    """Any object of a document may have a title."""

    title: Title | None = None


class Range(Closed):
    """Values in [min, below)."""

    min: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if (self.min is None and self.below is None) or (
            self.min is not None and self.below is not None and self.below <= self.min
        ):
            raise fault("empty_range")
        return self


def branch(tag: str, *keys: str) -> tuple[frozenset[str], str]:
    """An alternative of a union that is chosen by the keys present."""
    return frozenset(keys), tag


def chosen(value: Any, branches: tuple[tuple[frozenset[str], str], ...], otherwise: str) -> str:
    """The tag of the first branch of which a key is present, so that errors name the branch that was meant."""
    if isinstance(value, dict):
        for keys, tag in branches:
            if not keys.isdisjoint(value):
                return tag
    return otherwise
