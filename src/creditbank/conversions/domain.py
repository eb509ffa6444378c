"""Applications for awards, what they use, and exchanges of credits. Pure: no database, no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.credits import Credits
from creditbank.errors import Fault, Kind, Refusal
from creditbank.ledger.domain import (
    Account,
    Code,
    Hold,
    HoldState,
    InsufficientCredits,
    LearnerInDebt,
    Lot,
    LotKey,
    usable_milli,
)
from creditbank.rules.allocate.allocation import NO_PINS, Allocation, Pins, allocate
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.allocate.solver import NotSolved
from creditbank.rules.converting import convert
from creditbank.rules.language.programmes import (
    AllRequirements,
    AnyRequirement,
    NRequirements,
    Programme,
    StackInto,
    UnitConversion,
)


class State(StrEnum):
    """Where an application stands. A broken one lost the basis of credits that it held."""

    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"
    ANNULLED = "annulled"


Outcome = Literal["approved", "rejected", "withdrawn"]
"""How people ended an application; what time or the loss of its basis did stands on the hold."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The award that is applied for, under the version of the rules that was frozen for it.

    ``provider`` owns the rule set and decides; None: the bank. ``programmes`` are all of the document, by id.
    """

    rule_set_id: UUID
    rule_set: str
    version_id: UUID
    provider: str | None
    credit_unit: str
    programme: Programme
    programmes: Mapping[str, Programme]


@dataclass(frozen=True, slots=True)
class StackUse:
    """Credits of a lot, redeemed for an earlier award, that count once more. Nothing is posted for it."""

    lot_id: UUID
    award_id: UUID
    milli: int


@dataclass(frozen=True, slots=True)
class Award:
    """What an approved application became. One in part is made with less than was applied for."""

    id: UUID
    number: str
    awarded_on: date
    is_part: bool
    milli: int


class AnnulmentState(StrEnum):
    """Proposed by one person, approved or refused by another."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Annulment:
    """That an award be withdrawn: by two people."""

    id: UUID
    reason: str
    state: AnnulmentState
    author_id: UUID
    approver_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Conversion:
    """An application for an award, with its hold and what became of it."""

    learner_id: UUID
    id: UUID
    hold: Hold
    rule_set_id: UUID
    rule_set: str
    version: int
    programme: str
    provider: str | None
    total_milli: int
    applied_by: UUID
    shares: Sequence[Mapping[str, str]]
    stacked: Sequence[StackUse]
    outcome: Outcome | None
    reasons: Sequence[str]
    decided_by: UUID | None
    recorded_at: datetime
    fingerprint: bytes
    award: Award | None
    annulments: Sequence[Annulment]

    @property
    def is_annulled(self) -> bool:
        """Whether its award was withdrawn."""
        return any(one.state is AnnulmentState.APPROVED for one in self.annulments)

    @property
    def proposed(self) -> Annulment | None:
        """The annulment that waits for a second person."""
        return next((one for one in self.annulments if one.state is AnnulmentState.PROPOSED), None)

    @property
    def state(self) -> State:
        """Where it stands: the hold says how it ended, and people say why."""
        match self.hold.state:
            case HoldState.OPEN:
                return State.HELD
            case HoldState.REDEEMED:
                return State.ANNULLED if self.is_annulled else State.APPROVED
            case HoldState.VOIDED:
                return State.REJECTED if self.outcome == "rejected" else State.WITHDRAWN
            case HoldState.TIMED_OUT:
                return State.TIMED_OUT
            case HoldState.BROKEN:
                return State.BROKEN

    @property
    def is_standing(self) -> bool:
        """Whether it has an award that holds."""
        return self.award is not None and not self.is_annulled

    @property
    def used(self) -> Mapping[UUID, int]:
        """What it redeemed, by lot."""
        return {line.lot_id: line.redeemed_milli for line in self.hold.lines if line.redeemed_milli}


# --- What may be used for an award ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lot that the learner chose, with how much of it; None: all that can be used."""

    lot_id: UUID
    milli: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What an application holds, and what counts once more; ``shares`` says what fills which requirement."""

    lines: Sequence[tuple[Lot, int]]
    stacked: Sequence[StackUse]
    shares: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Purse:
    """A learner's side of an application: lots, facts, earlier applications, open debts."""

    lots: Mapping[UUID, Lot]
    achievements: Mapping[UUID, Achievement]
    conversions: Sequence[Conversion]
    debts: frozenset[UUID] = field(default=frozenset())


