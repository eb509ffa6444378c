"""Institutions from files, by an operator of the bank at the command line.

Everything is checked before anything is entered. It is entered some rows a transaction, those above first: a run that
was stopped is run again, and changes what is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.errors import Fault
from creditbank.providers.actions import check_table, put_entries
from creditbank.providers.divisions import Divisions, DivisionsMalformed, read_divisions
from creditbank.providers.domain import is_code
from creditbank.providers.sheet import Entry, in_order, read_table
from creditbank.regions.actions import Kept, put_regions
from creditbank.settings import Settings
from creditbank.web.sentences import sentence
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

    def __init__(self, database: Database, err: Console) -> None:
        self._database = database
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
                        await record(connection, None, "provider.import", what, counts, system_clock())
                total += kept
                bar.advance(task, len(some))
        return total


def typer_of(migrated: Callable[[], Settings], out: Console, err: Console) -> typer.Typer:
    """The commands about institutions; ``migrated`` gives the settings of a bank that is at the newest schema."""
    commands = typer.Typer(no_args_is_help=True, help="Institutions of the network.")

    @commands.callback()
    def _of_the_network() -> None:
        """A group stays a group though it has one command."""

    @commands.command("import")
    def providers_import(
        files: Annotated[
            list[Path] | None, typer.Argument(help="CSV tables of institutions", exists=True, dir_okay=False)
        ] = None,
        divisions: Annotated[
            Path | None, typer.Option(exists=True, file_okay=False, help="a folder of official divisions, as a network")
        ] = None,
        top: Annotated[str, typer.Option(help="code of the city's own centre, with --divisions")] = "cq",
        name: Annotated[str, typer.Option(help="what the city is called, with --divisions")] = "重庆市",
        dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False,
    ) -> None:
        """Enter institutions from CSV tables or from official divisions; again changes nothing. Exit 1 on a fault."""
        if (divisions is None) == (not files) or not is_code(top):
            err.print("name either CSV files or --divisions FOLDER, and a --top such as cq", style="red")
            raise typer.Exit(2)
        try:
            found = read_divisions(divisions, top, name) if divisions is not None else None
            tables = _tables(files or []) if found is None else {str(divisions): found.entries}
            asyncio.run(_import(migrated(), tables, found, dry_run, out, err))
        except DivisionsMalformed as wrong:
            err.print(str(wrong), style="red", highlight=False, markup=False)
            raise typer.Exit(1) from None
        except Faulty as faulty:
            _tell(faulty, err)
            raise typer.Exit(1) from None

    return commands


def _tables(files: Sequence[Path]) -> dict[str, list[Entry]]:
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


async def _import(
    settings: Settings, tables: Mapping[str, Sequence[Entry]], divisions: Divisions | None, dry_run: bool, out: Console,
    err: Console,
) -> None:  # fmt: skip
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)
    importing = Importing(database, err)
    try:
        planned = await importing.check(tables)
        if dry_run:
            _say(out, "would be institutions", planned)
            return
        if divisions is not None:
            _say(out, "divisions", await importing.divisions(divisions))
        entries = in_order([entry for of_file in tables.values() for entry in of_file])
        _say(out, "institutions", await importing.institutions(entries))
    finally:
        await database.close()


def _say(out: Console, what: str, kept: Kept) -> None:
    counts = f"{kept.entered} entered, {kept.changed} changed, {kept.unchanged} unchanged"
    out.print(f"{what}: {counts}", highlight=False)


def _tell(faulty: Faulty, err: Console) -> None:
    faults, count = faulty.refused.faults, faulty.refused.count
    for fault in faults:
        place = f"{faulty.table}: row {fault.row}, {fault.pointer.removeprefix('/')}"
        said = f"{sentence(fault.code, 'en')} / {sentence(fault.code, 'zh-Hans')}"
        err.print(f"{place}: {fault.code}: {said}", style="red", highlight=False, markup=False, soft_wrap=True)
    if count > len(faults):
        err.print(f"and {count - len(faults)} more", style="red", highlight=False)
