"""Endpoints of applications for awards and of exchanges. Every change of them needs an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.conversions import actions, queries
from creditbank.conversions.actions import Application, Asked, Counter, Verdict, Wish
from creditbank.conversions.domain import Conversion, ConversionNotFound, Exchange
from creditbank.conversions.schemas import (
    AnnulmentDecisionIn,
    AnnulmentIn,
    ConversionIn,
    ConversionOut,
    DecisionIn,
    ExchangeIn,
    ExchangeOut,
    Nothing,
    show_conversion,
    show_exchange,
)
from creditbank.errors import Kind, Refusal
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound, may_see
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, attempt_of, once
from creditbank.web.paging import Cursor, Limit, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["conversions"])

_new = JsonBody(ConversionIn, {"learner": "01980c2e-6a51-7c52-9f5e-7f8c7a9d2b31", "programme": "abc-like.diploma-x"})
_decision = JsonBody(DecisionIn, {"decision": "approve"})
_nothing = JsonBody(Nothing, {})
_annulment = JsonBody(AnnulmentIn, {"reason": "identity_in_doubt"})
_annulment_decision = JsonBody(AnnulmentDecisionIn, {"decision": "approve"})
_exchange = JsonBody(ExchangeIn, {"rule_set": "quarter-to-semester", "unit_conversion": "q2s", "amount": "45"})

Reader = Annotated[Actor, Depends(require("conversions:read"))]
Writer = Annotated[Actor, Depends(require("conversions:write"))]
Decider = Annotated[Actor, Depends(require("conversions:decide"))]


@dataclass(eq=False, kw_only=True)
class KeyRequired(Refusal):
    """What cannot be undone is never done twice by a request that was sent twice: it needs a key."""

    code = "idempotency_key_required"
    kind = Kind.INVALID
    pointer: str = "header:Idempotency-Key"


async def counter_of(request: Request) -> Counter:
    """The counter that the composition root put on the application."""
    found: Counter = request.app.state.counter
    return found


CounterDep = Annotated[Counter, Depends(counter_of)]

_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"model": ConversionOut, "description": "the application now"}}


def _asked(request: Request, edge: Edge, actor: Actor, raw: bytes) -> Asked:
    """Who asks, and by which request. Raises KeyRequired, KeyMalformed."""
    attempt = attempt_of(request, edge, actor.client_id, raw)
    if attempt is None:
        raise KeyRequired
    return Asked(actor, attempt.key.hex(), attempt.fingerprint)


async def _change(
    request: Request,
    edge: Edge,
    asked: Asked,
    raw: bytes,
    verb: str,
    status: int,
    work: Callable[[AsyncConnection], Awaitable[Conversion | Refusal]],
) -> Response:
    """Do what changes an application, write down who did it, and answer how it stands now. Raises the refusal."""

    async def worked(connection: AsyncConnection) -> Answer:
        found = await work(connection)
        if isinstance(found, Refusal):
            raise found
        subject = f"conversion:{found.id}"
        await record(connection, asked.actor.client_id, verb, subject, {"state": found.state.value}, edge.clock())
        headers = {"Location": f"/v1/conversions/{found.id}"} if status == 201 else {}
        _, key = await learners.find(connection, edge.vault, found.learner_id)
        return Answer(status, to_json(show_conversion(found)), headers, owner=(found.learner_id, key))

    return await once(request, edge, asked.actor.client_id, raw, worked)


@router.post(
    "/v1/conversions",
    operation_id="apply_for_award",
    status_code=201,
    openapi_extra=_new.documents,
    responses={
        201: {"model": ConversionOut, "description": "applied: the credits are held"},
        **documented(404, 409, 410, 415),
    },
)
async def apply_for_award(
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Writer,
    body: Annotated[Read[ConversionIn], Depends(_new)],
) -> Response:
    """Apply for an award. The credits of the best use, or those of the lots chosen, are held until it is decided."""
    asked = _asked(request, edge, actor, body.raw)
    rule_set, _, programme = body.value.programme.partition(".")
    application = Application(body.value.learner, rule_set, programme, body.value.wanted())

    async def work(connection: AsyncConnection) -> Conversion | Refusal:
        return await actions.apply_for(connection, counter, asked, application, edge.today())

    return await _change(request, edge, asked, body.raw, "conversion.apply", 201, work)


@router.get(
    "/v1/conversions",
    operation_id="list_conversions",
    responses={200: {"description": "a page of applications"}, **documented(404)},
)
async def list_conversions(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    learner: Annotated[UUID | None, Query(description="of this learner")] = None,
    programme: Annotated[str | None, Query(max_length=64, description="for this programme's id")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Applications, oldest first. A provider sees those that it decides, and all of a learner whom it may see."""
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        decided_by = actor.provider
        if learner is not None:
            account, _ = await learners.find(connection, edge.vault, learner)
            decided_by = None if may_see(actor, account) else decided_by
        found = await queries.page(
            connection,
            decided_by=decided_by,
            learner_id=learner,
            programme=programme,
            after=after,
            limit=limit + 1,
        )
        if learner is not None and not found and decided_by is not None:
            raise LearnerNotFound
    request.scope["looked_at"] = learner
    return page_answer(request, found, limit, lambda one: str(one.id), show_conversion)


