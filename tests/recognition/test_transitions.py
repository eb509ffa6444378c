"""What a change of rules does to credits on which something is built (rules/v1 sections 8 and 12, law)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from creditbank.enrolments.actions import add, add_change
from creditbank.enrolments.domain import Change, ChangeKind, Enrolment
from creditbank.identifiers import new_id
from creditbank.learners.queries import lock
from creditbank.ledger.actions import Act, Step, act, end_hold, place_hold
from creditbank.ledger.domain import Account, Code, Hold, HoldState, Lot, annul
from creditbank.publishing.actions import withdraw
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause
from tests.bank import ZONE, Bank, document, granting
from tests.covering import covered
from tests.recognition.test_settle import settle_whole

LATER = datetime(2099, 1, 1, tzinfo=UTC)
LEGAL = {"legal_basis": ["notice 12/2023"]}


def giving(amount: str, version: int = 1, *, start: str = "2020-01-01", **blocks: Any) -> dict[str, Any]:
    """A version that gives every course so many credits."""
    header = blocks.pop("header", {})
    plain = document(granting("own", {"fixed": amount}, kind="course"), version=version, start=start, **blocks)
    plain["ruleset"].update(header)
    return plain


async def holding(bank: Bank, learner: UUID, *lots: Lot) -> Hold:
    """Reserve all that is available of these lots."""
    async with bank.database.write() as connection:
        one = (await lock(connection, bank.vault, [learner]))[learner]
        lines = [(lot, lot.positions[Account.AVAILABLE]) for lot in lots]
        done = Act(f"hold:{new_id()}", "hold")
        return await place_hold(connection, one, done, lines, today=bank.today(), until=LATER, now=bank.clock())


async def end(bank: Bank, hold: Hold, state: HoldState = HoldState.REDEEMED) -> None:
    """End a hold: with an award of all that it reserves, or without."""
    lots = {lot.id: lot for lot in await bank.lots(hold.learner_id)}
    used = {line.lot_id: line.milli for line in hold.lines} if state is HoldState.REDEEMED else {}
    async with bank.database.write() as connection:
        one = (await lock(connection, bank.vault, [hold.learner_id]))[hold.learner_id]
        done = Act(f"end:{hold.id}", "redeem")
        await end_hold(connection, one, done, hold, lots, state, used=used, today=bank.today(), now=bank.clock())


async def redeeming(bank: Bank, learner: UUID, *lots: Lot) -> None:
    """Use lots up for an award."""
    await end(bank, await holding(bank, learner, *lots))


def where(lots: Sequence[Lot]) -> list[dict[str, int]]:
    """Where the credits of each lot are."""
    return [
        {account.value: milli for account, milli in lot.positions.items() if milli and account is not Account.ISSUED}
        for lot in lots
    ]


async def codes(bank: Bank, learner: UUID) -> list[Code]:
    return [posting.code for posting in await bank.postings(learner)]


async def change(bank: Bank, *documents: Mapping[str, Any]) -> None:
    """Publish and settle everybody."""
    for plain in documents:
        await bank.publish(plain)
        await bank.work()


YEAR = {"year": {"starts": ["01-01"]}}
CAP = {"id": "year", "per": "year", "at_most": {"credits": "1"}}
POOL = {"id": "own", "match": {"kind": "course"},
        "grant": [{"credits": {"per_hour": "10"}, "pool": {"per": "lifetime"}}]}  # fmt: skip

CORRECTIONS: list[tuple[str, dict[str, Any], int]] = [
    ("less", giving("1", 2), 1000),
    ("more", giving("5", 2), 5000),
    ("nothing, for no rule takes it", document(granting("exams", kind="exam"), version=2), 0),
    ("nothing, for it is denied",
     document({"id": "no", "match": {"kind": "course"}, "effect": "deny"}, granting("exams", kind="exam"), version=2),
     0),
    ("a person must look at it",
     document({"id": "look", "match": {"kind": "course"}, "effect": "review"}, granting("e", kind="exam"), version=2),
     0),
    ("another unit",
     document({"id": "own", "match": {"kind": "course"},
               "grant": [{"unit": "NEW", "credits": {"fixed": "2"}}]}, version=2), 2000),
    ("a tighter limit", giving("3", 2, calendars=YEAR, limits=[CAP]), 0),
    ("a tighter limit that drops what is over",
     giving("3", 2, calendars=YEAR, limits=[{**CAP, "overflow": "drop"}]), 0),
    ("a shorter validity", giving("3", 2, validity={"max": "P1M"}), 0),
    ("a pool", document(POOL, version=2), 4000),
]  # fmt: skip


@pytest.mark.parametrize(("correction", "fresh"), [case[1:] for case in CORRECTIONS], ids=[c[0] for c in CORRECTIONS])
async def test_a_correction_never_touches_what_is_redeemed(
    bank: Bank, correction: Mapping[str, Any], fresh: int
) -> None:
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A", hours="40")
    await redeeming(bank, learner, *await bank.lots(learner))
    before = await bank.lots(learner), await bank.postings(learner), await bank.decisions(learner)

    await change(bank, correction)

    assert (await bank.lots(learner), await bank.postings(learner), await bank.decisions(learner)) == before
    assert await bank.verify() == []
    assert not await settle_whole(bank, learner)

    # What comes now comes under the correction, and finds the room and the unit taken.
    await bank.record(learner, "E2", code="B", hours="40", completed="2024-06-20")
    mine = [lot for lot in await bank.lots(learner) if lot.id != before[0][0].id]
    assert sum(lot.positions[Account.AVAILABLE] for lot in mine) == fresh
    assert (await bank.lots(learner))[0] == before[0][0]
    assert await bank.verify() == []


async def test_a_version_that_is_withdrawn_still_holds_what_was_redeemed_under_it(bank: Bank) -> None:
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await bank.record(learner, "E2", code="B")
    await redeeming(bank, learner, (await bank.lots(learner))[0])

    async with bank.database.write() as connection:
        await withdraw(connection, await bank.version("town", 1), bank.clock)
    await bank.work()

    assert where(await bank.lots(learner)) == [{"redeemed": 3000}, {}]
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []


async def test_facts_still_take_back_what_is_redeemed_when_its_version_is_gone(bank: Bank) -> None:
    await change(bank, document())
    (learner,) = await bank.open("Li Wei")
    amended = await bank.record(learner, "E1", code="A")
    revoked = await bank.record(learner, "E2", code="B")
    await redeeming(bank, learner, *await bank.lots(learner))
    await change(bank, giving("5", 2))

    await bank.amend(amended, credits="2")
    await bank.revoke(revoked)

    assert where(await bank.lots(learner)) == [{"redeemed": 3000, "owed": -1000}, {"redeemed": 3000, "owed": -3000}]
    assert await bank.verify() == []
    await change(bank, giving("1", 3))
    assert where(await bank.lots(learner)) == [{"redeemed": 3000, "owed": -1000}, {"redeemed": 3000, "owed": -3000}]
    assert await bank.verify() == []


async def test_a_pool_comes_to_what_it_came_to(bank: Bank) -> None:
    """Half a credit was the second's share of a pool from which the correction takes the first."""
    pooled = {"id": "own", "match": {"kind": "course"},
              "grant": [{"credits": {"per_hour": "30", "step": "1/2"}, "pool": {"per": "lifetime"}}]}  # fmt: skip
    without = {**pooled, "match": {"kind": "course", "code": ["B", "C"]}}
    await change(bank, document(pooled))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A", hours="40", completed="2024-01-10")
    await bank.record(learner, "E2", code="B", hours="10", completed="2024-02-10")
    await redeeming(bank, learner, (await bank.lots(learner))[1])

    await change(bank, document(without, version=2))

    assert where(await bank.lots(learner)) == [{}, {"redeemed": 500}]
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []


async def test_what_comes_late_meets_what_was_redeemed_under_former_rules(bank: Bank) -> None:
    """A change that touches little is settled as if everything were: the former rules took achievements together."""
    pooled = {"id": "own", "match": {"kind": "course"},
              "grant": [{"credits": {"per_hour": "30", "step": "1/2"}, "pool": {"per": "lifetime"}}]}  # fmt: skip
    await change(bank, document(pooled))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A", hours="40", completed="2024-01-10")
    await bank.record(learner, "E2", code="B", hours="10", completed="2024-02-10")
    await redeeming(bank, learner, (await bank.lots(learner))[1])
    await change(bank, giving("1", 2, unique={"keep": "best"}))
    assert where(await bank.lots(learner)) == [{"available": 1000}, {"redeemed": 500}]

    # Its unit is taken, though the rules in force would let it count more.
    await bank.record(learner, "E3", code="B", hours="10", completed="2024-03-10")
    assert where(await bank.lots(learner)) == [{"available": 1000}, {"redeemed": 500}, {"excess": 1000}]
    assert await bank.verify() == []

    # Five hours before it would leave it nothing of the pool in which it had its share. But that pool's rules were gone
    # when these came, which count by other rules.
    await bank.record(learner, "E0", code="C", hours="5", completed="2023-01-10")
    assert where(await bank.lots(learner))[1] == {"redeemed": 500}
    assert await bank.verify() == []


