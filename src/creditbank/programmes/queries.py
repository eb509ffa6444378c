"""Reads of programmes, and the audit: from a learner's lots to what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID
from creditbank.awards.domain import Conversion, Wanted, chosen, used_elsewhere
from creditbank.awards.queries import conversions_of
from creditbank.catalogue.domain import Offering, UnknownOffering
from creditbank.catalogue.queries import named, open_on
from creditbank.enrolments.domain import Enrolment, governed, latest_for
from creditbank.enrolments.queries import enrolments_of
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.domain import Lot
from creditbank.programmes.auditing import Audit, Question, inputs_of, on_stakes, read_allocation, read_pins
from creditbank.programmes.domain import (
    Admission,
    AllocationImpossible,
    AmbiguousOffering,
    Place,
    ProgrammeNotFound,
    ProgrammeRef,
    current_enrolment,
    place_of,
    waive,
)
from creditbank.programmes.planning import Gap, Situation, Ways, gaps_of, kinds_and_providers, ways_to_close
from creditbank.programmes.stakes import LotName, Seat, SetAside, Stake, only, stakes_of, with_plan
from creditbank.programmes.tables import programme_admissions, programme_audits
from creditbank.recognition.domain import fact_of
from creditbank.recognition.reach import Touched, load_all
from creditbank.rules.allocate.allocation import Allocation, Pins
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.allocate.solver import NotSolved
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import Programme
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


@dataclass(frozen=True, slots=True)
class Basis:
    """All that an audit reads: the learner before the programme, under the version that governs it there.

    ``programme`` is without what was waived. ``lots`` are all of the learner's; ``situation`` is the learner as the
    engine sees it, so that plans can be laid on it.
    """

    place: Place
    version: CompiledVersion
    version_id: UUID
    programme: Programme
    enrolments: Sequence[Enrolment]
    enrolment: Enrolment | None
    lapsed_on: date | None
    waived: tuple[str, ...]
    pins: Pins
    lots: Mapping[UUID, Lot]
    barred: frozenset[UUID]
    conversions: Sequence[Conversion]
    stakes: Sequence[Stake]
    set_aside: Sequence[SetAside]
    situation: Situation
    available: Mapping[LotName, Candidate]

    def mine(self) -> dict[UUID, Lot]:
        """The lots that count here: of the programme's rule set, in its unit."""
        return {
            id_: lot
            for id_, lot in self.lots.items()
            if lot.key.rule_set_id == self.place.rule_set_id and lot.terms.credit_unit == self.version.credit_unit
        }

    def choosing(self, wanted: Sequence[Wanted]) -> Basis:
        """The same with only the lots wanted, and what counts once more. Raises what ``awards.domain.chosen`` does."""
        amounts = chosen(wanted, self.mine(), self.barred, self.situation.today)
        return replace(self, stakes=only(self.stakes, amounts), set_aside=())

    def planning(self, planned: Sequence[Offering]) -> Basis:
        """The same as it would be with learning not yet done."""
        return replace(self, stakes=with_plan(self.stakes, self.available, self.situation.lots(planned)))


async def basis_of(
    connection: AsyncConnection, shelf: Shelf, book: Book, learner: LockedLearner, ref: ProgrammeRef, today: date
) -> Basis:
    """What an audit of a learner today reads. Raises ProgrammeNotFound."""
    place = place_of(book, ref)
    touched = (await load_all(connection, shelf, [learner], book, today))[learner.id]
    enrolments = (await enrolments_of(connection, [learner.id]))[learner.id]
    enrolment = current_enrolment(enrolments, place, today)
    version, lapsed_on = _version_for(place, enrolment, touched, today)
    waivable = [one.what for one in touched.rulings if isinstance(one, Waive) and one.fact is None
                and one.rule_set == ref.rule_set]  # fmt: skip
    waived = tuple(sorted({version.named(what) for what in waivable}))
    programme = waive(version.programmes[ref.programme], frozenset(waived))
    situation = situation_of(book, place, touched, today)
    available = situation.lots()
    lots = list(touched.lots.values())
    conversions = await conversions_of(connection, learner.id)
    seat = Seat(place.rule_set_id, version.credit_unit, programme, version.programmes)
    grants = {name: candidate.grant for name, candidate in available.items()}
    stakes, aside = stakes_of(seat, lots, touched.achievements, grants, conversions, today)
    return Basis(
        place,
        version,
        book.entries[version.rule_set, version.version].version_id,
        programme,
        enrolments,
        enrolment,
        lapsed_on,
        waived,
        read_pins(enrolment.pins if enrolment is not None else {}),
        touched.lots,
        used_elsewhere(lots, touched.achievements, place.rule_set_id),
        conversions,
        stakes,
        aside,
        situation,
        available,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """An audit with the learner as the engine sees it. ``is_new`` when its inputs were never audited before."""

    audit: Audit
    situation: Situation
    is_new: bool


async def worked_out(question: Question) -> Allocation:
    """The answer, from the solver: others are served meanwhile, as far as no transaction of the caller's stops them.

    Raises AllocationImpossible.
    """
    try:
        return await asyncio.to_thread(question.solve)
    except NotSolved as failed:
        raise AllocationImpossible from failed


async def audit_of(
    connection: AsyncConnection,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    ref: ProgrammeRef,
    today: date,
    answer: Callable[[Question], Awaitable[Allocation]] = worked_out,
) -> Audit:
    """How a learner stands in a programme today. Raises ProgrammeNotFound, AllocationImpossible."""
    basis = await basis_of(connection, shelf, book, learner, ref, today)
    return (await look(connection, learner.id, basis, answer)).audit


async def look(
    connection: AsyncConnection,
    learner_id: UUID,
    basis: Basis,
    answer: Callable[[Question], Awaitable[Allocation]] = worked_out,
) -> Look:
    """The audit of what it reads: the one best use of a learner's lots. Raises what ``answer`` raises.

    Whoever applies for the award holds this very use (decision 28). ``answer`` is asked what was never asked before;
    in a transaction that writes it is ``turns.Answers``.
    """
    place, ref = basis.place, basis.place.ref
    pins = on_stakes(basis.pins, basis.stakes)
    inputs = inputs_of(basis.version, ref.programme, basis.waived, pins, basis.stakes)
    stored = allocation = await _stored(connection, learner_id, place, inputs)
    if allocation is None:
        former = await _former(connection, learner_id, basis)
        candidates = [stake.candidate for stake in basis.stakes]
        allocation = await answer(Question(inputs, basis.programme, candidates, pins, former))
    audit = Audit(
        place,
        basis.version,
        basis.version_id,
        basis.programme,
        basis.enrolment,
        basis.lapsed_on,
        basis.waived,
        pins,
        {stake.candidate.id: stake for stake in basis.stakes},
        basis.set_aside,
        allocation,
        inputs,
    )
    return Look(audit, basis.situation, stored is None)


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


async def _former(connection: AsyncConnection, learner_id: UUID, basis: Basis) -> Allocation | None:
    """The last answer about this programme as it is: kept where it still is one and nothing better is found in time."""
    statement = _of(learner_id, basis.place).where(programme_audits.c.version_id == basis.version_id)
    return _read((await connection.execute(statement)).one_or_none(), basis.place)


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