def used_elsewhere(lots: Iterable[Lot], achievements: Mapping[UUID, Achievement], rule_set_id: UUID) -> frozenset[UUID]:
    """Lots of a rule set whose learning is reserved or redeemed under another one (rules/v1 section 6, no double use).

    Learning is the same where an achievement or its learning key is.
    """
    all_lots = list(lots)
    spent: set[str] = set()
    for lot in all_lots:
        if lot.key.rule_set_id != rule_set_id and _is_spent(lot):
            spent |= _learning_of(lot, achievements)
    mine = (lot for lot in all_lots if lot.key.rule_set_id == rule_set_id)
    return frozenset(lot.id for lot in mine if spent & _learning_of(lot, achievements))


def _is_spent(lot: Lot) -> bool:
    return bool(lot.positions.get(Account.RESERVED, 0) or lot.positions.get(Account.REDEEMED, 0))


def _learning_of(lot: Lot, achievements: Mapping[UUID, Achievement]) -> set[str]:
    found = set(lot.key.binding.split(","))
    for id_ in tuple(found):
        achievement = achievements.get(UUID(id_))
        learning = achievement.current.content.get("learning") if achievement is not None else None
        if learning is not None:
            found.add(f"learning {learning}")
    return found


def stackable(plan: Plan, conversions: Iterable[Conversion]) -> list[StackUse]:
    """What stands in awards that stack into the programme: each part of a lot at most once.

    What was redeemed for an award, or counted once more in it, counts once more in each programme that the award's own
    stacks into; what was redeemed for the programme itself in part counts when the rest is applied for.
    """
    most: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for one in conversions:
        if not one.is_standing or one.award is None or one.rule_set_id != plan.rule_set_id:
            continue
        below = plan.programmes.get(one.programme)
        leads = below is not None and isinstance(below.reuse, StackInto) and plan.programme.id in below.reuse.stack_into
        if not leads and not (one.programme == plan.programme.id and one.award.is_part):
            continue
        for lot_id, milli in one.used.items():
            most[lot_id, one.award.id] = max(most[lot_id, one.award.id], milli)
        for use in one.stacked:
            most[use.lot_id, use.award_id] = max(most[use.lot_id, use.award_id], use.milli)
    return [StackUse(lot_id, award_id, milli) for (lot_id, award_id), milli in sorted(most.items())]


def candidate_of(lot: Lot, achievements: Mapping[UUID, Achievement], milli: int) -> Candidate:
    """A lot as a programme sees it."""
    bound = [achievements[UUID(id_)] for id_ in lot.key.binding.split(",")]
    return Candidate(
        str(lot.id),
        milli,
        lot.key.unit,
        lot.terms.kind,
        lot.terms.provider,
        lot.terms.category,
        lot.terms.level,
        f"{lot.key.rule_set_id} {lot.key.binding}",
        lot.terms.expires,
        max(date.fromisoformat(a.current.content["completed"]) for a in bound),
        tuple(a.key for a in bound),
        lot.key.number,
    )


def choose(
    plan: Plan, account: Purse, today: date, wanted: Sequence[Wanted] | None, pins: Pins = NO_PINS
) -> Choice | Refusal:
    """What an application for the award holds: the lots of the best allocation, of all or of those wanted."""
    standing = [one for one in account.conversions if one.rule_set_id == plan.rule_set_id]
    for one in standing:
        if one.programme == plan.programme.id:
            if one.state is State.HELD:
                return AlreadyApplied(conversion=one.id)
            if one.award is not None and one.is_standing and not one.award.is_part:
                return AlreadyAwarded(number=one.award.number)
    if (debt := _debt_of(account)) is not None:
        return debt
    barred = used_elsewhere(account.lots.values(), account.achievements, plan.rule_set_id)
    amounts = _wanted_amounts(plan, account, today, wanted, barred)
    if isinstance(amounts, Refusal):
        return amounts
    stacked = stackable(plan, standing)
    fresh = [candidate_of(account.lots[id_], account.achievements, milli) for id_, milli in amounts.items()]
    again = [_again(use, account) for use in stacked]
    found = _allocated(plan.programme, [*fresh, *again], pins)
    if found is None or not found.is_complete:
        return _why_not(plan, account, found, again, pins)
    return Choice(
        [(account.lots[id_], found.uses[str(id_)]) for id_ in amounts if str(id_) in found.uses],
        [replace(use, milli=found.uses[_name(use)]) for use in stacked if _name(use) in found.uses],
        [
            *({"lot": lot, "requirement": to, "amount": str(Credits(m))} for (lot, to), m in found.shares.items()),
            *({"lot": lot, "requirement": "", "amount": str(Credits(m))} for lot, m in found.free.items()),
        ],
    )


