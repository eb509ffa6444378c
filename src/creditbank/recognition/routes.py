"""Endpoints that answer why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.learners import queries as learners
from creditbank.recognition import queries
from creditbank.recognition.domain import WITHDRAWN, Decision
from creditbank.recognition.explain import reason_of
from creditbank.recognition.schemas import DecisionOut, EvaluationOut, show_decision
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer, unknown_cursor
from creditbank.web.problems import documented, language_of
from creditbank.web.sentences import Language

router = APIRouter(tags=["recognition"])

Reader = Annotated[Actor, Depends(require("ledger:read"))]


def _shown(decisions: Sequence[Decision], language: Language) -> list[DecisionOut]:
    latest = {decision.key: decision.id for decision in decisions}
    return [
        show_decision(d, reason_of(d, language), is_current=latest[d.key] == d.id and d.effect != WITHDRAWN)
        for d in decisions
    ]


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
    require_bank(actor)
    after = converted(cursor, UUID)
    language = language_of(request)
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        shown = _shown(await queries.decisions_of(connection, id, key), language)
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
    require_bank(actor)
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        found = await queries.find_evaluation(connection, id, evaluation_id)
        decisions = await queries.decisions_of(connection, id, key)
    shown = [d for d in _shown(decisions, language_of(request)) if d["evaluation"] == evaluation_id]
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
