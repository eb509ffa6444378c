"""Endpoints that read the ledger."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned
from creditbank.learners.queries import check_there
from creditbank.ledger import queries
from creditbank.ledger.schemas import PostingOut, show_posting
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["ledger"])

Reader = Annotated[Actor, Depends(require("ledger:read"))]


@router.get(
    "/v1/learners/{id}/postings",
    operation_id="list_postings",
    responses={200: {"model": Page[PostingOut], "description": "a page of postings"}, **documented(404)},
)
async def list_postings(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A learner's postings in the order of their hash chain. A chain is read whole, so only the bank reads it."""
    check_whole(actor, "chain.read", Owned(learner_id=id))
    after = converted(cursor, natural) or 0
    async with edge.database.read() as connection:
        await check_there(connection, id)
        found = await queries.postings_of(connection, id, after=after, limit=limit + 1)
    return page_answer(request, found, limit, lambda p: str(p.seq), show_posting)
