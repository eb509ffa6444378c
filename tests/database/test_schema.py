"""The migrations lead to the schema that the code declares, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from sqlalchemy import text

from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.database.metadata import metadata
from tests.architecture.source import import_all


async def test_the_migrations_make_what_the_code_declares(database_url: str) -> None:
    # A thread of its own, since it runs an event loop. Raises where autogenerate would find anything to do.
    await asyncio.to_thread(command.check, schema.configuration(database_url))


async def test_every_table_of_the_code_is_in_the_database_and_no_other(database_url: str) -> None:
    import_all()
    database = Database(database_url)
    names = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
    if not database.is_sqlite:
        names = (
            "select relname from pg_class where relkind in ('r', 'p') and not relispartition "
            "and relnamespace = 'public'::regnamespace"
        )
    try:
        async with database.read() as connection:
            found = set((await connection.execute(text(names))).scalars())
    finally:
        await database.close()
    assert found - {"alembic_version"} == set(metadata.tables)


PLANS = {
    "an erasure looks for sessions": ("select id from sessions where learner_id = :a", "ix_sessions_learner_id"),
    "the hour lets go of unused ones": ("delete from sessions where used_at < :a", "ix_sessions_used_at"),
    "the hour lets go of ended ones": ("delete from sessions where ended_at < :a", "ix_sessions_ended_at"),
    "the hour lets go of attempts": ("delete from failed_logins where at < :a", "ix_failed_logins_at"),
    "activities to come": ("select id from activities where ends > :a", "ix_activities_ends"),
    "activities of a series": (
        "select id from activities where series = :a and id > :a order by id limit 51", "ix_activities_series",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "index"), PLANS.values(), ids=PLANS)
async def test_what_is_asked_often_goes_by_an_index(sqlite_url: str, asked: str, index: str) -> None:
    database = Database(sqlite_url)
    try:
        async with database.read() as connection:
            plan = (await connection.execute(text(f"explain query plan {asked}"), {"a": 1})).all()
    finally:
        await database.close()
    assert index in str(plan)
