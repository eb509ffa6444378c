"""The worker's loop: lease a job, run it step by step, each step one transaction under the fence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.jobs.actions import advance, backlog, fail, lease, release
from creditbank.jobs.domain import Job, LeaseLost, Step
from creditbank.web.metrics import Metrics

Handler = Callable[[AsyncConnection, Job], Awaitable[Step]]
"""One step of a kind of job. It must come to the same when a step that was not kept is run again."""

_IDLE_SECONDS = 1.0

_log = structlog.get_logger()


class Worker:
    """Works off the job table until it is told to stop. Any number may run; each job has one holder at a time."""

    def __init__(self, database: Database, clock: Clock, handlers: Mapping[str, Handler], metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers
        self._metrics = metrics
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after the step under way, and give the rest of its job back."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. What goes wrong with one job is written at the job; the loop goes on."""
        while not self._stopping.is_set():
            try:
                busy = await self.run_once()
            except Exception as error:
                # The database may be away for a while; work waits for it.
                _log.error("worker_error", error=type(error).__name__)
                busy = False
            if not busy:
                await self._rest()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), _IDLE_SECONDS)
        except TimeoutError:
            return

    async def run_once(self) -> bool:
        """Lease one job and run it to its end. False when nothing is due."""
        async with self._database.read() as connection:
            waiting, lag = await backlog(connection, self._clock())
        self._metrics.jobs_waiting.set(waiting)
        self._metrics.jobs_lag.set(lag)
        async with self._database.write() as connection:
            job = await lease(connection, self._clock())
        if job is None:
            return False
        try:
            await self._run_steps(job)
        except LeaseLost:
            _log.warning("lease_lost", job=str(job.id), kind=job.kind)
        except Exception as error:
            _log.error("job_failed", job=str(job.id), kind=job.kind, error=type(error).__name__, exc_info=error)
            async with self._database.write() as connection:
                await fail(connection, job, type(error).__name__, self._clock())
        return True

    async def _run_steps(self, job: Job) -> None:
        handler = self._handlers[job.kind]
        while not self._stopping.is_set():
            async with self._database.write() as connection:
                step = await handler(connection, job)
                await advance(connection, job, step, self._clock())
            if step.is_done:
                _log.info("job_done", job=str(job.id), kind=job.kind, **step.progress)
                return
            job = Job(job.id, job.kind, job.payload, step.progress, job.token)
            # Requests of the same process come before background work.
            await asyncio.sleep(0)
        # Stopped before the job's end: whoever works next need not wait until the lease is over.
        async with self._database.write() as connection:
            await release(connection, job)
