"""Lots, positions, movements, and the reconciliation that turns a target into postings (rules/v1 section 17)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from creditbank.clock import microseconds
from creditbank.errors import Kind, Refusal
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

    # Positions are dictionaries by account and are read for every posting there is: an enumeration's own hash is
    # computed in Python each time, a text's once.
    __hash__ = str.__hash__


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
    """``milli`` thousandths leave ``source`` and enter ``target``: balanced by construction.

    ``reverses`` is the posting that an act undoes by it, where it is one: a hold that ends without an award, an award
    that is annulled. What an evaluation takes back is a difference, and undoes none (decision 0029).
    """

    source: Account
    target: Account
    milli: int
    code: Code
    reverses: UUID | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What an evaluation says a lot should hold: dropped credits are never issued, so they are not in it."""

    recognised_milli: int
    excess_milli: int
    state: State


NOTHING: Final = Target(0, 0, "available")


class _Book:
    """Positions while they are being moved; remembers every movement made."""

    def __init__(self, positions: Positions) -> None:
        self.at = {account: positions.get(account, 0) for account in ACCOUNTS}
        self.movements: list[Movement] = []

    def move(self, source: Account, target: Account, milli: int, code: Code, reverses: UUID | None = None) -> int:
        """Move ``milli`` and answer it; nothing is moved for none."""
        if milli > 0:
            self.at[source] -= milli
            self.at[target] += milli
            self.movements.append(Movement(source, target, milli, code, reverses))
        return max(milli, 0)


def reconcile(
    positions: Positions, target: Target, *, revoked: bool = False, waives: bool = False
) -> tuple[Movement, ...]:
    """The movements that bring one lot to its target; none when it is there (rules/v1 section 17, reconciliation).

    ``revoked`` says that the basis was revoked, which names the movement REVERSE and not ADJUST_DOWN; ``waives`` that a
    debt is waived at once. A reserved position is never touched: holds for which too little is left are voided before
    (``is_short``).
    """
    book = _Book(positions)
    wanted = target.recognised_milli + target.excess_milli
    had = -book.at[Account.ISSUED]
    if wanted > had:
        _issue(book, wanted - had, target, fresh=had == 0)
    elif wanted < had:
        owed = _take_back(book, had - wanted, Code.REVERSE if revoked else Code.ADJUST_DOWN)
        if waives:
            book.move(Account.WRITE_OFF, Account.OWED, owed, Code.WRITE_OFF)
    _expire_or_reinstate(book, target)
    _split(book, target)
    return tuple(book.movements)


def is_short(positions: Positions, target: Target) -> bool:
    """Whether a target can be reached only out of what is reserved, so that the holds on the lot must be voided."""
    taken = -positions.get(Account.ISSUED, 0) - (target.recognised_milli + target.excess_milli)
    return positions.get(Account.RESERVED, 0) > 0 and taken > sum(positions.get(account, 0) for account in _LOOSE)


_LOOSE: Final = (Account.EXCESS, Account.PENDING, Account.AVAILABLE, Account.EXPIRED)
"""Where credits can be taken back from, in this order."""


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


def _take_back(book: _Book, milli: int, code: Code) -> int:
    for account in _LOOSE:
        milli -= book.move(account, Account.ISSUED, min(milli, book.at[account]), code)
    # What is still missing was redeemed: the learner owes it until a person decides.
    return book.move(Account.OWED, Account.ISSUED, milli, Code.CLAWBACK)


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
    """What a lot is identified by, through every re-evaluation (rules/v1 section 17).

    ``number`` counts the lots of one unit from 0; a lot that came by exchange has one below 0, which no evaluation
    gives, so that none ever takes it for its own.
    """

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

    def is_expired(self, on: date) -> bool:
        """Whether it can no longer be used on that day."""
        return self.terms.expires is not None and self.terms.expires <= on


_ENDING: Final = (Account.AVAILABLE, Account.PENDING, Account.EXCESS)


def as_read(lot: Lot, on: date) -> Lot:
    """The lot as any reader sees it on a day: past its date it counts as expired, whether or not that was posted."""
    if not lot.is_expired(on):
        return lot
    return replace(lot, positions=past_date(lot.positions))


def past_date(positions: Positions) -> dict[Account, int]:
    """Where credits stand once their date is reached: what could still be used, or wait, has expired."""
    after = {account: positions.get(account, 0) for account in ACCOUNTS}
    for account in _ENDING:
        after[Account.EXPIRED] += after[account]
        after[account] = 0
    return after


# --- Holds and awards -------------------------------------------------------------------------------------------------