def _allocated(programme: Programme, candidates: Sequence[Candidate], pins: Pins) -> Allocation | None:
    try:
        return allocate(programme, candidates, pins=pins)
    except NotSolved:
        return None


def _name(use: StackUse) -> str:
    return f"{use.lot_id}@{use.award_id}"


def _again(use: StackUse, account: Purse) -> Candidate:
    # What is used up already is used first wherever the order is by dates: it costs the learner nothing more.
    lot = candidate_of(account.lots[use.lot_id], account.achievements, use.milli)
    return replace(lot, id=_name(use), expires=date.min, completed=date.min)


def _wanted_amounts(
    plan: Plan, account: Purse, today: date, wanted: Sequence[Wanted] | None, barred: frozenset[UUID]
) -> dict[UUID, int] | Refusal:
    """What can be used of each lot: of all that the programme's rule set gave in its unit, or of those wanted."""
    mine = {id_: lot for id_, lot in account.lots.items() if _counts_for(lot, plan)}
    if wanted is None:
        return {id_: milli for id_, lot in mine.items() if id_ not in barred and (milli := usable_milli(lot, today))}
    amounts: dict[UUID, int] = {}
    for index, one in enumerate(wanted):
        lot = mine.get(one.lot_id)
        pointer = f"/lots/{index}/lot"
        if lot is None or one.lot_id in amounts:
            return UnknownLot(lot=one.lot_id, pointer=pointer)
        if one.lot_id in barred:
            return AlreadyUsed(lot=one.lot_id, pointer=pointer)
        usable = usable_milli(lot, today)
        milli = usable if one.milli is None else one.milli
        if milli > usable or not milli:
            if lot.positions[Account.REDEEMED]:
                return AlreadyRedeemed(lot=one.lot_id, pointer=pointer)
            return InsufficientCredits(
                lot=one.lot_id, available=str(Credits(usable)), requested=str(Credits(milli)), pointer=pointer
            )
        amounts[one.lot_id] = milli
    return amounts


def _counts_for(lot: Lot, plan: Plan) -> bool:
    return lot.key.rule_set_id == plan.rule_set_id and lot.terms.credit_unit == plan.credit_unit


def _why_not(plan: Plan, account: Purse, found: Allocation | None, again: Sequence[Candidate], pins: Pins) -> Refusal:
    """What keeps the award away: credits used up already, where these would have made it; else what is missing."""
    spent: dict[str, Lot] = {}
    candidates = list(again)
    counted: dict[str, int] = defaultdict(int)
    for one in again:
        counted[one.id.partition("@")[0]] += one.milli
    for lot in account.lots.values():
        if _counts_for(lot, plan):
            there = sum(lot.positions[a] for a in (Account.AVAILABLE, Account.RESERVED, Account.REDEEMED))
            there -= counted[str(lot.id)]
            if there > 0:
                candidates.append(candidate_of(lot, account.achievements, there))
                spent[str(lot.id)] = lot
    all_in = _allocated(plan.programme, candidates, pins)
    if all_in is not None and all_in.is_complete:
        elsewhere = used_elsewhere(account.lots.values(), account.achievements, plan.rule_set_id)
        for id_ in all_in.uses:
            lot_ = spent.get(id_)
            if lot_ is None:
                continue
            if lot_.positions[Account.REDEEMED]:
                return AlreadyRedeemed(lot=lot_.id)
            if lot_.positions[Account.RESERVED] or lot_.id in elsewhere:
                return AlreadyUsed(lot=lot_.id)
    if found is None:
        return RequirementsMissing(programme=plan.programme.id, recognised="0", total=_text(plan.programme.total))
    return RequirementsMissing(
        programme=plan.programme.id,
        recognised=str(Credits(found.recognised)),
        total=str(Credits(found.total)),
        faults=tuple(_missing(plan.programme, found)),
    )


def _missing(programme: Programme, found: Allocation) -> Iterable[Fault]:
    needs = dict(_needs(programme.requirements))
    for id_, lacking in found.missing.items():
        if not lacking.is_met:
            need = needs[id_]
            has = need - Fraction(lacking.milli, 1000) - lacking.count
            yield Fault(f"/requirements/{id_}", "requirement_missing", f"{_text(has)} / {_text(need)}")
    if found.recognised < found.total:
        yield Fault("/total", "requirement_missing", f"{Credits(found.recognised)} / {Credits(found.total)}")


def _needs(requirements: Sequence[AnyRequirement]) -> Iterable[tuple[str, Fraction]]:
    for one in requirements:
        match one:
            case AllRequirements():
                yield from _needs(one.all)
            case NRequirements():
                yield from _needs(one.of)
            case _:
                need = one.need
                yield one.id, Fraction(need.credits if need.credits is not None else need.count or 0)


