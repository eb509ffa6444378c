"""Gathered reads: questions of one kind that are asked at the same time share one statement.

A lone question is asked at once: there is no timer. Every statement begins after the questions it answers, so nobody is
told less than was committed before asking.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.engine import Database

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

_QUESTIONS_MAX: Final = 64
"""So many share a statement at most, for each waits for all."""


class GatheredRead(Generic[Question, Answer]):
    """Asks one kind of question. ``find`` answers many by as many statements as for one; it answers every question."""

    def __init__(
        self,
        database: Database,
        find: Callable[[AsyncConnection, Sequence[Question]], Awaitable[Mapping[Question, Answer]]],
    ) -> None:
        self._database = database
        self._find = find
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """The answer, as of some moment after the asking. Raises what the database raises."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answered))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        return await answered

    async def _ask_all(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _QUESTIONS_MAX))]
            try:
                async with self._database.read() as connection:
                    answers = await self._find(connection, list(dict.fromkeys(question for question, _ in group)))
            except Exception as error:
                for _, answered in group:
                    # Whoever asked may have gone away.
                    if not answered.done():
                        answered.set_exception(error)
                continue
            for question, answered in group:
                if not answered.done():
                    answered.set_result(answers[question])
