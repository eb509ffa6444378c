"""Test credentials are led to another application of the same code, over another database, before anything else.

The real books never see a request with a test credential: not their routes, nor their database. One process serves all
sandboxes (decision 0034): it holds the lock of their folder.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import hmac
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

from fastapi import FastAPI, Request
from pydantic import SecretStr
from sqlalchemy import Table
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from creditbank.access.credentials import Credentials
from creditbank.access.domain import Actor
from creditbank.access.guards import address_of
from creditbank.access.tokens import is_for_sandbox
from creditbank.clock import Clock
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.identifiers import new_id
from creditbank.sandbox.actions import furnish
from creditbank.sandbox.clock import SandboxClock
from creditbank.sandbox.domain import name_of
from creditbank.sandbox.queries import Rows, clock_of, read_published
from creditbank.sandbox.routes import RESET
from creditbank.settings import Settings
from creditbank.web.problems import EdgeRefusal, respond
from creditbank.web.rates import Rates, origin_of

Build = Callable[[Settings, SandboxClock, Credentials], FastAPI]
"""Makes the application of a sandbox: the composition root's own work."""

_OPEN_MAX: Final = 32
# What is not whole yet ends with this.
_PART: Final = ".part"
_KEY: Final = b"cb_test_"
_HEADER: Final = (b"sandbox", b"true")


@dataclass
class _Open:
    """A sandbox that is served: its application, how to end it, and who is in it."""

    app: FastAPI
    lifespan: AbstractAsyncContextManager[Any]
    visitors: int = 0
    used: float = 0.0
    is_empty: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self) -> None:
        """Somebody comes in."""
        self.visitors += 1
        self.used = time.monotonic()
        self.is_empty.clear()

    def leave(self) -> None:
        """Somebody goes."""
        self.visitors -= 1
        if not self.visitors:
            self.is_empty.set()


