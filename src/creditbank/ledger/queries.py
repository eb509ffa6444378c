"""Reads of lots and postings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Row, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, pairs_among, under
from creditbank.ledger.domain import ACCOUNTS, Account, Code, Lot, LotKey, LotTerms, Positions, Posting
from creditbank.ledger.tables import lots, postings

_POSITIONS = tuple((account, f"{account}_milli") for account in ACCOUNTS)


_KEY = [f.name for f in fields(LotKey)]
_TERMS = [f.name for f in fields(LotTerms)]
_LOT = (
    *[lots.c[name] for name in ("learner_id", "id", *_KEY, *_TERMS)],
    *[lots.c[name] for _, name in _POSITIONS],
)
_LOTS = select(*_LOT).order_by(lots.c.id)
_TERMS_AT = len(_KEY)
_POSITIONS_AT = _TERMS_AT + len(_TERMS)


def _lot_of(row: Sequence[Any]) -> Lot:
    # By place and not by name: a transcript or a settling reads many lots.
    learner_id, id_, *rest = row
    key, terms, positions = rest[:_TERMS_AT], rest[_TERMS_AT:_POSITIONS_AT], rest[_POSITIONS_AT:]
    return Lot(learner_id, id_, LotKey(*key), LotTerms(*terms), dict(zip(ACCOUNTS, positions, strict=True)))


def _posting_of(row: Row[Any]) -> Posting:
    return Posting(
        row.learner_id,
        row.id,
        row.seq,
        row.lot_id,
        Account(row.source),
        Account(row.target),
        row.amount_milli,
        Code(row.code),
        row.transaction_id,
        row.decision_id,
        row.effective,
        row.recorded_at,
        row.reverses,
        bytes(row.previous),
        bytes(row.hash),
    )


_POSTINGS = select(postings).order_by(postings.c.seq)


async def lots_of(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Lot]]:
    """Every lot of these learners, by learner, oldest first."""
    found: dict[UUID, list[Lot]] = {learner_id: [] for learner_id in learner_ids}
    statement = _LOTS.where(among(connection, lots.c.learner_id, learner_ids))
    for row in await connection.execute(statement):
        found[row[0]].append(_lot_of(row))
    return found


async def lots_of_units(connection: AsyncConnection, pairs: Sequence[tuple[UUID, str]]) -> list[Lot]:
    """The lots of these (learner, unit) pairs: what may compete for a unit."""
    return await _lots_by(connection, lots.c.unit, pairs)


async def lots_of_bindings(connection: AsyncConnection, pairs: Sequence[tuple[UUID, str]]) -> list[Lot]:
    """The lots of these (learner, binding) pairs."""
    return await _lots_by(connection, lots.c.binding, pairs)


async def _lots_by(connection: AsyncConnection, column: Column[str], pairs: Sequence[tuple[UUID, str]]) -> list[Lot]:
    if not pairs:
        return []
    statement = _LOTS.where(pairs_among(connection, (lots.c.learner_id, column), pairs))
    return [_lot_of(row) for row in await connection.execute(statement)]


async def page_of_lots(
    connection: AsyncConnection, learner_id: UUID, *, given_by: str | None, after: UUID | None, limit: int
) -> list[Lot]:
    """The learner's lots, oldest first, those beyond ``after``; only those given by a provider's subtree if said."""
    statement = _LOTS.where(lots.c.learner_id == learner_id).limit(limit)
    if given_by is not None:
        statement = statement.where(under(lots.c.provider, given_by))
    if after is not None:
        statement = statement.where(lots.c.id > after)
    return [_lot_of(row) for row in await connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a learner's lots of one unit, category and level come to."""

    credit_unit: str
    category: str | None
    level: int | None
    positions: Positions


_HOLDINGS = select(
    lots.c.learner_id,
    lots.c.credit_unit,
    lots.c.category,
    lots.c.level,
    *[cast(func.sum(lots.c[name]), BigInteger) for _, name in _POSITIONS],
).group_by(lots.c.learner_id, lots.c.credit_unit, lots.c.category, lots.c.level)

Holder = tuple[UUID, str | None]
"""A learner, and the provider whose subtree gave what is asked for; None: whoever gave it."""


async def holdings_of(connection: AsyncConnection, holders: Sequence[Holder]) -> dict[Holder, list[Holding]]:
    """Each holder's holdings, added up by the database: one statement for each provider that asks."""
    found: dict[Holder, list[Holding]] = {holder: [] for holder in holders}
    for given_by in {given_by for _, given_by in holders}:
        asked = [learner_id for learner_id, giver in holders if giver == given_by]
        statement = _HOLDINGS.where(among(connection, lots.c.learner_id, asked))
        if given_by is not None:
            statement = statement.where(under(lots.c.provider, given_by))
        for learner_id, unit, category, level, *amounts in await connection.execute(statement):
            positions = dict(zip(ACCOUNTS, amounts, strict=True))
            found[learner_id, given_by].append(Holding(unit, category, level, positions))
    return found


async def chains_of(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Posting]]:
    """Every posting of these learners, by learner, in the order of the chain."""
    found: dict[UUID, list[Posting]] = {learner_id: [] for learner_id in learner_ids}
    statement = _POSTINGS.where(among(connection, postings.c.learner_id, learner_ids))
    for row in await connection.execute(statement):
        found[row[0]].append(_posting_of(row))
    return found


async def postings_of(
    connection: AsyncConnection, learner_id: UUID, *, after: int = 0, limit: int | None = None
) -> list[Posting]:
    """The learner's postings in the order of the chain, those beyond ``after`` in seq."""
    statement = _POSTINGS.where(postings.c.learner_id == learner_id, postings.c.seq > after).limit(limit)
    return [_posting_of(row) for row in await connection.execute(statement)]
