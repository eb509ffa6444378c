"""Endpoints of an account's life."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.accounts.actions import change_state
from creditbank.accounts.schemas import AccountStateIn
from creditbank.conversions.routes import CounterDep
from creditbank.learners.schemas import LearnerOut
from creditbank.web.bodies import JsonBody, Read
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.problems import documented
from creditbank.web.revisions import etag

router = APIRouter(tags=["learners"])

_state = JsonBody(AccountStateIn, {"state": "closed", "reason": "learner_asked"})


@router.post(
    "/v1/learners/{id}/state",
    operation_id="change_account_state",
    openapi_extra=_state.documents,
    responses={200: {"model": LearnerOut, "description": "the account now"}, **documented(404, 409, 415)},
)
async def change_account_state(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    counter: CounterDep,
    actor: Annotated[Actor, Depends(require("learners:write"))],
    body: Annotated[Read[AccountStateIn], Depends(_state)],
) -> Response:
    """Close an account, say that its owner died, or open it again; only the bank does.

    An account that has ended takes no further achievement, claim, enrolment, application or exchange, and its open
    applications are withdrawn. What it holds is read, amended, revoked and verified as before.
    """
    require_bank(actor)
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        learner, key = await change_state(connection, counter, id, wanted.state, actor, edge.today())
        details = {"state": wanted.state, "reason": wanted.reason}
        await record(connection, actor.client_id, "learner.state", f"learner:{id}", details, edge.clock())
        shown = LearnerOut.from_domain(learner).model_dump_json().encode()
        return Answer(200, shown, {"ETag": etag(learner.revision)}, owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)
