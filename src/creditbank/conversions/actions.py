"""Apply, decide, withdraw, let lapse, annul, exchange: each one transaction on one locked learner.

Every act settles the learner before it, so that it is judged on what holds today, and after it, so that what it set
free stands where the rules put it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.clock import Clock
from creditbank.conversions import queries
from creditbank.conversions.domain import (
    AnnulmentProposed,
    AnnulmentState,
    AwardBuiltUpon,
    Conversion,
    ConversionNotFound,
    Exchange,
    ExchangeKind,
    Leg,
    MoreThanHeld,
    NoAnnulmentProposed,
    NoStandingAward,
    NothingApproved,
    Outcome,
    Purse,
    SameInstitution,
    State,
    Terms,
    UnknownAward,
    UnknownUnitConversion,
    Wanted,
    choose,
    legs_of,
)
from creditbank.conversions.queries import Governing
from creditbank.conversions.tables import (
    annulments,
    award_numbers,
    awards,
    conversions,
    exchange_lines,
    exchanges,
    stack_uses,
)
from creditbank.credits import Credits
from creditbank.database.statements import insert_new, insert_rows, update_rows
from creditbank.errors import Refusal
from creditbank.identifiers import new_id, new_number
from creditbank.learners import queries as learners
from creditbank.learners.domain import ENDED, AccountEnded, LearnerNotFound, may_see
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.actions import Act, Step, act, end_hold, place_hold
from creditbank.ledger.domain import (
    Account,
    HoldEnded,
    HoldState,
    Lot,
    TwoPeopleNeeded,
    annul,
    exchange_in,
    exchange_out,
)
from creditbank.ledger.queries import holds_by_id, lots_of, open_holds
from creditbank.programmes.actions import attach_hold
from creditbank.providers.domain import ProviderNotActive, UnknownProvider
from creditbank.providers.queries import by_code
from creditbank.recognition.actions import Settled, close_reviews, settle
from creditbank.recognition.domain import Cause
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.web.idempotency import KeyReused

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
    rule_set: str
    programme: str
    wanted: Sequence[Wanted] | None


async def apply_for(
    connection: AsyncConnection, counter: Counter, asked: Asked, application: Application, today: date
) -> Conversion | Refusal:
    """Hold the credits of the best allocation for an award, or say why there is none."""
    learner = await _locked(connection, counter, application.learner_id, asked.actor)
    if isinstance(learner, Refusal):
        return learner
    before = await queries.find_request(connection, learner.id, asked.request)
    if before is not None:
        return before if before.fingerprint == asked.fingerprint else KeyReused()
    # Settled first: from here on nobody publishes until this transaction ends.
    purse = await _purse(connection, counter, learner, today)
    rules = await queries.governing(connection, application.rule_set, today)
    plan = rules.plan(application.programme) if rules is not None else None
    if plan is None:
        return UnknownAward(programme=application.programme)
    # The best use may take the solver seconds, in which others are served.
    chosen = await asyncio.to_thread(choose, plan, purse, today, application.wanted)
    if isinstance(chosen, Refusal):
        return chosen
    now = counter.clock()
    done = Act(f"hold:{asked.request}", "hold", client_id=asked.actor.client_id)
    hold = await place_hold(connection, learner, done, chosen.lines, today=today, until=now + counter.hold_for, now=now)
    await attach_hold(connection, learner.id, hold.id, plan.rule_set_id, plan.programme.id, now)
    conversion_id = new_id()
    held = sum(line.milli for line in hold.lines)
    row = {
        "learner_id": learner.id,
        "id": conversion_id,
        "hold_id": hold.id,
        "rule_set_id": plan.rule_set_id,
        "rule_set_version_id": plan.version_id,
        "programme": plan.programme.id,
        "provider": plan.provider,
        "total_milli": held + sum(use.milli for use in chosen.stacked),
        "applied_by": asked.actor.client_id,
        "request": asked.request,
        "fingerprint": asked.fingerprint,
        "shares": {"use": list(chosen.shares)},
        "outcome": None,
        "reasons": "",
        "decided_by": None,
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, conversions, [row])
    rows = [
        {"learner_id": learner.id, "id": new_id(), "conversion_id": conversion_id, "lot_id": use.lot_id,
         "award_id": use.award_id, "milli": use.milli}
        for use in chosen.stacked
    ]  # fmt: skip
    await insert_rows(connection, stack_uses, rows)
    await _settle(connection, counter, learner, today)
    return await queries.find_conversion(connection, conversion_id)


async def _locked(
    connection: AsyncConnection, counter: Counter, learner_id: UUID, actor: Actor
) -> LockedLearner | Refusal:
    """The learner, locked, if the actor may act for the account."""
    locked = await learners.lock(connection, counter.vault, [learner_id])
    if learner_id not in locked:
        return await learners.absence(connection, learner_id)
    if not actor.is_bank:
        account, _ = await learners.find(connection, counter.vault, learner_id)
        if not may_see(actor, account):
            return LearnerNotFound()
    learner = locked[learner_id]
    return AccountEnded(state=learner.state) if learner.state in ENDED else learner


async def _settle(connection: AsyncConnection, counter: Counter, learner: LockedLearner, today: date) -> Settled:
    settled = await settle(
        connection, counter.shelf, {learner.id: learner}, Cause.DATE, as_of=today, clock=counter.clock
    )
    return settled[learner.id]


async def _purse(connection: AsyncConnection, counter: Counter, learner: LockedLearner, today: date) -> Purse:
    """What the learner has to apply with, once it is settled as of today."""
    settled = await _settle(connection, counter, learner, today)
    lots = (await lots_of(connection, [learner.id]))[learner.id]
    return Purse(
        {lot.id: lot for lot in lots},
        settled.achievements,
        await queries.conversions_of(connection, learner.id),
        await queries.open_debts(connection, learner.id),
    )


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
    await _settle(connection, counter, locked[learner_id], today)
    found = await queries.find_conversion(connection, conversion_id)
    lots = (await lots_of(connection, [learner_id]))[learner_id]
    return locked[learner_id], found, {lot.id: lot for lot in lots}


def may_decide(actor: Actor, conversion: Conversion) -> bool:
    """Whether the actor speaks for the institution that the application is made to."""
    return actor.is_bank or (conversion.provider is not None and actor.acts_for(conversion.provider))


def _still_open(conversion: Conversion, now: datetime) -> Refusal | None:
    """Why it can no longer be decided: it has ended, or its time is over although nobody has posted that yet."""
    if conversion.hold.state is not HoldState.OPEN:
        return HoldEnded(state=conversion.state.value)
    return HoldEnded(state=State.TIMED_OUT.value) if conversion.hold.until <= now else None


async def decide(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, verdict: Verdict, today: date
) -> Conversion | Refusal:
    """Approve an application, whole or in part, or reject it. An approval makes an award; the rest is given back."""
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not may_decide(actor, conversion):
        return ConversionNotFound()
    now = counter.clock()
    if (ended := _still_open(conversion, now)) is not None:
        return ended
    held = {line.lot_id: line.milli for line in conversion.hold.lines}
    used = dict(held) if verdict.approves else {}
    if verdict.approves and verdict.amounts is not None:
        for index, (lot_id, milli) in enumerate(verdict.amounts.items()):
            if milli > held.get(lot_id, 0):
                most = str(Credits(held.get(lot_id, 0)))
                return MoreThanHeld(lot=lot_id, held=most, pointer=f"/amounts/{index}/amount")
        used = {lot_id: milli for lot_id, milli in verdict.amounts.items() if milli}
        if not used:
            return NothingApproved()
    state = HoldState.REDEEMED if verdict.approves else HoldState.VOIDED
    code = "redeem" if verdict.approves else "void"
    done = Act(_end_key(conversion), code, reason=next(iter(verdict.reasons), None), client_id=actor.client_id)
    await end_hold(connection, learner, done, conversion.hold, lots, state, used=used, today=today, now=now)
    outcome: Outcome = "approved" if verdict.approves else "rejected"
    await _close(connection, learner, conversion, outcome, verdict.reasons, actor.client_id)
    if verdict.approves:
        await _award(connection, learner, conversion, sum(used.values()), is_part=used != held, today=today)
    await _settle(connection, counter, learner, today)
    return await queries.find_conversion(connection, conversion_id)


def _end_key(conversion: Conversion) -> str:
    # A hold ends once, however it ends: all ends share one key.
    return f"end:{conversion.hold.id}"


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
) -> Conversion | Refusal:
    """Take an application back: only whoever made it may, and the bank."""
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not (actor.is_bank or actor.client_id == conversion.applied_by):
        return ConversionNotFound()
    now = counter.clock()
    if (ended := _still_open(conversion, now)) is not None:
        return ended
    done = Act(_end_key(conversion), "void", reason="withdrawn", client_id=actor.client_id)
    await end_hold(connection, learner, done, conversion.hold, lots, HoldState.VOIDED, today=today, now=now)
    await _close(connection, learner, conversion, "withdrawn", (), actor.client_id)
    await _settle(connection, counter, learner, today)
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
        done = Act(f"end:{hold.id}", "void", reason=reason, client_id=client_id)
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
    ended = 0
    for hold in held.values():
        now = counter.clock()
        if hold.state is not HoldState.OPEN or hold.until > now:
            continue
        learner = locked[hold.learner_id]
        lots = {lot.id: lot for lot in (await lots_of(connection, [learner.id]))[learner.id]}
        done = Act(f"end:{hold.id}", "timeout")
        await end_hold(connection, learner, done, hold, lots, HoldState.TIMED_OUT, today=today, now=now)
        ended += 1
    await settle(connection, counter.shelf, locked, Cause.DATE, as_of=today, clock=counter.clock)
    return ended


# --- Annulment --------------------------------------------------------------------------------------------------------


async def propose_annulment(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, reason: str, today: date
) -> Conversion | Refusal:
    """Propose that an award be withdrawn; another person must approve it."""
    learner, conversion, _ = await _held(connection, counter, conversion_id, today)
    if not may_decide(actor, conversion):
        return ConversionNotFound()
    if conversion.award is None or not conversion.is_standing:
        return NoStandingAward()
    if conversion.proposed is not None:
        return AnnulmentProposed()
    row = {
        "learner_id": learner.id,
        "id": new_id(),
        "award_id": conversion.award.id,
        "reason": reason,
        "state": AnnulmentState.PROPOSED.value,
        "author_id": actor.client_id,
        "approver_id": None,
        "recorded_at": counter.clock(),
        "decided_at": None,
    }
    await insert_rows(connection, annulments, [row])
    return await queries.find_conversion(connection, conversion_id)


async def decide_annulment(
    connection: AsyncConnection, counter: Counter, actor: Actor, conversion_id: UUID, *, approves: bool, today: date
) -> Conversion | Refusal:
    """Approve or refuse an annulment. What was redeemed undoes a waiver, then a debt; the rest is given back."""
    learner, conversion, lots = await _held(connection, counter, conversion_id, today)
    if not may_decide(actor, conversion):
        return ConversionNotFound()
    proposed = conversion.proposed
    if proposed is None or conversion.award is None:
        return NoAnnulmentProposed()
    if proposed.author_id == actor.client_id:
        return TwoPeopleNeeded()
    now = counter.clock()
    if approves:
        for other in await queries.conversions_of(connection, learner.id):
            rests = any(use.award_id == conversion.award.id for use in other.stacked)
            if rests and (other.state is State.HELD or other.is_standing):
                return AwardBuiltUpon(conversion=other.id)
        steps = [
            Step(lots[lot_id], annul(lots[lot_id].positions, milli, expired=lots[lot_id].is_expired(today)), today)
            for lot_id, milli in conversion.used.items()
        ]
        done = Act(f"annul:{conversion.award.id}", "annul", proposed.reason, proposed.author_id, actor.client_id)
        await act(connection, learner, done, steps, now)
    state = AnnulmentState.APPROVED if approves else AnnulmentState.REFUSED
    row = {
        "learner_id": learner.id,
        "id": proposed.id,
        "state": state.value,
        "approver_id": actor.client_id,
        "decided_at": now,
    }
    await update_rows(connection, annulments, [row], ("learner_id", "id"))
    if approves:
        settled = await _settle(connection, counter, learner, today)
        # A debt that the annulment undid leaves nothing to be decided.
        after = (await lots_of(connection, [learner.id]))[learner.id]
        paid = [(learner.id, lot.id) for lot in after if lot.id in conversion.used and not lot.positions[Account.OWED]]
        await close_reviews(connection, paid, "annulled", [settled])
    return await queries.find_conversion(connection, conversion_id)


# --- Exchanges --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wish:
    """Credits that are to change: into another unit by ``unit_conversion``, or of ``unit`` to another ``provider``.

    An amount in thousandths, or lots.
    """

    rule_set: str
    unit_conversion: str | None
    provider: str | None
    unit: str | None
    milli: int | None
    wanted: Sequence[Wanted] | None


async def exchange(
    connection: AsyncConnection, counter: Counter, asked: Asked, learner_id: UUID, wish: Wish, today: date
) -> Exchange | Refusal:
    """Exchange credits: both legs or none. What comes of it stands on lots that evaluation leaves alone."""
    learner = await _locked(connection, counter, learner_id, asked.actor)
    if isinstance(learner, Refusal):
        return learner
    before = await queries.find_exchange(connection, learner.id, asked.request)
    if before is not None:
        return before if before.fingerprint == asked.fingerprint else KeyReused()
    purse = await _purse(connection, counter, learner, today)
    rules = await queries.governing(connection, wish.rule_set, today)
    if rules is None:
        return UnknownUnitConversion(given=wish.rule_set, pointer="/rule_set")
    terms = _terms_of(rules, wish)
    if isinstance(terms, Refusal):
        return terms
    if wish.provider is not None and (refused := await _receives(connection, wish.provider)) is not None:
        return refused
    shared = legs_of(terms, purse, today, milli=wish.milli, wanted=wish.wanted)
    if isinstance(shared, Refusal):
        return shared
    legs, rest = shared
    if wish.provider is not None and any(leg.old.terms.provider == wish.provider for leg in legs):
        return SameInstitution(provider_code=wish.provider)
    new_lots = [_new_lot(leg, terms, wish) for leg in legs]
    code = terms.kind.code
    done = Act(f"exchange:{asked.request}", terms.kind.value, client_id=asked.actor.client_id)
    await act(
        connection,
        learner,
        done,
        [Step(leg.old, exchange_out(leg.uses_milli, code), today) for leg in legs],
        counter.clock(),
        made=[
            Step(lot, exchange_in(leg.gives_milli, code), today)
            for leg, lot in zip(legs, new_lots, strict=True)
            if lot is not None
        ],
    )
    await _record_exchange(connection, learner, asked, rules, terms, wish, legs, new_lots, rest)
    await _settle(connection, counter, learner, today)
    made = await queries.find_exchange(connection, learner.id, asked.request)
    if made is None:
        raise LookupError(asked.request)
    return made


def _terms_of(rules: Governing, wish: Wish) -> Terms | Refusal:
    if wish.unit_conversion is None:
        return Terms(ExchangeKind.TRANSFER, rules.rule_set.id, wish.unit or rules.credit_unit, None, wish.provider)
    found = rules.unit_conversions.get(wish.unit_conversion)
    if found is None:
        return UnknownUnitConversion(given=wish.unit_conversion)
    return Terms(ExchangeKind.CONVERT, rules.rule_set.id, found.from_, found)


async def _receives(connection: AsyncConnection, code: str) -> Refusal | None:
    provider = (await by_code(connection, [code])).get(code)
    if provider is None:
        return UnknownProvider(pointer="/provider")
    return None if provider.status == "active" else ProviderNotActive(provider_code=code)


def _new_lot(leg: Leg, terms: Terms, wish: Wish) -> Lot | None:
    if leg.new_key is None:
        return None
    old = leg.old
    changed = (
        replace(old.terms, credit_unit=terms.conversion.to)
        if terms.conversion is not None
        else replace(old.terms, provider=wish.provider or old.terms.provider)
    )
    return Lot(old.learner_id, new_id(), leg.new_key, changed, {})


async def _record_exchange(
    connection: AsyncConnection,
    learner: LockedLearner,
    asked: Asked,
    rules: Governing,
    terms: Terms,
    wish: Wish,
    legs: Sequence[Leg],
    new_lots: Sequence[Lot | None],
    rest: int,
) -> None:
    exchange_id = new_id()
    row = {
        "learner_id": learner.id,
        "id": exchange_id,
        "kind": terms.kind.value,
        "rule_set_id": terms.rule_set_id,
        "rule_set_version_id": rules.version_id,
        "conversion": wish.unit_conversion,
        "provider": wish.provider,
        "uses_milli": sum(leg.uses_milli for leg in legs),
        "gives_milli": sum(leg.gives_milli for leg in legs),
        "rest_milli": rest,
        "client_id": asked.actor.client_id,
        "request": asked.request,
        "fingerprint": asked.fingerprint,
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, exchanges, [row])
    rows = [
        {"learner_id": learner.id, "id": new_id(), "exchange_id": exchange_id, "old_lot_id": leg.old.id,
         "uses_milli": leg.uses_milli, "new_lot_id": lot.id if lot is not None else None,
         "gives_milli": leg.gives_milli}
        for leg, lot in zip(legs, new_lots, strict=True)
    ]  # fmt: skip
    await insert_rows(connection, exchange_lines, rows)
