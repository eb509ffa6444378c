"""Reading webhooks, who listens, and what is on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Row, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import for_update, under
from creditbank.sealing import Vault
from creditbank.webhooks.domain import (
    Attempt,
    Delivery,
    DeliveryNotFound,
    Listener,
    Listeners,
    Secrets,
    Webhook,
    WebhookNotFound,
)
from creditbank.webhooks.tables import webhook_deliveries, webhooks, webhooks_epoch

URL = b"webhooks.url"
SECRETS = b"webhooks.secrets"

EPOCH = select(webhooks_epoch.c.epoch)
"""The epoch of who listens, to be asked for with something else."""

_LISTENING = webhooks.c.state.in_(("active", "paused"))


async def listeners_at(connection: AsyncConnection, epoch: int) -> Listeners:
    """Who listens now; kept by a process for as long as the epoch stays what it is."""
    rows = await connection.execute(select(webhooks.c.id, webhooks.c.provider, webhooks.c.types).where(_LISTENING))
    return Listeners(epoch, [Listener(row.id, row.provider, frozenset(row.types.split())) for row in rows])


async def listeners_now(connection: AsyncConnection) -> Listeners:
    """Who listens, for whoever has no rules to ask for beside it."""
    return await listeners_at(connection, 0)


def secrets_of(vault: Vault, sealed: bytes, former_until: datetime | None) -> Secrets:
    """The secrets of a webhook."""
    found = orjson.loads(vault.bank.open(bytes(sealed), SECRETS))
    return Secrets(found["present"], found["former"], former_until)


def _webhook_of(row: Row[Any], vault: Vault) -> Webhook:
    return Webhook(
        row.id,
        row.provider,
        vault.bank.open(bytes(row.url), URL).decode(),
        frozenset(row.types.split()),
        row.state,
        row.failing_since,
        row.disabled_at,
        row.disabled_reason,
        row.former_until,
        row.created_at,
        row.revision,
    )


_STANDING = webhooks.c.state != "removed"


async def page_of_webhooks(
    connection: AsyncConnection, vault: Vault, *, top: str | None, after: UUID | None, limit: int
) -> list[Webhook]:
    """Webhooks of a provider and those below it, or all, in the order in which they were made."""
    statement = select(webhooks).where(_STANDING).order_by(webhooks.c.id).limit(limit)
    if top is not None:
        statement = statement.where(under(webhooks.c.provider, top))
    if after is not None:
        statement = statement.where(webhooks.c.id > after)
    return [_webhook_of(row, vault) for row in await connection.execute(statement)]


async def find_webhook(
    connection: AsyncConnection, vault: Vault, webhook_id: UUID, *, lock: bool = False
) -> tuple[Webhook, Secrets]:
    """A webhook and its secrets. Raises WebhookNotFound."""
    statement = select(webhooks).where(webhooks.c.id == webhook_id, _STANDING)
    if lock:
        statement = for_update(connection, statement, webhooks)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise WebhookNotFound
    return _webhook_of(row, vault), secrets_of(vault, row.secrets, row.former_until)


# --- Deliveries -------------------------------------------------------------------------------------------------------


def _attempt_of(plain: Mapping[str, Any]) -> Attempt:
    return Attempt(datetime.fromisoformat(plain["at"]), plain["status"], plain["problem"], plain["milliseconds"])


def _delivery_of(row: Row[Any]) -> Delivery:
    attempts = [_attempt_of(plain) for plain in row.log]
    return Delivery(
        row.id,
        row.webhook_id,
        row.type,
        row.path,
        row.data,
        row.occurred_at,
        row.state,
        row.next_at,
        row.ended_at,
        attempts,
    )


Place = tuple[datetime, UUID]
"""Where a delivery stands among all of a webhook."""


async def page_of_deliveries(
    connection: AsyncConnection, webhook_id: UUID, *, state: str | None, before: Place | None, limit: int
) -> list[Delivery]:
    """Deliveries of a webhook, what happened last first."""
    place = (webhook_deliveries.c.occurred_at, webhook_deliveries.c.id)
    statement = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    if state is not None:
        statement = statement.where(webhook_deliveries.c.state == state)
    if before is not None:
        statement = statement.where(tuple_(*place) < before)
    statement = statement.order_by(*(column.desc() for column in place)).limit(limit)
    return [_delivery_of(row) for row in await connection.execute(statement)]


async def find_delivery(connection: AsyncConnection, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """One delivery of a webhook. Raises DeliveryNotFound."""
    mine = (webhook_deliveries.c.id == delivery_id) & (webhook_deliveries.c.webhook_id == webhook_id)
    row = (await connection.execute(select(webhook_deliveries).where(mine))).one_or_none()
    if row is None:
        raise DeliveryNotFound
    return _delivery_of(row)


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook for which something is due, and whether the last that was sent to it came through."""

    webhook_id: UUID
    is_failing: bool


def is_due(now: datetime) -> ColumnElement[bool]:
    """Deliveries that nobody carries and that are to be tried now."""
    return webhook_deliveries.c.next_at.is_not(None) & (webhook_deliveries.c.next_at <= now)


async def due(connection: AsyncConnection, now: datetime) -> Sequence[Due]:
    """The active webhooks for which something is due."""
    waiting = exists().where(webhook_deliveries.c.webhook_id == webhooks.c.id, is_due(now))
    statement = select(webhooks.c.id, webhooks.c.failing_since).where(webhooks.c.state == "active", waiting)
    return [Due(row.id, row.failing_since is not None) for row in await connection.execute(statement)]
