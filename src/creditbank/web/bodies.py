"""Request bodies: read once, validated straight from the bytes, refused with a pointer to each fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from creditbank.errors import Fault
from creditbank.web.fields import MARKS
from creditbank.web.problems import EdgeRefusal

T = TypeVar("T")

_FAULTS_MAX: Final = 100

# Pydantic's many words for a fault, and the bank's few.
_CODES: Final[Mapping[str, str]] = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "string_too_short": "blank",
    "too_long": "too_many_items",
    "too_short": "too_few_items",
    "string_pattern_mismatch": "wrong_form",
    "literal_error": "not_one_of",
    "enum": "not_one_of",
    "date_from_datetime_parsing": "not_a_date",
    "date_parsing": "not_a_date",
    "date_type": "not_a_date",
    "uuid_parsing": "not_a_uuid",
    "uuid_type": "not_a_uuid",
}

# The sentence that names the type wanted, where the bank has one.
_WANTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("string_type",), "wrong_type_text"),
    **dict.fromkeys(("int_type", "int_parsing"), "wrong_type_whole"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "wrong_type_truth"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "wrong_type_list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "wrong_type_object"),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing"), "wrong_type_time"),
}

CHOICES_SHOWN: Final = 8
"""So many choices are named; of more the first of them."""


def pointer_to(location: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def faults_of(invalid: ValidationError, prefix: str = "") -> list[Fault]:
    """What is wrong, in the bank's words; the first hundred, for a body can be wrong in every place."""
    faults = []
    for error in invalid.errors(include_url=False, include_input=False)[:_FAULTS_MAX]:
        kind = error["type"]
        code = _CODES.get(kind) or ("wrong_type" if kind.endswith(("_type", "_parsing")) else kind)
        place = [part for part in error["loc"] if part not in MARKS]
        code = code if code in KNOWN else "wrong_value"
        says, terms = _said(code, error)
        faults.append(Fault(prefix + pointer_to(place), code, "", says=says, terms=terms))
    return faults


def _said(code: str, error: ErrorDetails) -> tuple[str, dict[str, str]]:
    """The sentence that says more than the code's own, with its terms; empty where nothing more is known."""
    context = error.get("ctx", {})
    if code == "wrong_type":
        return _WANTED.get(error["type"], ""), {}
    if code == "number_too_large" and "most" in context:
        return "number_larger_than", {"most": str(context["most"])}
    if code == "not_one_of" and "expected" in context:
        choices = re.findall(r"""'([^']*)'|"([^"]*)"|(\w+)(?=,|$| or )""", context["expected"])
        names = ["".join(name) for name in choices]
        shown = {"choices": ", ".join(names[:CHOICES_SHOWN])}
        if len(names) <= CHOICES_SHOWN:
            return "not_one_of_these", shown
        return "not_one_of_many", {**shown, "count": str(len(names))}
    return "", {}


NDJSON: Final = "application/x-ndjson"
"""The media type of JSON values one a line."""

KNOWN: Final = frozenset(
    {
        "required",
        "unknown_field",
        "too_long",
        "blank",
        "too_many_items",
        "too_few_items",
        "wrong_form",
        "not_one_of",
        "not_a_date",
        "not_a_uuid",
        "wrong_type",
        "control_character",
        "float_refused",
        "not_a_number",
        "number_negative",
        "number_too_large",
        "exactly_one",
        "given_twice",
        "no_such_identity",
        "completed_before_started",
        "interval_empty",
        "nothing_changed",
    }
)


