"""The schema's life: where the migrations are, how they run, and whether a database is at their head."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import microseconds

MARK: Final = "being_restored"
"""The table that a database has while a backup is being brought into it."""

RESTORING: Final = "being restored"
"""What such a database is at: no revision, so that nothing is served from it."""

# Alembic keeps what it is at in its module: two threads that migrate at once would migrate each other's database.
_ALEMBIC: Final = Lock()


def migrations_folder() -> Path:
    """The migrations: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").exists():
            return folder
    raise FileNotFoundError("the migrations are neither in the package nor at the top of a checkout")


def configuration(url: str) -> Config:
    """Alembic's configuration, made here so that no second file has to agree with the settings."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    # Alembic reads options through ConfigParser, to which a percent sign means interpolation.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at ``url`` up to ``revision``.

    Safe to call by several threads and processes: they wait for each other.
    """
    with _ALEMBIC:
        command.upgrade(configuration(url), revision)


def head() -> str:
    """The newest revision there is."""
    found = ScriptDirectory(str(migrations_folder())).get_current_head()
    if found is None:
        raise FileNotFoundError("there are no migrations")
    return found


def knows(revision: str) -> bool:
    """Whether this version of the program can go on from a revision: a newer one's is not known."""
    try:
        return ScriptDirectory(str(migrations_folder())).get_revision(revision) is not None
    except CommandError:
        return False


async def _tables(connection: AsyncConnection) -> list[str]:
    return await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def has_tables(connection: AsyncConnection) -> bool:
    """Whether there is anything in a database."""
    return bool(await _tables(connection))


async def current(connection: AsyncConnection) -> str | None:
    """The revision a database is at; None when it was never migrated, RESTORING while a backup is brought into it."""
    names = await _tables(connection)
    if MARK in names:
        return RESTORING
    if "alembic_version" not in names:
        return None
    return (await connection.execute(text("select version_num from alembic_version"))).scalar_one_or_none()


async def make_month_partitions(connection: AsyncConnection, table: str, now: datetime, *, ahead: int = 2) -> None:
    """Make the partitions of this month and of those ahead. SQLite has no partitions and needs none."""
    if connection.dialect.name != "postgresql":
        return
    year, month = now.year, now.month
    for _ in range(ahead + 1):
        following = (year + month // 12, month % 12 + 1)
        name = f"{table}_{year:04d}_{month:02d}"
        begins, ends = f"{year:04d}-{month:02d}-01Z", f"{following[0]:04d}-{following[1]:02d}-01Z"
        year, month = following
        # A month whose rows already stand in the catch-all stays there: a partition could not take them.
        early = text(f"select exists (select 1 from {table}_other where at >= '{begins}' and at < '{ends}')")  # noqa: S608 (names and days of our own)
        if (await connection.execute(early)).scalar_one():
            continue
        # Names and bounds come from the calendar and the code; DDL takes no parameters.
        await connection.execute(
            text(f"create table if not exists {name} partition of {table} for values from ('{begins}') to ('{ends}')")
        )


async def forget_month(connection: AsyncConnection, table: str, begins: datetime, ends: datetime) -> None:
    """Let go of a month's rows of a table that is otherwise only added to. The caller has seen that they are kept."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"drop table if exists {table}_{begins:%Y_%m}"))
    await _forget(connection, table, "at", begins, ends)


async def forget_before(connection: AsyncConnection, table: str, column: str, ends: datetime) -> int:
    """Let go of rows of before of a table that is otherwise only added to; answers how many there were."""
    return await _forget(connection, table, column, _EVER, ends)


_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def _forget(connection: AsyncConnection, table: str, column: str, begins: datetime, ends: datetime) -> int:
    # The guard is taken down and put up in this one transaction: nobody else ever finds the table without it.
    if connection.dialect.name == "postgresql":
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        # Rows of a month that had no partition when they came stand in the catch-all.
        held = f"{table}_other" if f"{table}_other" in names else table
        await connection.execute(text(f"alter table {held} disable trigger {table}_append_only"))
        gone = await _delete(connection, held, column, begins, ends)
        await connection.execute(text(f"alter table {held} enable trigger {table}_append_only"))
        return gone
    guard = text("select sql from sqlite_master where type = 'trigger' and name = :name")
    (again,) = (await connection.execute(guard, {"name": f"{table}_no_delete"})).scalars()
    await connection.execute(text(f"drop trigger {table}_no_delete"))
    gone = await _delete(connection, table, column, microseconds(begins), microseconds(ends))
    await connection.execute(text(again))
    return gone


async def _delete(connection: AsyncConnection, table: str, column: str, begins: object, ends: object) -> int:
    statement = text(f"delete from {table} where {column} >= :begins and {column} < :ends")  # noqa: S608 (names of our own)
    return (await connection.execute(statement, {"begins": begins, "ends": ends})).rowcount
