"""Endpoints of the log. Checkpoints are public, for they say nothing of anybody; a proof is its learner's."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, limit_public, require
from creditbank.access.policy import Owned
from creditbank.checkpoints import queries
from creditbank.checkpoints.notes import keys_of
from creditbank.checkpoints.schemas import (
    CheckpointOut,
    ConsistencyOut,
    KeysOut,
    ProofOut,
    show_checkpoint,
    show_proof,
)
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["checkpoints"])

Size = Annotated[int, Path(ge=0, le=queries.SIZE_MAX, description="leaves in the log when it was signed")]

# What was signed is never changed, so anybody may keep it.
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get(
    "/v1/checkpoints",
    operation_id="list_checkpoints",
    dependencies=[Depends(limit_public)],
    responses={200: {"model": Page[CheckpointOut], "description": "a page of checkpoints"}, **documented(public=True)},
)
async def list_checkpoints(request: Request, edge: EdgeDep, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Every checkpoint, the newest first. No credential is needed: keep them, and later the bank can deny none."""
    before = converted(cursor, natural)
    async with edge.database.read() as connection:
        found = await queries.page_of_checkpoints(connection, before=before, limit=limit + 1)
    return page_answer(request, found, limit, lambda c: str(c.size), show_checkpoint)


@router.get(
    "/v1/checkpoints/keys",
    operation_id="list_checkpoint_keys",
    responses={200: {"model": KeysOut, "description": "the public keys"}, **documented(public=True)},
)
async def list_checkpoint_keys(edge: EdgeDep) -> Response:
    """The public keys under which checkpoints are signed, or were before."""
    keys = [str(key) for key in keys_of(edge.settings)]
    return json_answer({"origin": edge.settings.checkpoint_origin, "keys": keys})


@router.get(
    "/v1/checkpoints/{size}",
    operation_id="read_checkpoint",
    dependencies=[Depends(limit_public)],
    responses={200: {"model": CheckpointOut, "description": "the checkpoint"}, **documented(404, public=True)},
)
async def read_checkpoint(size: Size, edge: EdgeDep) -> Response:
    """The checkpoint of a size."""
    async with edge.database.read() as connection:
        found = await queries.at_size(connection, size)
    return json_answer(show_checkpoint(found), headers=_FOR_EVER)


@router.get(
    "/v1/checkpoints/{size}/consistency",
    operation_id="prove_consistency",
    dependencies=[Depends(limit_public)],
    responses={200: {"model": ConsistencyOut, "description": "the proof"}, **documented(404, public=True)},
)
async def prove_consistency(
    size: Size,
    edge: EdgeDep,
    first: Annotated[int, Query(alias="from", ge=0, le=queries.SIZE_MAX, description="size of the earlier one")],
) -> Response:
    """That this checkpoint's log begins with that of an earlier one: nothing was changed or taken out (RFC 6962)."""
    async with edge.database.snapshot() as connection:
        hashes = await queries.prove_consistency(connection, first, size)
    return json_answer({"from": first, "size": size, "hashes": [hash_.hex() for hash_ in hashes]}, headers=_FOR_EVER)


@router.get(
    "/v1/learners/{id}/proof",
    operation_id="read_proof",
    responses={200: {"model": ProofOut, "description": "the proof"}, **documented(404)},
)
async def read_proof(
    id: UUID,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("ledger:read"))],
    checkpoint: Annotated[
        int | None, Query(ge=0, le=queries.SIZE_MAX, description="size of the checkpoint; the latest when left out")
    ] = None,
    after: Annotated[int, Query(ge=0, le=queries.SIZE_MAX, description="show only postings beyond this seq")] = 0,
) -> Response:
    """What a learner can keep: the postings, and the proof that a signed checkpoint covers them. For the bank only."""
    check_whole(actor, "chain.read", Owned(learner_id=id))
    async with edge.database.snapshot() as connection:
        proof = await queries.prove_inclusion(connection, edge.vault, id, size=checkpoint, after=after)
    return json_answer(show_proof(proof))
