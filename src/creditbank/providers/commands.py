"""Institutions from files, by an operator of the bank at the command line.

Everything is checked before anything is entered. It is entered some rows a transaction, those above first: a run that
was stopped is run again, and changes what is not there yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import By
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.errors import Fault
from creditbank.providers.actions import check_table, put_entries
from creditbank.providers.divisions import Divisions
from creditbank.providers.sheet import Entry, read_table
from creditbank.regions.actions import Kept, put_regions
from creditbank.web.sheets import TableRefused, refuse

Item = TypeVar("Item")

ROWS_A_STEP: Final = 1000


class Faulty(Exception):
    """A table that cannot be entered, by the name of its file."""

    def __init__(self, table: str, refused: TableRefused) -> None:
        super().__init__(table)
        self.table = table
        self.refused = refused


class Importing:
    """One import: the parts of it are counted together, and told on a bar where there is a terminal."""

    def __init__(self, database: Database, err: Console, by: By) -> None:
        self._database = database
        self._by = by
        self._err = err

    async def check(self, tables: Mapping[str, Sequence[Entry]]) -> Kept:
        """What entering the tables would do, with nothing entered. Raises Faulty."""
        given = {entry.code for entries in tables.values() for entry in entries}
        total = Kept(0, 0, 0)
        async with self._database.snapshot() as connection:
            for name, entries in tables.items():
                try:
                    total += await check_table(connection, entries, None, given)
                except TableRefused as refused:
                    raise Faulty(name, refused) from None
        return total

    async def divisions(self, divisions: Divisions) -> Kept:
        """Enter divisions, those above first."""
        ordered = sorted(divisions.regions, key=lambda region: (len(region.code), region.code))
        return await self._in_steps("divisions", ordered, lambda c, some: put_regions(c, some, system_clock()))

    async def institutions(self, entries: Sequence[Entry]) -> Kept:
        """Enter institutions; the table was checked."""
        return await self._in_steps("institutions", entries, lambda c, some: put_entries(c, some, system_clock()))

    async def _in_steps(
        self, what: str, items: Sequence[Item], put: Callable[[AsyncConnection, Sequence[Item]], Awaitable[Kept]]
    ) -> Kept:
        total = Kept(0, 0, 0)
        bar = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
        )
        with bar:
            task = bar.add_task(what, total=len(items))
            for start in range(0, len(items), ROWS_A_STEP):
                some = items[start : start + ROWS_A_STEP]
                async with self._database.write() as connection:
                    kept = await put(connection, some)
                    counts = {"what": what, "entered": kept.entered, "changed": kept.changed}
                    if kept.entered or kept.changed:
                        await record(connection, self._by, "provider.import", what, counts, system_clock())
                total += kept
                bar.advance(task, len(some))
        return total


def read_tables(files: Sequence[Path]) -> dict[str, list[Entry]]:
    """The entries by file. Raises Faulty; what an earlier file says already is a fault of the later."""
    tables: dict[str, list[Entry]] = {}
    seen: set[str] = set()
    for file in files:
        try:
            entries = read_table(file.read_bytes())
            refuse([Fault("/code", "given_twice", "", entry.row) for entry in entries if entry.code in seen])
        except TableRefused as refused:
            raise Faulty(str(file), refused) from None
        seen.update(entry.code for entry in entries)
        tables[str(file)] = entries
    return tables
