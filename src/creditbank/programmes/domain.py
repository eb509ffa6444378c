"""A learner's lots before a programme: what may be used, what is missing, and why the rest is not used. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.enrolments.domain import Enrolment
from creditbank.errors import Kind, Refusal
from creditbank.ledger.domain import Account, HoldState, Lot
from creditbank.rules.allocate.allocation import Allocation, Idle, Missing, Pins
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import (
    AllRequirements,
    AnyRequirement,
    NRequirements,
    Programme,
    Requirement,
    StackInto,
)
from creditbank.rulesets.domain import Book

AUDITOR: Final = "1"
"""Kept inside the hash of every audit's inputs: it changes when the same lots may be used otherwise."""

LotName = tuple[tuple[str, ...], str, int]
"""What a lot is known by in an evaluation: the keys of its facts in slot order, its unit, its running number."""


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
class Held:
    """What a hold for a programme reserves, or reserved, of one lot. Amounts in thousandths."""

    rule_set_id: UUID
    programme: str
    state: HoldState
    lot_id: UUID
    milli: int
    redeemed_milli: int


@dataclass(frozen=True, slots=True)
class Stake:
    """A lot as far as a programme may use it; the candidate's thousandths are the sum of the four.

    ``available``: free to be reserved. ``reserved``: held for this very programme. ``stacked``: redeemed for a
    programme that stacks into this one. ``planned``: what learning not yet done would bring. ``lot`` is None for a lot
    that exists in the plan only.
    """

    lot: Lot | None
    name: LotName
    candidate: Candidate
    available: int
    reserved: int = 0
    stacked: int = 0
    planned: int = 0

    @property
    def unit(self) -> str:
        """The unit under which the lot is stored, which names nobody."""
        return self.lot.key.unit if self.lot is not None else self.candidate.unit


@dataclass(frozen=True, slots=True)
class SetAside:
    """A part of a lot that no programme may use now, and why: the account it stands on, or ``already_used``."""

    lot_id: UUID
    milli: int
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """A programme as the book has it: its rule set's versions and the one in force on a day, if any."""

    ref: ProgrammeRef
    rule_set_id: UUID
    line: Sequence[CompiledVersion]


@dataclass(frozen=True, slots=True)
class Audit:
    """How a learner stands in a programme under the version that governs it for this learner."""

    place: Place
    version: CompiledVersion
    version_id: UUID
    programme: Programme
    enrolment: Enrolment | None
    lapsed_on: date | None
    waived: tuple[str, ...]
    pins: Pins
    stakes: Mapping[str, Stake]
    set_aside: Sequence[SetAside]
    allocation: Allocation
    inputs: bytes

    @property
    def to_hold(self) -> list[tuple[Lot, int]]:
        """What a hold must reserve for this allocation, by lot: the uses less what is held or stacked already."""
        wanted = []
        for id_, milli in self.allocation.uses.items():
            stake = self.stakes[id_]
            more = milli - stake.stacked - stake.reserved
            if stake.lot is not None and more > 0:
                wanted.append((stake.lot, more))
        return wanted


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


# --- What may be used -------------------------------------------------------------------------------------------------


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


def used_elsewhere(rule_set_id: UUID, lots: Iterable[Lot], achievements: Iterable[Achievement]) -> frozenset[str]:
    """The ids of achievements on which something is built in another rule set, by themselves or by their learning.

    What was reserved or redeemed there is not eligible here (rules/v1 section 6).
    """
    built = {
        id_
        for lot in lots
        if lot.key.rule_set_id != rule_set_id
        and (lot.positions.get(Account.RESERVED, 0) or lot.positions.get(Account.REDEEMED, 0))
        for id_ in lot.key.binding.split(",")
    }
    learning = {str(a.id): a.current.content.get("learning") for a in achievements}
    same = {learning[id_] for id_ in built if learning.get(id_) is not None}
    return frozenset(built | {id_ for id_, key in learning.items() if key in same})


