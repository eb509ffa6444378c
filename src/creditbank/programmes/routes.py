"""Endpoints of programmes, enrolments, audits, and what an offering is worth."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import limit_public, require
from creditbank.access.policy import Owned, can
from creditbank.catalogue import queries as catalogue
from creditbank.credits import Credits
from creditbank.enrolments import queries as enrolments
from creditbank.enrolments.domain import ChangeKind, Enrolment, EnrolmentNotFound
from creditbank.errors import Fault
from creditbank.learners import queries as learners
from creditbank.learners.actions import stamp
from creditbank.learners.domain import LearnerNotFound
from creditbank.learners.queries import LockedLearner
from creditbank.programmes import actions, queries
from creditbank.programmes.actions import NewEnrolment
from creditbank.programmes.domain import (
    AdmissionAwardMissing,
    AdmissionCreditsShort,
    ForeignProgramme,
    Place,
    ProgrammeRef,
    every_programme,
    place_of,
)
from creditbank.programmes.planning import planned_achievement, worth_of
from creditbank.programmes.schemas import (
    AdmissionIn,
    AdmissionOut,
    AuditOut,
    ChangeIn,
    ElectionIn,
    EndingIn,
    EnrolmentIn,
    EnrolmentOut,
    InterruptionIn,
    PinsIn,
    ProgrammeOut,
    ResumptionIn,
    WholeProgrammeOut,
    WorthOut,
    sentence_of_way,
    show_audit,
    show_programme,
    show_whole_programme,
    show_worth,
)
from creditbank.programmes.turns import Answers, in_turns
from creditbank.providers.queries import by_code
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause, Known, trace_of
from creditbank.recognition.explain import WORDS, names_of
from creditbank.rules.telling.decisions import tell_decision
from creditbank.rulesets.domain import Book
from creditbank.rulesets.queries import rule_sets_by_id
from creditbank.rulesets.shelf import Shelf
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, page_answer
from creditbank.web.paging import place_of as place_of_cursor
from creditbank.web.problems import documented, language_of
from creditbank.web.revisions import check_match, etag
from creditbank.web.sentences import Language, sentence

router = APIRouter(tags=["programmes"])

_PLAN_MAX = 50

_admission = JsonBody(AdmissionIn, {"credits": "40"})
_new = JsonBody(EnrolmentIn, {"programme": "acbs-like.bachelor", "enrolled": "2026-03-01"})
Asked = InterruptionIn | ResumptionIn | EndingIn | ElectionIn | PinsIn
_change: JsonBody[Asked] = JsonBody(ChangeIn, {"kind": "interruption", "day": "2026-09-01"})  # type: ignore[arg-type]

Reader = Annotated[Actor, Depends(require("programmes:read"))]
Writer = Annotated[Actor, Depends(require("programmes:write"))]


async def _shelf(request: Request) -> Shelf:
    found: Shelf = request.app.state.shelf
    return found


ShelfDep = Annotated[Shelf, Depends(_shelf)]


# --- Programmes -------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/programmes",
    operation_id="list_programmes",
    responses={200: {"model": Page[ProgrammeOut], "description": "a page of programmes by name"}, **documented()},
)
async def list_programmes(
    request: Request, edge: EdgeDep, shelf: ShelfDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The programmes of the published rule sets, each as the version in force has it."""
    after = place_of_cursor(cursor)
    async with edge.database.read() as connection:
        book = await shelf.book_seen(connection)
    found = [pair for pair in every_programme(book, edge.today()) if after is None or str(pair[0]) > after]
    found.sort(key=lambda pair: str(pair[0]))
    return page_answer(
        request, found[: limit + 1], limit, lambda pair: str(pair[0]), lambda pair: show_programme(*pair)
    )


