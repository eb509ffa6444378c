"""Endpoints that are there for test credentials only: when it is in the sandbox, and beginning anew."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import admit
from creditbank.jobs.working import Worker
from creditbank.sandbox.actions import advance_clock
from creditbank.sandbox.clock import SandboxClock
from creditbank.sandbox.domain import check_travel
from creditbank.sandbox.queries import clock_of
from creditbank.sandbox.schemas import SandboxOut, TravelIn
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.problems import EdgeRefusal, documented

router = APIRouter(tags=["sandbox"])

RESET: Final = "/v1/sandbox/reset"
# What years bring is worked off while the caller waits, but not for ever: the worker goes on with the rest.
_PATIENCE_SECONDS: Final = 20

_travel = JsonBody(TravelIn, {"to": "2027-07-01T00:00:00Z"})

Anybody = Annotated[Actor, Depends(admit)]
_SHOWN: Final = {"model": SandboxOut, "description": "how the sandbox stands"}


async def _answer(edge: Edge, *, is_settled: bool) -> Response:
    async with edge.database.read() as connection:
        found = await clock_of(connection)
    if found is None:
        raise EdgeRefusal(404)
    return json_answer(SandboxOut(now=edge.clock(), made_at=found[1], is_settled=is_settled))


@router.get("/v1/sandbox", operation_id="read_sandbox", responses={200: _SHOWN, **documented()})
async def read_sandbox(edge: EdgeDep, actor: Anybody) -> Response:
    """When it is in this sandbox."""
    return await _answer(edge, is_settled=True)


@router.post(
    "/v1/sandbox/clock",
    operation_id="travel",
    openapi_extra=_travel.documents,
    responses={200: _SHOWN, **documented(415)},
)
async def travel(
    request: Request, edge: EdgeDep, actor: Anybody, body: Annotated[Read[TravelIn], Depends(_travel)]
) -> Response:
    """Go forward in time. What the days between bring is done before this answers: expiry, new rules, lapses."""
    clock: SandboxClock = request.app.state.sandbox_clock
    now, to = clock(), body.value.to.astimezone(UTC)
    check_travel(now, to, clock.ahead)
    ahead = clock.ahead + (to - now)
    async with edge.database.write() as connection:
        await advance_clock(connection, ahead)
    clock.ahead = max(clock.ahead, ahead)
    worker: Worker = request.app.state.worker
    is_settled = False
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await worker.run_once():
                pass
            is_settled = True
    except TimeoutError:
        is_settled = False
    return await _answer(edge, is_settled=is_settled)


@router.post(RESET, operation_id="reset_sandbox", responses={200: _SHOWN, **documented()})
async def reset_sandbox(edge: EdgeDep, actor: Anybody) -> Response:
    """Begin anew: an empty bank with the network and the rules that the bank has published by now.

    It is done before the request comes here (`dispatch.Sandboxes`): an application cannot take its own database away.
    """
    return await _answer(edge, is_settled=True)
