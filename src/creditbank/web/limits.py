"""No body larger than the bank takes: refused by its declared length, or as soon as it has come that far."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from creditbank.web.problems import EdgeRefusal, respond


def too_large(bytes_max: int) -> EdgeRefusal:
    """The refusal of a body that is larger than so many bytes."""
    return EdgeRefusal(413, terms={"most": f"{bytes_max:,}"})


class BodyLimit:
    """A middleware of our own, since the framework's answers in plain text and every refusal here is a problem."""

    def __init__(self, app: ASGIApp, bytes_max: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._bytes_max = bytes_max
        # By path what may be larger than everything else.
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._larger.get(scope["path"], self._bytes_max)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > bytes_max:
            await respond(Request(scope), too_large(bytes_max))(scope, receive, send)
            return
        size = 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > bytes_max:
                # Raised where the application reads, so that its own handler answers.
                raise too_large(bytes_max)
            return message

        await self._app(scope, receive_counted, send)
