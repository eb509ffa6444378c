"""Errors as RFC 9457 problems: one shape for everything that is refused or goes wrong."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from creditbank.database.engine import was_locked_out
from creditbank.errors import Fault, Kind, Refusal
from creditbank.web.sentences import Language, advice, joined, negotiate, sentence

MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[Mapping[Kind, int]] = {
    Kind.INVALID: 422,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION: 412,
    Kind.GONE: 410,
    Kind.TOO_MANY: 429,
}

# What the edge itself says, by status, where no noun has a word.
_EDGE_CODES: Final[Mapping[int, str]] = {
    400: "malformed_body",
    401: "unauthenticated",
    404: "no_such_route",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    428: "precondition_required",
    500: "internal_error",
    503: "too_busy",
}

_FRAMES_MAX: Final = 20

_log = structlog.get_logger()


class FaultOut(BaseModel):
    """One thing wrong at one place of what was sent."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the body; `?name` for a query parameter")
    code: str
    message: str
    row: int | None = Field(default=None, description="line of the text from 1, where it has lines")


class Problem(BaseModel):
    """RFC 9457: what was refused, why, and where."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:creditbank:problem:unknown_learner",
                "title": "Nobody is known under what the achievement names as its learner.",
                "status": 422,
                "detail": "Nobody is known under what the achievement names as its learner. Open an account first.",
                "instance": "urn:request:8d3f2b",
                "code": "unknown_learner",
                "errors": [
                    {"pointer": "/learner", "code": "unknown_learner", "message": "Nobody is known under this."}
                ],
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FaultOut] = []


class EdgeRefusal(Exception):
    """A refusal of the edge itself: a status of ``_EDGE_CODES``, with faults and headers where they help.

    ``terms`` fill the advice, `<code>_advice`, which is given only with them.
    """

    def __init__(
        self,
        status: int,
        faults: Sequence[Fault] = (),
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        terms: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code or _EDGE_CODES[status])
        self.status = status
        self.code = code or _EDGE_CODES[status]
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.terms = dict(terms or {})


def language_of(request: Request) -> Language:
    """The language that this caller reads."""
    return negotiate(request.headers.get("accept-language"))


def status_of(refusal: Refusal | EdgeRefusal) -> int:
    """The status with which a refusal is answered."""
    return _STATUS[refusal.kind] if isinstance(refusal, Refusal) else refusal.status


def problem_of(refusal: Refusal | EdgeRefusal, language: Language, instance: str) -> dict[str, Any]:
    """The problem as JSON: the sentence of the code, what to do about it in ``detail``, and each fault at its place."""
    if isinstance(refusal, Refusal):
        terms, pointer = refusal.terms(), refusal.pointer
        text, more = sentence(refusal.says, language, terms), advice(refusal.code, language, terms)
    else:
        pointer, text = "", sentence(refusal.code, language)
        more = advice(refusal.code, language, refusal.terms) if refusal.terms else ""
    faults = [_shown(fault, language) for fault in refusal.faults]
    if refusal.code == _EDGE_CODES[400] and faults:
        more = faults[0]["message"]
    if not faults and pointer:
        faults = [{"pointer": pointer, "code": refusal.code, "message": text}]
    return {
        "type": f"urn:creditbank:problem:{refusal.code}",
        "title": text,
        "status": status_of(refusal),
        "detail": joined(language, text, more),
        "instance": instance,
        "code": refusal.code,
        "errors": faults,
    }


def sentence_of(fault: Fault, language: Language) -> str:
    """What is wrong at one place, as people read it."""
    return fault.message or sentence(fault.says or fault.code, language, fault.terms)


def _shown(fault: Fault, language: Language) -> dict[str, Any]:
    shown = {
        "pointer": fault.pointer,
        "code": fault.code,
        "message": sentence_of(fault, language),
    }
    return shown if fault.row is None else {**shown, "row": fault.row}


def instance_of(request: Request) -> str:
    """The request's own name, which support finds in the log."""
    return f"urn:request:{request.scope.get('request_id', 'unknown')}"


def respond(request: Request, refusal: Refusal | EdgeRefusal) -> Response:
    """The answer to a refused request."""
    language = language_of(request)
    problem = problem_of(refusal, language, instance_of(request))
    headers = {"Content-Language": language, **headers_of(refusal)}
    return Response(orjson.dumps(problem), problem["status"], headers, MEDIA_TYPE)


def headers_of(refusal: Refusal | EdgeRefusal) -> Mapping[str, str]:
    """What the headers of the answer say of a refusal, whatever form its body has."""
    if isinstance(refusal, EdgeRefusal):
        return refusal.headers
    return {} if refusal.wait_seconds is None else {"Retry-After": str(refusal.wait_seconds)}


def install(app: FastAPI) -> None:
    """Make every error of this application a problem."""

    @app.exception_handler(Refusal)
    async def _refused(request: Request, refusal: Refusal) -> Response:
        return respond(request, refusal)

    @app.exception_handler(EdgeRefusal)
    async def _refused_at_edge(request: Request, refusal: EdgeRefusal) -> Response:
        return respond(request, refusal)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, invalid: RequestValidationError) -> Response:
        faults = [_fault_of_parameter(error) for error in invalid.errors()]
        return respond(request, EdgeRefusal(422, faults))

    @app.exception_handler(HTTPException)
    async def _plain(request: Request, error: HTTPException) -> Response:
        status = error.status_code if error.status_code in _EDGE_CODES else 500
        allowed = (error.headers or {}).get("allow") or (error.headers or {}).get("Allow")
        terms = {"methods": allowed} if allowed and status == 405 else None
        return respond(request, EdgeRefusal(status, headers=error.headers, terms=terms))


def respond_to_unexpected(request: Request, error: Exception) -> Response:
    """The answer to what nobody foresaw: 503 when somebody else was in the way for too long, else 500."""
    if was_locked_out(error):
        return respond(request, EdgeRefusal(503, headers={"Retry-After": "1"}))
    # Where it happened and not what it said: the words of an error may quote what is about a person.
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-_FRAMES_MAX:]]
    _log.error("unexpected", error=type(error).__name__, where=where)
    return respond(request, EdgeRefusal(500))


def _fault_of_parameter(error: Mapping[str, Any]) -> Fault:
    where, *path = error["loc"]
    name = "/".join(str(part) for part in path)
    prefix = {"query": "?", "header": "header:", "path": "path:"}.get(str(where), "/")
    return Fault(f"{prefix}{name}", "invalid_parameter", "")


def documented(*statuses: int, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: these statuses are problems, beside those that every route can answer.

    A public route asks nobody who they are. What may not be there may also have been erased.
    """
    always = {400, 413, 422, 429, 500, 503} | (set() if public else {401, 403}) | ({410} if 404 in statuses else set())
    return {
        status: {
            "description": sentence(_EDGE_CODES.get(status, _OTHER.get(status, "refused")), "en"),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*always, *statuses})
    }


_OTHER: Final[Mapping[int, str]] = {
    403: "refused_forbidden",
    404: "refused_not_found",
    409: "refused_conflict",
    410: "refused_gone",
    412: "refused_precondition",
    429: "refused_too_many",
}
