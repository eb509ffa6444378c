"""Reads of lots and postings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Date, Row, bindparam, cast, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, pairs_among, under
from creditbank.learners.tables import learner_keys
from creditbank.ledger.domain import (
    ACCOUNTS,
    Account,
    Code,
    Hold,
    Holding,
    HoldLine,
    HoldState,
    Lot,
    LotKey,
    LotTerms,
    Posting,
    PostingUnreadable,
    Redeemed,
    past_date,
)
from creditbank.ledger.tables import hold_lines, holds, ledger_transactions, lots, postings

_POSITIONS = tuple((account, f"{account}_milli") for account in ACCOUNTS)


_KEY = [f.name for f in fields(LotKey)]
_TERMS = [f.name for f in fields(LotTerms)]
_LOT = (
    *[lots.c[name] for name in ("learner_id", "id", *_KEY, *_TERMS)],
    *[lots.c[name] for _, name in _POSITIONS],
)
_LOTS = select(*_LOT).order_by(lots.c.id)
# The lots of a person who was erased are nobody's: they stand for the chain and are shown to no one.
_is_somebody = exists().where(learner_keys.c.learner_id == lots.c.learner_id)
# Made once: to make it anew takes longer than PostgreSQL takes to answer it.
_PAGE = _LOTS.where(lots.c.learner_id == bindparam("learner"), _is_somebody).limit(bindparam("most"))
_TERMS_AT = len(_KEY)
_POSITIONS_AT = _TERMS_AT + len(_TERMS)


def _lot_of(row: Sequence[Any]) -> Lot:
    # By place and not by name: a transcript or a settling reads many lots.
    learner_id, id_, *rest = row
    key, terms, positions = rest[:_TERMS_AT], rest[_TERMS_AT:_POSITIONS_AT], rest[_POSITIONS_AT:]
    return Lot(learner_id, id_, LotKey(*key), LotTerms(*terms), dict(zip(ACCOUNTS, positions, strict=True)))


_ACCOUNT_OF = {account.value: account for account in ACCOUNTS}
_CODE_OF = {code.value: code for code in Code}


def _posting_of(row: Sequence[Any]) -> Posting:
    # By place and not by name, and codes by look-up: verifying reads every posting there is.
    learner_id, id_, seq, lot_id, source, target, milli, code, *rest = row
    try:
        left, entered, why = _ACCOUNT_OF[source], _ACCOUNT_OF[target], _CODE_OF[code]
    except KeyError as unknown:
        raise PostingUnreadable(learner_id) from unknown
    return Posting(learner_id, id_, seq, lot_id, left, entered, milli, why, *rest)


_POSTING = [postings.c[f.name] for f in fields(Posting)]
# In the order of the unique index, so that nothing has to be sorted.
_POSTINGS = select(*_POSTING).order_by(postings.c.learner_id, postings.c.seq)


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


async def redeemed_since(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, Redeemed]:
    """By lot of these learners since when something of it has been redeemed without a break; only of such lots."""
    since: dict[UUID, Redeemed] = {}
    milli: dict[UUID, int] = {}
    statement = _POSTINGS.where(
        among(connection, postings.c.learner_id, learner_ids), postings.c.code.in_((Code.REDEEM, Code.ANNUL))
    )
    for row in await connection.execute(statement):
        posting = _posting_of(row)
        before = milli.get(posting.lot_id, 0)
        if posting.target is Account.REDEEMED:
            milli[posting.lot_id] = before + posting.amount_milli
            if not before:
                since[posting.lot_id] = Redeemed(posting.recorded_at, posting.effective)
        elif posting.source is Account.REDEEMED:
            milli[posting.lot_id] = before - posting.amount_milli
            if not milli[posting.lot_id]:
                del since[posting.lot_id]
    return since


async def built_on(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Posting]]:
    """By learner every posting that moved what is reserved or redeemed, the first first."""
    found: dict[UUID, list[Posting]] = {learner_id: [] for learner_id in learner_ids}
    both = (Account.RESERVED, Account.REDEEMED)
    statement = _POSTINGS.where(
        among(connection, postings.c.learner_id, learner_ids),
        postings.c.source.in_(both) | postings.c.target.in_(both),
    )
    for row in await connection.execute(statement):
        found[row.learner_id].append(_posting_of(row))
    return found


async def with_redeemed(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the learners who have redeemed credits."""
    if not learner_ids:
        return set()
    statement = select(lots.c.learner_id).where(
        among(connection, lots.c.learner_id, learner_ids), lots.c.redeemed_milli > 0
    )
    return set((await connection.execute(statement.distinct())).scalars())


async def page_of_lots(
    connection: AsyncConnection, learner_id: UUID, *, given_by: str | None, after: UUID | None, limit: int
) -> list[Lot]:
    """The learner's lots, oldest first, those beyond ``after``; only those given by a provider's subtree if said."""
    statement = _PAGE
    if given_by is not None:
        statement = statement.where(under(lots.c.provider, given_by))
    if after is not None:
        statement = statement.where(lots.c.id > after)
    asked = {"learner": learner_id, "most": limit}
    return [_lot_of(row) for row in await connection.execute(statement, asked)]


_DAY = bindparam("day", type_=Date)
_HOLDINGS = (
    select(
        lots.c.learner_id,
        lots.c.credit_unit,
        lots.c.category,
        lots.c.level,
        (lots.c.expires.is_not(None) & (lots.c.expires <= _DAY)).label("is_past"),
        *[cast(func.sum(lots.c[name]), BigInteger) for _, name in _POSITIONS],
    )
    .where(_is_somebody)
    .group_by(lots.c.learner_id, lots.c.credit_unit, lots.c.category, lots.c.level, text("is_past"))
)

