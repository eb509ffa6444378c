"""Every posting code of rules/v1 section 17: from where to where, for what, and what comes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from creditbank.learners.domain import NO_POSTING
from creditbank.ledger.domain import (
    ACCOUNTS,
    Account,
    Code,
    HoldLine,
    Lot,
    LotKey,
    LotTerms,
    Movement,
    Positions,
    Posting,
    Target,
    annul,
    apply,
    broken_link,
    digest,
    effective_day,
    exchange_in,
    exchange_out,
    is_short,
    reconcile,
    redeem,
    release,
    reserve,
    seal_posting,
    usable_milli,
    waive,
)

NOBODY, POSTING = UUID(int=0), UUID(int=7)


def at(**stands: int) -> dict[Account, int]:
    """Positions by account, with what the bank issued for them."""
    positions = {Account(name): milli for name, milli in stands.items()}
    positions.setdefault(Account.ISSUED, -sum(positions.values()))
    return positions


def held(milli: int) -> HoldLine:
    """What a hold reserves of a lot."""
    return HoldLine(NOBODY, milli, POSTING)


def moves(*movements: str) -> list[Movement]:
    """Movements as they are written in the table: ``CODE source target amount``; ``undoes`` says that of POSTING."""
    found = []
    for text in movements:
        code, source, target, milli, *undoes = text.split()
        reverses = POSTING if undoes == ["undoes"] else None
        found.append(Movement(Account(source), Account(target), int(milli), Code(code), reverses))
    return found


RECONCILED: Mapping[str, tuple[Positions, Target, list[str]]] = {
    "recognised": (at(), Target(5, 0, "available"), ["ACCRUE issued available 5"]),
    "recognised over a limit": (
        at(), Target(3, 2, "available"), ["CAP issued excess 2", "ACCRUE issued available 3"],
    ),
    "conditional": (at(), Target(5, 0, "pending"), ["ACCRUE_PENDING issued pending 5"]),
    "conditional over a limit": (
        at(), Target(3, 2, "pending"), ["CAP issued excess 2", "ACCRUE_PENDING issued pending 3"],
    ),
    "already over when it is recognised": (
        at(), Target(5, 0, "expired"), ["ACCRUE issued available 5", "EXPIRE available expired 5"],
    ),
    "over a limit, and already over when it is recognised": (
        at(), Target(3, 2, "expired"), ["ACCRUE issued available 5", "EXPIRE available expired 5"],
    ),
    "more than before": (at(available=3), Target(5, 0, "available"), ["ADJUST_UP issued available 2"]),
    "more of what waits": (at(pending=3), Target(5, 0, "pending"), ["ADJUST_UP issued pending 2"]),
    "more, and more excess": (
        at(available=3, excess=1), Target(4, 3, "available"), ["CAP issued excess 2", "ADJUST_UP issued available 1"],
    ),
    "less than before": (at(available=5), Target(3, 0, "available"), ["ADJUST_DOWN available issued 2"]),
    "less: the excess goes first": (
        at(available=3, excess=2), Target(1, 2, "available"),
        ["ADJUST_DOWN excess issued 2", "CAP available excess 2"],
    ),
    "less: excess, pending, available, expired": (
        at(excess=1, pending=1, available=1, expired=1), Target(0, 0, "available"),
        ["ADJUST_DOWN excess issued 1", "ADJUST_DOWN pending issued 1", "ADJUST_DOWN available issued 1",
         "ADJUST_DOWN expired issued 1"],
    ),
    "the condition is met": (at(pending=5), Target(5, 0, "available"), ["RELEASE pending available 5"]),
    "the condition is met no longer": (
        at(available=5), Target(5, 0, "pending"), ["ADJUST_DOWN available issued 5", "ACCRUE_PENDING issued pending 5"],
    ),
    "over a limit now": (at(available=5), Target(3, 2, "available"), ["CAP available excess 2"]),
    "over a limit while waiting": (at(pending=5), Target(3, 2, "pending"), ["CAP pending excess 2"]),
    "room appears": (at(available=3, excess=2), Target(5, 0, "available"), ["UNCAP excess available 2"]),
    "room appears while waiting": (at(pending=3, excess=2), Target(5, 0, "pending"), ["UNCAP excess pending 2"]),
    "its date is reached": (
        at(available=3, pending=1, excess=2), Target(4, 2, "expired"),
        ["EXPIRE available expired 3", "EXPIRE pending expired 1", "EXPIRE excess expired 2"],
    ),
    "its date is lengthened, through the limit again": (
        at(expired=5), Target(3, 2, "available"), ["REINSTATE expired available 5", "CAP available excess 2"],
    ),
    "redeemed credits lose their basis": (
        at(redeemed=5), Target(2, 0, "available"), ["CLAWBACK owed issued 3"],
    ),
    "part of it is there, the rest is owed": (
        at(redeemed=3, available=2), Target(0, 0, "available"),
        ["ADJUST_DOWN available issued 2", "CLAWBACK owed issued 3"],
    ),
    "a debt dies first": (
        at(redeemed=5, owed=-3), Target(6, 0, "available"),
        ["ADJUST_UP issued owed 3", "ADJUST_UP issued available 1"],
    ),
    "a debt dies in part": (at(redeemed=5, owed=-3), Target(4, 0, "available"), ["ADJUST_UP issued owed 2"]),
    "then a waiver is undone": (
        at(redeemed=6, owed=-2, write_off=-3), Target(7, 0, "available"),
        ["ADJUST_UP issued owed 2", "ADJUST_UP issued write_off 3", "ADJUST_UP issued available 1"],
    ),
    "a waiver is undone in part": (
        at(redeemed=5, write_off=-3), Target(4, 0, "available"), ["ADJUST_UP issued write_off 2"],
    ),
    "reserved credits stay": (at(reserved=3, available=2), Target(3, 2, "available"), ["CAP available excess 2"]),
    "what is reserved cannot be capped": (at(reserved=3), Target(1, 2, "available"), []),
    "expiry of redeemed credits does not matter": (at(redeemed=3), Target(3, 0, "expired"), []),
    "a hold does not stop the clock": (
        at(reserved=3, available=2), Target(5, 0, "expired"), ["EXPIRE available expired 2"],
    ),
    "exchanged credits are not issued again": (at(exchange=3, available=2), Target(5, 0, "available"), []),
    "exchanged credits lose their basis": (
        at(exchange=3, available=2), Target(0, 0, "available"),
        ["ADJUST_DOWN available issued 2", "CLAWBACK owed issued 3"],
    ),
    "credits that came by exchange stay": (at(exchange=-3, available=3, issued=0), Target(0, 0, "available"), []),
    "credits that came by exchange expire": (
        at(exchange=-3, available=3, issued=0), Target(0, 0, "expired"), ["EXPIRE available expired 3"],
    ),
    "nothing has changed": (at(available=3, excess=2), Target(3, 2, "available"), []),
}  # fmt: skip


@pytest.mark.parametrize(("positions", "target", "wanted"), RECONCILED.values(), ids=RECONCILED.keys())
def test_reconciliation(positions: Positions, target: Target, wanted: list[str]) -> None:
    made = reconcile(positions, target)

    assert list(made) == moves(*wanted)
    after = apply(positions, made)
    assert sum(after.values()) == 0
    assert reconcile(after, target) == (), "the same target again posts something"


def test_what_was_revoked_is_reversed() -> None:
    wanted = moves("REVERSE excess issued 1", "REVERSE available issued 2", "CLAWBACK owed issued 3")

    made = reconcile(at(available=2, excess=1, redeemed=3), Target(0, 0, "available"), revoked=True)

    assert list(made) == wanted


def test_a_policy_of_waiving_bears_the_debt_at_once() -> None:
    made = reconcile(at(redeemed=3, available=1), Target(0, 0, "available"), waives=True)

    assert list(made) == moves("ADJUST_DOWN available issued 1", "CLAWBACK owed issued 3", "WRITE_OFF write_off owed 3")


@pytest.mark.parametrize(
    ("doing", "wanted"),
    [
        (lambda: reserve(5), ["HOLD available reserved 5"]),
        (lambda: redeem(5, 5, expired=False), ["REDEEM reserved redeemed 5"]),
        (lambda: redeem(5, 3, expired=False), ["REDEEM reserved redeemed 3", "REDEEM reserved available 2"]),
        (
            lambda: redeem(5, 3, expired=True),
            ["REDEEM reserved redeemed 3", "REDEEM reserved available 2", "EXPIRE available expired 2"],
        ),
        (lambda: redeem(5, 0, expired=False), ["REDEEM reserved available 5"]),
        (lambda: release(held(5), Code.VOID, expired=False), ["VOID reserved available 5 undoes"]),
        (
            lambda: release(held(5), Code.TIMEOUT, expired=True),
            ["TIMEOUT reserved available 5 undoes", "EXPIRE available expired 5"],
        ),
        (lambda: waive(at(redeemed=5, owed=-3)), ["WRITE_OFF write_off owed 3"]),
        (lambda: waive(at(redeemed=5)), []),
        (lambda: annul(at(redeemed=5), 5, POSTING, expired=False), ["ANNUL redeemed available 5 undoes"]),
        (
            lambda: annul(at(redeemed=5), 3, POSTING, expired=True),
            ["ANNUL redeemed available 3 undoes", "EXPIRE available expired 3"],
        ),
        (
            lambda: annul(at(redeemed=6, owed=-2, write_off=-1), 6, POSTING, expired=False),
            ["ANNUL redeemed write_off 1 undoes", "ANNUL redeemed owed 2 undoes", "ANNUL redeemed available 3 undoes"],
        ),
        (lambda: annul(at(redeemed=5, write_off=-5), 2, POSTING, expired=False), ["ANNUL redeemed write_off 2 undoes"]),
        (lambda: annul(at(redeemed=5, owed=-5), 2, POSTING, expired=True), ["ANNUL redeemed owed 2 undoes"]),
        (lambda: exchange_out(5, Code.CONVERT), ["CONVERT available exchange 5"]),
        (lambda: exchange_in(3, Code.CONVERT), ["CONVERT exchange available 3"]),
        (lambda: exchange_out(5, Code.TRANSFER), ["TRANSFER available exchange 5"]),
        (lambda: exchange_in(5, Code.TRANSFER), ["TRANSFER exchange available 5"]),
    ],
)
def test_what_people_and_time_do(doing: Callable[[], tuple[Movement, ...]], wanted: list[str]) -> None:
    # Called in the test and not in the table: whoever breaks the code line by line must be seen here.
    assert list(doing()) == moves(*wanted)


@pytest.mark.parametrize(
    ("positions", "target", "short"),
    [
        (at(reserved=3), Target(3, 0, "available"), False),
        (at(reserved=3), Target(2, 0, "available"), True),
        (at(reserved=1), Target(0, 0, "available"), True),
        (at(reserved=3, available=1), Target(3, 0, "available"), False),
        (at(reserved=3, available=1, pending=1, excess=1, expired=1), Target(3, 0, "available"), False),
        (at(reserved=3, available=1), Target(2, 1, "available"), False),
        (at(reserved=3, available=1), Target(2, 0, "available"), True),
        (at(redeemed=3), Target(0, 0, "available"), False),
    ],
)
def test_a_hold_is_short_when_a_target_is_reached_only_out_of_it(
    positions: Positions, target: Target, short: bool
) -> None:
    assert is_short(positions, target) is short


def lot(expires: date | None) -> Lot:
    """A lot with 5 available."""
    terms = LotTerms(NOBODY, "cq", "course", "CR", None, None, None, None, date(2025, 1, 1), expires)
    return Lot(NOBODY, NOBODY, LotKey(NOBODY, "a", "A", 0), terms, at(available=5))


@pytest.mark.parametrize(
    ("expires", "usable"), [(None, 5), (date(2025, 3, 2), 5), (date(2025, 3, 1), 0), (date(2025, 2, 28), 0)]
)
def test_a_lot_cannot_be_used_from_its_date_on_whether_or_not_that_was_posted(
    expires: date | None, usable: int
) -> None:
    assert usable_milli(lot(expires), date(2025, 3, 1)) == usable


@pytest.mark.parametrize(
    ("code", "expires", "wanted"),
    [
        *[(code, None, "governing") for code in (Code.ACCRUE, Code.ACCRUE_PENDING, Code.CAP, Code.UNCAP)],
        *[(code, None, "governing") for code in (Code.ADJUST_UP, Code.ADJUST_DOWN)],
        (Code.EXPIRE, date(2025, 2, 1), "expires"),
        (Code.EXPIRE, None, "settled"),
        (Code.REINSTATE, date(2025, 2, 1), "settled"),
        (Code.REVERSE, date(2025, 2, 1), "settled"),
        (Code.CLAWBACK, date(2025, 2, 1), "settled"),
        (Code.VOID, date(2025, 2, 1), "settled"),
    ],
)
def test_the_day_from_which_a_posting_counts(code: Code, expires: date | None, wanted: str) -> None:
    days = {"governing": date(2024, 6, 1), "expires": date(2025, 2, 1), "settled": date(2025, 3, 1)}

    found = effective_day(code, governing=days["governing"], expires=expires, settled=days["settled"])

    assert found == days[wanted]


def posting(seq: int, previous: bytes) -> Posting:
    """A sealed posting."""
    made = Posting(
        NOBODY, UUID(int=seq), seq, NOBODY, Account.ISSUED, Account.AVAILABLE, 5, Code.ACCRUE, NOBODY, NOBODY,
        date(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC), None, previous, b"",
    )  # fmt: skip
    return seal_posting(made)


def chain() -> list[Posting]:
    """Three postings that hang together."""
    found = [posting(1, NO_POSTING)]
    for seq in (2, 3):
        found.append(posting(seq, found[-1].hash))
    return found


def test_a_chain_that_hangs_together_has_no_broken_link() -> None:
    assert broken_link(chain()) is None
    assert broken_link([]) is None


def test_the_hash_of_a_posting_is_the_same_for_ever() -> None:
    # Whoever verifies an export of twenty years ago computes this very digest.
    assert digest(posting(1, NO_POSTING)).hex() == ("9f7222162966e2476e6a56208816ee5bd40f2b6b1733e3d383dc8a9ef0e7e194")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learner_id", UUID(int=9)),
        ("id", UUID(int=9)),
        ("seq", 9),
        ("lot_id", UUID(int=9)),
        ("source", Account.EXCESS),
        ("target", Account.EXCESS),
        ("amount_milli", 6),
        ("code", Code.UNCAP),
        ("transaction_id", UUID(int=9)),
        ("decision_id", UUID(int=9)),
        ("effective", date(2025, 1, 2)),
        ("recorded_at", datetime(2025, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("reverses", UUID(int=9)),
        ("previous", b"\1" * 32),
        ("hash", b"\1" * 32),
    ],
)
def test_a_posting_that_was_changed_breaks_the_chain(name: str, value: object) -> None:
    first, second, third = chain()
    changed = replace(second, **{name: value})  # type: ignore[arg-type]

    assert broken_link([first, changed, third]) is changed
    assert name == "hash" or digest(changed) != digest(second)


def test_what_a_posting_reverses_is_in_its_hash() -> None:
    first = posting(1, NO_POSTING)
    others = [replace(first, reverses=UUID(int=number)) for number in (1, 2)]

    assert len({digest(one) for one in (first, *others)}) == 3


@pytest.mark.parametrize(("name", "value"), [("seq", 9), ("previous", b"\1" * 32)])
def test_a_posting_out_of_its_place_breaks_the_chain_though_its_own_hash_holds(name: str, value: object) -> None:
    first, second, _ = chain()
    moved = seal_posting(replace(second, **{name: value}))  # type: ignore[arg-type]

    assert broken_link([first, moved]) is moved


def test_a_posting_that_was_taken_out_breaks_the_chain() -> None:
    first, _, third = chain()

    assert broken_link([first, third]) is third


def test_every_account_is_walked() -> None:
    assert set(ACCOUNTS) == set(Account)
    assert set(apply({}, ())) == set(Account)
