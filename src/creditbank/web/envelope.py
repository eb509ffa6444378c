"""What wraps every request: its name, its line in the log, its time in the metrics, the headers that protect it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from creditbank.identifiers import new_id
from creditbank.web.metrics import Metrics
from creditbank.web.problems import respond_to_unexpected

# A caller's own id goes into the logs, and into the audit log for ever. Only what is made to be an id is taken, a UUID
# or a traceparent (W3C Trace Context): no number of a person's has that form.
_GIVEN: Final = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
    re.IGNORECASE,
)
# Asked every few seconds by machines: no line in the log is worth reading.
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})

_CSP: Final = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)

_log = structlog.get_logger("creditbank.access")

Answered = Callable[[Scope, str, int], None]
"""Told of each request that was answered: its scope, its route, the status. It costs no more than a note."""


class Envelope:
    """The outermost middleware, in plain ASGI: it costs microseconds and never touches a body."""

    def __init__(self, app: ASGIApp, metrics: Metrics, answered: Answered) -> None:
        self._app = app
        self._metrics = metrics
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status, started_answer = 500, False

        async def send_wrapped(message: Message) -> None:
            nonlocal status, started_answer
            if message["type"] == "http.response.start":
                status, started_answer = message["status"], True
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *[(name, value) for name, value in _HEADERS if name not in present],
                    *_rates(scope),
                ]
            await send(message)

        self._metrics.active.inc()
        try:
            await self._app(scope, receive, send_wrapped)
        except Exception as error:
            if started_answer:
                raise
            # Answered here and not further out, so that this answer too has the headers and the log the request's id.
            await respond_to_unexpected(Request(scope), error)(scope, receive, send_wrapped)
        finally:
            self._metrics.active.dec()
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(scope["method"], route, str(status)).observe(seconds)
            self._answered(scope, route, status)
            if scope["path"] not in _QUIET:
                _log.info("request", **_line(scope, route, status, seconds))
            structlog.contextvars.unbind_contextvars("request_id")


def _rates(scope: Scope) -> list[tuple[bytes, bytes]]:
    """How often the caller may still come (draft-ietf-httpapi-ratelimit-headers), where it was counted."""
    shown: dict[str, tuple[str, str]] | None = scope.get("rates")
    if shown is None:
        return []
    policies, levels = (", ".join(part).encode() for part in zip(*shown.values(), strict=True))
    return [(b"ratelimit-policy", policies), (b"ratelimit", levels)]


def _line(scope: Scope, route: str, status: int, seconds: float) -> dict[str, Any]:
    # The route and never the path or the query: these may hold what identifies a person.
    client: UUID | None = scope.get("client_id")
    return {
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "client": str(client) if client else None,
    }


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return str(value.decode())
    return str(new_id())
