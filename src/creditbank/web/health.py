"""Whether the process lives, whether it can work, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NotRequired

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from creditbank.database import schema
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.metrics import Metrics
from creditbank.web.problems import EdgeRefusal, documented

router = APIRouter(tags=["health"])

_PATIENCE_SECONDS: Final = 2.0


class StatusOut(TypedDict):
    """That it is well, and at which migration its database is."""

    status: Literal["ok"]
    schema: NotRequired[str]


@router.get(
    "/livez",
    operation_id="livez",
    responses={200: {"model": StatusOut, "description": "the process lives"}, **documented(public=True)},
)
async def livez() -> Response:
    """Answers as long as the process can answer anything."""
    return json_answer({"status": "ok"})


@router.get(
    "/readyz",
    operation_id="readyz",
    responses={200: {"model": StatusOut, "description": "it can work"}, **documented(public=True)},
)
async def readyz(request: Request, edge: EdgeDep) -> Response:
    """Whether the database answers, is at the schema that this version needs, and holds nobody who was erased."""
    is_fit: Callable[[AsyncConnection], Awaitable[bool]] = request.app.state.is_fit
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async with edge.database.read() as connection:
                at = await schema.current(connection)
                is_ready = at == schema.head() and await is_fit(connection)
    except (TimeoutError, OSError, SQLAlchemyError) as error:
        raise EdgeRefusal(503, code="not_ready", headers={"Retry-After": "2"}) from error
    if not is_ready:
        raise EdgeRefusal(503, code="not_ready", headers={"Retry-After": "2"})
    return json_answer({"status": "ok", "schema": at})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, edge: EdgeDep) -> Response:
    """The figures in Prometheus form."""
    if not edge.settings.metrics:
        raise EdgeRefusal(404)
    figures: Metrics = request.app.state.metrics
    body, media_type = figures.expose()
    return Response(body, media_type=media_type)
