"""Apply, decide, withdraw, let lapse, annul: each one transaction on one locked learner.

Every act settles the learner before it, so that it is judged on what holds today, and after it, so that what it set
free stands where the rules put it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.access.policy import Owned, can
from creditbank.awards import queries, telling
from creditbank.awards.domain import (
    AnnulmentState,
    Conversion,
    ConversionNotFound,
    Outcome,
    State,
    Wanted,
    check_debts,
)
from creditbank.awards.tables import annulments, award_numbers, awards, conversions, stack_uses
from creditbank.clock import Clock
from creditbank.conversions.domain import (
    AnnulmentProposed,
    MoreThanHeld,
    NoAnnulmentProposed,
    NoStandingAward,
    NothingApproved,
    UnknownAward,
    check_first,
    check_not_built_upon,
    check_stacked,
)
from creditbank.credits import Credits
from creditbank.database.statements import insert_new, insert_rows, update_rows
from creditbank.identifiers import new_id, new_number
from creditbank.learners import queries as learners
from creditbank.learners.actions import stamp
from creditbank.learners.domain import LearnerNotFound
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.actions import Act, Step, act, end_hold, place_hold
from creditbank.ledger.domain import Account, Hold, HoldEnded, HoldState, Lot, TwoPeopleNeeded, annul
from creditbank.ledger.queries import holds_by_id, lots_of, open_holds, redeeming
from creditbank.programmes.actions import keep
from creditbank.programmes.auditing import Audit
from creditbank.programmes.domain import NotEnrolled, ProgrammeNotFound, ProgrammeRef, may_apply
from creditbank.programmes.queries import Look, admission_to, basis_of, look, owner_of
from creditbank.programmes.turns import Answers, Unanswered
from creditbank.recognition.actions import Settled, close_reviews, settle
from creditbank.recognition.domain import Cause
from creditbank.recognition.queries import open_debts
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.web.idempotency import KeyReused
from creditbank.webhooks.actions import announce

_T = TypeVar("_T")

_NUMBER_PREFIX = "A"
_NUMBER_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Counter:
    """What every act needs beside the connection. ``hold_for`` is how long an application waits for its decision."""

    vault: Vault
    shelf: Shelf
    clock: Clock
    hold_for: timedelta


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, by which request (the same again is the same act, for ever), and what it says as a keyed hash."""

    actor: Actor
    request: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Application:
    """What is applied for, with all that the learner has or with the lots wanted."""

    learner_id: UUID
    ref: ProgrammeRef
    wanted: Sequence[Wanted] | None


class Unsettled(Unanswered):
    """The learner was not settled: lots made and taken back again would have other ids in the next turn."""


class Incomplete(Exception):
    """The audit does not make the award. To say what stands in the way may take the solver seconds."""

    def __init__(self, audit: Audit) -> None:
        super().__init__()
        self.audit = audit


async def apply_for(
    connection: AsyncConnection,
    counter: Counter,
    asked: Asked,
    application: Application,
    today: date,
    answers: Answers,
) -> Conversion:
    """Hold what the audit of the programme uses: its credits, its lots, the version that governs it there.

    Raises LearnerNotFound, KeyReused, UnknownAward, AlreadyApplied, AlreadyAwarded, NotEnrolled, LearnerInDebt, what
    ``awards.domain.chosen`` and ``answers`` raise; Unsettled, and Incomplete when the audit does not make the award.
    """
    learner = await locked_for(connection, counter, application.learner_id, asked.actor)
    before = await queries.find_request(connection, learner.id, asked.request)
    if before is not None:
        return the_same(before, asked)
    # Settled first: from here on nobody publishes until this transaction ends.
    settled = await settle_today(connection, counter, learner, today)
    book, ref = await counter.shelf.book(connection), application.ref
    try:
        basis = await basis_of(connection, counter.shelf, book, learner, ref, today)
    except ProgrammeNotFound as unknown:
        raise UnknownAward(programme=str(ref)) from unknown
    if basis.enrolment is None and not basis.version.governs(today):
        raise UnknownAward(programme=str(ref))
    place = basis.place
    check_first(basis.conversions, place.rule_set_id, ref.programme)
    admission, is_restricted = await admission_to(connection, place), place.rule_set_id in book.restricted
    if not may_apply(place, admission, is_restricted, basis.enrolments, today):
        raise NotEnrolled(programme=str(ref), learner=learner.id)
    check_debts(basis.lots, await open_debts(connection, learner.id))
    wanted = application.wanted
    try:
        seen = await look(connection, learner.id, basis if wanted is None else basis.choosing(wanted), answers)
    except Unanswered as unanswered:
        raise unanswered if settled.difference.is_empty else Unsettled(unanswered.question) from unanswered
    if not seen.audit.allocation.is_complete:
        raise Incomplete(seen.audit)
    return await _hold(connection, counter, asked, learner, seen, today)


