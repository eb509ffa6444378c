"""Reads of programmes, and the audit: from a learner's lots to what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID
from creditbank.catalogue.domain import Offering, UnknownOffering
from creditbank.catalogue.queries import named, open_on
from creditbank.enrolments.domain import Enrolment, governed, latest_for
from creditbank.enrolments.queries import enrolments_of
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.domain import HoldState
from creditbank.ledger.tables import hold_lines, holds
from creditbank.programmes.domain import (
    Admission,
    AllocationImpossible,
    AmbiguousOffering,
    Audit,
    Held,
    Place,
    ProgrammeNotFound,
    ProgrammeRef,
    inputs_of,
    place_of,
    read_allocation,
    read_pins,
    stakes_of,
    waive,
    with_plan,
)
from creditbank.programmes.planning import Gap, Situation, Ways, gaps_of, kinds_and_providers, ways_to_close
from creditbank.programmes.tables import programme_admissions, programme_audits, programme_holds
from creditbank.recognition.domain import fact_of
from creditbank.recognition.reach import Touched, load_all
from creditbank.rules.allocate.allocation import Allocation, allocate
from creditbank.rules.allocate.solver import NotSolved
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.rulings import Waive
from creditbank.rulesets.domain import Book
from creditbank.rulesets.queries import find_rule_set
from creditbank.rulesets.shelf import Shelf

OFFERINGS_TRIED: Final = 500
"""So many open offerings are looked at for each gap, the soonest first."""


async def owner_of(connection: AsyncConnection, place: Place) -> str | None:
    """The provider whose programme it is; None: the bank."""
    return (await find_rule_set(connection, place.rule_set_id)).owner


async def admission_to(connection: AsyncConnection, place: Place) -> Admission:
    """What a programme asks for before it takes a learner."""
    statement = select(programme_admissions).where(
        programme_admissions.c.rule_set_id == place.rule_set_id,
        programme_admissions.c.programme == place.ref.programme,
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return Admission(None, None, 0)
    return Admission(row.credits_milli, ProgrammeRef.parse(row.award) if row.award else None, row.revision)


async def held_for(connection: AsyncConnection, learner_id: UUID) -> list[Held]:
    """What the learner's holds reserve or redeemed, as far as they are for a programme."""
    statement = (
        select(programme_holds, holds.c.state, hold_lines.c.lot_id, hold_lines.c.milli, hold_lines.c.redeemed_milli)
        .join(holds, (holds.c.learner_id == programme_holds.c.learner_id) & (holds.c.id == programme_holds.c.id))
        .join(hold_lines, (hold_lines.c.learner_id == holds.c.learner_id) & (hold_lines.c.hold_id == holds.c.id))
        .where(programme_holds.c.learner_id == learner_id)
        .order_by(holds.c.id, hold_lines.c.id)
    )
    return [
        Held(row.rule_set_id, row.programme, HoldState(row.state), row.lot_id, row.milli, row.redeemed_milli)
        for row in await connection.execute(statement)
    ]


async def current_enrolment(
    connection: AsyncConnection, learner_id: UUID, place: Place, today: date
) -> Enrolment | None:
    """The enrolment of a learner in a programme that holds on a day; the last of several."""
    found = (await enrolments_of(connection, [learner_id]))[learner_id]
    mine = [one for one in found if one.rule_set_id == place.rule_set_id and one.programme == place.ref.programme]
    return next((one for one in reversed(mine) if one.holds_on(today)), None)


@dataclass(frozen=True, slots=True)
class Look:
    """An audit with the learner as the engine sees it, so that plans can be laid on it.

    ``is_new`` when its inputs were never audited before.
    """

    audit: Audit
    situation: Situation
    is_new: bool


async def audit_of(
    connection: AsyncConnection,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    ref: ProgrammeRef,
    today: date,
    *,
    planned: Sequence[Offering] = (),
) -> Audit:
    """How a learner stands in a programme today, or would with learning not yet done.

    Raises ProgrammeNotFound, AllocationImpossible.
    """
    return (await look(connection, shelf, book, learner, ref, today, planned=planned)).audit