def _text(number: Fraction) -> str:
    return str(Credits.of(number))


# --- Exchanges --------------------------------------------------------------------------------------------------------


class ExchangeKind(StrEnum):
    """Credits change their unit, or the institution that stands for them."""

    CONVERT = "convert"
    TRANSFER = "transfer"

    @property
    def code(self) -> Code:
        """What its postings are called."""
        return Code.CONVERT if self is ExchangeKind.CONVERT else Code.TRANSFER


@dataclass(frozen=True, slots=True)
class Leg:
    """What one old lot gives up, and the new lot that comes of it; none where it comes to less than a thousandth."""

    old: Lot
    uses_milli: int
    new_key: LotKey | None
    gives_milli: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange is made under: from and to which unit, by which conversion; a transfer keeps the amount."""

    kind: ExchangeKind
    rule_set_id: UUID
    from_unit: str
    conversion: UnitConversion | None
    # Of a transfer; what is this institution's already is not moved to it.
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange that was made: what it used up, what it gave, and what stays in the old unit of what was asked."""

    learner_id: UUID
    id: UUID
    kind: ExchangeKind
    rule_set_id: UUID
    conversion: str | None
    provider: str | None
    uses_milli: int
    gives_milli: int
    rest_milli: int
    lines: Sequence[tuple[UUID, int, UUID | None, int]]
    fingerprint: bytes
    recorded_at: datetime


def legs_of(
    terms: Terms,
    account: Purse,
    today: date,
    *,
    milli: int | None,
    wanted: Sequence[Wanted] | None,
) -> tuple[list[Leg], int] | Refusal:
    """What each lot gives up and gets, with the rest that stays; of an amount, lots that expire first come first.

    The whole amount is converted once (``rules.converting``); each new lot has its share by thousandths, the last the
    remainder, so that the legs come to exactly what the conversion gives.
    """
    if (debt := _debt_of(account)) is not None:
        return debt
    barred = used_elsewhere(account.lots.values(), account.achievements, terms.rule_set_id)
    mine = {
        id_: lot
        for id_, lot in account.lots.items()
        if lot.key.rule_set_id == terms.rule_set_id and lot.terms.credit_unit == terms.from_unit
    }
    taken: list[tuple[Lot, int]] = []
    if wanted is not None:
        for index, one in enumerate(wanted):
            lot = mine.get(one.lot_id)
            if lot is None or any(lot.id == other.id for other, _ in taken):
                return UnknownLot(lot=one.lot_id, pointer=f"/lots/{index}/lot")
            if lot.id in barred:
                return AlreadyUsed(lot=lot.id, pointer=f"/lots/{index}/lot")
            usable = usable_milli(lot, today)
            amount = usable if one.milli is None else one.milli
            if amount > usable or not amount:
                return _short(lot, usable, amount)
            taken.append((lot, amount))
    else:
        left = milli or 0
        able = [lot for lot in mine.values() if lot.terms.provider != terms.provider]
        ordered = sorted(able, key=lambda lot: (lot.terms.expires or date.max, lot.terms.effective, lot.id))
        for lot in ordered:
            part = min(left, 0 if lot.id in barred else usable_milli(lot, today))
            if part:
                taken.append((lot, part))
                left -= part
        if left and terms.provider is not None and len(able) < len(mine):
            return SameInstitution(provider_code=terms.provider)
        if left:
            asked = milli or 0
            return CreditsShort(available=str(Credits(asked - left)), requested=str(Credits(asked)))
    return _shared_out(terms, account, taken)


def _shared_out(terms: Terms, account: Purse, taken: Sequence[tuple[Lot, int]]) -> tuple[list[Leg], int] | Refusal:
    amount = sum(milli for _, milli in taken)
    if terms.conversion is None:
        gives, uses = amount, amount
    else:
        converted = convert(Credits(amount), terms.conversion)
        gives, uses = converted.gives.milli, converted.uses.milli
    if not gives:
        return ExchangeTooSmall(amount=str(Credits(amount)))
    legs: list[Leg] = []
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for lot in account.lots.values():
        if lot.key.rule_set_id == terms.rule_set_id:
            about = (lot.key.binding, lot.key.unit)
            numbers[about] = min(numbers[about], lot.key.number)
    used = given = 0
    for lot, milli in taken:
        part = min(milli, uses - used)
        if not part:
            break
        used += part
        # By what has been used so far, so that rounding never adds up; with all used, all is given.
        share = gives * used // uses - given
        given += share
        key = None
        if share:
            about = (lot.key.binding, lot.key.unit)
            numbers[about] = min(numbers[about], 0) - 1
            key = replace(lot.key, number=numbers[about])
        legs.append(Leg(lot, part, key, share))
    return legs, amount - uses