async def _hold(
    connection: AsyncConnection, counter: Counter, asked: Asked, learner: LockedLearner, seen: Look, today: date
) -> Conversion:
    audit, now = seen.audit, counter.clock()
    done = Act(f"hold:{asked.request}", "hold", client_id=asked.actor.client_id)
    until = now + counter.hold_for
    hold = await place_hold(connection, learner, done, audit.to_hold, today=today, until=until, now=now)
    conversion_id, stacked = new_id(), audit.to_stack
    provider = await owner_of(connection, audit.place)
    row = {
        "learner_id": learner.id,
        "id": conversion_id,
        "hold_id": hold.id,
        "rule_set_id": audit.place.rule_set_id,
        "rule_set_version_id": audit.version_id,
        "programme": audit.place.ref.programme,
        "provider": provider,
        "total_milli": sum(line.milli for line in hold.lines) + sum(use.milli for use in stacked),
        "applied_by": asked.actor.client_id,
        "request": asked.request,
        "fingerprint": asked.fingerprint,
        "shares": {
            "use": [
                {"lot": lot, "requirement": requirement, "amount": str(Credits(milli))}
                for (lot, requirement), milli in audit.shares.items()
            ]
        },
        "outcome": None,
        "reasons": "",
        "decided_by": None,
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, conversions, [row])
    await announce(connection, [telling.applied(conversion_id, learner.id, provider, learner.recorded_at)])
    rows = [
        {"learner_id": learner.id, "id": new_id(), "conversion_id": conversion_id, "lot_id": use.lot_id,
         "award_id": use.award_id, "milli": use.milli}
        for use in stacked
    ]  # fmt: skip
    await insert_rows(connection, stack_uses, rows)
    if seen.is_new:
        await keep(connection, learner.id, audit, today, learner.recorded_at)
    await settle_today(connection, counter, learner, today)
    return await queries.find_conversion(connection, conversion_id)


class _Made(Protocol):
    """What a request made, with the keyed hash of what it said."""

    @property
    def fingerprint(self) -> bytes: ...


Made = TypeVar("Made", bound=_Made)


def the_same(before: Made, asked: Asked) -> Made:
    """What this request made when it came before. Raises KeyReused when it said something else then."""
    if before.fingerprint != asked.fingerprint:
        raise KeyReused
    return before


async def locked_for(connection: AsyncConnection, counter: Counter, learner_id: UUID, actor: Actor) -> LockedLearner:
    """The learner, locked, if the actor may act for the account.

    Raises LearnerNotFound, LearnerErased, AccountEnded.
    """
    locked = await learners.lock(connection, counter.vault, [learner_id])
    if learner_id not in locked:
        raise await learners.absence(connection, learner_id)
    account, _ = await learners.find(connection, counter.vault, learner_id)
    if not can(actor, "account.act", account.owned):
        raise LearnerNotFound
    locked[learner_id].check_active()
    locked[learner_id].check_confirmed()
    return locked[learner_id]


async def settle_today(connection: AsyncConnection, counter: Counter, learner: LockedLearner, today: date) -> Settled:
    """Settle a locked learner as of today."""
    settled = await settle(
        connection, counter.shelf, {learner.id: learner}, Cause.DATE, as_of=today, clock=counter.clock
    )
    return settled[learner.id]


