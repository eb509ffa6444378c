"""Endpoints of divisions, their groups, and population."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.regions import actions, queries
from creditbank.regions.domain import GivenTwice, Level, MemberTwice, Population, RegionGroup, twice
from creditbank.regions.schemas import (
    KeptOut,
    PopulationOut,
    PopulationsIn,
    RegionGroupIn,
    RegionGroupOut,
    RegionOut,
    RegionsIn,
)
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.fields import REGION_FORM
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer, place_of
from creditbank.web.problems import documented
from creditbank.web.revisions import check_match, etag

router = APIRouter(tags=["regions"])

_regions = JsonBody(RegionsIn, {"items": [{"code": "50", "name": {"zh": "重庆市", "en": "Chongqing"}}]})
_group = JsonBody(
    RegionGroupIn,
    {"name": {"zh": "主城区", "en": "Main districts"}, "members": [{"region": "500103", "from": "2008-01-01"}]},
)
_populations = JsonBody(
    PopulationsIn,
    {
        "items": [
            {"region": "500103", "year": 2020, "age_from": 60, "age_until": None, "source": "census", "people": 126000}
        ]
    },
)

GROUP_FORM: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"

Reader = Annotated[Actor, Depends(require("regions:read"))]
Writer = Annotated[Actor, Depends(require("regions:write"))]
Under = Annotated[str | None, Query(pattern=REGION_FORM, description="this division and all below it")]
GroupCode = Annotated[str, Path(pattern=GROUP_FORM)]


def _once_each(keys: Iterable[Hashable]) -> None:
    """Hold every item to speak of something of its own. Raises GivenTwice."""
    seen: dict[Hashable, int] = {}
    for index, key in enumerate(keys):
        if (first := seen.setdefault(key, index)) != index:
            raise GivenTwice(first=first, pointer=f"/items/{index}")


@router.get(
    "/v1/regions",
    operation_id="list_regions",
    responses={200: {"model": Page[RegionOut], "description": "a page of divisions by code"}, **documented()},
)
async def list_regions(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    under: Under = None,
    level: Annotated[Level | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The administrative divisions that the bank knows, by code."""
    async with edge.database.read() as connection:
        found = await queries.page(connection, top=under, level=level, after=place_of(cursor), limit=limit + 1)
    return page_answer(request, found, limit, lambda r: r.code, lambda r: RegionOut.from_domain(r).model_dump())


@router.get(
    "/v1/regions/{code}",
    operation_id="read_region",
    responses={200: {"model": RegionOut, "description": "the division"}, **documented(404)},
)
async def read_region(code: Annotated[str, Path(pattern=REGION_FORM)], edge: EdgeDep, actor: Reader) -> Response:
    """One division."""
    async with edge.database.read() as connection:
        return json_answer(RegionOut.from_domain(await queries.find(connection, code)))


@router.put(
    "/v1/regions",
    operation_id="put_regions",
    openapi_extra=_regions.documents,
    responses={200: {"model": KeptOut, "description": "what became of them"}, **documented(409, 410, 415)},
)
async def put_regions(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[RegionsIn], Depends(_regions)]
) -> Response:
    """Enter divisions, and name anew those that are there; the same again changes nothing. The bank's own clients."""
    check_whole(actor, "region.change")
    wanted = [item.to_domain() for item in body.value.items]
    _once_each(region.code for region in wanted)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        kept = await actions.put_regions(connection, wanted, now)
        counts = {"entered": kept.entered, "changed": kept.changed}
        await record(connection, actor.by, "region.put", "regions", counts, now)
        return Answer(200, to_json(KeptOut(**counts, unchanged=kept.unchanged)))

    return await once(request, edge, actor.client_id, body.raw, work)


def _group_answer(group: RegionGroup, revision: int) -> Answer:
    return Answer(200, to_json(RegionGroupOut.from_domain(group)), {"ETag": etag(revision)})


