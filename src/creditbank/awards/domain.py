"""An application for an award and what became of it; and what learning is used up by any. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.credits import Credits
from creditbank.errors import Kind, Refusal
from creditbank.ledger.domain import Account, Hold, HoldState, InsufficientCredits, LearnerInDebt, Lot, usable_milli


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
    def is_whole(self) -> bool:
        """Whether it has an award that holds and was made with all that was applied for."""
        return self.is_standing and self.award is not None and not self.award.is_part

    @property
    def used(self) -> Mapping[UUID, int]:
        """What it redeemed, by lot."""
        return {line.lot_id: line.redeemed_milli for line in self.hold.lines if line.redeemed_milli}


def has_award(conversions: Iterable[Conversion], rule_set_id: UUID, programme: str) -> bool:
    """Whether the award of a programme stands: made, in whole, and not withdrawn."""
    return any(one.rule_set_id == rule_set_id and one.programme == programme and one.is_whole for one in conversions)


# --- What is used is used once ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lot that the learner chose, with how much of it; None: all that can be used."""

    lot_id: UUID
    milli: int | None


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


def chosen(wanted: Sequence[Wanted], mine: Mapping[UUID, Lot], barred: frozenset[UUID], today: date) -> dict[UUID, int]:
    """How much of each lot was chosen, in thousandths, in the order of the choice.

    ``mine`` are the lots that may be chosen; the learning of the ``barred`` is used elsewhere. Raises UnknownLot,
    AlreadyUsed, AlreadyRedeemed, InsufficientCredits.
    """
    amounts: dict[UUID, int] = {}
    for index, one in enumerate(wanted):
        lot, pointer = mine.get(one.lot_id), f"/lots/{index}/lot"
        if lot is None or lot.id in amounts:
            raise UnknownLot(lot=one.lot_id, pointer=pointer)
        if lot.id in barred:
            raise AlreadyUsed(lot=lot.id, pointer=pointer)
        usable = usable_milli(lot, today)
        milli = usable if one.milli is None else one.milli
        if milli > usable or not milli:
            if lot.positions[Account.REDEEMED]:
                raise AlreadyRedeemed(lot=lot.id, pointer=pointer)
            available, requested = str(Credits(usable)), str(Credits(milli))
            raise InsufficientCredits(lot=lot.id, available=available, requested=requested, pointer=pointer)
        amounts[lot.id] = milli
    return amounts


def check_debts(lots: Mapping[UUID, Lot], debts: Iterable[UUID]) -> None:
    """A debt on which nobody has decided stands in the way of everything. Raises LearnerInDebt."""
    owed = -sum(lots[id_].positions[Account.OWED] for id_ in debts if id_ in lots)
    if owed:
        raise LearnerInDebt(owed=str(Credits(owed)))


# --- Refusals ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ConversionNotFound(Refusal):
    """There is no such application, or the caller may not know of it."""

    code = "conversion_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class UnknownLot(Refusal):
    """The learner has no such lot under this rule set and unit, or it is named twice."""

    code = "unknown_lot"
    kind = Kind.INVALID
    lot: UUID


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
