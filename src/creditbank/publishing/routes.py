"""Endpoints of the life of rule sets, and of the accreditation registers that rules read."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

import yaml
from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.providers.actions import NewAccreditation
from creditbank.providers.schemas import AccreditationIn, AccreditationOut
from creditbank.publishing.actions import enter_accreditation, publish, read_draft
from creditbank.rulesets import actions, queries
from creditbank.rulesets.domain import ForeignRuleSet, RuleSet, StoredVersion, VersionMoved
from creditbank.rulesets.schemas import PublishedOut, RuleSetOut, VersionOut, VersionSummary
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, page_answer, place_of
from creditbank.web.problems import EdgeRefusal, documented, language_of
from creditbank.web.revisions import check_match, etag, is_unchanged

router = APIRouter(tags=["rules"])

_accreditation = JsonBody(AccreditationIn, {"register": "moe", "from": "2024-09-01", "until": "2029-09-01"})

_EXAMPLE: Final = """\
ruleset: {lcb: rules/v1, id: town, version: 1, from: "2026-01-01", unit: {code: CR, step: "0.5"}}
recognition:
  - {id: course, match: {kind: course}, grant: [{credits: {native: 1}}]}
"""

_FORMS: Final[dict[str, Literal["yaml", "json"]]] = {
    "application/json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
}

_DOCUMENT: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {
                "schema": {"type": "string", "description": "a rules/v1 document"},
                "example": _EXAMPLE,
            },
            "application/json": {
                "schema": {"type": "object", "description": "a rules/v1 document"},
                "example": yaml.safe_load(_EXAMPLE),
            },
        },
    }
}

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="the version's number")]
Reader = Annotated[Actor, Depends(require("rules:read"))]
Writer = Annotated[Actor, Depends(require("rules:write"))]
Approver = Annotated[Actor, Depends(require("rules:approve"))]


def _form(request: Request) -> Literal["yaml", "json"]:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    form = _FORMS.get(media_type)
    if form is None:
        raise EdgeRefusal(415)
    return form


def _check_owner(actor: Actor, rule_set: RuleSet) -> None:
    """A provider's client touches its own rule sets and those of providers under it. Raises ForeignRuleSet."""
    if not actor.is_bank and (rule_set.provider is None or not actor.acts_for(rule_set.provider)):
        raise ForeignRuleSet(rule_set=rule_set.code)


def _answer(version: StoredVersion, status: int) -> Answer:
    headers = {"ETag": etag(version.revision)}
    if status == 201:
        headers["Location"] = f"/v1/rule-sets/{version.rule_set.id}/versions/{version.number}"
    return Answer(status, VersionOut.from_domain(version).model_dump_json().encode(), headers)


@router.post(
    "/v1/rule-sets",
    operation_id="draft_rule_set",
    status_code=201,
    openapi_extra=_DOCUMENT,
    responses={201: {"model": VersionOut, "description": "stored as a draft"}, **documented(409, 410, 415)},
)
async def draft_rule_set(request: Request, edge: EdgeDep, actor: Writer) -> Response:
    """Store a document as the draft of a version. The rule set is registered with its first version."""
    raw = await request.body()
    draft = read_draft(raw, _form(request), language_of(request))

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        rule_set = await actions.register(connection, draft.code, actor.provider, now)
        _check_owner(actor, rule_set)
        version = await actions.add_draft(connection, rule_set, draft, actor.client_id, now)
        subject = f"rule_set_version:{version.id}"
        await record(connection, actor.client_id, "rule_set.draft", subject, {"sha256": draft.sha256}, now)
        return _answer(version, 201)

    return await once(request, edge, actor.client_id, raw, work)