@router.get(
    "/v1/region-groups",
    operation_id="list_region_groups",
    responses={200: {"model": Page[RegionGroupOut], "description": "all groups"}, **documented()},
)
async def list_region_groups(edge: EdgeDep, actor: Reader) -> Response:
    """Groups of divisions that are counted together, each with all who were ever in it."""
    async with edge.database.snapshot() as connection:
        found = await queries.groups(connection)
    shown = [RegionGroupOut.from_domain(group).model_dump(mode="json", by_alias=True) for group, _ in found]
    return json_answer({"items": shown, "next": None})


@router.get(
    "/v1/region-groups/{code}",
    operation_id="read_region_group",
    responses={200: {"model": RegionGroupOut, "description": "the group"}, **documented(404)},
)
async def read_region_group(code: GroupCode, edge: EdgeDep, actor: Reader) -> Response:
    """One group of divisions."""
    async with edge.database.snapshot() as connection:
        return _group_answer(*await queries.find_group(connection, code)).response()


@router.put(
    "/v1/region-groups/{code}",
    operation_id="put_region_group",
    openapi_extra=_group.documents,
    responses={200: {"model": RegionGroupOut, "description": "the group"}, **documented(409, 410, 412, 415, 428)},
)
async def put_region_group(
    code: GroupCode,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    body: Annotated[Read[RegionGroupIn], Depends(_group)],
) -> Response:
    """Say what a group is made of, whole. One that is there needs `If-Match`. The bank's own clients."""
    check_whole(actor, "region.change")
    group = body.value.to_domain(code)
    if (region := twice(group.members)) is not None:
        raise MemberTwice(region=region)

    async def work(connection: AsyncConnection) -> Answer:
        held = await actions.hold_group(connection, group)
        if held is not None:
            check_match(request, held)
        revision = await actions.put_group(connection, group, held)
        if revision != held:
            details = {"members": len(group.members), "revision": revision}
            await record(connection, actor.by, "region_group.put", f"region_group:{code}", details, edge.clock())
        return _group_answer(group, revision)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/populations",
    operation_id="list_populations",
    responses={200: {"model": Page[PopulationOut], "description": "a page of figures"}, **documented()},
)
async def list_populations(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    under: Under = None,
    year: Annotated[int | None, Query(ge=1900, le=2200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """How many people of which ages live where, by division, year and age."""
    after = converted(cursor, _key_of)
    async with edge.database.read() as connection:
        found = await queries.populations_of(connection, top=under, year=year, after=after, limit=limit + 1)
    return page_answer(request, found, limit, _place_of, lambda one: PopulationOut.from_domain(one).model_dump())


def _place_of(one: Population) -> str:
    return " ".join(str(part) for part in queries.population_key(one))


def _key_of(place: str) -> queries.PopulationKey:
    """The figure that a place names. Raises ValueError."""
    region, *figures, source = place.split(" ", 4)
    year, age_from, age_until = (natural(figure) for figure in figures)
    if max(year, age_from, age_until) > 9999:
        # No figure of ours is so large, and no database's integers need be.
        raise ValueError(place)
    return region, year, age_from, age_until, source


@router.put(
    "/v1/populations",
    operation_id="put_populations",
    openapi_extra=_populations.documents,
    responses={200: {"model": KeptOut, "description": "what became of them"}, **documented(409, 410, 415)},
)
async def put_populations(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[PopulationsIn], Depends(_populations)]
) -> Response:
    """Enter figures of population; one that is there takes what it says here. The bank's own clients."""
    check_whole(actor, "region.change")
    wanted = [item.to_domain() for item in body.value.items]
    _once_each(queries.population_key(one) for one in wanted)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        kept = await actions.put_populations(connection, wanted, now)
        counts = {"entered": kept.entered, "changed": kept.changed}
        await record(connection, actor.by, "population.put", "populations", counts, now)
        return Answer(200, to_json(KeptOut(**counts, unchanged=kept.unchanged)))

    return await once(request, edge, actor.client_id, body.raw, work)
