"""Endpoints of rulings: what a person says of a learner's credits, once another approved it."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned
from creditbank.claims import actions, queries
from creditbank.claims.schemas import (
    RulingIn,
    RulingOut,
    show_ruling,
)
from creditbank.intake.routes import DeskDep
from creditbank.learners import queries as learners
from creditbank.recognition.domain import RulingState
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Page
from creditbank.web.problems import documented

router = APIRouter(tags=["claims"])

_SOMEBODY: Final = "0197a6f0-0000-7000-8000-000000000001"

_ruling = JsonBody(
    RulingIn,
    {
        "learner": _SOMEBODY,
        "kind": "value",
        "rule_set": "city",
        "achievement": "0197a6f0-0000-7000-8000-000000000002",
        "unit": "ENG101",
        "credits": "2.5",
        "reason": "The examiners read the thesis again.",
    },
)

Ruler = Annotated[Actor, Depends(require("rulings:write"))]

Approver = Annotated[Actor, Depends(require("rulings:approve"))]


@router.post(
    "/v1/rulings",
    operation_id="propose_ruling",
    status_code=201,
    openapi_extra=_ruling.documents,
    responses={201: {"model": RulingOut, "description": "proposed"}, **documented(404, 409, 410, 415)},
)
async def propose_ruling(
    request: Request, edge: EdgeDep, desk: DeskDep, actor: Ruler, body: Annotated[Read[RulingIn], Depends(_ruling)]
) -> Response:
    """Rule about a learner's credits. It changes nothing until another person approves it."""
    check_whole(actor, "ruling.make")
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        ruling = await actions.propose_ruling(connection, desk, wanted.learner, wanted.to_domain(), actor)
        details = {"learner": str(wanted.learner), "kind": ruling.kind}
        await record(
            connection,
            actor.by,
            "ruling.propose",
            f"ruling:{ruling.id}",
            details,
            edge.clock(),
            Owned(learner_id=wanted.learner),
        )
        _, key = await learners.find(connection, edge.vault, wanted.learner)
        headers = {"Location": f"/v1/learners/{wanted.learner}/rulings/{ruling.id}"}
        return Answer(201, to_json(show_ruling(ruling)), headers, owner=(wanted.learner, key))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/learners/{id}/rulings",
    operation_id="list_rulings",
    responses={200: {"model": Page[RulingOut], "description": "the learner's rulings"}, **documented(404)},
)
async def list_rulings(id: UUID, edge: EdgeDep, actor: Ruler) -> Response:
    """Everything that was ruled about a learner, in whatever state."""
    check_whole(actor, "ruling.make")
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        found = await queries.all_rulings(connection, id, key)
    return json_answer({"items": [show_ruling(ruling) for ruling in found], "next": None})


async def _decide(
    id: UUID,
    ruling_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Actor,
    state: Literal[RulingState.APPROVED, RulingState.REFUSED, RulingState.WITHDRAWN],
) -> Response:
    check_whole(actor, "ruling.make")

    async def work(connection: AsyncConnection) -> Answer:
        ruling = await actions.decide_ruling(connection, desk, id, ruling_id, state, actor, edge.today())
        details = {"learner": str(id), "state": state.value}
        await record(
            connection, actor.by, "ruling.decide", f"ruling:{ruling_id}", details, edge.clock(), Owned(learner_id=id)
        )
        _, key = await learners.find(connection, edge.vault, id)
        return Answer(200, to_json(show_ruling(ruling)), owner=(id, key))

    return await once(request, edge, actor.client_id, b"", work)


@router.post(
    "/v1/learners/{id}/rulings/{ruling_id}/approval",
    operation_id="approve_ruling",
    responses={
        200: {"model": RulingOut, "description": "approved: the learner was settled again"},
        **documented(404, 409, 410),
    },
)
async def approve_ruling(
    id: UUID, ruling_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Approver
) -> Response:
    """Approve, as a second person, what somebody else ruled."""
    return await _decide(id, ruling_id, request, edge, desk, actor, RulingState.APPROVED)


@router.post(
    "/v1/learners/{id}/rulings/{ruling_id}/refusal",
    operation_id="refuse_ruling",
    responses={200: {"model": RulingOut, "description": "refused"}, **documented(404, 409, 410)},
)
async def refuse_ruling(
    id: UUID, ruling_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Approver
) -> Response:
    """Refuse, as a second person, what somebody else ruled."""
    return await _decide(id, ruling_id, request, edge, desk, actor, RulingState.REFUSED)


@router.post(
    "/v1/learners/{id}/rulings/{ruling_id}/withdrawal",
    operation_id="withdraw_ruling",
    responses={
        200: {"model": RulingOut, "description": "withdrawn: the learner was settled again"},
        **documented(404, 409, 410),
    },
)
async def withdraw_ruling(
    id: UUID, ruling_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Approver
) -> Response:
    """Take a ruling back: from now on it counts no more."""
    return await _decide(id, ruling_id, request, edge, desk, actor, RulingState.WITHDRAWN)
