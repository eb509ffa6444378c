"""The courier's loop: take what is due, send all of it side by side, note how it went.

No transaction is open while anything is sent. Each webhook has a few lanes of its own, and one only while nothing
reaches it: a receiver that is slow, hangs or is gone delays nobody but itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.sealing import Vault
from creditbank.web.metrics import Metrics
from creditbank.webhooks.actions import note, take
from creditbank.webhooks.domain import Outcome, Parcel
from creditbank.webhooks.queries import due
from creditbank.webhooks.sending import Sender

LANES: Final = 8
IN_FLIGHT_MAX: Final = 512
"""What one process sends at once, to all webhooks together."""

_IDLE_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 5.0
# Beyond the time that a try may take, so that nobody takes over what is still under way.
_LEASE_MORE: Final = timedelta(seconds=45)

_log = structlog.get_logger()


class Courier:
    """Carries events until it is told to stop. Any number may run; each delivery has one carrier at a time."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        sender: Sender,
        metrics: Metrics,
        *,
        failing_for: timedelta,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._sender = sender
        self._metrics = metrics
        self._failing_for = failing_for
        self._lease = timedelta(seconds=sender.seconds) + _LEASE_MORE
        self._under_way: set[asyncio.Task[None]] = set()
        self._lanes: Counter[UUID] = Counter()
        self._carried: list[tuple[Parcel, Outcome]] = []
        self._stopping = False
        self._awake = asyncio.Event()

    def stop(self) -> None:
        """Take nothing more, and end when what comes back soon is noted."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Carry until stopped. Whatever goes wrong with the database, events wait for it."""
        while not self._stopping:
            await self._round_or_log()
            await self._rest()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_SECONDS)
        for task in self._under_way:
            # Its lease ends, and another carries it, under the same id.
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._round_or_log()

    async def run_until_done(self) -> int:
        """Carry all that is due now and note it, and nothing that is due later; answers how many tries it took."""
        done = 0
        while True:
            await self._round()
            if not self._under_way:
                return done
            done += len(self._under_way)
            await asyncio.wait(self._under_way)

    async def _round_or_log(self) -> None:
        try:
            await self._round()
        except Exception as error:
            _log.error("courier_error", error=type(error).__name__)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._awake.wait(), _IDLE_SECONDS)
        except TimeoutError:
            return

    async def _round(self) -> None:
        """Note what came back, take what is due, and send it."""
        self._awake.clear()
        carried, now = list(self._carried), self._clock()
        room = {} if self._stopping else await self._room()
        if not carried and not room:
            return
        async with self._database.write() as connection:
            disabled: list[UUID] = []
            if carried:
                # What is lost between the two, by whatever death, is sent again under the same id.
                disabled = await note(connection, carried, now, self._failing_for, random.random)
            parcels = await take(connection, self._vault, room, now, self._lease)
        # Only what is committed is let go of.
        del self._carried[: len(carried)]
        for webhook_id in disabled:
            self._metrics.webhooks_disabled.inc()
            _log.warning("webhook_disabled", webhook=str(webhook_id))
        for parcel in parcels:
            self._lanes[parcel.webhook_id] += 1
            task = asyncio.create_task(self._carry(parcel))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _room(self) -> dict[UUID, int]:
        """How many more of each webhook that has something due may be under way."""
        left = IN_FLIGHT_MAX - len(self._under_way)
        found: dict[UUID, int] = {}
        async with self._database.read() as connection:
            waiting = await due(connection, self._clock())
        # Whoever has the fewest under way comes first, should there not be room for all.
        for one in sorted(waiting, key=lambda one: self._lanes[one.webhook_id]):
            lanes = 1 if one.is_failing else LANES
            free = min(lanes - self._lanes[one.webhook_id], left)
            if free > 0:
                found[one.webhook_id] = free
                left -= free
        return found

    async def _carry(self, parcel: Parcel) -> None:
        try:
            outcome = await self._sender.send(parcel)
        except Exception as error:
            # An error of ours: its lease ends, and it is tried again.
            _log.error("delivery_error", delivery=str(parcel.id), error=type(error).__name__, exc_info=error)
        else:
            self._carried.append((parcel, outcome))
            self._metrics.webhook_attempts.labels(outcome.attempt.problem or "delivered").inc()
        finally:
            self._lanes[parcel.webhook_id] -= 1
            self._awake.set()
