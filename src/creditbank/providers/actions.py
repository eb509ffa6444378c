"""Opening and changing providers, and entering accreditations."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import for_update, insert_new
from creditbank.identifiers import lineage, new_id, parent_of
from creditbank.providers.domain import (
    Accreditation,
    AccreditationEndsEarly,
    Provider,
    ProviderCodeTaken,
    ProviderNotActive,
    ProviderNotFound,
    UnknownParent,
    stopped_by,
)
from creditbank.providers.queries import by_code, find, provider_of
from creditbank.providers.tables import accreditations, providers


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What is needed to enter an institution."""

    code: str
    name_zh: str
    name_en: str
    provider_type: str
    region: str | None


async def enter(connection: AsyncConnection, new: NewProvider, now: datetime) -> Provider:
    """Enter an institution under its parent. Raises UnknownParent, ProviderNotActive, ProviderCodeTaken."""
    parent = parent_of(new.code)
    found = await by_code(connection, list(lineage(new.code)))
    if new.code in found:
        raise ProviderCodeTaken(provider_code=new.code)
    if parent is not None and parent not in found:
        raise UnknownParent(parent=parent)
    if (stopped := stopped_by(new.code, found)) is not None:
        raise ProviderNotActive(provider_code=stopped)
    provider = Provider(new_id(), new.code, new.name_zh, new.name_en, new.provider_type, new.region, "active", 1)
    row = {
        "id": provider.id,
        "code": provider.code,
        "name_zh": provider.name_zh,
        "name_en": provider.name_en,
        "provider_type": provider.provider_type,
        "region": provider.region,
        "status": provider.status,
        "created_at": now,
        "revision": provider.revision,
    }
    if not await insert_new(connection, providers, [row]):
        # Somebody else entered the code between the look and the insert.
        raise ProviderCodeTaken(provider_code=new.code)
    return provider


@dataclass(frozen=True, slots=True)
class ProviderChange:
    """What changes of a provider; None leaves a field as it is."""

    name_zh: str | None = None
    name_en: str | None = None
    region: str | None = None
    status: str | None = None


async def lock(connection: AsyncConnection, provider_id: UUID) -> Provider:
    """One provider, held until the transaction ends. Raises ProviderNotFound."""
    statement = for_update(connection, providers.select().where(providers.c.id == provider_id), providers)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ProviderNotFound
    return provider_of(row)


async def change(connection: AsyncConnection, provider: Provider, wanted: ProviderChange) -> Provider:
    """Change a locked provider's own fields; its code never changes."""
    changed = replace(
        provider,
        name_zh=wanted.name_zh or provider.name_zh,
        name_en=wanted.name_en or provider.name_en,
        region=wanted.region or provider.region,
        status=wanted.status or provider.status,
        revision=provider.revision + 1,
    )
    await connection.execute(
        update(providers)
        .where(providers.c.id == provider.id)
        .values(
            name_zh=changed.name_zh,
            name_en=changed.name_en,
            region=changed.region,
            status=changed.status,
            revision=changed.revision,
        )
    )
    return changed


@dataclass(frozen=True, slots=True)
class NewAccreditation:
    """What is needed to enter an accreditation, or with ``is_black`` a bar."""

    register: str
    offering: str | None
    valid_from: date
    valid_until: date | None
    is_black: bool = False
    reason: str | None = None


async def accredit(
    connection: AsyncConnection, provider_id: UUID, new: NewAccreditation, now: datetime
) -> Accreditation:
    """Enter an accreditation in a register. Raises ProviderNotFound. The caller tells recognition that it changed."""
    provider = await find(connection, provider_id)
    entry = Accreditation(new_id(), provider_code=provider.code, **asdict(new))
    row = {**asdict(entry), "provider": provider.code, "list": "black" if new.is_black else "white", "recorded_at": now}
    del row["provider_code"], row["is_black"]
    await connection.execute(insert(accreditations).values(row))
    return entry


@dataclass(frozen=True, slots=True)
class Amendment:
    """How long an entry is to last instead, and why; ``valid_until`` None: without an end."""

    valid_until: date | None
    reason: str


async def reaccredit(connection: AsyncConnection, entry: Accreditation, amendment: Amendment) -> Accreditation:
    """Let a held entry end on another day. Raises AccreditationEndsEarly. The caller tells recognition."""
    if amendment.valid_until is not None and amendment.valid_until <= entry.valid_from:
        raise AccreditationEndsEarly(begins=entry.valid_from.isoformat())
    amended = replace(entry, **asdict(amendment), revision=entry.revision + 1)
    await connection.execute(
        update(accreditations)
        .where(accreditations.c.id == entry.id)
        .values(valid_until=amended.valid_until, reason=amended.reason, revision=amended.revision)
    )
    return amended
