"""Enrolling, changing an enrolment, and keeping what was answered. The caller has locked the learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.awards.domain import has_award
from creditbank.awards.queries import conversions_of
from creditbank.credits import Credits
from creditbank.database.statements import insert_new
from creditbank.enrolments.actions import add, add_change
from creditbank.enrolments.domain import (
    AlreadyEnrolled,
    AppliedAfterEnrolment,
    Change,
    ChangeKind,
    DayInFuture,
    Enrolment,
    check_change,
    check_election,
    version_for,
)
from creditbank.enrolments.queries import enrolments_of
from creditbank.identifiers import new_id
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.queries import lots_of
from creditbank.programmes.auditing import Audit, write_allocation
from creditbank.programmes.domain import (
    Admission,
    AdmissionAwardMissing,
    AdmissionCreditsShort,
    Place,
    ProgrammeNotFound,
    ProgrammeNotOpen,
    ProgrammeRef,
    UnknownPin,
    UnknownProgramme,
    banked_milli,
    leaves_of,
    place_of,
)
from creditbank.programmes.queries import admission_to, audit_of, basis_of
from creditbank.programmes.tables import programme_admissions, programme_audits
from creditbank.programmes.turns import Answers
from creditbank.rules.compile import CompiledVersion
from creditbank.rulesets.domain import Book
from creditbank.rulesets.shelf import Shelf


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """What is asked for: a programme, the day of enrolment and that of the application, if another."""

    ref: ProgrammeRef
    enrolled_on: date
    applied_on: date | None


def place_named(book: Book, ref: ProgrammeRef) -> Place:
    """Where a programme that a body names stands in the book. Raises UnknownProgramme."""
    try:
        return place_of(book, ref)
    except ProgrammeNotFound as unknown:
        raise UnknownProgramme(given=str(ref)) from unknown


async def enrol(
    connection: AsyncConnection,
    book: Book,
    learner: LockedLearner,
    new: NewEnrolment,
    client_id: UUID,
    now: datetime,
    today: date,
) -> Enrolment:
    """Enter a learner in a programme.

    Raises UnknownProgramme, DayInFuture, AppliedAfterEnrolment, ProgrammeNotOpen, AlreadyEnrolled,
    AdmissionCreditsShort, AdmissionAwardMissing.
    """
    place = place_named(book, new.ref)
    if new.enrolled_on > today:
        raise DayInFuture(today=today, pointer="/enrolled")
    if new.applied_on is not None and new.applied_on > new.enrolled_on:
        raise AppliedAfterEnrolment(enrolled=new.enrolled_on)
    version = _open_version(place, new)
    for one in (await enrolments_of(connection, [learner.id]))[learner.id]:
        same = one.rule_set_id == place.rule_set_id and one.programme == new.ref.programme
        if same and (one.ended_on is None or new.enrolled_on < one.ended_on):
            raise AlreadyEnrolled(since=one.enrolled_on)
    await _check_admission(connection, book, learner, place, version, today)
    enrolment = Enrolment(
        learner.id, new_id(), place.rule_set_id, new.ref.programme, new.enrolled_on, new.applied_on, now
    )
    await add(connection, enrolment, client_id)
    return enrolment


def _open_version(place: Place, new: NewEnrolment) -> CompiledVersion:
    """The version that governs the enrolment. Raises ProgrammeNotOpen."""
    name = new.ref.programme
    version = version_for(place.line, name, new.enrolled_on)
    if version is not None and version.programme_clock == "applied" and new.applied_on is not None:
        version = version_for(place.line, name, new.applied_on)
    if version is None:
        raise ProgrammeNotOpen(day=new.enrolled_on)
    return version


async def _check_admission(
    connection: AsyncConnection,
    book: Book,
    learner: LockedLearner,
    place: Place,
    version: CompiledVersion,
    today: date,
) -> None:
    asked = await admission_to(connection, place)
    if asked.asks_nothing:
        return
    lots = (await lots_of(connection, [learner.id]))[learner.id]
    if asked.milli is not None:
        banked = banked_milli(lots, version.credit_unit, today)
        if banked < asked.milli:
            raise AdmissionCreditsShort(
                wanted=str(Credits(asked.milli)),
                banked=str(Credits(banked)),
                missing=str(Credits(asked.milli - banked)),
                unit=version.credit_unit,
            )
    if asked.award is not None:
        lower = place_named(book, asked.award)
        conversions = await conversions_of(connection, learner.id)
        if not has_award(conversions, lower.rule_set_id, asked.award.programme):
            raise AdmissionAwardMissing(award=str(asked.award))


async def ask_for(
    connection: AsyncConnection, book: Book, place: Place, milli: int | None, award: ProgrammeRef | None, now: datetime
) -> Admission:
    """Say what a programme asks for before it takes a learner. Raises UnknownProgramme."""
    if award is not None:
        place_named(book, award)
    key = {"rule_set_id": place.rule_set_id, "programme": place.ref.programme}
    values = {"credits_milli": milli, "award": str(award) if award else None, "recorded_at": now}
    if await insert_new(connection, programme_admissions, [{**key, **values, "revision": 1}]):
        return Admission(milli, award, 1)
    table = programme_admissions
    await connection.execute(
        update(table)
        .where(table.c.rule_set_id == place.rule_set_id, table.c.programme == place.ref.programme)
        .values(**values, revision=table.c.revision + 1)
    )
    return await admission_to(connection, place)


async def change(
    connection: AsyncConnection,
    shelf: Shelf,
    book: Book,
    learner: LockedLearner,
    ref: ProgrammeRef,
    enrolment: Enrolment,
    kind: ChangeKind,
    day: date,
    wanted: Mapping[str, Any],
    client_id: UUID,
    now: datetime,
    today: date,
    answers: Answers,
) -> Enrolment:
    """Change an enrolment: interrupt, resume, elect a version, pin lots, end it.

    Raises what ``check_change`` and ``check_election`` raise, DayInFuture, UnknownPin, and what ``answers`` raise.
    """
    if day > today:
        raise DayInFuture(today=today)
    check_change(enrolment, kind, day)
    detail: dict[str, Any] = {}
    if kind is ChangeKind.ELECTED:
        basis = await basis_of(connection, shelf, book, learner, ref, today)
        number = wanted["version"]
        found = next((v for v in basis.place.line if v.version == number), None)
        elected = check_election(basis.version, found, ref.programme, today, number)
        detail = {"version": elected.version, "from": elected.valid_from.isoformat()}
    elif kind is ChangeKind.PINNED:
        detail = await _check_pins(connection, book, learner, ref, wanted, today)
    made = Change(new_id(), kind, day, detail, now)
    await add_change(connection, enrolment, made, client_id)
    changed = Enrolment(
        enrolment.learner_id,
        enrolment.id,
        enrolment.rule_set_id,
        enrolment.programme,
        enrolment.enrolled_on,
        enrolment.applied_on,
        enrolment.recorded_at,
        (*enrolment.changes, made),
    )
    if kind is ChangeKind.PINNED:
        # What cannot be had is refused now, and not at the next audit: the transaction takes the choice back.
        await audit_of(connection, shelf, book, learner, ref, today, answers)
    return changed


async def _check_pins(
    connection: AsyncConnection,
    book: Book,
    learner: LockedLearner,
    ref: ProgrammeRef,
    wanted: Mapping[str, Any],
    today: date,
) -> dict[str, Any]:
    lots, requirements = wanted.get("lots", {}), wanted.get("requirements", ())
    mine = {str(lot.id) for lot in (await lots_of(connection, [learner.id]))[learner.id]}
    for id_ in lots:
        if id_ not in mine:
            raise UnknownPin(given=id_, pointer=f"/lots/{id_}")
    place = place_of(book, ref)
    leaves = {
        leaf.id
        for version in place.line
        if ref.programme in version.programmes
        for leaf in leaves_of(version.programmes[ref.programme].requirements)
    }
    for lot, requirement in lots.items():
        if requirement not in leaves:
            raise UnknownPin(given=requirement, pointer=f"/lots/{lot}")
    for number, requirement in enumerate(requirements):
        if requirement not in leaves:
            raise UnknownPin(given=requirement, pointer=f"/requirements/{number}")
    return {"lots": dict(lots), "requirements": sorted(requirements)}


async def keep(connection: AsyncConnection, learner_id: UUID, audit: Audit, today: date, now: datetime) -> None:
    """Keep the answer of an audit beside the hash of what it read; the same again is kept once."""
    row = {
        "learner_id": learner_id,
        "id": new_id(),
        "rule_set_id": audit.place.rule_set_id,
        "programme": audit.place.ref.programme,
        "version_id": audit.version_id,
        "as_of": today,
        "inputs_sha256": audit.inputs,
        "answer": write_allocation(audit.allocation),
        "recorded_at": now,
    }
    await insert_new(connection, programme_audits, [row])