# --- How an application ends ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the institution decides. ``amounts`` are thousandths by lot of an approval in part."""

    approves: bool
    amounts: Mapping[UUID, int] | None
    reasons: Sequence[str]


async def _held(
    connection: AsyncConnection, counter: Counter, conversion_id: UUID, today: date
) -> tuple[LockedLearner, Conversion, Mapping[UUID, Lot]]:
    """An application with its learner locked and settled, and the learner's lots. Raises ConversionNotFound."""
    learner_id = await queries.owner(connection, conversion_id)
    locked = await learners.lock(connection, counter.vault, [learner_id] if learner_id is not None else [])
    if learner_id is None or learner_id not in locked:
        raise ConversionNotFound
    # What has lost its basis breaks its hold now, and is not decided about.
    await settle_today(connection, counter, locked[learner_id], today)
    found = await queries.find_conversion(connection, conversion_id)
    lots = (await lots_of(connection, [learner_id]))[learner_id]
    return locked[learner_id], found, {lot.id: lot for lot in lots}


def owned(conversion: Conversion) -> Owned:
    """Whose an application is: the institution's that decides it, the learner's, and whose who made it."""
    return Owned(conversion.provider, conversion.learner_id, conversion.applied_by)


def _check_open(conversion: Conversion, now: datetime) -> None:
    """It ends once; its time may be over although nobody has posted that yet. Raises HoldEnded."""
    if conversion.hold.state is not HoldState.OPEN:
        raise HoldEnded(state=conversion.state.value)
    if conversion.hold.until <= now:
        raise HoldEnded(state=State.TIMED_OUT.value)


async def decide(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, verdict: Verdict, today: date
) -> Conversion:
    """Approve an application, whole or in part, or reject it. An approval makes an award; the rest is given back.

    Raises ConversionNotFound, HoldEnded, StackedCreditsLost, LearnerInDebt, MoreThanHeld, NothingApproved.
    """
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not can(actor, "conversion.decide", owned(conversion)):
        raise ConversionNotFound
    now = counter.clock()
    _check_open(conversion, now)
    held = {line.lot_id: line.milli for line in conversion.hold.lines}
    used = dict(held) if verdict.approves else {}
    if verdict.approves:
        # Whoever came into debt since the application redeems nothing before a person has decided about it.
        # What stands in the way of this very award is told before what stands in the way of any.
        check_stacked(conversion, await queries.conversions_of(connection, learner.id), lots)
        check_debts(lots, await open_debts(connection, learner.id))
    if verdict.approves and verdict.amounts is not None:
        for index, (lot_id, milli) in enumerate(verdict.amounts.items()):
            if milli > held.get(lot_id, 0):
                most = str(Credits(held.get(lot_id, 0)))
                raise MoreThanHeld(lot=lot_id, held=most, pointer=f"/amounts/{index}/amount")
        used = {lot_id: milli for lot_id, milli in verdict.amounts.items() if milli}
        if not used:
            raise NothingApproved
    state = HoldState.REDEEMED if verdict.approves else HoldState.VOIDED
    code = "redeem" if verdict.approves else "void"
    done = Act(_end_key(conversion.hold), code, reason=next(iter(verdict.reasons), None), client_id=actor.client_id)
    await end_hold(connection, learner, done, conversion.hold, lots, state, used=used, today=today, now=now)
    outcome: Outcome = "approved" if verdict.approves else "rejected"
    await _close(connection, learner, conversion, outcome, verdict.reasons, actor.client_id)
    if verdict.approves:
        await _award(connection, learner, conversion, sum(used.values()), is_part=used != held, today=today)
    await settle_today(connection, counter, learner, today)
    return await queries.find_conversion(connection, conversion_id)


def _end_key(hold: Hold) -> str:
    # A hold ends once, however it ends: all ends share one key.
    return f"end:{hold.id}"


