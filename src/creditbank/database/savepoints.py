"""A part of a transaction that is undone while the rest of it goes on. What it locked stays locked until the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection


@asynccontextmanager
async def undone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Whatever is written within the block is undone when it ends, however it ends."""
    savepoint = await connection.begin_nested()
    try:
        yield
    finally:
        await savepoint.rollback()


@asynccontextmanager
async def apart(connection: AsyncConnection) -> AsyncIterator[None]:
    """What is written within the block is undone only if it raises, and the transaction can go on all the same."""
    async with connection.begin_nested():
        yield