def stakes_of(
    rule_set_id: UUID,
    lots: Sequence[Lot],
    achievements: Mapping[str, Achievement],
    grants: Mapping[LotName, int],
    held: Sequence[Held],
    programme: Programme,
    known: Mapping[str, Programme],
    today: date,
) -> tuple[list[Stake], list[SetAside]]:
    """What of a learner's lots a programme may use, and what it may not, with the reason.

    ``known`` are the programmes of its version: of these some may stack into it.
    """
    elsewhere = used_elsewhere(rule_set_id, lots, achievements.values())
    awarded = frozenset(one.programme for one in held if one.state is HoldState.REDEEMED and one.redeemed_milli)
    lower = stacking_into(programme.id, known, awarded)
    stakes, aside = [], []
    for lot in lots:
        if lot.key.rule_set_id != rule_set_id:
            continue
        bound = [achievements[id_] for id_ in lot.key.binding.split(",") if id_ in achievements]
        # A lot that names no unit is stored under its achievement's id; the engine knows it by the fact's key.
        own = achievements.get(lot.key.unit)
        name = (tuple(a.key for a in bound), own.key if own is not None else lot.key.unit, lot.key.number)
        at = {account: lot.positions.get(account, 0) for account in Account}
        mine = [one for one in held if one.lot_id == lot.id and one.rule_set_id == rule_set_id]
        reserved = min(_reserved(mine, programme.id), at[Account.RESERVED])
        stacked = min(_stacked(mine, lower), at[Account.REDEEMED])
        available = at[Account.AVAILABLE]
        for account, milli in (
            (Account.PENDING, at[Account.PENDING]),
            (Account.EXCESS, at[Account.EXCESS]),
            (Account.EXPIRED, at[Account.EXPIRED] + (available if lot.is_expired(today) else 0)),
            (Account.RESERVED, at[Account.RESERVED] - reserved),
            (Account.REDEEMED, at[Account.REDEEMED] - stacked),
        ):
            if milli > 0:
                aside.append(SetAside(lot.id, milli, account.value))
        if lot.is_expired(today):
            available = 0
        elif available and not elsewhere.isdisjoint(lot.key.binding.split(",")):
            aside.append(SetAside(lot.id, available, "already_used"))
            available = 0
        usable = available + reserved + stacked
        if usable and bound:
            completed = max(date.fromisoformat(a.current.content["completed"]) for a in bound)
            candidate = Candidate(
                str(lot.id),
                usable,
                name[1],
                lot.terms.kind,
                lot.terms.provider,
                lot.terms.category,
                lot.terms.level,
                lot.key.binding,
                lot.terms.expires,
                completed,
                name[0],
                grants.get(name, lot.key.number),
            )
            stakes.append(Stake(lot, name, candidate, available, reserved, stacked))
    return stakes, aside


def _reserved(held: Iterable[Held], programme: str) -> int:
    return sum(one.milli for one in held if one.programme == programme and one.state is HoldState.OPEN)


def _stacked(held: Iterable[Held], lower: frozenset[str]) -> int:
    """What was redeemed for the programmes that stack into this one: it may count once more."""
    return sum(one.redeemed_milli for one in held if one.programme in lower and one.state is HoldState.REDEEMED)


def stacking_into(programme: str, known: Mapping[str, Programme], awarded: frozenset[str]) -> frozenset[str]:
    """The programmes whose redeemed credits count once more in this one.

    What counted once more in an award that the learner holds goes on with it: a certificate within a diploma counts in
    the degree that only the diploma stacks into.
    """
    found: set[str] = set()
    asked = [programme]
    while asked:
        upper = asked.pop()
        for id_, one in known.items():
            if id_ not in found and isinstance(one.reuse, StackInto) and upper in one.reuse.stack_into:
                found.add(id_)
                if id_ in awarded:
                    asked.append(id_)
    return frozenset(found)


def has_award(rule_set_id: UUID, programme: str, held: Iterable[Held], lots: Iterable[Lot]) -> bool:
    """Whether the learner holds the award of a programme: credits were redeemed for it, and still are."""
    redeemed = {lot.id for lot in lots if lot.positions.get(Account.REDEEMED, 0) > 0}
    return any(
        one.rule_set_id == rule_set_id
        and one.programme == programme
        and one.state is HoldState.REDEEMED
        and one.redeemed_milli > 0
        and one.lot_id in redeemed
        for one in held
    )


