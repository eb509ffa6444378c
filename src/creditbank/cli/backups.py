"""Commands that take a backup and bring one back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from creditbank import backups
from creditbank.cli.bank import prove_shown, tell_proof
from creditbank.cli.privacy import eraser_for
from creditbank.cli.running import err, fail, migrated, opened, out, read_settings
from creditbank.clock import learning_day, system_clock
from creditbank.database.copies import CannotCopy, is_free, take_mark_away
from creditbank.privacy.roll import RollBroken
from creditbank.proving import Order
from creditbank.settings import Settings


@contextmanager
def _shown() -> Iterator[backups.Telling]:
    """A bar for what takes long; a refusal, or a disk or database that fails, ends the command with a sentence."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task("beginning", total=None, figures="")

    def telling(what: str, done: int, total: int | None) -> None:
        figures = f"{done:,}" if total is None else f"{done:,} of {total:,}"
        bar.update(task, description=what, completed=done, total=total, figures=figures)

    try:
        with bar:
            yield telling
    except (backups.BackupUnusable, CannotCopy) as refused:
        fail(str(refused))
    except (RollBroken, OSError) as wrong:
        fail(str(wrong), 1)
    except SQLAlchemyError as wrong:
        # What it was about may be a person's: only its kind is told.
        fail(f"the database failed: {type(wrong).__name__}", 1)


def backup(
    to: Annotated[Path, typer.Argument(help="a folder that is not there yet; on another disk than the bank's")],
) -> None:
    """Write the database and the evidence to a folder, while the bank is served. Exit 1 when evidence was missing.

    The roll of erasures and the secrets are not in it: keep them elsewhere, the newest roll and the present secrets.
    """
    settings = migrated()
    with _shown() as telling:
        manifest, kept = backups.take(settings, to, telling)
    out.print(
        f"{to}: {manifest.database_bytes:,} bytes of {manifest.database} at schema {manifest.schema}, "
        f"{kept.copied:,} files of evidence, taken at {manifest.taken_at}",
        highlight=False,
        soft_wrap=True,
    )
    _tell_lost(kept)


def restore(
    backup: Annotated[Path, typer.Argument(help="a folder that `creditbank backup` wrote", exists=True)],
    replace: Annotated[
        bool, typer.Option("--replace", help="destroy what is in the database now; without it only an empty one")
    ] = False,
    without_roll: Annotated[
        bool, typer.Option("--without-roll", help="nobody was erased since the backup: there is no roll to replay")
    ] = False,
) -> None:
    """Bring a backup back, erase again whoever was erased since, and verify. Stop all servers and workers first.

    Until all of it is done nothing is served from the database; cut short, it is begun anew. Exit 1 on a finding.
    """
    settings = read_settings()
    eraser = eraser_for(settings)
    if not without_roll and not eraser.roll.file.exists():
        fail(
            f"there is no roll of erasures at {eraser.roll.file}: whoever was erased since the backup would be back. "
            "Put the newest roll there (CREDITBANK_ERASURE_ROLL); say --without-roll if nobody ever was."
        )
    with _shown() as telling:
        manifest = backups.check(settings, backup, telling)
        if not replace and not asyncio.run(is_free(settings.database_url)):
            fail("there is a bank in the database already: say --replace to destroy it and put the backup in its place")
        done = backups.restore(settings, backup, manifest, eraser, telling)
    out.print(
        f"the database of {manifest.taken_at}: {manifest.database_bytes:,} bytes, schema {manifest.schema} brought to "
        f"{done.schema}\n"
        f"{done.listed:,} erasures listed, {done.erased_again:,} carried out again\n"
        f"{done.evidence.copied:,} files of evidence brought back, {done.evidence.present:,} were there",
        highlight=False,
        soft_wrap=True,
    )
    today = learning_day(system_clock(), settings.zone)
    tally = prove_shown(Order(settings, today, is_chains_only=True))
    asyncio.run(_let_serve(settings))
    tell_proof(tally, is_chains_only=True)
    _tell_lost(done.evidence)
    if tally.findings:
        # The copy is what was backed up, so the bank had them then: whether it is served all the same is a person's
        # decision.
        raise typer.Exit(1)


async def _let_serve(settings: Settings) -> None:
    async with opened(settings) as database:
        await take_mark_away(database)


def _tell_lost(kept: backups.Kept) -> None:
    if kept.lost:
        for name in kept.lost[:100]:
            err.print(f"evidence missing or damaged: {name}", style="red", highlight=False)
        fail(f"{len(kept.lost):,} files of evidence are missing or damaged; all else is done", 1)