Holder = tuple[UUID, str | None, date]
"""A learner, the provider whose subtree gave what is asked for (None: whoever gave it), and the day of reading."""


async def holdings_of(connection: AsyncConnection, holders: Sequence[Holder]) -> dict[Holder, list[Holding]]:
    """Each holder's holdings, added up by the database: one statement for each provider that asks.

    Lots past their date count as expired, whether or not that was posted.
    """
    found: dict[Holder, list[Holding]] = {holder: [] for holder in holders}
    for given_by, day in {(given_by, day) for _, given_by, day in holders}:
        asked = [learner_id for learner_id, *rest in holders if rest == [given_by, day]]
        statement = _HOLDINGS.where(among(connection, lots.c.learner_id, asked))
        if given_by is not None:
            statement = statement.where(under(lots.c.provider, given_by))
        for learner_id, unit, category, level, is_past, *amounts in await connection.execute(statement, {"day": day}):
            positions = dict(zip(ACCOUNTS, amounts, strict=True))
            holding = Holding(unit, category, level, past_date(positions) if is_past else positions)
            found[learner_id, given_by, day].append(holding)
    return found


async def chains_of(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Posting]]:
    """Every posting of these learners, by learner, in the order of the chain. Raises PostingUnreadable."""
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


# A hold without lines is one for an award that is made of credits counted once more.
_HOLDS = select(
    holds, hold_lines.c.lot_id, hold_lines.c.milli, hold_lines.c.redeemed_milli, hold_lines.c.posting_id
).outerjoin(hold_lines, (hold_lines.c.learner_id == holds.c.learner_id) & (hold_lines.c.hold_id == holds.c.id))


async def open_holds(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Hold]]:
    """The holds of these learners that have not ended, by learner, in the order in which they were placed."""
    statement = _HOLDS.where(among(connection, holds.c.learner_id, learner_ids), holds.c.state == HoldState.OPEN.value)
    found: dict[UUID, list[Hold]] = {learner_id: [] for learner_id in learner_ids}
    for hold in _holds_of(await connection.execute(statement)):
        found[hold.learner_id].append(hold)
    return found


def _holds_of(rows: Iterable[Row[Any]]) -> list[Hold]:
    found: dict[UUID, tuple[Row[Any], list[HoldLine]]] = {}
    for row in rows:
        lines = found.setdefault(row.id, (row, []))[1]
        if row.lot_id is not None:
            lines.append(HoldLine(row.lot_id, row.milli, row.posting_id, row.redeemed_milli))
    return [
        Hold(
            row.learner_id,
            row.id,
            row.placed_on,
            row.until,
            HoldState(row.state),
            tuple(sorted(lines, key=lambda line: line.lot_id)),
        )
        for row, lines in sorted(found.values(), key=lambda pair: pair[0].id)
    ]


async def holds_by_id(connection: AsyncConnection, pairs: Sequence[tuple[UUID, UUID]]) -> dict[UUID, Hold]:
    """The holds that (learner, hold) pairs name, open or ended, by id."""
    if not pairs:
        return {}
    named = pairs_among(connection, (holds.c.learner_id, holds.c.id), pairs)
    return {hold.id: hold for hold in _holds_of(await connection.execute(_HOLDS.where(named)))}


async def lapsed(connection: AsyncConnection, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """(learner, hold) of open holds whose time is over, the longest over first."""
    statement = (
        select(holds.c.learner_id, holds.c.id)
        .where(holds.c.state == HoldState.OPEN.value, holds.c.until <= now)
        .order_by(holds.c.until, holds.c.id)
        .limit(limit)
    )
    return [(row.learner_id, row.id) for row in await connection.execute(statement)]


async def find_transaction(connection: AsyncConnection, learner_id: UUID, key: str) -> UUID | None:
    """The act of this learner under a key; None when there is none."""
    statement = select(ledger_transactions.c.id).where(
        ledger_transactions.c.learner_id == learner_id, ledger_transactions.c.key == key
    )
    return (await connection.execute(statement)).scalar_one_or_none()


async def redeeming(connection: AsyncConnection, learner_id: UUID, key: str) -> dict[UUID, UUID]:
    """The postings by which the act under a key redeemed credits, by lot."""
    statement = (
        select(postings.c.lot_id, postings.c.id)
        .join(
            ledger_transactions,
            (ledger_transactions.c.learner_id == postings.c.learner_id)
            & (ledger_transactions.c.id == postings.c.transaction_id),
        )
        .where(
            postings.c.learner_id == learner_id,
            ledger_transactions.c.key == key,
            postings.c.code == Code.REDEEM.value,
            postings.c.target == Account.REDEEMED.value,
        )
    )
    return {row.lot_id: row.id for row in await connection.execute(statement)}


async def positions_at(
    connection: AsyncConnection, learner_id: UUID, *, effective: date, known: datetime
) -> dict[UUID, dict[Account, int]]:
    """Where each lot stood on a day as the bank knew it at an instant: the postings replayed, filtered by both times.

    A lot past its date is not expired by this: that is for whoever knows its terms at that time.
    """
    statement = (
        select(
            postings.c.lot_id,
            postings.c.source,
            postings.c.target,
            cast(func.sum(postings.c.amount_milli), BigInteger).label("milli"),
        )
        .where(postings.c.learner_id == learner_id, postings.c.effective <= effective, postings.c.recorded_at <= known)
        .group_by(postings.c.lot_id, postings.c.source, postings.c.target)
    )
    found: dict[UUID, dict[Account, int]] = {}
    for row in await connection.execute(statement):
        mine = found.setdefault(row.lot_id, dict.fromkeys(ACCOUNTS, 0))
        mine[Account(row.source)] -= row.milli
        mine[Account(row.target)] += row.milli
    return found