async def test_a_simulation_reports_no_loss_of_what_is_redeemed(bank: Bank) -> None:
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await redeeming(bank, learner, *await bank.lots(learner))
    await change(bank, giving("2", 2))

    for version in (giving("1", 3), document(granting("exams", kind="exam"), version=4)):
        simulated = await bank.simulate(await bank.validate(await bank.draft(covered(version, {}))))
        assert simulated.report is not None
        assert simulated.report["learners"]["losing"] == 0
        assert simulated.report["shrinking"] == 0


SECOND = {"start": "2025-01-01"}


async def test_what_is_held_stays_under_the_version_that_decided_it(bank: Bank) -> None:
    """Version 2 reached it, then it was held: settling again does not flip it back to version 1."""
    await change(bank, giving("1"), giving("3", 2, **SECOND, transition={"applies_to": "unredeemed"}))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    hold = await holding(bank, learner, *await bank.lots(learner))
    before = await bank.postings(learner), await bank.decisions(learner)

    assert not await settle_whole(bank, learner)
    await bank.record(learner, "E2", kind="volunteering")
    assert await bank.verify() == []
    assert where(await bank.lots(learner)) == [{"reserved": 3000}]
    assert await bank.postings(learner) == before[0]

    await end(bank, hold)
    assert not await settle_whole(bank, learner)
    assert where(await bank.lots(learner)) == [{"redeemed": 3000}]
    assert await bank.verify() == []


async def test_unredeemed_leaves_what_is_held_and_all_reaches_it(bank: Bank) -> None:
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    for code in "ABC":
        await bank.record(learner, f"E{code}", code=code)
    lots = await bank.lots(learner)
    await holding(bank, learner, lots[0])
    await redeeming(bank, learner, lots[1])
    retroactive: dict[str, Any] = {"header": LEGAL, **SECOND}

    await change(bank, giving("2", 2, **retroactive, transition={"applies_to": "unredeemed", "retroactive": True}))
    assert where(await bank.lots(learner)) == [{"reserved": 3000}, {"redeemed": 3000}, {"available": 2000}]
    assert await bank.verify() == []

    again: dict[str, Any] = {"header": LEGAL, "start": "2025-02-01"}
    await change(bank, giving("1", 3, **again, transition={"applies_to": "all", "retroactive": True}))
    assert where(await bank.lots(learner)) == [{"available": 1000}, {"redeemed": 3000}, {"available": 1000}]
    assert Code.VOID in await codes(bank, learner)
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []


async def test_a_correction_governs_what_is_held(bank: Bank) -> None:
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await holding(bank, learner, *await bank.lots(learner))

    await change(bank, giving("1", 2))

    assert where(await bank.lots(learner)) == [{"available": 1000}]
    assert await bank.verify() == []


