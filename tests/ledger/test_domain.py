"""The arithmetic of one lot (rules/v1 section 17, reconciliation; section 18, the laws of the books)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditbank.ledger.domain import (
    NOTHING,
    Account,
    Code,
    Lot,
    LotKey,
    LotTerms,
    Movement,
    Posting,
    State,
    Target,
    apply,
    as_read,
    broken_link,
    digest,
    effective_day,
    reconcile,
    seal_posting,
)

PLAIN = (
    Account.PENDING, Account.AVAILABLE, Account.RESERVED, Account.REDEEMED, Account.EXPIRED, Account.EXCESS,
)  # fmt: skip


def standing(**positions: int) -> dict[Account, int]:
    """Positions in whole credits; the bank's side is what balances them."""
    milli = {Account(name): credits_ * 1000 for name, credits_ in positions.items()}
    return {**milli, Account.ISSUED: -sum(milli.values())}


def target(recognised: int = 0, excess: int = 0, state: State = "available") -> Target:
    return Target(recognised * 1000, excess * 1000, state)


def written(movements: Sequence[Movement]) -> list[str]:
    """Movements in the words of the section: ``ACCRUE issued > available 3``."""
    return [f"{m.code} {m.source} > {m.target} {m.milli // 1000}" for m in movements]


