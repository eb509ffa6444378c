"""Endpoints that answer why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Denied, Owned, can, part
from creditbank.achievements.queries import shown_of
from creditbank.clock import learning_day
from creditbank.consents.domain import What
from creditbank.consents.queries import lets
from creditbank.database.gathered import GatheredRead
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.ledger.domain import Holding, Lot, as_read
from creditbank.ledger.queries import Holder, page_of_lots
from creditbank.ledger.schemas import BalanceOut, LotOut, balance_of, show_lot
from creditbank.recognition import queries
from creditbank.recognition.domain import WITHDRAWN, Decision, Moment
from creditbank.recognition.explain import canonical_of, names_of, reason_of
from creditbank.recognition.past import stood_at
from creditbank.recognition.schemas import DecisionOut, EvaluationOut, show_decision
from creditbank.rules.telling.names import Names
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import LearnerKey
from creditbank.web.bodies import json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.fields import Instant
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer, unknown_cursor
from creditbank.web.problems import documented, language_of
from creditbank.web.sentences import Language

router = APIRouter(tags=["recognition"])

Reader = Annotated[Actor, Depends(require("ledger:read"))]


async def _told(connection: AsyncConnection, request: Request, learner_id: UUID, key: LearnerKey) -> list[DecisionOut]:
    """Every decision of a learner, each with its reason in the caller's language."""
    shelf: Shelf = request.app.state.shelf
    decisions = await queries.decisions_of(connection, learner_id, key)
    achievements = await shown_of(connection, learner_id, key)
    names = names_of(await shelf.book_seen(connection), achievements)
    return _shown(decisions, language_of(request), names)


def _shown(decisions: Sequence[Decision], language: Language, names: Names) -> list[DecisionOut]:
    latest = {decision.key: decision.id for decision in decisions}
    return [
        show_decision(
            d,
            reason_of(d, language, names),
            canonical_of(d),
            is_current=latest[d.key] == d.id and d.effect != WITHDRAWN,
        )
        for d in decisions
    ]


Effective = Annotated[date | None, Query(description="the day that is asked for; by default today")]
Known = Annotated[
    Instant | None,
    Query(description="the instant whose knowledge is asked for, such as one printed on a transcript; by default now"),
]


def moment_of(edge: Edge, effective: date | None, known: datetime | None) -> Moment | None:
    """The moment that a reader asks for; None for the present. Without a day it is the one of ``known``."""
    if effective is None and known is None:
        return None
    if known is None:
        known = edge.clock()
    return Moment(effective or learning_day(known, edge.settings.zone), known)


async def _given_by(connection: AsyncConnection, edge: Edge, actor: Actor, id: UUID) -> str | None:
    """The provider whose lots the caller sees, with those below it; None for all. Raises LearnerNotFound for none."""
    seen = part(actor, "lot.read", Owned(learner_id=id))
    if isinstance(seen, Denied):
        raise LearnerNotFound
    if seen is not None and await lets(connection, actor, id, What.CREDITS, edge.today()):
        return None
    return seen


async def _lots_then(edge: Edge, actor: Actor, id: UUID, moment: Moment) -> list[Lot]:
    """The learner's lots as they stood at a moment, those that the caller may see. Raises LearnerNotFound."""
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        stood = await stood_at(connection, id, key, moment)
        given_by = await _given_by(connection, edge, actor, id)
    seen = [lot for lot in stood.lots if given_by is None or can(actor, "lot.read", Owned(lot.terms.provider, id))]
    if not seen and given_by is not None:
        raise LearnerNotFound
    return [as_read(lot, moment.effective) for lot in seen]


async def _check_there(connection: AsyncConnection, given_by: str | None, id: UUID) -> None:
    """Of whom nothing was found: for who sees all that is an empty account. Raises LearnerNotFound, LearnerErased."""
    await learners.check_there(connection, id)
    if given_by is not None:
        raise LearnerNotFound


