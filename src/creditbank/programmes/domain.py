"""Programmes by name, what they ask for, and whom they admit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from creditbank.enrolments.domain import Enrolment
from creditbank.errors import Kind, Refusal
from creditbank.ledger.domain import Account, Lot
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import (
    AllRequirements,
    AnyRequirement,
    NRequirements,
    Programme,
    Requirement,
)
from creditbank.rulesets.domain import Book


@dataclass(frozen=True, slots=True)
class ProgrammeRef:
    """A programme of a rule set. Written ``rule-set.programme``: neither id holds a full stop."""

    rule_set: str
    programme: str

    def __str__(self) -> str:
        return f"{self.rule_set}.{self.programme}"

    @classmethod
    def parse(cls, text: str) -> ProgrammeRef:
        """The programme that the text names. Raises ProgrammeNotFound."""
        rule_set, stop, programme = text.partition(".")
        if not (rule_set and stop and programme) or "." in programme:
            raise ProgrammeNotFound
        return cls(rule_set, programme)


@dataclass(frozen=True, slots=True)
class Place:
    """A programme as the book has it: its rule set's versions and the one in force on a day, if any."""

    ref: ProgrammeRef
    rule_set_id: UUID
    line: Sequence[CompiledVersion]


def place_of(book: Book, ref: ProgrammeRef) -> Place:
    """Where a programme stands in the book. Raises ProgrammeNotFound."""
    entries = [entry for (code, _), entry in book.entries.items() if code == ref.rule_set]
    line = sorted((entry.compiled for entry in entries), key=lambda version: version.valid_from)
    if not any(ref.programme in version.programmes for version in line):
        raise ProgrammeNotFound
    return Place(ref, entries[0].rule_set_id, line)


def every_programme(book: Book, today: date) -> list[tuple[ProgrammeRef, CompiledVersion]]:
    """Each programme with the version in force today, else the last that was, else the first that will be; by name."""
    found: dict[tuple[str, str], CompiledVersion] = {}
    for version in sorted(book.every_version, key=lambda v: v.valid_from):
        for id_ in version.programmes:
            if (version.rule_set, id_) not in found or version.valid_from <= today:
                found[version.rule_set, id_] = version
    return [(ProgrammeRef(*names), version) for names, version in sorted(found.items(), key=lambda item: item[0])]


def current_enrolment(enrolments: Sequence[Enrolment], place: Place, today: date) -> Enrolment | None:
    """The enrolment in a programme that holds on a day; the last of several."""
    mine = [one for one in enrolments if one.rule_set_id == place.rule_set_id and one.programme == place.ref.programme]
    return next((one for one in reversed(mine) if one.holds_on(today)), None)


# --- What it asks for -------------------------------------------------------------------------------------------------


def leaves_of(requirements: Iterable[AnyRequirement]) -> Iterator[Requirement]:
    """Every requirement that lots fill, whether it applies or not."""
    for requirement in requirements:
        match requirement:
            case Requirement():
                yield requirement
            case AllRequirements():
                yield from leaves_of(requirement.all)
            case NRequirements():
                yield from leaves_of(requirement.of)


def waive(programme: Programme, names: frozenset[str]) -> Programme:
    """The programme without what was waived: requirements, whole groups, caps.

    A waived alternative counts as met, so that one fewer of its group is asked for.
    """
    if not names:
        return programme
    kept = tuple([one for part in programme.requirements for one in _kept(part, names)])
    caps = tuple([cap for cap in programme.caps if cap.id not in names])
    return programme.model_copy(update={"requirements": kept, "caps": caps})