# What stands, what should stand, and what is posted.
CASES: dict[str, tuple[dict[Account, int], Target, list[str]]] = {
    "nothing and nothing": (standing(), NOTHING, []),
    "recognised": (standing(), target(3), ["ACCRUE issued > available 3"]),
    "conditional": (standing(), target(3, state="pending"), ["ACCRUE_PENDING issued > pending 3"]),
    "recognised over a limit": (
        standing(), target(2, 1), ["CAP issued > excess 1", "ACCRUE issued > available 2"],
    ),
    "only a duplicate": (standing(), target(0, 3), ["CAP issued > excess 3"]),
    "recognised too late": (
        standing(), target(3, state="expired"), ["ACCRUE issued > available 3", "EXPIRE available > expired 3"],
    ),
    "as it stands": (standing(available=3), target(3), []),
    "as it stands, with excess": (standing(available=3, excess=2), target(3, 2), []),
    "as it stands, expired": (standing(expired=3), target(3, state="expired"), []),
    "as it stands, redeemed": (standing(redeemed=3), target(3), []),
    # T > H
    "more": (standing(available=3), target(5), ["ADJUST_UP issued > available 2"]),
    "more, conditional": (standing(pending=3), target(5, state="pending"), ["ADJUST_UP issued > pending 2"]),
    "more, after part of it was redeemed": (
        standing(available=1, redeemed=2), target(5), ["ADJUST_UP issued > available 2"],
    ),
    "more, and the debt dies first": (
        standing(redeemed=5, owed=-5), target(7), ["ADJUST_UP issued > owed 5", "ACCRUE issued > available 2"],
    ),
    "more, and part of the debt dies": (
        standing(redeemed=5, owed=-5), target(3), ["ADJUST_UP issued > owed 3"],
    ),
    "more, and a waiver is undone": (
        standing(redeemed=5, write_off=-5), target(6),
        ["ADJUST_UP issued > write_off 5", "ACCRUE issued > available 1"],
    ),
    "more: the debt before the waiver": (
        standing(redeemed=5, owed=-2, write_off=-3), target(4),
        ["ADJUST_UP issued > owed 2", "ADJUST_UP issued > write_off 2"],
    ),
    "more, all of it over a limit": (standing(available=3), target(3, 2), ["CAP issued > excess 2"]),
    # T < H
    "less": (standing(available=5), target(3), ["ADJUST_DOWN available > issued 2"]),
    "nothing any more": (standing(available=5), NOTHING, ["ADJUST_DOWN available > issued 5"]),
    "less, from what is over first": (
        standing(available=3, excess=2), target(3), ["ADJUST_DOWN excess > issued 2"],
    ),
    "less, over the limit still": (
        standing(available=3, excess=2), target(2, 2),
        ["ADJUST_DOWN excess > issued 1", "CAP available > excess 1"],
    ),
    "less, in the order excess, pending, available, expired": (
        standing(excess=1, pending=1, available=1, expired=1), NOTHING,
        [
            "ADJUST_DOWN excess > issued 1", "ADJUST_DOWN pending > issued 1", "ADJUST_DOWN available > issued 1",
            "ADJUST_DOWN expired > issued 1",
        ],
    ),
    "less than was redeemed: the rest is owed": (
        standing(available=1, redeemed=4), target(2),
        ["ADJUST_DOWN available > issued 1", "CLAWBACK owed > issued 2"],
    ),
    "nothing left of what was redeemed": (standing(redeemed=4), NOTHING, ["CLAWBACK owed > issued 4"]),
    "owed already, and less still": (
        standing(redeemed=4, owed=-1), target(2), ["CLAWBACK owed > issued 1"],
    ),
    # The split.
    "room appears": (standing(available=3, excess=2), target(5), ["UNCAP excess > available 2"]),
    "room appears for what waits": (
        standing(pending=3, excess=2), target(5, state="pending"), ["UNCAP excess > pending 2"],
    ),
    "a duplicate from now on": (standing(available=3), target(0, 3), ["CAP available > excess 3"]),
    "over a limit while it waits": (
        standing(pending=4), target(1, 3, "pending"), ["CAP pending > excess 3"],
    ),
    # The condition.
    "the condition is met": (standing(pending=3), target(3), ["RELEASE pending > available 3"]),
    "the condition is met no longer": (
        standing(available=3), target(3, state="pending"),
        ["ADJUST_DOWN available > issued 3", "ACCRUE_PENDING issued > pending 3"],
    ),
    "the condition is met no longer, and a limit is reached": (
        standing(pending=2, available=2), target(1, 3, "pending"),
        ["ADJUST_DOWN available > issued 2", "ACCRUE_PENDING issued > pending 2", "CAP pending > excess 3"],
    ),
    # The date.
    "the date is reached": (standing(available=3), target(3, state="expired"), ["EXPIRE available > expired 3"]),
    "the date is reached, all of it": (
        standing(available=3, pending=1, excess=2), target(4, 2, "expired"),
        ["EXPIRE available > expired 3", "EXPIRE pending > expired 1", "EXPIRE excess > expired 2"],
    ),
    "the date is reached, redeemed stays": (
        standing(available=1, redeemed=2), target(3, state="expired"), ["EXPIRE available > expired 1"],
    ),
    "the date is lengthened": (standing(expired=3), target(3), ["REINSTATE expired > available 3"]),
    "the date is lengthened, through the split again": (
        standing(expired=5), target(3, 2), ["REINSTATE expired > available 5", "CAP available > excess 2"],
    ),
    "less, and reinstated": (
        standing(expired=5), target(3), ["ADJUST_DOWN expired > issued 2", "REINSTATE expired > available 3"],
    ),
    "more, and expired": (
        standing(expired=3), target(5, state="expired"),
        ["ADJUST_UP issued > available 2", "EXPIRE available > expired 2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "wanted", "posted"), CASES.values(), ids=CASES)
def test_reconciliation(before: dict[Account, int], wanted: Target, posted: list[str]) -> None:
    assert written(reconcile(before, wanted)) == posted


def test_what_is_taken_back_for_a_revocation_says_so() -> None:
    before = standing(available=2, expired=1, redeemed=4)

    assert written(reconcile(before, NOTHING, revoked=True)) == [
        "REVERSE available > issued 2", "REVERSE expired > issued 1", "CLAWBACK owed > issued 4",
    ]  # fmt: skip


def test_a_revocation_that_takes_nothing_names_nothing_so() -> None:
    assert written(reconcile(standing(available=2), target(3), revoked=True)) == ["ADJUST_UP issued > available 1"]


def test_thousandths_are_exact() -> None:
    movements = reconcile({Account.AVAILABLE: 333, Account.ISSUED: -333}, Target(334, 1, "available"))

    assert [(m.code, m.milli) for m in movements] == [(Code.CAP, 1), (Code.ADJUST_UP, 1)]


# --- The laws of the books --------------------------------------------------------------------------------------------

MILLI = st.integers(0, 4000)
TARGETS = st.builds(Target, MILLI, MILLI, st.sampled_from(["available", "pending", "expired"]))
# What people do to a lot beside evaluations; each takes as much as there is, at most.
DONE = st.tuples(st.sampled_from(["redeem", "waive"]), MILLI)


def do(positions: dict[Account, int], verb: str, milli: int) -> list[Movement]:
    if verb == "redeem":
        milli = min(milli, positions[Account.AVAILABLE])
        return [
            Movement(Account.AVAILABLE, Account.RESERVED, milli, Code.HOLD),
            Movement(Account.RESERVED, Account.REDEEMED, milli, Code.REDEEM),
        ]
    # A waiver never exceeds the debt that it waives.
    return [Movement(Account.WRITE_OFF, Account.OWED, min(milli, -positions[Account.OWED]), Code.WRITE_OFF)]


def hold_laws(positions: dict[Account, int], movements: Sequence[Movement]) -> dict[Account, int]:
    """The positions after the movements, of which each step keeps the laws."""
    for movement in movements:
        assert movement.milli >= 0
        assert movement.source is not movement.target
        positions = apply(positions, [movement])
        assert sum(positions.values()) == 0
        assert all(positions[account] >= 0 for account in PLAIN), (movement, positions)
        assert positions[Account.OWED] <= 0
        assert positions[Account.ISSUED] <= 0
        assert positions[Account.WRITE_OFF] <= 0
    return positions


@given(steps=st.lists(st.one_of(TARGETS, DONE), min_size=1, max_size=12))
def test_every_walk_keeps_the_laws(steps: list[Target | tuple[str, int]]) -> None:
    positions = apply({}, [])
    for step in steps:
        if isinstance(step, tuple):
            positions = hold_laws(positions, do(positions, *step))
            continue
        movements = reconcile(positions, step)
        assert all(movement.milli > 0 for movement in movements)
        positions = hold_laws(positions, movements)
        # What stands issued is the target, and the same target again posts nothing.
        assert -positions[Account.ISSUED] == step.recognised_milli + step.excess_milli
        assert reconcile(positions, step) == ()
        if step.state == "expired":
            assert positions[Account.AVAILABLE] == positions[Account.PENDING] == positions[Account.EXCESS] == 0
        elif positions[Account.REDEEMED] == 0:
            assert positions[Account.EXCESS] == step.excess_milli
            assert positions[Account.AVAILABLE] + positions[Account.PENDING] == step.recognised_milli

    # Revoking everything leaves nothing with the learner but what was redeemed, and that is owed or waived.
    positions = hold_laws(positions, reconcile(positions, NOTHING, revoked=True))
    assert {account: milli for account, milli in positions.items() if milli and account in PLAIN} in (
        {}, {Account.REDEEMED: positions[Account.REDEEMED]},
    )  # fmt: skip
    assert positions[Account.REDEEMED] + positions[Account.OWED] + positions[Account.WRITE_OFF] == 0


@given(first=TARGETS, second=TARGETS)
def test_there_and_back_again(first: Target, second: Target) -> None:
    """Versions 1, 2, 1 return to the first positions, whatever came between."""
    once = apply({}, reconcile({}, first))
    there = apply(once, reconcile(once, second))
    back = apply(there, reconcile(there, first))

    if "pending" in (first.state, second.state):
        # What was released does not wait again.
        waiting = (Account.PENDING, Account.AVAILABLE)
        once[Account.AVAILABLE], back[Account.AVAILABLE] = (sum(p.pop(a) for a in waiting) for p in (once, back))
    assert back == once


# --- Days -------------------------------------------------------------------------------------------------------------

GOVERNING, EXPIRES, SETTLED = date(2024, 6, 10), date(2026, 6, 10), date(2025, 3, 1)
DAYS = {
    **dict.fromkeys(("ACCRUE", "ACCRUE_PENDING", "CAP", "UNCAP", "ADJUST_UP", "ADJUST_DOWN"), GOVERNING),
    "EXPIRE": EXPIRES,
    **dict.fromkeys(("REVERSE", "RELEASE", "REINSTATE", "CLAWBACK"), SETTLED),
}


@pytest.mark.parametrize(("code", "day"), DAYS.items(), ids=DAYS)
def test_the_day_from_which_a_posting_counts(code: str, day: date) -> None:
    assert effective_day(Code(code), governing=GOVERNING, expires=EXPIRES, settled=SETTLED) == day


# --- The chain --------------------------------------------------------------------------------------------------------

POSTING = Posting(
    learner_id=UUID("01900000-0000-7000-8000-000000000001"),
    id=UUID("01900000-0000-7000-8000-000000000002"),
    seq=1,
    lot_id=UUID("01900000-0000-7000-8000-000000000003"),
    source=Account.ISSUED,
    target=Account.AVAILABLE,
    amount_milli=2500,
    code=Code.ACCRUE,
    transaction_id=UUID("01900000-0000-7000-8000-000000000004"),
    decision_id=UUID("01900000-0000-7000-8000-000000000005"),
    effective=date(2024, 6, 10),
    recorded_at=datetime(2025, 3, 1, 4, 0, 0, 123456, tzinfo=UTC),
    reverses=None,
    previous=bytes(32),
    hash=b"",
)


def test_the_hash_is_that_of_the_list_in_the_architecture() -> None:
    text = (
        '["01900000-0000-7000-8000-000000000001",1,"01900000-0000-7000-8000-000000000002",'
        '"01900000-0000-7000-8000-000000000003","issued","available",2500,"ACCRUE",'
        '"01900000-0000-7000-8000-000000000004","01900000-0000-7000-8000-000000000005","2024-06-10",'
        '1740801600123456,null,"' + "00" * 32 + '"]'
    )

    assert digest(POSTING) == hashlib.sha256(text.encode()).digest()


CHANGES: dict[str, dict[str, Any]] = {
    "learner": {"learner_id": UUID(int=9)},
    "id": {"id": UUID(int=9)},
    "lot": {"lot_id": UUID(int=9)},
    "source": {"source": Account.PENDING},
    "target": {"target": Account.PENDING},
    "amount": {"amount_milli": 2501},
    "code": {"code": Code.ADJUST_UP},
    "transaction": {"transaction_id": UUID(int=9)},
    "decision": {"decision_id": UUID(int=9)},
    "effective": {"effective": date(2024, 6, 11)},
    "recorded": {"recorded_at": datetime(2025, 3, 1, 4, 0, 0, 123457, tzinfo=UTC)},
    "reverses": {"reverses": UUID(int=9)},
    "previous": {"previous": b"\1" * 32},
    "seq": {"seq": 2},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_field_can_be_changed_without_breaking_the_chain(change: dict[str, Any]) -> None:
    sound = seal_posting(POSTING)
    following = seal_posting(replace(POSTING, id=UUID(int=7), seq=2, previous=sound.hash))
    assert broken_link([sound, following]) is None

    forged = replace(sound, **change)
    assert broken_link([forged, following]) is forged
    # With a hash of its own the forgery moves the break to the next link, unless it stands in the wrong place.
    resealed = seal_posting(forged)
    found = broken_link([resealed, following])
    assert found is (resealed if change.keys() & {"seq", "previous"} else following)


# Where a lot stands, and where every reader sees it once its date is reached (section 17, reading before the job).
READ: dict[str, tuple[dict[Account, int], dict[Account, int]]] = {
    "available": (standing(available=3), standing(expired=3)),
    "pending": (standing(pending=3), standing(expired=3)),
    "over a limit": (standing(available=2, excess=1), standing(expired=3)),
    "posted in part": (standing(available=1, expired=2), standing(expired=3)),
    "a hold does not stop the clock, and goes on": (standing(reserved=2, available=1), standing(reserved=2, expired=1)),
    "redeemed": (standing(redeemed=2, available=1), standing(redeemed=2, expired=1)),
}


@pytest.mark.parametrize(("stands", "is_seen"), READ.values(), ids=READ)
@pytest.mark.parametrize(("days", "is_past"), [(-1, False), (0, True), (1, True)], ids=["before", "its date", "after"])
def test_a_lot_is_seen_as_expired_from_its_date_on(
    stands: dict[Account, int], is_seen: dict[Account, int], days: int, is_past: bool
) -> None:
    until, one = date(2025, 3, 1), UUID(int=1)
    terms = LotTerms(one, "cq/school", "course", "CR", None, None, None, None, date(2024, 3, 1), until)
    lot = Lot(one, one, LotKey(one, "a", "U", 0), terms, stands)

    seen = as_read(lot, until + timedelta(days)).positions

    assert {account: milli for account, milli in seen.items() if milli} == (is_seen if is_past else stands)
    assert as_read(replace(lot, terms=replace(terms, expires=None)), until).positions == stands