def is_malformed(invalid: ValidationError) -> bool:
    """Whether the bytes are no JSON at all."""
    return any(error["type"] == "json_invalid" for error in invalid.errors(include_url=False, include_input=False))


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A body as it came and as it was understood."""

    raw: bytes
    value: T


class JsonBody(Generic[T]):
    """A dependency that reads a body as ``T``. Give ``documents`` to the route for its OpenAPI description."""

    def __init__(self, type_: type[T], example: Mapping[str, Any]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(type_)
        self.documents: dict[str, Any] = {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": self._adapter.json_schema(ref_template="#/components/schemas/{model}"),
                        "example": example,
                    }
                },
            }
        }

    async def __call__(self, request: Request) -> Read[T]:
        """The body. Raises EdgeRefusal: 400 when it cannot be parsed, 415 for another media type, 422 when wrong."""
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise EdgeRefusal(415, terms={"wanted": "application/json"})
        raw = await request.body()
        return Read(raw, self.parse(raw))

    def parse(self, raw: bytes, prefix: str = "") -> T:
        """The value that the bytes say. Raises EdgeRefusal."""
        return read_json(self._adapter, raw, prefix)


def read_json(adapter: TypeAdapter[T], raw: bytes, prefix: str = "") -> T:
    """The value that the bytes say. Raises EdgeRefusal: 400 for what is no JSON, 422 for what is wrong."""
    value = read_item(adapter, raw, prefix)
    check_repeated(raw, prefix)
    return value


def read_item(adapter: TypeAdapter[T], raw: bytes, prefix: str = "") -> T:
    """As ``read_json`` of what ``items_of`` gave, which has looked for keys that are given twice."""
    try:
        return adapter.validate_json(raw)
    except ValidationError as invalid:
        if is_malformed(invalid):
            raise malformed(raw) from invalid
        raise EdgeRefusal(422, faults_of(invalid, prefix)) from invalid


_WHERE: Final = re.compile(r" at line (\d+) column (\d+)$")


def malformed(raw: bytes) -> EdgeRefusal:
    """The refusal of bytes that are no JSON: what is wrong with them, and where."""
    if not raw.strip():
        return EdgeRefusal(400, [Fault("", "empty_body", "")])
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        terms = {"byte": str(wrong.start + 1)}
        return EdgeRefusal(400, [Fault("", "not_utf8", "", says="not_utf8_at", terms=terms)])
    try:
        from_json(raw)
    except ValueError as wrong:
        found = _WHERE.search(str(wrong))
        if found is not None:
            terms = {"line": found[1], "column": found[2]}
            if str(wrong).startswith("EOF"):
                return EdgeRefusal(400, [Fault("", "cut_short", "", says="cut_short_at", terms=terms)])
            return EdgeRefusal(400, [Fault("", "not_json", "", says="not_json_at", terms=terms)])
    return EdgeRefusal(400, [Fault("", "not_json", "")])


class _Repeated(Exception):
    """An object has a key twice."""


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _Repeated


# No other reader here sees a key that is given twice; numbers stay texts, for nobody asks for them. This one keeps
# nothing, so that it is quick, and the place is looked for only when there is one.
_seeing: Final = json.JSONDecoder(object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)
_placing: Final = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str)


def check_repeated(raw: bytes, prefix: str = "") -> None:
    """Refuse JSON of which two readers would understand two things. Raises EdgeRefusal with the key's place."""
    try:
        _seeing.decode(raw.decode())
    except _Repeated:
        _refuse_at(_placing.decode(raw.decode()), prefix, ())
    except (ValueError, RecursionError):
        # A line of a batch that is no JSON, or too deep, is refused where it is read.
        return


def _refuse_at(value: Any, prefix: str, at: tuple[str | int, ...]) -> None:
    seen: set[str] = set()
    if isinstance(value, tuple):
        for key, inner in value:
            if key in seen:
                raise EdgeRefusal(422, [Fault(prefix + pointer_to((*at, key)), "given_twice", "")])
            seen.add(key)
            _refuse_at(inner, prefix, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_at(inner, prefix, (*at, index))


def items_of(request: Request, raw: bytes) -> list[bytes]:
    """The items of a batch, each as its own bytes: a JSON array or one a line. Raises EdgeRefusal: 400, 415, 422.

    A key that is given twice refuses the batch, and not its item: of an array the items are written anew, without it.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type == NDJSON:
        items = [line for line in raw.split(b"\n") if line.strip()]
        for index, line in enumerate(items):
            check_repeated(line, f"/{index}")
    elif media_type == "application/json":
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError as wrong:
            raise malformed(raw) from wrong
        if not isinstance(parsed, list):
            raise EdgeRefusal(422, [Fault("", "wrong_type", "", says="wrong_type_list")])
        check_repeated(raw)
        items = [orjson.dumps(item) for item in parsed]
    else:
        raise EdgeRefusal(415, terms={"wanted": f"application/json, {NDJSON}"})
    if not items:
        raise EdgeRefusal(422, [Fault("", "too_few_items", "")])
    return items


def to_json(value: BaseModel | Mapping[str, Any]) -> bytes:
    """A model or a typed dictionary as JSON. Instants end in ``Z``."""
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True).encode()
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: object) -> str:
    # A database driver has a UUID of its own, made from the usual one.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def json_answer(
    value: BaseModel | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(to_json(value), status, dict(headers or {}), "application/json")


Handler = Callable[[Request], Coroutine[Any, Any, Response]]
