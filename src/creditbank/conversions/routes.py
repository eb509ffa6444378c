"""Endpoints of applications for awards. Every change of them needs an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Denied, Owned, can, part
from creditbank.awards import queries
from creditbank.awards.domain import Conversion, ConversionNotFound
from creditbank.conversions import actions
from creditbank.conversions.actions import Application, Asked, Counter, Verdict
from creditbank.conversions.schemas import (
    AnnulmentDecisionIn,
    AnnulmentIn,
    ConversionIn,
    ConversionOut,
    DecisionIn,
    Nothing,
    show_conversion,
)
from creditbank.conversions.taking import take_application
from creditbank.errors import Kind, Refusal
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.programmes.domain import ProgrammeRef
from creditbank.programmes.turns import Answers
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, attempt_of, once
from creditbank.web.paging import Cursor, Limit, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["conversions"])

_new = JsonBody(ConversionIn, {"learner": "01980c2e-6a51-7c52-9f5e-7f8c7a9d2b31", "programme": "abc-like.diploma-x"})
_decision = JsonBody(DecisionIn, {"decision": "approve"})
_nothing = JsonBody(Nothing, {})
_annulment = JsonBody(AnnulmentIn, {"reason": "identity_in_doubt"})
_annulment_decision = JsonBody(AnnulmentDecisionIn, {"decision": "approve"})

Reader = Annotated[Actor, Depends(require("conversions:read"))]
Writer = Annotated[Actor, Depends(require("conversions:write"))]
Withdrawer = Annotated[Actor, Depends(require("conversions:write", while_stopped=True))]
Decider = Annotated[Actor, Depends(require("conversions:decide"))]
Annuller = Annotated[Actor, Depends(require("conversions:decide", is_grave=True))]


@dataclass(eq=False, kw_only=True)
class KeyRequired(Refusal):
    """What cannot be undone is never done twice by a request that was sent twice: it needs a key."""

    code = "idempotency_key_required"
    kind = Kind.INVALID
    pointer: str = "header:Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Door:
    """What every change of credits comes through: the request, the edge, and what acts need beside a connection."""

    request: Request
    edge: Edge
    counter: Counter

    def asked(self, actor: Actor, raw: bytes) -> Asked:
        """Who asks, and by which request. Raises KeyRequired, KeyMalformed."""
        attempt = attempt_of(self.request, self.edge, actor.client_id, raw)
        if attempt is None:
            raise KeyRequired
        return Asked(actor, attempt.key.hex(), attempt.fingerprint)

    async def answer_once(
        self, asked: Asked, raw: bytes, work: Callable[[AsyncConnection], Awaitable[tuple[UUID, Answer]]]
    ) -> Response:
        """Do it once for its key, and answer what becomes known of the learner under the learner's own key."""

        async def worked(connection: AsyncConnection) -> Answer:
            learner_id, answer = await work(connection)
            _, key = await learners.find(connection, self.edge.vault, learner_id)
            return replace(answer, owner=(learner_id, key))

        return await once(self.request, self.edge, asked.actor.client_id, raw, worked)

    async def change(
        self,
        actor: Actor,
        raw: bytes,
        verb: str,
        act: Callable[[AsyncConnection, Asked], Awaitable[Conversion]],
        status: int = 200,
    ) -> Response:
        """Do what changes an application, write down who did it, and answer how it stands now."""
        asked = self.asked(actor, raw)

        async def work(connection: AsyncConnection) -> tuple[UUID, Answer]:
            found = await act(connection, asked)
            subject, details = f"conversion:{found.id}", {"state": found.state.value}
            await record(connection, asked.actor.by, verb, subject, details, self.edge.clock(), actions.owned(found))
            headers = {"Location": f"/v1/conversions/{found.id}"} if status == 201 else {}
            return found.learner_id, Answer(status, to_json(show_conversion(found)), headers)

        return await self.answer_once(asked, raw, work)


async def _door(request: Request, edge: EdgeDep) -> Door:
    return Door(request, edge, request.app.state.counter)


DoorDep = Annotated[Door, Depends(_door)]

_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"model": ConversionOut, "description": "the application now"}}


@router.post(
    "/v1/conversions",
    operation_id="apply_for_award",
    status_code=201,
    openapi_extra=_new.documents,
    responses={
        201: {"model": ConversionOut, "description": "applied: the credits are held"},
        **documented(404, 409, 410, 415),
    },
)
async def apply_for_award(
    door: DoorDep,
    actor: Writer,
    body: Annotated[Read[ConversionIn], Depends(_new)],
) -> Response:
    """Apply for an award. What its audit uses, of all lots or of those chosen, is held until it is decided."""
    application = Application(body.value.learner, ProgrammeRef.parse(body.value.programme), body.value.wanted())
    counter, today = door.counter, door.edge.today()

    async def turn(answers: Answers) -> Response:
        return await door.change(
            actor,
            body.raw,
            "conversion.apply",
            lambda connection, asked: actions.apply_for(connection, counter, asked, application, today, answers),
            status=201,
        )

    return await take_application(door.edge.database, counter, application.learner_id, today, turn)