@router.get(
    "/v1/conversions/{id}",
    operation_id="read_conversion",
    responses={200: {"model": ConversionOut, "description": "the application"}, **documented(404)},
)
async def read_conversion(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """An application with its hold and what became of it: for whoever made it, decides it, or may see the account."""
    async with edge.database.snapshot() as connection:
        found = await queries.find_conversion(connection, id)
        if not await learners.existing(connection, [found.learner_id]):
            raise ConversionNotFound
        if not (actions.may_decide(actor, found) or actor.client_id == found.applied_by):
            account, _ = await learners.find(connection, edge.vault, found.learner_id)
            if not may_see(actor, account):
                raise ConversionNotFound
    request.scope["looked_at"] = found.learner_id
    return json_answer(show_conversion(found))


@router.post(
    "/v1/conversions/{id}/decision",
    operation_id="decide_conversion",
    openapi_extra=_decision.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def decide_conversion(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Decider,
    body: Annotated[Read[DecisionIn], Depends(_decision)],
) -> Response:
    """Approve an application, whole or in part, or reject it. What is not used is given back."""
    asked = _asked(request, edge, actor, body.raw)
    said = body.value
    verdict = Verdict(said.decision != "reject", said.by_lot(), said.reasons)

    async def work(connection: AsyncConnection) -> Conversion | Refusal:
        return await actions.decide(connection, counter, actor, id, verdict, edge.today())

    return await _change(request, edge, asked, body.raw, "conversion.decide", 200, work)


@router.post(
    "/v1/conversions/{id}/withdrawal",
    operation_id="withdraw_conversion",
    openapi_extra=_nothing.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def withdraw_conversion(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Writer,
    body: Annotated[Read[Nothing], Depends(_nothing)],
) -> Response:
    """Take an application back before it is decided."""
    asked = _asked(request, edge, actor, body.raw)

    async def work(connection: AsyncConnection) -> Conversion | Refusal:
        return await actions.withdraw(connection, counter, actor, id, edge.today())

    return await _change(request, edge, asked, body.raw, "conversion.withdraw", 200, work)


@router.post(
    "/v1/conversions/{id}/annulment",
    operation_id="propose_annulment",
    openapi_extra=_annulment.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def propose_annulment(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Decider,
    body: Annotated[Read[AnnulmentIn], Depends(_annulment)],
) -> Response:
    """Propose that an award be withdrawn. Another client must approve it."""
    asked = _asked(request, edge, actor, body.raw)

    async def work(connection: AsyncConnection) -> Conversion | Refusal:
        return await actions.propose_annulment(connection, counter, actor, id, body.value.reason, edge.today())

    return await _change(request, edge, asked, body.raw, "annulment.propose", 200, work)


@router.post(
    "/v1/conversions/{id}/annulment/decision",
    operation_id="decide_annulment",
    openapi_extra=_annulment_decision.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def decide_annulment(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Decider,
    body: Annotated[Read[AnnulmentDecisionIn], Depends(_annulment_decision)],
) -> Response:
    """Approve or refuse a proposed annulment: never whoever proposed it."""
    asked = _asked(request, edge, actor, body.raw)
    approves = body.value.decision == "approve"

    async def work(connection: AsyncConnection) -> Conversion | Refusal:
        return await actions.decide_annulment(connection, counter, actor, id, approves=approves, today=edge.today())

    return await _change(request, edge, asked, body.raw, "annulment.decide", 200, work)


@router.post(
    "/v1/learners/{id}/exchanges",
    operation_id="exchange_credits",
    status_code=201,
    openapi_extra=_exchange.documents,
    responses={201: {"model": ExchangeOut, "description": "exchanged"}, **documented(404, 409, 410, 415)},
)
async def exchange_credits(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Writer,
    body: Annotated[Read[ExchangeIn], Depends(_exchange)],
) -> Response:
    """Change credits into another unit, or transfer them to another institution: both legs or none."""
    asked = _asked(request, edge, actor, body.raw)
    said = body.value
    wish = Wish(said.rule_set, said.unit_conversion, said.provider, said.unit, said.milli(), said.wanted())

    async def work(connection: AsyncConnection) -> Answer:
        found = await actions.exchange(connection, counter, asked, id, wish, edge.today())
        if not isinstance(found, Exchange):
            raise found
        details = {"kind": found.kind.value}
        await record(connection, actor.client_id, "exchange.make", f"exchange:{found.id}", details, edge.clock())
        _, key = await learners.find(connection, edge.vault, id)
        return Answer(201, to_json(show_exchange(found)), owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)


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
        if not may_see(actor, account):
            raise LearnerNotFound
        found = await queries.exchanges_of(connection, id)
    shown = [one for one in found if after is None or one.id > after]
    return page_answer(request, shown[: limit + 1], limit, lambda one: str(one.id), show_exchange)
