"""Lots, positions, movements, and the reconciliation that turns a target into postings (rules/v1 section 17)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from creditbank.clock import microseconds
from creditbank.learners.domain import NO_POSTING


class Account(StrEnum):
    """Where credits of a lot can stand. The first six are the learner's; the last three are the bank's side."""

    PENDING = "pending"
    AVAILABLE = "available"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    EXCESS = "excess"
    OWED = "owed"
    ISSUED = "issued"
    WRITE_OFF = "write_off"
    EXCHANGE = "exchange"


class Code(StrEnum):
    """Why an amount moved."""

    ACCRUE = "ACCRUE"
    ACCRUE_PENDING = "ACCRUE_PENDING"
    RELEASE = "RELEASE"
    CAP = "CAP"
    UNCAP = "UNCAP"
    HOLD = "HOLD"
    REDEEM = "REDEEM"
    VOID = "VOID"
    TIMEOUT = "TIMEOUT"
    EXPIRE = "EXPIRE"
    REINSTATE = "REINSTATE"
    REVERSE = "REVERSE"
    ADJUST_UP = "ADJUST_UP"
    ADJUST_DOWN = "ADJUST_DOWN"
    CLAWBACK = "CLAWBACK"
    WRITE_OFF = "WRITE_OFF"
    ANNUL = "ANNUL"
    CONVERT = "CONVERT"
    TRANSFER = "TRANSFER"


ACCOUNTS: Final = tuple(Account)
"""Every account: walking a tuple is quicker than walking the enumeration."""

Positions = Mapping[Account, int]
"""Thousandths by account; over all accounts of a lot they sum to zero. An absent account stands at 0."""

State = Literal["available", "pending", "expired"]


@dataclass(frozen=True, slots=True)
class Movement:
    """``milli`` thousandths leave ``source`` and enter ``target``: balanced by construction."""

    source: Account
    target: Account
    milli: int
    code: Code


@dataclass(frozen=True, slots=True)
class Target:
    """What an evaluation says a lot should hold: dropped credits are never issued, so they are not in it."""

    recognised_milli: int
    excess_milli: int
    state: State


_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode

NOTHING: Final = Target(0, 0, "available")


class _Book:
    """Positions while they are being moved; remembers every movement made."""

    def __init__(self, positions: Positions) -> None:
        self.at = {account: positions.get(account, 0) for account in ACCOUNTS}
        self.movements: list[Movement] = []

    def move(self, source: Account, target: Account, milli: int, code: Code) -> int:
        """Move ``milli`` and answer it; nothing is moved for none."""
        if milli > 0:
            self.at[source] -= milli
            self.at[target] += milli
            self.movements.append(Movement(source, target, milli, code))
        return max(milli, 0)


def reconcile(positions: Positions, target: Target, *, revoked: bool = False) -> tuple[Movement, ...]:
    """The movements that bring one lot to its target; none when it is there (rules/v1 section 17, reconciliation).

    ``revoked`` says that the basis was revoked, which names the movement REVERSE and not ADJUST_DOWN. Lots with holds
    come with conversions: a reserved position is never touched here.
    """
    book = _Book(positions)
    wanted = target.recognised_milli + target.excess_milli
    had = -book.at[Account.ISSUED]
    if wanted > had:
        _issue(book, wanted - had, target, fresh=had == 0)
    elif wanted < had:
        _take_back(book, had - wanted, Code.REVERSE if revoked else Code.ADJUST_DOWN)
    _expire_or_reinstate(book, target)
    _split(book, target)
    return tuple(book.movements)


def _issue(book: _Book, milli: int, target: Target, *, fresh: bool) -> None:
    # A debt dies first, then a waiver is undone; only then does the learner gain.
    milli -= book.move(Account.ISSUED, Account.OWED, min(milli, -book.at[Account.OWED]), Code.ADJUST_UP)
    waived = max(-book.at[Account.WRITE_OFF], 0)
    milli -= book.move(Account.ISSUED, Account.WRITE_OFF, min(milli, waived), Code.ADJUST_UP)
    if target.state != "expired":
        over = max(target.excess_milli - book.at[Account.EXCESS], 0)
        milli -= book.move(Account.ISSUED, Account.EXCESS, min(milli, over), Code.CAP)
    if target.state == "pending":
        book.move(Account.ISSUED, Account.PENDING, milli, Code.ACCRUE_PENDING if fresh else Code.ADJUST_UP)
    else:
        book.move(Account.ISSUED, Account.AVAILABLE, milli, Code.ACCRUE if fresh else Code.ADJUST_UP)


def _take_back(book: _Book, milli: int, code: Code) -> None:
    for account in (Account.EXCESS, Account.PENDING, Account.AVAILABLE, Account.EXPIRED):
        milli -= book.move(account, Account.ISSUED, min(milli, book.at[account]), code)
    # What is still missing was redeemed: the learner owes it until a person decides.
    book.move(Account.OWED, Account.ISSUED, milli, Code.CLAWBACK)


def _expire_or_reinstate(book: _Book, target: Target) -> None:
    if target.state == "expired":
        for account in (Account.AVAILABLE, Account.PENDING, Account.EXCESS):
            book.move(account, Account.EXPIRED, book.at[account], Code.EXPIRE)
        return
    book.move(Account.EXPIRED, Account.AVAILABLE, book.at[Account.EXPIRED], Code.REINSTATE)
    if target.state == "available":
        book.move(Account.PENDING, Account.AVAILABLE, book.at[Account.PENDING], Code.RELEASE)
    else:
        # A condition that was met no longer is: what could be used is taken back and waits again.
        again = book.move(Account.AVAILABLE, Account.ISSUED, book.at[Account.AVAILABLE], Code.ADJUST_DOWN)
        book.move(Account.ISSUED, Account.PENDING, again, Code.ACCRUE_PENDING)


def _split(book: _Book, target: Target) -> None:
    if target.state == "expired":
        return
    over = target.excess_milli - book.at[Account.EXCESS]
    if over < 0:
        # Room came back. Credits that still wait for their condition wait in pending.
        home = Account.PENDING if target.state == "pending" else Account.AVAILABLE
        book.move(Account.EXCESS, home, -over, Code.UNCAP)
        return
    for account in (Account.PENDING, Account.AVAILABLE):
        over -= book.move(account, Account.EXCESS, min(over, book.at[account]), Code.CAP)


def apply(positions: Positions, movements: Iterable[Movement]) -> dict[Account, int]:
    """The positions after the movements."""
    after = {account: positions.get(account, 0) for account in ACCOUNTS}
    for movement in movements:
        after[movement.source] -= movement.milli
        after[movement.target] += movement.milli
    return after


@dataclass(frozen=True, slots=True)
class LotKey:
    """What a lot is identified by, through every re-evaluation (rules/v1 section 17)."""

    rule_set_id: UUID
    binding: str
    unit: str
    number: int


@dataclass(frozen=True, slots=True)
class LotTerms:
    """What a lot says of its credits; may change when its decision does."""

    decision_id: UUID
    provider: str
    kind: str
    credit_unit: str
    category: str | None
    level: int | None
    grade_scale: str | None
    grade: str | None
    effective: date
    expires: date | None


@dataclass(frozen=True, slots=True)
class Lot:
    """The credits of one grant of one decision, and where they are now."""

    learner_id: UUID
    id: UUID
    key: LotKey
    terms: LotTerms
    positions: Positions


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement on a lot, ready to be posted: everything but its place in the chain."""

    lot_id: UUID
    movement: Movement
    transaction_id: UUID
    decision_id: UUID
    effective: date


