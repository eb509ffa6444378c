"""Receivers of events: real servers on this machine, each with a bad habit of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

NETWORKS = "127.0.0.0/24"
"""Where receivers lie in these tests, and where nothing else is allowed."""


@dataclass
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event in it."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """A server that answers each request as it is told to: a status line with headers, or a habit."""

    host: str = "127.0.0.1"
    port: int = 0
    answer: Callable[[Received], bytes | None] = lambda _: b"HTTP/1.1 204 No Content\r\n\r\n"
    # Byte by byte, with this long between two of them.
    pause: float = 0.0
    got: list[Received] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://{self.host}:{self.port}/hooks"

    async def has(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(30), self.came:
            await self.came.wait_for(lambda: len(self.got) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(head[0].split(" ")[1], headers, body)
            self.got.append(received)
            async with self.came:
                self.came.notify_all()
            answer = self.answer(received)
            if answer is None:
                await self.release.wait()
                return
            if not self.pause:
                writer.write(answer)
                await writer.drain()
            for byte in answer if self.pause else b"":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(self.pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def status(line: str, *headers: str) -> Callable[[Received], bytes | None]:
    """Always this answer."""
    head = "".join(f"{one}\r\n" for one in headers)
    return lambda _: f"HTTP/1.1 {line}\r\n{head}content-length: 0\r\n\r\n".encode()


def hang(_: Received) -> None:
    """No answer at all."""


@asynccontextmanager
async def receiving(receiver: Receiver, context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Let a receiver receive."""
    server = await asyncio.start_server(receiver.serve, receiver.host, receiver.port, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.scheme = "https" if context is not None else "http"
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.close()
        await server.wait_closed()
