"""Endpoints of evidence: files that show what somebody learnt."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Owned, can
from creditbank.achievements.queries import of_pairs
from creditbank.claims import actions, queries
from creditbank.claims.domain import MEDIA_TYPES, EvidenceLost, EvidenceNotFound, NewEvidence, check_evidence
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.schemas import EvidenceOut
from creditbank.intake.actions import Desk
from creditbank.intake.routes import DeskDep
from creditbank.learners import queries as learners
from creditbank.learners.domain import MERGED, AccountEnded, LearnerNotFound
from creditbank.sealing import LearnerKey, SealBroken
from creditbank.web.bodies import json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.problems import EdgeRefusal, documented

_log = structlog.get_logger()

router = APIRouter(tags=["claims"])

Claimant = Annotated[Actor, Depends(require("claims:write"))]
Assessor = Annotated[Actor, Depends(require("claims:decide"))]

_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}, "example": "the file's bytes"}
            for media_type in MEDIA_TYPES
        },
    }
}


def _folder_of(request: Request) -> EvidenceFolder:
    """Where evidence lies, as the composition root put it on the application."""
    found: EvidenceFolder = request.app.state.evidence
    return found


@router.post(
    "/v1/learners/{id}/evidence",
    operation_id="upload_evidence",
    status_code=201,
    openapi_extra=_UPLOAD,
    responses={201: {"model": EvidenceOut, "description": "kept"}, **documented(404, 409, 415)},
)
async def upload_evidence(id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Claimant) -> Response:
    """Keep a file that shows something, sealed with the learner's key. The same file again is the same evidence."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise EdgeRefusal(415, terms={"wanted": ", ".join(MEDIA_TYPES)})
    content = await request.body()
    check_evidence(media_type, content)
    async with edge.database.read() as connection:
        account, key = await learners.find(connection, edge.vault, id)
    if not can(actor, "account.act", account.owned):
        # Whoever may not know of the learner is told no more than that there is none.
        raise LearnerNotFound
    if account.state == MERGED:
        # Before a file is written that no row would come to name.
        raise AccountEnded(state=MERGED)
    kept = await _keep(edge, desk, _folder_of(request), id, key, media_type, content)
    shown: EvidenceOut = {"id": kept, "media_type": media_type, "size": len(content)}
    return json_answer(shown, 201, {"Location": f"/v1/learners/{id}/evidence/{kept}"})


async def _keep(
    edge: Edge, desk: Desk, folder: EvidenceFolder, learner_id: UUID, key: LearnerKey, media_type: str, content: bytes
) -> UUID:
    """Seal and write the file while nothing is locked, then name it. Raises LearnerNotFound, AccountEnded.

    The file is there before the row that names it: a row never points at nothing. What no row comes to name is swept
    up.
    """
    mark = (await asyncio.to_thread(key.mark, content)).hex()
    async with edge.database.read() as connection:
        known = await queries.evidence_by_mark(connection, learner_id, mark)
    if known is not None and await asyncio.to_thread(folder.is_whole, known.stored_as):
        return known.id
    sealed = await asyncio.to_thread(key.seal, content, queries.EVIDENCE)
    stored_as = await asyncio.to_thread(folder.keep, sealed)
    new = NewEvidence(media_type, len(content), mark, stored_as)
    async with edge.database.write() as connection:
        lost = known.stored_as if known is not None else None
        named = await actions.name_evidence(connection, desk, learner_id, new, lost)
    if named.stored_as != stored_as:
        # Somebody else handed in the same meanwhile and was first.
        await asyncio.to_thread(folder.remove, [stored_as])
    return named.id


@router.get(
    "/v1/learners/{id}/evidence/{evidence_id}",
    operation_id="read_evidence",
    responses={
        200: {"description": "the file", "content": {m: {"schema": {"type": "string"}} for m in MEDIA_TYPES}},
        **documented(404, 410),
    },
)
async def read_evidence(id: UUID, evidence_id: UUID, request: Request, edge: EdgeDep, actor: Assessor) -> Response:
    """A file of evidence, for whoever assesses. That it was looked at is written down."""
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        found = await queries.find_evidence(connection, id, evidence_id)
        mine = [
            claim
            for claim in await queries.claims_of(connection, id)
            if can(actor, "claim.assess", Owned(claim.provider))
        ]
        about = await of_pairs(connection, {id: key}, [(id, claim.achievement_id) for claim in mine])
    # Of whom it assesses an assessor sees what was handed in to it, and nothing else.
    shown = {one["file"] for a in about for v in a.versions for one in v.content.get("evidence", ())}
    if str(evidence_id) not in shown:
        raise EvidenceNotFound
    try:
        content = key.open(await asyncio.to_thread(_folder_of(request).read, found.stored_as), queries.EVIDENCE)
        if (await asyncio.to_thread(key.mark, content)).hex() != found.mark:
            # Another file of the same learner, which their key opens as well.
            raise SealBroken
    except (FileNotFoundError, ValueError, SealBroken) as lost:
        _log.error("evidence_lost", evidence=str(evidence_id), error=type(lost).__name__)
        raise EvidenceLost from lost
    async with edge.database.write() as connection:
        subject = f"evidence:{evidence_id}"
        await record(
            connection, actor.by, "evidence.read", subject, {"learner": str(id)}, edge.clock(), Owned(learner_id=id)
        )
    return Response(content, 200, {"Content-Disposition": "attachment", "Cache-Control": "no-store"}, found.media_type)
