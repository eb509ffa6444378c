"""What people and time do to a learner's lots, as it is kept and as it is found again (rules/v1 section 17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.learners.queries import lock
from creditbank.ledger.actions import Act, Step, act, end_hold, place_hold
from creditbank.ledger.domain import Account, Hold, HoldState, InsufficientCredits, Lot, Redeemed, annul
from creditbank.ledger.queries import lapsed, open_holds, positions_at, redeemed_since, redeeming
from creditbank.ledger.tables import hold_lines, ledger_transactions, postings
from tests.bank import Bank, document

AUTHOR, APPROVER = UUID(int=1), UUID(int=2)


@dataclass
class Books:
    """One learner's books, and short words for what is done to them."""

    bank: Bank
    learner: UUID

    async def lots(self) -> list[Lot]:
        return await self.bank.lots(self.learner)

    async def stands(self) -> list[dict[str, int]]:
        """Where the credits of each lot are, the bank's side left out."""
        return [
            {str(account): milli for account, milli in lot.positions.items() if milli and account is not Account.ISSUED}
            for lot in await self.lots()
        ]

    async def hold(self, key: str, *lines: tuple[Lot, int], until: datetime | None = None) -> Hold:
        bank = self.bank
        async with bank.database.write() as connection:
            one = (await lock(connection, bank.vault, [self.learner]))[self.learner]
            done = Act(key, "hold", "asked for", AUTHOR, APPROVER)
            until = until or bank.clock.instant + timedelta(days=60)
            return await place_hold(connection, one, done, lines, today=bank.today(), until=until, now=bank.clock())

    async def end(self, key: str, hold: Hold, state: HoldState, used: Mapping[UUID, int]) -> None:
        bank, lots = self.bank, {lot.id: lot for lot in await self.lots()}
        async with bank.database.write() as connection:
            one = (await lock(connection, bank.vault, [self.learner]))[self.learner]
            done, today = Act(key, "redeem"), bank.today()
            await end_hold(connection, one, done, hold, lots, state, used=used, today=today, now=bank.clock())

    async def redeem(self, key: str, lot: Lot, milli: int) -> None:
        await self.end(f"{key}:end", await self.hold(key, (lot, milli)), HoldState.REDEEMED, {lot.id: milli})

    async def annul(self, key: str, milli: int) -> None:
        """Take back what was redeemed under a key, or a part of it."""
        bank, (lot, *_) = self.bank, await self.lots()
        async with bank.database.write() as connection:
            one = (await lock(connection, bank.vault, [self.learner]))[self.learner]
            undone = await redeeming(connection, self.learner, f"{key}:end")
            step = Step(lot, annul(lot.positions, milli, undone[lot.id], expired=False), bank.today())
            await act(connection, one, Act(f"annul:{key}", "annul"), [step], bank.clock())


async def books(bank: Bank, *credits_: str) -> Books:
    """A learner with lots of so many credits, which last until 1 April."""
    await bank.publish(document(validity={"max": "P1Y"}))
    (learner,) = await bank.open("Li Wei")
    for number, one in enumerate(credits_):
        await bank.record(learner, f"E{number}", code=f"C{number}", credits=one, completed="2024-04-01")
    return Books(bank, learner)


async def test_an_act_is_kept_with_who_did_it_and_why(bank: Bank) -> None:
    mine = await books(bank, "3", "2")
    await mine.hold("hold:1", *[(lot, 2000) for lot in await mine.lots()])

    found = await bank.sql(select(ledger_transactions).where(ledger_transactions.c.key == "hold:1"))
    moved = await bank.sql(select(postings).where(postings.c.transaction_id == found[0].id))

    (row,) = found
    assert (row.learner_id, row.code, row.reason) == (mine.learner, "hold", "asked for")
    assert (row.client_id, row.approver_id) == (AUTHOR, APPROVER)
    assert [(one.code, one.amount_milli, one.recorded_at) for one in moved] == [("HOLD", 2000, row.recorded_at)] * 2


@pytest.mark.parametrize(
    ("day", "milli", "available"),
    [("2025-03-31", 3001, "3"), ("2025-04-01", 1, "0")],
    ids=["more than there is", "past its date"],
)
async def test_a_hold_that_is_short_says_of_what_and_by_how_much(
    bank: Bank, day: str, milli: int, available: str
) -> None:
    mine = await books(bank, "2", "3")
    whole, short = await mine.lots()
    bank.clock.turn(days=(date.fromisoformat(day) - bank.today()).days)

    with pytest.raises(InsufficientCredits) as refused:
        await mine.hold("hold:1", *([(whole, 2000)] if milli > 1 else []), (short, milli))

    said = refused.value
    assert (said.lot, said.available, said.requested) == (short.id, available, "3.001" if milli > 1 else "0.001")
    # Whole or not at all.
    assert await mine.stands() == [{"available": 2000}, {"available": 3000}]
    assert await bank.sql(select(hold_lines)) == []