async def _close(
    connection: AsyncConnection,
    learner: LockedLearner,
    conversion: Conversion,
    outcome: Outcome,
    reasons: Sequence[str],
    client_id: UUID | None,
) -> None:
    row = {
        "learner_id": learner.id,
        "id": conversion.id,
        "outcome": outcome,
        "reasons": " ".join(reasons),
        "decided_by": client_id,
    }
    await update_rows(connection, conversions, [row], ("learner_id", "id"))
    state, at = State(outcome), learner.recorded_at
    await announce(connection, [telling.ended(conversion.id, learner.id, conversion.provider, at, state)])


async def _award(
    connection: AsyncConnection,
    learner: LockedLearner,
    conversion: Conversion,
    redeemed: int,
    *,
    is_part: bool,
    today: date,
) -> None:
    award_id = new_id()
    number = await _claim_number(connection, learner.id, award_id)
    row = {
        "learner_id": learner.id,
        "id": award_id,
        "conversion_id": conversion.id,
        "number": number,
        "awarded_on": today,
        "is_part": is_part,
        "milli": redeemed + sum(use.milli for use in conversion.stacked),
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, awards, [row])


async def _claim_number(connection: AsyncConnection, learner_id: UUID, award_id: UUID) -> str:
    while True:
        # A number that another award has already is made again.
        number = new_number(_NUMBER_PREFIX, _NUMBER_DIGITS)
        row = {"number": number, "learner_id": learner_id, "award_id": award_id}
        if await insert_new(connection, award_numbers, [row]):
            return number


async def withdraw(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, today: date
) -> Conversion:
    """Take an application back: only whoever made it may, and the bank."""
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not can(actor, "conversion.withdraw", owned(conversion)):
        raise ConversionNotFound
    now = counter.clock()
    _check_open(conversion, now)
    done = Act(_end_key(conversion.hold), "void", reason="withdrawn", client_id=actor.client_id)
    await end_hold(connection, learner, done, conversion.hold, lots, HoldState.VOIDED, today=today, now=now)
    await _close(connection, learner, conversion, "withdrawn", (), actor.client_id)
    await settle_today(connection, counter, learner, today)
    return await queries.find_conversion(connection, conversion_id)


async def withdraw_all(
    connection: AsyncConnection,
    counter: Counter,
    learner: LockedLearner,
    *,
    reason: str,
    client_id: UUID | None,
    today: date,
) -> int:
    """End every open hold of a locked learner, and take back the applications it was for; answers how many.

    For an account that comes to its end: whoever ends it settles what is left, if anything is to be settled.
    """
    held = (await open_holds(connection, [learner.id]))[learner.id]
    of_holds = {one.hold.id: one for one in await queries.conversions_of(connection, learner.id)} if held else {}
    for hold in held:
        lots = {lot.id: lot for lot in (await lots_of(connection, [learner.id]))[learner.id]}
        done = Act(_end_key(hold), "void", reason=reason, client_id=client_id)
        await end_hold(connection, learner, done, hold, lots, HoldState.VOIDED, today=today, now=counter.clock())
        if (conversion := of_holds.get(hold.id)) is not None:
            await _close(connection, learner, conversion, "withdrawn", (reason,), client_id)
    return len(held)


async def let_lapse(
    connection: AsyncConnection, counter: Counter, holds: Sequence[tuple[UUID, UUID]], today: date
) -> int:
    """End holds, given as (learner, hold), whose time is over; answers how many. One that has ended is passed over."""
    locked = await learners.lock(connection, counter.vault, sorted({learner_id for learner_id, _ in holds}))
    held = await holds_by_id(connection, [pair for pair in holds if pair[0] in locked])
    ended: dict[UUID, LockedLearner] = {}
    count = 0
    for hold in held.values():
        now = counter.clock()
        if hold.state is not HoldState.OPEN or hold.until > now:
            continue
        learner = locked[hold.learner_id]
        lots = {lot.id: lot for lot in (await lots_of(connection, [learner.id]))[learner.id]}
        done = Act(f"end:{hold.id}", "timeout")
        await end_hold(connection, learner, done, hold, lots, HoldState.TIMED_OUT, today=today, now=now)
        await announce(connection, await telling.ended_with(connection, [hold], State.TIMED_OUT, learner.recorded_at))
        ended[learner.id] = learner
        count += 1
    await settle(connection, counter.shelf, ended, Cause.DATE, as_of=today, clock=counter.clock)
    return count