@router.get(
    "/v1/programmes/{id}",
    operation_id="read_programme",
    responses={200: {"model": WholeProgrammeOut, "description": "the programme"}, **documented(404)},
)
async def read_programme(id: str, edge: EdgeDep, shelf: ShelfDep, actor: Reader) -> Response:
    """A programme as the version in force has it: requirements, caps, what it asks of whoever enters."""
    ref = ProgrammeRef.parse(id)
    async with edge.database.read() as connection:
        book = await shelf.book_seen(connection)
        place = place_of(book, ref)
        admission = await queries.admission_to(connection, place)
        owner = await queries.owner_of(connection, place)
    version = dict(every_programme(book, edge.today()))[ref]
    asked = {
        "credits": str(Credits(admission.milli)) if admission.milli is not None else None,
        "award": str(admission.award) if admission.award is not None else None,
    }
    return json_answer({**show_whole_programme(ref, version), "owner": owner, "admission": asked})


@router.put(
    "/v1/programmes/{id}/admission",
    operation_id="set_admission",
    openapi_extra=_admission.documents,
    responses={
        200: {"model": AdmissionOut, "description": "what is asked for from now on"},
        **documented(404, 409, 410, 415),
    },
)
async def set_admission(
    id: str,
    request: Request,
    edge: EdgeDep,
    shelf: ShelfDep,
    actor: Writer,
    body: Annotated[Read[AdmissionIn], Depends(_admission)],
) -> Response:
    """Say what a programme asks for before it takes a learner: banked credits, the award of another programme."""
    ref, wanted = ProgrammeRef.parse(id), body.value
    milli = Credits.parse(wanted.credits).milli if wanted.credits is not None else None

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        book = await shelf.book(connection)
        place = place_of(book, ref)
        owner = await queries.owner_of(connection, place)
        if not can(actor, "programme.govern", Owned(owner)):
            raise ForeignProgramme(programme=str(ref))
        award = ProgrammeRef.parse(wanted.award) if wanted.award is not None else None
        asked = await actions.ask_for(connection, book, place, milli or None, award, now)
        await record(connection, actor.by, "programme.admission", f"programme:{ref}", {}, now, Owned(owner))
        shown = {
            "credits": str(Credits(asked.milli)) if asked.milli is not None else None,
            "award": str(asked.award) if asked.award is not None else None,
        }
        return Answer(200, to_json(shown))

    return await once(request, edge, actor.client_id, body.raw, work)


# --- Enrolments -------------------------------------------------------------------------------------------------------


async def _visible(
    connection: AsyncConnection, edge: Edge, actor: Actor, learner_id: UUID
) -> list[tuple[Enrolment, str]]:
    """The enrolments that the caller may see, each with its rule set's code, whether or not a version of it stands.

    Raises LearnerNotFound.
    """
    learner, _ = await learners.find(connection, edge.vault, learner_id)
    found = (await enrolments.enrolments_of(connection, [learner_id]))[learner_id]
    rule_sets = await rule_sets_by_id(connection, {one.rule_set_id for one in found})
    mine = [
        (one, rule_sets[one.rule_set_id].code)
        for one in found
        if can(actor, "enrolment.read", Owned(rule_sets[one.rule_set_id].owner, learner_id))
    ]
    if not mine and not can(actor, "account.read", learner.owned):
        raise LearnerNotFound
    return mine


