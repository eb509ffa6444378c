"""The endpoint of the accreditation registers, which rules read: an entry settles everybody again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.providers.actions import NewAccreditation
from creditbank.providers.schemas import AccreditationIn, AccreditationOut
from creditbank.publishing import actions as life
from creditbank.web.bodies import JsonBody, Read
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.problems import documented

router = APIRouter(tags=["rules", "providers"])

_accreditation = JsonBody(AccreditationIn, {"register": "moe", "from": "2024-09-01", "until": "2029-09-01"})


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
    actor: Annotated[Actor, Depends(require("providers:accredit"))],
    body: Annotated[Read[AccreditationIn], Depends(_accreditation)],
) -> Response:
    """Enter an accreditation in a register. Nobody accredits itself: only the bank's own clients may."""
    check_whole(actor, "provider.accredit")
    wanted = body.value
    new = NewAccreditation(wanted.register_name, wanted.offering, wanted.valid_from, wanted.valid_until)

    async def work(connection: AsyncConnection) -> Answer:
        entry = await life.enter_accreditation(connection, id, new, edge.clock)
        await record(
            connection, actor.client_id, "provider.accredit", f"provider:{id}", {"entry": str(entry.id)}, edge.clock()
        )
        shown = AccreditationOut.from_domain(entry)
        return Answer(
            201, shown.model_dump_json(by_alias=True).encode(), {"Location": f"/v1/providers/{id}/accreditations"}
        )

    return await once(request, edge, actor.client_id, body.raw, work)