async def look(
    connection: AsyncConnection,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    ref: ProgrammeRef,
    today: date,
    *,
    planned: Sequence[Offering] = (),
) -> Look:
    """The audit with what it was made of. Raises ProgrammeNotFound, AllocationImpossible."""
    place = place_of(book, ref)
    touched = (await load_all(connection, shelf, [learner], book, today))[learner.id]
    enrolment = await current_enrolment(connection, learner.id, place, today)
    version, lapsed_on = _version_for(place, enrolment, touched, today)
    situation = situation_of(book, place, touched, today)
    programme = version.programmes[ref.programme]
    waivable = [one.what for one in touched.rulings if isinstance(one, Waive) and one.fact is None
                and one.rule_set == ref.rule_set]  # fmt: skip
    waived = tuple(sorted({version.named(what) for what in waivable}))
    programme = waive(programme, frozenset(waived))
    before = situation.lots()
    stakes, aside = stakes_of(
        place.rule_set_id,
        list(touched.lots.values()),
        {str(id_): a for id_, a in touched.achievements.items()},
        {name: candidate.grant for name, candidate in before.items()},
        await held_for(connection, learner.id),
        programme,
        version.programmes,
        today,
    )
    if planned:
        stakes = with_plan(stakes, before, situation.lots(planned))
    pins = read_pins(enrolment.pins) if enrolment is not None else read_pins({})
    inputs = inputs_of(version, ref.programme, waived, pins, stakes)
    stored = None if planned else await _stored(connection, learner.id, place, inputs)
    former = None if planned or stored is not None else await _former(connection, learner.id, place)
    try:
        # The solver may take its time: meanwhile others are served.
        allocation = (
            await asyncio.to_thread(allocate, programme, [s.candidate for s in stakes], pins=pins, former=former)
            if stored is None
            else stored
        )
    except NotSolved as failed:
        raise AllocationImpossible from failed
    audit = Audit(
        place,
        version,
        book.entries[version.rule_set, version.version].version_id,
        programme,
        enrolment,
        lapsed_on,
        waived,
        pins,
        {stake.candidate.id: stake for stake in stakes},
        aside,
        allocation,
        inputs,
    )
    return Look(audit, situation, stored is None)


def situation_of(book: Book, place: Place, touched: Touched, today: date) -> Situation:
    """The learner as the engine sees it, before the programme's rule set."""
    valid = [a for a in touched.achievements.values() if a.current.status == VALID]
    return Situation(
        book,
        place.line,
        today,
        [fact_of(a, book, touched.known) for a in valid],
        touched.known,
        touched.standing(book, today, of=place.ref.rule_set),
        touched.rulings,
    )


def _version_for(
    place: Place, enrolment: Enrolment | None, touched: Touched, today: date
) -> tuple[CompiledVersion, date | None]:
    if enrolment is not None:
        bound = {
            id_
            for lot in touched.lots.values()
            if lot.key.rule_set_id == place.rule_set_id
            for id_ in lot.key.binding.split(",")
        }
        days = [
            date.fromisoformat(a.current.content["completed"])
            for id_, a in touched.achievements.items()
            if str(id_) in bound
        ]
        found = governed(enrolment, place.line, days, today)
        if found is not None:
            return found.version, found.lapsed_on
    version = latest_for(place.line, place.ref.programme, today)
    if version is None:
        raise ProgrammeNotFound
    return version, None


def _of(learner_id: UUID, place: Place) -> Any:
    return (
        select(programme_audits.c.answer)
        .where(
            programme_audits.c.learner_id == learner_id,
            programme_audits.c.rule_set_id == place.rule_set_id,
            programme_audits.c.programme == place.ref.programme,
        )
        .order_by(programme_audits.c.id.desc())
        .limit(1)
    )


def _read(row: Row[Any] | None, place: Place) -> Allocation | None:
    return read_allocation(place.ref.programme, row.answer) if row is not None else None


async def _stored(connection: AsyncConnection, learner_id: UUID, place: Place, inputs: bytes) -> Allocation | None:
    """The answer to these very inputs, if it was given before."""
    statement = _of(learner_id, place).where(programme_audits.c.inputs_sha256 == inputs)
    return _read((await connection.execute(statement)).one_or_none(), place)


async def _former(connection: AsyncConnection, learner_id: UUID, place: Place) -> Allocation | None:
    """The last answer about this programme: kept where the solver finds nothing better in time."""
    return _read((await connection.execute(_of(learner_id, place))).one_or_none(), place)


async def ways_for(connection: AsyncConnection, seen: Look) -> list[Ways]:
    """For each gap of an audit the nearest ways to close it, from the catalogue."""
    return [
        await _ways(connection, gap, seen.situation, seen.audit)
        for gap in gaps_of(seen.audit)
    ]  # fmt: skip


async def ways_to_credits(
    connection: AsyncConnection,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    place: Place,
    milli: int,
    today: date,
) -> Ways:
    """The nearest ways to so many more credits of a rule set."""
    touched = (await load_all(connection, shelf, [learner], book, today))[learner.id]
    return await _ways(connection, Gap(None, milli, 0), situation_of(book, place, touched, today), None)


async def _ways(connection: AsyncConnection, gap: Gap, situation: Situation, audit: Audit | None) -> Ways:
    kinds, tops = kinds_and_providers(gap)
    offerings = await open_on(connection, situation.today, kinds=kinds, tops=tops, limit=OFFERINGS_TRIED)
    return await asyncio.to_thread(ways_to_close, gap, offerings, situation, audit)


async def planned_offerings(connection: AsyncConnection, given: Sequence[str]) -> list[Offering]:
    """The offerings that a plan names by id or code. Raises UnknownOffering, AmbiguousOffering."""
    ids, codes = [], []
    for text in given:
        try:
            ids.append(UUID(text))
        except ValueError:
            codes.append(text)
    found = await named(connection, ids, codes)
    plan = []
    for text in given:
        meant = [one for one in found if text.lower() == str(one.id) or text == one.code]
        if not meant:
            raise UnknownOffering(given=text)
        if len(meant) > 1:
            raise AmbiguousOffering(given=text)
        plan.append(meant[0])
    return plan