async def test_versions_one_two_one_return_to_the_first_positions(bank: Bank) -> None:
    """Invariant 13, with something redeemed meanwhile."""
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await bank.record(learner, "E2", code="B")
    await redeeming(bank, learner, (await bank.lots(learner))[0])
    before = where(await bank.lots(learner))

    await change(bank, giving("1", 2))
    assert where(await bank.lots(learner)) == [{"redeemed": 3000}, {"available": 1000}]
    await change(bank, giving("3", 3))

    assert where(await bank.lots(learner)) == before
    assert await bank.verify() == []


async def test_what_an_annulment_gives_back_comes_under_the_rules_in_force(bank: Bank) -> None:
    """Redeemed anew it rests on the rules of that time, not on those of the first."""
    await change(bank, giving("3"))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await redeeming(bank, learner, *await bank.lots(learner))
    await change(bank, giving("2", 2))
    (redeemed,) = [posting.id for posting in await bank.postings(learner) if posting.code is Code.REDEEM]
    async with bank.database.write() as connection:
        one = (await lock(connection, bank.vault, [learner]))[learner]
        (lot,) = await bank.lots(learner)
        step = Step(lot, annul(lot.positions, 3000, redeemed, expired=False), bank.today())
        await act(connection, one, Act("annul", "annul"), [step], bank.clock())
    assert await settle_whole(bank, learner)
    assert where(await bank.lots(learner)) == [{"available": 2000}]

    await redeeming(bank, learner, *await bank.lots(learner))
    await change(bank, giving("1", 3))

    assert where(await bank.lots(learner)) == [{"redeemed": 2000}]
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []


# --- Elections --------------------------------------------------------------------------------------------------------

PROGRAMME = {"id": "degree", "total": "3"}
ELECTIVE = {"elect_until": "2025-06-01"}


async def elect(bank: Bank, learner: UUID, version: int, start: str) -> None:
    """Enrol a learner, who elects a version, in one transaction with what follows from it."""
    rule_set = (await bank.version("town", 1)).rule_set.id
    now = bank.clock()
    enrolment = Enrolment(learner, new_id(), rule_set, "degree", date(2024, 9, 1), None, now)
    elected = Change(new_id(), ChangeKind.ELECTED, bank.today(), {"version": version, "from": start}, now)
    async with bank.database.write() as connection:
        locked = await lock(connection, bank.vault, [learner])
        await add(connection, enrolment, new_id())
        await add_change(connection, enrolment, elected, new_id())
        await settle(connection, bank.shelf, locked, Cause.ENROLMENT, as_of=bank.today(), clock=bank.clock)


async def test_an_election_moves_what_is_older_as_a_whole(bank: Bank) -> None:
    second = giving("5", 2, **SECOND, transition=ELECTIVE, programmes=[PROGRAMME])
    await change(bank, giving("1", programmes=[PROGRAMME]), second)
    learner, other = await bank.open("Li Wei", "Wang Fang")
    for one in (learner, other):
        for code in "ABC":
            await bank.record(one, f"{code}/{one}", code=code)
    lots = await bank.lots(learner)
    await redeeming(bank, learner, lots[0])
    await holding(bank, learner, lots[1])

    await elect(bank, learner, 2, "2025-01-01")

    reached = [{"redeemed": 1000}, {"reserved": 1000}, {"available": 5000}]
    assert where(await bank.lots(learner)) == reached
    assert where(await bank.lots(other)) == [{"available": 1000}] * 3
    assert await bank.verify() == []
    assert not await settle_whole(bank, learner)

    # The time in which one may elect is over: what was elected stands, and a correction takes its place.
    bank.clock.turn(days=200)
    await bank.work()
    await bank.record(learner, "D", code="D")
    assert where(await bank.lots(learner)) == [*reached, {"available": 5000}]
    await change(bank, giving("6", 3, **SECOND, transition=ELECTIVE, programmes=[PROGRAMME]))
    assert where(await bank.lots(learner))[2:] == [{"available": 6000}] * 2
    assert where(await bank.lots(other)) == [{"available": 1000}] * 3
    assert await bank.verify() == []


DROPPING = {**CAP, "at_most": {"credits": "4"}, "overflow": "drop"}
TIGHT: dict[str, Any] = {"calendars": YEAR, "limits": [DROPPING]}


