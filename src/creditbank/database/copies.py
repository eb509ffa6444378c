"""A database as one file, and a file as the database again: by each database's own tools.

A target into which a copy is being brought bears a mark until all of it is done (``schema.current`` tells it), so that
whatever becomes of whoever brings it, nobody is served from half a bank.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.settings import sqlite_file

_SAID_CHARS_MAX: Final = 300
_COPYING_BYTES: Final = 1 << 20

_MARKING: Final = f"create table if not exists {schema.MARK} (since text)"


class CannotCopy(Exception):
    """The database cannot be copied, or brought back; the message is a sentence for an operator."""


def kind_of(url: str) -> str:
    """Which database an address leads to; a copy is good for that kind alone."""
    return make_url(url).get_backend_name()


def tools_missing(url: str) -> str | None:
    """What is missing on this machine to copy and bring back such a database, as a sentence; None when nothing is."""
    if sqlite_file(url) is not None:
        return None
    gone = [name for name in ("pg_dump", "pg_restore") if shutil.which(name) is None]
    if not gone:
        return None
    return f"{' and '.join(gone)} must be on the path: PostgreSQL's client programs, not older than the server"


def copy_database(url: str, to: Path) -> None:
    """Copy the database, as it is at one moment, to a file; whoever writes meanwhile is not held up.

    Raises CannotCopy.
    """
    to.touch(mode=0o600)
    file = sqlite_file(url)
    if file is None:
        _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--file={to}")
    else:
        try:
            with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
                # Unlike a copy of pages it takes nothing along of what was deleted, and never begins again.
                connection.execute("vacuum into ?", (str(to),))
        except sqlite3.Error as wrong:
            raise CannotCopy(f"the database could not be copied: {wrong}") from wrong
    _to_disk(to)


def _to_disk(path: Path) -> None:
    entry = os.open(path, os.O_RDONLY)
    os.fsync(entry)
    os.close(entry)


async def is_free(url: str) -> bool:
    """Whether there is nothing yet where the address leads, or only what a restore began."""
    file = sqlite_file(url)
    if file is not None and (not file.exists() or not file.stat().st_size):
        return True
    database = Database(url, pool_size=1)
    try:
        async with database.read() as connection:
            return await schema.current(connection) == schema.RESTORING or not await schema.has_tables(connection)
    finally:
        await database.close()


async def bring_back(url: str, copy: Path) -> None:
    """Put a copy in the place of whatever is at the address, under the mark of what is not whole yet.

    Raises CannotCopy, also when somebody is connected.
    """
    file = sqlite_file(url)
    if file is not None:
        _bring_back_file(file, copy)
        return
    database = Database(url, pool_size=1)
    try:
        async with database.write() as connection:
            if (await connection.execute(text(_OTHERS))).scalar_one():
                raise CannotCopy("a server or worker is connected to the database: stop it first")
            await _empty(connection)
            await connection.execute(text(_MARKING))
    finally:
        await database.close()
    # In one transaction: cut short, it leaves the mark and nothing else.
    into = f"--dbname={make_url(url).database}"
    _run(url, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", into, str(copy))


_OTHERS: Final = (
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    " and application_name = 'creditbank'"
)
_TABLES: Final = (
    "select c.relname from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')"
    " and not c.relispartition"
)
_FUNCTIONS: Final = (
    "select p.proname from pg_proc p where p.pronamespace = current_schema()::regnamespace"
    " and p.proname like 'creditbank\\_%'"
)


async def _empty(connection: AsyncConnection) -> None:
    quote = connection.dialect.identifier_preparer.quote
    for kind, found in (("table", _TABLES), ("function", _FUNCTIONS)):
        for name in (await connection.execute(text(found))).scalars().all():
            await connection.execute(text(f"drop {kind} if exists {quote(name)} cascade"))


def _bring_back_file(file: Path, copy: Path) -> None:
    aside = file.with_name(f"{file.name}.restoring")
    for left in (aside, *(aside.with_name(aside.name + end) for end in ("-journal", "-wal", "-shm"))):
        left.unlink(missing_ok=True)
    try:
        with copy.open("rb") as source, os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as target:
            shutil.copyfileobj(source, target, _COPYING_BYTES)
        with contextlib.closing(sqlite3.connect(aside)) as connection:
            connection.execute(_MARKING)
            connection.commit()
        _to_disk(aside)
        if file.exists():
            _close_log(file)
    except Exception:
        # Nobody would look for a second copy of the bank there. What a kill leaves the next restore takes away.
        aside.unlink(missing_ok=True)
        raise
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    aside.replace(file)
    _to_disk(file.resolve().parent)


def _close_log(file: Path) -> None:
    """Bring what is in the log of the former database into its file: the log must not be taken for the new one's."""
    with contextlib.closing(sqlite3.connect(file, timeout=1)) as connection:
        try:
            # Only whoever is alone with a database may take its log away.
            connection.execute("pragma journal_mode=delete").fetchall()
        except sqlite3.OperationalError as wrong:
            raise CannotCopy(f"a server or worker has {file} open: stop it first ({wrong})") from wrong
        except sqlite3.DatabaseError:
            # It is damaged beyond reading, which may be why there is a restore.
            return


async def take_mark_away(database: Database) -> None:
    """All of it is done: the bank may be served."""
    async with database.write() as connection:
        await connection.execute(text(f"drop table {schema.MARK}"))


# --- PostgreSQL's programs --------------------------------------------------------------------------------------------


def _run(url: str, *command: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise CannotCopy(tools_missing(url) or f"{command[0]} is not on the path")
    done = subprocess.run(  # noqa: S603 (a program of the operator's own, without a shell)
        [program, *command[1:]], env=_environment(url), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        # What it says of a row (CONTEXT, DETAIL) would quote the row.
        said = next((line for line in done.stderr.splitlines() if "error" in line), f"ended with {done.returncode}")
        raise CannotCopy(f"{command[0]}: {said[:_SAID_CHARS_MAX]}")


_WAYS: Final[Mapping[str, str]] = {"host": "PGHOST", "port": "PGPORT", "ssl": "PGSSLMODE", "sslmode": "PGSSLMODE"}


def _environment(url: str) -> dict[str, str]:
    """How PostgreSQL's programs reach the database: by the environment, for everybody may read a command line."""
    parts = make_url(url)
    given = {
        "PGHOST": parts.host,
        "PGPORT": str(parts.port) if parts.port else None,
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.database,
        **{_WAYS[name]: str(value) for name, value in parts.query.items() if name in _WAYS},
    }
    return {**os.environ, **{name: value for name, value in given.items() if value}}