@router.get(
    "/v1/learners/{id}/balance",
    operation_id="read_balance",
    tags=["ledger"],
    responses={200: {"model": BalanceOut, "description": "the balance by unit"}, **documented(404)},
)
async def read_balance(
    id: UUID, request: Request, edge: EdgeDep, actor: Reader, effective: Effective = None, known: Known = None
) -> Response:
    """What a learner has now, or had on a day as the bank knew it then. A provider sees what its subtree gave."""
    moment = moment_of(edge, effective, known)
    if moment is not None:
        then = await _lots_then(edge, actor, id, moment)
        held = [Holding(one.terms.credit_unit, one.terms.category, one.terms.level, one.positions) for one in then]
        return json_answer(balance_of(held))
    gathered: GatheredRead[Holder, list[Holding]] = request.app.state.holdings
    given_by = part(actor, "lot.read", Owned(learner_id=id))
    if given_by is not None:
        async with edge.database.read() as connection:
            given_by = await _given_by(connection, edge, actor, id)
    holdings = await gathered.ask((id, given_by, edge.today()))
    if not holdings:
        async with edge.database.read() as connection:
            await _check_there(connection, given_by, id)
    return json_answer(balance_of(holdings))


@router.get(
    "/v1/learners/{id}/lots",
    operation_id="list_lots",
    tags=["ledger"],
    responses={200: {"model": Page[LotOut], "description": "a page of lots"}, **documented(404)},
)
async def list_lots(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    effective: Effective = None,
    known: Known = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A learner's lots, oldest first, with where their credits are or were. A provider sees what its subtree gave."""
    after = converted(cursor, UUID)
    moment = moment_of(edge, effective, known)
    if moment is not None:
        then = [lot for lot in await _lots_then(edge, actor, id, moment) if after is None or lot.id > after]
        return page_answer(request, then[: limit + 1], limit, lambda lot: str(lot.id), show_lot)
    today = edge.today()
    async with edge.database.read() as connection:
        given_by = await _given_by(connection, edge, actor, id)
        found = await page_of_lots(connection, id, given_by=given_by, after=after, limit=limit + 1)
        if not found:
            await _check_there(connection, given_by, id)
    return page_answer(request, found, limit, lambda lot: str(lot.id), lambda lot: show_lot(as_read(lot, today)))


@router.get(
    "/v1/learners/{id}/decisions",
    operation_id="list_decisions",
    responses={200: {"model": Page[DecisionOut], "description": "a page of decisions"}, **documented(404)},
)
async def list_decisions(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Every decision ever made for a learner, the first first: none is lost when a later one takes its place."""
    check_whole(actor, "chain.read", Owned(learner_id=id))
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        shown = await _told(connection, request, id, key)
    place = 0 if after is None else next((i + 1 for i, d in enumerate(shown) if d["id"] == after), None)
    if place is None:
        raise unknown_cursor()
    return page_answer(
        request,
        shown[place : place + limit + 1],
        limit,
        lambda d: str(d["id"]),
        lambda d: d,
    )


@router.get(
    "/v1/learners/{id}/evaluations/{evaluation_id}",
    operation_id="read_evaluation",
    responses={200: {"model": EvaluationOut, "description": "the evaluation"}, **documented(404)},
)
async def read_evaluation(
    id: UUID,
    evaluation_id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
) -> Response:
    """One run of the engine: what it read and what it decided anew, with the trace that answers why."""
    check_whole(actor, "chain.read", Owned(learner_id=id))
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        found = await queries.find_evaluation(connection, id, evaluation_id)
        told = await _told(connection, request, id, key)
    shown = [d for d in told if d["evaluation"] == evaluation_id]
    return json_answer(
        EvaluationOut(
            id=found.id,
            cause=found.cause,
            as_of=found.as_of,
            engine=found.engine,
            epoch=found.epoch,
            input_sha256=found.input_sha256.hex(),
            recorded_at=found.recorded_at,
            decisions=shown,
        )
    )
