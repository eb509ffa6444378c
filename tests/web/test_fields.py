"""Fields that bodies share: exact numbers, clean texts, paths."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from creditbank.web.bodies import faults_of, pointer_to
from creditbank.web.fields import Name, Number, Path, Region, Text, at_most

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
    "negative": (Number, "-1", "not_a_number"),
    "too long": (Number, "1000000000", "not_a_number"),
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


def test_texts_are_kept_in_one_form() -> None:
    assert TypeAdapter(Name).validate_json(r'" Jose\u0301 "') == "José"
    assert TypeAdapter(Text).validate_json(r'"a\nb"') == "a\nb"
    assert TypeAdapter(Annotated[Number, at_most(100)]).validate_json('"100"') == "100"


@pytest.mark.parametrize(
    ("location", "pointer"), [((), ""), (("a", 0, "b"), "/a/0/b"), (("a/b", "c~d"), "/a~1b/c~0d"), (("",), "/")]
)
def test_a_pointer_is_escaped(location: tuple[str | int, ...], pointer: str) -> None:
    assert pointer_to(location) == pointer
