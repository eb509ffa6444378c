"""Taking an application in turns: the solver works between transactions, never inside one (decision 28)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar
from uuid import UUID

from creditbank.conversions.actions import Counter, Incomplete, Unsettled, settle_today
from creditbank.conversions.domain import check_complete
from creditbank.database.engine import Database
from creditbank.learners import queries as learners
from creditbank.programmes.turns import Answers, in_turns

_T = TypeVar("_T")


async def take_application(
    database: Database, counter: Counter, learner_id: UUID, today: date, apply: Callable[[Answers], Awaitable[_T]]
) -> _T:
    """Apply, by ``apply_for`` in a transaction of its own each time, and let the solver work between them only.

    Raises what ``apply`` and ``check_complete`` raise.
    """

    async def turn(answers: Answers) -> _T:
        try:
            return await apply(answers)
        except Unsettled:
            async with database.write() as connection:
                for learner in (await learners.lock(connection, counter.vault, [learner_id])).values():
                    await settle_today(connection, counter, learner, today)
            return await apply(answers)

    try:
        return await in_turns(turn)
    except Incomplete as short:
        await asyncio.to_thread(check_complete, short.audit)
        raise
