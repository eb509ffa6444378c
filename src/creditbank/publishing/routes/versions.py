"""Endpoints of rule sets and their versions: drafts, and each step of a version's life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import date, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import yaml
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Owned, can
from creditbank.errors import Fault
from creditbank.publishing import actions as life
from creditbank.publishing.schemas import (
    DifferenceOut,
    ValidatedOut,
    show_difference,
)
from creditbank.rules.difference import difference
from creditbank.rulesets import actions, queries
from creditbank.rulesets.domain import (
    MUTABLE,
    Audience,
    ForeignRuleSet,
    NotADraft,
    RuleSet,
    StoredVersion,
    VersionMoved,
    governing,
)
from creditbank.rulesets.schemas import GovernedOut, PublishedOut, RuleSetOut, VersionOut, VersionSummary
from creditbank.web.bodies import json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, page_answer, place_of
from creditbank.web.problems import EdgeRefusal, FaultOut, documented, language_of
from creditbank.web.revisions import check_match, etag, is_unchanged
from creditbank.web.sentences import Language

router = APIRouter(tags=["rules"])

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
Publisher = Annotated[Actor, Depends(require("rules:approve", is_grave=True))]


def _form(request: Request) -> Literal["yaml", "json"]:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    form = _FORMS.get(media_type)
    if form is None:
        raise EdgeRefusal(415, terms={"wanted": ", ".join(_FORMS)})
    return form


def _check_owner(actor: Actor, rule_set: RuleSet) -> None:
    """A provider's client touches its own rule sets and those of providers under it. Raises ForeignRuleSet."""
    if not can(actor, "rule_set.change", Owned(rule_set.owner)):
        raise ForeignRuleSet(rule_set=rule_set.code)


def _answer(version: StoredVersion, status: int) -> Answer:
    headers = {"ETag": etag(version.tag)}
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
async def draft_rule_set(
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    audience: Annotated[
        Audience | None, Query(description="whom the rule set is for; stays what the first version said")
    ] = None,
) -> Response:
    """Store a document as the draft of a version. The rule set is registered with its first version."""
    raw = await request.body()
    draft = await _read(request, edge, raw)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        rule_set = await actions.register(connection, draft.code, actor.provider, now, audience)
        _check_owner(actor, rule_set)
        version = await actions.add_draft(connection, rule_set, draft, actor.principal, now)
        subject = f"rule_set_version:{version.id}"
        await record(
            connection,
            actor.by,
            "rule_set.draft",
            subject,
            {"sha256": draft.sha256},
            now,
            Owned(version.rule_set.owner),
        )
        return _answer(version, 201)

    return await once(request, edge, actor.client_id, (audience or "").encode() + raw, work)


async def _read(request: Request, edge: Edge, raw: bytes) -> actions.Draft:
    form, language = _form(request), language_of(request)
    async with edge.database.snapshot() as connection:
        above = await life.find_above(connection, raw)
    return await asyncio.to_thread(life.read_draft, raw, form, language, above)


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
        mine = [version for version in versions if version.rule_set.id == rule_set.id]
        return RuleSetOut.from_domain(rule_set, mine).model_dump(mode="json")

    return page_answer(request, found, limit, lambda r: r.code, show)


@router.get(
    "/v1/rule-sets/{id}",
    operation_id="read_rule_set",
    responses={200: {"model": GovernedOut, "description": "the rule set"}, **documented(404)},
)
async def read_rule_set(
    id: UUID,
    edge: EdgeDep,
    actor: Reader,
    on: Annotated[date | None, Query(description="a governing date; today when it is left out")] = None,
    known: Annotated[
        datetime | None, Query(description="as the bank held it at this instant; now when it is left out")
    ] = None,
) -> Response:
    """A rule set with its versions, and which of them governed a day as the bank held it at an instant."""
    day, instant = on or edge.today(), known or edge.clock()
    if instant.tzinfo is None:
        raise EdgeRefusal(422, [Fault("?known", "invalid_parameter", "")])
    async with edge.database.snapshot() as connection:
        rule_set = await queries.find_rule_set(connection, id)
        versions = await queries.versions_of(connection, [rule_set])
    by_id = {version.id: version for version in versions}
    found = governing([p for version in versions for p in version.publications], day, instant)
    return json_answer(
        GovernedOut(
            **RuleSetOut.from_domain(rule_set, versions).model_dump(),
            on=day,
            known=instant,
            governing=VersionSummary.from_domain(by_id[found.version_id]) if found is not None else None,
        )
    )


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
    if is_unchanged(request, version.tag):
        return Response(status_code=304, headers={"ETag": etag(version.tag)})
    return json_answer(VersionOut.from_domain(version), headers={"ETag": etag(version.tag)})


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
    """Put another document in the place of an unpublished one, which is then a draft again. Needs `If-Match`."""
    raw = await request.body()
    draft = await _read(request, edge, raw)

    async def work(connection: AsyncConnection) -> Answer:
        version = await _held(connection, actor, id, number)
        # What can never be changed says so, whatever the caller last read of it.
        if version.state not in MUTABLE:
            raise NotADraft(state=version.state)
        check_match(request, version.tag)
        if (draft.code, draft.number) != (version.rule_set.code, version.number):
            raise VersionMoved(rule_set=version.rule_set.code, number=version.number)
        now = edge.clock()
        await actions.replace_draft(connection, version, draft, actor.principal, now)
        subject = f"rule_set_version:{version.id}"
        await record(
            connection,
            actor.by,
            "rule_set.redraft",
            subject,
            {"sha256": draft.sha256},
            now,
            Owned(version.rule_set.owner),
        )
        return _answer(await queries.find_version(connection, id, number), 200)

    return await once(request, edge, actor.client_id, raw, work)


