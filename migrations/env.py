"""Alembic's entry: runs migrations on whichever database the address names."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from creditbank.access import tables as access
from creditbank.achievements import tables as achievements
from creditbank.awards import tables as awards
from creditbank.catalogue import tables as catalogue
from creditbank.checkpoints import tables as checkpoints
from creditbank.claims import tables as claims
from creditbank.database.metadata import metadata
from creditbank.enrolments import tables as enrolments
from creditbank.exchanges import tables as exchanges
from creditbank.jobs import tables as jobs
from creditbank.learners import tables as learners
from creditbank.ledger import tables as ledger
from creditbank.programmes import tables as programmes
from creditbank.providers import tables as providers
from creditbank.recognition import tables as recognition
from creditbank.rulesets import tables as rulesets
from creditbank.sandbox import tables as sandbox
from creditbank.web import tables as web

ALL = (
    access,
    achievements,
    awards,
    catalogue,
    claims,
    checkpoints,
    enrolments,
    exchanges,
    jobs,
    learners,
    ledger,
    programmes,
    providers,
    recognition,
    rulesets,
    sandbox,
    web,
)

# Any fixed number: processes that start together migrate one after the other.
_LOCK = 4_021_977


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
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
