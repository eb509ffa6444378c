"""Endpoints by which an administrator lets programs in and out.

These routes are not in the sandbox: keys of both kinds are made with a live credential.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access import actions, queries
from creditbank.access.actions import ClientChange, NewClient
from creditbank.access.credentials import Credentials
from creditbank.access.domain import Actor, BankOnly, Client, KeyNotFound
from creditbank.access.giving import check_governs, check_may_give, check_sees
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, Denied, part
from creditbank.access.public_keys import check_public_keys
from creditbank.access.schemas import ClientChangeIn, ClientIn, ClientOut, KeyIn, NewClientOut, NewKeyOut
from creditbank.web.bodies import JsonBody, Read
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented
from creditbank.web.revisions import check_match, etag, is_unchanged

router = APIRouter(tags=["clients"])

_new = JsonBody(
    ClientIn, {"name": "student information system", "scopes": ["achievements:write"], "assurance": "provider"}
)
_change = JsonBody(ClientChangeIn, {"suspended": True})
_key = JsonBody(KeyIn, {"kind": "test", "days": 90})

Reader = Annotated[Actor, Depends(require("clients:read"))]
# Whoever could make a key without a fresh proof of who they are would get round every such proof by it.
Writer = Annotated[Actor, Depends(require("clients:write", is_grave=True))]
Revoker = Annotated[Actor, Depends(require("clients:write", while_stopped=True))]


def _expiry(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)


def _answer(client: Client, status: int = 200) -> Answer:
    return Answer(status, ClientOut.from_domain(client).model_dump_json().encode(), {"ETag": etag(client.revision)})


@router.post(
    "/v1/clients",
    operation_id="create_client",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": NewClientOut, "description": "let in"}, **documented(409, 410, 415)},
)
async def create_client(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[ClientIn], Depends(_new)]
) -> Response:
    """Let a program in. Its key is in the answer, once: a repeated request (`Idempotency-Key`) is told all but that."""
    wanted = body.value
    provider = actor.provider if wanted.provider is None else wanted.provider
    check_may_give(actor, wanted.scopes, wanted.assurance, provider)

    def shown(client: Client, key: NewKeyOut) -> bytes:
        return NewClientOut(client=ClientOut.from_domain(client), key=key).model_dump_json().encode()

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        new = NewClient(
            wanted.name,
            provider,
            wanted.scopes,
            wanted.assurance,
            _expiry(now, wanted.days),
            wanted.networks,
            is_test=wanted.kind == "test",
            made_by=actor.principal,
        )
        client_id, printed = await actions.create_client(connection, new, now, actor.by)
        client = await queries.find_client(connection, client_id)
        headers = {"ETag": etag(client.revision), "Location": f"/v1/clients/{client_id}"}
        kept = shown(client, NewKeyOut(id=printed.id, key=None))
        return Answer(201, shown(client, NewKeyOut.of(printed)), headers, kept=kept)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/clients",
    operation_id="list_clients",
    responses={200: {"model": Page[ClientOut], "description": "a page of clients"}, **documented()},
)
async def list_clients(
    request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The programs that act for you and for those below you, in the order in which they were let in."""
    top = part(actor, "client.govern", NOBODY_S)
    if isinstance(top, Denied):
        raise BankOnly
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_clients(connection, top=top, after=converted(cursor, UUID), limit=limit + 1)
    return page_answer(
        request, found, limit, lambda c: str(c.id), lambda c: ClientOut.from_domain(c).model_dump(mode="json")
    )


@router.get(
    "/v1/clients/{id}",
    operation_id="read_client",
    responses={
        200: {"model": ClientOut, "description": "the client"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_client(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """One program, with all its keys."""
    async with edge.database.snapshot() as connection:
        client = await queries.find_client(connection, id)
    check_sees(actor, client)
    if is_unchanged(request, client.revision):
        return Response(status_code=304, headers={"ETag": etag(client.revision)})
    return _answer(client).response()


@router.patch(
    "/v1/clients/{id}",
    operation_id="change_client",
    openapi_extra=_change.documents,
    responses={200: {"model": ClientOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_client(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    body: Annotated[Read[ClientChangeIn], Depends(_change)],
) -> Response:
    """Change a program's name, scopes, networks or public keys, suspend it or take it in again. Needs `If-Match`."""
    wanted = body.value
    keys = None
    if wanted.public_keys is not None:
        keys = wanted.public_keys.model_dump(exclude_none=True)
        check_public_keys(keys)

    async def work(connection: AsyncConnection) -> Answer:
        client = await queries.find_client(connection, id, lock=True)
        check_sees(actor, client)
        if not (wanted.suspended and wanted.model_fields_set == {"suspended"}):
            # To stop a program needs no more than to see it; anything else could be used.
            check_governs(actor, client)
        check_may_give(actor, wanted.scopes or (), client.assurance if wanted.scopes else "self", client.provider)
        check_match(request, client.revision)
        change = ClientChange(wanted.name, wanted.scopes, wanted.networks, keys, wanted.suspended)
        return _answer(await actions.change_client(connection, client, change, edge.clock(), actor.by, actor.principal))

    answer = await once(request, edge, actor.client_id, body.raw, work)
    _credentials(request).forget()
    return answer


@router.post(
    "/v1/clients/{id}/keys",
    operation_id="create_key",
    status_code=201,
    openapi_extra=_key.documents,
    responses={201: {"model": NewKeyOut, "description": "made"}, **documented(404, 409, 410, 415)},
)
async def create_key(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[KeyIn], Depends(_key)]
) -> Response:
    """A key to follow the one in use. A client has at most two live and two test keys at once."""
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        check_governs(actor, await queries.find_client(connection, id, lock=True))
        printed = await actions.add_key(
            connection, id, now, _expiry(now, wanted.days), actor.by, actor.principal, is_test=wanted.kind == "test"
        )
        kept = NewKeyOut(id=printed.id, key=None).model_dump_json().encode()
        return Answer(201, NewKeyOut.of(printed).model_dump_json().encode(), kept=kept)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.delete(
    "/v1/clients/{id}/keys/{key}",
    operation_id="revoke_key",
    responses={200: {"model": ClientOut, "description": "revoked"}, **documented(404, 409, 410)},
)
async def revoke_key(
    id: UUID,
    key: Annotated[str, Path(max_length=64, description="the key's id: the part after `cb_live_`")],
    request: Request,
    edge: EdgeDep,
    actor: Revoker,
) -> Response:
    """Make a key worthless: here at once, in every other process within 30 seconds."""

    async def work(connection: AsyncConnection) -> Answer:
        check_sees(actor, await queries.find_client(connection, id))
        if not await actions.revoke_key(connection, key, edge.clock(), actor.by, id):
            raise KeyNotFound
        return _answer(await queries.find_client(connection, id))

    answer = await once(request, edge, actor.client_id, b"", work)
    _credentials(request).forget()
    return answer


def _credentials(request: Request) -> Credentials:
    found: Credentials = request.app.state.credentials
    return found
