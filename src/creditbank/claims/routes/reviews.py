"""Endpoints of the work list: what waits for a person, who took it, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, BankOnly
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import NOBODY_S, Denied, Owned, can, part
from creditbank.claims import actions, queries
from creditbank.claims.domain import Review, ReviewNotFound, Waiver, WaiverState
from creditbank.claims.schemas import (
    ReviewOut,
    ReviewOutcomeIn,
    ReviewWithPrecedents,
    WaiverDecisionIn,
    WaiverIn,
    WaiverOut,
    show_review,
    show_waiver,
)
from creditbank.credits import Credits
from creditbank.intake.actions import Desk
from creditbank.intake.routes import DeskDep
from creditbank.learners.queries import check_there, key_of
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["claims"])

_outcome = JsonBody(ReviewOutcomeIn, {"outcome": "stands"})
_waiver = JsonBody(WaiverIn, {"reason": "good_faith"})
_waiver_decision = JsonBody(WaiverDecisionIn, {"decision": "approve"})

Reader = Annotated[Actor, Depends(require("reviews:read"))]
Worker = Annotated[Actor, Depends(require("reviews:write"))]
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
    actor: Reader,
    kind: Annotated[Literal["decision", "debt", "claim", "appeal"] | None, Query()] = None,
    state: Annotated[Literal["open", "closed"], Query()] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What waits for a person, what is due first first."""
    after = converted(cursor, _place)
    given_by = part(actor, "review.work", NOBODY_S)
    if isinstance(given_by, Denied):
        raise BankOnly
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_reviews(
            connection, given_by=given_by, kind=kind, state=state, after=after, limit=limit + 1
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
async def read_review(id: UUID, review_id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """One review with its precedents: how many similar cases ended in which way of late."""
    async with edge.database.snapshot() as connection:
        await check_there(connection, id)
        review = await _find(connection, actor, id, review_id)
        similar = await queries.precedents(connection, review)
        waivers = await queries.waivers_of(connection, id, review.subject_id) if review.kind == "debt" else []
    shown = [show_waiver(waiver) for waiver in waivers]
    return json_answer({**show_review(review), "similar": dict(similar.most_common()), "waivers": shown})


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
        await _find(connection, actor, id, review_id)
        review, is_new = await actions.take_review(connection, desk, id, review_id, actor)
        if is_new:
            await _record(connection, edge, actor, review, "review.take")
        return await _answer(connection, edge, id, 200, show_review(review))

    return await once(request, edge, actor.client_id, b"", work)


@router.delete(
    "/v1/learners/{id}/reviews/{review_id}/assignment",
    operation_id="release_review",
    responses={200: {"model": ReviewOut, "description": "released"}, **documented(404, 409, 410)},
)
async def release_review(
    id: UUID, review_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Worker
) -> Response:
    """Let others have a review. Its owner does that, or the bank."""

    async def work(connection: AsyncConnection) -> Answer:
        await _find(connection, actor, id, review_id)
        review, owner = await actions.release_review(connection, desk, id, review_id, actor)
        if owner is not None:
            await _record(connection, edge, actor, review, "review.release", owner=str(owner))
        return await _answer(connection, edge, id, 200, show_review(review))

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
    """End a review: the debt stands, or the decision is right as it is."""
    check_whole(actor, "review.close")

    async def work(connection: AsyncConnection) -> Answer:
        review = await actions.close_review(connection, desk, id, review_id, body.value.outcome)
        await _record(connection, edge, actor, review, "review.close", outcome=body.value.outcome)
        return await _answer(connection, edge, id, 200, show_review(review))

    return await once(request, edge, actor.client_id, body.raw, work)


# --- Debts waived by two people ---------------------------------------------------------------------------------------


@router.post(
    "/v1/learners/{id}/reviews/{review_id}/waiver",
    operation_id="propose_waiver",
    status_code=201,
    openapi_extra=_waiver.documents,
    responses={201: {"model": WaiverOut, "description": "proposed"}, **documented(404, 409, 410, 415)},
)
async def propose_waiver(
    id: UUID,
    review_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Worker,
    body: Annotated[Read[WaiverIn], Depends(_waiver)],
) -> Response:
    """Propose that the bank bear what the learner owes on the lot. It changes nothing until another approves it."""

    async def work(connection: AsyncConnection) -> Answer:
        review = await _find(connection, actor, id, review_id)
        waiver = await actions.propose_waiver(connection, desk, id, review_id, body.value.reason, actor)
        await _record_waiver(connection, edge, actor, review, waiver, "waiver.propose")
        headers = {"Location": f"/v1/learners/{id}/reviews/{review_id}"}
        return await _answer(connection, edge, id, 201, show_waiver(waiver), headers)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/reviews/{review_id}/waiver/decision",
    operation_id="decide_waiver",
    openapi_extra=_waiver_decision.documents,
    responses={200: {"model": WaiverOut, "description": "decided"}, **documented(404, 409, 410, 415)},
)
async def decide_waiver(
    id: UUID,
    review_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Approver,
    body: Annotated[Read[WaiverDecisionIn], Depends(_waiver_decision)],
) -> Response:
    """Waive a debt, or refuse to: never whoever proposed it. What is waived ends the review."""
    check_whole(actor, "review.close")
    approves = body.value.decision == "approve"

    async def work(connection: AsyncConnection) -> Answer:
        state: Literal[WaiverState.APPROVED, WaiverState.REFUSED] = (
            WaiverState.APPROVED if approves else WaiverState.REFUSED
        )
        return await _decide(connection, edge, desk, actor, (id, review_id), state)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/reviews/{review_id}/waiver/withdrawal",
    operation_id="withdraw_waiver",
    responses={200: {"model": WaiverOut, "description": "withdrawn"}, **documented(404, 409, 410)},
)
async def withdraw_waiver(
    id: UUID, review_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Worker
) -> Response:
    """Take one's own proposal back."""

    async def work(connection: AsyncConnection) -> Answer:
        return await _decide(connection, edge, desk, actor, (id, review_id), WaiverState.WITHDRAWN)

    return await once(request, edge, actor.client_id, b"", work)


