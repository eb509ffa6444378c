"""Endpoints of the work list: what waits for a person, who took it, how it ended."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.claims import actions, queries
from creditbank.claims.domain import ReviewNotFound
from creditbank.claims.schemas import (
    ReviewOut,
    ReviewOutcomeIn,
    ReviewWithPrecedents,
    show_review,
)
from creditbank.intake.routes import DeskDep
from creditbank.learners import queries as learners
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["claims"])

_outcome = JsonBody(ReviewOutcomeIn, {"outcome": "stands"})

Worker = Annotated[Actor, Depends(require("reviews:read"))]

Approver = Annotated[Actor, Depends(require("rulings:approve"))]


def _place(text: str) -> tuple[date, UUID]:
    day, _, id_ = text.partition(" ")
    return date.fromisoformat(day), UUID(id_)


@router.get(
    "/v1/reviews",
    operation_id="list_reviews",
    responses={200: {"model": Page[ReviewOut], "description": "a page of the work list"}, **documented()},
)
async def list_reviews(
    request: Request,
    edge: EdgeDep,
    actor: Worker,
    kind: Annotated[Literal["decision", "debt", "claim", "appeal"] | None, Query()] = None,
    state: Annotated[Literal["open", "closed"], Query()] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What waits for a person, what is due first first."""
    after = converted(cursor, _place)
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_reviews(
            connection, given_by=actor.provider, kind=kind, state=state, after=after, limit=limit + 1
        )
    return page_answer(request, found, limit, lambda r: f"{r.due_on.isoformat()} {r.id}", show_review)


@router.get(
    "/v1/learners/{id}/reviews/{review_id}",
    operation_id="read_review",
    responses={
        200: {"model": ReviewWithPrecedents, "description": "the review, and how similar cases ended"},
        **documented(404),
    },
)
async def read_review(id: UUID, review_id: UUID, edge: EdgeDep, actor: Worker) -> Response:
    """One review with its precedents: how many similar cases ended in which way of late."""
    async with edge.database.snapshot() as connection:
        review = await queries.find_review(connection, id, review_id)
        _check_works(actor, review.provider)
        similar = await queries.precedents(connection, review)
    return json_answer({**show_review(review), "similar": dict(similar.most_common())})


def _check_works(actor: Actor, provider: str | None) -> None:
    if not actor.is_bank and (provider is None or not actor.acts_for(provider)):
        raise ReviewNotFound


@router.post(
    "/v1/learners/{id}/reviews/{review_id}/assignment",
    operation_id="take_review",
    responses={200: {"model": ReviewOut, "description": "taken"}, **documented(404, 409, 410)},
)
async def take_review(
    id: UUID, review_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Worker
) -> Response:
    """Make a review one's own work."""

    async def work(connection: AsyncConnection) -> Answer:
        _check_works(actor, (await queries.find_review(connection, id, review_id)).provider)
        review = await actions.take_review(connection, desk, id, review_id, actor)
        return Answer(200, to_json(show_review(review)), owner=(id, await learners.key_of(connection, edge.vault, id)))

    return await once(request, edge, actor.client_id, b"", work)


@router.post(
    "/v1/learners/{id}/reviews/{review_id}/outcome",
    operation_id="close_review",
    openapi_extra=_outcome.documents,
    responses={200: {"model": ReviewOut, "description": "closed"}, **documented(404, 409, 410, 415)},
)
async def close_review(
    id: UUID,
    review_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Approver,
    body: Annotated[Read[ReviewOutcomeIn], Depends(_outcome)],
) -> Response:
    """End a review: the debt stands, or another than who took it waives it; or the decision is right as it is."""
    require_bank(actor)

    async def work(connection: AsyncConnection) -> Answer:
        outcome = body.value.outcome
        review = await actions.close_review(connection, desk, id, review_id, outcome, actor, edge.today())
        details = {"learner": str(id), "outcome": body.value.outcome}
        await record(connection, actor.client_id, "review.close", f"review:{review_id}", details, edge.clock())
        return Answer(200, to_json(show_review(review)), owner=(id, await learners.key_of(connection, edge.vault, id)))

    return await once(request, edge, actor.client_id, body.raw, work)
