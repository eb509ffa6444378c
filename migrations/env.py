"""Alembic's entry: runs migrations on whichever database the address names."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

import creditbank
from creditbank.database.metadata import metadata

# Every module of tables there is, and no list that one could be forgotten in: importing one enters its tables.
for file in sorted(Path(creditbank.__file__).parent.glob("*/tables.py")):
    importlib.import_module(f"creditbank.{file.parent.name}.tables")

# The months of a table are tables of their own on PostgreSQL; the code declares the whole.
_MONTHS = tuple(
    f"{table.name}_" for table in metadata.sorted_tables if table.dialect_options["postgresql"]["partition_by"]
)

# Any fixed number: processes that start together migrate one after the other.
_LOCK = 4_021_977


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        include_name=lambda name, kind, _: kind != "table" or not (name or "").startswith(_MONTHS),
        render_as_batch=False,
        user_module_prefix=None,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.run_migrations()


async def _run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    if url is None:
        raise RuntimeError("no database is named: the bank's own command hands its address over")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    if url.startswith("sqlite"):

        @event.listens_for(engine.sync_engine, "connect")
        def _plain(dbapi_connection, _record):  # type: ignore[no-untyped-def]
            dbapi_connection.isolation_level = None

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())
