"""The rights of learners at the command line, by an operator of the bank."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from creditbank.access.actions import record
from creditbank.access.policy import Owned
from creditbank.backups import replay_all
from creditbank.cli.running import done, fail, migrated, opened, out
from creditbank.clock import learning_day, system_clock
from creditbank.conversions.actions import Counter
from creditbank.people.operating import at_command_line, operator, prove_person
from creditbank.privacy.actions import SWEPT, Eraser, ErasuresPending, check_roll, decide, propose
from creditbank.privacy.domain import REASONS
from creditbank.privacy.queries import done as erased
from creditbank.privacy.roll import Entry, Roll, RollBroken
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True, help="What learners may ask of the bank about their own data.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """What the work answers; a refusal, or a roll that cannot be read or written, ends the command."""
    try:
        return done(work)
    except (RollBroken, OSError) as wrong:
        fail(str(wrong), 1)


def eraser_for(settings: Settings) -> Eraser:
    """What erasing needs, of a bank with these settings."""
    vault = Vault(*settings.secrets())
    counter = Counter(vault, Shelf(settings.zone), system_clock, timedelta(days=settings.hold_days))
    return Eraser(counter, Roll(settings.erasure_roll, vault))


def require_replayed(settings: Settings) -> None:
    """End the command when somebody is there who was erased: a backup from before was restored."""

    async def check() -> None:
        async with opened(settings) as database, database.read() as connection:
            await check_roll(connection, eraser_for(settings).roll)

    try:
        _run(check())
    except ErasuresPending:
        fail(
            "A backup was restored that holds people who were erased since. Nobody is served until they are erased "
            f"again: run `creditbank privacy replay {settings.erasure_roll}`."
        )


@commands.command("erase")
def erase(
    learner: Annotated[UUID, typer.Argument(help="the learner's id")],
    approved_by: Annotated[
        str, typer.Option("--approved-by", help="login of the person beside you who approves it and types a password")
    ],
    reason: Annotated[str, typer.Option(help="one of " + ", ".join(REASONS))] = "learner_asked",
) -> None:
    """Erase a person, for ever: their key and all they could be found by. Two people answer for it."""
    if reason not in REASONS:
        fail("--reason is one of " + ", ".join(REASONS))
    settings, author = migrated(), operator()
    password = typer.prompt(f"password of {approved_by}", hide_input=True, err=True)
    second = _run(prove_person(settings, approved_by, password, "privacy:erase"))

    async def work() -> None:
        eraser = eraser_for(settings)
        today = learning_day(system_clock(), settings.zone)
        async with opened(settings) as database:
            async with database.write() as connection:
                await propose(connection, eraser, learner, reason, author)
                await decide(connection, eraser, learner, approves=True, approver=second, client_id=None, today=today)
                details = {"operator": author, "approved_by": second, "reason": reason}
                await record(
                    connection,
                    at_command_line(),
                    "erasure.approve",
                    f"learner:{learner}",
                    details,
                    system_clock(),
                    Owned(learner_id=learner),
                )
            await database.sweep(*SWEPT)

    _run(work())
    out.print(f"learner {learner} is erased; a worker removes the files of evidence", highlight=False)


@commands.command("erasures")
def erasures(
    to: Annotated[Path | None, typer.Option(help="write them to this file instead of printing")] = None,
) -> None:
    """List every erasure that was carried out, in the form that `privacy replay` reads. Keep it beside no backup."""
    settings = migrated()

    async def work() -> list[Entry]:
        async with opened(settings) as database, database.read() as connection:
            return [Entry(one.learner_id, one.decided_at) for one in await erased(connection) if one.decided_at]

    roll = eraser_for(settings).roll
    lines = [roll.line(entry) for entry in _run(work())]
    if to is None:
        for line in lines:
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    else:
        to.write_text("".join(line + "\n" for line in lines), "utf-8")


@commands.command("replay")
def replay(file: Annotated[Path, typer.Argument(help="a roll of erasures", exists=True, dir_okay=False)]) -> None:
    """Erase again whoever a restored backup brought back. Do it before anything is served; twice does no harm."""
    settings = migrated()

    async def work() -> tuple[int, int]:
        eraser = eraser_for(settings)
        entries = eraser.roll.parse(file.read_bytes())
        today = learning_day(system_clock(), settings.zone)
        async with opened(settings) as database:
            again = await replay_all(database, eraser, entries, today, lambda *_: None)
        return len(entries), again

    listed, again = _run(work())
    out.print(f"{listed} erasures listed, {again} carried out again", highlight=False)
