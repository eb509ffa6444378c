"""What somebody with the database, or with every secret too, can do to the past, and how each of it is found.

`tests/recognition/test_verify.py` holds what a chain shows by itself. Here the chain was written anew, so that every
stored hash agrees with what is stored: the log shows it, and where the log was written anew too, what people kept does.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, text, update

from creditbank.checkpoints.notes import Signer
from creditbank.checkpoints.tables import checkpoint_hashes, checkpoint_leaves, checkpoint_log, checkpoints
from creditbank.identifiers import new_id
from creditbank.learners.domain import NO_POSTING
from creditbank.learners.tables import learners
from creditbank.ledger.domain import Posting, seal_posting
from creditbank.ledger.tables import postings
from creditbank.settings import sqlite_file
from tests.checkpoints.conftest import Keeper

Tamper = Callable[[Keeper, UUID], Awaitable[None]]

GUARDED = ("postings", "checkpoints", "checkpoint_hashes", "checkpoint_leaves")


@pytest_asyncio.fixture
async def learner(keeper: Keeper) -> UUID:
    """A learner of four postings, of which a checkpoint saw three, beside a neighbour; the guards are taken away."""
    learner, neighbour = await keeper.bank.open("Li Wei", "Zhang San")
    for number in range(3):
        await keeper.bank.record(learner, f"E{number}", code=f"C{number}")
    await keeper.bank.record(neighbour, "E7", code="A")
    await keeper.checkpoint()
    await keeper.bank.record(neighbour, "E8", code="B")
    await keeper.checkpoint()
    await keeper.bank.record(learner, "E9", code="C9")
    assert await keeper.verify() == []
    bank = keeper.bank
    async with bank.database.write() as connection:
        if bank.database.is_sqlite:
            found = await connection.execute(text("select name from sqlite_master where type = 'trigger'"))
            for name in found.scalars().all():
                await connection.execute(text(f"drop trigger {name}"))
        else:
            for table in GUARDED:
                await connection.execute(text(f"alter table {table} disable trigger all"))
    return learner


# --- Writing a chain anew ---------------------------------------------------------------------------------------------


async def rewrite(keeper: Keeper, learner: UUID, chain: Sequence[Posting]) -> None:
    """Put these postings in place of the learner's, with every seq, predecessor, hash and head as it must be."""
    previous, forged = NO_POSTING, list[Posting]()
    for seq, posting in enumerate(chain, start=1):
        forged.append(seal_posting(replace(posting, seq=seq, previous=previous)))
        previous = forged[-1].hash
    async with keeper.bank.database.write() as connection:
        await connection.execute(delete(postings).where(postings.c.learner_id == learner))
        for posting in forged:
            await connection.execute(insert(postings).values(asdict(posting)))
        await connection.execute(
            update(learners).where(learners.c.id == learner).values(seq=len(forged), head=previous)
        )


async def change_one(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, [replace(chain[0], amount_milli=chain[0].amount_milli + 1000), *chain[1:]])


async def remove_one(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, [chain[0], *chain[2:]])


async def add_one(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, [chain[0], replace(chain[0], id=new_id()), *chain[1:]])


async def reorder(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, [chain[1], chain[0], *chain[2:]])


