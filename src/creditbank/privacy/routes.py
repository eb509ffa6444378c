"""Endpoints of erasures, of consents, and of the archive that a learner takes home."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import iterate_in_threadpool

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned, can
from creditbank.claims.files import EvidenceFolder
from creditbank.consents import actions as consents
from creditbank.consents.domain import Consent
from creditbank.consents.queries import consents_of, find_consent
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.privacy import actions, queries
from creditbank.privacy.actions import SWEPT, Eraser
from creditbank.privacy.domain import ErasureState
from creditbank.privacy.exporting import gather, pack
from creditbank.privacy.looks import Looks, page_of_looks
from creditbank.privacy.schemas import ConsentIn, ConsentOut, ErasureDecisionIn, ErasureIn, ErasureOut, LookOut
from creditbank.sealing import LearnerKey
from creditbank.transcripts.prints import Prints
from creditbank.web.bodies import JsonBody, Read, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import EdgeRefusal, documented

router = APIRouter(tags=["privacy"])

_new = JsonBody(ErasureIn, {"reason": "learner_asked"})
_decision = JsonBody(ErasureDecisionIn, {"decision": "approve"})
_consent = JsonBody(
    ConsentIn,
    {
        "recipient": "cq/yuzhong",
        "what": ["achievements", "credits"],
        "purpose": "Admission to the evening course in nursing.",
        "until": "2027-03-01",
    },
)

ConsentReader = Annotated[Actor, Depends(require("consents:read"))]
Consenter = Annotated[Actor, Depends(require("consents:write"))]
Exporter = Annotated[Actor, Depends(require("privacy:export", is_grave=True))]
EraserActor = Annotated[Actor, Depends(require("privacy:erase", is_grave=True))]


async def eraser_of(request: Request) -> Eraser:
    """The eraser that the composition root put on the application."""
    found: Eraser = request.app.state.eraser
    return found


EraserDep = Annotated[Eraser, Depends(eraser_of)]


@router.post(
    "/v1/learners/{id}/erasure",
    operation_id="propose_erasure",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": ErasureOut, "description": "proposed"}, **documented(404, 409, 415)},
)
async def propose_erasure(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    eraser: EraserDep,
    actor: EraserActor,
    body: Annotated[Read[ErasureIn], Depends(_new)],
) -> Response:
    """Ask that a person be erased. Nothing changes until somebody else approves it."""
    check_whole(actor, "erasure.decide", Owned(learner_id=id))

    async def work(connection: AsyncConnection) -> Answer:
        erasure, learner = await actions.propose(connection, eraser, id, body.value.reason, actor.principal)
        details = {"reason": erasure.reason}
        await record(
            connection, actor.by, "erasure.propose", f"learner:{id}", details, edge.clock(), Owned(learner_id=id)
        )
        shown = ErasureOut.from_domain(erasure).model_dump_json().encode()
        return Answer(201, shown, owner=(id, learner.key))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/erasure/decision",
    operation_id="decide_erasure",
    openapi_extra=_decision.documents,
    responses={200: {"model": ErasureOut, "description": "decided, and done"}, **documented(404, 409, 415)},
)
async def decide_erasure(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    eraser: EraserDep,
    actor: EraserActor,
    body: Annotated[Read[ErasureDecisionIn], Depends(_decision)],
) -> Response:
    """Approve an erasure that somebody else proposed, or refuse it. Approved, it is done at once and for ever.

    Open applications are withdrawn, open reviews closed. The learner's key and all they could be found by are
    destroyed; postings, decisions and sums stay, and no longer say whose they are.
    """
    check_whole(actor, "erasure.decide", Owned(learner_id=id))
    approves = body.value.decision == "approve"
    erased = [id]

    async def work(connection: AsyncConnection) -> Answer:
        erased[1:] = await learners.merged_into(connection, id)
        try:
            erasure = await actions.decide(
                connection,
                eraser,
                id,
                approves=approves,
                approver=actor.principal,
                client_id=actor.client_id,
                today=edge.today(),
            )
        except OSError as full:
            # Without the roll a restored backup would bring the person back: then nothing is erased yet.
            raise EdgeRefusal(503, code="erasure_roll_unwritable", headers={"Retry-After": "60"}) from full
        verb = "erasure.approve" if approves else "erasure.refuse"
        for one in erased if approves else [id]:
            await record(connection, actor.by, verb, f"learner:{one}", {}, edge.clock(), Owned(learner_id=one))
        # It names nobody, and there is no key left to seal it with.
        return Answer(200, ErasureOut.from_domain(erasure).model_dump_json().encode())

    answer = await once(request, edge, actor.client_id, body.raw, work)
    if approves:
        prints: Prints = request.app.state.prints
        for one in erased:
            prints.forget(one)
        await edge.database.sweep(*SWEPT)
    return answer


_ZIP: Final = "application/zip"


@router.get(
    "/v1/learners/{id}/export",
    operation_id="export_learner",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "everything that the bank holds about the learner, as a ZIP archive",
            "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(404),
    },
)
async def export_learner(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Exporter,
) -> Response:
    """Everything about a learner in one archive: records, transcript, evidence, and what each is in two languages.

    That it was made is written down first, and is in the archive.
    """
    check_whole(actor, "learner.export", Owned(learner_id=id))
    now = edge.clock()
    async with edge.database.write() as connection:
        await learners.check_there(connection, id)
        await record(connection, actor.by, "learner.export", f"learner:{id}", {}, now, Owned(learner_id=id))
    async with edge.database.snapshot() as connection:
        held = await gather(connection, edge.vault, request.app.state.shelf, id, edge.today(), edge.settings.zone)
    folder: EvidenceFolder = request.app.state.evidence
    # Read and closed before the first byte leaves: a slow reader holds no connection.
    headers = {"Content-Disposition": f'attachment; filename="{id}.zip"'}
    return StreamingResponse(iterate_in_threadpool(pack(held, folder.read, now)), 200, headers, _ZIP)


@router.get(
    "/v1/erasures",
    operation_id="list_erasures",
    responses={200: {"model": Page[ErasureOut], "description": "a page of erasures"}, **documented()},
)
async def list_erasures(
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("privacy:erase"))],
    state: Annotated[ErasureState | None, Query(description="only those that stand so")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Erasures, the first first: those that wait for a decision, and those that were decided."""
    check_whole(actor, "erasure.decide")
    after = converted(cursor, UUID)
    async with edge.database.read() as connection:
        found = await queries.page_of_erasures(connection, state=state, after=after, limit=limit + 1)
    return page_answer(
        request,
        found,
        limit,
        lambda one: str(one.id),
        lambda one: ErasureOut.from_domain(one).model_dump(mode="json"),
    )


