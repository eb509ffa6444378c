"""Gathered reads: who asks at the same time shares a statement, and nobody answers for a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.engine import Database
from creditbank.database.gathered import GatheredRead


class Register:
    """Answers a number with its square, through the database, and notes what it was asked at once."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.begun = asyncio.Event()
        self.held: asyncio.Event | None = None

    async def find(self, connection: AsyncConnection, numbers: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(list(numbers))
        self.begun.set()
        if self.held is not None:
            await self.held.wait()
        if 13 in numbers:
            raise LookupError("nobody answers 13")
        row = (await connection.execute(select(*[literal(n * n).label(f"n{n}") for n in numbers]))).one()
        return dict(zip(numbers, row, strict=True))


async def test_who_asks_at_the_same_time_shares_a_statement(database_url: str) -> None:
    database, register = Database(database_url), Register()
    read = GatheredRead(database, register.find)
    assert await asyncio.gather(*[read.ask(n) for n in (1, 2, 3, 2)]) == [1, 4, 9, 4]
    assert register.asked == [[1, 2, 3]]
    assert await read.ask(4) == 16
    assert register.asked[1:] == [[4]]
    await database.close()


async def test_what_is_asked_during_a_statement_is_answered_by_the_next(sqlite_url: str) -> None:
    database, register = Database(sqlite_url), Register()
    read = GatheredRead(database, register.find)
    register.held = asyncio.Event()
    first = asyncio.create_task(read.ask(1))
    await register.begun.wait()
    # The statement under way may have looked already, so that its answer would be too old for these.
    later = [asyncio.create_task(read.ask(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    register.held.set()
    assert await asyncio.gather(first, *later) == [1, 1, 4]
    assert register.asked == [[1], [1, 2]]
    await database.close()


async def test_a_statement_takes_only_so_many_questions(sqlite_url: str) -> None:
    database, register = Database(sqlite_url), Register()
    read = GatheredRead(database, register.find)
    numbers = range(100, 250)
    assert await asyncio.gather(*[read.ask(n) for n in numbers]) == [n * n for n in numbers]
    assert [len(group) for group in register.asked] == [64, 64, 22]
    await database.close()


async def test_a_failure_is_told_to_all_who_shared_it_and_to_nobody_else(sqlite_url: str) -> None:
    database, register = Database(sqlite_url), Register()
    read = GatheredRead(database, register.find)
    answers = await asyncio.gather(*[read.ask(n) for n in (1, 13)], return_exceptions=True)
    assert [type(answer) for answer in answers] == [LookupError, LookupError]
    assert await read.ask(5) == 25
    await database.close()


async def test_who_goes_away_harms_nobody(sqlite_url: str) -> None:
    database, register = Database(sqlite_url), Register()
    read = GatheredRead(database, register.find)
    gone, kept = asyncio.create_task(read.ask(1)), asyncio.create_task(read.ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await kept == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
    await database.close()
