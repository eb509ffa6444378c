"""Reads of exchanges."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.exchanges.domain import Exchange, ExchangeKind
from creditbank.exchanges.tables import exchange_lines, exchanges


async def find_exchange(connection: AsyncConnection, learner_id: UUID, request: str) -> Exchange | None:
    """The exchange that a request made; None when it made none."""
    found = await _exchanges(connection, exchanges.c.learner_id == learner_id, exchanges.c.request == request)
    return next(iter(found), None)


async def exchanges_of(connection: AsyncConnection, learner_id: UUID) -> list[Exchange]:
    """Every exchange of a learner, oldest first."""
    return await _exchanges(connection, exchanges.c.learner_id == learner_id)


async def _exchanges(connection: AsyncConnection, *where: Any) -> list[Exchange]:
    lines = exchange_lines.c
    statement = (
        select(
            exchanges,
            lines.old_lot_id,
            lines.uses_milli.label("used"),
            lines.new_lot_id,
            lines.gives_milli.label("given"),
        )
        .join(exchange_lines, (lines.learner_id == exchanges.c.learner_id) & (lines.exchange_id == exchanges.c.id))
        .where(*where)
        .order_by(exchanges.c.id, lines.id)
    )
    found: dict[UUID, tuple[Row[Any], list[tuple[UUID, int, UUID | None, int]]]] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.id, (row, []))[1].append((row.old_lot_id, row.used, row.new_lot_id, row.given))
    return [
        Exchange(
            row.learner_id,
            row.id,
            ExchangeKind(row.kind),
            row.rule_set_id,
            row.conversion,
            row.provider,
            row.uses_milli,
            row.gives_milli,
            row.rest_milli,
            legs,
            bytes(row.fingerprint),
            row.recorded_at,
        )
        for row, legs in found.values()
    ]
