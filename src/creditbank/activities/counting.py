"""Endpoints of head-counts: people without an account, whom participation is not to forget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Denied, Owned, can, part
from creditbank.activities import queries
from creditbank.activities.actions import put_head_counts
from creditbank.activities.domain import ActivityNotFound, ActivityProviderUnnamed, HeadCount
from creditbank.activities.schemas import HeadCountIn, HeadCountOut, HeadCountsIn
from creditbank.clock import learning_day
from creditbank.providers.domain import CODE_FORM, ForeignProvider, ProviderNotFound
from creditbank.regions.domain import GivenTwice
from creditbank.regions.schemas import KeptOut
from creditbank.web.bodies import JsonBody, Read, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["activities"])

_counts = JsonBody(
    HeadCountsIn,
    {
        "items": [
            {
                "provider": "cq/yuzhong",
                "from": "2026-11-01",
                "until": "2026-12-01",
                "region": "500103",
                "age_from": 60,
                "source": "door register",
                "people": 214,
            }
        ]
    },
)

Reader = Annotated[Actor, Depends(require("activities:read"))]
Writer = Annotated[Actor, Depends(require("activities:write"))]


@router.put(
    "/v1/head-counts",
    operation_id="put_head_counts",
    openapi_extra=_counts.documents,
    responses={200: {"model": KeptOut, "description": "what became of them"}, **documented(404, 409, 410, 415)},
)
async def put_counts(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[HeadCountsIn], Depends(_counts)]
) -> Response:
    """Enter counts of people without an account; one that is there takes what it says here."""
    items = body.value.items

    async def work(connection: AsyncConnection) -> Answer:
        wanted = await _counted(connection, edge, actor, items)
        now = edge.clock()
        kept = await put_head_counts(connection, wanted, now)
        counts = {"entered": kept.entered, "changed": kept.changed}
        await record(connection, actor.by, "head_count.put", "head_counts", counts, now)
        return Answer(200, to_json(KeptOut(**counts, unchanged=kept.unchanged)))

    return await once(request, edge, actor.client_id, body.raw, work)


async def _counted(
    connection: AsyncConnection, edge: Edge, actor: Actor, items: Sequence[HeadCountIn]
) -> list[HeadCount]:
    """The counts that the items say. Raises ActivityNotFound, ActivityProviderUnnamed, ForeignProvider, GivenTwice."""
    activities = await queries.by_id(connection, sorted({one.activity for one in items if one.activity is not None}))
    wanted: list[HeadCount] = []
    seen: dict[UUID, int] = {}
    for index, one in enumerate(items):
        at = f"/items/{index}"
        provider, start, until = one.provider or actor.provider, one.period_from, one.period_until
        if one.activity is not None:
            activity = activities.get(one.activity)
            if activity is None:
                raise ActivityNotFound(pointer=f"{at}/activity")
            provider = activity.provider
            start = learning_day(activity.starts, edge.settings.zone)
            until = learning_day(activity.ends, edge.settings.zone) + timedelta(days=1)
        if provider is None:
            raise ActivityProviderUnnamed(pointer=f"{at}/provider")
        if not can(actor, "head_count.put", Owned(provider)):
            raise ForeignProvider(provider_code=provider, pointer=at)
        if start is None or until is None:
            raise AssertionError("an item names an activity or a period: its schema says so")
        count = HeadCount(
            provider, one.activity, start, until, one.region, one.age_from, one.until, one.source, one.people
        )
        if (first := seen.setdefault(count.id, index)) != index:
            raise GivenTwice(first=first, pointer=at)
        wanted.append(count)
    return wanted


@router.get(
    "/v1/head-counts",
    operation_id="list_head_counts",
    responses={200: {"model": Page[HeadCountOut], "description": "a page of counts"}, **documented(404)},
)
async def list_counts(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    under: Annotated[str | None, Query(pattern=CODE_FORM, max_length=255, description="this code and below")] = None,
    start: Annotated[date | None, Query(alias="from", description="those that touch this day or later")] = None,
    until: Annotated[date | None, Query(description="those that begin before this day")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Counts of people without an account, at the caller's own institution and those under it."""
    top = part(actor, "head_count.read", Owned(under))
    if isinstance(top, Denied) or (under is not None and top is not None):
        raise ProviderNotFound
    top = under or top
    after = converted(cursor, UUID)
    async with edge.database.read() as connection:
        found = await queries.head_counts_page(
            connection, top=top, start=start, until=until, after=after, limit=limit + 1
        )
    return page_answer(
        request,
        found,
        limit,
        lambda one: str(one.id),
        lambda one: HeadCountOut.from_domain(one).model_dump(mode="json", by_alias=True),
    )
