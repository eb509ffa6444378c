"""Endpoints of the registers of accreditation, which rules read: entering, and amending what was entered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import Owned
from creditbank.providers.actions import Amendment, NewAccreditation
from creditbank.providers.domain import Accreditation
from creditbank.providers.queries import find_accreditation
from creditbank.providers.schemas import AccreditationChangeIn, AccreditationIn, AccreditationOut
from creditbank.publishing import actions as life
from creditbank.web.bodies import JsonBody, Read, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.problems import documented
from creditbank.web.revisions import check_match, etag

router = APIRouter(tags=["rules", "providers"])

_accreditation = JsonBody(AccreditationIn, {"register": "moe", "from": "2024-09-01", "until": "2029-09-01"})
_change = JsonBody(AccreditationChangeIn, {"until": "2027-09-01", "reason": "The programme was given up."})

Accreditor = Annotated[Actor, Depends(require("providers:accredit"))]


def _answer(entry: Accreditation, status: int, at: str) -> Answer:
    headers = {"ETag": etag(entry.revision)}
    if status == 201:
        headers["Location"] = at
    return Answer(status, to_json(AccreditationOut.from_domain(entry)), headers)


@router.post(
    "/v1/providers/{id}/accreditations",
    operation_id="enter_accreditation",
    status_code=201,
    openapi_extra=_accreditation.documents,
    responses={201: {"model": AccreditationOut, "description": "entered"}, **documented(404, 409, 410, 415)},
)
async def add_accreditation(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Accreditor,
    body: Annotated[Read[AccreditationIn], Depends(_accreditation)],
) -> Response:
    """Enter an accreditation in a register, or a bar on the black list, which goes before every accreditation.

    Whom it concerns is settled again. Nobody accredits itself: only the bank's own clients may.
    """
    check_whole(actor, "provider.accredit")
    wanted = body.value
    new = NewAccreditation(
        wanted.register_name,
        wanted.offering,
        wanted.valid_from,
        wanted.valid_until,
        wanted.list_name == "black",
        wanted.reason,
    )

    async def work(connection: AsyncConnection) -> Answer:
        entry = await life.enter_accreditation(connection, id, new, edge.clock)
        details = {"entry": str(entry.id), "list": wanted.list_name}
        await record(
            connection,
            actor.by,
            "provider.accredit",
            f"provider:{id}",
            details,
            edge.clock(),
            Owned(entry.provider_code),
        )
        return _answer(entry, 201, f"/v1/providers/{id}/accreditations")

    return await once(request, edge, actor.client_id, body.raw, work)


@router.patch(
    "/v1/providers/{id}/accreditations/{entry_id}",
    operation_id="amend_accreditation",
    openapi_extra=_change.documents,
    responses={
        200: {"model": AccreditationOut, "description": "amended"},
        **documented(404, 409, 410, 412, 415, 428),
    },
)
async def amend_accreditation(
    id: UUID,
    entry_id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Accreditor,
    body: Annotated[Read[AccreditationChangeIn], Depends(_change)],
) -> Response:
    """Let an entry end on another day, and say why. Whom it concerns is settled again. Needs `If-Match`."""
    check_whole(actor, "provider.accredit")
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        former = await find_accreditation(connection, id, entry_id, lock=True)
        check_match(request, former.revision)
        entry = await life.amend_accreditation(
            connection, former, Amendment(wanted.valid_until, wanted.reason), edge.clock
        )
        details = {"entry": str(entry.id), "was": str(former.valid_until), "until": str(entry.valid_until)}
        await record(
            connection,
            actor.by,
            "provider.reaccredit",
            f"provider:{id}",
            details,
            edge.clock(),
            Owned(entry.provider_code),
        )
        return _answer(entry, 200, "")

    return await once(request, edge, actor.client_id, body.raw, work)
