"""Endpoints of claims, evidence, rulings and the work list."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.achievements.queries import of_pairs
from creditbank.claims import actions, queries
from creditbank.claims.domain import MEDIA_TYPES, ClaimNotFound, EvidenceNotFound, ReviewNotFound, check_evidence
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.schemas import (
    ClaimDecisionIn,
    ClaimIn,
    ClaimOut,
    DecidedOut,
    EvidenceOut,
    LodgedOut,
    ReviewOut,
    ReviewOutcomeIn,
    ReviewWithPrecedents,
    RulingIn,
    RulingOut,
    show_claim,
    show_review,
    show_ruling,
)
from creditbank.codes import code_list
from creditbank.intake.domain import DateInFuture, ProviderUnnamed, UnknownCategory, UnknownKind
from creditbank.intake.routes import DeskDep
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound, may_see
from creditbank.providers.domain import ForeignProvider
from creditbank.recognition.domain import RulingState
from creditbank.sealing import LearnerKey
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import EdgeRefusal, documented

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
_claim = JsonBody(
    ClaimIn,
    {
        "learner": _SOMEBODY,
        "kind": "work",
        "title": {"zh": "养老护理工作三年", "en": "Three years of care for older people"},
        "completed": "2026-05-31",
        "category": "health/welfare",
        "hours": "3600",
        "evidence": ["0197a6f0-0000-7000-8000-000000000003"],
    },
)
_decision = JsonBody(ClaimDecisionIn, {"decision": "reject", "reason": "outcomes_not_shown"})
_outcome = JsonBody(ReviewOutcomeIn, {"outcome": "stands"})

Claimant = Annotated[Actor, Depends(require("claims:write"))]
Assessor = Annotated[Actor, Depends(require("claims:decide"))]
Ruler = Annotated[Actor, Depends(require("rulings:write"))]
Approver = Annotated[Actor, Depends(require("rulings:approve"))]
Worker = Annotated[Actor, Depends(require("reviews:read"))]

_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}, "example": "the file's bytes"}
            for media_type in MEDIA_TYPES
        },
    }
}


def folder_of(request: Request) -> EvidenceFolder:
    """Where evidence lies, as the composition root put it on the application."""
    found: EvidenceFolder = request.app.state.evidence
    return found


async def _key_of(connection: AsyncConnection, edge: Edge, learner_id: UUID) -> LearnerKey:
    return (await learners.find(connection, edge.vault, learner_id))[1]


# --- Evidence ---------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/learners/{id}/evidence",
    operation_id="upload_evidence",
    status_code=201,
    openapi_extra=_UPLOAD,
    responses={201: {"model": EvidenceOut, "description": "kept"}, **documented(404, 415)},
)
async def upload_evidence(id: UUID, request: Request, edge: EdgeDep, actor: Claimant) -> Response:
    """Keep a file that shows something, sealed with the learner's key. The same file again is the same evidence."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise EdgeRefusal(415)
    content = await request.body()
    check_evidence(media_type, content)
    async with edge.database.read() as connection:
        account, key = await learners.find(connection, edge.vault, id)
    if not may_see(actor, account):
        # Whoever may not know of the learner is told no more than that there is none.
        raise LearnerNotFound
    sealed = key.seal(content, queries.EVIDENCE)
    mark = key.mark(content).hex()
    async with edge.database.write() as connection:
        learner = await actions.hold_learner(connection, request.app.state.desk, id)
        # The file is there before the row that names it: a row never points at nothing.
        stored_as = await asyncio.to_thread(folder_of(request).keep, sealed)
        kept = await actions.keep_evidence(connection, learner, media_type, len(content), mark, stored_as)
    shown: EvidenceOut = {"id": kept, "media_type": media_type, "size": len(content)}
    return json_answer(shown, 201, {"Location": f"/v1/learners/{id}/evidence/{kept}"})


