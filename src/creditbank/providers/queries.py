"""Reads of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import ProviderNotActive
from creditbank.access.queries import stopped_by
from creditbank.database.statements import among, for_update, starting, under
from creditbank.providers.domain import (
    Accreditation,
    AccreditationNotFound,
    Provider,
    ProviderNotFound,
)
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


async def check_active(connection: AsyncConnection, code: str) -> None:
    """Hold a provider to be active, with all above it. Raises ProviderNotActive."""
    stopped = await stopped_by(connection, code)
    if stopped is not None:
        raise ProviderNotActive(provider_code=stopped)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which institutions of a list are wanted; None: whichever. ``region`` is a division with all below it."""

    top: str | None = None
    provider_type: str | None = None
    region: str | None = None
    status: str | None = None


async def page(connection: AsyncConnection, wanted: Wanted, *, after: str | None, limit: int) -> list[Provider]:
    """Providers by code, those wanted and beyond ``after``."""
    statement = select(providers).order_by(providers.c.code).limit(limit)
    if wanted.top is not None:
        statement = statement.where(under(providers.c.code, wanted.top))
    if wanted.provider_type is not None:
        statement = statement.where(providers.c.provider_type == wanted.provider_type)
    if wanted.region is not None:
        statement = statement.where(starting(providers.c.region, wanted.region))
    if wanted.status is not None:
        statement = statement.where(providers.c.status == wanted.status)
    if after is not None:
        statement = statement.where(providers.c.code > after)
    return [provider_of(row) for row in await connection.execute(statement)]


async def counts(connection: AsyncConnection, top: str) -> list[tuple[str, str, int]]:
    """How many institutions of each type and status there are at and under ``top``."""
    shape = (providers.c.provider_type, providers.c.status)
    statement = select(*shape, func.count()).where(under(providers.c.code, top)).group_by(*shape).order_by(*shape)
    return [(type_, status, count) for type_, status, count in await connection.execute(statement)]


async def codes_under(connection: AsyncConnection, top: str) -> list[str]:
    """The codes of an institution and all below it."""
    statement = select(providers.c.code).where(under(providers.c.code, top)).order_by(providers.c.code)
    return list((await connection.execute(statement)).scalars())


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


async def find_accreditation(
    connection: AsyncConnection, provider_id: UUID, entry_id: UUID, *, lock: bool = False
) -> Accreditation:
    """One entry that names this provider. Raises ProviderNotFound, AccreditationNotFound."""
    provider = await find(connection, provider_id)
    statement = select(accreditations).where(
        accreditations.c.id == entry_id, accreditations.c.provider == provider.code
    )
    statement = for_update(connection, statement, accreditations) if lock else statement
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise AccreditationNotFound
    return _accreditation_of(row)


def _accreditation_of(row: Row[Any]) -> Accreditation:
    return Accreditation(
        row.id,
        row.register,
        row.provider,
        row.offering,
        row.valid_from,
        row.valid_until,
        row.list == "black",
        row.reason,
        row.revision,
    )
