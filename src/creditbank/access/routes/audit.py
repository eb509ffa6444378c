"""The audit log as it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from creditbank.access.domain import Actor, ActorKind, BankOnly
from creditbank.access.events import AuditEvent, EventFilter, Place, page_of_events
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, Denied, part
from creditbank.clock import instant_of, microseconds
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.fields import Instant
from creditbank.web.negotiation import best_of
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer
from creditbank.web.problems import EdgeRefusal, documented

router = APIRouter(tags=["audit"])

_JSON, _LINES, _CSV = "application/json", "application/x-ndjson", "text/csv"
_EVENTS_A_READ: Final = 500


class AuditEventOut(BaseModel):
    """Somebody did something to something."""

    id: UUID
    at: datetime
    kind: ActorKind = Field(description="whether a program, a person, the bank itself or its command line did it")
    actor: str | None = Field(
        description="id of the client or person; `operator:` and the machine's account; null: the bank by a job, "
        "or, for a provider, somebody who acted for another"
    )
    provider: str | None = Field(description="for whom it was done; null: for the bank, or by a learner")
    action: str
    subject: str
    owner: str | None = Field(description="the provider whose that was")
    learner: UUID | None = Field(description="the learner of whom that was")
    details: dict[str, Any]
    request_id: str | None


def show_event(event: AuditEvent) -> dict[str, Any]:
    """The shape of an event."""
    return {
        "id": str(event.id),
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "kind": event.by.kind,
        "actor": event.by.actor,
        "provider": event.by.provider,
        "action": event.action,
        "subject": event.subject,
        "owner": event.about.provider,
        "learner": str(event.about.learner_id) if event.about.learner_id is not None else None,
        "details": dict(event.details),
        "request_id": event.request_id,
    }


def _told(event: AuditEvent, top: str | None) -> AuditEvent:
    return event if top is None else event.seen_by(top)


def _line(event: AuditEvent) -> bytes:
    return orjson.dumps(show_event(event)) + b"\n"


_COLUMNS: Final = (
    "at", "kind", "actor", "provider", "action", "subject", "owner", "learner", "details", "request_id", "id"
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _row(event: AuditEvent) -> bytes:
    shown = show_event(event) | {"details": orjson.dumps(dict(event.details)).decode()}
    cells = ["" if shown[name] is None else str(shown[name]) for name in _COLUMNS]
    return _as_csv("'" + cell if cell.startswith(_FORMULA) else cell for cell in cells)


def _as_csv(cells: Any) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue().encode()


def _place(text: str) -> Place:
    at, _, id_ = text.partition(" ")
    return instant_of(natural(at)), UUID(id_)


def _place_of(event: AuditEvent) -> str:
    return f"{microseconds(event.at)} {event.id}"


@router.get(
    "/v1/audit-events",
    operation_id="list_audit_events",
    responses={
        200: {
            "model": Page[AuditEventOut],
            "description": "a page of events, or all of them as lines",
            "content": {_LINES: {"schema": {"type": "string"}}, _CSV: {"schema": {"type": "string"}}},
        },
        **documented(406),
    },
)
async def list_audit_events(
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("audit:read"))],
    who: Annotated[
        str | None, Query(alias="actor", max_length=200, description="done by this client, person or operator")
    ] = None,
    kind: Annotated[ActorKind | None, Query(description="done by such")] = None,
    learner: Annotated[UUID | None, Query(description="done to what is of this learner")] = None,
    provider: Annotated[
        str | None, Query(max_length=255, description="done for this provider, or one under it")
    ] = None,
    subject: Annotated[str | None, Query(max_length=200, description="done to this, such as `learner:…`")] = None,
    action: Annotated[str | None, Query(max_length=64, description="such as `rule_set.publish`")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="from this instant on")] = None,
    until: Annotated[Instant | None, Query(description="before this instant")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Who did what, the latest first.

    A provider sees what its own programs and people did, and those under it, and what anybody did to what is its own:
    its clients, offerings, activities, the claims it assesses, the accounts of learners that it opened. Of somebody who
    acted for another it is told for whom, and not who it was.

    As `application/json` a page; as `application/x-ndjson` or `text/csv` everything from the cursor on, as it is read.
    """
    form = best_of(request.headers.get("accept"), (_JSON, _LINES, _CSV))
    if form is None:
        raise EdgeRefusal(406)
    top = part(actor, "audit.read", NOBODY_S)
    if isinstance(top, Denied):
        raise BankOnly
    wanted = EventFilter(top, who, kind, provider, learner, subject, action, since, until)
    before = converted(cursor, _place)
    if form == _JSON:
        async with edge.database.read() as connection:
            found = await page_of_events(connection, wanted, before=before, limit=limit + 1)
        found = [_told(event, top) for event in found]
        return page_answer(request, found, limit, _place_of, show_event)
    show = _line if form == _LINES else _row
    head = b"" if form == _LINES else b"\xef\xbb\xbf" + _as_csv(_COLUMNS)
    headers = {"Content-Disposition": f'attachment; filename="audit-events.{"ndjson" if form == _LINES else "csv"}"'}
    return StreamingResponse(_all(edge, wanted, before, head, show), 200, headers, form)


async def _all(
    edge: Edge, wanted: EventFilter, before: Place | None, head: bytes, show: Callable[[AuditEvent], bytes]
) -> AsyncIterator[bytes]:
    """Every event, some at a time: no connection is held while they are sent."""
    yield head
    while True:
        async with edge.database.read() as connection:
            found = await page_of_events(connection, wanted, before=before, limit=_EVENTS_A_READ)
        yield b"".join(show(_told(event, wanted.top)) for event in found)
        if len(found) < _EVENTS_A_READ:
            return
        before = found[-1].at, found[-1].id
