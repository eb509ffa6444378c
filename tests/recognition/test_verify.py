"""`verify` believes nothing: every way to tamper with what is stored is found, on both databases."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, text, update

from creditbank.achievements.queries import seal_content
from creditbank.achievements.tables import achievement_keys, achievement_versions
from creditbank.identifiers import new_id
from creditbank.learners.queries import load
from creditbank.learners.tables import learner_keys, learners
from creditbank.ledger.domain import Posting, seal_posting
from creditbank.ledger.queries import chains_of
from creditbank.ledger.tables import lots, postings
from creditbank.recognition.queries import TRACE
from creditbank.recognition.tables import decisions
from creditbank.sealing import Vault
from creditbank.settings import sqlite_file
from tests.bank import Bank, content, document, granting

GUARDED = ("achievement_versions", "decisions", "postings")


@pytest.fixture
async def learner(bank: Bank) -> UUID:
    """A learner with some history, beside a neighbour, in a bank whose guards an intruder has taken away."""
    await bank.publish(document(unique={"keep": "best"}))
    learner, neighbour = await bank.open("Li Wei", "Zhang San")
    first = await bank.record(learner, "E1", code="A")
    await bank.record(learner, "E2", code="A", credits="5")
    await bank.record(learner, "E3", code="B")
    await bank.record(neighbour, "E4", code="A")
    await bank.amend(first, credits="4")
    assert await bank.verify() == []
    await take_guards_away(bank)
    return learner


async def take_guards_away(bank: Bank) -> None:
    """Drop the triggers and the references, as only the owner of the database can."""
    async with bank.database.write() as connection:
        if bank.database.is_sqlite:
            found = await connection.execute(text("select name from sqlite_master where type = 'trigger'"))
            for name in found.scalars().all():
                await connection.execute(text(f"drop trigger {name}"))
        else:
            for table in (*GUARDED, "lots", "learner_keys"):
                await connection.execute(text(f"alter table {table} disable trigger all"))


Tamper = Callable[[Bank, UUID], Awaitable[object]]


async def change_amount(bank: Bank, learner: UUID) -> None:
    await bank.sql(update(postings).where(postings.c.learner_id == learner, postings.c.seq == 2).values(amount_milli=1))


async def change_day(bank: Bank, learner: UUID) -> None:
    await bank.sql(
        update(postings).where(postings.c.learner_id == learner, postings.c.seq == 2).values(effective=date(2024, 1, 1))
    )


async def remove_in_the_middle(bank: Bank, learner: UUID) -> None:
    await bank.sql(delete(postings).where(postings.c.learner_id == learner, postings.c.seq == 2))


async def cut_the_tail(bank: Bank, learner: UUID) -> None:
    last = len(await bank.postings(learner))
    await bank.sql(delete(postings).where(postings.c.learner_id == learner, postings.c.seq == last))


async def add_one(bank: Bank, learner: UUID) -> None:
    """A posting that fits onto the chain by every rule but one: the account does not know of it."""
    async with bank.database.write() as connection:
        last = (await chains_of(connection, [learner]))[learner][-1]
        forged = seal_posting(replace(last, id=new_id(), seq=last.seq + 1, previous=last.hash))
        await connection.execute(insert(postings).values(asdict(forged)))


async def swap_two(bank: Bank, learner: UUID) -> None:
    for old, new in ((1, 1001), (2, 1), (1001, 2)):
        await bank.sql(update(postings).where(postings.c.learner_id == learner, postings.c.seq == old).values(seq=new))


async def move_a_position(bank: Bank, learner: UUID) -> None:
    await bank.sql(
        "update lots set available_milli = available_milli + 1000, issued_milli = issued_milli - 1000 where unit = 'B'"
    )


async def change_a_trace(bank: Bank, learner: UUID) -> None:
    """Seal another text with the right key, as an intruder with the keys could."""
    async with bank.database.write() as connection:
        key = (await load(connection, bank.vault, [learner]))[learner].key
        where = decisions.c.learner_id == learner
        chosen = (await connection.execute(select(decisions.c.id).where(where))).scalars().first()
        await connection.execute(
            update(decisions)
            .where(where, decisions.c.id == chosen)
            .values(trace=key.seal(b'{"effect":"grant"}', TRACE))
        )


async def put_noise_for_a_trace(bank: Bank, learner: UUID) -> None:
    await bank.sql(update(decisions).where(decisions.c.learner_id == learner).values(trace=b"\x01" + bytes(40)))


async def remove_a_decision(bank: Bank, learner: UUID) -> None:
    first = (await bank.postings(learner))[0]
    file = sqlite_file(bank.url)
    if file is None:
        await bank.sql(delete(decisions).where(decisions.c.learner_id == learner, decisions.c.id == first.decision_id))
        return
    # A plain connection does not hold references, as the bank's own do.
    with contextlib.closing(sqlite3.connect(file)) as plain, plain:
        plain.execute("delete from decisions where id = ?", [first.decision_id.hex])


async def forge_a_whole_chain(bank: Bank, learner: UUID) -> None:
    """Another amount in the first posting, with every hash, the head and the position made to agree with it."""
    chain = await bank.postings(learner)
    forged: list[Posting] = []
    for posting in chain:
        amount = posting.amount_milli + (1000 if posting.seq == 1 else 0)
        previous = forged[-1].hash if forged else posting.previous
        forged.append(seal_posting(replace(posting, amount_milli=amount, previous=previous)))
    async with bank.database.write() as connection:
        for posting in forged:
            await connection.execute(
                update(postings)
                .where(postings.c.learner_id == learner, postings.c.seq == posting.seq)
                .values(amount_milli=posting.amount_milli, previous=posting.previous, hash=posting.hash)
            )
        await connection.execute(update(learners).where(learners.c.id == learner).values(head=forged[-1].hash))
        first = (lots.c.learner_id == learner) & (lots.c.id == chain[0].lot_id)
        await connection.execute(
            update(lots)
            .where(first)
            .values(available_milli=lots.c.available_milli + 1000, issued_milli=lots.c.issued_milli - 1000)
        )


async def lengthen_a_lot(bank: Bank, learner: UUID) -> None:
    await bank.sql(update(lots).where(lots.c.learner_id == learner).values(expires=date(2099, 1, 1)))


async def remove_the_key(bank: Bank, learner: UUID) -> None:
    await bank.sql("delete from learner_keys where learner_id in (select learner_id from lots where unit = 'B')")


async def swap_the_keys(bank: Bank, learner: UUID) -> None:
    """The neighbour's wrapped key in the place of the learner's own."""
    await bank.sql(
        "update learner_keys set wrapped = (select wrapped from learner_keys k where k.learner_id <> "
        "learner_keys.learner_id) where learner_id in (select learner_id from lots where unit = 'B')"
    )


async def change_a_fact(bank: Bank, learner: UUID) -> None:
    """A statement changed in its place and sealed with the right key, without settling."""
    async with bank.database.write() as connection:
        key = (await load(connection, bank.vault, [learner]))[learner].key
        better = seal_content(key, content("E3", code="B", credits="30"))
        newest = (
            select(achievement_versions.c.id)
            .where(achievement_versions.c.learner_id == learner, achievement_versions.c.code == "B")
            .scalar_subquery()
        )
        await connection.execute(
            update(achievement_versions)
            .where(achievement_versions.c.learner_id == learner, achievement_versions.c.id == newest)
            .values(content=better)
        )


async def swap_two_statements(bank: Bank, learner: UUID) -> None:
    """The sealed bytes of two statements of one learner in each other's rows: both open, each says the other's."""
    async with bank.database.write() as connection:
        chosen = select(achievement_versions.c.id, achievement_versions.c.content).where(
            achievement_versions.c.learner_id == learner
        )
        rows = (await connection.execute(chosen.order_by(achievement_versions.c.recorded_at).limit(2))).all()
        for row, other in zip(rows, reversed(rows), strict=True):
            await connection.execute(
                update(achievement_versions)
                .where(achievement_versions.c.learner_id == learner, achievement_versions.c.id == row.id)
                .values(content=other.content)
            )


async def claim_for_nothing(bank: Bank, learner: UUID) -> None:
    await bank.sql(insert(achievement_keys).values(key=bytes(32), learner_id=learner, achievement_id=new_id()))


async def remove_what_was_stated_first(bank: Bank, learner: UUID) -> None:
    """Of the amended achievement the version that counts stays, so that nothing else is touched."""
    await bank.sql(
        "delete from achievement_versions where number = 1 and achievement_id in "
        "(select achievement_id from achievement_versions where number = 2)"
    )


CASES: list[tuple[str, Tamper, set[str]]] = [
    ("a posting's amount changed", change_amount, {"chain_broken", "positions_differ"}),
    ("a posting's day changed", change_day, {"chain_broken"}),
    ("a posting removed", remove_in_the_middle, {"chain_broken", "positions_differ"}),
    ("the last posting removed", cut_the_tail, {"chain_cut", "positions_differ"}),
    ("a posting added with a right hash", add_one, {"chain_cut", "positions_differ"}),
    ("two postings swapped", swap_two, {"chain_broken"}),
    ("a lot's position changed", move_a_position, {"positions_differ", "not_settled"}),
    ("a trace replaced, sealed with the right key", change_a_trace, {"trace_changed"}),
    ("traces replaced by noise", put_noise_for_a_trace, {"trace_changed"}),
    ("a whole chain forged", forge_a_whole_chain, {"not_settled"}),
    ("a lot's terms changed", lengthen_a_lot, {"not_settled"}),
    ("a decision removed", remove_a_decision, {"decision_missing"}),
    ("a learner's key removed", remove_the_key, {"key_missing"}),
    ("another's key in its place", swap_the_keys, {"seal_broken"}),
    ("a statement changed without settling", change_a_fact, {"not_settled"}),
    ("two statements swapped, seals and all", swap_two_statements, {"statement_moved"}),
    ("a former version removed", remove_what_was_stated_first, {"version_missing"}),
    ("an external id claimed for nothing", claim_for_nothing, {"claims_differ"}),
]


@pytest.mark.parametrize(("tamper", "codes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_it_finds(bank: Bank, learner: UUID, tamper: Tamper, codes: set[str]) -> None:
    await tamper(bank, learner)

    findings = await bank.verify()

    assert {finding.code for finding in findings} == codes
    # The neighbour is not suspected.
    assert {finding.learner_id for finding in findings} <= {learner, None}


async def test_one_broken_seal_hides_nothing_of_the_others(bank: Bank, learner: UUID) -> None:
    (third,) = await bank.open("Wang Wu")
    await bank.record(third, "E7", code="A")
    await bank.sql(update(learner_keys).where(learner_keys.c.learner_id == third).values(wrapped=bytes(61)))

    await change_amount(bank, learner)

    assert {(finding.code, finding.learner_id) for finding in await bank.verify()} == {
        ("seal_broken", third), ("chain_broken", learner), ("positions_differ", learner),
    }  # fmt: skip


async def test_a_position_that_was_moved_is_not_mended_by_settling(bank: Bank, learner: UUID) -> None:
    await move_a_position(bank, learner)
    await bank.record(learner, "E9", code="C")

    assert "positions_differ" in {finding.code for finding in await bank.verify()}


async def test_a_bank_whose_secret_is_another_cannot_be_read(bank: Bank, learner: UUID) -> None:
    bank.vault = Vault(b"another secret, of thirty-two by.", b"l" * 32)

    assert {finding.code for finding in await bank.verify()} == {"seal_broken"}


async def test_rules_published_and_not_settled_are_found(bank: Bank, learner: UUID) -> None:
    await bank.publish(document(granting("more", {"fixed": 9}, kind="course"), version=2))

    assert {finding.code for finding in await bank.verify()} == {"not_settled"}
    await bank.work()
    assert await bank.verify() == []
