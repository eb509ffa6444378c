"""Group commit: while one transaction is committing, the achievements that come in meanwhile gather for the next.

A lone request commits at once: there is no timer. What was answered was committed; what fails as a group is tried
again one by one, so that no achievement fails for its neighbour's sake.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

import structlog

from creditbank.errors import Refusal
from creditbank.intake.actions import Desk, Outcome, submit
from creditbank.intake.domain import Submission
from creditbank.web.edge import Edge
from creditbank.web.idempotency import Answer, Attempt, claim, keep
from creditbank.web.metrics import Metrics
from creditbank.web.problems import EdgeRefusal

_log = structlog.get_logger()

Show = Callable[[Outcome], Answer | Refusal]
"""Makes the answer of an outcome, in its caller's language. What is refused is not remembered under a key."""


@dataclass(slots=True)
class _Waiting:
    submission: Submission
    attempt: Attempt | None
    show: Show
    done: asyncio.Future[tuple[Answer | Refusal, bool]]


class Gathering:
    """One flusher of a process: gathers single achievements and commits them together."""

    def __init__(self, edge: Edge, desk: Desk, metrics: Metrics) -> None:
        self._edge = edge
        self._desk = desk
        self._metrics = metrics
        self._queue: deque[_Waiting] = deque()
        self._flusher: asyncio.Task[None] | None = None

    async def submit(
        self, submission: Submission, attempt: Attempt | None, show: Show
    ) -> tuple[Answer | Refusal, bool]:
        """The answer once it is durable, and whether it is a replay. Raises 503 when too many are waiting."""
        if len(self._queue) >= self._edge.settings.gather_waiting_max:
            raise EdgeRefusal(503, headers={"Retry-After": "1"})
        waiting = _Waiting(submission, attempt, show, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._flusher is None or self._flusher.done():
            # In no request's context: what a group does is not done by whoever came first.
            self._flusher = asyncio.create_task(self._flush(), context=Context())
        return await waiting.done

    async def close(self) -> None:
        """Wait until everything that was taken is committed."""
        if self._flusher is not None:
            await self._flusher

    async def _flush(self) -> None:
        while self._queue:
            group: list[_Waiting] = []
            keys: set[bytes] = set()
            while self._queue and len(group) < self._edge.settings.gather_items_max:
                # Two requests with one key never share a group: the second is to find the first one's answer.
                attempt = self._queue[0].attempt
                if attempt is not None and attempt.key in keys:
                    break
                if attempt is not None:
                    keys.add(attempt.key)
                group.append(self._queue.popleft())
            self._metrics.groups.observe(len(group))
            await self._commit(group)

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            answers = await self._transact(group)
        except Exception as error:
            if len(group) > 1:
                _log.warning("group_retried", size=len(group), error=type(error).__name__)
                for waiting in group:
                    await self._commit([waiting])
                return
            await self._commit_alone(group[0], error)
            return
        for waiting, answer in zip(group, answers, strict=True):
            # The caller may have gone away; what it asked for is done all the same.
            if not waiting.done.done():
                waiting.done.set_result(answer)

    async def _commit_alone(self, waiting: _Waiting, error: Exception) -> None:
        # Once more: what was in the way (a key taken meanwhile, a lock, a lost connection) may have passed.
        try:
            answers = await self._transact([waiting])
        except Exception as last:
            _log.warning("submission_failed", error=type(error).__name__, then=type(last).__name__)
            if not waiting.done.done():
                waiting.done.set_exception(last)
            return
        if not waiting.done.done():
            waiting.done.set_result(answers[0])

    async def _transact(self, group: list[_Waiting]) -> list[tuple[Answer | Refusal, bool]]:
        edge = self._edge
        async with edge.database.write() as connection:
            known = await claim(connection, edge, [w.attempt for w in group if w.attempt is not None])
            fresh = [w for w in group if w.attempt is None or w.attempt.key not in known]
            outcomes = await submit(connection, self._desk, [w.submission for w in fresh], edge.today())
            shown = {id(w): w.show(outcome) for w, outcome in zip(fresh, outcomes, strict=True)}
            await keep(connection, edge, [(w.attempt, shown[id(w)]) for w in fresh if w.attempt is not None])
        return [
            (shown[id(w)], False) if id(w) in shown else (known[w.attempt.key], True)  # type: ignore[union-attr]
            for w in group
        ]
