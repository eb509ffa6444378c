"""Endpoints of accounts."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, can
from creditbank.consents.domain import What
from creditbank.consents.queries import lets
from creditbank.errors import Refusal
from creditbank.learners import queries
from creditbank.learners.actions import Opened, move, open_accounts
from creditbank.learners.domain import (
    IdentityTaken,
    Learner,
    LearnerErased,
    LearnerNotFound,
    MovedInFuture,
    NumberForm,
    Reference,
    Residence,
    check_born,
)
from creditbank.learners.schemas import (
    LearnerIn,
    LearnerOut,
    ReferenceIn,
    ResidenceIn,
    ResidenceOut,
    ResolvedOut,
)
from creditbank.sealing import LearnerKey
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Page
from creditbank.web.problems import documented
from creditbank.web.rates import Rates
from creditbank.web.revisions import etag, is_unchanged

router = APIRouter(tags=["learners"])

OPENING_REFUSED: Final = "learner.open_refused"

_new = JsonBody(
    LearnerIn,
    {
        "name": "张三",
        "birth_date": "1990-01-01",
        "region": "500103",
        "identities": [{"type": "student_number", "value": "20260017"}],
    },
)
_residence = JsonBody(ResidenceIn, {"region": "500105", "since": "2026-03-01"})
_reference = JsonBody(ReferenceIn, {"number": "CQ1000000013"})

Reader = Annotated[Actor, Depends(require("learners:read"))]
Writer = Annotated[Actor, Depends(require("learners:write"))]


def number_form(edge: Edge) -> NumberForm:
    """How this bank's account numbers look."""
    return NumberForm(edge.settings.account_prefix, edge.settings.account_digits)


def count_asking(request: Request, actor: Actor, *, asks: bool, tells: bool) -> None:
    """Count what tells of an identity whether somebody has it as the look-up that it is.

    Whoever has looked up too much asks in no other way either, whatever the answer would be. Raises EdgeRefusal: 429.
    """
    rates: Rates = request.app.state.rates
    if tells or (asks and rates.is_spent("resolve", actor.client_id)):
        rates.admit(request, "resolve", actor.client_id)


def _answer(learner: Learner, key: LearnerKey, status: int) -> Answer:
    headers = {"ETag": etag(learner.revision)}
    if status == 201:
        headers["Location"] = f"/v1/learners/{learner.id}"
    body = LearnerOut.from_domain(learner).model_dump_json().encode()
    return Answer(status, body, headers, owner=(learner.id, key))


@router.post(
    "/v1/learners",
    operation_id="open_account",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": LearnerOut, "description": "opened"}, **documented(409, 410, 415)},
)
async def open_account(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[LearnerIn], Depends(_new)]
) -> Response:
    """Open an account. An identity that another account has already is a conflict, never a second account."""
    new = body.value
    check_born(new.birth_date, edge.today())
    application = new.to_domain(actor)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        (is_taken,) = await queries.taken(connection, edge.vault, [application])
        count_asking(request, actor, asks=bool(application.identities), tells=is_taken)
        outcome = (await open_accounts(connection, edge.vault, number_form(edge), [application], now))[0]
        if not isinstance(outcome, Opened):
            raise outcome
        await record(
            connection, actor.by, "learner.open", f"learner:{outcome.learner.id}", {}, now, outcome.learner.owned
        )
        return _answer(outcome.learner, outcome.key, 201)

    try:
        return await once(request, edge, actor.client_id, body.raw, work)
    except IdentityTaken:
        # Of what is refused nothing stays but this: it is a way to fish for people too.
        async with edge.database.write() as connection:
            await record(connection, actor.by, OPENING_REFUSED, actor.identity, {"refused": 1}, edge.clock())
        raise


