"""A courier that dies by kill -9 where it is told to, again and again, and at last lives on until nothing is due.

``python -m tests.crash.carried SINCE DEATH...``: SINCE is the instant of its clock, DEATH a number and where it dies:
``3before`` when the third event is about to be sent, ``3sent`` when its receiver has answered and nothing says so yet,
``1noted`` when that is written and nothing is committed. So no time is measured and no luck is needed. It carries in
the bank of its environment, ends with 0, and prints how often it was killed.

Each life is a process of its own, forked once everything is loaded, and is told that enough time has passed for what
the one before it held to be free again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from creditbank import logs
from creditbank.database.engine import Database
from creditbank.sealing import Vault
from creditbank.settings import Settings
from creditbank.web.metrics import Metrics
from creditbank.webhooks import courier as couriers
from creditbank.webhooks.actions import note
from creditbank.webhooks.domain import Outcome, Parcel
from creditbank.webhooks.sending import Sender
from creditbank.worker import build_courier
from tests.bank import HandClock

A_LEASE = timedelta(minutes=5)


class Fate:
    """Counts what a life does and ends it where it was told to."""

    def __init__(self, death: str | None, sender: Sender) -> None:
        self.death = death
        self.sender = sender
        self.seconds = sender.seconds
        self.counts: Counter[str] = Counter()

    async def send(self, parcel: Parcel) -> Outcome:
        """What the sender does, under this fate."""
        self._meet("before")
        outcome = await self.sender.send(parcel)
        self._meet("sent")
        return outcome

    async def note(self, *given: Any) -> list[UUID]:
        """What is noted, under this fate."""
        disabled = await note(*given)
        self._meet("noted")
        return disabled

    def _meet(self, where: str) -> None:
        self.counts[where] += 1
        if self.death == f"{self.counts[where]}{where}":
            os.kill(os.getpid(), signal.SIGKILL)


async def live(settings: Settings, clock: HandClock, death: str | None) -> None:
    """Carry until nothing is due."""
    database = Database(settings.database_url)
    courier = build_courier(settings, database, Vault(*settings.secrets()), clock, Metrics())
    fate = Fate(death, courier._sender)
    courier._sender = fate  # type: ignore[assignment]
    couriers.note = fate.note  # type: ignore[attr-defined, assignment]
    await courier.run_until_done()
    await database.close()


def main(since: str, deaths: Sequence[str]) -> NoReturn:
    """Live as many lives as there are deaths, and one more."""
    settings, killed = Settings(), 0
    logs.configure(settings.log_level)
    for life, death in enumerate([*deaths, None]):
        clock = HandClock(datetime.fromisoformat(since) + life * A_LEASE, timedelta(microseconds=100))
        child = os.fork()
        if not child:
            asyncio.run(live(settings, clock, death))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if death is None:
            print(killed)  # noqa: T201
            sys.exit(os.waitstatus_to_exitcode(status))
    raise AssertionError


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
