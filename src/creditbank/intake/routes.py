"""Doors for achievements: one, a batch, an amendment, a revocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.achievements.domain import cap_assurance
from creditbank.achievements.schemas import AmendmentIn, RevocationIn, show_achievement
from creditbank.errors import Fault, Refusal, every_refusal
from creditbank.intake.actions import Desk, Outcome, Recorded, amend, revoke, submit
from creditbank.intake.domain import BatchTooLarge, DateInFuture, Submission
from creditbank.intake.gathering import Gathering
from creditbank.intake.reading import ItemRead, check_statement, read_submission, submission_of
from creditbank.intake.schemas import AchievementIn, BatchOut, Counts, ItemOut, RecordedOut, show_outcome
from creditbank.learners.domain import NAMING_REFUSED, UnknownLearner, asks_after
from creditbank.learners.queries import found_by, lookup_key
from creditbank.learners.routes import count_asking
from creditbank.recognition.explain import names_of, reason_of
from creditbank.web.bodies import NDJSON, JsonBody, Read, items_of, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, attempt_of, once
from creditbank.web.problems import EdgeRefusal, documented, instance_of, language_of, problem_of, status_of
from creditbank.web.revisions import etag
from creditbank.web.sentences import Language

router = APIRouter(tags=["achievements"])


_STATED: Final = {
    "external_id": "2026-S1-00017",
    "kind": "course",
    "code": "ENG101",
    "title": {"zh": "大学英语", "en": "College English"},
    "credits": "3",
    "grade": {"percent": "86"},
    "completed": "2026-06-20",
}
_POSTED: Final = {**_STATED, "learner": {"number": "CQ1000000013"}}

_one = JsonBody(AchievementIn, _POSTED)
_amendment = JsonBody(
    AmendmentIn, {"reason": "The grade was of another course.", "achievement": {**_STATED, "grade": {"percent": "68"}}}
)
_revocation = JsonBody(RevocationIn, {"reason": "The certificate was forged.", "effective": "2026-06-20"})

Writer = Annotated[Actor, Depends(require("achievements:write"))]
Revoker = Annotated[Actor, Depends(require("achievements:write", is_grave=True, while_stopped=True))]


async def desk_of(request: Request) -> Desk:
    """The write path's desk that the composition root put on the application."""
    found: Desk = request.app.state.desk
    return found


DeskDep = Annotated[Desk, Depends(desk_of)]


def _body_of(recorded: Recorded, language: Language) -> RecordedOut:
    settled = recorded.settled
    names = names_of(settled.book, settled.achievements.values())
    reasons = [reason_of(decision, language, names) for decision in recorded.decisions]
    return {
        "achievement": show_achievement(recorded.achievement),
        "outcome": show_outcome(recorded.state, recorded.lots, recorded.decisions, reasons),
    }


def _answer(recorded: Recorded, language: Language, status: int) -> Answer:
    achievement = recorded.achievement
    learner = recorded.settled.learner
    return Answer(
        status,
        to_json(_body_of(recorded, language)),
        {"Location": f"/v1/achievements/{achievement.id}", "ETag": etag(achievement.current.number)},
        owner=(learner.id, learner.key),
    )


@router.post(
    "/v1/achievements",
    operation_id="record_achievement",
    status_code=201,
    openapi_extra=_one.documents,
    responses={
        200: {"model": RecordedOut, "description": "it was there already, with this content"},
        201: {"model": RecordedOut, "description": "recorded"},
        **documented(409, 410, 415),
    },
)
async def record_achievement(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[AchievementIn], Depends(_one)]
) -> Response:
    """Record one achievement. The answer says what the bank made of it, and it is durable when it arrives."""
    language = language_of(request)

    def show(outcome: Outcome) -> Answer | Refusal:
        if isinstance(outcome, Recorded):
            return _answer(outcome, language, 201 if outcome.is_new else 200)
        return outcome

    gathering: Gathering = request.app.state.gathering
    attempt = attempt_of(request, edge, actor.client_id, body.raw)
    submission = submission_of(body.value, actor, edge.today())
    asks = asks_after(actor, submission.learner)
    count_asking(request, actor, asks=asks, tells=False)
    answer, replayed = await gathering.submit(submission, attempt, show)
    if isinstance(answer, UnknownLearner) and submission.learner.id is None:
        # Of what is refused nothing stays but this: it is a way to fish for people too, save by an id.
        async with edge.database.write() as connection:
            await record(connection, actor.by, NAMING_REFUSED, actor.identity, {"refused": 1}, edge.clock())
        count_asking(request, actor, asks=asks, tells=asks)
    if isinstance(answer, Refusal):
        raise answer
    return answer.response(replayed=replayed)


