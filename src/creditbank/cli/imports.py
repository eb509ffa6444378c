"""Commands on files of results, by an operator of the bank."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditbank.access.actions import record
from creditbank.access.domain import Actor, ClientNotFound, MissingScope
from creditbank.access.queries import find_standing
from creditbank.claims.files import EvidenceFolder
from creditbank.cli.privacy import require_replayed
from creditbank.cli.running import done, err, fail, migrated, opened, out
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.imports import actions, queries
from creditbank.imports.columns import key_of
from creditbank.imports.domain import Format, Import, Speaker
from creditbank.imports.files import Pieces
from creditbank.imports.queries import Shown
from creditbank.imports.taking import take_in
from creditbank.imports.telling import told
from creditbank.people.operating import at_command_line
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Files of results: a term in one spreadsheet.")

_FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
    ".xls": "xls",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_PART_BYTES: Final = 4 * 1024 * 1024
_LOOK_EVERY_SECONDS: Final = 0.3
_PROBLEMS_SHOWN: Final = 20


@commands.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, XLS, or JSON lines", exists=True, dir_okay=False)],
    client: Annotated[UUID, typer.Option(help="id of the client that states what is in it, with its rights")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would become of the rows")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="stop at the first row that is refused")] = False,
    open_accounts: Annotated[
        bool, typer.Option("--open-accounts", help="open an account for whom nobody knows; needs learners:write")
    ] = False,
    mapping: Annotated[str | None, typer.Option(help="a mapping of columns that the provider saved")] = None,
) -> None:
    """Take a file in and work through it, as a worker does. Killed, any worker goes on with it.

    Exit 1 when a row was refused; `creditbank imports show` tells all that is wrong.
    """
    format_ = _FORMATS.get(file.suffix.lower())
    if format_ is None:
        fail("the file's name ends with none of " + ", ".join(_FORMATS))
    settings = migrated()
    require_replayed(settings)

    async def work() -> Shown:
        async with opened(settings) as database:
            actor = await _actor(database, client, opens=open_accounts)
            async with database.read() as connection:
                saved = await queries.mapping_of(connection, actor.provider or "", mapping) if mapping else None
            headings = {key_of(heading): name for heading, name in saved.columns.items()} if saved else {}
            import_id, vault, now = new_id(), Vault(*settings.secrets()), system_clock()
            key, wrapped = vault.new_key(import_id)
            folder = EvidenceFolder(settings.evidence_folder)
            uploaded, kept = Pieces(folder, key), Pieces(folder, key)
            try:
                with file.open("rb") as read:
                    while part := read.read(_PART_BYTES):
                        uploaded.keep_upload(part)
                found = take_in(format_, uploaded, kept, headings, settings.import_rows_max)
                new = Import.begun(
                    import_id,
                    Speaker(actor.client_id, actor.provider, actor.assurance, open_accounts),
                    format_,
                    found.columns,
                    found.rows,
                    is_dry=dry_run,
                    on_error="stop" if stop else "skip",
                    job_id=new_id(),
                    now=now,
                    wrapped=wrapped,
                )
                async with database.write() as connection:
                    await actions.add(connection, new, kept.names, now)
                    details = {"rows": new.rows, "format": format_, "dry_run": dry_run, "client": str(client)}
                    subject = f"import:{import_id}"
                    await record(connection, at_command_line(), "import.add", subject, details, now, new.owned)
            except Refusal:
                # Of what else ends it nobody knows whether it was taken in; the sweep removes what nothing names.
                kept.remove()
                raise
            finally:
                uploaded.remove()
            return await _worked_through(settings, database, vault, new)

    shown = done(work())
    _tell(shown)
    if shown.state != "done" or shown.one.counts.refused:
        fail(f"{shown.problems:,} things are wrong: `creditbank imports show {shown.one.id}`", 1)


async def _actor(database: Database, client: UUID, *, opens: bool) -> Actor:
    """The client with its rights as they are now. Raises ClientNotFound, MissingScope."""
    async with database.read() as connection:
        standing = await find_standing(connection, client, is_test=False)
    if standing is None or standing.is_suspended:
        raise ClientNotFound
    for scope in ("achievements:write", *(["learners:write"] if opens else [])):
        if scope not in standing.actor.scopes:
            raise MissingScope(scope=scope)
    return standing.actor


async def _worked_through(settings: Settings, database: Database, vault: Vault, new: Import) -> Shown:
    """Work off what is due until the import has ended, with a bar that moves."""
    from creditbank.web.metrics import Metrics
    from creditbank.worker import build_worker

    worker = build_worker(settings, database, vault, Shelf(settings.zone), system_clock, Metrics())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    async def look() -> Shown:
        async with database.read() as connection:
            return await queries.find(connection, new.id)

    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("rows", total=new.rows)
        working = asyncio.create_task(worker.run())
        try:
            while (shown := await look()).state in {"waiting", "running"}:
                bar.update(task, completed=shown.one.counts.rows)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        finally:
            worker.stop()
            await working
    return shown


@commands.command("show")
def show(
    import_id: Annotated[UUID, typer.Argument(metavar="ID", help="the import's id")],
    language: Annotated[str, typer.Option(help="zh-Hans or en")] = "en",
    all_: Annotated[bool, typer.Option("--all", help=f"more than the first {_PROBLEMS_SHOWN} problems")] = False,
) -> None:
    """Print how far an import is, and what is wrong in which cell."""
    if language not in {"zh-Hans", "en"}:
        fail("--language is zh-Hans or en")
    settings = migrated()

    async def work() -> None:
        async with opened(settings) as database, database.read() as connection:
            shown = await queries.find(connection, import_id)
            _tell(shown)
            limit = shown.problems if all_ else _PROBLEMS_SHOWN
            for _, problem in await queries.problems_of(connection, import_id, None, limit):
                place = problem.cell or f"row {problem.row}"
                sentence = told(problem, "zh-Hans" if language == "zh-Hans" else "en")
                out.print(f"{place} {problem.code}: {sentence}", highlight=False, markup=False, soft_wrap=True)

    done(work())


def _tell(shown: Shown) -> None:
    counts = shown.one.counts
    verb = "would be " if shown.one.is_dry else ""
    out.print(
        f"import {shown.one.id} {shown.state}: {counts.rows:,} of {shown.one.rows:,} rows, "
        f"{verb}{counts.recorded:,} recorded, {counts.unchanged:,} there already, {counts.refused:,} refused",
        highlight=False,
        soft_wrap=True,
    )
