"""Commands on the bank as a whole: its schema, its proof, its checkpoints."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from creditbank import proving
from creditbank.checkpoints.actions import append, sign
from creditbank.checkpoints.notes import signer_of
from creditbank.checkpoints.receipts import ReceiptMalformed, read_receipt
from creditbank.cli.running import CUT_SHORT, err, fail, migrated, opened, out, read_settings
from creditbank.clock import learning_day, system_clock
from creditbank.database import schema
from creditbank.sealing import Vault


def migrate() -> None:
    """Bring the database to the newest schema. Safe to run again, and by several at once."""
    settings = read_settings()

    async def at() -> str | None:
        async with opened(settings) as database, database.read() as connection:
            return await schema.current(connection)

    if asyncio.run(at()) == schema.RESTORING:
        fail(CUT_SHORT)
    schema.upgrade(settings.database_url)

    async def partitions() -> None:
        async with opened(settings) as database, database.write() as connection:
            await schema.make_month_partitions(connection, "audit_events", system_clock())

    asyncio.run(partitions())
    out.print(f"at {schema.head()}")


class _Speed(ProgressColumn):
    """How many learners a second."""

    def render(self, task: Task) -> Text:
        """The figure as it is shown."""
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} learners/s")


def verify(
    processes: Annotated[int, typer.Option(min=1, max=64, help="how many processes verify at once")] = 1,
    chains_only: Annotated[
        bool, typer.Option("--chains-only", help="only hashes and sums, not facts and rules")
    ] = False,
    resume: Annotated[Path | None, typer.Option(help="keep the state here; found there, go on from it")] = None,
    against: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="a checkpoint or proof that left the bank")
    ] = None,
) -> None:
    """Recompute every learner from the facts: chains, positions, decisions, credits, checkpoints. Exit 1 on a finding.

    Whoever has the database and all its secrets can write a past that agrees with itself. Only what left the bank
    before shows that: checkpoints and learners' proofs, given with --against.
    """
    settings = migrated()
    try:
        receipts = [read_receipt(str(file), file.read_text("utf-8")) for file in against or ()]
        today = learning_day(system_clock(), settings.zone)
        tally = prove_shown(proving.Order(settings, today, processes, chains_only, resume, receipts))
    except (proving.ResumeRefused, ReceiptMalformed, UnicodeDecodeError) as refused:
        fail(str(refused))
    tell_proof(tally, f", {len(receipts)} receipts" if receipts else "", is_chains_only=chains_only)
    if tally.findings:
        raise typer.Exit(1)


def prove_shown(order: proving.Order) -> proving.Tally:
    """Prove a bank with a bar that shows how far it is. Raises ResumeRefused."""
    bar = Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task("verifying")

    def begun(total: int, done: int) -> None:
        # Not before: the bar is a thread, and the processes that verify are forked without one.
        bar.update(task, total=total, completed=done)
        bar.start()

    try:
        return proving.prove(order, begun=begun, proven=lambda page: bar.advance(task, page.learners))
    finally:
        bar.stop()


def tell_proof(tally: proving.Tally, kept: str = "", *, is_chains_only: bool = False) -> None:
    """Print what a proof found, and of how much: chains alone say nothing of achievements."""
    for finding in tally.findings[:100]:
        who = f"learner {finding.learner_id}" if finding.learner_id else "the bank"
        err.print(f"{finding.code}: {who}: {finding.detail}", style="red", highlight=False, markup=False)
    if tally.erased:
        told = f"{tally.erased} of the learners were erased: their chains and sums hold, nobody can open the rest"
        out.print(told, highlight=False)
    facts = "" if is_chains_only else f"{tally.achievements} achievements, "
    out.print(
        f"{tally.learners} learners, {facts}{tally.postings} postings{kept} verified; {len(tally.findings)} findings",
        highlight=False,
    )


def checkpoint(export: Annotated[Path | None, typer.Option(help="also write the note to this file")] = None) -> None:
    """Sign where every learner's chain stands now, and print the note. Keep it where the bank cannot reach it."""
    settings = migrated()
    signer = signer_of(settings)
    if signer is None:
        fail("CREDITBANK_CHECKPOINT_KEY must be set. `creditbank config secrets` makes one.")

    async def make() -> str:
        vault = Vault(*settings.secrets())
        async with opened(settings) as database:
            async with database.write() as connection:
                appended = await append(connection, vault)
            while appended.after is not None:
                async with database.write() as connection:
                    appended = await append(connection, vault, after=appended.after)
            async with database.write() as connection:
                return (await sign(connection, signer, system_clock())).note

    note = asyncio.run(make())
    if export is not None:
        export.write_text(note, "utf-8")
    sys.stdout.write(note)
