"""Endpoints of transcripts."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.transcripts.formats import page, plain
from creditbank.transcripts.queries import draw
from creditbank.web.edge import EdgeDep
from creditbank.web.negotiation import best_of
from creditbank.web.problems import EdgeRefusal, documented, language_of

router = APIRouter(tags=["transcripts"])

_FORMS: Final = ("application/json", "text/html")


@router.get(
    "/v1/learners/{id}/transcript",
    operation_id="read_transcript",
    responses={
        200: {
            "description": "the transcript, in the form that `Accept` asks for",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/html": {"schema": {"type": "string"}},
            },
        },
        **documented(404, 406),
    },
)
async def read_transcript(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("transcripts:read"))],
) -> Response:
    """What a learner achieved, what it is worth, and why: as JSON or as a page that prints well."""
    require_bank(actor)
    form = best_of(request.headers.get("accept"), _FORMS)
    if form is None:
        raise EdgeRefusal(406)
    language = language_of(request)
    async with edge.database.snapshot() as connection:
        drawn = await draw(connection, edge.vault, id, edge.today())
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language"}
    if form == "text/html":
        return Response(page.render(drawn, language), 200, headers, "text/html; charset=utf-8")
    return Response(orjson.dumps(plain.render(drawn, language)), 200, headers, form)
