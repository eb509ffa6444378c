"""Finding the client behind a key."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor, KeyRecord
from creditbank.access.tables import api_clients, api_keys


async def find_key(connection: AsyncConnection, key_id: str) -> KeyRecord | None:
    """The stored key with its client; None when there is no such key."""
    statement = (
        select(api_keys, api_clients.c.provider, api_clients.c.scopes, api_clients.c.assurance)
        .join(api_clients, api_clients.c.id == api_keys.c.client_id)
        .where(api_keys.c.id == key_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    actor = Actor(row.client_id, row.provider, frozenset(row.scopes.split()), row.assurance)
    return KeyRecord(row.id, bytes(row.secret_sha256), row.expires_at, row.revoked_at, actor)


async def is_client(connection: AsyncConnection, client_id: UUID) -> bool:
    """Whether there is such a client."""
    found = await connection.execute(select(api_clients.c.id).where(api_clients.c.id == client_id))
    return found.one_or_none() is not None
