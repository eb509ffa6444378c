"""What of a learner's lots a programme may use: what is free, held for it, or counts once more. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.awards.domain import Conversion, StackUse, used_elsewhere
from creditbank.ledger.domain import Account, HoldState, Lot
from creditbank.programmes.domain import leaves_of
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.language.programmes import Programme, StackInto

LotName = tuple[tuple[str, ...], str, int]
"""What a lot is known by in an evaluation: the keys of its facts in slot order, its unit, its running number."""


class Spent(NamedTuple):
    """What a use of a stake takes: what counts once more, what is held already, what is still to be held."""

    stacked: Sequence[StackUse]
    reserved: int
    fresh: int


@dataclass(frozen=True, slots=True)
class Stake:
    """A lot, or a part of one, as far as a programme may use it; the candidate's thousandths are the sum of the four.

    ``available``: free to be reserved. ``reserved``: held for this very programme. ``stacked``: used for an earlier
    award, and counts once more. ``planned``: what learning not yet done would bring. ``lot`` is None for a lot that
    exists in the plan only.
    """

    lot: Lot | None
    name: LotName
    candidate: Candidate
    available: int
    reserved: int = 0
    stacked: tuple[StackUse, ...] = ()
    planned: int = 0

    @property
    def unit(self) -> str:
        """The unit under which the lot is stored, which names nobody."""
        return self.lot.key.unit if self.lot is not None else self.candidate.unit

    @property
    def lot_name(self) -> str:
        """What people know it by: the lot's id, or what the engine calls a lot that is only planned."""
        return str(self.lot.id) if self.lot is not None else self.candidate.id

    def spent(self, milli: int) -> Spent:
        """What so many thousandths of it take: first what costs the learner nothing more."""
        again, left = [], milli
        for use in self.stacked:
            if part := min(use.milli, left):
                again.append(replace(use, milli=part))
                left -= part
        reserved = min(self.reserved, left)
        return Spent(again, reserved, left - reserved)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A part of a lot that the programme may not use now, and why.

    ``reason``: the account it stands on, ``already_used`` under another rule set, or ``other_unit``.
    """

    lot: Lot
    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Seat:
    """The programme that asks: of which rule set, in which unit. Of the ``known``, those of its version, some stack."""

    rule_set_id: UUID
    credit_unit: str
    programme: Programme
    known: Mapping[str, Programme]


def stakes_of(
    seat: Seat,
    lots: Sequence[Lot],
    achievements: Mapping[UUID, Achievement],
    grants: Mapping[LotName, int],
    conversions: Sequence[Conversion],
    today: date,
) -> tuple[list[Stake], list[SetAside]]:
    """What of a learner's lots a programme may use, and what it may not, with the reason.

    What counts once more is a stake of its own, used before all others wherever the preference is by dates, since it
    costs the learner nothing more. Where lots are used or counted whole, a lot is one stake with all that it has.
    """
    barred = used_elsewhere(lots, achievements, seat.rule_set_id)
    again = stacked_for(seat, conversions)
    held = reserved_for(seat, conversions)
    stakes: list[Stake] = []
    aside: list[SetAside] = []
    for lot in lots:
        if lot.key.rule_set_id != seat.rule_set_id:
            continue
        name, whole = _as_candidate(lot, achievements, grants)
        at = {account: lot.positions.get(account, 0) for account in Account}
        is_other = lot.terms.credit_unit != seat.credit_unit
        reserved = min(held[lot.id], at[Account.RESERVED])
        # What the basis of fell away counts nowhere once more (rules/v1 section 17: owed).
        stacked = tuple(_within(again[lot.id], at[Account.REDEEMED] + at[Account.OWED]))
        once_more = sum(use.milli for use in stacked)
        expired = at[Account.AVAILABLE] if lot.is_expired(today) else 0
        available = at[Account.AVAILABLE] - expired
        reason = "other_unit" if is_other else "already_used" if lot.id in barred else None
        for account, milli in (
            (Account.PENDING, at[Account.PENDING]),
            (Account.EXCESS, at[Account.EXCESS]),
            (Account.EXPIRED, at[Account.EXPIRED] + expired),
            (Account.RESERVED, at[Account.RESERVED] - reserved),
            (Account.REDEEMED, at[Account.REDEEMED] - once_more),
            (reason, available if reason is not None else 0),
        ):
            if account is not None and milli > 0:
                aside.append(SetAside(lot, replace(whole, id=f"{lot.id}!{account}", milli=milli), str(account)))
        if reason is not None:
            available = 0
        if not is_other:
            stakes += _staked(Stake(lot, name, whole, available, reserved, stacked), seat.programme)
    return stakes, aside


def _staked(all_in: Stake, programme: Programme) -> Iterator[Stake]:
    """The stakes of a lot: one, or one for each earlier award and one for the rest."""
    parts: Sequence[tuple[tuple[StackUse, ...], int, int]]
    if programme.whole == "lots" or any(leaf.need.count is not None for leaf in leaves_of(programme.requirements)):
        parts = [(all_in.stacked, all_in.reserved, all_in.available)]
    else:
        parts = [*[((use,), 0, 0) for use in all_in.stacked], ((), all_in.reserved, all_in.available)]
    for stacked, reserved, available in parts:
        milli = available + reserved + sum(use.milli for use in stacked)
        if milli:
            candidate = replace(all_in.candidate, milli=milli)
            if stacked and not reserved + available:
                id_ = f"{candidate.id}@{stacked[0].award_id}"
                candidate = replace(candidate, id=id_, expires=date.min, completed=date.min)
            yield replace(all_in, candidate=candidate, available=available, reserved=reserved, stacked=stacked)


def _as_candidate(
    lot: Lot, achievements: Mapping[UUID, Achievement], grants: Mapping[LotName, int]
) -> tuple[LotName, Candidate]:
    """A lot as a programme sees it, with nothing to use yet, and what an evaluation knows it by.

    Its provider is the one where it was learned: a transfer moves credits, and makes nobody's residency (decision 28).
    """
    bound = [achievements[UUID(id_)] for id_ in lot.key.binding.split(",")]
    # A lot that names no unit is stored under its achievement's id; the engine knows it by the fact's key.
    own = next((a for a in bound if str(a.id) == lot.key.unit), None)
    name = (tuple(a.key for a in bound), own.key if own is not None else lot.key.unit, lot.key.number)
    candidate = Candidate(
        str(lot.id),
        0,
        name[1],
        lot.terms.kind,
        bound[0].current.content["provider"],
        lot.terms.category,
        lot.terms.level,
        lot.key.binding,
        lot.terms.expires,
        max(date.fromisoformat(a.current.content["completed"]) for a in bound),
        name[0],
        grants.get(name, lot.key.number),
    )
    return name, candidate


def _within(uses: Iterable[StackUse], most: int) -> Iterator[StackUse]:
    for use in uses:
        if part := min(use.milli, max(most, 0)):
            yield replace(use, milli=part)
            most -= part


# --- What earlier applications leave to this one ----------------------------------------------------------------------


def reserved_for(seat: Seat, conversions: Iterable[Conversion]) -> Mapping[UUID, int]:
    """What an open application for this very programme holds, by lot."""
    held: dict[UUID, int] = defaultdict(int)
    for one in conversions:
        mine = one.rule_set_id == seat.rule_set_id and one.programme == seat.programme.id
        if mine and one.hold.state is HoldState.OPEN:
            for line in one.hold.lines:
                held[line.lot_id] += line.milli
    return held


def stacked_for(seat: Seat, conversions: Iterable[Conversion]) -> Mapping[UUID, Sequence[StackUse]]:
    """What stands in awards that stack into the programme, by lot: each part of a lot at most once.

    What was redeemed for an award, or counted once more in it, counts once more in each programme that the award's own
    stacks into, one rung at a time; what was redeemed for the programme itself in part counts when the rest is applied
    for. An award that was withdrawn counts nowhere.
    """
    most: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for one in conversions:
        if not one.is_standing or one.award is None or one.rule_set_id != seat.rule_set_id:
            continue
        is_rest = one.programme == seat.programme.id and one.award.is_part
        if not is_rest and not _leads(seat, one.programme):
            continue
        uses = [StackUse(lot_id, one.award.id, milli) for lot_id, milli in one.used.items()]
        for use in (*uses, *one.stacked):
            most[use.lot_id, use.award_id] = max(most[use.lot_id, use.award_id], use.milli)
    found: dict[UUID, list[StackUse]] = defaultdict(list)
    for (lot_id, award_id), milli in sorted(most.items()):
        found[lot_id].append(StackUse(lot_id, award_id, milli))
    return found


def _leads(seat: Seat, programme: str) -> bool:
    below = seat.known.get(programme)
    return below is not None and isinstance(below.reuse, StackInto) and seat.programme.id in below.reuse.stack_into


# --- Fewer stakes, and more -------------------------------------------------------------------------------------------


def only(stakes: Iterable[Stake], amounts: Mapping[UUID, int]) -> list[Stake]:
    """The stakes with no more to be held of each lot than these thousandths; what counts once more stays."""
    found = []
    for stake in stakes:
        available = min(stake.available, amounts.get(stake.lot.id, 0)) if stake.lot is not None else 0
        milli = stake.candidate.milli - stake.available + available
        if milli:
            found.append(replace(stake, candidate=replace(stake.candidate, milli=milli), available=available))
    return found


def with_plan(
    stakes: Iterable[Stake], before: Mapping[LotName, Candidate], after: Mapping[LotName, Candidate]
) -> list[Stake]:
    """The stakes as they would be with learning not yet done: what an evaluation with it gives more, or less."""
    found = []
    rest = dict(after)
    for stake in stakes:
        if not stake.available + stake.reserved:
            # What counts once more was used under the rules of its day: no plan changes it.
            found.append(stake)
            continue
        had, has = before.get(stake.name), rest.pop(stake.name, None)
        change = (has.milli if has else 0) - (had.milli if had else 0)
        available = max(stake.available + change, 0)
        if milli := stake.candidate.milli - stake.available + available:
            candidate = replace(stake.candidate, milli=milli)
            found.append(replace(stake, candidate=candidate, available=available, planned=max(change, 0)))
    for name, candidate in rest.items():
        change = candidate.milli - (before[name].milli if name in before else 0)
        if change > 0:
            found.append(Stake(None, name, replace(candidate, milli=change), 0, planned=change))
    return found