@router.post(
    "/v1/learners/resolve",
    operation_id="resolve_learner",
    openapi_extra=_reference.documents,
    responses={200: {"model": ResolvedOut, "description": "found"}, **documented(404, 415)},
)
async def resolve_learner(
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:resolve", "resolve"))],
    body: Annotated[Read[ReferenceIn], Depends(_reference)],
) -> Response:
    """Find a learner by number or identity. The answer tells whether it is the right person, and no more.

    That somebody was looked for is written down, found or not, and never what was asked.
    """
    reference = body.value.to_domain(actor.provider)
    async with edge.database.write() as connection:
        # It is the way to fish for people: whoever finds nobody was perhaps trying.
        found = await _look_up(connection, edge, reference)
        said = {"by": reference.way, "outcome": "found" if isinstance(found, Learner) else found.code}
        subject, about = (f"learner:{found.id}", found.owned) if isinstance(found, Learner) else ("learners", NOBODY_S)
        await record(connection, actor.by, "learner.resolve", subject, said, edge.clock(), about)
    if not isinstance(found, Learner):
        raise found
    request.scope["looked_at"] = [found.id]
    return json_answer(ResolvedOut.from_domain(found))


async def _look_up(connection: AsyncConnection, edge: Edge, reference: Reference) -> Learner | Refusal:
    """Whom a reference points at, or why nobody is shown."""
    key = queries.lookup_key(edge.vault, reference)
    learner_id = reference.id
    if key is not None:
        learner_id = (await queries.resolve(connection, [key])).get(key)
    elif learner_id is not None:
        meant = (await queries.meant(connection, [learner_id])).get(learner_id)
        learner_id = meant.learner_id if meant is not None else learner_id
    if learner_id is None:
        return LearnerNotFound()
    try:
        return (await queries.find(connection, edge.vault, learner_id))[0]
    except (LearnerNotFound, LearnerErased) as absent:
        return absent


@router.get(
    "/v1/learners/{id}",
    operation_id="read_learner",
    responses={
        200: {"model": LearnerOut, "description": "the account"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_learner(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """An account. Beside the bank and whoever opened it, an institution reads it with the learner's consent."""
    async with edge.database.read() as connection:
        learner, _ = await queries.find(connection, edge.vault, id)
        may = can(actor, "account.read", learner.owned)
        if not may and not await lets(connection, actor, id, What.PROFILE, edge.today()):
            raise LearnerNotFound
    if is_unchanged(request, learner.revision):
        return Response(status_code=304, headers={"ETag": etag(learner.revision)})
    return json_answer(LearnerOut.from_domain(learner), headers={"ETag": etag(learner.revision)})


@router.get(
    "/v1/learners/{id}/residences",
    operation_id="list_residences",
    responses={200: {"model": Page[ResidenceOut], "description": "where they lived, in order"}, **documented(404)},
)
async def list_residences(id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """Where a learner lived since when. Of two of one day the last counts."""
    async with edge.database.snapshot() as connection:
        learner, _ = await queries.find(connection, edge.vault, id)
        found = await queries.residences_of(connection, id)
    if not can(actor, "account.read", learner.owned):
        raise LearnerNotFound
    return json_answer(
        {"items": [ResidenceOut.from_domain(one).model_dump(mode="json") for one in found], "next": None}
    )


@router.post(
    "/v1/learners/{id}/residences",
    operation_id="add_residence",
    status_code=201,
    openapi_extra=_residence.documents,
    responses={201: {"model": LearnerOut, "description": "the account now"}, **documented(404, 409, 410, 415)},
)
async def add_residence(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    body: Annotated[Read[ResidenceIn], Depends(_residence)],
) -> Response:
    """Write down where a learner lived from a day on. Nothing is taken back: a correction names the same day."""
    wanted = Residence(body.value.region, body.value.since)
    if body.value.since > edge.today():
        raise MovedInFuture(today=edge.today().isoformat())

    async def work(connection: AsyncConnection) -> Answer:
        await queries.lock(connection, edge.vault, [id])
        learner, _ = await queries.find(connection, edge.vault, id)
        if not can(actor, "account.mend", learner.owned):
            raise LearnerNotFound
        now = edge.clock()
        await move(connection, id, wanted, now)
        await record(connection, actor.by, "learner.move", f"learner:{id}", {}, now, learner.owned)
        return _answer(*await queries.find(connection, edge.vault, id), 201)

    return await once(request, edge, actor.client_id, body.raw, work)
