"""Making a sandbox out of an empty database, and letting its clock run ahead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_rows
from creditbank.rulesets.tables import rules_epoch
from creditbank.sandbox.queries import Rows
from creditbank.sandbox.tables import sandbox_clock


async def furnish(connection: AsyncConnection, published: Mapping[Table, Rows], now: datetime) -> None:
    """Enter what the bank has published, and mark the database as a sandbox."""
    for table, rows in published.items():
        await insert_rows(connection, table, rows)
    await connection.execute(update(rules_epoch).values(epoch=rules_epoch.c.epoch + 1))
    await connection.execute(insert(sandbox_clock).values(id=1, ahead_microseconds=0, made_at=now))


async def advance_clock(connection: AsyncConnection, ahead: timedelta) -> None:
    """Let the clock be so far ahead."""
    whole = ahead // timedelta(microseconds=1)
    await connection.execute(update(sandbox_clock).values(ahead_microseconds=whole))
