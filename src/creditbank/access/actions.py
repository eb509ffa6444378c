"""Letting clients in and out, and writing down who did what."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import SCOPES, PrintedKey, UnknownScope, hash_secret
from creditbank.access.tables import api_clients, api_keys, audit_events
from creditbank.identifiers import new_id


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is needed to let a program in."""

    name: str
    provider: str | None
    scopes: Sequence[str]
    assurance: str
    expires_at: datetime | None = None


async def create_client(connection: AsyncConnection, new: NewClient, now: datetime) -> tuple[UUID, PrintedKey]:
    """Enter a client and make its first key, which is never to be seen again. Raises UnknownScope."""
    for scope in new.scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope=scope)
    client_id = new_id()
    await connection.execute(
        insert(api_clients).values(
            id=client_id,
            name=new.name,
            provider=new.provider,
            scopes=" ".join(sorted(new.scopes)),
            assurance=new.assurance,
            created_at=now,
        )
    )
    key = await add_key(connection, client_id, now, new.expires_at)
    await record(connection, None, "client.create", f"client:{client_id}", {"scopes": sorted(new.scopes)}, now)
    return client_id, key


async def add_key(
    connection: AsyncConnection, client_id: UUID, now: datetime, expires_at: datetime | None = None
) -> PrintedKey:
    """Another key for a client; the others go on being good until they are revoked."""
    key = PrintedKey.make(secrets.choice)
    await connection.execute(
        insert(api_keys).values(
            id=key.id,
            client_id=client_id,
            secret_sha256=hash_secret(key.secret),
            expires_at=expires_at,
            created_at=now,
        )
    )
    await record(connection, None, "key.create", f"key:{key.id}", {"client": str(client_id)}, now)
    return key


async def revoke_key(connection: AsyncConnection, key_id: str, now: datetime) -> bool:
    """Make a key worthless; every process honours it no longer than its cache lasts. False when there is none."""
    statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    done = await connection.execute(statement.values(revoked_at=now))
    if done.rowcount:
        await record(connection, None, "key.revoke", f"key:{key_id}", {}, now)
    return bool(done.rowcount)


async def record_all(
    connection: AsyncConnection, client_id: UUID, action: str, subjects: Sequence[str], now: datetime
) -> None:
    """Write down that somebody did one thing to many, in the transaction that did it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    rows: list[dict[str, Any]] = [
        {"id": new_id(), "at": now, "client_id": client_id, "action": action, "subject": subject, "details": {},
         "request_id": request_id}
        for subject in subjects
    ]  # fmt: skip
    if rows:
        await connection.execute(insert(audit_events), rows)


async def record(
    connection: AsyncConnection,
    client_id: UUID | None,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Write down that somebody did something, in the transaction that did it. Ids and codes only in ``details``."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    await connection.execute(
        insert(audit_events).values(
            id=new_id(),
            at=now,
            client_id=client_id,
            action=action,
            subject=subject,
            details=dict(details),
            request_id=request_id,
        )
    )
