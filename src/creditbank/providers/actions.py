"""Opening and changing providers, and entering accreditations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import ProviderNotActive
from creditbank.database.statements import among, for_update, insert_new, update_rows
from creditbank.identifiers import lineage, new_id, parent_of
from creditbank.providers.domain import (
    Accreditation,
    AccreditationEndsEarly,
    Provider,
    ProviderCodeTaken,
    ProviderNotFound,
    UnknownParent,
    stopped_by,
)
from creditbank.providers.queries import by_code, find, provider_of
from creditbank.providers.sheet import Entry, faults_against
from creditbank.providers.tables import accreditations, providers
from creditbank.regions.actions import Kept
from creditbank.web.sheets import refuse

_CODES_A_LOOK: Final = 10_000
"""No database takes any number of values in one statement."""


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


async def check_table(
    connection: AsyncConnection, entries: Sequence[Entry], own: str | None, given: Collection[str] = ()
) -> Kept:
    """What entering a table would do. ``own`` is whom the caller acts for, ``given`` what is entered with it.

    Raises TableRefused.
    """
    known = await _known(connection, entries)
    refuse(faults_against(entries, known, own, {*given, *(entry.code for entry in entries)}))
    return _kept(entries, known)


async def put_entries(connection: AsyncConnection, entries: Sequence[Entry], now: datetime) -> Kept:
    """Enter the entries of a checked table that are not there, and change those that are there otherwise.

    Those above must be there or among them.
    """
    known = await _known(connection, entries)
    rows = [
        {
            "id": new_id(),
            "code": entry.code,
            "name_zh": entry.name_zh,
            "name_en": entry.name_en,
            "provider_type": entry.provider_type,
            "region": entry.region,
            "status": entry.status,
            "created_at": now,
            "revision": 1,
        }
        for entry in entries
        if entry.code not in known
    ]
    ids = await insert_new(connection, providers, rows)
    entered = {row["code"] for row in rows if row["id"] in ids}
    # Somebody may change or enter one while we look: what it is now counts, and stays so until we are done.
    held = await _hold(connection, [entry.code for entry in entries if entry.code not in entered])
    changed = [entry for entry in entries if entry.code in held and not entry.same_as(held[entry.code])]
    await update_rows(
        connection,
        providers,
        [
            {
                "code": entry.code,
                "name_zh": entry.name_zh,
                "name_en": entry.name_en,
                "region": entry.region,
                "status": entry.status,
                "revision": held[entry.code].revision + 1,
            }
            for entry in changed
        ],
        ("code",),
    )
    return Kept(len(entered), len(changed), len(entries) - len(entered) - len(changed))


async def _hold(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, Provider]:
    """The providers of these codes, held until the transaction ends; in the order of their codes, as all hold them."""
    ordered = sorted(codes)
    found: dict[str, Provider] = {}
    for start in range(0, len(ordered), _CODES_A_LOOK):
        some = ordered[start : start + _CODES_A_LOOK]
        chosen = providers.select().where(among(connection, providers.c.code, some)).order_by(providers.c.code)
        rows = await connection.execute(for_update(connection, chosen, providers))
        found |= {row.code: provider_of(row) for row in rows}
    return found


def _kept(entries: Sequence[Entry], known: Mapping[str, Provider]) -> Kept:
    new = sum(entry.code not in known for entry in entries)
    same = sum(entry.code in known and entry.same_as(known[entry.code]) for entry in entries)
    return Kept(new, len(entries) - new - same, same)


async def _known(connection: AsyncConnection, entries: Sequence[Entry]) -> dict[str, Provider]:
    """Those of the entries, and of whoever is above them, that are there."""
    codes = sorted({code for entry in entries for code in lineage(entry.code)})
    found: dict[str, Provider] = {}
    for start in range(0, len(codes), _CODES_A_LOOK):
        found |= await by_code(connection, codes[start : start + _CODES_A_LOOK])
    return found


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
