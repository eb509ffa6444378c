"""Endpoints of exchanges. Making one needs an Idempotency-Key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.policy import can
from creditbank.conversions.routes import DoorDep, Reader, Writer
from creditbank.exchanges import queries
from creditbank.exchanges.actions import Wish, exchange
from creditbank.exchanges.schemas import ExchangeIn, ExchangeOut, show_exchange
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.web.bodies import JsonBody, Read, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer
from creditbank.web.paging import Cursor, Limit, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["conversions"])

_exchange = JsonBody(ExchangeIn, {"rule_set": "quarter-to-semester", "unit_conversion": "q2s", "amount": "45"})


@router.post(
    "/v1/learners/{id}/exchanges",
    operation_id="exchange_credits",
    status_code=201,
    openapi_extra=_exchange.documents,
    responses={201: {"model": ExchangeOut, "description": "exchanged"}, **documented(404, 409, 410, 415)},
)
async def exchange_credits(
    id: UUID,
    door: DoorDep,
    actor: Writer,
    body: Annotated[Read[ExchangeIn], Depends(_exchange)],
) -> Response:
    """Change credits into another unit, or transfer them to another institution: both legs or none."""
    asked, said = door.asked(actor, body.raw), body.value
    wish = Wish(said.rule_set, said.unit_conversion, said.provider, said.unit, said.milli(), said.wanted())

    async def work(connection: AsyncConnection) -> tuple[UUID, Answer]:
        found = await exchange(connection, door.counter, asked, id, wish, door.edge.today())
        subject, details = f"exchange:{found.id}", {"kind": found.kind.value}
        account, _ = await learners.find(connection, door.edge.vault, id)
        await record(connection, actor.by, "exchange.make", subject, details, door.edge.clock(), account.owned)
        return id, Answer(201, to_json(show_exchange(found)))

    return await door.answer_once(asked, body.raw, work)


@router.get(
    "/v1/learners/{id}/exchanges",
    operation_id="list_exchanges",
    responses={200: {"description": "the exchanges"}, **documented(404)},
)
async def list_exchanges(
    id: UUID, request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """A learner's exchanges, oldest first."""
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        account, _ = await learners.find(connection, edge.vault, id)
        if not can(actor, "account.read", account.owned):
            raise LearnerNotFound
        found = await queries.exchanges_of(connection, id)
    shown = [one for one in found if after is None or one.id > after]
    return page_answer(request, shown[: limit + 1], limit, lambda one: str(one.id), show_exchange)