@router.get(
    "/v1/rule-sets",
    operation_id="list_rule_sets",
    responses={
        200: {"model": Page[RuleSetOut], "description": "a page of rule sets with their versions"},
        **documented(),
    },
)
async def list_rule_sets(
    request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The rule sets of the bank, by code. What gives credits is no secret: whoever may read rules reads all."""
    async with edge.database.snapshot() as connection:
        found = await queries.page(connection, after=place_of(cursor), limit=limit + 1)
        versions = await queries.versions_of(connection, found)

    def show(rule_set: RuleSet) -> dict[str, object]:
        mine = [VersionSummary.from_domain(v) for v in versions if v.rule_set.id == rule_set.id]
        out = RuleSetOut(id=rule_set.id, code=rule_set.code, provider=rule_set.provider, versions=mine)
        return out.model_dump(mode="json")

    return page_answer(request, found, limit, lambda r: r.code, show)


@router.get(
    "/v1/rule-sets/{id}/versions/{number}",
    operation_id="read_rule_set_version",
    responses={
        200: {"model": VersionOut, "description": "the version with its document"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_rule_set_version(
    id: UUID,
    number: Number,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
) -> Response:
    """One version of a rule set with its document."""
    async with edge.database.snapshot() as connection:
        version = await queries.find_version(connection, id, number)
    if is_unchanged(request, version.revision):
        return Response(status_code=304, headers={"ETag": etag(version.revision)})
    return json_answer(VersionOut.from_domain(version), headers={"ETag": etag(version.revision)})


@router.put(
    "/v1/rule-sets/{id}/versions/{number}",
    operation_id="replace_draft",
    openapi_extra=_DOCUMENT,
    responses={
        200: {"model": VersionOut, "description": "replaced"},
        **documented(404, 409, 410, 412, 415, 428),
    },
)
async def replace_draft(
    id: UUID,
    number: Number,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
) -> Response:
    """Put another document in the place of a draft. Needs `If-Match`. A published version is immutable."""
    raw = await request.body()
    draft = read_draft(raw, _form(request), language_of(request))

    async def work(connection: AsyncConnection) -> Answer:
        version = await queries.find_version(connection, id, number)
        await queries.rule_set_by_code(connection, version.rule_set.code, lock=True)
        version = await queries.find_version(connection, id, number)
        _check_owner(actor, version.rule_set)
        check_match(request, version.revision)
        if (draft.code, draft.number) != (version.rule_set.code, version.number):
            raise VersionMoved(rule_set=version.rule_set.code, number=version.number)
        await actions.replace_draft(connection, version, draft)
        subject = f"rule_set_version:{version.id}"
        await record(connection, actor.client_id, "rule_set.redraft", subject, {"sha256": draft.sha256}, edge.clock())
        return _answer(await queries.find_version(connection, id, number), 200)

    return await once(request, edge, actor.client_id, raw, work)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/publish",
    operation_id="publish_rule_set_version",
    responses={200: {"model": PublishedOut, "description": "published"}, **documented(404, 409, 410)},
)
async def publish_rule_set_version(
    id: UUID,
    number: Number,
    request: Request,
    edge: EdgeDep,
    actor: Approver,
) -> Response:
    """Make a draft govern its days, once its own tests hold. Everybody is settled again by a job."""

    async def work(connection: AsyncConnection) -> Answer:
        version = await queries.find_version(connection, id, number)
        await queries.rule_set_by_code(connection, version.rule_set.code, lock=True)
        version = await queries.find_version(connection, id, number)
        _check_owner(actor, version.rule_set)
        job = await publish(connection, version, edge.clock)
        subject = f"rule_set_version:{version.id}"
        await record(connection, actor.client_id, "rule_set.publish", subject, {"sha256": version.sha256}, edge.clock())
        published = await queries.find_version(connection, id, number)
        shown = PublishedOut(**VersionSummary.from_domain(published).model_dump(), job=job)
        return Answer(200, shown.model_dump_json().encode(), {"ETag": etag(published.revision)})

    return await once(request, edge, actor.client_id, b"", work)


@router.post(
    "/v1/providers/{id}/accreditations",
    operation_id="enter_accreditation",
    tags=["providers"],
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
    require_bank(actor)
    wanted = body.value
    new = NewAccreditation(wanted.register_name, wanted.offering, wanted.valid_from, wanted.valid_until)

    async def work(connection: AsyncConnection) -> Answer:
        entry = await enter_accreditation(connection, id, new, edge.clock)
        await record(
            connection, actor.client_id, "provider.accredit", f"provider:{id}", {"entry": str(entry.id)}, edge.clock()
        )
        shown = AccreditationOut.from_domain(entry)
        return Answer(
            201, shown.model_dump_json(by_alias=True).encode(), {"Location": f"/v1/providers/{id}/accreditations"}
        )

    return await once(request, edge, actor.client_id, body.raw, work)