def _debt_of(account: Purse) -> Refusal | None:
    """What a debt on which nobody has decided stands in the way of."""
    owed = -sum(account.lots[id_].positions[Account.OWED] for id_ in account.debts if id_ in account.lots)
    return LearnerInDebt(owed=str(Credits(owed))) if owed else None


def _short(lot: Lot, usable: int, wanted: int) -> Refusal:
    return InsufficientCredits(lot=lot.id, available=str(Credits(usable)), requested=str(Credits(wanted)))


# --- Refusals ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ConversionNotFound(Refusal):
    """There is no such application, or the caller may not know of it."""

    code = "conversion_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class UnknownAward(Refusal):
    """No rule set in force has such a programme."""

    code = "unknown_award"
    kind = Kind.INVALID
    programme: str
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class UnknownLot(Refusal):
    """The learner has no such lot under this rule set and unit, or it is named twice."""

    code = "unknown_lot"
    kind = Kind.INVALID
    lot: UUID


@dataclass(eq=False, kw_only=True)
class AlreadyApplied(Refusal):
    """An application for this award is open."""

    code = "already_applied"
    kind = Kind.CONFLICT
    conversion: UUID


@dataclass(eq=False, kw_only=True)
class AlreadyAwarded(Refusal):
    """The learner has this award."""

    code = "already_awarded"
    kind = Kind.CONFLICT
    number: str


@dataclass(eq=False, kw_only=True)
class AlreadyRedeemed(Refusal):
    """The credits were redeemed for an award: a redemption is irrevocable."""

    code = "already_redeemed"
    kind = Kind.CONFLICT
    lot: UUID


@dataclass(eq=False, kw_only=True)
class AlreadyUsed(Refusal):
    """The same learning is reserved for another application, or used under another rule set."""

    code = "already_used"
    kind = Kind.CONFLICT
    lot: UUID


@dataclass(eq=False, kw_only=True)
class RequirementsMissing(Refusal):
    """The credits do not make the award; the faults say what is missing."""

    code = "requirements_missing"
    kind = Kind.CONFLICT
    programme: str
    recognised: str
    total: str


@dataclass(eq=False, kw_only=True)
class CreditsShort(Refusal):
    """All lots together have less than was asked for."""

    code = "credits_short"
    kind = Kind.CONFLICT
    available: str
    requested: str


@dataclass(eq=False, kw_only=True)
class MoreThanHeld(Refusal):
    """More is approved of a lot than the application holds of it."""

    code = "more_than_held"
    kind = Kind.INVALID
    lot: UUID
    held: str


@dataclass(eq=False, kw_only=True)
class NothingApproved(Refusal):
    """An approval in part is of at least something; else it is a rejection."""

    code = "nothing_approved"
    kind = Kind.INVALID
    pointer: str = "/amounts"


@dataclass(eq=False, kw_only=True)
class NoStandingAward(Refusal):
    """There is no award to be withdrawn."""

    code = "no_standing_award"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class AnnulmentProposed(Refusal):
    """An annulment of this award waits for a second person already."""

    code = "annulment_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class NoAnnulmentProposed(Refusal):
    """Nobody proposed that this award be withdrawn."""

    code = "no_annulment_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class AwardBuiltUpon(Refusal):
    """Credits of this award count in another one, or in an application for one: that one comes first."""

    code = "award_built_upon"
    kind = Kind.CONFLICT
    conversion: UUID


@dataclass(eq=False, kw_only=True)
class UnknownUnitConversion(Refusal):
    """The rules in force have no such conversion of units."""

    code = "unknown_unit_conversion"
    kind = Kind.INVALID
    given: str
    pointer: str = "/unit_conversion"


@dataclass(eq=False, kw_only=True)
class ExchangeTooSmall(Refusal):
    """The amount comes to less than one step of the new unit."""

    code = "exchange_too_small"
    kind = Kind.CONFLICT
    amount: str


@dataclass(eq=False, kw_only=True)
class SameInstitution(Refusal):
    """The credits are this institution's already."""

    code = "same_institution"
    kind = Kind.INVALID
    provider_code: str
    pointer: str = "/provider"


REASONS: Final = (
    "requirements_not_met",
    "content_differs",
    "level_too_low",
    "quality_in_doubt",
    "identity_in_doubt",
    "capacity",
    "limit_reached",
    "other",
)
"""The reasons that a decision may give; what a person has to say beyond them is said to the learner."""
