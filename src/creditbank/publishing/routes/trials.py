"""Endpoints that try rules out: simulations of a version, and what-if. They change nobody's credits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import NOBODY_S, can
from creditbank.jobs.queries import find_state
from creditbank.learners.queries import load
from creditbank.providers.queries import by_code
from creditbank.publishing import actions as life
from creditbank.publishing.routes.versions import Number, Reader, Writer, take_step
from creditbank.publishing.schemas import (
    CaseOut,
    CasesOut,
    ProgressOut,
    SimulationOut,
    SupposedOut,
    WhatIfIn,
    WhatIfOut,
    show_supposed,
    totals_of,
)
from creditbank.publishing.simulating import Case, cases, compared
from creditbank.publishing.what_if import Supposed, suppose
from creditbank.recognition.explain import WORDS
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.explain import explain_decision
from creditbank.rules.outcome import Decision
from creditbank.rulesets import queries
from creditbank.rulesets.domain import (
    MUTABLE,
    Book,
    RuleSetNotFound,
    Simulation,
    SimulationNotFound,
    StoredVersion,
)
from creditbank.rulesets.shelf import Shelf, compile_stored
from creditbank.web.bodies import JsonBody, Read, json_answer, to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer
from creditbank.web.problems import documented, language_of
from creditbank.web.sentences import Language

router = APIRouter(tags=["rules"])

Asker = Annotated[Actor, Depends(require("rules:read", while_stopped=True))]

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

    return await take_step(request, edge, actor, (id, number), "rule_set.simulate", work)


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
    if shown.report is not None and not can(actor, "simulation.cases", NOBODY_S):
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
    check_whole(actor, "simulation.cases")
    language, shelf = language_of(request), _shelf(request)
    async with edge.database.write() as connection:
        version, found = await _simulation_of(connection, id, number)
        ended = next((s for s in found if s.report is not None and s.sha256 == version.sha256), None)
        if ended is None or ended.report is None or version.state not in MUTABLE:
            raise SimulationNotFound
        largest = {UUID(case["learner"]): case for case in ended.report["largest"]}
        whose = list((await load(connection, edge.vault, list(largest))).values()) if largest else []
        lines = await compared(connection, shelf, version)
        evaluated = await cases(connection, shelf, lines, ended, whose)
        subject, ids = f"rule_set_version:{version.id}", sorted(str(one.id) for one in whose)
        await record(connection, actor.by, "rule_set.read_cases", subject, {"learners": ids}, edge.clock())
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


# --- What-if ----------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/what-if",
    operation_id="ask_what_if",
    openapi_extra=_what_if.documents,
    responses={200: {"model": WhatIfOut, "description": "what they would give"}, **documented(404, 415)},
)
async def ask_what_if(
    request: Request, edge: EdgeDep, actor: Asker, body: Annotated[Read[WhatIfIn], Depends(_what_if)]
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
