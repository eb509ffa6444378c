"""Endpoints that read the ledger."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.credits import Credits
from creditbank.database.gathered import GatheredRead
from creditbank.learners.domain import LearnerNotFound
from creditbank.learners.queries import existing
from creditbank.ledger import queries
from creditbank.ledger.domain import Account
from creditbank.ledger.queries import Holder, Holding
from creditbank.ledger.schemas import BalanceOut, LotOut, PostingOut, UnitBalance, show_lot, show_posting
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["ledger"])

Reader = Annotated[Actor, Depends(require("ledger:read"))]

# A place in a chain; so many digits fit the database's integers.
_SEQ = re.compile(r"[1-9][0-9]{0,17}")
_SHOWN = tuple(account for account in Account if account is not Account.ISSUED)


def balance_of(holdings: Sequence[Holding]) -> BalanceOut:
    """What the holdings come to, by unit. ``total``, categories and levels count what is available."""
    by_unit: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        by_unit[holding.credit_unit].append(holding)
    return BalanceOut(units=[_unit_balance(unit, mine) for unit, mine in sorted(by_unit.items())])


def _unit_balance(unit: str, holdings: Sequence[Holding]) -> UnitBalance:
    states = dict.fromkeys(_SHOWN, 0)
    categories: dict[str, int] = defaultdict(int)
    levels: dict[str, int] = defaultdict(int)
    for holding in holdings:
        for account in _SHOWN:
            states[account] += holding.positions[account]
        available = holding.positions[Account.AVAILABLE]
        categories[holding.category or ""] += available
        levels["" if holding.level is None else str(holding.level)] += available
    return UnitBalance(
        unit=unit,
        total=str(Credits(states[Account.AVAILABLE])),
        by_category={name: str(Credits(milli)) for name, milli in sorted(categories.items()) if milli},
        by_level={name: str(Credits(milli)) for name, milli in sorted(levels.items()) if milli},
        by_state={account.value: str(Credits(milli)) for account, milli in states.items()},
    )


@router.get(
    "/v1/learners/{id}/balance",
    operation_id="read_balance",
    responses={200: {"model": BalanceOut, "description": "the balance by unit"}, **documented(404)},
)
async def read_balance(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """What a learner has now. A provider sees what it and those under it gave."""
    gathered: GatheredRead[Holder, list[Holding]] = request.app.state.holdings
    holdings = await gathered.ask((id, actor.provider))
    if not holdings:
        async with edge.database.read() as connection:
            if not (actor.is_bank and await existing(connection, [id])):
                raise LearnerNotFound
    return json_answer(balance_of(holdings))


@router.get(
    "/v1/learners/{id}/lots",
    operation_id="list_lots",
    responses={200: {"model": Page[LotOut], "description": "a page of lots"}, **documented(404)},
)
async def list_lots(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A learner's lots, oldest first, with where their credits are. A provider sees those that its subtree gave."""
    after = converted(cursor, UUID)
    async with edge.database.read() as connection:
        found = await queries.page_of_lots(connection, id, given_by=actor.provider, after=after, limit=limit + 1)
        if not found and not (actor.is_bank and await existing(connection, [id])):
            raise LearnerNotFound
    return page_answer(request, found, limit, lambda lot: str(lot.id), show_lot)


def _seq(text: str) -> int:
    if not _SEQ.fullmatch(text):
        raise ValueError(text)
    return int(text)


@router.get(
    "/v1/learners/{id}/postings",
    operation_id="list_postings",
    responses={200: {"model": Page[PostingOut], "description": "a page of postings"}, **documented(404)},
)
async def list_postings(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A learner's postings in the order of their hash chain. A chain is read whole, so only the bank reads it."""
    require_bank(actor)
    after = converted(cursor, _seq) or 0
    async with edge.database.read() as connection:
        found = await queries.postings_of(connection, id, after=after, limit=limit + 1)
        if not found and not await existing(connection, [id]):
            raise LearnerNotFound
    return page_answer(request, found, limit, lambda p: str(p.seq), show_posting)
