"""The one way into the ledger: post differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import rising
from creditbank.credits import Credits
from creditbank.database.statements import insert_rows, update_rows
from creditbank.identifiers import new_id
from creditbank.learners.actions import advance
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.domain import (
    ACCOUNTS,
    Code,
    Entry,
    Hold,
    HoldEnded,
    HoldState,
    InsufficientCredits,
    Lot,
    LotTerms,
    Movement,
    NothingOwed,
    Posting,
    TwoPeopleNeeded,
    apply,
    redeem,
    release,
    reserve,
    seal_posting,
    usable_milli,
    waive,
)
from creditbank.ledger.queries import holds_by_id
from creditbank.ledger.tables import hold_lines, holds, ledger_transactions, lots, postings
from creditbank.ledger.telling import credits_changed
from creditbank.webhooks.actions import announce

_TERMS = tuple(f.name for f in fields(LotTerms))


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a learner's chain stands: what the learner row keeps of it."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What a settling does to one learner's ledger: lots made, lots moved or changed, and the entries that say so."""

    learner_id: UUID
    chain: Chain
    recorded_at: datetime
    made: Sequence[Lot]
    moved: Sequence[Lot]
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Posted(Chain):
    """Where a learner's chain stands after a change. ``ids`` are those of its postings, in the order of its entries."""

    ids: Sequence[UUID]


async def post(connection: AsyncConnection, changes: Sequence[Change]) -> dict[UUID, Posted]:
    """Write the lots and append the postings of several learners; answer where each chain stands now.

    The learners must be locked and ``moved`` must hold each lot as it is after the entries: positions change only
    here, together with a posting.
    """
    chains: dict[UUID, Posted] = {}
    rows: list[dict[str, Any]] = []
    for change in changes:
        seq, head, ids = change.chain.seq, change.chain.head, list[UUID]()
        for entry in change.entries:
            seq += 1
            posting = seal_posting(
                Posting(
                    change.learner_id,
                    new_id(),
                    seq,
                    entry.lot_id,
                    entry.movement.source,
                    entry.movement.target,
                    entry.movement.milli,
                    entry.movement.code,
                    entry.transaction_id,
                    entry.decision_id,
                    entry.effective,
                    change.recorded_at,
                    entry.movement.reverses,
                    head,
                    b"",
                )
            )
            head = posting.hash
            ids.append(posting.id)
            rows.append(_posting_row(posting))
        chains[change.learner_id] = Posted(seq, head, ids)
    await insert_rows(connection, lots, [_lot_row(lot) for change in changes for lot in change.made])
    await update_rows(
        connection, lots, [_moved_row(lot) for change in changes for lot in change.moved], ("learner_id", "id")
    )
    await insert_rows(connection, postings, rows)
    return chains


