"""Endpoints of the life of rule sets and of what-if."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
import yaml
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_bank
from creditbank.errors import Fault
from creditbank.jobs.queries import find_state
from creditbank.learners.queries import load
from creditbank.providers.queries import by_code, check_acting
from creditbank.publishing import actions as life
from creditbank.publishing.schemas import (
    CaseOut,
    CasesOut,
    DifferenceOut,
    ProgressOut,
    SimulationOut,
    SupposedOut,
    ValidatedOut,
    WhatIfIn,
    WhatIfOut,
    show_difference,
    show_supposed,
    totals_of,
)
from creditbank.publishing.simulating import Case, cases, compared
from creditbank.publishing.what_if import Supposed, suppose
from creditbank.recognition.explain import WORDS
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.difference import difference
from creditbank.rules.explain import explain_decision
from creditbank.rules.outcome import Decision
from creditbank.rulesets import actions, queries
from creditbank.rulesets.domain import (
    MUTABLE,
    Audience,
    Book,
    ForeignRuleSet,
    NotADraft,
    RuleSet,
    RuleSetNotFound,
    Simulation,
    SimulationNotFound,
    StoredVersion,
    VersionMoved,
    client,
    governing,
)
from creditbank.rulesets.schemas import GovernedOut, PublishedOut, RuleSetOut, VersionOut, VersionSummary
from creditbank.rulesets.shelf import Shelf, compile_stored
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, page_answer, place_of
from creditbank.web.problems import EdgeRefusal, FaultOut, documented, language_of
from creditbank.web.revisions import check_match, etag, is_unchanged
from creditbank.web.sentences import Language

router = APIRouter(tags=["rules"])

_what_if = JsonBody(
    WhatIfIn,
    {
        "achievements": [
            {
                "external_id": "planned",
                "provider": "cq/yuzhong",
                "kind": "course",
                "code": "ENG101",
                "credits": "3",
                "completed": "2026-06-20",
            }
        ],
        "rule_set": {"code": "town"},
    },
)

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
    if not actor.is_bank and (rule_set.owner is None or not actor.acts_for(rule_set.owner)):
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
        await check_acting(connection, actor)
        version = await actions.add_draft(connection, rule_set, draft, client(actor.client_id), now)
        subject = f"rule_set_version:{version.id}"
        await record(connection, actor.client_id, "rule_set.draft", subject, {"sha256": draft.sha256}, now)
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
        await actions.replace_draft(connection, version, draft, client(actor.client_id), now)
        subject = f"rule_set_version:{version.id}"
        await record(connection, actor.client_id, "rule_set.redraft", subject, {"sha256": draft.sha256}, now)
        return _answer(await queries.find_version(connection, id, number), 200)

    return await once(request, edge, actor.client_id, raw, work)


# --- Steps of the life of a version -----------------------------------------------------------------------------------


async def _held(connection: AsyncConnection, actor: Actor, id: UUID, number: int) -> StoredVersion:
    """The version, its rule set locked so that one step follows another. Raises ForeignRuleSet, ProviderNotActive."""
    rule_set = await queries.find_rule_set(connection, id)
    await queries.rule_set_by_code(connection, rule_set.code, lock=True)
    version = await queries.find_version(connection, id, number)
    _check_owner(actor, version.rule_set)
    await check_acting(connection, actor)
    return version


async def _step(
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
        await record(connection, actor.client_id, action, subject, {"sha256": version.sha256}, edge.clock())
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
        await check_acting(connection, actor)
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

    return await _step(request, edge, actor, (id, number), "rule_set.validate", work)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/simulate",
    operation_id="simulate_rule_set_version",
    status_code=202,
    responses={202: {"model": SimulationOut, "description": "asked for"}, **documented(404, 409, 410)},
)
async def simulate_rule_set_version(
    id: UUID,
    number: Number,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    sample: Annotated[
        int | None, Query(ge=1, le=1_000_000, description="look at about so many learners only; all when left out")
    ] = None,
) -> Response:
    """Ask what publishing a validated version would change. A worker counts; `…/simulation` tells how far it is."""

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        asked = await life.ask_simulation(connection, version, sample, edge.today(), edge.clock)
        shown = SimulationOut.from_domain(asked, version, "waiting", None)
        location = f"/v1/rule-sets/{id}/versions/{number}/simulation"
        return lambda _: Answer(202, shown.model_dump_json().encode(), {"Location": location})

    return await _step(request, edge, actor, (id, number), "rule_set.simulate", work)


async def _simulation_of(
    connection: AsyncConnection, id: UUID, number: int
) -> tuple[StoredVersion, Sequence[Simulation]]:
    version = await queries.find_version(connection, id, number)
    found = await queries.simulations_of(connection, version.id)
    if not found:
        raise SimulationNotFound
    return version, found


@router.get(
    "/v1/rule-sets/{id}/versions/{number}/simulation",
    operation_id="read_simulation",
    responses={200: {"model": SimulationOut, "description": "the simulation asked for last"}, **documented(404)},
)
async def read_simulation(id: UUID, number: Number, edge: EdgeDep, actor: Reader) -> Response:
    """How far the simulation is that was asked for last, and its report once it is whole.

    The largest changes name learners: they are shown to the bank's own clients only.
    """
    async with edge.database.snapshot() as connection:
        version, found = await _simulation_of(connection, id, number)
        latest = found[0]
        job = await find_state(connection, latest.job_id) if latest.job_id is not None else None
    state, progress = "ended" if latest.report is not None else "waiting", None
    if latest.report is None and job is not None:
        state = "outdated" if job.state == "done" else job.state
        if "all" in job.progress:
            progress = ProgressOut(walked=job.progress["walked"], all=job.progress["all"])
    shown = SimulationOut.from_domain(latest, version, state, progress)
    if shown.report is not None and not actor.is_bank:
        shown.report.pop("largest")
    return json_answer(shown)


@router.get(
    "/v1/rule-sets/{id}/versions/{number}/simulation/cases",
    operation_id="read_simulation_cases",
    responses={200: {"model": CasesOut, "description": "the largest changes"}, **documented(404, 409)},
)
async def read_simulation_cases(
    id: UUID,
    number: Number,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("ledger:read"))],
) -> Response:
    """The largest changes of the last whole simulation, each with both traces, evaluated again now.

    No trace is kept: it would be one more place that names persons. Only for the bank's own clients, and written down.
    """
    require_bank(actor)
    language, shelf = language_of(request), _shelf(request)
    async with edge.database.write() as connection:
        version, found = await _simulation_of(connection, id, number)
        ended = next((s for s in found if s.report is not None and s.sha256 == version.sha256), None)
        if ended is None or ended.report is None or version.state not in MUTABLE:
            raise SimulationNotFound
        largest = {UUID(case["learner"]): case for case in ended.report["largest"]}
        whose = list((await load(connection, edge.vault, list(largest))).values()) if largest else []
        lines = await compared(connection, shelf, version)
        evaluated = await cases(connection, lines, ended, whose)
        subject, ids = f"rule_set_version:{version.id}", sorted(str(one.id) for one in whose)
        await record(connection, actor.client_id, "rule_set.read_cases", subject, {"learners": ids}, edge.clock())
    shown = [_show_case(id_, largest[id_], evaluated[id_], language) for id_ in largest if id_ in evaluated]
    return json_answer(CasesOut(simulation=ended.id, cases=shown))


def _show_case(learner_id: UUID, simulated: dict[str, Any], case: Case, language: Language) -> CaseOut:
    def show(decisions: Sequence[Decision]) -> list[SupposedOut]:
        # The provider's own names for achievements may be about persons; the bank's ids are not.
        text = json.dumps([show_supposed(d, _reason(d, language)) for d in decisions], default=str, ensure_ascii=False)
        for key in sorted(case.ids, key=len, reverse=True):
            text = text.replace(json.dumps(key, ensure_ascii=False)[1:-1], str(case.ids[key]))
        shown: list[SupposedOut] = json.loads(text)
        return shown

    totals = [{t["unit"]: t["total"] for t in totals_of(line)} for line in (case.before, case.after)]
    return {
        "learner": learner_id,
        "is_as_simulated": totals == [simulated["before"], simulated["after"]],
        "before": show(case.before),
        "after": show(case.after),
    }


def _reason(decision: Decision, language: Language) -> str:
    return explain_decision(decision, WORDS[language])


def _shelf(request: Request) -> Shelf:
    found: Shelf = request.app.state.shelf
    return found


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
        by = client(actor.client_id)
        await life.approve(connection, version, by, edge.clock, edge.settings.simulation_days)
        return lambda found: _shown(200, VersionSummary.from_domain(found), found)

    return await _step(request, edge, actor, (id, number), "rule_set.approve", work)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/publish",
    operation_id="publish_rule_set_version",
    responses={200: {"model": PublishedOut, "description": "published"}, **documented(404, 409, 410, 412)},
)
async def publish_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Approver
) -> Response:
    """Make an approved version govern its days. Everybody whom it may touch is settled again by a job."""
    # Its tests held when it was validated, perhaps under an older release of the bank.
    validation = await _validate(edge, actor, (id, number), ("approved",), language_of(request))

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        if validation is not None:
            life.check_validated(version, validation)
        job = await life.publish(connection, version, edge.clock, edge.settings.simulation_days)
        return lambda found: _shown(200, _with_job(found, job), found)

    return await _step(request, edge, actor, (id, number), "rule_set.publish", work)


def _with_job(version: StoredVersion, job: UUID | None) -> PublishedOut:
    return PublishedOut(**VersionSummary.from_domain(version).model_dump(), job=job)


@router.post(
    "/v1/rule-sets/{id}/versions/{number}/withdraw",
    operation_id="withdraw_rule_set_version",
    responses={200: {"model": PublishedOut, "description": "withdrawn"}, **documented(404, 409, 410)},
)
async def withdraw_rule_set_version(
    id: UUID, number: Number, request: Request, edge: EdgeDep, actor: Approver
) -> Response:
    """Let a published version govern nothing any more. Its days are governed by none until another is published."""

    async def work(connection: AsyncConnection, version: StoredVersion) -> Callable[[StoredVersion], Answer]:
        job = await life.withdraw(connection, version, edge.clock)
        return lambda found: _shown(200, _with_job(found, job), found)

    return await _step(request, edge, actor, (id, number), "rule_set.withdraw", work)


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


# --- What-if ----------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/what-if",
    operation_id="ask_what_if",
    openapi_extra=_what_if.documents,
    responses={200: {"model": WhatIfOut, "description": "what they would give"}, **documented(404, 415)},
)
async def ask_what_if(
    request: Request, edge: EdgeDep, actor: Reader, body: Annotated[Read[WhatIfIn], Depends(_what_if)]
) -> Response:
    """What achievements would give under the rules in force, one rule set, or a document. Nothing is stored."""
    wanted, language = body.value, language_of(request)
    given = wanted.document
    raw = given.encode() if isinstance(given, str) else orjson.dumps(given) if given is not None else None
    async with edge.database.snapshot() as connection:
        book = await _shelf(request).book_seen(connection)
        above = await life.find_above(connection, raw) if raw is not None else {}
        if wanted.rule_set is not None:
            book = replace(book, versions=await _asked(connection, book, wanted.rule_set.code, wanted.rule_set.version))
        else:
            # Whom rules for the enrolled do not concern yet asks here what they would give.
            book = replace(book, versions=book.every_version)
        types = await by_code(connection, sorted({one.provider for one in wanted.achievements}))
    supposed = [Supposed(one.external_id, one.supposed()) for one in wanted.achievements]
    as_of = wanted.as_of or edge.today()

    def decide() -> list[Decision]:
        read = book
        if raw is not None:
            form: Literal["yaml", "json"] = "yaml" if isinstance(given, str) else "json"
            read = replace(book, versions=[life.read_compiled(raw, form, language, above)])
        return suppose(supposed, read, {code: one.provider_type for code, one in types.items()}, as_of)

    decisions = await asyncio.to_thread(decide)
    shown = [show_supposed(decision, _reason(decision, language)) for decision in decisions]
    return Response(
        to_json(WhatIfOut(as_of=as_of, totals=totals_of(decisions), decisions=shown)), media_type="application/json"
    )


async def _asked(connection: AsyncConnection, book: Book, code: str, number: int | None) -> Sequence[CompiledVersion]:
    """The versions of a rule set in force, or one of its versions whatever its state. Raises RuleSetNotFound."""
    if number is not None:
        rule_set = await queries.rule_set_by_code(connection, code)
        if rule_set is None:
            raise RuleSetNotFound
        version = await queries.find_version(connection, rule_set.id, number)
        return [(await compile_stored(connection, version.document, version.sha256)).compiled]
    found = [one.compiled for (of, _), one in book.entries.items() if of == code]
    if not found:
        raise RuleSetNotFound
    return found
