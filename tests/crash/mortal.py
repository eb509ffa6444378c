"""A worker that dies by kill -9 where it is told to, again and again, and at last lives on until nothing is due.

``python -m tests.crash.mortal SINCE DEATH...``: SINCE is the instant of its clock, DEATH a number of a step and where
it dies: ``3before`` when the third step that it takes is about to begin, ``3done`` when the work of that step is
written and nothing says so yet, ``3after`` when that is written too and nothing is committed. So no time is measured
and no luck is needed. It works in the bank of its environment, ends with 0, and prints how often it was killed.

Each life is a process of its own, forked once everything is loaded, and is told that a minute has passed, so that what
the one before it held is free again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank import logs
from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.jobs import working
from creditbank.jobs.actions import advance
from creditbank.jobs.domain import LEASE, Job, Step
from creditbank.jobs.working import Handler
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings
from creditbank.web.metrics import Metrics
from creditbank.worker import build_worker
from tests.bank import HandClock


class Fate:
    """Counts the steps that a life takes and ends it where it was told to."""

    def __init__(self, death: str | None) -> None:
        self.death = death
        self.steps = 0

    def over(self, handler: Handler) -> Handler:
        """The handler under this fate."""

        async def step(connection: AsyncConnection, job: Job) -> Step:
            self.steps += 1
            self._meet("before")
            done = await handler(connection, job)
            self._meet("done")
            return done

        return step

    async def advance(self, connection: AsyncConnection, job: Job, step: Step, now: datetime) -> None:
        """What the worker writes of a step, under this fate."""
        await advance(connection, job, step, now)
        self._meet("after")

    def _meet(self, where: str) -> None:
        if self.death == f"{self.steps}{where}":
            os.kill(os.getpid(), signal.SIGKILL)


async def live(settings: Settings, clock: Clock, fate: Fate) -> None:
    """Work until nothing is due."""
    database = Database(settings.database_url)
    worker = build_worker(settings, database, Vault(*settings.secrets()), Shelf(settings.zone), clock, Metrics())
    working.advance = fate.advance  # type: ignore[attr-defined]
    handlers: Mapping[str, Handler] = worker._handlers
    worker._handlers = {kind: fate.over(handler) for kind, handler in handlers.items()}
    while await worker.run_once():
        pass
    await database.close()


def main(since: str, deaths: Sequence[str]) -> NoReturn:
    """Live as many lives as there are deaths, and one more."""
    settings, killed = Settings(), 0
    logs.configure(settings.log_level)
    for life, death in enumerate([*deaths, None]):
        clock = HandClock(datetime.fromisoformat(since) + 2 * life * LEASE, timedelta(microseconds=100))
        child = os.fork()
        if not child:
            asyncio.run(live(settings, clock, Fate(death)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if death is None:
            print(killed)  # noqa: T201
            sys.exit(os.waitstatus_to_exitcode(status))
    raise AssertionError


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
