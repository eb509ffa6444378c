"""What stands in the way of an application for an award, of its decision, and of an annulment. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from uuid import UUID

from creditbank.awards.domain import AlreadyRedeemed, AlreadyUsed, Conversion, StackUse, State
from creditbank.credits import Credits
from creditbank.errors import Fault, Kind, Refusal
from creditbank.ledger.domain import Account, Lot
from creditbank.programmes.auditing import Audit
from creditbank.programmes.domain import leaves_of
from creditbank.programmes.stakes import Seat, stacked_for
from creditbank.rules.allocate.allocation import Allocation, allocate
from creditbank.rules.allocate.solver import NotSolved
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import Need, Programme


def check_first(conversions: Iterable[Conversion], rule_set_id: UUID, programme: str) -> None:
    """A learner has each award once, and one open application for it. Raises AlreadyApplied, AlreadyAwarded."""
    for one in conversions:
        if one.rule_set_id == rule_set_id and one.programme == programme:
            if one.state is State.HELD:
                raise AlreadyApplied(conversion=one.id)
            if one.award is not None and one.is_whole:
                raise AlreadyAwarded(number=one.award.number)


_SPENT: Final = (Account.RESERVED, Account.REDEEMED, "already_used")


def check_complete(audit: Audit) -> None:
    """An application makes its award or is refused. Raises AlreadyRedeemed, AlreadyUsed, RequirementsMissing.

    Credits that were used up are named where these would have made it; else what is missing.
    """
    found = audit.allocation
    if found.is_complete:
        return
    spent = {one.candidate.id: one for one in audit.set_aside if one.reason in _SPENT}
    if spent:
        candidates = [stake.candidate for stake in audit.stakes.values()]
        try:
            all_in = allocate(audit.programme, [*candidates, *[s.candidate for s in spent.values()]], pins=audit.pins)
        except NotSolved:
            all_in = found
        for used in (spent[id_] for id_ in all_in.uses if all_in.is_complete and id_ in spent):
            refusal = AlreadyRedeemed if used.reason == Account.REDEEMED else AlreadyUsed
            raise refusal(lot=used.lot.id)
    raise RequirementsMissing(
        programme=audit.programme.id,
        recognised=str(Credits(found.recognised)),
        total=str(Credits(found.total)),
        faults=tuple(_missing(audit.programme, found)),
    )


def check_stacked(conversion: Conversion, conversions: Iterable[Conversion], lots: Mapping[UUID, Lot]) -> None:
    """What counts once more must still stand when the award is made. Raises StackedCreditsLost.

    The award for which it was redeemed may have been withdrawn, or the basis of the credits fallen away since the
    application: what is owed counts nowhere once more, what was waived does (decision 28).
    """
    standing = {one.award.id for one in conversions if one.award is not None and one.is_standing}
    counted: dict[UUID, int] = defaultdict(int)
    for use in conversion.stacked:
        counted[use.lot_id] += use.milli
        at = lots[use.lot_id].positions
        if use.award_id not in standing or counted[use.lot_id] > at[Account.REDEEMED] + at[Account.OWED]:
            raise StackedCreditsLost(lot=use.lot_id)


def check_not_built_upon(
    withdrawn: Conversion, other: Conversion, conversions: Iterable[Conversion], version: CompiledVersion
) -> None:
    """Another award counts once more what this one redeemed, or what counts there through this one alone.

    ``version`` is the one under which the other was applied for. Raises AwardBuiltUpon.
    """
    seat = Seat(other.rule_set_id, version.credit_unit, version.programmes[other.programme], version.programmes)
    others = [one for one in conversions if one.id != other.id]
    before = stacked_for(seat, others)
    after = stacked_for(seat, [one for one in others if one.id != withdrawn.id])
    for use in other.stacked:
        is_own = withdrawn.award is not None and use.award_id == withdrawn.award.id
        # What led there no more even before does not hang on this award.
        if is_own or (_leads_to(before, use) and not _leads_to(after, use)):
            raise AwardBuiltUpon(conversion=other.id)


def _leads_to(found: Mapping[UUID, Sequence[StackUse]], use: StackUse) -> bool:
    return any(one.award_id == use.award_id and one.milli >= use.milli for one in found.get(use.lot_id, ()))


def _missing(programme: Programme, found: Allocation) -> Iterable[Fault]:
    needs = {leaf.id: _amount(leaf.need) for leaf in leaves_of(programme.requirements)}
    for id_, lacking in found.missing.items():
        if not lacking.is_met:
            need = needs[id_]
            has = need - Fraction(lacking.milli, 1000) - lacking.count
            yield Fault(f"/requirements/{id_}", "requirement_missing", f"{_text(has)} / {_text(need)}")
    if found.recognised < found.total:
        yield Fault("/total", "requirement_missing", f"{Credits(found.recognised)} / {Credits(found.total)}")


def _amount(need: Need) -> Fraction:
    return Fraction(need.credits if need.credits is not None else need.count or 0)


def _text(number: Fraction) -> str:
    return str(Credits.of(number))


# --- Refusals ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class UnknownAward(Refusal):
    """No rule set in force has such a programme."""

    code = "unknown_award"
    kind = Kind.INVALID
    programme: str
    pointer: str = "/programme"


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
class RequirementsMissing(Refusal):
    """The credits do not make the award; the faults say what is missing."""

    code = "requirements_missing"
    kind = Kind.CONFLICT
    programme: str
    recognised: str
    total: str


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
class StackedCreditsLost(Refusal):
    """Credits that were to count once more no longer stand: no award is made of them, in whole or in part."""

    code = "stacked_credits_lost"
    kind = Kind.CONFLICT
    lot: UUID


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