@router.get(
    "/v1/conversions",
    operation_id="list_conversions",
    responses={200: {"description": "a page of applications"}, **documented(404)},
)
async def list_conversions(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    learner: Annotated[UUID | None, Query(description="of this learner")] = None,
    programme: Annotated[str | None, Query(max_length=64, description="for this programme's id")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Applications, oldest first. A provider sees those that it decides, and all of a learner whom it may see."""
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        # A learner's list is their own.
        learner = learner or actor.learner_id
        decided_by = part(actor, "conversion.read", Owned(learner_id=learner))
        if learner is not None:
            account, _ = await learners.find(connection, edge.vault, learner)
            decided_by = None if can(actor, "account.read", account.owned) else decided_by
        if isinstance(decided_by, Denied):
            raise LearnerNotFound
        found = await queries.page(
            connection,
            decided_by=decided_by,
            learner_id=learner,
            programme=programme,
            after=after,
            limit=limit + 1,
        )
        if learner is not None and not found and decided_by is not None:
            raise LearnerNotFound
    request.scope["looked_at"] = [learner] if learner is not None else []
    return page_answer(request, found, limit, lambda one: str(one.id), show_conversion)


@router.get(
    "/v1/conversions/{id}",
    operation_id="read_conversion",
    responses={200: {"model": ConversionOut, "description": "the application"}, **documented(404)},
)
async def read_conversion(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """An application with its hold and what became of it: for whoever made it, decides it, or may see the account."""
    async with edge.database.snapshot() as connection:
        found = await queries.find_conversion(connection, id)
        if not await learners.existing(connection, [found.learner_id]):
            raise ConversionNotFound
        if not can(actor, "conversion.read", actions.owned(found)):
            account, _ = await learners.find(connection, edge.vault, found.learner_id)
            if not can(actor, "account.read", account.owned):
                raise ConversionNotFound
    request.scope["looked_at"] = [found.learner_id]
    return json_answer(show_conversion(found))


@router.post(
    "/v1/conversions/{id}/decision",
    operation_id="decide_conversion",
    openapi_extra=_decision.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def decide_conversion(
    id: UUID,
    door: DoorDep,
    actor: Decider,
    body: Annotated[Read[DecisionIn], Depends(_decision)],
) -> Response:
    """Approve an application, whole or in part, or reject it. What is not used is given back."""
    said = body.value
    verdict = Verdict(said.decision != "reject", said.by_lot(), said.reasons)
    return await door.change(
        actor,
        body.raw,
        "conversion.decide",
        lambda connection, _: actions.decide(connection, door.counter, actor, id, verdict, door.edge.today()),
    )


@router.post(
    "/v1/conversions/{id}/withdrawal",
    operation_id="withdraw_conversion",
    openapi_extra=_nothing.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def withdraw_conversion(
    id: UUID,
    door: DoorDep,
    actor: Withdrawer,
    body: Annotated[Read[Nothing], Depends(_nothing)],
) -> Response:
    """Take an application back before it is decided."""
    return await door.change(
        actor,
        body.raw,
        "conversion.withdraw",
        lambda connection, _: actions.withdraw(connection, door.counter, actor, id, door.edge.today()),
    )


@router.post(
    "/v1/conversions/{id}/annulment",
    operation_id="propose_annulment",
    openapi_extra=_annulment.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def propose_annulment(
    id: UUID,
    door: DoorDep,
    actor: Decider,
    body: Annotated[Read[AnnulmentIn], Depends(_annulment)],
) -> Response:
    """Propose that an award be withdrawn. Another client must approve it."""
    return await door.change(
        actor,
        body.raw,
        "annulment.propose",
        lambda connection, _: actions.propose_annulment(
            connection, door.counter, actor, id, body.value.reason, door.edge.today()
        ),
    )


@router.post(
    "/v1/conversions/{id}/annulment/decision",
    operation_id="decide_annulment",
    openapi_extra=_annulment_decision.documents,
    responses={**_CHANGED, **documented(404, 409, 410, 415)},
)
async def decide_annulment(
    id: UUID,
    door: DoorDep,
    actor: Annuller,
    body: Annotated[Read[AnnulmentDecisionIn], Depends(_annulment_decision)],
) -> Response:
    """Approve or refuse a proposed annulment: never whoever proposed it."""
    approves = body.value.decision == "approve"
    return await door.change(
        actor,
        body.raw,
        "annulment.decide",
        lambda connection, _: actions.decide_annulment(
            connection, door.counter, actor, id, approves=approves, today=door.edge.today()
        ),
    )