async def test_an_election_takes_no_room_from_what_was_redeemed_before_it(bank: Bank) -> None:
    second = giving("3", 2, **SECOND, **TIGHT, transition=ELECTIVE, programmes=[PROGRAMME])
    await change(bank, giving("2", **TIGHT, programmes=[PROGRAMME]), second)
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "A", code="A", completed="2024-01-10")
    await bank.record(learner, "B", code="B", completed="2024-02-10")
    await redeeming(bank, learner, (await bank.lots(learner))[1])

    await elect(bank, learner, 2, "2025-01-01")

    assert where(await bank.lots(learner)) == [{"available": 2000}, {"redeemed": 2000}]
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []
    assert not await settle_whole(bank, learner)


async def test_a_hold_that_ends_takes_no_room_from_what_was_redeemed_beside_it(bank: Bank) -> None:
    await change(bank, giving("2", **TIGHT))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "A", code="A", completed="2024-01-10")
    await bank.record(learner, "B", code="B", completed="2024-02-10")
    first, second = await bank.lots(learner)
    hold, other = await holding(bank, learner, first), await holding(bank, learner, second)
    await change(bank, giving("3", 2, **SECOND, **TIGHT, transition={"applies_to": "unredeemed"}))
    await end(bank, other)

    await end(bank, hold, HoldState.VOIDED)
    await settle_whole(bank, learner)

    assert where(await bank.lots(learner)) == [{"available": 2000}, {"redeemed": 2000}]
    assert Code.CLAWBACK not in await codes(bank, learner)
    assert await bank.verify() == []


async def test_what_is_first_recorded_under_later_rules_takes_no_room_under_former_ones(bank: Bank) -> None:
    limit = {"id": "all", "at_most": {"credits": "4"}, "overflow": "drop"}
    await change(bank, giving("4", limits=[limit]))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "B", code="B", completed="2024-02-10")
    await redeeming(bank, learner, *await bank.lots(learner))
    await change(bank, giving("4", 2, limits=[{**limit, "at_most": {"credits": "100"}}]))

    await bank.record(learner, "A", code="A", completed="2024-01-10")

    assert where(await bank.lots(learner)) == [{"redeemed": 4000}, {"available": 4000}]
    assert await bank.verify() == []


async def test_what_comes_late_acts_while_its_rules_stay_and_goes_on_when_they_change(bank: Bank) -> None:
    limit = {"id": "all", "at_most": {"credits": "4"}, "overflow": "drop"}
    await change(bank, giving("4", limits=[limit]))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "B", code="B", completed="2024-02-10")
    await redeeming(bank, learner, *await bank.lots(learner))
    await bank.record(learner, "A", code="A", completed="2024-01-10")
    assert where(await bank.lots(learner))[0] == {"redeemed": 4000, "owed": -4000}

    await change(bank, giving("4", 2, limits=[{**limit, "at_most": {"credits": "100"}}]))

    assert where(await bank.lots(learner))[0] == {"redeemed": 4000, "owed": -4000}
    assert await bank.verify() == []


@pytest.mark.parametrize(
    ("minutes", "stands"),
    [(-30, {"redeemed": 4000, "owed": -4000}), (30, {"redeemed": 4000})],
    ids=["before the day begins", "after it began"],
)
async def test_a_first_day_begins_where_the_bank_counts_its_days(
    bank: Bank, minutes: int, stands: dict[str, int]
) -> None:
    limit = {"id": "all", "at_most": {"credits": "4"}, "overflow": "drop"}
    await change(bank, giving("4", limits=[limit]), giving("4", 2, start="2025-06-01", limits=[limit]))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "B", code="B", completed="2024-02-10")
    await redeeming(bank, learner, *await bank.lots(learner))
    bank.clock.instant = datetime(2025, 6, 1, tzinfo=ZONE).astimezone(UTC) + timedelta(minutes=minutes)

    await bank.record(learner, "A", code="A", completed="2024-01-10")

    (redeemed,) = [lot for lot in await bank.lots(learner) if lot.positions[Account.REDEEMED]]
    assert where([redeemed]) == [stands]
    assert await bank.verify() == []
