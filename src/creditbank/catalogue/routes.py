"""Public code lists, and what can be learnt."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import limit_public, require
from creditbank.access.policy import Owned, can
from creditbank.catalogue import actions, queries
from creditbank.catalogue.domain import (
    Offering,
    OfferingDaysReversed,
    OfferingProviderUnnamed,
    UnknownOfferingCategory,
    UnknownOfferingKind,
)
from creditbank.catalogue.schemas import OfferingChangeIn, OfferingIn, OfferingOut
from creditbank.codes import ListName, code_list
from creditbank.identifiers import new_id
from creditbank.providers.domain import ForeignProvider
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented
from creditbank.web.revisions import check_match, etag, is_unchanged

router = APIRouter(tags=["catalogue"])


class CodeOut(TypedDict):
    """A code of a public list, with its name."""

    code: str
    name: dict[str, str]


def _shown(name: ListName) -> Response:
    items: list[dict[str, object]] = [
        {"code": item.code, "name": {"zh": item.zh, "en": item.en}} for item in code_list(name).values()
    ]
    if name == "kinds":
        for shown, item in zip(items, code_list(name).values(), strict=True):
            shown["facts"] = dict(item.facts)
    return json_answer({"items": items, "next": None}, headers={"Cache-Control": "public, max-age=3600"})


@router.get(
    "/v1/kinds",
    operation_id="list_kinds",
    responses={200: {"model": Page[CodeOut], "description": "the kinds"}, **documented(public=True)},
)
async def list_kinds() -> Response:
    """The kinds of achievement, each with the facts that rules may ask of it and their types."""
    return _shown("kinds")


@router.get(
    "/v1/categories",
    operation_id="list_categories",
    responses={200: {"model": Page[CodeOut], "description": "the categories"}, **documented(public=True)},
)
async def list_categories() -> Response:
    """The bank's tree of fields of learning; a code is a path in it."""
    return _shown("categories")


@router.get(
    "/v1/provider-types",
    operation_id="list_provider_types",
    responses={200: {"model": Page[CodeOut], "description": "the types"}, **documented(public=True)},
)
async def list_provider_types() -> Response:
    """The types of institution."""
    return _shown("provider_types")


@router.get(
    "/v1/activity-series",
    operation_id="list_activity_series",
    responses={200: {"model": Page[CodeOut], "description": "the series"}, **documented(public=True)},
)
async def list_activity_series() -> Response:
    """The series in which learning activities are held, such as the lifelong learning week."""
    return _shown("activity_series")


# No database compares a text with a zero byte in it.
_PLAIN: Final = r"^[^\x00]*$"

_new = JsonBody(
    OfferingIn,
    {
        "code": "FR101",
        "kind": "course",
        "title": {"zh": "法语入门", "en": "French for beginners"},
        "category": "arts/languages",
        "credits": "2.5",
        "hours": "40",
        "fee": "199",
        "starts": "2026-03-01",
        "ends": "2026-06-30",
        "assumed": {"grade": {"percent": "75"}, "attendance": "90"},
    },
)
_change = JsonBody(OfferingChangeIn, {"places": 20, "ends": "2026-07-15"})

Writer = Annotated[Actor, Depends(require("catalogue:write"))]


def _answer(offering: Offering, status: int) -> Answer:
    headers = {"ETag": etag(offering.revision)}
    if status == 201:
        headers["Location"] = f"/v1/offerings/{offering.id}"
    return Answer(status, OfferingOut.from_domain(offering).model_dump_json().encode(), headers)


def _check_category(category: str | None) -> None:
    if category is not None and category not in code_list("categories"):
        raise UnknownOfferingCategory(given=category)


@router.get(
    "/v1/offerings",
    operation_id="list_offerings",
    dependencies=[Depends(limit_public)],
    responses={200: {"model": Page[OfferingOut], "description": "a page of offerings"}, **documented(public=True)},
)
async def list_offerings(
    request: Request,
    edge: EdgeDep,
    under: Annotated[
        str | None, Query(max_length=255, pattern=_PLAIN, description="this provider and all below it")
    ] = None,
    kind: Annotated[str | None, Query(max_length=64, pattern=_PLAIN)] = None,
    category: Annotated[
        str | None, Query(max_length=255, pattern=_PLAIN, description="this category and all below it")
    ] = None,
    code: Annotated[str | None, Query(max_length=200, pattern=_PLAIN)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What can be learnt, in the order in which it was announced."""
    after = converted(cursor, UUID)
    async with edge.database.read() as connection:
        found = await queries.page(
            connection, top=under, kind=kind, category=category, code=code, after=after, limit=limit + 1
        )
    return page_answer(
        request, found, limit, lambda o: str(o.id), lambda o: OfferingOut.from_domain(o).model_dump(mode="json")
    )


@router.post(
    "/v1/offerings",
    operation_id="announce_offering",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": OfferingOut, "description": "announced"}, **documented(409, 410, 415)},
)
async def announce_offering(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[OfferingIn], Depends(_new)]
) -> Response:
    """Announce a course, certificate or activity of the caller's provider, or of one under it."""
    new = body.value
    provider = new.provider or actor.provider
    if provider is None:
        raise OfferingProviderUnnamed
    if not can(actor, "offering.change", Owned(provider)):
        raise ForeignProvider(provider_code=provider)
    if new.kind not in code_list("kinds"):
        raise UnknownOfferingKind(given=new.kind)
    _check_category(new.category)
    offering = new.to_domain(new_id(), provider)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        await actions.announce(connection, offering, now)
        about = f"offering:{offering.id}"
        await record(connection, actor.by, "offering.announce", about, {"code": offering.code}, now, Owned(provider))
        return _answer(offering, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/offerings/{id}",
    operation_id="read_offering",
    dependencies=[Depends(limit_public)],
    responses={
        200: {"model": OfferingOut, "description": "the offering"},
        304: {"description": "unchanged"},
        **documented(404, public=True),
    },
)
async def read_offering(id: UUID, request: Request, edge: EdgeDep) -> Response:
    """One offering."""
    async with edge.database.read() as connection:
        offering = await queries.find(connection, id)
    if is_unchanged(request, offering.revision):
        return Response(status_code=304, headers={"ETag": etag(offering.revision)})
    return json_answer(OfferingOut.from_domain(offering), headers={"ETag": etag(offering.revision)})


@router.patch(
    "/v1/offerings/{id}",
    operation_id="change_offering",
    openapi_extra=_change.documents,
    responses={200: {"model": OfferingOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_offering(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[OfferingChangeIn], Depends(_change)]
) -> Response:
    """Change what is announced of an offering. Needs `If-Match`."""
    wanted = body.value.columns()
    _check_category(wanted.get("category"))

    async def work(connection: AsyncConnection) -> Answer:
        offering = await queries.find(connection, id, lock=True)
        if not can(actor, "offering.change", Owned(offering.provider)):
            # Everybody may read it, so that hiding it would tell nothing.
            raise ForeignProvider(provider_code=offering.provider)
        check_match(request, offering.revision)
        starts, ends = (wanted.get(name, getattr(offering, name)) for name in ("starts_on", "ends_on"))
        if starts is not None and ends is not None and ends < starts:
            raise OfferingDaysReversed(starts=str(starts), ends=str(ends))
        changed = await actions.change(connection, offering, wanted)
        fields = sorted(body.value.model_fields_set)
        await record(
            connection,
            actor.by,
            "offering.change",
            f"offering:{id}",
            {"fields": fields},
            edge.clock(),
            Owned(offering.provider),
        )
        return _answer(changed, 200)

    return await once(request, edge, actor.client_id, body.raw, work)