@router.post(
    "/v1/achievements/batch",
    operation_id="record_achievements",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/AchievementIn"}, "minItems": 1},
                    "example": [_POSTED],
                },
                NDJSON: {
                    "schema": {"type": "string", "description": "one achievement a line"},
                    "example": orjson.dumps(_POSTED).decode(),
                },
            },
        }
    },
    responses={200: {"model": BatchOut, "description": "one result an achievement"}, **documented(409, 410, 415)},
)
async def record_achievements(request: Request, edge: EdgeDep, desk: DeskDep, actor: Writer) -> Response:
    """Record many achievements: a JSON array or one a line. One that is refused harms no other."""
    raw = await request.body()
    items = items_of(request, raw)
    most = edge.settings.batch_items_max
    if len(items) > most:
        raise BatchTooLarge(most=most)
    language = language_of(request)
    instance = instance_of(request)
    today = edge.today()
    read = [read_submission(item, actor, today) for item in items]

    async def enter(connection: AsyncConnection, chosen: Sequence[ItemRead]) -> list[_Became]:
        submissions = [one for one in chosen if isinstance(one, Submission)]
        outcomes = iter(await submit(connection, desk, submissions, today) if submissions else [])
        return [next(outcomes) if isinstance(one, Submission) else one for one in chosen]

    async def work(connection: AsyncConnection) -> Answer:
        became = await enter(connection, await _count(connection, edge, request, actor, read))
        refused = sum(
            isinstance(one, UnknownLearner) and isinstance(was, Submission) and was.learner.id is None
            for one, was in zip(became, read, strict=True)
        )
        if refused:
            await record(connection, actor.by, NAMING_REFUSED, actor.identity, {"refused": refused}, edge.clock())
        return _batch(became, [_status_of(one) for one in became], language, instance)

    async def retell(connection: AsyncConnection, kept: bytes) -> Answer:
        # What was recorded is there already, so to submit it again stores nothing; what was refused stays so.
        earlier: list[Any] = orjson.loads(kept)
        chosen = [
            one if isinstance(was, int) else _refused_again(was, one) for one, was in zip(read, earlier, strict=True)
        ]
        became = await enter(connection, chosen)
        statuses = [
            was if isinstance(was, int) and isinstance(one, Recorded) else _status_of(one)
            for one, was in zip(became, earlier, strict=True)
        ]
        return _batch(became, statuses, language, instance)

    return await once(request, edge, actor.client_id, raw, work, retell)


_Became = Recorded | Refusal | EdgeRefusal


async def _count(
    connection: AsyncConnection, edge: Edge, request: Request, actor: Actor, read: Sequence[ItemRead]
) -> list[ItemRead]:
    """What was read, with a refusal for each that asks after somebody when no more may be looked up."""
    asking = [
        (index, lookup_key(edge.vault, one.learner), one)
        for index, one in enumerate(read)
        if isinstance(one, Submission) and asks_after(actor, one.learner)
    ]
    known = await found_by(connection, sorted({key for _, key, _ in asking if key is not None}))
    counted = list(read)
    for index, key, one in asking:
        try:
            # Whoever is unknown and is given an account is told of by nothing that was there before.
            count_asking(request, actor, asks=True, tells=key not in known and one.application is None)
        except EdgeRefusal as too_many:
            counted[index] = too_many
    return counted


def _status_of(became: _Became) -> int:
    return (201 if became.is_new else 200) if isinstance(became, Recorded) else status_of(became)


