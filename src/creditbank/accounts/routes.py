"""Endpoints of an account's life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record, record_all
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned, can
from creditbank.accounts.actions import change_state
from creditbank.accounts.schemas import AccountStateIn, OpenedBatch, OpenedItem
from creditbank.conversions.routes import DoorDep
from creditbank.errors import Refusal
from creditbank.guardianships.actions import follow_birth_date
from creditbank.intake.domain import BatchTooLarge
from creditbank.learners import queries
from creditbank.learners.actions import Mending, Opened, mend, open_accounts
from creditbank.learners.domain import (
    Application,
    IdentityTaken,
    Learner,
    LearnerErased,
    LearnerNotFound,
    check_born,
)
from creditbank.learners.queries import find
from creditbank.learners.routes import OPENING_REFUSED, count_asking, number_form
from creditbank.learners.schemas import LearnerChange, LearnerIn, LearnerOut
from creditbank.providers.domain import UnknownProvider
from creditbank.regions.domain import UnknownRegion
from creditbank.web.bodies import JsonBody, Read, items_of, read_item
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.problems import EdgeRefusal, documented, instance_of, language_of, problem_of, status_of
from creditbank.web.revisions import check_match, etag

router = APIRouter(tags=["learners"])

_BATCH: Final = TypeAdapter(OpenedBatch)

_POSTED: Final = {
    "name": "张三",
    "birth_date": "1990-01-01",
    "region": "500103",
    "identities": [{"type": "student_number", "value": "20260017"}],
}
_item: Final = TypeAdapter(LearnerIn)
_change = JsonBody(LearnerChange, {"region": "500105"})
_state = JsonBody(AccountStateIn, {"state": "closed", "reason": "learner_asked"})


_Read = Application | Refusal | EdgeRefusal
_Became = Learner | Refusal | EdgeRefusal


@router.post(
    "/v1/learners/batch",
    operation_id="open_accounts",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/LearnerIn"}, "minItems": 1},
                    "example": [_POSTED],
                }
            },
        }
    },
    responses={200: {"model": OpenedBatch, "description": "one result an account"}, **documented(409, 410, 415)},
)
async def open_accounts_at_once(
    request: Request, edge: EdgeDep, actor: Annotated[Actor, Depends(require("learners:write"))]
) -> Response:
    """Open many accounts: a JSON array or one a line. One that is refused harms no other."""
    raw = await request.body()
    items = items_of(request, raw)
    most = edge.settings.batch_items_max
    if len(items) > most:
        raise BatchTooLarge(most=most)
    read = [_read_item(item, actor, edge.today()) for item in items]

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        counted = await _count(connection, edge, request, actor, read)
        wanted = [one for one in counted if isinstance(one, Application)]
        outcomes = iter(await open_accounts(connection, edge.vault, number_form(edge), wanted, now))
        opened = [next(outcomes) if isinstance(one, Application) else one for one in counted]
        became = [one.learner if isinstance(one, Opened) else one for one in opened]
        things = [(f"learner:{one.id}", one.owned) for one in became if isinstance(one, Learner)]
        await record_all(connection, actor.by, "learner.open", things, now)
        refused = sum(isinstance(one, IdentityTaken) for one in became)
        if refused:
            await record(connection, actor.by, OPENING_REFUSED, actor.identity, {"refused": refused}, now)
        return _told(request, became)

    async def retell(connection: AsyncConnection, kept: bytes) -> Answer:
        earlier: list[dict[str, str]] = orjson.loads(kept)
        became = [await _again(connection, edge, was, one) for was, one in zip(earlier, read, strict=True)]
        return _told(request, became)

    return await once(request, edge, actor.client_id, raw, work, retell)


async def _count(
    connection: AsyncConnection, edge: Edge, request: Request, actor: Actor, read: Sequence[_Read]
) -> list[_Read]:
    """What was read, with a refusal for each account that asks after an identity when no more may be looked up."""
    applications = [one for one in read if isinstance(one, Application)]
    taken = iter(await queries.taken(connection, edge.vault, applications))
    counted: list[_Read] = []
    for one in read:
        try:
            if isinstance(one, Application):
                count_asking(request, actor, asks=bool(one.identities), tells=next(taken))
            counted.append(one)
        except EdgeRefusal as too_many:
            counted.append(too_many)
    return counted


def _read_item(raw: bytes, actor: Actor, today: date) -> _Read:
    try:
        new = read_item(_item, raw)
        check_born(new.birth_date, today)
        return new.to_domain(actor)
    except (Refusal, EdgeRefusal) as refusal:
        return refusal


async def _again(connection: AsyncConnection, edge: Edge, was: Mapping[str, str], read: _Read) -> _Became:
    """What became of an item the first time: an account is read as it is now, and what was refused stays so."""
    if not isinstance(read, Application):
        return read
    if "id" not in was:
        return _refusal_of(was)
    try:
        return (await find(connection, edge.vault, UUID(was["id"])))[0]
    except LearnerErased as gone:
        return gone


def _kept(became: _Became) -> dict[str, str]:
    """What is kept of an item: ids and types only, for the answer names people and no one key could seal it."""
    if isinstance(became, Learner):
        return {"id": str(became.id)}
    if isinstance(became, UnknownProvider):
        return {"unknown": became.pointer}
    if isinstance(became, UnknownRegion):
        return {"nowhere": became.given}
    if isinstance(became, EdgeRefusal) and became.status == 429:
        return {"spent": ""}
    return {}


def _refusal_of(was: Mapping[str, str]) -> Refusal | EdgeRefusal:
    """What was kept of an application that the bank refused after it had read it."""
    if "spent" in was:
        return EdgeRefusal(429, code="too_many_requests")
    if "nowhere" in was:
        return UnknownRegion(given=was["nowhere"])
    return UnknownProvider(pointer=was["unknown"]) if "unknown" in was else IdentityTaken()


def _told(request: Request, became: Sequence[_Became]) -> Answer:
    language, instance = language_of(request), instance_of(request)
    results: list[OpenedItem] = []
    for index, one in enumerate(became):
        if isinstance(one, Learner):
            results.append({"index": index, "status": 201, "learner": LearnerOut.from_domain(one)})
            continue
        problem = problem_of(one, language, instance)
        problem["errors"] = [{**e, "pointer": f"/{index}{e['pointer']}"} for e in problem["errors"]]
        results.append({"index": index, "status": status_of(one), "problem": problem})
    opened = sum(one["status"] == 201 for one in results)
    body: OpenedBatch = {"results": results, "counts": {"opened": opened, "refused": len(results) - opened}}
    return Answer(200, _BATCH.dump_json(body), kept=orjson.dumps(list(map(_kept, became))))


@router.patch(
    "/v1/learners/{id}",
    operation_id="mend_learner",
    openapi_extra=_change.documents,
    responses={200: {"model": LearnerOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def mend_learner(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write"))],
    body: Annotated[Read[LearnerChange], Depends(_change)],
) -> Response:
    """Mend an account's name, birth date or region; another region is a move today. Needs `If-Match`.

    With the birth date the day moves on which a minor's guardianships end; who is of age by it has none any more.
    """
    wanted = body.value
    check_born(wanted.birth_date, edge.today())

    async def work(connection: AsyncConnection) -> Answer:
        await queries.lock(connection, edge.vault, [id])
        learner, key = await find(connection, edge.vault, id)
        if not can(actor, "account.mend", learner.owned):
            raise LearnerNotFound
        check_match(request, learner.revision)
        mending = Mending(wanted.name, wanted.birth_date, wanted.region)
        mended = await mend(connection, edge.vault, id, mending, edge.today(), edge.clock())
        if mended.profile.birth_date != learner.profile.birth_date:
            await follow_birth_date(connection, mended, actor, edge.clock(), edge.settings.zone)
        fields = sorted(wanted.model_fields_set)
        await record(
            connection, actor.by, "learner.mend", f"learner:{id}", {"fields": fields}, edge.clock(), learner.owned
        )
        shown = LearnerOut.from_domain(mended).model_dump_json().encode()
        return Answer(200, shown, {"ETag": etag(mended.revision)}, owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/state",
    operation_id="change_account_state",
    openapi_extra=_state.documents,
    responses={200: {"model": LearnerOut, "description": "the account now"}, **documented(404, 409, 415)},
)
async def change_account_state(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    door: DoorDep,
    actor: Annotated[Actor, Depends(require("learners:write"))],
    body: Annotated[Read[AccountStateIn], Depends(_state)],
) -> Response:
    """Close an account, say that its owner died, or open it again; only the bank does.

    An account that has ended takes no further achievement, claim, enrolment, application or exchange, and its open
    applications are withdrawn. What it holds is read, amended, revoked and verified as before.
    """
    check_whole(actor, "account.end", Owned(learner_id=id))
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        learner, key = await change_state(connection, door.counter, id, wanted.state, actor, edge.today())
        details = {"state": wanted.state, "reason": wanted.reason}
        await record(connection, actor.by, "learner.state", f"learner:{id}", details, edge.clock(), learner.owned)
        shown = LearnerOut.from_domain(learner).model_dump_json().encode()
        return Answer(200, shown, {"ETag": etag(learner.revision)}, owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)
