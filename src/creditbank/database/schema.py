"""The schema's life: where the migrations are, how they run, and whether a database is at their head."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import microseconds

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


async def current(connection: AsyncConnection) -> str | None:
    """The revision a database is at; None when it was never migrated."""
    names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
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
        # Rows of a month that had no partition when they came stand in the catch-all.
        await connection.execute(text(f"drop table if exists {table}_{begins:%Y_%m}"))
        await connection.execute(text(f"alter table {table}_other disable trigger {table}_append_only"))
        statement = text(f"delete from {table}_other where at >= :begins and at < :ends")  # noqa: S608 (names of our own)
        await connection.execute(statement, {"begins": begins, "ends": ends})
        await connection.execute(text(f"alter table {table}_other enable trigger {table}_append_only"))
        return
    guard = text("select sql from sqlite_master where type = 'trigger' and name = :name")
    (again,) = (await connection.execute(guard, {"name": f"{table}_no_delete"})).scalars()
    await connection.execute(text(f"drop trigger {table}_no_delete"))
    statement = text(f"delete from {table} where at >= :begins and at < :ends")  # noqa: S608 (names of our own)
    await connection.execute(statement, {"begins": microseconds(begins), "ends": microseconds(ends)})
    # In the same transaction: nobody else ever finds the table without its guard.
    await connection.execute(text(again))