# --- Annulment --------------------------------------------------------------------------------------------------------


async def propose_annulment(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, reason: str, today: date
) -> Conversion:
    """Propose that an award be withdrawn; another person must approve it."""
    learner, conversion, _ = await _held(connection, counter, conversion_id, today)
    if not can(actor, "conversion.decide", owned(conversion)):
        raise ConversionNotFound
    if conversion.award is None or not conversion.is_standing:
        raise NoStandingAward
    if conversion.proposed is not None:
        raise AnnulmentProposed
    row = {
        "learner_id": learner.id,
        "id": new_id(),
        "award_id": conversion.award.id,
        "reason": reason,
        "state": AnnulmentState.PROPOSED.value,
        "author_id": actor.principal_id,
        "approver_id": None,
        "recorded_at": await stamp(connection, learner, counter.clock),
        "decided_at": None,
    }
    await insert_rows(connection, annulments, [row])
    return await queries.find_conversion(connection, conversion_id)


async def _check_nothing_built_upon(connection: AsyncConnection, shelf: Shelf, withdrawn: Conversion) -> None:
    """No other award may count what this one redeemed, by the rules under which it was applied for."""
    everything = await queries.conversions_of(connection, withdrawn.learner_id)
    others = [one for one in everything if one.stacked and (one.state is State.HELD or one.is_standing)]
    book = await shelf.book(connection)
    # These rules may govern no more: they were corrected or withdrawn since.
    gone = {(one.rule_set, one.version) for one in others} - book.entries.keys()
    chapters = [one for history in book.history.values() for one in history if (one.code, one.number) in gone]
    book = book.with_former(await shelf.former(connection, chapters))
    for other in others:
        check_not_built_upon(withdrawn, other, everything, book.entry(other.rule_set, other.version).compiled)


async def decide_annulment(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, *, approves: bool, today: date
) -> Conversion:
    """Approve or refuse an annulment. What was redeemed undoes a waiver, then a debt; the rest is given back."""
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not can(actor, "conversion.decide", owned(conversion)):
        raise ConversionNotFound
    proposed = conversion.proposed
    if proposed is None or conversion.award is None:
        raise NoAnnulmentProposed
    if proposed.author_id == actor.principal_id:
        raise TwoPeopleNeeded
    if approves:
        await _check_nothing_built_upon(connection, counter.shelf, conversion)
        undone = await redeeming(connection, learner.id, _end_key(conversion.hold))
        steps = [
            Step(lot, annul(lot.positions, milli, undone[lot.id], expired=lot.is_expired(today)), today)
            for lot, milli in ((lots[lot_id], milli) for lot_id, milli in conversion.used.items())
        ]
        done = Act(f"annul:{conversion.award.id}", "annul", proposed.reason, proposed.author_id, actor.principal_id)
        await act(connection, learner, done, steps, counter.clock())
    state = AnnulmentState.APPROVED if approves else AnnulmentState.REFUSED
    row = {
        "learner_id": learner.id,
        "id": proposed.id,
        "state": state.value,
        "approver_id": actor.principal_id,
        "decided_at": await stamp(connection, learner, counter.clock),
    }
    await update_rows(connection, annulments, [row], ("learner_id", "id"))
    if approves:
        at = learner.recorded_at
        await announce(connection, [telling.annulled(conversion.id, learner.id, conversion.provider, at)])
        settled = await settle_today(connection, counter, learner, today)
        # A debt that the annulment undid leaves nothing to be decided.
        after = (await lots_of(connection, [learner.id]))[learner.id]
        paid = [(learner.id, lot.id) for lot in after if lot.id in conversion.used and not lot.positions[Account.OWED]]
        await close_reviews(connection, paid, "annulled", [settled])
    return await queries.find_conversion(connection, conversion_id)