async def _decide(
    connection: AsyncConnection,
    edge: Edge,
    desk: Desk,
    actor: Actor,
    of: tuple[UUID, UUID],
    state: Literal[WaiverState.APPROVED, WaiverState.REFUSED, WaiverState.WITHDRAWN],
) -> Answer:
    review = await _find(connection, actor, *of)
    waiver = await actions.decide_waiver(connection, desk, *of, state, actor, edge.today())
    await _record_waiver(connection, edge, actor, review, waiver, "waiver.decide")
    return await _answer(connection, edge, review.learner_id, 200, show_waiver(waiver))


async def _find(connection: AsyncConnection, actor: Actor, learner_id: UUID, review_id: UUID) -> Review:
    """A review that the actor may work on. Raises ReviewNotFound."""
    review = await queries.find_review(connection, learner_id, review_id)
    if not can(actor, "review.work", Owned(review.provider)):
        raise ReviewNotFound
    return review


async def _record(
    connection: AsyncConnection, edge: Edge, actor: Actor, review: Review, action: str, **details: str
) -> None:
    said = {"learner": str(review.learner_id), **details}
    await record(
        connection,
        actor.by,
        action,
        f"review:{review.id}",
        said,
        edge.clock(),
        Owned(review.provider, review.learner_id),
    )


async def _record_waiver(
    connection: AsyncConnection, edge: Edge, actor: Actor, review: Review, waiver: Waiver, action: str
) -> None:
    said = {
        "learner": str(review.learner_id),
        "review": str(review.id),
        "lot": str(waiver.lot_id),
        "credits": str(Credits(waiver.milli)),
        "reason": waiver.reason.value,
        "state": waiver.state.value,
    }
    await record(
        connection,
        actor.by,
        action,
        f"waiver:{waiver.id}",
        said,
        edge.clock(),
        Owned(review.provider, review.learner_id),
    )


async def _answer(
    connection: AsyncConnection,
    edge: Edge,
    learner_id: UUID,
    status: int,
    shown: ReviewOut | WaiverOut,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    key = await key_of(connection, edge.vault, learner_id)
    return Answer(status, to_json(shown), headers or {}, owner=(learner_id, key))
