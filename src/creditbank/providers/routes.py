"""Endpoints of the network."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, BankOnly
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, Denied, Owned, can, part
from creditbank.codes import code_list
from creditbank.identifiers import parent_of
from creditbank.providers import actions, queries
from creditbank.providers.actions import NewProvider, ProviderChange
from creditbank.providers.domain import CODE_FORM, ForeignProvider, Provider, ProviderNotFound, UnknownProviderType
from creditbank.providers.queries import Wanted
from creditbank.providers.schemas import (
    AccreditationOut,
    ImportedOut,
    ProviderChangeIn,
    ProviderIn,
    ProviderOut,
    Status,
)
from creditbank.providers.sheet import read_table
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.fields import REGION_FORM
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, page_answer, place_of
from creditbank.web.problems import EdgeRefusal, documented
from creditbank.web.revisions import check_match, etag, is_unchanged

router = APIRouter(tags=["providers"])

_new = JsonBody(
    ProviderIn,
    {
        "code": "cq/yuzhong/jiefangbei",
        "name": {"zh": "解放碑社区学校", "en": "Jiefangbei Community School"},
        "provider_type": "community_school",
        "region": "500103",
    },
)
_change = JsonBody(ProviderChangeIn, {"name": {"zh": "解放碑社区学院", "en": "Jiefangbei Community College"}})

Reader = Annotated[Actor, Depends(require("providers:read"))]
Writer = Annotated[Actor, Depends(require("providers:write"))]


def _answer(provider: Provider, status: int) -> Answer:
    body = ProviderOut.from_domain(provider).model_dump_json().encode()
    headers = {"ETag": etag(provider.revision), "Location": f"/v1/providers/{provider.id}"}
    return Answer(status, body, headers if status == 201 else {"ETag": headers["ETag"]})


@router.post(
    "/v1/providers",
    operation_id="enter_provider",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": ProviderOut, "description": "entered"}, **documented(409, 410, 415)},
)
async def enter_provider(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[ProviderIn], Depends(_new)]
) -> Response:
    """Enter an institution under one that is there. A provider's own client enters those below itself."""
    new = body.value
    if not can(actor, "provider.change", Owned(new.code)):
        raise ForeignProvider(provider_code=new.code, pointer="/code")
    if new.provider_type not in code_list("provider_types"):
        raise UnknownProviderType(given=new.provider_type)

    async def work(connection: AsyncConnection) -> Answer:
        wanted = NewProvider(new.code, new.name.zh, new.name.en, new.provider_type, new.region)
        now = edge.clock()
        provider = await actions.enter(connection, wanted, now)
        await record(
            connection, actor.by, "provider.enter", f"provider:{provider.id}", {"code": new.code}, now, Owned(new.code)
        )
        return _answer(provider, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/providers/imports",
    operation_id="import_providers",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string", "description": "a table with Chinese or English headings"},
                    "example": "code,name_zh,name_en,provider_type,region,status\n"
                    "cq/yuzhong/jiefangbei,解放碑社区学校,,community_school,500103,active\n",
                }
            },
        }
    },
    responses={200: {"model": ImportedOut, "description": "what became of the rows"}, **documented(409, 410, 415)},
)
async def import_providers(
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    dry_run: Annotated[bool, Query(description="say what would be done, and do nothing")] = False,
) -> Response:
    """Enter a table of institutions, whole or not at all; the same again changes nothing.

    A provider's own client enters and changes those below itself.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise EdgeRefusal(415, terms={"wanted": "text/csv"})
    own = part(actor, "provider.change", NOBODY_S)
    if isinstance(own, Denied):
        raise BankOnly
    raw = await request.body()
    entries = await asyncio.to_thread(read_table, raw)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        kept = await actions.check_table(connection, entries, own)
        if not dry_run and (kept.entered or kept.changed):
            await actions.put_entries(connection, entries, now)
            counts = {"entered": kept.entered, "changed": kept.changed}
            await record(connection, actor.by, "provider.import", "institutions", counts, now)
        return Answer(200, to_json(ImportedOut(**asdict(kept), dry_run=dry_run)))

    answer = await once(request, edge, actor.client_id, str(dry_run).encode() + raw, work)
    request.app.state.forget_standings()
    return answer


@router.get(
    "/v1/providers",
    operation_id="list_providers",
    responses={200: {"model": Page[ProviderOut], "description": "a page of providers by code"}, **documented()},
)
async def list_providers(
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    under: Annotated[
        str | None, Query(pattern=CODE_FORM, max_length=255, description="this code and all below it")
    ] = None,
    provider_type: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None,
    region: Annotated[str | None, Query(pattern=REGION_FORM, description="this division and all below it")] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The institutions of the network, by code."""
    async with edge.database.read() as connection:
        wanted = Wanted(under, provider_type, region, status)
        found = await queries.page(connection, wanted, after=place_of(cursor), limit=limit + 1)
    return page_answer(
        request, found, limit, lambda p: p.code, lambda p: ProviderOut.from_domain(p).model_dump(mode="json")
    )


@router.get(
    "/v1/providers/{id}",
    operation_id="read_provider",
    responses={
        200: {"model": ProviderOut, "description": "the provider"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_provider(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """One institution."""
    async with edge.database.read() as connection:
        provider = await queries.find(connection, id)
    if is_unchanged(request, provider.revision):
        return Response(status_code=304, headers={"ETag": etag(provider.revision)})
    return json_answer(ProviderOut.from_domain(provider), headers={"ETag": etag(provider.revision)})


@router.patch(
    "/v1/providers/{id}",
    operation_id="change_provider",
    openapi_extra=_change.documents,
    responses={200: {"model": ProviderOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_provider(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    body: Annotated[Read[ProviderChangeIn], Depends(_change)],
) -> Response:
    """Change an institution's name, region or status. Needs `If-Match`."""
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        provider = await actions.lock(connection, id)
        if not can(actor, "provider.change", Owned(provider.code)):
            raise ProviderNotFound
        above = Owned(parent_of(provider.code))
        if wanted.status is not None and not can(actor, "provider.change", above):
            # Nobody opens or closes itself: that is for whoever is above.
            raise BankOnly
        check_match(request, provider.revision)
        change = ProviderChange(
            wanted.name.zh if wanted.name else None,
            wanted.name.en if wanted.name else None,
            wanted.region,
            wanted.status,
        )
        changed = await actions.change(connection, provider, change)
        fields = sorted(wanted.model_fields_set)
        await record(
            connection,
            actor.by,
            "provider.change",
            f"provider:{id}",
            {"fields": fields},
            edge.clock(),
            Owned(changed.code),
        )
        return _answer(changed, 200)

    answer = await once(request, edge, actor.client_id, body.raw, work)
    # Whoever acts for it is held to its status: here at once, elsewhere within the cache of credentials.
    request.app.state.forget_standings()
    return answer


@router.get(
    "/v1/providers/{id}/accreditations",
    operation_id="list_accreditations",
    responses={
        200: {"model": Page[AccreditationOut], "description": "the entries that name this provider"},
        **documented(404),
    },
)
async def list_accreditations(id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """The accreditation entries that name this provider, newest first."""
    async with edge.database.read() as connection:
        provider = await queries.find(connection, id)
        entries = await queries.accreditations_of(connection, provider.code)
    return json_answer(
        {
            "items": [AccreditationOut.from_domain(e).model_dump(mode="json", by_alias=True) for e in entries],
            "next": None,
        }
    )
