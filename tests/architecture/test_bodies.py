"""Every text that a body may hold is held to letters."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import ValidationError

from creditbank.web.fields import Body
from tests.architecture.source import import_all

import_all()

# The YAML of a rule document, whose own reader refuses it with the line.
ELSEWHERE = {"WhatIfIn.document"}
# With the other letters it is as long as most texts must be.
TEXT = "a\0a9"


def _bodies(of: type[Body] = Body) -> Iterator[type[Body]]:
    for body in of.__subclasses__():
        yield body
        yield from _bodies(body)


def _takes(body: type[Body], field: str, sent: object) -> bool:
    try:
        body.model_validate_json(json.dumps({field: sent}))
    except ValidationError as invalid:
        return all(error["loc"][:1] != (field,) for error in invalid.errors())
    return True


def test_no_text_of_a_body_takes_a_control_character() -> None:
    fields = [(body, field.alias or name) for body in _bodies() for name, field in body.model_fields.items()]

    taken = {
        f"{body.__name__}.{field}"
        for body, field in fields
        for sent in (TEXT, [TEXT], {"zh": TEXT, "en": TEXT})
        if _takes(body, field, sent)
    }

    assert len(fields) > 100
    assert taken - ELSEWHERE == set()
