"""Settling posts the difference between what should stand and what stands, whatever the cause and the order."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from creditbank.intake.actions import Recorded
from creditbank.learners.queries import lock
from creditbank.ledger.domain import Account, Code, Lot
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause
from tests.bank import Bank, content, document, granting, submission

BEST = {"keep": "best"}


def standing(lots: Sequence[Lot]) -> dict[str, dict[str, int]]:
    """Where the credits are, by unit, as far as it does not depend on ids."""
    found: dict[str, Counter[str]] = {}
    for lot in lots:
        mine = found.setdefault(lot.key.unit, Counter())
        mine.update({account.value: milli for account, milli in lot.positions.items() if milli})
    return {unit: dict(mine) for unit, mine in sorted(found.items())}


async def settle_whole(bank: Bank, learner: UUID) -> bool:
    """Evaluate a learner whole; answers whether anything had to be written."""
    async with bank.database.write() as connection:
        locked = await lock(connection, bank.vault, [learner])
        settled = await settle(connection, bank.shelf, locked, Cause.DATE, as_of=bank.today(), clock=bank.clock)
    return not settled[learner].difference.is_empty


async def rows(bank: Bank) -> dict[str, int]:
    """How many rows the tables have that settling writes."""
    return {name: await bank.count(name) for name in ("evaluations", "decisions", "lots", "postings")}


async def test_the_same_again_writes_nothing(bank: Bank) -> None:
    await bank.publish(document(unique=BEST))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")
    await bank.record(learner, "E2", code="A", credits="5")
    before = await rows(bank)

    assert not await settle_whole(bank, learner)
    await bank.record(learner, "E1", code="A")

    assert await rows(bank) == before
    assert before["postings"] == 3


async def test_what_no_rule_takes_is_decided_too(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")

    await bank.record(learner, "E1", kind="volunteering")

    (decision,) = await bank.decisions(learner)
    assert (decision.effect, decision.rule_set_id, decision.rule) == ("none", None, None)
    assert await bank.lots(learner) == []


async def test_an_amendment_moves_the_difference_and_keeps_the_lot(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1", code="A")
    (lot,) = await bank.lots(learner)

    await bank.amend(achievement, credits="5")
    await bank.amend(achievement, credits="1")

    (after,) = await bank.lots(learner)
    assert after.id == lot.id
    assert [(p.source, p.target, p.amount_milli, p.code) for p in await bank.postings(learner)] == [
        (Account.ISSUED, Account.AVAILABLE, 3000, Code.ACCRUE),
        (Account.ISSUED, Account.AVAILABLE, 2000, Code.ADJUST_UP),
        (Account.AVAILABLE, Account.ISSUED, 4000, Code.ADJUST_DOWN),
    ]
    # What is corrected counts from the day that governs it, as rules/v1 section 17 dates it.
    assert {p.effective for p in await bank.postings(learner)} == {date(2024, 6, 10)}


async def test_an_amendment_to_another_unit_leaves_the_old_lot_empty(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1", code="A")

    await bank.amend(achievement, code="B")

    assert standing(await bank.lots(learner)) == {"A": {}, "B": {"available": 3000, "issued": -3000}}
    assert await bank.verify() == []


async def test_a_revocation_takes_the_credits_back_from_its_day(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    stays = await bank.record(learner, "E1", code="A")
    goes = await bank.record(learner, "E2", code="B")

    recorded = await bank.revoke(goes, date(2025, 1, 15))

    assert recorded.state == "not_recognised"
    last = (await bank.postings(learner))[-1]
    assert (last.source, last.target, last.amount_milli, last.code, last.effective) == (
        Account.AVAILABLE, Account.ISSUED, 3000, Code.REVERSE, date(2025, 1, 15),
    )  # fmt: skip
    closing = (await bank.decisions(learner))[-1]
    assert (closing.effect, closing.binding, closing.trace) == (
        "withdrawn", str(goes.id), {"effect": "withdrawn", "reason": "revoked"},
    )  # fmt: skip
    assert last.decision_id == closing.id
    assert [lot.positions[Account.AVAILABLE] for lot in await bank.lots(learner)] == [3000, 0]
    assert stays.id != goes.id
    assert await bank.verify() == []


async def test_revoking_the_better_one_brings_the_other_back(bank: Bank) -> None:
    await bank.publish(document(unique=BEST))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A", credits="2")
    better = await bank.record(learner, "E2", code="A", credits="5")
    assert standing(await bank.lots(learner)) == {"A": {"available": 5000, "excess": 2000, "issued": -7000}}

    await bank.revoke(better)

    assert standing(await bank.lots(learner)) == {"A": {"available": 2000, "issued": -2000}}
    assert [p.code for p in await bank.postings(learner)] == [
        Code.ACCRUE, Code.CAP, Code.ACCRUE, Code.UNCAP, Code.REVERSE,
    ]  # fmt: skip


async def test_a_late_result_displaces_what_stood(bank: Bank) -> None:
    await bank.publish(document(unique={"keep": "first"}))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A", completed="2024-06-10", credits="3")

    bank.clock.turn(days=60)
    await bank.record(learner, "E0", code="A", completed="2023-01-10", credits="2")

    assert standing(await bank.lots(learner)) == {"A": {"available": 2000, "excess": 3000, "issued": -5000}}
    assert [(p.code, p.effective) for p in await bank.postings(learner)] == [
        (Code.ACCRUE, date(2024, 6, 10)), (Code.ACCRUE, date(2023, 1, 10)), (Code.CAP, date(2024, 6, 10)),
    ]  # fmt: skip
    assert await bank.verify() == []


FACTS: list[dict[str, Any]] = [
    content("E1", code="A", credits="2", completed="2024-01-10"),
    content("E2", code="A", credits="2", completed="2024-01-10"),
    content("E3", code="A", credits="4", completed="2023-01-10"),
    content("E4", code="B", credits="1.5"),
    content("E5", kind="volunteering", code="C", hours="40"),
]


async def test_the_order_of_arrival_does_not_matter(bank: Bank) -> None:
    """Every learner gets the same facts in another order and in other groups."""
    volunteering = granting("time", {"per_hour": "30"}, kind="volunteering")
    await bank.publish(document(granting("own", kind="course"), volunteering, unique=BEST))
    orders = random.Random(7).sample(list(itertools.permutations(FACTS)), 8)
    learners = await bank.open(*(f"Learner {n}" for n in range(len(orders))))
    # An external id is one achievement of one learner, so the learner is in its name.
    for number, (learner, order) in enumerate(zip(learners, orders, strict=True)):
        named = [{**fact, "external_id": f"{fact['external_id']}/{number}"} for fact in order]
        cut = number % len(named)
        for group in (named[:cut], named[cut:]):
            outcomes = await bank.submit(*(submission(learner, **fact) for fact in group)) if group else []
            assert all(isinstance(outcome, Recorded) for outcome in outcomes)

    stand = [standing(await bank.lots(learner)) for learner in learners]

    assert stand[0]["A"] == {"available": 4000, "excess": 4000, "issued": -8000}
    assert stand == [stand[0]] * len(stand)
    assert await bank.verify() == []


async def test_an_account_that_was_settled_under_older_rules_is_evaluated_whole(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", code="A")

    # Nobody works the job off: the next achievement must find the new rules applied to the first as well.
    await bank.publish(document(granting("more", {"fixed": 7}, kind="course"), version=2))
    await bank.record(learner, "E2", code="B")

    assert standing(await bank.lots(learner)) == {
        "A": {"available": 7000, "issued": -7000}, "B": {"available": 7000, "issued": -7000},
    }  # fmt: skip
    assert await bank.verify() == []


async def test_an_evaluation_says_what_it_read(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1")
    await bank.amend(achievement, credits="4")
    await bank.revoke(achievement)

    found = await bank.sql("select cause, epoch, input_sha256 from evaluations order by recorded_at")

    assert [row.cause for row in found] == ["achievement", "amendment", "revocation"]
    assert {row.epoch for row in found} == {2}
    assert len({bytes(row.input_sha256) for row in found}) == 3


async def test_what_names_no_unit_is_its_own_under_a_name_that_names_nobody(bank: Bank) -> None:
    """The engine's key for it holds what its provider calls it, which may be a student's number."""
    await bank.publish(document(unique=BEST))
    (learner,) = await bank.open("Li Wei")
    first = await bank.record(learner, "STUDENT-7/1")
    second = await bank.record(learner, "STUDENT-7/2")

    await bank.amend(second, credits="5")

    lots = await bank.lots(learner)
    assert [lot.key.unit for lot in lots] == [str(first.id), str(second.id)]
    assert [lot.positions[Account.AVAILABLE] for lot in lots] == [3000, 5000]
    traced = [trace["unit"] for decision in await bank.decisions(learner) for trace in (decision.trace or {})["lots"]]
    assert traced == [str(first.id), str(second.id), str(second.id)]
    assert await bank.verify() == []
