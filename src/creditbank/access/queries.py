"""Finding clients: the one behind a credential, and those that an administrator sees."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor, Client, ClientNotFound, KeyRecord, KeyShown, Standing, networks_of
from creditbank.access.tables import api_clients, api_keys
from creditbank.database.statements import among, for_update, under
from creditbank.identifiers import lineage

_STANDING = (
    api_clients.c.provider,
    api_clients.c.scopes,
    api_clients.c.assurance,
    api_clients.c.networks,
    api_clients.c.suspended_at,
    api_clients.c.public_key_makers,
)


async def stopped_by(connection: AsyncConnection, code: str) -> str | None:
    """The code of the nearest institution, from this one up, that is suspended or closed; None when none is."""
    above = _provider_codes().table.c
    stopped = select(above.code).where(among(connection, above.code, list(lineage(code))), above.status != "active")
    return max((await connection.execute(stopped)).scalars(), key=len, default=None)


async def _standing_of(
    connection: AsyncConnection, row: Any, client_id: UUID, *, is_test: bool, made_by: str | None = None
) -> Standing:
    stopped = await stopped_by(connection, row.provider) if row.provider is not None else None
    scopes = frozenset(row.scopes.split())
    actor = Actor(client_id, row.provider, scopes, row.assurance, is_test, made_by, stopped_by=stopped)
    networks = networks_of(row.networks.split())
    return Standing(actor, row.suspended_at is not None, networks, row.public_key_makers or {})


async def find_key(connection: AsyncConnection, key_id: str) -> KeyRecord | None:
    """The stored key with its client; None when there is no such key."""
    statement = (
        select(api_keys, *_STANDING)
        .join(api_clients, api_clients.c.id == api_keys.c.client_id)
        .where(api_keys.c.id == key_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else await _key_of(connection, row)


async def keys_of(connection: AsyncConnection, client_id: UUID) -> list[KeyRecord]:
    """Every key that a client ever had, with the client."""
    statement = (
        select(api_keys, *_STANDING)
        .join(api_clients, api_clients.c.id == api_keys.c.client_id)
        .where(api_keys.c.client_id == client_id)
    )
    return [await _key_of(connection, row) for row in (await connection.execute(statement)).all()]


async def _key_of(connection: AsyncConnection, row: Any) -> KeyRecord:
    standing = await _standing_of(connection, row, row.client_id, is_test=row.is_test, made_by=row.made_by)
    return KeyRecord(row.id, bytes(row.secret_sha256), row.expires_at, row.revoked_at, standing)


async def find_standing(connection: AsyncConnection, client_id: UUID, *, is_test: bool) -> Standing | None:
    """How a client stands, in the sandbox or not, whoever made what it shows; None when there is no such client."""
    row = (await connection.execute(select(*_STANDING).where(api_clients.c.id == client_id))).one_or_none()
    return None if row is None else await _standing_of(connection, row, client_id, is_test=is_test)


def _provider_codes() -> Column[str]:
    """The column that ``api_clients.provider`` refers to: providers lie above access, and are reached by it only."""
    (reference,) = api_clients.c.provider.foreign_keys
    return reference.column


async def is_provider(connection: AsyncConnection, code: str) -> bool:
    """Whether a client can act for a provider of this code."""
    codes = _provider_codes()
    found = await connection.execute(select(codes).where(codes == code))
    return found.one_or_none() is not None


async def find_client(connection: AsyncConnection, client_id: UUID, *, lock: bool = False) -> Client:
    """One client with all its keys; locked, nobody else changes it or makes it a key. Raises ClientNotFound."""
    statement: Select[Any] = select(api_clients).where(api_clients.c.id == client_id)
    if lock:
        statement = for_update(connection, statement, api_clients)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ClientNotFound
    return (await _with_keys(connection, [row]))[0]


async def page_of_clients(
    connection: AsyncConnection, *, top: str | None, after: UUID | None, limit: int
) -> list[Client]:
    """Clients in the order in which they were let in, those of ``top`` and below it and beyond ``after``."""
    statement = select(api_clients).order_by(api_clients.c.id).limit(limit)
    if top is not None:
        statement = statement.where(under(api_clients.c.provider, top))
    if after is not None:
        statement = statement.where(api_clients.c.id > after)
    return await _with_keys(connection, list(await connection.execute(statement)))


async def _with_keys(connection: AsyncConnection, rows: list[Row[Any]]) -> list[Client]:
    columns = [column for column in api_keys.c if column.name != "secret_sha256"]
    chosen = select(*columns).where(among(connection, api_keys.c.client_id, [row.id for row in rows]))
    keys: defaultdict[UUID, list[KeyShown]] = defaultdict(list)
    for key in await connection.execute(chosen.order_by(api_keys.c.created_at, api_keys.c.id)):
        keys[key.client_id].append(
            KeyShown(key.id, key.is_test, key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
        )
    return [
        Client(
            row.id,
            row.name,
            row.provider,
            frozenset(row.scopes.split()),
            row.assurance,
            tuple(row.networks.split()),
            row.public_keys,
            row.suspended_at,
            row.created_at,
            row.revision,
            row.made_by,
            row.public_key_makers or {},
            tuple(keys[row.id]),
        )
        for row in rows
    ]