def _batch(became: Sequence[_Became], statuses: Sequence[int], language: Language, instance: str) -> Answer:
    results = [
        _result(index, one, status, language, instance)
        for index, (one, status) in enumerate(zip(became, statuses, strict=True))
    ]
    recorded, unchanged = statuses.count(201), statuses.count(200)
    counts: Counts = {
        "recorded": recorded,
        "unchanged": unchanged,
        "refused": len(statuses) - recorded - unchanged,
    }
    body: BatchOut = {"results": results, "counts": counts}
    kept = [s if isinstance(one, Recorded) else _refusal_kept(one) for one, s in zip(became, statuses, strict=True)]
    return Answer(200, to_json(body), kept=orjson.dumps(kept))


def _refusal_kept(refusal: Refusal | EdgeRefusal) -> dict[str, Any]:
    """What is kept of a refusal. External ids are left out, for they may name a person; the request has them again."""
    faults = [[fault.pointer, fault.code, fault.says, fault.terms] for fault in refusal.faults]
    if isinstance(refusal, EdgeRefusal):
        return {"status": refusal.status, "faults": faults, "edge": refusal.code}
    terms = {name: term for name, term in refusal.terms().items() if name != "external_id"}
    return {"code": refusal.code, "terms": terms, "pointer": refusal.pointer, "faults": faults}


def _fault_again(pointer: str, code: str, says: str = "", terms: Mapping[str, str] | None = None) -> Fault:
    # What was kept before sentences had terms has neither.
    return Fault(pointer, code, "", says=says, terms=terms or {})


def _refused_again(kept: dict[str, Any], read: ItemRead) -> Refusal | EdgeRefusal:
    faults = tuple(_fault_again(*fault) for fault in kept["faults"])
    if "status" in kept:
        # What was kept before other refusals of the edge could be an item's does not say which it is.
        return EdgeRefusal(kept["status"], faults, code=kept.get("edge"))
    kind = next(kind for kind in every_refusal() if kind.code == kept["code"])
    terms = dict(kept["terms"])
    if "external_id" in {field.name for field in fields(kind)} and isinstance(read, Submission):
        terms["external_id"] = read.content["external_id"]
    return kind(**terms, pointer=kept["pointer"], faults=faults)


def _result(index: int, became: _Became, status: int, language: Language, instance: str) -> ItemOut:
    if isinstance(became, Recorded):
        body = _body_of(became, language)
        return {"index": index, "status": status, "achievement": body["achievement"], "outcome": body["outcome"]}
    problem = problem_of(became, language, instance)
    problem["errors"] = [{**e, "pointer": f"/{index}{e['pointer']}"} for e in problem["errors"]]
    return {"index": index, "status": status, "problem": problem}


@router.post(
    "/v1/achievements/{id}/amendments",
    operation_id="amend_achievement",
    status_code=201,
    openapi_extra=_amendment.documents,
    responses={201: {"model": RecordedOut, "description": "a further version"}, **documented(404, 409, 410, 415)},
)
async def amend_achievement(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Writer,
    body: Annotated[Read[AmendmentIn], Depends(_amendment)],
) -> Response:
    """State an achievement anew, whole. Every version stays; the credits follow the newest."""
    statement = body.value.achievement
    check_statement(statement, edge.today(), "/achievement")
    content = statement.content(cap_assurance(statement.assurance, actor.assurance))
    language = language_of(request)

    async def work(connection: AsyncConnection) -> Answer:
        recorded = await amend(connection, desk, id, content, reason=body.value.reason, actor=actor, today=edge.today())
        return _answer(recorded, language, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/achievements/{id}/revocation",
    operation_id="revoke_achievement",
    status_code=201,
    openapi_extra=_revocation.documents,
    responses={201: {"model": RecordedOut, "description": "revoked"}, **documented(404, 409, 410, 415)},
)
async def revoke_achievement(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Revoker,
    body: Annotated[Read[RevocationIn], Depends(_revocation)],
) -> Response:
    """Say that an achievement does not hold (any more). Its credits are taken back by postings; nothing is deleted."""
    language = language_of(request)
    effective = body.value.effective
    if effective is not None and effective > edge.today():
        raise DateInFuture(today=edge.today().isoformat(), pointer="/effective")

    async def work(connection: AsyncConnection) -> Answer:
        recorded = await revoke(
            connection,
            desk,
            id,
            reason=body.value.reason,
            effective=effective,
            actor=actor,
            today=edge.today(),
        )
        return _answer(recorded, language, 201)

    return await once(request, edge, actor.client_id, body.raw, work)
