"""Endpoints of claims of prior learning, their decisions and appeals."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Action, Owned, can
from creditbank.claims import actions, queries
from creditbank.claims.domain import Claim, ClaimNotFound
from creditbank.claims.schemas import (
    ClaimDecisionIn,
    ClaimIn,
    ClaimOut,
    DecidedOut,
    LodgedOut,
    show_claim,
)
from creditbank.codes import code_list
from creditbank.intake.domain import DateInFuture, ProviderUnnamed, UnknownCategory, UnknownKind
from creditbank.intake.routes import DeskDep
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.providers.domain import ForeignProvider
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Page
from creditbank.web.problems import documented

router = APIRouter(tags=["claims"])

_SOMEBODY: Final = "0197a6f0-0000-7000-8000-000000000001"

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

Claimant = Annotated[Actor, Depends(require("claims:write"))]

Looker = Annotated[Actor, Depends(require("claims:read"))]
Assessor = Annotated[Actor, Depends(require("claims:decide"))]


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
    if not can(actor, "claim.lodge", Owned(provider, wanted.learner)):
        raise ForeignProvider(provider_code=provider)

    async def work(connection: AsyncConnection) -> Answer:
        account, _ = await learners.find(connection, edge.vault, wanted.learner)
        if not can(actor, "account.act", account.owned):
            raise LearnerNotFound
        claim, recorded = await actions.lodge_claim(
            connection, desk, wanted.learner, provider, wanted.content(), wanted.evidence, actor, today
        )
        await record(
            connection, actor.by, "claim.lodge", f"claim:{claim.id}", {"learner": str(claim.learner_id)},
            edge.clock(), Owned(claim.provider, claim.learner_id),
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
async def list_claims(id: UUID, request: Request, edge: EdgeDep, actor: Looker) -> Response:
    """A learner's claims, those that the caller or somebody under it assesses."""
    async with edge.database.snapshot() as connection:
        account, _ = await learners.find(connection, edge.vault, id)
        found = [
            claim
            for claim in await queries.claims_of(connection, id)
            if can(actor, "claim.read", Owned(claim.provider, id))
        ]
        if not found and not can(actor, "account.read", account.owned):
            raise LearnerNotFound
    return json_answer({"items": [show_claim(claim) for claim in found], "next": None})


@router.get(
    "/v1/learners/{id}/recognition-claims/{claim_id}",
    operation_id="read_claim",
    responses={200: {"model": ClaimOut, "description": "the claim"}, **documented(404)},
)
async def read_claim(id: UUID, claim_id: UUID, edge: EdgeDep, actor: Looker) -> Response:
    """One claim and where it stands."""
    async with edge.database.snapshot() as connection:
        await learners.check_there(connection, id)
        claim = await queries.find_claim(connection, id, claim_id)
    _check(actor, "claim.read", claim)
    return json_answer(show_claim(claim))


def _check(actor: Actor, action: Action, claim: Claim) -> None:
    if not can(actor, action, Owned(claim.provider, claim.learner_id)):
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
        _check(actor, "claim.assess", claim)
        decided, recorded = await actions.decide_claim(
            connection, desk, id, claim_id, reason=body.value.reason, actor=actor, today=edge.today()
        )
        details = {"learner": str(id), "state": decided.state.value}
        await record(
            connection, actor.by, "claim.decide", f"claim:{claim_id}", details, edge.clock(), Owned(claim.provider, id)
        )
        shown: dict[str, Any] = dict(show_claim(decided))
        if recorded is not None:
            shown["outcome"] = recorded.state
        return Answer(200, to_json(shown), owner=(id, await learners.key_of(connection, edge.vault, id)))

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
        _check(actor, "claim.lodge", claim)
        appealed = await actions.appeal_claim(connection, desk, id, claim_id, edge.today())
        await record(
            connection,
            actor.by,
            "claim.appeal",
            f"claim:{claim_id}",
            {"learner": str(id)},
            edge.clock(),
            Owned(claim.provider, id),
        )
        return Answer(200, to_json(show_claim(appealed)), owner=(id, await learners.key_of(connection, edge.vault, id)))

    return await once(request, edge, actor.client_id, b"", work)