@dataclass(frozen=True, slots=True)
class Posting:
    """One row of the ledger."""

    learner_id: UUID
    id: UUID
    seq: int
    lot_id: UUID
    source: Account
    target: Account
    amount_milli: int
    code: Code
    transaction_id: UUID
    decision_id: UUID
    effective: date
    recorded_at: datetime
    reverses: UUID | None
    previous: bytes
    hash: bytes


def seal_posting(posting: Posting) -> Posting:
    """The posting with its hash: SHA-256 over the canonical list of its fields (architecture, "Data")."""
    return replace(posting, hash=digest(posting))


def digest(posting: Posting) -> bytes:
    """The hash that a posting must carry. The list is compact JSON; instants are whole microseconds since 1970."""
    fields = [
        str(posting.learner_id),
        posting.seq,
        str(posting.id),
        str(posting.lot_id),
        posting.source.value,
        posting.target.value,
        posting.amount_milli,
        posting.code.value,
        str(posting.transaction_id),
        str(posting.decision_id),
        posting.effective.isoformat(),
        microseconds(posting.recorded_at),
        str(posting.reverses) if posting.reverses else None,
        posting.previous.hex(),
    ]
    return hashlib.sha256(_COMPACT(fields).encode()).digest()


def broken_link(postings: Iterable[Posting]) -> Posting | None:
    """The first posting whose place, predecessor or content is not what its hash says; None when the chain holds."""
    previous = NO_POSTING
    for seq, posting in enumerate(postings, start=1):
        if posting.seq != seq or posting.previous != previous or digest(posting) != posting.hash:
            return posting
        previous = posting.hash
    return None


def effective_day(code: Code, *, governing: date, expires: date | None, settled: date) -> date:
    """The day from which a settling's posting counts (rules/v1 section 17, effective dates).

    ``settled`` is the day of the revocation, or the day the change was settled.
    """
    if code in {Code.ACCRUE, Code.ACCRUE_PENDING, Code.CAP, Code.UNCAP, Code.ADJUST_UP, Code.ADJUST_DOWN}:
        return governing
    if code is Code.EXPIRE and expires is not None:
        return expires
    return settled
