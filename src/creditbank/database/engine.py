"""Connections: one writer and snapshots for readers, on both databases behind the same two verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from creditbank.settings import Settings

# A claim on a key that another transaction holds waits this long, then the caller is told to come again.
LOCK_WAIT_SECONDS: Final = 5
# PostgreSQL's words for a lock not got in time, a deadlock, and a state that another transaction changed.
_LOCKED_OUT: Final = frozenset({"55P03", "40P01", "40001"})

_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",
    # What is deleted is overwritten: an erased person's key must not wait in a free page.
    "PRAGMA secure_delete=ON",
)


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


class Database:
    """The one thing that opens transactions. Only edges hold it: routes, the flusher, job steps and commands."""

    def __init__(self, url: str, *, pool_size: int = 8, pooler: str = "none") -> None:
        self.is_sqlite: Final = url.startswith("sqlite")
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        self._snapshots: AsyncEngine
        if self.is_sqlite:
            # SQLite has one writer at a time: a pool of one makes waiting for it orderly instead of a busy error.
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
            self._reader = self._snapshots = _sqlite_engine(url, begin="BEGIN", pool_size=4)
        else:
            self._writer = _postgresql_engine(url, pool_size, pooler)
            # A read of one statement needs no transaction of its own: two round trips fewer.
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            self._snapshots = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads of one statement each; two statements may see two states."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements all see one state of the bank."""
        async with self._snapshots.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Ask the database for an answer. Raises what the driver raises when it gives none."""
        async with self.read() as connection:
            await connection.execute(text("select 1"))

    async def sweep(self, *tables: str) -> None:
        """Make room where rows of these tables were deleted, so that the database itself forgets them.

        SQLite empties its write-ahead log, PostgreSQL vacuums. Older backups and archived logs have them still.
        """
        async with (self._writer if self.is_sqlite else self._reader).connect() as connection:
            if self.is_sqlite:
                await connection.exec_driver_sql("COMMIT")
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                await connection.execute(text(f"vacuum {', '.join(tables)}"))

    async def close(self) -> None:
        """Give every connection back."""
        await self._writer.dispose()
        await self._snapshots.dispose()
        await self._reader.dispose()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The bank's database, closed afterwards."""
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)
    try:
        yield database
    finally:
        await database.close()


def was_locked_out(error: Exception) -> bool:
    """Whether somebody else held what was needed for too long; nothing was stored, and trying again may help."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return state in _LOCKED_OUT or "database is locked" in str(error.orig)
    return isinstance(error, PoolTimeout)


def _postgresql_engine(url: str, pool_size: int, pooler: str) -> AsyncEngine:
    arguments: dict[str, Any] = {
        "server_settings": {
            "application_name": "creditbank",
            "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
            # The statements are short; planning them for a compiler costs more than it gains.
            "jit": "off",
        }
    }
    if pooler == "transaction":
        # Found by trial (scale.md 3.3): with both caches off nothing fails and nothing is left on the server. Such a
        # pooler also refuses session settings at connection time.
        arguments = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_use_lifo=True,
        # What is bound to a statement may be about a person: errors and logs do not show it.
        hide_parameters=True,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        connect_args=arguments,
    )


def _sqlite_engine(url: str, *, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=60,
        # What is bound to a statement may be about a person: errors and logs do not show it.
        hide_parameters=True,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        connect_args={"timeout": 30},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(dbapi_connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would begin them late, and deferred.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
