"""Reads of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, under
from creditbank.providers.domain import Accreditation, Provider, ProviderNotFound
from creditbank.providers.tables import accreditations, providers


def provider_of(row: Row[Any]) -> Provider:
    """The provider that a row holds."""
    return Provider(row.id, row.code, row.name_zh, row.name_en, row.provider_type, row.region, row.status, row.revision)


async def find(connection: AsyncConnection, provider_id: UUID) -> Provider:
    """One provider. Raises ProviderNotFound."""
    row = (await connection.execute(select(providers).where(providers.c.id == provider_id))).one_or_none()
    if row is None:
        raise ProviderNotFound
    return provider_of(row)


async def by_code(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, Provider]:
    """Those of the codes that are providers."""
    if not codes:
        return {}
    statement = select(providers).where(among(connection, providers.c.code, codes))
    return {row.code: provider_of(row) for row in await connection.execute(statement)}


async def by_id(connection: AsyncConnection, provider_ids: Sequence[UUID]) -> dict[UUID, Provider]:
    """Those of the ids that are providers."""
    if not provider_ids:
        return {}
    statement = select(providers).where(among(connection, providers.c.id, provider_ids))
    return {row.id: provider_of(row) for row in await connection.execute(statement)}


async def page(
    connection: AsyncConnection, *, top: str | None, provider_type: str | None, after: str | None, limit: int
) -> list[Provider]:
    """Providers by code, those at or under ``top`` and beyond ``after``."""
    statement = select(providers).order_by(providers.c.code).limit(limit)
    if top is not None:
        statement = statement.where(under(providers.c.code, top))
    if provider_type is not None:
        statement = statement.where(providers.c.provider_type == provider_type)
    if after is not None:
        statement = statement.where(providers.c.code > after)
    return [provider_of(row) for row in await connection.execute(statement)]


async def all_accreditations(connection: AsyncConnection) -> list[Accreditation]:
    """Every entry of every register, for the compiled book."""
    statement = select(accreditations)
    return [_accreditation_of(row) for row in await connection.execute(statement)]


async def accreditations_of(connection: AsyncConnection, provider_code: str) -> list[Accreditation]:
    """The entries that name this provider, newest first."""
    statement = (
        select(accreditations).where(accreditations.c.provider == provider_code).order_by(accreditations.c.id.desc())
    )
    return [_accreditation_of(row) for row in await connection.execute(statement)]


def _accreditation_of(row: Row[Any]) -> Accreditation:
    return Accreditation(row.id, row.register, row.provider, row.offering, row.valid_from, row.valid_until)