class Sandboxes:
    """The sandboxes of a bank, opened when they are asked for."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, credentials: Credentials, rates: Rates, build: Build
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self.credentials = credentials
        self._rates = rates
        # Of all sandboxes, and by the bank's clock: neither beginning anew nor travelling lets anybody come more often.
        self._rates_inside = Rates(settings.model_copy(update={"rate_processes": 1}), clock)
        self._build = build
        self._folder = Path(settings.sandbox_folder)
        self._open: dict[str, _Open] = {}
        # One partner's reset is nothing that another waits for.
        self._doors: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # A new release finds no template, and every partner may ask at once.
        self._template_door = asyncio.Lock()
        self._lock: IO[str] | None = None

    async def admitted(self, scope: Scope) -> Actor | None:
        """The actor behind a test credential; None for every other request."""
        printed = _bearer(scope)
        if printed is None:
            return None
        address = address_of(Request(scope))
        ask = not self._rates.is_spent("failed", origin_of(address))
        return await self.credentials.actor(printed, address, ask=ask)

    async def enter(self, actor: Actor, scope: Scope) -> _Open:
        """The actor's sandbox, made anew first where that is asked for; whoever enters has to leave.

        Raises EdgeRefusal: 503 when another process has them, 429 when it was made anew too often.
        """
        name, anew = name_of(actor), scope["method"] == "POST" and scope["path"] == RESET
        if anew:
            self._rates.admit(Request(scope), "reset", name)
        found, door = self._open.get(name), self._doors[name]
        if found is None or anew or door.locked():
            async with door:
                if anew:
                    await self._begin_anew(name)
                found = self._open.get(name) or await self._start(name)
        found.enter()
        return found

    async def close(self) -> None:
        """End every sandbox, and let another process have them."""
        for name in list(self._open):
            await self._end(name)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- One at a time ------------------------------------------------------------------------------------------------

    async def _begin_anew(self, name: str) -> None:
        self._hold()
        if name in self._open:
            # Nobody comes in while the door is held; those inside go out.
            if self._open[name].visitors:
                await self._open[name].is_empty.wait()
            await self._end(name)
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)

    async def _start(self, name: str) -> _Open:
        self._hold()
        if len(self._open) >= _OPEN_MAX:
            await self._make_room()
        settings = self._settings_of(name)
        clock = SandboxClock(self._clock, await self._prepare(name))
        app = self._build(settings, clock, self.credentials)
        app.state.rates = self._rates_inside
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        self._open[name] = _Open(app, lifespan)
        return self._open[name]

    async def _make_room(self) -> None:
        """End the sandbox that nobody has been in for longest. Raises EdgeRefusal when there is somebody in all."""
        idle = sorted(
            (box.used, name) for name, box in self._open.items() if not box.visitors and not self._doors[name].locked()
        )
        if not idle:
            raise EdgeRefusal(503, headers={"Retry-After": "1"})
        async with self._doors[idle[0][1]]:
            await self._end(idle[0][1])

    async def _end(self, name: str) -> None:
        ended = self._open.pop(name)
        await ended.lifespan.__aexit__(None, None, None)

    def _hold(self) -> None:
        """Hold the folder. SQLite has one server process, and so have all sandboxes together. Raises EdgeRefusal."""
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = (self._folder / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            held.close()
            raise EdgeRefusal(503, code="sandbox_elsewhere", headers={"Retry-After": "30"}) from taken
        self._lock = held
        for left in self._folder.glob(f"*{_PART}*"):
            # Whoever held the folder before was ended in the middle of it.
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _settings_of(self, name: str) -> Settings:
        """The bank's settings with nothing of its own in them: another database, other secrets, no signing key."""
        sealing, lookup = (
            SecretStr(base64.b64encode(hmac.digest(secret, b"sandbox", hashlib.sha256)).decode())
            for secret in self._settings.secrets()
        )
        return self._settings.model_copy(
            update={
                "database_url": self._address(name),
                "database_pooler": "none",
                "evidence_folder": self._folder / name / "evidence",
                "erasure_roll": self._folder / name / "erasures.jsonl",
                "sealing_secret": sealing,
                "lookup_secret": lookup,
                "checkpoint_key": SecretStr(""),
                "checkpoint_former_keys": "",
                "token_keys": SecretStr(""),
                "rate_processes": 1,
                "sandbox_folder": "",
                "worker": True,
            }
        )

    def _address(self, name: str) -> str:
        return f"sqlite+aiosqlite:///{(self._folder / name / 'creditbank.sqlite').absolute()}"

    def _is_made(self, name: str) -> bool:
        return (self._folder / name).exists()

    async def _prepare(self, name: str) -> timedelta:
        """Make the sandbox's database if it is not there; answers how far its clock is ahead."""
        if not self._is_made(name):
            await self._make(name)
        address = self._address(name)
        database = Database(address)
        try:
            async with database.read() as connection:
                is_behind = await schema.current(connection) != schema.head()
            if is_behind:
                await asyncio.to_thread(schema.upgrade, address)
            async with database.read() as connection:
                found = await clock_of(connection)
        finally:
            await database.close()
        if found is None:
            raise ValueError("the database of a sandbox is not marked as one")
        return found[0]

    async def _make(self, name: str) -> None:
        async with self._template_door:
            template = await asyncio.to_thread(self._template)
        part = f"{name}-{new_id()}{_PART}"
        await asyncio.to_thread(self._copy, template, self._folder / part)
        async with self._database.snapshot() as connection:
            published = await read_published(connection)
        await self._furnish(self._address(part), published)
        # Only a whole sandbox is ever found under its name.
        (self._folder / part).replace(self._folder / name)

    async def _furnish(self, address: str, published: Mapping[Table, Rows]) -> None:
        database = Database(address)
        try:
            async with database.write() as connection:
                await furnish(connection, published, self._clock())
        finally:
            await database.close()

    def _template(self) -> Path:
        """The empty migrated database that every sandbox begins as; it is found whole or not at all."""
        template = self._folder / f"template-{schema.head()}.sqlite"
        if not template.exists():
            part = self._folder / f"template-{new_id()}{_PART}"
            schema.upgrade(f"sqlite+aiosqlite:///{part.absolute()}")
            part.replace(template)
        return template

    @staticmethod
    def _copy(template: Path, to: Path) -> None:
        to.mkdir(mode=0o700)
        shutil.copyfile(template, to / "creditbank.sqlite")


class SandboxDoor:
    """The outermost middleware of a bank: requests with a test credential go another way."""

    def __init__(self, app: ASGIApp, sandboxes: Sandboxes, envelop: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._sandboxes = sandboxes
        self._envelop = envelop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead one request where it belongs."""
        actor = await self._sandboxes.admitted(scope) if scope["type"] == "http" else None
        if actor is None:
            await self._app(scope, receive, send)
            return
        try:
            found = await self._sandboxes.enter(actor, scope)
        except Exception as error:
            # No application answers for a sandbox that could not be opened; it is told as the bank tells of anything.
            await self._envelop(_failing(error))(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _HEADER]
            await send(message)

        try:
            await found.app(scope, receive, send_marked)
        finally:
            found.leave()


def _failing(error: Exception) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(error, EdgeRefusal):
            raise error
        await respond(Request(scope), error)(scope, receive, send)

    return app


def _bearer(scope: Scope) -> str | None:
    """The credential of a request, if it can be one of the sandbox."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, printed = value.partition(b" ")
            printed = printed.strip()
            if kind.lower() == b"bearer" and (printed.startswith(_KEY) or is_for_sandbox(printed)):
                return str(printed.decode("latin-1"))
            return None
    return None