@pytest.mark.parametrize(
    ("day", "rest"), [("2025-03-31", "available"), ("2025-04-01", "expired")], ids=["before its date", "on its date"]
)
async def test_what_an_award_leaves_of_a_hold_is_given_back_or_has_expired_meanwhile(
    bank: Bank, day: str, rest: str
) -> None:
    mine = await books(bank, "3", "2")
    used, unused = await mine.lots()
    hold = await mine.hold("hold:1", (used, 3000), (unused, 2000))
    bank.clock.turn(days=(date.fromisoformat(day) - bank.today()).days)

    await mine.end("end:1", hold, HoldState.REDEEMED, {used.id: 1000})

    assert await mine.stands() == [{"redeemed": 1000, rest: 2000}, {rest: 2000}]
    kept = {row.lot_id: row.redeemed_milli for row in await bank.sql(select(hold_lines))}
    assert kept == {used.id: 1000, unused.id: 0}
    async with bank.database.read() as connection:
        assert await open_holds(connection, [mine.learner]) == {mine.learner: []}


@pytest.mark.parametrize("state", [HoldState.VOIDED, HoldState.TIMED_OUT])
@pytest.mark.parametrize(
    ("day", "given_back"),
    [("2025-03-31", {"available": 3000}), ("2025-04-01", {"expired": 3000})],
    ids=["before its date", "on its date"],
)
async def test_a_hold_that_ends_without_an_award_lengthens_nothing(
    bank: Bank, day: str, given_back: Mapping[str, int], state: HoldState
) -> None:
    mine = await books(bank, "3")
    (lot,) = await mine.lots()
    hold = await mine.hold("hold:1", (lot, 3000))
    bank.clock.turn(days=(date.fromisoformat(day) - bank.today()).days)

    await mine.end("end:1", hold, state, {})

    assert await mine.stands() == [given_back]


async def test_a_hold_lapses_at_the_very_instant_that_it_names_and_the_longest_over_comes_first(bank: Bank) -> None:
    mine = await books(bank, "3")
    (lot,) = await mine.lots()
    at = bank.clock.instant + timedelta(days=1)
    hours = {2: "later", 0: "first", 1: "second", 3: "ended"}
    made = {name: await mine.hold(name, (lot, 500), until=at + timedelta(hours=n)) for n, name in hours.items()}
    await mine.end("end", made["ended"], HoldState.VOIDED, {})

    async with bank.database.read() as connection:
        over = [await lapsed(connection, at + timedelta(hours=1, microseconds=n), 10) for n in (-1, 0)]
        longest = await lapsed(connection, at + timedelta(hours=9), 1)
        all_ = await lapsed(connection, at + timedelta(hours=9), 10)

    first, second, later = ((mine.learner, made[name].id) for name in ("first", "second", "later"))
    assert over == [[first], [first, second]]
    assert longest == [first]
    assert all_ == [first, second, later]


async def test_where_lots_stood_is_told_by_the_day_and_by_what_was_known_then(bank: Bank) -> None:
    """Both reach to their end: what counts from that very day, and what was recorded at that very instant."""
    mine = await books(bank, "3")
    (lot,) = await mine.lots()
    bank.clock.turn(days=10)
    await mine.hold("hold:1", (lot, 1000))
    held = (await bank.postings(mine.learner))[-1]
    stood: dict[tuple[int, int], int] = {}
    async with bank.database.read() as connection:
        for days, ticks in product((-1, 0, 1), repeat=2):
            day, known = held.effective + timedelta(days), held.recorded_at + timedelta(microseconds=ticks)
            found = await positions_at(connection, mine.learner, effective=day, known=known)
            assert sum(found[lot.id].values()) == 0
            stood[days, ticks] = found[lot.id][Account.RESERVED]

    assert {at for at, milli in stood.items() if milli == 1000} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert set(stood.values()) == {0, 1000}


async def test_what_is_redeemed_is_so_since_it_was_last_nothing(bank: Bank) -> None:
    mine = await books(bank, "3")
    (lot,) = await mine.lots()

    async def since() -> dict[UUID, Redeemed]:
        async with bank.database.read() as connection:
            return await redeemed_since(connection, [mine.learner])

    async def last() -> Redeemed:
        posting = [one for one in await bank.postings(mine.learner) if one.target is Account.REDEEMED][-1]
        return Redeemed(posting.recorded_at, posting.effective)

    await mine.hold("hold", (lot, 500))
    assert await since() == {}
    await mine.redeem("one", (await mine.lots())[0], 1000)
    first = await last()
    assert await since() == {lot.id: first}
    bank.clock.turn(days=1)
    await mine.redeem("two", (await mine.lots())[0], 1000)
    assert await since() == {lot.id: first}
    await mine.annul("one", 1000)
    assert await since() == {lot.id: first}
    # It undoes the posting by which that very act redeemed.
    made = await bank.postings(mine.learner)
    assert made[-1].reverses == next(one.id for one in made if one.target is Account.REDEEMED)
    await mine.annul("two", 1000)
    assert await since() == {}
    bank.clock.turn(days=1)
    await mine.redeem("three", (await mine.lots())[0], 1000)
    assert await since() == {lot.id: await last()}
    assert (await last()).at > first.at + timedelta(days=1)
