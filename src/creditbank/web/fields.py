"""Types of fields that bodies share: exact numbers, clean texts, days."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

_NUMBER: Final = re.compile(r"^(0|[1-9]\d{0,8})(\.\d{1,3})?$", re.ASCII)
# Unicode's categories Cc and Cs, without the line feed.
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_INTEGER_MAX: Final = 999_999_999


class Body(BaseModel):
    """A request's body: no field that is not known, nothing taken for what it is not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def clean(text: str) -> str:
    """NFC, trimmed. Control characters other than a line feed are refused: they break seals, prints and databases."""
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "control character")
    return unicodedata.normalize("NFC", text).strip()


def _not_blank(text: str) -> str:
    if not text:
        raise PydanticCustomError("blank", "blank")
    return text


def _number(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("float_refused", "a float is never exact")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("not_a_number", "not a number")
    text = str(value)
    if not _NUMBER.match(text) or (isinstance(value, int) and value > _INTEGER_MAX):
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
            raise PydanticCustomError("number_too_large", "too large")
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
Path = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,7}$"),
    Field(description="a path in a tree, such as arts/languages"),
]
Region = Annotated[
    str, StringConstraints(pattern=r"^\d{2}(\d{2}(\d{2}(\d{3}(\d{3})?)?)?)?$"), Field(description="GB/T 2260 code")
]


class LocalName(Body):
    """A name in Chinese and English."""

    zh: Name
    en: Name