@router.get(
    "/v1/learners/{id}/evidence/{evidence_id}",
    operation_id="read_evidence",
    responses={
        200: {"description": "the file", "content": {m: {"schema": {"type": "string"}} for m in MEDIA_TYPES}},
        **documented(404),
    },
)
async def read_evidence(id: UUID, evidence_id: UUID, request: Request, edge: EdgeDep, actor: Assessor) -> Response:
    """A file of evidence, for whoever assesses. That it was looked at is written down."""
    async with edge.database.write() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        found = await queries.find_evidence(connection, id, evidence_id)
        mine = [claim for claim in await queries.claims_of(connection, id) if actor.acts_for(claim.provider)]
        about = await of_pairs(connection, {id: key}, [(id, claim.achievement_id) for claim in mine])
        # Of whom it assesses an assessor sees what was handed in to it, and nothing else.
        shown = {one["file"] for a in about for v in a.versions for one in v.content.get("evidence", ())}
        if str(evidence_id) not in shown:
            raise EvidenceNotFound
        subject = f"evidence:{evidence_id}"
        await record(connection, actor.client_id, "evidence.read", subject, {"learner": str(id)}, edge.clock())
    sealed = await asyncio.to_thread(folder_of(request).read, found.stored_as)
    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return Response(key.open(sealed, queries.EVIDENCE), 200, headers, found.media_type)


# --- Claims -----------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/recognition-claims",
    operation_id="lodge_claim",
    status_code=201,
    openapi_extra=_claim.documents,
    responses={201: {"model": LodgedOut, "description": "lodged"}, **documented(404, 409, 410, 415)},
)
async def lodge_claim(
    request: Request, edge: EdgeDep, desk: DeskDep, actor: Claimant, body: Annotated[Read[ClaimIn], Depends(_claim)]
) -> Response:
    """Ask that what was learnt elsewhere be recognised. It earns what rules give to a fact that nobody assures yet."""
    wanted, today = body.value, edge.today()
    if wanted.completed > today:
        raise DateInFuture(today=today.isoformat(), pointer="/completed")
    if wanted.kind not in code_list("kinds"):
        raise UnknownKind(given=wanted.kind)
    if wanted.category is not None and wanted.category not in code_list("categories"):
        raise UnknownCategory(given=wanted.category)
    provider = wanted.provider or actor.provider
    if provider is None:
        raise ProviderUnnamed
    if not actor.acts_for(provider):
        raise ForeignProvider(provider_code=provider)

    async def work(connection: AsyncConnection) -> Answer:
        account, _ = await learners.find(connection, edge.vault, wanted.learner)
        if not may_see(actor, account):
            raise LearnerNotFound
        claim, recorded = await actions.lodge_claim(
            connection, desk, wanted.learner, provider, wanted.content(), wanted.evidence, actor, today
        )
        await record(
            connection, actor.client_id, "claim.lodge", f"claim:{claim.id}", {"learner": str(claim.learner_id)},
            edge.clock(),
        )  # fmt: skip
        shown = {**show_claim(claim), "outcome": recorded.state}
        headers = {"Location": f"/v1/learners/{claim.learner_id}/recognition-claims/{claim.id}"}
        return Answer(201, to_json(shown), headers, owner=(claim.learner_id, recorded.settled.learner.key))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/learners/{id}/recognition-claims",
    operation_id="list_claims",
    responses={200: {"model": Page[ClaimOut], "description": "the learner's claims"}, **documented(404)},
)
async def list_claims(id: UUID, request: Request, edge: EdgeDep, actor: Assessor) -> Response:
    """A learner's claims, those that the caller or somebody under it assesses."""
    async with edge.database.snapshot() as connection:
        await learners.find(connection, edge.vault, id)
        found = [claim for claim in await queries.claims_of(connection, id) if actor.acts_for(claim.provider)]
    return json_answer({"items": [show_claim(claim) for claim in found], "next": None})


@router.get(
    "/v1/learners/{id}/recognition-claims/{claim_id}",
    operation_id="read_claim",
    responses={200: {"model": ClaimOut, "description": "the claim"}, **documented(404)},
)
async def read_claim(id: UUID, claim_id: UUID, edge: EdgeDep, actor: Assessor) -> Response:
    """One claim and where it stands."""
    async with edge.database.snapshot() as connection:
        await learners.check_there(connection, id)
        claim = await queries.find_claim(connection, id, claim_id)
    _check_assesses(actor, claim.provider)
    return json_answer(show_claim(claim))


def _check_assesses(actor: Actor, provider: str) -> None:
    if not actor.acts_for(provider):
        raise ClaimNotFound


