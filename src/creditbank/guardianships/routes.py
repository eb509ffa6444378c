"""Endpoints of guardianships."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned, can
from creditbank.guardianships import queries
from creditbank.guardianships.actions import end, register
from creditbank.guardianships.schemas import GuardianshipIn, GuardianshipOut
from creditbank.learners.domain import LearnerNotFound
from creditbank.learners.queries import find
from creditbank.people.sessions import Sessions
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Page
from creditbank.web.problems import documented

router = APIRouter(tags=["learners"])

_new = JsonBody(
    GuardianshipIn,
    {"guardian": "01900000-0000-7000-8000-000000000001", "kind": "parent", "evidence": "household_register"},
)


@router.post(
    "/v1/learners/{id}/guardianships",
    operation_id="register_guardianship",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": GuardianshipOut, "description": "registered"}, **documented(404, 409, 415)},
)
async def register_guardianship(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write", is_grave=True))],
    body: Annotated[Read[GuardianshipIn], Depends(_new)],
) -> Response:
    """Let a guardian see a minor's account and act for the minor, until the minor is of age; only the bank does."""
    check_whole(actor, "guardianship.govern", Owned(learner_id=id))
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        made = await register(
            connection,
            edge.vault,
            id,
            wanted.guardian,
            wanted.kind,
            wanted.evidence,
            actor,
            edge.clock(),
            edge.settings.zone,
        )
        request.state.user_id = made.user_id
        shown = GuardianshipOut.from_domain(made).model_dump_json(by_alias=True).encode()
        _, key = await find(connection, edge.vault, id)
        return Answer(201, shown, {"Location": f"/v1/learners/{id}/guardianships"}, owner=(id, key))

    answer = await once(request, edge, actor.client_id, body.raw, work)
    _forget(request)
    return answer


def _forget(request: Request) -> None:
    """Let the guardian's sessions be looked up again: what they may do has just changed."""
    sessions: Sessions = request.app.state.sessions
    user_id = getattr(request.state, "user_id", None)
    if user_id is not None:
        sessions.forget(user_id)


@router.get(
    "/v1/learners/{id}/guardianships",
    operation_id="list_guardianships",
    responses={200: {"model": Page[GuardianshipOut], "description": "oldest first"}, **documented(404)},
)
async def list_guardianships(
    id: UUID, edge: EdgeDep, actor: Annotated[Actor, Depends(require("learners:read"))]
) -> Response:
    """Who acts or acted for a learner."""
    async with edge.database.snapshot() as connection:
        learner, _ = await find(connection, edge.vault, id)
        found = await queries.of_learner(connection, id)
    if not can(actor, "account.read", learner.owned):
        raise LearnerNotFound
    items = [GuardianshipOut.from_domain(one).model_dump(mode="json", by_alias=True) for one in found]
    return json_answer({"items": items, "next": None})


@router.post(
    "/v1/learners/{id}/guardianships/{guardianship_id}/end",
    operation_id="end_guardianship",
    responses={200: {"model": GuardianshipOut, "description": "ended"}, **documented(404, 409)},
)
async def end_guardianship(
    id: UUID,
    guardianship_id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write", is_grave=True))],
) -> Response:
    """End a guardianship before its day; only the bank does. The guardian sees nothing of the minor any more."""
    check_whole(actor, "guardianship.govern", Owned(learner_id=id))

    async def work(connection: AsyncConnection) -> Answer:
        ended = await end(connection, edge.vault, id, guardianship_id, actor, edge.clock())
        request.state.user_id = ended.user_id
        shown = GuardianshipOut.from_domain(ended).model_dump_json(by_alias=True).encode()
        _, key = await find(connection, edge.vault, id)
        return Answer(200, shown, owner=(id, key))

    answer = await once(request, edge, actor.client_id, b"", work)
    _forget(request)
    return answer