async def name_no_account(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(update(postings).where(postings.c.learner_id == learner).values(source="nowhere"))


async def cut_into_what_was_signed(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, chain[:2])


async def cut_what_was_not_signed_yet(keeper: Keeper, learner: UUID) -> None:
    chain = await keeper.bank.postings(learner)
    await rewrite(keeper, learner, chain[:3])


async def remove_all(keeper: Keeper, learner: UUID) -> None:
    await rewrite(keeper, learner, [])


# --- Writing the log anew ---------------------------------------------------------------------------------------------


async def forget_log(keeper: Keeper) -> None:
    """Empty the log, as though no checkpoint had ever been made."""
    async with keeper.bank.database.write() as connection:
        for table in (checkpoints, checkpoint_hashes, checkpoint_leaves):
            await connection.execute(delete(table))
        await connection.execute(update(checkpoint_log).values(size=0))


def with_new_log(change: Tamper) -> Tamper:
    """The same by somebody who has the signing key too and makes the log anew from the chains as they are now."""

    async def both(keeper: Keeper, learner: UUID) -> None:
        await change(keeper, learner)
        await forget_log(keeper)
        await keeper.checkpoint()

    return both


async def change_leaf(keeper: Keeper, learner: UUID) -> None:
    """Make the leaf's row agree with a chain that was changed."""
    await change_one(keeper, learner)
    third = (await keeper.bank.postings(learner))[2]
    where = checkpoint_leaves.c.learner_id == learner
    await keeper.bank.sql(update(checkpoint_leaves).where(where).values(head=third.hash))


async def change_hash(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(update(checkpoint_hashes).where(checkpoint_hashes.c.position == 2).values(hash=bytes(32)))


async def remove_hash(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(delete(checkpoint_hashes).where(checkpoint_hashes.c.position == 2))


async def remove_leaf_hash(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(delete(checkpoint_hashes).where(checkpoint_hashes.c.position == 0))


async def change_root(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(update(checkpoints).where(checkpoints.c.size == 2).values(root=bytes(32)))


async def sign_with_another_key(keeper: Keeper, learner: UUID) -> None:
    """A checkpoint that says what the log says, signed by who has the database and not the key."""
    row = (await keeper.bank.sql("select root from checkpoints where size = 3"))[0]
    forged = Signer(keeper.signer.key.name, b"x" * 32).sign(3, bytes(row.root), keeper.bank.clock())
    where = checkpoints.c.size == 3
    await keeper.bank.sql(update(checkpoints).where(where).values(note=forged.note, made_at=forged.made_at))


async def remove_leaf(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(delete(checkpoint_leaves).where(checkpoint_leaves.c.learner_id == learner))


async def forge_log_size(keeper: Keeper, learner: UUID) -> None:
    await keeper.bank.sql(update(checkpoint_log).values(size=9))


async def cut_log(keeper: Keeper, learner: UUID) -> None:
    """Take the last leaf and the last checkpoint out without a trace."""
    async with keeper.bank.database.write() as connection:
        await connection.execute(delete(checkpoints).where(checkpoints.c.size == 3))
        await connection.execute(delete(checkpoint_hashes).where(checkpoint_hashes.c.position > 2))
        await connection.execute(delete(checkpoint_leaves).where(checkpoint_leaves.c.place == 2))
        await connection.execute(update(checkpoint_log).values(size=2))


async def nothing(keeper: Keeper, learner: UUID) -> None:
    """Leave all as it is."""


# What the chain's positions and the facts say of it too, which is not what is looked for here.
ELSEWHERE = {"positions_differ", "not_settled", "chain_cut"}

# (what is done, how, what the bank shows by itself, what it shows against a learner's proof and a checkpoint kept)
CASES: list[tuple[str, Tamper, set[str], set[str]]] = [
    ("nothing at all", nothing, set(), set()),
    ("a posting changed", change_one, {"checkpoint_differs"}, {"receipt_changed", "receipt_differs"}),
    ("a posting removed", remove_one, {"checkpoint_differs"}, {"receipt_removed"}),
    ("a posting added", add_one, {"checkpoint_differs"}, {"receipt_added", "receipt_differs"}),
    ("two postings reordered", reorder, {"checkpoint_differs"}, {"receipt_reordered", "receipt_differs"}),
    ("a posting out of no account", name_no_account, {"posting_unreadable"}, set()),
    ("a tail cut that was signed", cut_into_what_was_signed, {"checkpoint_cut"}, {"receipt_cut"}),
    ("every posting removed", remove_all, {"checkpoint_cut"}, {"receipt_cut"}),
    ("a leaf made to agree", change_leaf, {"leaf_differs"}, {"receipt_changed", "receipt_differs"}),
    ("a hash of the log changed", change_hash, {"log_broken"}, {"log_rewritten"}),
    ("a hash of the log removed", remove_hash, {"log_broken"}, {"log_broken"}),
    ("the hash of a leaf removed", remove_leaf_hash, {"log_broken", "leaf_differs"}, set()),
    ("the root of a checkpoint changed", change_root, {"checkpoint_changed", "checkpoint_root"}, set()),
    ("a checkpoint signed by a stranger", sign_with_another_key, {"checkpoint_unsigned"}, set()),
    ("a leaf's row removed", remove_leaf, {"leaves_differ"}, set()),
    ("the size of the log changed", forge_log_size, {"log_broken", "leaves_differ"}, set()),
    ("the end of the log cut", cut_log, set(), {"log_cut"}),
    ("changed, with a new log", with_new_log(change_one), set(),
     {"receipt_changed", "receipt_differs", "log_cut", "log_rewritten"}),
    ("removed, with a new log", with_new_log(remove_one), set(), {"receipt_removed", "log_cut", "log_rewritten"}),
    ("added, with a new log", with_new_log(add_one), set(),
     {"receipt_added", "receipt_differs", "log_cut", "log_rewritten"}),
    ("reordered, with a new log", with_new_log(reorder), set(),
     {"receipt_reordered", "receipt_differs", "log_cut", "log_rewritten"}),
    ("cut, with a new log", with_new_log(cut_into_what_was_signed), set(),
     {"receipt_cut", "log_cut", "log_rewritten"}),
    # The one thing that nobody can find: a tail that no checkpoint saw and nobody kept (docs/proofs.md).
    ("a tail cut that was never signed", cut_what_was_not_signed_yet, set(), set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tamper", "by_itself", "against_what_was_kept"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_it_finds(
    keeper: Keeper, learner: UUID, tamper: Tamper, by_itself: set[str], against_what_was_kept: set[str]
) -> None:
    # The first checkpoint's proof, and the last checkpoint as somebody outside kept them.
    kept = [await keeper.proof(learner, size=2), (await keeper.checkpoint_kept()).note]
    await tamper(keeper, learner)

    alone, against = await keeper.verify(), await keeper.verify(*kept)

    assert {finding.code for finding in alone} - ELSEWHERE == by_itself
    assert {finding.code for finding in against} - ELSEWHERE == by_itself | against_what_was_kept
    assert {finding.learner_id for finding in against} <= {learner, None}
    assert all(finding.learner_id == learner for finding in against if finding.code.startswith("receipt_"))


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_part_of_the_chain_is_enough_to_see_that_what_came_before_is_another(
    keeper: Keeper, learner: UUID, after: int
) -> None:
    kept = await keeper.proof(learner, size=2, after=after)
    await with_new_log(change_one)(keeper, learner)

    codes = {finding.code for finding in await keeper.verify(kept)} - ELSEWHERE

    assert "receipt_differs" in codes


async def test_a_cut_tail_that_nobody_signed_is_found_by_a_later_proof(keeper: Keeper, learner: UUID) -> None:
    """The same cut as in the last row above, made after a checkpoint."""
    await keeper.checkpoint()
    kept = await keeper.proof(learner)
    await with_new_log(cut_what_was_not_signed_yet)(keeper, learner)

    assert "receipt_cut" in {finding.code for finding in await keeper.verify(kept)}


async def test_what_a_stranger_wrote_is_no_evidence(keeper: Keeper, learner: UUID) -> None:
    stranger = Signer(keeper.signer.key.name, b"x" * 32).sign(3, bytes(32), keeper.bank.clock())
    unsound = (await keeper.proof(learner, size=2)).replace('"seq":3', '"seq":4')

    findings = await keeper.verify(stranger.note, unsound)

    assert [finding.code for finding in findings] == ["receipt_unsigned", "receipt_unsound"]


async def test_a_learner_who_is_gone_is_found_by_what_they_kept(keeper: Keeper, learner: UUID) -> None:
    kept = await keeper.proof(learner, size=2)
    file = sqlite_file(keeper.bank.url)
    if file is None:
        await keeper.bank.sql("delete from postings where learner_id = :id", id=learner)
    else:
        with contextlib.closing(sqlite3.connect(file)) as plain, plain:
            plain.execute("delete from postings where learner_id = ?", [learner.hex])

    assert "receipt_cut" in {finding.code for finding in await keeper.verify(kept)}