@router.post(
    "/v1/learners/{id}/recognition-claims/{claim_id}/decision",
    operation_id="decide_claim",
    openapi_extra=_decision.documents,
    responses={200: {"model": DecidedOut, "description": "decided"}, **documented(404, 409, 410, 415)},
)
async def decide_claim(
    id: UUID,
    claim_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Assessor,
    body: Annotated[Read[ClaimDecisionIn], Depends(_decision)],
) -> Response:
    """Accept a claim, so that the fact is verified and rules recognise it, or reject it with a reason."""

    async def work(connection: AsyncConnection) -> Answer:
        claim = await queries.find_claim(connection, id, claim_id)
        _check_assesses(actor, claim.provider)
        decided, recorded = await actions.decide_claim(
            connection, desk, id, claim_id, reason=body.value.reason, actor=actor, today=edge.today()
        )
        details = {"learner": str(id), "state": decided.state.value}
        await record(connection, actor.client_id, "claim.decide", f"claim:{claim_id}", details, edge.clock())
        shown: dict[str, Any] = dict(show_claim(decided))
        if recorded is not None:
            shown["outcome"] = recorded.state
        return Answer(200, to_json(shown), owner=(id, await _key_of(connection, edge, id)))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/recognition-claims/{claim_id}/appeal",
    operation_id="appeal_claim",
    responses={200: {"model": ClaimOut, "description": "appealed"}, **documented(404, 409, 410)},
)
async def appeal_claim(
    id: UUID, claim_id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Claimant
) -> Response:
    """Ask that somebody else decide about a claim that was rejected."""

    async def work(connection: AsyncConnection) -> Answer:
        claim = await queries.find_claim(connection, id, claim_id)
        _check_assesses(actor, claim.provider)
        appealed = await actions.appeal_claim(connection, desk, id, claim_id, edge.today())
        await record(
            connection, actor.client_id, "claim.appeal", f"claim:{claim_id}", {"learner": str(id)}, edge.clock()
        )
        return Answer(200, to_json(show_claim(appealed)), owner=(id, await _key_of(connection, edge, id)))

    return await once(request, edge, actor.client_id, b"", work)


# --- Rulings ----------------------------------------------------------------------------------------------------------


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
    require_bank(actor)
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        ruling = await actions.propose_ruling(connection, desk, wanted.learner, wanted.to_domain(), actor)
        details = {"learner": str(wanted.learner), "kind": ruling.kind}
        await record(connection, actor.client_id, "ruling.propose", f"ruling:{ruling.id}", details, edge.clock())
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
    require_bank(actor)
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
    require_bank(actor)

    async def work(connection: AsyncConnection) -> Answer:
        ruling = await actions.decide_ruling(connection, desk, id, ruling_id, state, actor, edge.today())
        details = {"learner": str(id), "state": state.value}
        await record(connection, actor.client_id, "ruling.decide", f"ruling:{ruling_id}", details, edge.clock())
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


# --- The work list ----------------------------------------------------------------------------------------------------


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
    actor: Worker,
    kind: Annotated[Literal["decision", "debt", "claim", "appeal"] | None, Query()] = None,
    state: Annotated[Literal["open", "closed"], Query()] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What waits for a person, what is due first first."""
    after = converted(cursor, _place)
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_reviews(
            connection, given_by=actor.provider, kind=kind, state=state, after=after, limit=limit + 1
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
async def read_review(id: UUID, review_id: UUID, edge: EdgeDep, actor: Worker) -> Response:
    """One review with its precedents: how many similar cases ended in which way of late."""
    async with edge.database.snapshot() as connection:
        await learners.check_there(connection, id)
        review = await queries.find_review(connection, id, review_id)
        _check_works(actor, review.provider)
        similar = await queries.precedents(connection, review)
    return json_answer({**show_review(review), "similar": dict(similar.most_common())})


def _check_works(actor: Actor, provider: str | None) -> None:
    if not actor.is_bank and (provider is None or not actor.acts_for(provider)):
        raise ReviewNotFound


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
        _check_works(actor, (await queries.find_review(connection, id, review_id)).provider)
        review = await actions.take_review(connection, desk, id, review_id, actor)
        return Answer(200, to_json(show_review(review)), owner=(id, await _key_of(connection, edge, id)))

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
    """End a review: the debt stands, or another than who took it waives it; or the decision is right as it is."""
    require_bank(actor)

    async def work(connection: AsyncConnection) -> Answer:
        outcome = body.value.outcome
        review = await actions.close_review(connection, desk, id, review_id, outcome, actor, edge.today())
        details = {"learner": str(id), "outcome": body.value.outcome}
        await record(connection, actor.client_id, "review.close", f"review:{review_id}", details, edge.clock())
        return Answer(200, to_json(show_review(review)), owner=(id, await _key_of(connection, edge, id)))

    return await once(request, edge, actor.client_id, body.raw, work)