# --- Steps of the life of a version -----------------------------------------------------------------------------------


async def _held(connection: AsyncConnection, actor: Actor, id: UUID, number: int) -> StoredVersion:
    """The version, its rule set locked so that one step follows another. Raises ForeignRuleSet."""
    rule_set = await queries.find_rule_set(connection, id)
    await queries.rule_set_by_code(connection, rule_set.code, lock=True)
    version = await queries.find_version(connection, id, number)
    _check_owner(actor, version.rule_set)
    return version


async def take_step(
    request: Request,
    edge: Edge,
    actor: Actor,
    of: tuple[UUID, int],
    action: str,
    work: Callable[[AsyncConnection, StoredVersion], Awaitable[Callable[[StoredVersion], Answer]]],
) -> Response:
    """Do a step in one transaction, once a key, and write it down. ``work`` answers how its result is shown."""

    async def whole(connection: AsyncConnection) -> Answer:
        version = await _held(connection, actor, *of)
        show = await work(connection, version)
        subject = f"rule_set_version:{version.id}"
        await record(
            connection,
            actor.by,
            action,
            subject,
            {"sha256": version.sha256},
            edge.clock(),
            Owned(version.rule_set.owner),
        )
        return show(await queries.find_version(connection, *of))

    return await once(request, edge, actor.client_id, request.url.query.encode(), whole)


def _shown(status: int, shown: VersionSummary, version: StoredVersion) -> Answer:
    return Answer(status, shown.model_dump_json().encode(), {"ETag": etag(version.tag)})


async def _validate(
    edge: Edge, actor: Actor, of: tuple[UUID, int], states: Collection[str], language: Language
) -> life.Validation | None:
    """Check the document outside of any transaction; None for a version in another state than these."""
    async with edge.database.snapshot() as connection:
        version = await queries.find_version(connection, *of)
        _check_owner(actor, version.rule_set)
        if version.state not in states:
            return None
        extended = queries.read_stored(version.document).ruleset.extends
        above = await queries.documents_above(connection, [extended]) if extended is not None else {}
    return await asyncio.to_thread(life.validate, version, above, language)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/validate",
    operation_id="validate_rule_set_version",
    responses={200: {"model": ValidatedOut, "description": "validated"}, **documented(404, 409, 410, 412)},
)
async def validate_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Writer
) -> Response:
    """Check a draft in full and run its tests, which must exercise every recognition rule and every limit."""
    validation = await _validate(edge, actor, (id, number), MUTABLE, language_of(request))

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        if validation is None:
            raise NotADraft(state=version.state)
        await life.keep_validation(connection, version, validation)
        return lambda found: _shown(
            200,
            ValidatedOut(
                **VersionSummary.from_domain(found).model_dump(),
                tests=validation.tests,
                warnings=[FaultOut(pointer=w.pointer, code=w.code, message=w.message) for w in validation.warnings],
            ),
            found,
        )

    return await take_step(request, edge, actor, (id, number), "rule_set.validate", work)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/approve",
    operation_id="approve_rule_set_version",
    responses={200: {"model": VersionSummary, "description": "approved"}, **documented(404, 409, 410)},
)
async def approve_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Approver
) -> Response:
    """Approve a simulated version. Whoever put a document into it may not; nor is a stale simulation enough."""

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        by = actor.principal
        await life.approve(connection, version, by, edge.clock, edge.settings.simulation_days)
        return lambda found: _shown(200, VersionSummary.from_domain(found), found)

    return await take_step(request, edge, actor, (id, number), "rule_set.approve", work)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/publish",
    operation_id="publish_rule_set_version",
    responses={200: {"model": PublishedOut, "description": "published"}, **documented(404, 409, 410, 412)},
)
async def publish_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Publisher
) -> Response:
    """Make an approved version govern its days. Everybody whom it may touch is settled again by a job."""
    # Its tests held when it was validated, perhaps under an older release of the bank.
    validation = await _validate(edge, actor, (id, number), ("approved",), language_of(request))

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        if validation is not None:
            life.check_validated(version, validation)
        job = await life.publish(connection, version, edge.clock, edge.settings.simulation_days)
        return lambda found: _shown(200, _with_job(found, job), found)

    return await take_step(request, edge, actor, (id, number), "rule_set.publish", work)


def _with_job(version: StoredVersion, job: UUID | None) -> PublishedOut:
    return PublishedOut(**VersionSummary.from_domain(version).model_dump(), job=job)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/withdraw",
    operation_id="withdraw_rule_set_version",
    responses={200: {"model": PublishedOut, "description": "withdrawn"}, **documented(404, 409, 410)},
)
async def withdraw_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Publisher
) -> Response:
    """Let a published version govern nothing any more. Its days are governed by none until another is published."""

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        job = await life.withdraw(connection, version, edge.clock)
        return lambda found: _shown(200, _with_job(found, job), found)

    return await take_step(request, edge, actor, (id, number), "rule_set.withdraw", work)


@router.get(
    "/v1/rule-sets/{id}/versions/{number}/diff/{other}",
    operation_id="compare_rule_set_versions",
    responses={200: {"model": DifferenceOut, "description": "where they differ"}, **documented(404)},
)
async def compare_rule_set_versions(id: UUID, number: Number, other: Number, edge: EdgeDep, actor: Reader) -> Response:
    """Where two documents of the rule set differ: what `other` adds, removes and changes."""
    async with edge.database.snapshot() as connection:
        before = await queries.find_version(connection, id, number)
        after = await queries.find_version(connection, id, other)
        layered = [await queries.layered_of(connection, version.document) for version in (before, after)]
    return json_answer(show_difference(id, number, other, difference(*layered)))
