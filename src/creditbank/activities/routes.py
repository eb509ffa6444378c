"""Endpoints of activities: announcing, changing, cancelling, and the three ways in which people are checked in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import segno
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import limit_public, require
from creditbank.access.policy import Owned, can
from creditbank.activities import actions, queries
from creditbank.activities.actions import Attended, Door, Present
from creditbank.activities.domain import (
    Activity,
    ActivityCancelled,
    ActivityEndsEarly,
    ActivityNotBegun,
    ActivityOver,
    ActivityProviderUnnamed,
    CheckInCode,
    UnknownSeries,
    Way,
    check_code,
    seal_of,
)
from creditbank.activities.queries import Wanted
from creditbank.activities.schemas import (
    ActivityChangeIn,
    ActivityIn,
    ActivityOut,
    AttendanceOut,
    AttendedCounts,
    AttendedOut,
    CancellationIn,
    CheckedInOut,
    CheckInCodeOut,
    CheckInIn,
    RosterIn,
    RosterOut,
    SheetOut,
)
from creditbank.activities.sheet import Sheet, read_sheet
from creditbank.clock import learning_day
from creditbank.codes import code_list
from creditbank.errors import Fault, Refusal
from creditbank.identifiers import new_id
from creditbank.intake.actions import Desk
from creditbank.intake.domain import BatchTooLarge, UnknownCategory, UnknownKind
from creditbank.intake.routes import DeskDep
from creditbank.learners.domain import NAMING_REFUSED, Reference, UnknownLearner, asks_after
from creditbank.learners.queries import find_key
from creditbank.learners.routes import count_asking
from creditbank.providers.domain import CODE_FORM, ForeignProvider
from creditbank.providers.queries import check_active
from creditbank.sealing import Vault
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.negotiation import best_of
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import EdgeRefusal, documented, instance_of, language_of, problem_of
from creditbank.web.revisions import check_match, etag, is_unchanged

router = APIRouter(tags=["activities"])

_new = JsonBody(
    ActivityIn,
    {
        "series": "learning_week",
        "title": {"zh": "智能手机讲座", "en": "A talk on smartphones"},
        "place": "解放碑社区学校 201",
        "category": "ict/computing",
        "starts": "2026-11-03T09:00:00+08:00",
        "ends": "2026-11-03T11:00:00+08:00",
        "hours": "2",
        "capacity": 60,
    },
)
_change = JsonBody(ActivityChangeIn, {"place": "解放碑社区学校 305"})
_cancellation = JsonBody(CancellationIn, {"reason": "The hall was flooded."})
_roster = JsonBody(RosterIn, {"learners": [{"number": "CQ1000000013"}]})
_check_in = JsonBody(
    CheckInIn,
    {
        "code": "0193a1b2c3d47e8f9a0b1c2d3e4f5a6b.29877120.0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "learner": {"number": "CQ1000000013"},
    },
)
_SVG: Final = "image/svg+xml"
_SHEET: Final = "number,time\nCQ1000000013,2026-11-03 09:05\n"

Reader = Annotated[Actor, Depends(require("activities:read"))]
Writer = Annotated[Actor, Depends(require("activities:write"))]
# It revokes what was given for the activity.
Canceller = Annotated[Actor, Depends(require("activities:write", is_grave=True, while_stopped=True))]


def _answer(activity: Activity, status: int) -> Answer:
    headers = {"ETag": etag(activity.revision)}
    if status == 201:
        headers["Location"] = f"/v1/activities/{activity.id}"
    return Answer(status, to_json(ActivityOut.from_domain(activity)), headers)


def _check_listed(category: str | None) -> None:
    if category is not None and category not in code_list("categories"):
        raise UnknownCategory(given=category)


def _check_own(actor: Actor, activity: Activity) -> None:
    """Everybody may read it, so that hiding it would tell nothing. Raises ForeignProvider."""
    if not can(actor, "activity.hold", Owned(activity.provider)):
        raise ForeignProvider(provider_code=activity.provider, pointer="")


@router.post(
    "/v1/activities",
    operation_id="announce_activity",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": ActivityOut, "description": "announced"}, **documented(409, 410, 415)},
)
async def announce_activity(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[ActivityIn], Depends(_new)]
) -> Response:
    """Announce an activity of the caller's institution, or of one under it."""
    new = body.value
    provider = new.provider or actor.provider
    if provider is None:
        raise ActivityProviderUnnamed
    if not can(actor, "activity.hold", Owned(provider)):
        raise ForeignProvider(provider_code=provider)
    if new.kind not in code_list("kinds"):
        raise UnknownKind(given=new.kind)
    if new.series is not None and new.series not in code_list("activity_series"):
        raise UnknownSeries(given=new.series)
    _check_listed(new.category)
    activity = new.to_domain(new_id(), provider)
    if activity.ends <= activity.starts:
        raise ActivityEndsEarly

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        await actions.announce(connection, activity, now)
        await record(
            connection, actor.by, "activity.announce", f"activity:{activity.id}", {}, now, Owned(activity.provider)
        )
        return _answer(activity, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/activities",
    operation_id="list_activities",
    dependencies=[Depends(limit_public)],
    responses={200: {"model": Page[ActivityOut], "description": "a page of activities"}, **documented(public=True)},
)
async def list_activities(
    request: Request,
    edge: EdgeDep,
    under: Annotated[str | None, Query(pattern=CODE_FORM, max_length=255, description="this code and below")] = None,
    series: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None,
    since: Annotated[date | None, Query(description="those that end on this day or later")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What is held where and when, in the order in which it was announced."""
    after = converted(cursor, UUID)
    instant = None
    if since is not None:
        if since.year < 1900:
            raise EdgeRefusal(422, [Fault("?since", "invalid_parameter", "")])
        instant = datetime(since.year, since.month, since.day, tzinfo=edge.settings.zone)
    async with edge.database.read() as connection:
        found = await queries.page(connection, Wanted(under, series, instant), after=after, limit=limit + 1)
    return page_answer(
        request, found, limit, lambda a: str(a.id), lambda a: ActivityOut.from_domain(a).model_dump(mode="json")
    )


@router.get(
    "/v1/activities/{id}",
    operation_id="read_activity",
    dependencies=[Depends(limit_public)],
    responses={
        200: {"model": ActivityOut, "description": "the activity"},
        304: {"description": "unchanged"},
        **documented(404, public=True),
    },
)
async def read_activity(id: UUID, request: Request, edge: EdgeDep) -> Response:
    """One activity."""
    async with edge.database.read() as connection:
        activity = await queries.find(connection, id)
    if is_unchanged(request, activity.revision):
        return Response(status_code=304, headers={"ETag": etag(activity.revision)})
    return json_answer(ActivityOut.from_domain(activity), headers={"ETag": etag(activity.revision)})


@router.patch(
    "/v1/activities/{id}",
    operation_id="change_activity",
    openapi_extra=_change.documents,
    responses={200: {"model": ActivityOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_activity(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[ActivityChangeIn], Depends(_change)]
) -> Response:
    """Change what is announced of an activity. Needs `If-Match`."""
    wanted = body.value.columns()
    _check_listed(wanted.get("category"))

    async def work(connection: AsyncConnection) -> Answer:
        activity = await queries.locked(connection, id)
        _check_own(actor, activity)
        check_match(request, activity.revision)
        if wanted.get("ends", activity.ends) <= wanted.get("starts", activity.starts):
            raise ActivityEndsEarly
        changed = await actions.change(connection, activity, wanted)
        details = {"fields": sorted(body.value.model_fields_set)}
        await record(
            connection, actor.by, "activity.change", f"activity:{id}", details, edge.clock(), Owned(activity.provider)
        )
        return _answer(changed, 200)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/activities/{id}/cancellation",
    operation_id="cancel_activity",
    openapi_extra=_cancellation.documents,
    responses={200: {"model": ActivityOut, "description": "cancelled"}, **documented(404, 409, 410, 415)},
)
async def cancel_activity(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Canceller,
    body: Annotated[Read[CancellationIn], Depends(_cancellation)],
) -> Response:
    """Say that an activity is not, or was never, held. What came of it is revoked by a job."""

    async def work(connection: AsyncConnection) -> Answer:
        activity = await queries.locked(connection, id)
        _check_own(actor, activity)
        cancelled = await actions.cancel(connection, activity, body.value.reason, actor.client_id, edge.clock)
        await record(
            connection, actor.by, "activity.cancel", f"activity:{id}", {}, edge.clock(), Owned(activity.provider)
        )
        return _answer(cancelled, 200)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/activities/{id}/attendance",
    operation_id="read_attendance",
    responses={200: {"model": AttendanceOut, "description": "how many were there"}, **documented(404)},
)
async def read_attendance(id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """How many were at an activity, for whoever holds it and those above."""
    async with edge.database.snapshot() as connection:
        _check_own(actor, await queries.find(connection, id))
        by_way = await queries.counts_by_way(connection, id)
        people = await queries.people_at(connection, id)
    return json_answer(AttendanceOut(attended=sum(by_way.values()), by_way=by_way, head_count=people))


# --- Three ways to have been there ------------------------------------------------------------------------------------


@router.post(
    "/v1/activities/{id}/attendance",
    operation_id="record_attendance",
    openapi_extra=_roster.documents,
    responses={200: {"model": RosterOut, "description": "one result a person"}, **documented(404, 409, 410, 415)},
)
async def record_attendance(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Writer,
    body: Annotated[Read[RosterIn], Depends(_roster)],
) -> Response:
    """Write down by roster who was there. Somebody who cannot be is refused and harms no other."""
    references = [one.to_domain(actor.provider, f"/learners/{place}") for place, one in enumerate(body.value.learners)]

    async def work(connection: AsyncConnection) -> Answer:
        activity = await _mine(connection, actor, id)
        spent = await _spent(connection, desk, request, actor, references)
        named = [Present(one, activity.starts) for place, one in enumerate(references) if place not in spent]
        outcomes = iter(await _enter(connection, edge, Door(desk, actor, "roster"), activity, named))
        results: list[AttendedOut] = []
        for index in range(len(references)):
            one = spent[index] if index in spent else next(outcomes)
            results.append({"index": index, **_shown(request, one)})
        whole: RosterOut = {"results": results, "counts": _counted(results)}
        await _write_down(connection, edge, actor, activity, "roster", whole["counts"])
        return Answer(200, to_json(whole))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/activities/{id}/check-in-code",
    operation_id="read_check_in_code",
    responses={
        200: {
            "model": CheckInCodeOut,
            "description": "the code of this minute, in the form that `Accept` asks for",
            "content": {_SVG: {"schema": {"type": "string", "description": "a QR picture of the code"}}},
        },
        **documented(404, 406, 409),
    },
)
async def read_check_in_code(id: UUID, request: Request, edge: EdgeDep, actor: Writer) -> Response:
    """The code to show at the venue as a QR code. It is another every minute, and is taken for a few."""
    form = best_of(request.headers.get("accept"), ("application/json", _SVG))
    if form is None:
        raise EdgeRefusal(406)
    async with edge.database.read() as connection:
        activity = await queries.find(connection, id)
        _check_own(actor, activity)
        await check_active(connection, activity.provider)
    now = edge.clock()
    _check_open(edge, activity, now)
    minute = _minute(now)
    code = CheckInCode(id, minute, seal_of(_key(edge.vault), id, minute))
    expires = datetime.fromtimestamp(0, now.tzinfo) + timedelta(minutes=minute + edge.settings.check_in_minutes)
    if form == _SVG:
        picture = segno.make_qr(str(code), error="m").svg_inline(scale=8, omitsize=True)
        return Response(picture, 200, {"Expires": format_datetime(expires, usegmt=True), "Vary": "Accept"}, _SVG)
    return json_answer(CheckInCodeOut(code=str(code), expires_at=expires), headers={"Vary": "Accept"})


@router.post(
    "/v1/activities/{id}/check-ins",
    operation_id="check_in",
    status_code=201,
    openapi_extra=_check_in.documents,
    responses={
        200: {"model": CheckedInOut, "description": "they were known to be there"},
        201: {"model": CheckedInOut, "description": "counted"},
        **documented(404, 409, 410, 415),
    },
)
async def check_in(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Annotated[Actor, Depends(require("activities:check_in"))],
    body: Annotated[Read[CheckInIn], Depends(_check_in)],
) -> Response:
    """Check somebody in by the code that they saw at the venue, or oneself. Again is no second attendance."""
    reference = body.value.learner.to_domain(actor.provider, "/learner")

    async def work(connection: AsyncConnection) -> Answer:
        activity = await queries.held(connection, id)
        (found,) = await actions.resolve(connection, desk, [reference])
        learner_id = found.learner_id if found is not None else None
        if not can(actor, "activity.check_in", Owned(activity.provider, learner_id)):
            raise ForeignProvider(provider_code=activity.provider, pointer="")
        asks = asks_after(actor, reference)
        count_asking(request, actor, asks=asks, tells=asks and learner_id is None)
        await check_active(connection, activity.provider)
        now = edge.clock()
        if activity.status == "cancelled":
            raise ActivityCancelled
        _check_open(edge, activity, now)
        check_code(_key(edge.vault), body.value.code, id, _minute(now), edge.settings.check_in_minutes)
        (outcome,) = await _enter(connection, edge, Door(desk, actor, "code"), activity, [Present(reference, now)])
        if isinstance(outcome, Refusal):
            raise outcome
        shown = CheckedInOut(status=_status(outcome), achievement=outcome.achievement_id)
        key = await find_key(connection, edge.vault, outcome.learner_id)
        owner = (outcome.learner_id, key) if key is not None else None
        return Answer(201 if outcome.is_new else 200, to_json(shown), owner=owner)

    try:
        return await once(request, edge, actor.client_id, body.raw, work)
    except UnknownLearner:
        # Of what is refused nothing stays but this: it is a way to fish for people too, save by an id, which is no word
        # about anybody.
        if reference.id is None:
            async with edge.database.write() as connection:
                await record(connection, actor.by, NAMING_REFUSED, actor.identity, {"refused": 1}, edge.clock())
        raise


@router.post(
    "/v1/activities/{id}/sheets",
    operation_id="upload_attendance_sheet",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string", "description": "account number and time, a row a person"},
                    "example": _SHEET,
                }
            },
        }
    },
    responses={200: {"model": SheetOut, "description": "what became of the rows"}, **documented(404, 409, 410, 415)},
)
async def upload_attendance_sheet(id: UUID, request: Request, edge: EdgeDep, desk: DeskDep, actor: Writer) -> Response:
    """Take a sheet that was kept without a network. The same again, or one that overlaps, counts nobody twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise EdgeRefusal(415, terms={"wanted": "text/csv"})
    raw = await request.body()
    sheet = await asyncio.to_thread(read_sheet, raw, edge.settings.account_prefix, edge.settings.zone)
    most = edge.settings.batch_items_max
    if len(sheet.signed) + len(sheet.faults) > most:
        raise BatchTooLarge(most=most)

    async def work(connection: AsyncConnection) -> Answer:
        activity = await _mine(connection, actor, id)
        taken = _on_the_day(edge, activity, sheet)
        present = [Present(Reference(number=one.number), one.at) for one in taken.signed]
        outcomes = await _enter(connection, edge, Door(desk, actor, "sheet"), activity, present)
        results: list[AttendedOut] = []
        for one, outcome in zip(taken.signed, outcomes, strict=True):
            results.append({"row": one.row, **_shown(request, outcome)})
        for fault in taken.faults:
            results.append({"row": fault.row or 0, **_shown(request, EdgeRefusal(422, [fault]))})
        counts = _counted(results)
        refused = [result for result in results if result["status"] == "refused"]
        whole: SheetOut = {"refused": sorted(refused, key=lambda result: result["row"]), "counts": counts}
        await _write_down(connection, edge, actor, activity, "sheet", counts)
        return Answer(200, to_json(whole))

    return await once(request, edge, actor.client_id, raw, work)


async def _spent(
    connection: AsyncConnection, desk: Desk, request: Request, actor: Actor, references: Sequence[Reference]
) -> dict[int, EdgeRefusal]:
    """Those of a roster of whom nothing is said: they ask after somebody when no more may be looked up."""
    spent: dict[int, EdgeRefusal] = {}
    found = await actions.resolve(connection, desk, references)
    for place, (reference, learner_id) in enumerate(zip(references, found, strict=True)):
        asks = asks_after(actor, reference)
        try:
            count_asking(request, actor, asks=asks, tells=asks and learner_id is None)
        except EdgeRefusal as too_many:
            spent[place] = too_many
    return spent


async def _mine(connection: AsyncConnection, actor: Actor, id: UUID) -> Activity:
    activity = await queries.held(connection, id)
    _check_own(actor, activity)
    await check_active(connection, activity.provider)
    return activity


async def _enter(
    connection: AsyncConnection, edge: Edge, door: Door, activity: Activity, present: Sequence[Present]
) -> list[Attended | Refusal]:
    day = learning_day(activity.starts, edge.settings.zone)
    return await actions.check_in(connection, door, activity, present, day, edge.today())


async def _write_down(
    connection: AsyncConnection, edge: Edge, actor: Actor, activity: Activity, way: Way, counts: AttendedCounts
) -> None:
    details = {"way": way, **counts}
    await record(
        connection,
        actor.by,
        "activity.attend",
        f"activity:{activity.id}",
        details,
        edge.clock(),
        Owned(activity.provider),
    )


def _check_open(edge: Edge, activity: Activity, now: datetime) -> None:
    """Hold a code to the time of the activity: from the beginning of its day to its end."""
    if activity.status == "cancelled":
        raise ActivityCancelled
    day = learning_day(activity.starts, edge.settings.zone)
    if learning_day(now, edge.settings.zone) < day:
        raise ActivityNotBegun(day=day.isoformat())
    if now >= activity.ends:
        raise ActivityOver


def _on_the_day(edge: Edge, activity: Activity, sheet: Sheet) -> Sheet:
    """The sheet with those rows refused whose time is on no day of the activity, or has not come."""
    zone, now = edge.settings.zone, edge.clock()
    first, last = learning_day(activity.starts, zone), learning_day(activity.ends, zone)
    is_inside = [first <= learning_day(one.at, zone) <= last and one.at <= now for one in sheet.signed]
    rows = list(zip(sheet.signed, is_inside, strict=True))
    outside = [Fault("/time", "outside_activity", "", one.row) for one, inside in rows if not inside]
    return Sheet([one for one, inside in rows if inside], [*sheet.faults, *outside])


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60


def _key(vault: Vault) -> bytes:
    """The key that seals check-in codes: made of the bank's look-up secret, and of use for nothing else."""
    return vault.lookup_key("check-in code")


def _status(attended: Attended) -> Literal["counted", "already"]:
    return "counted" if attended.is_new else "already"


def _shown(request: Request, outcome: Attended | Refusal | EdgeRefusal) -> AttendedOut:
    if isinstance(outcome, Attended):
        return {"status": _status(outcome)}
    return {"status": "refused", "problem": problem_of(outcome, language_of(request), instance_of(request))}


def _counted(results: Sequence[AttendedOut]) -> AttendedCounts:
    statuses = [one["status"] for one in results]
    return {
        "counted": statuses.count("counted"),
        "already": statuses.count("already"),
        "refused": statuses.count("refused"),
    }
