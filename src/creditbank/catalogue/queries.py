"""Reads of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.catalogue.domain import Offering, OfferingNotFound
from creditbank.catalogue.tables import offerings
from creditbank.database.statements import among, for_update, under

_FIELDS = tuple(f.name for f in fields(Offering))
_OFFERINGS = select(*[offerings.c[name] for name in _FIELDS])


def _offering_of(row: Row[Any]) -> Offering:
    return Offering(**row._mapping)


async def find(connection: AsyncConnection, offering_id: UUID, *, lock: bool = False) -> Offering:
    """One offering; held until the transaction ends if asked. Raises OfferingNotFound."""
    statement = _OFFERINGS.where(offerings.c.id == offering_id)
    if lock:
        statement = for_update(connection, statement, offerings)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise OfferingNotFound
    return _offering_of(row)


async def page(
    connection: AsyncConnection,
    *,
    top: str | None,
    kind: str | None,
    category: str | None,
    code: str | None,
    after: UUID | None,
    limit: int,
) -> list[Offering]:
    """Offerings in the order in which they were entered, those of a provider's subtree, kind, category or code."""
    statement = _OFFERINGS.order_by(offerings.c.id).limit(limit)
    if top is not None:
        statement = statement.where(under(offerings.c.provider, top))
    if kind is not None:
        statement = statement.where(offerings.c.kind == kind)
    if category is not None:
        statement = statement.where(under(offerings.c.category, category))
    if code is not None:
        statement = statement.where(offerings.c.code == code)
    if after is not None:
        statement = statement.where(offerings.c.id > after)
    return [_offering_of(row) for row in await connection.execute(statement)]


async def named(connection: AsyncConnection, ids: Sequence[UUID], codes: Sequence[str]) -> list[Offering]:
    """The offerings with these ids or codes; several providers may use one code."""
    if not ids and not codes:
        return []
    wanted = or_(among(connection, offerings.c.id, ids), among(connection, offerings.c.code, codes))
    return [_offering_of(row) for row in await connection.execute(_OFFERINGS.where(wanted).order_by(offerings.c.id))]


async def open_on(
    connection: AsyncConnection,
    today: date,
    *,
    kinds: Sequence[str] | None,
    tops: Sequence[str] | None,
    limit: int,
) -> list[Offering]:
    """Offerings that may still be planned, the soonest first; only of these kinds and providers' subtrees if given."""
    statement = (
        _OFFERINGS.where(
            offerings.c.status == "open",
            or_(offerings.c.ends_on.is_(None), offerings.c.ends_on >= today),
            # Who has a place is the provider's to say; where there is none nobody can plan on it.
            or_(offerings.c.places.is_(None), offerings.c.places > 0),
        )
        .order_by(offerings.c.ends_on.is_not(None), offerings.c.ends_on, offerings.c.id)
        .limit(limit)
    )
    if kinds is not None:
        statement = statement.where(among(connection, offerings.c.kind, kinds))
    if tops is not None:
        statement = statement.where(or_(*[under(offerings.c.provider, top) for top in tops]))
    return [_offering_of(row) for row in await connection.execute(statement)]
