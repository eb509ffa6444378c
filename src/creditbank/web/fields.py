"""Types of fields that bodies share: exact numbers, clean texts, days."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from creditbank.clock import is_within_time

_NUMBER: Final = re.compile(r"^(0|[1-9]\d{0,8})(\.\d{1,3})?$", re.ASCII)
# Unicode's categories Cc and Cs, without the line feed.
_ANY_NUMBER: Final = re.compile(r"^-?(0|[1-9]\d*)(\.\d{1,3})?$", re.ASCII)
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_INTEGER_MAX: Final = 999_999_999
_SCALAR_MAX: Final = 10**9
_SCALAR_CHARS_MAX: Final = 200


class Body(BaseModel):
    """A request's body: no field that is not known, nothing taken for what it is not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def has_control(text: str) -> bool:
    """Whether the text has a control character other than a line feed: these break seals, prints and databases."""
    return _CONTROL.search(text) is not None


def _without_control(text: str) -> str:
    if has_control(text):
        raise PydanticCustomError("control_character", "control character")
    return text


EXACT: Final = AfterValidator(_without_control)
"""What a text needs that is taken to the letter, such as a password. Every text of a body has this or ``clean``."""


def clean(text: str) -> str:
    """NFC, trimmed, without control characters."""
    return unicodedata.normalize("NFC", _without_control(text)).strip()


def _not_blank(text: str) -> str:
    if not text:
        raise PydanticCustomError("blank", "blank")
    return text


def _out_of_bounds(*, is_negative: bool) -> PydanticCustomError:
    if is_negative:
        return PydanticCustomError("number_negative", "negative")
    return PydanticCustomError("number_too_large", "too large", {"most": f"{_INTEGER_MAX}.999"})


def _number(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("float_refused", "a float is never exact")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("not_a_number", "not a number")
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        # Not written out: an integer may have more digits than Python writes.
        raise _out_of_bounds(is_negative=value < 0)
    text = str(value)
    if not _NUMBER.fullmatch(text):
        if _ANY_NUMBER.fullmatch(text):
            raise _out_of_bounds(is_negative=text.startswith("-"))
        raise PydanticCustomError("not_a_number", "not a number")
    # One way to write each number, so that equal statements are equal bytes.
    return text.rstrip("0").rstrip(".") if "." in text else text


Number = Annotated[
    str,
    BeforeValidator(_number),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,3})?$"},
                {"type": "integer", "minimum": 0, "maximum": _INTEGER_MAX},
            ],
            "description": "an exact number: a decimal text with at most three decimals, or an integer; never a float",
        }
    ),
]


def at_most(limit: int) -> AfterValidator:
    """The number may not pass ``limit``."""

    def check(text: str) -> str:
        if Decimal(text) > limit:
            raise PydanticCustomError("number_too_large", "too large", {"most": str(limit)})
        return text

    return AfterValidator(check)


Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean), AfterValidator(_not_blank)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(clean), AfterValidator(_not_blank)
]
Token = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(clean),
    AfterValidator(_not_blank),
    Field(description="a short text, compared exactly"),
]


def _within_time(given: datetime) -> datetime:
    if not is_within_time(given):
        raise PydanticCustomError("wrong_value", "out of time")
    return given


Instant = Annotated[AwareDatetime, AfterValidator(_within_time)]
"""An instant that has a day in every zone, so that nothing done with it can go over the calendar's end."""

Path = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,7}$"),
    Field(description="a path in a tree, such as arts/languages"),
]
REGION_FORM: Final = r"^[0-9]{2}([0-9]{2}([0-9]{2}([0-9]{3}([0-9]{3})?)?)?)?$"
Region = Annotated[
    str,
    StringConstraints(pattern=REGION_FORM),
    Field(description="GB/T 2260 code"),
]


class LocalName(Body):
    """A name in Chinese and English."""

    zh: Name
    en: Name


# Pydantic puts the alternative that it took into the place of a fault. These are no part of what was sent.
_KEY, _NAMES, _TEXT = "[key]", "[names]", "[text]"
MARKS: Final = frozenset({_KEY, _NAMES, _TEXT})

Title = Annotated[
    Annotated[LocalName, Tag(_NAMES)] | Annotated[Name, Tag(_TEXT)],
    Discriminator(lambda value: _NAMES if isinstance(value, dict | LocalName) else _TEXT),
]
"""A name in both languages, or in one."""


def _scalar(value: Any) -> str | int | bool:
    if isinstance(value, float):
        raise PydanticCustomError("float_refused", "a float is never exact")
    if isinstance(value, str):
        if len(value) > _SCALAR_CHARS_MAX:
            raise PydanticCustomError("too_long", "too long")
        return _not_blank(clean(value))
    if not isinstance(value, int):
        raise PydanticCustomError("wrong_type", "neither text, whole number, nor yes or no")
    if abs(value) > _SCALAR_MAX:
        raise PydanticCustomError("number_too_large", "too large", {"most": str(_SCALAR_MAX)})
    return value


def _no_truth(value: str | int | bool) -> str:
    if isinstance(value, bool):
        raise PydanticCustomError("wrong_type", "neither text nor whole number")
    return str(value)


_SHORT_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": _SCALAR_CHARS_MAX}
_WHOLE: Final = {"type": "integer", "minimum": -_SCALAR_MAX, "maximum": _SCALAR_MAX}

# One function and no union of types: of a union every alternative would complain of one wrong value.
Scalar = Annotated[
    str | int | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"anyOf": [_SHORT_TEXT, _WHOLE, {"type": "boolean"}]}),
]
"""A short text, a whole number, or yes or no."""

Mark = Annotated[
    str,
    PlainValidator(lambda value: _no_truth(_scalar(value))),
    WithJsonSchema({"anyOf": [_SHORT_TEXT, _WHOLE]}),
]
"""A grade's value: a short text, or a whole number, which is kept as the text of it."""


def _without_null(schema: dict[str, Any]) -> None:
    for name, of_field in schema["properties"].items():
        (wanted,) = [kind for kind in of_field.pop("anyOf") if kind != {"type": "null"}]
        del of_field["default"]
        schema["properties"][name] = {**wanted, **of_field}
    schema["minProperties"] = 1


class Change(Body):
    """What may be changed of something: a field left out stays, null is refused, and something must be given."""

    model_config = ConfigDict(json_schema_extra=_without_null)

    # After, not before: a validator before it would hand on a Python value, and strictness takes no text for a date.
    @field_validator("*", mode="after")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("wrong_type", "null says nothing")
        return value

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_changed", "nothing changed")
        return self
