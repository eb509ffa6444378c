"""Announcing and changing offerings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import ProviderNotActive
from creditbank.catalogue.domain import Offering, OfferingCodeTaken
from creditbank.catalogue.tables import offerings
from creditbank.database.statements import insert_new
from creditbank.identifiers import lineage
from creditbank.providers.domain import UnknownProvider, stopped_by
from creditbank.providers.queries import by_code


async def announce(connection: AsyncConnection, offering: Offering, now: datetime) -> None:
    """Enter an offering of a provider. Raises UnknownProvider, ProviderNotActive, OfferingCodeTaken."""
    found = await by_code(connection, list(lineage(offering.provider)))
    if offering.provider not in found:
        raise UnknownProvider
    if (stopped := stopped_by(offering.provider, found)) is not None:
        raise ProviderNotActive(provider_code=stopped)
    row = {**asdict(offering), "created_at": now}
    if not await insert_new(connection, offerings, [row]):
        raise OfferingCodeTaken(offering=offering.code)


async def change(connection: AsyncConnection, offering: Offering, wanted: Mapping[str, Any]) -> Offering:
    """Change fields of an offering that is held; its provider, code and kind stay."""
    changed = replace(offering, **wanted, revision=offering.revision + 1)
    await connection.execute(
        update(offerings).where(offerings.c.id == offering.id).values(**wanted, revision=changed.revision)
    )
    return changed
