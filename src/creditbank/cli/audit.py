"""The audit log at the command line: months written to files, and files held to what was written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from creditbank.access.events import Exported, exports, first_event
from creditbank.access.months import (
    BEGINNING,
    ExportBroken,
    check_file,
    lines_of,
    mark_exported,
    month_of,
    month_open_at,
    months_between,
)
from creditbank.cli.running import fail, migrated, opened, out
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="The audit log.")


@commands.command("export")
def export(
    to: Annotated[Path, typer.Option(help="the folder for the files; keep it outside the bank's reach")],
) -> None:
    """Write every month that is over and was not exported yet to a file, one event a line, in one hash chain.

    A month is over six hours after it ended, when nobody can still be writing in it. Only months that were
    exported are ever let go of (CREDITBANK_AUDIT_MONTHS).
    """
    to.mkdir(parents=True, exist_ok=True)
    try:
        written = asyncio.run(_export(migrated(), to))
    except (OSError, ValueError) as wrong:
        fail(str(wrong), 1)
    for file, done in written:
        out.print(f"{file}: {done.events} events, ends with {done.hash.hex()}", highlight=False, soft_wrap=True)
    out.print(f"{len(written)} months exported", highlight=False)


async def _export(settings: Settings, to: Path) -> list[tuple[Path, Exported]]:
    async with opened(settings) as database:
        async with database.read() as connection:
            done, first = await exports(connection), await first_event(connection)
        following = {one.month for one in done}
        months = [] if first is None else list(months_between(month_of(first), month_open_at(system_clock())))
        # A month goes on from the one exported before it, so none is exported that lies before another.
        latest = max(following, default="")
        written, previous = [], done[-1].hash if done else BEGINNING
        for month in months:
            if month <= latest:
                continue
            exported = await _write(database, to / f"audit-{month}.ndjson", month, previous)
            written.append((to / f"audit-{month}.ndjson", exported))
            previous = exported.hash
        return written


async def _write(database: Database, file: Path, month: str, previous: bytes) -> Exported:
    """One month's file, whole and on the disk before the database says that it is."""
    passing = file.with_name(file.name + ".part")
    exported = Exported(month, 0, previous)
    with await asyncio.to_thread(passing.open, "wb") as written:
        async with database.snapshot() as connection:
            async for line, chain, events in lines_of(connection, month, previous):
                written.write(line)
                exported = Exported(month, events, chain)
        written.flush()
        os.fsync(written.fileno())
    os.replace(passing, file)
    async with database.write() as connection:
        await mark_exported(connection, exported, previous, system_clock())
    return exported


@commands.command("verify")
def verify(
    files: Annotated[list[Path], typer.Argument(help="files of `audit export`, in order", exists=True, dir_okay=False)],
) -> None:
    """Hold exported files to their hashes and to each other. Exit 1 when one is not what was exported."""
    previous: bytes | None = None
    for file in files:
        try:
            with file.open("rb") as lines:
                found = check_file(lines, previous)
        except ExportBroken as broken:
            fail(f"{file}: {broken}", 1)
        out.print(f"{file}: {found.month}, {found.events} events, ends with {found.hash.hex()}", soft_wrap=True)
        previous = found.hash