def _kept(requirement: AnyRequirement, names: frozenset[str]) -> tuple[AnyRequirement, ...]:
    if requirement.id in names:
        return ()
    match requirement:
        case AllRequirements():
            parts = tuple([one for part in requirement.all for one in _kept(part, names)])
            return (requirement.model_copy(update={"all": parts}),) if parts else ()
        case NRequirements():
            each = [_kept(part, names) for part in requirement.of]
            n = requirement.n - sum(not kept for kept in each)
            if n <= 0:
                return ()
            left = tuple([one for kept in each for one in kept])
            return (requirement.model_copy(update={"n": n, "of": left}),)
    return (requirement,)


# --- Admission --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admission:
    """What a programme asks for before it takes a learner: credits banked in its unit, in thousandths, or an award."""

    milli: int | None
    award: ProgrammeRef | None
    revision: int

    @property
    def asks_nothing(self) -> bool:
        """Whether it takes everybody."""
        return self.milli is None and self.award is None


def banked_milli(lots: Iterable[Lot], credit_unit: str, today: date) -> int:
    """What a learner has banked of a unit: recognised credits that did not expire, used or not, and are not owed."""
    total = 0
    for lot in lots:
        if lot.terms.credit_unit == credit_unit:
            used = (Account.RESERVED, Account.REDEEMED, Account.OWED)
            total += sum(lot.positions.get(account, 0) for account in used)
            total += 0 if lot.is_expired(today) else lot.positions.get(Account.AVAILABLE, 0)
    return total


def may_apply(
    place: Place, admission: Admission, is_restricted: bool, enrolments: Iterable[Enrolment], today: date
) -> bool:
    """Whether a learner with these enrolments may apply for the award (decision 28).

    Of rules for the enrolled any of their programmes will do, since one is often an exit of another; a programme that
    asks something of whoever enters it asks it of whoever leaves it with an award.
    """
    mine = [one.programme for one in enrolments if one.rule_set_id == place.rule_set_id and one.holds_on(today)]
    if not admission.asks_nothing:
        return place.ref.programme in mine
    return bool(mine) or not is_restricted


@dataclass(eq=False, kw_only=True)
class ProgrammeNotFound(Refusal):
    """No published rule set has such a programme."""

    code = "programme_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class UnknownProgramme(Refusal):
    """What was sent names a programme that no published rule set has."""

    code = "unknown_programme"
    kind = Kind.INVALID
    given: str
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class ProgrammeNotOpen(Refusal):
    """No version with this programme governs the day of enrolment."""

    code = "programme_not_open"
    kind = Kind.CONFLICT
    day: date
    pointer: str = "/enrolled"


@dataclass(eq=False, kw_only=True)
class ForeignProgramme(Refusal):
    """The programme is another provider's."""

    code = "foreign_programme"
    kind = Kind.FORBIDDEN
    programme: str


@dataclass(eq=False, kw_only=True)
class AdmissionCreditsShort(Refusal):
    """The programme takes whoever has banked more credits; ``faults`` name what would bring them."""

    code = "admission_credits_short"
    kind = Kind.CONFLICT
    wanted: str
    banked: str
    missing: str
    unit: str
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class AdmissionAwardMissing(Refusal):
    """The programme takes whoever holds the award of another."""

    code = "admission_award_missing"
    kind = Kind.CONFLICT
    award: str
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class NotEnrolled(Refusal):
    """The programme makes its award for those who are enrolled in it; the sentence says how to enrol."""

    code = "not_enrolled"
    kind = Kind.CONFLICT
    programme: str
    learner: UUID
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class UnknownPin(Refusal):
    """A choice names a requirement that the programme does not have, or a lot that the learner does not have."""

    code = "unknown_pin"
    kind = Kind.INVALID
    given: str
    pointer: str = "/lots"


@dataclass(eq=False, kw_only=True)
class AllocationImpossible(Refusal):
    """No allocation has all that was chosen, or none was found in time."""

    code = "allocation_impossible"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class AmbiguousOffering(Refusal):
    """Several providers use this code: name the offering by its id."""

    code = "ambiguous_offering"
    kind = Kind.INVALID
    given: str
    pointer: str = "?add"