@dataclass(frozen=True, slots=True)
class Act:
    """What a person or time does to a learner's ledger. ``key`` makes the same act once: it is kept for ever."""

    key: str
    code: str
    reason: str | None = None
    client_id: UUID | None = None
    approver_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What an act does to one lot, and the day from which each movement counts."""

    lot: Lot
    movements: Sequence[Movement]
    day: date


async def act(
    connection: AsyncConnection,
    learner: LockedLearner,
    done: Act,
    steps: Sequence[Step],
    now: datetime,
    *,
    made: Sequence[Step] = (),
) -> Sequence[UUID]:
    """Do something to a locked learner's lots, all of it or nothing; answer the postings in their order.

    Each lot stands once in ``steps``, as it is before; ``made`` are lots that come into being by this act. The caller
    has asked ``find_transaction`` for the key.
    """
    transaction_id = new_id()
    learner.recorded_at = rising(now, learner.recorded_at)
    row = {
        "learner_id": learner.id,
        "id": transaction_id,
        "key": done.key,
        "code": done.code,
        "reason": done.reason,
        "client_id": done.client_id,
        "approver_id": done.approver_id,
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, ledger_transactions, [row])
    moved = [_after(step) for step in steps]
    entries = [
        Entry(
            step.lot.id,
            movement,
            transaction_id,
            step.lot.terms.decision_id,
            step.lot.terms.expires or step.day if movement.code is Code.EXPIRE else step.day,
        )
        for step in (*steps, *made)
        for movement in step.movements
    ]
    new = [_after(step) for step in made]
    change = Change(learner.id, Chain(learner.seq, learner.head), learner.recorded_at, new, moved, entries)
    posted = (await post(connection, [change]))[learner.id]
    learner.seq, learner.head = posted.seq, posted.head
    await advance(connection, [learner])
    await announce(connection, credits_changed(learner.id, [*new, *moved], learner.recorded_at))
    return posted.ids


def _after(step: Step) -> Lot:
    return replace(step.lot, positions=apply(step.lot.positions, step.movements))


async def waive_debt(
    connection: AsyncConnection, learner: LockedLearner, lot: Lot, done: Act, *, today: date, now: datetime
) -> None:
    """Waive what the learner owes on a lot: the bank bears it. Raises TwoPeopleNeeded, NothingOwed.

    ``done`` names who proposed it and who approved it. The review of the debt is closed by whoever decides it.
    """
    if done.client_id is None or done.approver_id in {None, done.client_id}:
        raise TwoPeopleNeeded
    movements = waive(lot.positions)
    if not movements:
        raise NothingOwed(lot=lot.id)
    await act(connection, learner, done, [Step(lot, movements, today)], now)


async def place_hold(
    connection: AsyncConnection,
    learner: LockedLearner,
    done: Act,
    lines: Sequence[tuple[Lot, int]],
    *,
    today: date,
    until: datetime,
    now: datetime,
) -> Hold:
    """Reserve thousandths of lots until ``until``, whole or not at all. Raises InsufficientCredits."""
    for lot, milli in lines:
        usable = usable_milli(lot, today)
        if milli > usable:
            raise InsufficientCredits(lot=lot.id, available=str(Credits(usable)), requested=str(Credits(milli)))
    steps = [Step(lot, reserve(milli), today) for lot, milli in lines]
    hold_id = new_id()
    # To reserve is one movement a lot, so that each line has a posting of its own.
    posting_ids = await act(connection, learner, done, steps, now)
    row = {
        "learner_id": learner.id,
        "id": hold_id,
        "placed_on": today,
        "until": until,
        "state": HoldState.OPEN.value,
        "recorded_at": learner.recorded_at,
        "ended_at": None,
    }
    await insert_rows(connection, holds, [row])
    rows = [
        {"learner_id": learner.id, "id": new_id(), "hold_id": hold_id, "lot_id": lot.id, "milli": milli,
         "posting_id": posting_id, "redeemed_milli": 0}
        for (lot, milli), posting_id in zip(lines, posting_ids, strict=True)
    ]  # fmt: skip
    await insert_rows(connection, hold_lines, rows)
    return (await holds_by_id(connection, [(learner.id, hold_id)]))[hold_id]


async def end_hold(
    connection: AsyncConnection,
    learner: LockedLearner,
    done: Act,
    hold: Hold,
    lots_: Mapping[UUID, Lot],
    state: HoldState,
    *,
    used: Mapping[UUID, int] | None = None,
    today: date,
    now: datetime,
) -> None:
    """End an open hold: redeemed with what was ``used`` of each lot, or released. Raises HoldEnded.

    ``lots_`` are the lots of its lines as they are now.
    """
    if hold.state is not HoldState.OPEN:
        raise HoldEnded(state=hold.state.value)
    used = used or {}
    steps = []
    for line in hold.lines:
        lot = lots_[line.lot_id]
        expired = lot.is_expired(today)
        if state is HoldState.REDEEMED:
            movements = redeem(line.milli, used.get(lot.id, 0), expired=expired)
        else:
            code = Code.TIMEOUT if state is HoldState.TIMED_OUT else Code.VOID
            movements = release(line, code, expired=expired)
        steps.append(Step(lot, movements, today))
    await act(connection, learner, done, steps, now)
    await close_holds(connection, [(hold, state)], learner.recorded_at)
    if used:
        rows = [
            {"learner_id": learner.id, "hold_id": hold.id, "lot_id": lot_id, "redeemed_milli": milli}
            for lot_id, milli in used.items()
        ]
        await update_rows(connection, hold_lines, rows, ("learner_id", "hold_id", "lot_id"))


async def close_holds(
    connection: AsyncConnection, ended: Sequence[tuple[Hold, HoldState]], recorded_at: datetime
) -> None:
    """Write that holds have ended; what that moves is posted by whoever ends them."""
    rows = [
        {"learner_id": hold.learner_id, "id": hold.id, "state": state.value, "ended_at": recorded_at}
        for hold, state in ended
    ]
    await update_rows(connection, holds, rows, ("learner_id", "id"))


def _posting_row(posting: Posting) -> dict[str, Any]:
    return {
        "learner_id": posting.learner_id,
        "id": posting.id,
        "seq": posting.seq,
        "lot_id": posting.lot_id,
        "source": posting.source.value,
        "target": posting.target.value,
        "amount_milli": posting.amount_milli,
        "code": posting.code.value,
        "transaction_id": posting.transaction_id,
        "decision_id": posting.decision_id,
        "effective": posting.effective,
        "recorded_at": posting.recorded_at,
        "reverses": posting.reverses,
        "previous": posting.previous,
        "hash": posting.hash,
    }


def _moved_row(lot: Lot) -> dict[str, Any]:
    row: dict[str, Any] = {"learner_id": lot.learner_id, "id": lot.id}
    row.update({name: getattr(lot.terms, name) for name in _TERMS})
    row.update({f"{account}_milli": lot.positions.get(account, 0) for account in ACCOUNTS})
    return row


def _lot_row(lot: Lot) -> dict[str, Any]:
    return {
        **_moved_row(lot),
        "rule_set_id": lot.key.rule_set_id,
        "binding": lot.key.binding,
        "unit": lot.key.unit,
        "number": lot.key.number,
    }
