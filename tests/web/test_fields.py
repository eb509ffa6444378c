"""Fields that bodies share: exact numbers, clean texts, paths."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from creditbank.web.bodies import faults_of, pointer_to
from creditbank.web.fields import Instant, LocalName, Name, Number, Path, Region, Text, at_most
from creditbank.web.problems import sentence_of

NUMBERS: dict[str, str] = {
    '"3"': "3", '"2.50"': "2.5", '"2.000"': "2", "3": "3", "0": "0", '"0.001"': "0.001", "999999999": "999999999",
}  # fmt: skip


@pytest.mark.parametrize(("sent", "read"), NUMBERS.items())
def test_a_number_is_read_exactly_and_in_one_way(sent: str, read: str) -> None:
    assert TypeAdapter(Number).validate_json(sent) == read


BAD: dict[str, tuple[Any, str, str]] = {
    "a float": (Number, "2.5", "float_refused"),
    "a whole float": (Number, "3.0", "float_refused"),
    "an exponent": (Number, '"1e3"', "not_a_number"),
    "too fine": (Number, '"0.0001"', "not_a_number"),
    "negative": (Number, "-1", "number_negative"),
    "a negative text": (Number, '"-3"', "number_negative"),
    "a negative fraction": (Number, '"-0.5"', "number_negative"),
    "too long": (Number, "1000000000", "number_too_large"),
    "a long text": (Number, '"' + "9" * 30 + '"', "number_too_large"),
    "a long integer": (Number, "9" * 4000, "number_too_large"),
    "a long negative integer": (Number, "-" + "9" * 4000, "number_negative"),
    "a zero before it": (Number, '"007"', "not_a_number"),
    "a truth": (Number, "true", "not_a_number"),
    "nothing": (Number, "null", "not_a_number"),
    "a line feed after it": (Number, r'"2.5\n"', "not_a_number"),
    "other digits": (Number, '"３"', "not_a_number"),
    "over its limit": (Annotated[Number, at_most(100)], '"100.001"', "number_too_large"),
    "a blank name": (Name, '"  "', "blank"),
    "an empty name": (Name, '""', "blank"),
    "a long name": (Name, json.dumps("x" * 201), "too_long"),
    "a null character": (Name, r'"a\u0000b"', "control_character"),
    "an escape": (Text, r'"a\u001bb"', "control_character"),
    "a tab": (Text, r'"a\tb"', "control_character"),
    "a number for a text": (Name, "5", "wrong_type"),
    "an upper-case path": (Path, '"CN"', "wrong_form"),
    "a path that ends in a slash": (Path, '"cn/"', "wrong_form"),
    "a region of five digits": (Region, '"50010"', "wrong_form"),
}


@pytest.mark.parametrize(("type_", "sent", "code"), BAD.values(), ids=BAD)
def test_what_is_refused(type_: Any, sent: str, code: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        TypeAdapter(type_).validate_json(sent)

    assert [fault.code for fault in faults_of(invalid.value)] == [code]


MESSAGES: dict[str, tuple[Any, str, str, str]] = {
    "too large": (
        Number, '"99999999999"', "Larger than 999999999.999, which is the most that is taken here.",
        "超过此处的上限 999999999.999。",
    ),
    "over its limit": (
        Annotated[Number, at_most(100)], '"101"', "Larger than 100, which is the most that is taken here.",
        "超过此处的上限 100。",
    ),
    "one of two": (Literal["a b", "it's"], '"c"', "It must be one of a b, it's.", "只能是以下之一：a b, it's。"),
    "one of one": (Literal["a"], '"c"', "It must be one of a.", "只能是以下之一：a。"),
    "one of numbers": (Literal[1, 2], "3", "It must be one of 1, 2.", "只能是以下之一：1, 2。"),
    "one of many": (
        Literal["a", "b", "c", "d", "e", "f", "g", "h", "or i"], '"x"',
        "It must be one of 9 values, such as a, b, c, d, e, f, g, h; the OpenAPI document has them all.",
        "只能是 9 个值之一，例如 a, b, c, d, e, f, g, h；完整列表见 OpenAPI 文档。",
    ),
    "no text": (Name, "5", "Of the wrong type: a text is wanted.", "类型不对：应为文本。"),
    "no list": (list[str], "{}", "Of the wrong type: a list is wanted.", "类型不对：应为列表。"),
    "no object": (
        LocalName, "[]", "Of the wrong type: an object with fields is wanted.", "类型不对：应为含字段的对象。"
    ),
    "no time": (
        Instant, '"soon"', "Of the wrong type: an instant such as 2026-06-20T09:00:00Z is wanted.",
        "类型不对：应为时刻，例如 2026-06-20T09:00:00Z。",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("type_", "sent", "english", "chinese"), MESSAGES.values(), ids=MESSAGES)
def test_what_was_wanted_is_said(type_: Any, sent: str, english: str, chinese: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        TypeAdapter(type_).validate_json(sent, strict=True)

    (fault,) = faults_of(invalid.value)
    assert (sentence_of(fault, "en"), sentence_of(fault, "zh-Hans")) == (english, chinese)


def test_texts_are_kept_in_one_form() -> None:
    assert TypeAdapter(Name).validate_json(r'" Jose\u0301 "') == "José"
    assert TypeAdapter(Text).validate_json(r'"a\nb"') == "a\nb"
    assert TypeAdapter(Annotated[Number, at_most(100)]).validate_json('"100"') == "100"


@pytest.mark.parametrize(
    ("location", "pointer"), [((), ""), (("a", 0, "b"), "/a/0/b"), (("a/b", "c~d"), "/a~1b/c~0d"), (("",), "/")]
)
def test_a_pointer_is_escaped(location: tuple[str | int, ...], pointer: str) -> None:
    assert pointer_to(location) == pointer
