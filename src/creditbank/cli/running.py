"""How every command runs: the consoles, the settings, the database, and how it ends."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from creditbank.database import engine, schema
from creditbank.errors import Refusal
from creditbank.settings import Settings, UnknownSettings, sqlite_file
from creditbank.web.sentences import sentence

T = TypeVar("T")

out = Console()
err = Console(stderr=True)

opened = engine.opened
"""The bank's database for as long as a command needs it."""

CUT_SHORT = "a restore of this database was cut short: run `creditbank restore` again, it begins anew"


_WIDEST: Final = 10_000


def print_table(table: Table) -> None:
    """Print a table as wide as it is: nothing of it is cut, and a narrow terminal goes on in the next line."""
    width = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(out.width, width)).print(table, highlight=False)


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with a sentence: 1 when something was found wrong, 2 when it was used badly."""
    err.print(message, style="red", highlight=False, markup=False)
    raise typer.Exit(code)


def read_settings() -> Settings:
    """The settings of this environment; unusable ones end the command, each named."""
    try:
        settings = Settings()
        settings.secrets()
    except ValidationError as invalid:
        lines = [f"CREDITBANK_{str(e['loc'][0]).upper()}: {e['msg']}" for e in invalid.errors() if e["loc"]]
        fail("The settings are not usable.\n" + "\n".join(lines or [str(invalid)]))
    except UnknownSettings as unknown:
        fail(f"The settings are not usable.\n{unknown}")
    except ValueError as missing:
        fail(f"{missing}. `creditbank config secrets` makes a fresh pair for a .env file.")
    return settings


def migrated() -> Settings:
    """The settings of a bank whose database is at the newest schema."""
    settings = read_settings()

    async def revision() -> str | None:
        async with opened(settings) as database, database.read() as connection:
            return await schema.current(connection)

    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        fail(f"there is no database at {file}: run `creditbank migrate` first")
    at = asyncio.run(revision())
    if at == schema.RESTORING:
        fail(CUT_SHORT)
    if at != schema.head():
        fail("the database is not at the newest schema: run `creditbank migrate` first")
    return settings


def calm_collector() -> None:
    """Look for garbage in cycles seldom: a batch makes many small objects and hardly a cycle (decision 0015).

    With Python's own thresholds a third of the time of a batch went into looking.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def done(work: Coroutine[Any, Any, T]) -> T:
    """What the work answers; a refusal ends the command with its sentence and every fault."""
    try:
        return asyncio.run(work)
    except Refusal as refusal:
        for fault in refusal.faults:
            message = fault.message or sentence(fault.code, "en")
            err.print(f"{fault.code} {fault.pointer}: {message}", highlight=False, markup=False)
        fail(sentence(refusal.code, "en", refusal.terms()), 1)
