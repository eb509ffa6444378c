"""What is stored agrees with itself: positions are the replay of the postings, and the chain is what the docs say."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from creditbank.learners.tables import learners
from creditbank.ledger.domain import Account
from creditbank.ledger.queries import holdings_of, postings_of
from creditbank.ledger.tables import lots, postings
from tests.bank import Bank, document

DAY = date(2025, 3, 1)
ORDER = (
    "learner_id", "seq", "id", "lot_id", "source", "target", "amount_milli", "code", "transaction_id", "decision_id",
    "effective", "recorded_at", "reverses", "previous",
)  # fmt: skip


async def busy(bank: Bank) -> None:
    """Two learners with every kind of change there is so far."""
    await bank.publish(document(unique={"keep": "best"}))
    for n, learner in enumerate(await bank.open("Li Wei", "Zhang San")):
        first = await bank.record(learner, f"E1/{n}", code="A", credits="2.5")
        second = await bank.record(learner, f"E2/{n}", code="A", credits="4")
        await bank.record(learner, f"E3/{n}", code="B", credits="0.125")
        second = (await bank.amend(second, credits="1")).achievement
        await bank.revoke(first)
        await bank.amend(second, code="B")


async def test_the_stored_chain_is_what_the_docs_say(bank: Bank) -> None:
    """Recomputed from the columns by the words of the architecture, with nothing of the bank's own code."""
    await busy(bank)
    heads: dict[object, tuple[int, bytes]] = defaultdict(lambda: (0, bytes(32)))

    for row in await bank.sql(select(postings).order_by(postings.c.learner_id, postings.c.seq)):
        seq, head = heads[row.learner_id]
        assert (row.seq, bytes(row.previous)) == (seq + 1, head)
        since = row.recorded_at - datetime(1970, 1, 1, tzinfo=UTC)
        listed = [
            {
                "amount_milli": row.amount_milli,
                "seq": row.seq,
                "recorded_at": since // timedelta(microseconds=1),
                "reverses": None if row.reverses is None else str(row.reverses),
                "previous": head.hex(),
            }.get(name, str(getattr(row, name)))
            for name in ORDER
        ]
        computed = hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).digest()
        assert computed == bytes(row.hash)
        heads[row.learner_id] = (row.seq, computed)

    kept = {row.id: (row.seq, bytes(row.head)) for row in await bank.sql(select(learners))}
    assert kept == dict(heads)
    assert all(seq >= 8 for seq, _ in kept.values())


async def test_positions_are_the_replay_of_the_postings(bank: Bank) -> None:
    await busy(bank)
    replayed: dict[object, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    for row in await bank.sql(select(postings)):
        replayed[row.lot_id][row.source] -= row.amount_milli
        replayed[row.lot_id][row.target] += row.amount_milli

    for row in await bank.sql(select(lots)):
        stored = {account.value: getattr(row, f"{account}_milli") for account in Account}
        assert stored == {account.value: replayed[row.id][account.value] for account in Account}
        assert sum(stored.values()) == 0


async def test_holdings_are_the_sum_of_the_lots(bank: Bank) -> None:
    await busy(bank)
    (learner, _) = [row.id for row in await bank.sql(select(learners.c.id).order_by(learners.c.id))]

    async with bank.database.read() as connection:
        found = await holdings_of(connection, [(learner, None, DAY), (learner, "cq/sch", DAY)])

    (holding,) = found[learner, None, DAY]
    assert found[learner, "cq/sch", DAY] == []
    for account in Account:
        assert holding.positions[account] == sum(lot.positions[account] for lot in await bank.lots(learner))
    assert holding.positions[Account.AVAILABLE] == 1000
    assert holding.positions[Account.EXCESS] == 125


async def test_postings_are_paged_in_the_order_of_the_chain(bank: Bank) -> None:
    await busy(bank)
    (learner, _) = [row.id for row in await bank.sql(select(learners.c.id).order_by(learners.c.id))]
    every = await bank.postings(learner)

    async with bank.database.read() as connection:
        page = await postings_of(connection, learner, after=2, limit=3)

    assert page == every[2:5]
