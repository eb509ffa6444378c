"""Request bodies: read once, validated straight from the bytes, refused with a pointer to each fault."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

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
    "date_from_datetime_parsing": "not_a_date",
    "date_parsing": "not_a_date",
    "date_type": "not_a_date",
    "uuid_parsing": "not_a_uuid",
    "uuid_type": "not_a_uuid",
}


def pointer_to(location: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def faults_of(invalid: ValidationError, prefix: str = "") -> list[Fault]:
    """What is wrong, in the bank's words; the first hundred, for a body can be wrong in every place."""
    faults = []
    for error in invalid.errors(include_url=False, include_input=False, include_context=False)[:_FAULTS_MAX]:
        kind = error["type"]
        code = _CODES.get(kind) or ("wrong_type" if kind.endswith(("_type", "_parsing")) else kind)
        place = [part for part in error["loc"] if part not in MARKS]
        faults.append(Fault(prefix + pointer_to(place), code if code in KNOWN else "wrong_value", ""))
    return faults


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
            raise EdgeRefusal(415)
        raw = await request.body()
        return Read(raw, self.parse(raw))

    def parse(self, raw: bytes, prefix: str = "") -> T:
        """The value that the bytes say. Raises EdgeRefusal."""
        try:
            return self._adapter.validate_json(raw)
        except ValidationError as invalid:
            if is_malformed(invalid):
                raise EdgeRefusal(400) from invalid
            raise EdgeRefusal(422, faults_of(invalid, prefix)) from invalid


def items_of(request: Request, raw: bytes) -> list[bytes]:
    """The items of a batch, each as its own bytes: a JSON array or one a line. Raises EdgeRefusal: 400, 415, 422."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type == NDJSON:
        items = [line for line in raw.split(b"\n") if line.strip()]
    elif media_type == "application/json":
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError as wrong:
            raise EdgeRefusal(400) from wrong
        if not isinstance(parsed, list):
            raise EdgeRefusal(422, [Fault("", "wrong_type", "")])
        items = [orjson.dumps(item) for item in parsed]
    else:
        raise EdgeRefusal(415)
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
