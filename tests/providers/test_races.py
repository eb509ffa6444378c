"""A table is entered while others enter and change the same: no revision ever stands for two contents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.providers.actions import NewProvider, ProviderChange, change, enter, lock, put_entries
from creditbank.providers.queries import by_code
from creditbank.providers.sheet import Entry
from creditbank.regions.actions import Kept, put_populations, put_regions
from creditbank.regions.domain import Population, Region
from tests.bank import Bank, opened
from tests.intake.test_locks import until_waiting

ENTRY = Entry(2, "cn", "重庆", "Chongqing", "college", None, "active")
NEW = NewProvider("cn", "别名", "Other", "college", None)
REGION = Region("50", "重庆市", "Chongqing")
FIGURE = Population("50", 2020, 0, 200, "census", 32_054_159)

Work = Callable[[AsyncConnection], Awaitable[Kept]]


async def while_open(bank: Bank, first: Callable[[AsyncConnection], Awaitable[object]], work: Work) -> Kept:
    """Do the work while what was done first is not committed yet, and waits to be."""

    async def run() -> Kept:
        async with bank.database.write() as connection:
            return await work(connection)

    async with bank.database.write() as connection:
        await first(connection)
        coming = asyncio.create_task(run())
        await until_waiting(bank, 1)
    return await coming


async def test_an_import_goes_on_from_what_was_changed_meanwhile(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bank:
        async with bank.database.write() as connection:
            made = await enter(connection, NEW, bank.clock())

        async def rename(connection: AsyncConnection) -> None:
            held = await lock(connection, made.id)
            assert (await change(connection, held, ProviderChange(name_en="Renamed"))).revision == 2

        kept = await while_open(bank, rename, lambda c: put_entries(c, [ENTRY], bank.clock()))
        async with bank.database.read() as connection:
            found = (await by_code(connection, ["cn"]))["cn"]

        assert kept == Kept(0, 1, 0)
        assert (found.name_en, found.revision) == ("Chongqing", 3)


async def test_an_import_changes_what_was_entered_meanwhile(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bank:
        kept = await while_open(
            bank, lambda c: enter(c, NEW, bank.clock()), lambda c: put_entries(c, [ENTRY], bank.clock())
        )
        async with bank.database.read() as connection:
            found = (await by_code(connection, ["cn"]))["cn"]

        assert kept == Kept(0, 1, 0)
        assert (found.name_en, found.revision) == ("Chongqing", 2)


@pytest.mark.parametrize("is_new", [True, False], ids=["entered", "changed"])
async def test_divisions_and_figures_count_what_became_of_them(postgresql_url: str, is_new: bool) -> None:
    async with opened(postgresql_url) as bank:
        now = bank.clock()
        other, fewer = replace(REGION, name_en="Other"), replace(FIGURE, people=1)
        if not is_new:
            async with bank.database.write() as connection:
                await put_regions(connection, [replace(REGION, name_en="First")], now)
        first = await while_open(bank, lambda c: put_regions(c, [other], now), lambda c: put_regions(c, [other], now))
        assert first == Kept(0, 0, 1)
        if not is_new:
            async with bank.database.write() as connection:
                await put_populations(connection, [replace(FIGURE, people=2)], now)
        second = await while_open(
            bank, lambda c: put_populations(c, [fewer], now), lambda c: put_populations(c, [fewer], now)
        )
        assert second == Kept(0, 0, 1)