class HoldState(StrEnum):
    """Open, or how it ended; it ends exactly once. A broken one lost its basis."""

    OPEN = "open"
    REDEEMED = "redeemed"
    VOIDED = "voided"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class HoldLine:
    """What a hold reserves of one lot, by which posting, and how much of that was redeemed when it ended."""

    lot_id: UUID
    milli: int
    posting_id: UUID
    redeemed_milli: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits reserved for an application, from the day it was placed; lapses at ``until``."""

    learner_id: UUID
    id: UUID
    placed_on: date
    until: datetime
    state: HoldState
    lines: tuple[HoldLine, ...]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """When what is redeemed of a lot began to be: the instant, and the day from which it counts."""

    at: datetime
    on: date


def usable_milli(lot: Lot, on: date) -> int:
    """What of a lot can be held on a day: a lot past its date counts as expired, whether or not that was posted."""
    return 0 if lot.is_expired(on) else lot.positions[Account.AVAILABLE]


def reserve(milli: int) -> tuple[Movement, ...]:
    """An application is lodged."""
    return (Movement(Account.AVAILABLE, Account.RESERVED, milli, Code.HOLD),)


def redeem(held: int, used: int, *, expired: bool) -> tuple[Movement, ...]:
    """An award is made with ``used`` of what was held; the rest is available again, or expires."""
    book = _Book({Account.RESERVED: held})
    book.move(Account.RESERVED, Account.REDEEMED, used, Code.REDEEM)
    _give_back(book, held - used, Code.REDEEM, expired=expired)
    return tuple(book.movements)


def release(line: HoldLine, code: Code, *, expired: bool) -> tuple[Movement, ...]:
    """A hold ends without an award (VOID, TIMEOUT); a voided hold never lengthens an expiry."""
    book = _Book({Account.RESERVED: line.milli})
    _give_back(book, line.milli, code, expired=expired, reverses=line.posting_id)
    return tuple(book.movements)


def _give_back(book: _Book, milli: int, code: Code, *, expired: bool, reverses: UUID | None = None) -> None:
    book.move(Account.RESERVED, Account.AVAILABLE, milli, code, reverses)
    if expired:
        book.move(Account.AVAILABLE, Account.EXPIRED, milli, Code.EXPIRE)


def waive(positions: Positions) -> tuple[Movement, ...]:
    """A debt is waived: the bank bears it."""
    book = _Book(positions)
    book.move(Account.WRITE_OFF, Account.OWED, -book.at[Account.OWED], Code.WRITE_OFF)
    return tuple(book.movements)


def annul(positions: Positions, redeemed: int, posting_id: UUID, *, expired: bool) -> tuple[Movement, ...]:
    """An award is withdrawn: what was redeemed by a posting undoes a waiver, then a debt; the rest is available or
    expires."""
    book = _Book(positions)
    for account, most in (
        (Account.WRITE_OFF, max(-book.at[Account.WRITE_OFF], 0)),
        (Account.OWED, -book.at[Account.OWED]),
    ):
        redeemed -= book.move(Account.REDEEMED, account, min(redeemed, most), Code.ANNUL, posting_id)
    book.move(Account.REDEEMED, Account.AVAILABLE, redeemed, Code.ANNUL, posting_id)
    if expired:
        book.move(Account.AVAILABLE, Account.EXPIRED, redeemed, Code.EXPIRE)
    return tuple(book.movements)


def exchange_out(milli: int, code: Code) -> tuple[Movement, ...]:
    """Credits leave a lot for another unit or institution."""
    return (Movement(Account.AVAILABLE, Account.EXCHANGE, milli, code),)


def exchange_in(milli: int, code: Code) -> tuple[Movement, ...]:
    """Credits come into a new lot from another one."""
    return (Movement(Account.EXCHANGE, Account.AVAILABLE, milli, code),)


@dataclass(eq=False, kw_only=True)
class InsufficientCredits(Refusal):
    """A lot has less than was asked for on that day."""

    code = "insufficient_credits"
    kind = Kind.CONFLICT
    lot: UUID
    available: str
    requested: str


@dataclass(eq=False, kw_only=True)
class LearnerInDebt(Refusal):
    """Redeemed credits lost their basis, and nobody has decided yet what becomes of the debt."""

    code = "learner_in_debt"
    kind = Kind.CONFLICT
    owed: str


@dataclass(eq=False, kw_only=True)
class HoldEnded(Refusal):
    """The hold has ended already: it was redeemed, released, timed out, or lost its basis."""

    code = "hold_ended"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class TwoPeopleNeeded(Refusal):
    """Two people are needed, and this is the first of them."""

    code = "two_people_needed"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class NothingOwed(Refusal):
    """There is no debt on the lot (any more)."""

    code = "nothing_owed"
    kind = Kind.CONFLICT
    lot: UUID


@dataclass(frozen=True, slots=True)
class Holding:
    """What a learner's lots of one unit, category and level come to."""

    credit_unit: str
    category: str | None
    level: int | None
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


class PostingUnreadable(Exception):
    """A stored posting names an account or a code that there is not: nobody but an intruder writes that."""

    def __init__(self, learner_id: UUID) -> None:
        super().__init__(f"a posting of learner {learner_id} cannot be read")
        self.learner_id = learner_id


def seal_posting(posting: Posting) -> Posting:
    """The posting with its hash."""
    return replace(posting, hash=digest(posting))


def canonical(posting: Posting) -> str:
    """What is hashed of a posting: the list of its fields as compact JSON; instants are microseconds since 1970.

    It is written by hand, for it is written for every posting ever made: no field holds a character that JSON escapes.
    """
    reverses = f'"{posting.reverses}"' if posting.reverses else "null"
    return (
        f'["{posting.learner_id}",{posting.seq},"{posting.id}","{posting.lot_id}","{posting.source}","{posting.target}"'
        f',{posting.amount_milli},"{posting.code}","{posting.transaction_id}","{posting.decision_id}"'
        f',"{posting.effective}",{microseconds(posting.recorded_at)},{reverses},"{posting.previous.hex()}"]'
    )


def digest(posting: Posting) -> bytes:
    """The hash that a posting must carry: SHA-256 of its canonical text (architecture, "Data")."""
    return hashlib.sha256(canonical(posting).encode()).digest()


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