# --- Consents ---------------------------------------------------------------------------------------------------------


def _consented(consent: Consent, key: LearnerKey, status: int) -> Answer:
    at = f"/v1/learners/{consent.learner_id}/consents/{consent.id}"
    headers = {"Location": at} if status == 201 else {}
    return Answer(status, to_json(ConsentOut.from_domain(consent)), headers, owner=(consent.learner_id, key))


@router.post(
    "/v1/learners/{id}/consents",
    operation_id="give_consent",
    status_code=201,
    openapi_extra=_consent.documents,
    responses={201: {"model": ConsentOut, "description": "written down"}, **documented(404, 409, 415)},
)
async def give_consent(
    id: UUID, request: Request, edge: EdgeDep, actor: Consenter, body: Annotated[Read[ConsentIn], Depends(_consent)]
) -> Response:
    """Write down that a learner lets an institution read what it could not read otherwise, and nothing beside it.

    The learner gives it, or the bank for the learner: an institution does not give itself a consent.
    """
    check_whole(actor, "consent.give", Owned(learner_id=id))
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        locked = await learners.lock(connection, edge.vault, [id])
        if id not in locked:
            raise await learners.absence(connection, id)
        key = locked[id].key
        consent = await consents.give(
            connection,
            id,
            key,
            actor,
            recipient=wanted.recipient,
            what=frozenset(wanted.what),
            purpose=wanted.purpose,
            since=wanted.since or edge.today(),
            until=wanted.until,
            now=edge.clock(),
        )
        details = {"consent": str(consent.id), "recipient": consent.recipient, "what": sorted(consent.what)}
        await record(
            connection, actor.by, "consent.give", f"learner:{id}", details, edge.clock(), Owned(consent.recipient, id)
        )
        return _consented(consent, key, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/learners/{id}/consents",
    operation_id="list_consents",
    responses={200: {"model": Page[ConsentOut], "description": "a page of consents"}, **documented(404)},
)
async def list_consents(
    id: UUID, request: Request, edge: EdgeDep, actor: ConsentReader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every consent that a learner gave, withdrawn ones too. An institution sees those that were given to it."""
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        _, key = await learners.find(connection, edge.vault, id)
        everything = await consents_of(connection, id, key)
    given = [one for one in everything if can(actor, "consent.read", Owned(one.recipient, id))]
    if not given and not can(actor, "consent.read", Owned(learner_id=id)):
        raise LearnerNotFound
    found = [one for one in given if after is None or one.id > after]
    return page_answer(
        request,
        found[: limit + 1],
        limit,
        lambda one: str(one.id),
        lambda one: ConsentOut.from_domain(one).model_dump(mode="json", by_alias=True),
    )


@router.post(
    "/v1/learners/{id}/consents/{consent_id}/withdrawal",
    operation_id="withdraw_consent",
    responses={200: {"model": ConsentOut, "description": "withdrawn"}, **documented(404, 409)},
)
async def withdraw_consent(id: UUID, consent_id: UUID, request: Request, edge: EdgeDep, actor: Consenter) -> Response:
    """Withdraw a consent: the next request that would need it is refused."""
    check_whole(actor, "consent.give", Owned(learner_id=id))

    async def work(connection: AsyncConnection) -> Answer:
        locked = await learners.lock(connection, edge.vault, [id])
        if id not in locked:
            raise await learners.absence(connection, id)
        key = locked[id].key
        given = await find_consent(connection, id, consent_id, key)
        consent = await consents.withdraw(connection, given, actor, edge.clock())
        details = {"consent": str(consent_id), "recipient": consent.recipient}
        await record(
            connection,
            actor.by,
            "consent.withdraw",
            f"learner:{id}",
            details,
            edge.clock(),
            Owned(consent.recipient, id),
        )
        return _consented(consent, key, 200)

    return await once(request, edge, actor.client_id, b"", work)


# --- Who looked -------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/learners/{id}/looks",
    operation_id="list_looks",
    responses={200: {"model": Page[LookOut], "description": "a page of looks"}, **documented(404)},
)
async def list_looks(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("looks:read"))],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Who read what is a learner's, by which route, how often, the latest first; other processes lag some seconds."""
    check_whole(actor, "looks.read", Owned(learner_id=id))
    before = converted(cursor, UUID)
    async with edge.database.read() as connection:
        await learners.check_there(connection, id)
    noted: Looks = request.app.state.looks
    if noted.are_waiting:
        async with edge.database.write() as connection:
            await noted.write(connection)
    async with edge.database.read() as connection:
        found = await page_of_looks(connection, id, before=before, limit=limit + 1)
    return page_answer(
        request, found, limit, lambda one: str(one.id), lambda one: LookOut.from_domain(one).model_dump(mode="json")
    )
