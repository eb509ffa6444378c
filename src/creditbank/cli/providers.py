"""`creditbank providers`: the institutions of the network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from creditbank.cli.running import err, fail, migrated, opened, out
from creditbank.people.operating import at_command_line
from creditbank.providers.commands import Faulty, Importing, read_tables
from creditbank.providers.divisions import Divisions, DivisionsMalformed, read_divisions
from creditbank.providers.domain import is_code
from creditbank.providers.sheet import Entry, in_order
from creditbank.regions.actions import Kept
from creditbank.settings import Settings
from creditbank.web.problems import sentence_of

commands = typer.Typer(no_args_is_help=True, help="Institutions of the network.")


@commands.callback()
def _of_the_network() -> None:
    """A group stays a group though it has one command."""


@commands.command("import")
def import_(
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
        fail("name either CSV files or --divisions FOLDER, and a --top such as cq")
    try:
        found = read_divisions(divisions, top, name) if divisions is not None else None
        tables = read_tables(files or []) if found is None else {str(divisions): found.entries}
        asyncio.run(_import(migrated(), tables, found, dry_run))
    except DivisionsMalformed as wrong:
        fail(str(wrong), 1)
    except Faulty as faulty:
        _tell(faulty)
        raise typer.Exit(1) from None


async def _import(
    settings: Settings, tables: Mapping[str, Sequence[Entry]], divisions: Divisions | None, dry_run: bool
) -> None:
    async with opened(settings) as database:
        importing = Importing(database, err, at_command_line())
        planned = await importing.check(tables)
        if dry_run:
            _say("would be institutions", planned)
            return
        if divisions is not None:
            _say("divisions", await importing.divisions(divisions))
        entries = in_order([entry for of_file in tables.values() for entry in of_file])
        _say("institutions", await importing.institutions(entries))


def _say(what: str, kept: Kept) -> None:
    counts = f"{kept.entered} entered, {kept.changed} changed, {kept.unchanged} unchanged"
    out.print(f"{what}: {counts}", highlight=False)


def _tell(faulty: Faulty) -> None:
    faults, count = faulty.refused.faults, faulty.refused.count
    for fault in faults:
        place = f"{faulty.table}: row {fault.row}, {fault.pointer.removeprefix('/')}"
        said = f"{sentence_of(fault, 'en')} / {sentence_of(fault, 'zh-Hans')}"
        err.print(f"{place}: {fault.code}: {said}", style="red", highlight=False, markup=False, soft_wrap=True)
    if count > len(faults):
        err.print(f"and {count - len(faults)} more", style="red", highlight=False)