@router.get(
    "/v1/learners/{id}/enrolments",
    operation_id="list_enrolments",
    responses={200: {"model": Page[EnrolmentOut], "description": "a page of enrolments"}, **documented(404)},
)
async def list_enrolments(
    id: UUID, request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """A learner's enrolments, the first first. A provider sees those in its own programmes."""
    after = place_of_cursor(cursor)
    async with edge.database.snapshot() as connection:
        found = await _visible(connection, edge, actor, id)
    rest = [pair for pair in found if after is None or str(pair[0].id) > after]
    return page_answer(
        request,
        rest[: limit + 1],
        limit,
        lambda pair: str(pair[0].id),
        lambda pair: EnrolmentOut.from_domain(*pair).model_dump(mode="json"),
    )


def _answer(enrolment: Enrolment, rule_set: str, learner: LockedLearner, status: int) -> Answer:
    headers = {"ETag": etag(enrolment.revision)}
    if status == 201:
        headers["Location"] = f"/v1/learners/{learner.id}/enrolments/{enrolment.id}"
    body = EnrolmentOut.from_domain(enrolment, rule_set).model_dump_json().encode()
    return Answer(status, body, headers, owner=(learner.id, learner.key))


async def _locked(connection: AsyncConnection, edge: Edge, learner_id: UUID) -> LockedLearner:
    found = await learners.lock(connection, edge.vault, [learner_id])
    if learner_id not in found:
        raise await learners.absence(connection, learner_id)
    return found[learner_id]


@router.post(
    "/v1/learners/{id}/enrolments",
    operation_id="enrol",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": EnrolmentOut, "description": "enrolled"}, **documented(404, 409, 410, 415)},
)
async def enrol(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    shelf: ShelfDep,
    actor: Writer,
    body: Annotated[Read[EnrolmentIn], Depends(_new)],
) -> Response:
    """Enter a learner in a programme, which is governed by the version of that day.

    A provider enters learners whose account it opened, or one under it, in its own programmes. Whoever does not meet
    what the programme asks for is told what is missing, with the nearest ways to it.
    """
    wanted, language = body.value, language_of(request)

    async def work(connection: AsyncConnection) -> Answer:
        today, learner = edge.today(), await _locked(connection, edge, id)
        now = await stamp(connection, learner, edge.clock)
        book = await shelf.book(connection)
        account, _ = await learners.find(connection, edge.vault, id)
        if not can(actor, "account.act", account.owned):
            raise LearnerNotFound
        learner.check_active()
        ref = ProgrammeRef.parse(wanted.programme)
        place = actions.place_named(book, ref)
        owner = await queries.owner_of(connection, place)
        if not can(actor, "programme.govern", Owned(owner)):
            raise ForeignProgramme(programme=str(ref))
        new = NewEnrolment(ref, wanted.enrolled or today, wanted.applied)
        enrolment = await actions.enrol(connection, book, learner, new, actor.client_id, now, today)
        if place.rule_set_id in book.restricted:
            # Only now do these rules say anything of the learner.
            await settle(connection, shelf, {id: learner}, Cause.ENROLMENT, as_of=today, clock=edge.clock)
        about = f"learner:{id}"
        await record(connection, actor.by, "enrolment.add", about, {"programme": str(ref)}, now, Owned(owner, id))
        return _answer(enrolment, ref.rule_set, learner, 201)

    try:
        return await once(request, edge, actor.client_id, body.raw, work)
    except (AdmissionCreditsShort, AdmissionAwardMissing) as short:
        # The ways are looked for once nobody waits for this learner any more.
        async with edge.database.snapshot() as connection:
            book = await shelf.book_seen(connection)
            for learner in (await learners.load(connection, edge.vault, [id])).values():
                if isinstance(short, AdmissionAwardMissing):
                    short.faults = await _award_in(connection, edge, shelf, book, learner, short, language)
                else:
                    place = actions.place_named(book, ProgrammeRef.parse(wanted.programme))
                    short.faults = await _ways_in(connection, edge, shelf, book, learner, place, short, language)
        raise


async def _ways_in(
    connection: AsyncConnection,
    edge: Edge,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    place: Place,
    short: AdmissionCreditsShort,
    language: Language,
) -> tuple[Fault, ...]:
    """What is missing, and the nearest ways to it: a refusal is no dead end."""
    milli = Credits.parse(short.missing).milli
    ways = await queries.ways_to_credits(connection, shelf, book, learner, place, milli, edge.today())
    named = [
        Fault("/programme", "admission_way", sentence_of_way(way.offering, str(Credits(way.milli)), language))
        for way in ways.ways
    ]
    return (Fault("/programme", short.code, sentence(short.code, language, short.terms())), *named)


async def _award_in(
    connection: AsyncConnection,
    edge: Edge,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    missing: AdmissionAwardMissing,
    language: Language,
) -> tuple[Fault, ...]:
    """What the award that is asked for still lacks."""
    audit = await queries.audit_of(connection, shelf, book, learner, ProgrammeRef.parse(missing.award), edge.today())
    lacking = max(audit.allocation.total - audit.allocation.recognised, 0)
    terms = {"award": missing.award, "missing": str(Credits(lacking))}
    text = sentence("admission_award_way" if lacking else "admission_award_ready", language, terms)
    return (
        Fault("/programme", missing.code, sentence(missing.code, language, missing.terms())),
        Fault("/programme", "admission_way", text),
    )


async def _found(
    connection: AsyncConnection, edge: Edge, actor: Actor, learner_id: UUID, enrolment_id: UUID
) -> tuple[Enrolment, str]:
    """One enrolment that the caller may see. Raises LearnerNotFound, EnrolmentNotFound."""
    for enrolment, code in await _visible(connection, edge, actor, learner_id):
        if enrolment.id == enrolment_id:
            return enrolment, code
    raise EnrolmentNotFound


@router.get(
    "/v1/learners/{id}/enrolments/{enrolment_id}",
    operation_id="read_enrolment",
    responses={200: {"model": EnrolmentOut, "description": "the enrolment"}, **documented(404)},
)
async def read_enrolment(id: UUID, enrolment_id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """One enrolment with all that happened to it."""
    async with edge.database.snapshot() as connection:
        enrolment, code = await _found(connection, edge, actor, id, enrolment_id)
    return json_answer(EnrolmentOut.from_domain(enrolment, code), headers={"ETag": etag(enrolment.revision)})


def _asked(wanted: Asked, today: date) -> tuple[ChangeKind, date, dict[str, Any]]:
    """The change that a body asks for, its day, and what it names."""
    match wanted:
        case InterruptionIn():
            return ChangeKind.INTERRUPTED, wanted.day or today, {}
        case ResumptionIn():
            return ChangeKind.RESUMED, wanted.day or today, {}
        case EndingIn():
            return ChangeKind.ENDED, wanted.day or today, {}
        case ElectionIn():
            return ChangeKind.ELECTED, today, {"version": wanted.version}
        case PinsIn():
            lots = {str(lot): name for lot, name in wanted.lots.items()}
            return ChangeKind.PINNED, today, {"lots": lots, "requirements": wanted.requirements}


@router.post(
    "/v1/learners/{id}/enrolments/{enrolment_id}/changes",
    operation_id="change_enrolment",
    openapi_extra=_change.documents,
    responses={200: {"model": EnrolmentOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_enrolment(
    id: UUID,
    enrolment_id: UUID,
    request: Request,
    edge: EdgeDep,
    shelf: ShelfDep,
    actor: Writer,
    body: Annotated[Read[Asked], Depends(_change)],
) -> Response:
    """Interrupt, resume or end an enrolment, elect a later version, choose what fills what. Needs `If-Match`."""
    wanted = body.value

    async def work(connection: AsyncConnection, answers: Answers) -> Answer:
        today, learner = edge.today(), await _locked(connection, edge, id)
        now = await stamp(connection, learner, edge.clock)
        book = await shelf.book(connection)
        enrolment, code = await _found(connection, edge, actor, id, enrolment_id)
        ref, (kind, day, detail) = ProgrammeRef(code, enrolment.programme), _asked(wanted, today)
        # Its rule set is asked, and not the version in force: the programme may stand in none any more.
        rule_sets = await rule_sets_by_id(connection, {enrolment.rule_set_id})
        owner = rule_sets[enrolment.rule_set_id].owner
        if not can(actor, "programme.govern", Owned(owner)):
            raise EnrolmentNotFound
        check_match(request, enrolment.revision)
        changed = await actions.change(
            connection, shelf, book, learner, ref, enrolment, kind, day, detail, actor.client_id, now, today, answers
        )
        if kind is ChangeKind.ELECTED:
            # What was recognised of older achievements may be another from now on.
            await settle(connection, shelf, {id: learner}, Cause.ENROLMENT, as_of=today, clock=edge.clock)
        about = f"learner:{id}"
        said = {"programme": str(ref)}
        await record(connection, actor.by, f"enrolment.{kind.value}", about, said, now, Owned(owner, id))
        return _answer(changed, code, learner, 200)

    return await in_turns(
        lambda answers: once(request, edge, actor.client_id, body.raw, lambda connection: work(connection, answers))
    )


# --- The audit --------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/learners/{id}/programmes/{programme_id}/audit",
    operation_id="audit_programme",
    responses={200: {"model": AuditOut, "description": "what is met and what is missing"}, **documented(404, 409)},
)
async def audit_programme(
    id: UUID,
    programme_id: str,
    request: Request,
    edge: EdgeDep,
    shelf: ShelfDep,
    actor: Reader,
    add: Annotated[
        list[Annotated[str, Query(max_length=200, pattern=r"^[^\x00]+$")]] | None,
        Query(max_length=_PLAN_MAX, description="offerings, by id or code, that the learner plans to complete"),
    ] = None,
) -> Response:
    """How a learner stands in a programme: requirements met and missing, the best use of credits, and the ways on.

    A provider asks about learners who are enrolled in its own programmes.
    """
    ref, today, language = ProgrammeRef.parse(programme_id), edge.today(), language_of(request)
    async with edge.database.snapshot() as connection:
        book = await shelf.book_seen(connection)
        place = place_of(book, ref)
        visible = await _visible(connection, edge, actor, id)
        mine = [one for one, code in visible if code == ref.rule_set and one.programme == ref.programme]
        is_own = can(actor, "enrolment.read", Owned(learner_id=id))
        if not is_own and not any(one.holds_on(today) for one in mine):
            raise EnrolmentNotFound
        learner = (await learners.load(connection, edge.vault, [id]))[id]
        planned = await queries.planned_offerings(connection, add or ())
        basis = await queries.basis_of(connection, shelf, book, learner, place.ref, today)
        seen = await queries.look(connection, id, basis.planning(planned) if planned else basis)
        ways = await queries.ways_for(connection, seen)
    if not planned and seen.is_new:
        async with edge.database.write() as connection:
            await actions.keep(connection, id, seen.audit, today, edge.clock())
    return json_answer(show_audit(seen.audit, ways, language))


# --- What an offering is worth ----------------------------------------------------------------------------------------


@router.get(
    "/v1/offerings/{id}/worth",
    operation_id="read_worth",
    dependencies=[Depends(limit_public)],
    responses={
        200: {"model": WorthOut, "description": "what it gives by each rule set"},
        **documented(404, public=True),
    },
)
async def read_worth(id: UUID, request: Request, edge: EdgeDep, shelf: ShelfDep) -> Response:
    """What completing an offering would give today, by itself, under every rule set in force, and why."""
    today, language = edge.today(), language_of(request)
    async with edge.database.snapshot() as connection:
        offering = await catalogue.find(connection, id)
        book = await shelf.book_seen(connection)
        providers = await by_code(connection, [offering.provider])
    planned = planned_achievement(offering, today)
    names, known = names_of(book, [planned], providers), {planned.key: planned}
    types = {code: one.provider_type for code, one in providers.items()}
    return json_answer(
        {
            "offering": str(id),
            "as_of": today.isoformat(),
            "completed": offering.completed_on(today).isoformat(),
            "assumed": offering.assumed,
            "worth": [
                show_worth(made, tell_decision(trace_of(made, [planned], known), WORDS[language], names))
                for made in worth_of(planned, book, today, Known(types))
            ],
        }
    )