def banked_milli(lots: Iterable[Lot], credit_unit: str, today: date) -> int:
    """What a learner has banked of a unit: recognised credits that did not expire, used or not."""
    total = 0
    for lot in lots:
        if lot.terms.credit_unit == credit_unit:
            total += sum(lot.positions.get(account, 0) for account in (Account.RESERVED, Account.REDEEMED))
            total += 0 if lot.is_expired(today) else lot.positions.get(Account.AVAILABLE, 0)
    return total


def with_plan(
    stakes: Iterable[Stake], before: Mapping[LotName, Candidate], after: Mapping[LotName, Candidate]
) -> list[Stake]:
    """The stakes as they would be with learning not yet done: what an evaluation with it gives more, or less."""
    found = []
    rest = dict(after)
    for stake in stakes:
        had, has = before.get(stake.name), rest.pop(stake.name, None)
        change = (has.milli if has else 0) - (had.milli if had else 0)
        available = max(stake.available + change, 0)
        usable = available + stake.reserved + stake.stacked
        if usable:
            candidate = replace(stake.candidate, milli=usable)
            found.append(replace(stake, candidate=candidate, available=available, planned=max(change, 0)))
    for name, candidate in rest.items():
        change = candidate.milli - (before[name].milli if name in before else 0)
        if change > 0:
            found.append(Stake(None, name, replace(candidate, milli=change), 0, planned=change))
    return found


def read_pins(pinned: Mapping[str, Any]) -> Pins:
    """What a learner chose, as the allocation reads it."""
    return Pins(dict(pinned.get("lots", {})), frozenset(pinned.get("requirements", ())))


# --- The stored answer ------------------------------------------------------------------------------------------------

_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def inputs_of(
    version: CompiledVersion, programme: str, waived: Sequence[str], pins: Pins, stakes: Iterable[Stake]
) -> bytes:
    """A hash of all that an allocation reads. Lots are named by their ids: no text about a person is in it."""
    listed = sorted(
        [s.candidate.id, s.candidate.milli, s.unit, s.candidate.kind, s.candidate.provider,
         s.candidate.category or "", -1 if s.candidate.level is None else s.candidate.level,
         str(s.candidate.expires), s.candidate.completed.isoformat(), s.candidate.grant]
        for s in stakes
    )  # fmt: skip
    read = [
        AUDITOR,
        version.sha256,
        programme,
        sorted(waived),
        sorted(pins.lots.items()),
        sorted(pins.requirements),
        listed,
    ]
    return hashlib.sha256(_COMPACT(read).encode()).digest()


def write_allocation(found: Allocation) -> dict[str, Any]:
    """The allocation as it is stored."""
    return {
        "total": found.total,
        "recognised": found.recognised,
        "missing": {id_: [one.milli, one.count] for id_, one in found.missing.items()},
        "uses": dict(found.uses),
        "shares": [[lot, requirement, milli] for (lot, requirement), milli in found.shares.items()],
        "free": dict(found.free),
        "idle": [[one.lot, one.milli, one.reason, list(one.names)] for one in found.idle],
        "is_best": found.is_best,
    }


def read_allocation(programme: str, plain: Mapping[str, Any]) -> Allocation:
    """The allocation that was stored."""
    return Allocation(
        programme,
        plain["total"],
        plain["recognised"],
        {id_: Missing(milli, count) for id_, (milli, count) in plain["missing"].items()},
        plain["uses"],
        {(lot, requirement): milli for lot, requirement, milli in plain["shares"]},
        plain["free"],
        [Idle(lot, milli, reason, tuple(names)) for lot, milli, reason, names in plain["idle"]],
        plain["is_best"],
    )


# --- Admission --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admission:
    """What a programme asks for before it takes a learner: credits banked in its unit, in thousandths, or an award."""

    milli: int | None
    award: ProgrammeRef | None
    revision: int


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
