"""The log over a bank: what a checkpoint covers, what its proofs show, and that nothing of it can be changed."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from creditbank.checkpoints.actions import append, sign
from creditbank.checkpoints.domain import (
    CheckpointNotFound,
    CheckpointsReversed,
    Growth,
    ProofNotFound,
    inclusion_spans,
    is_consistent,
    is_included,
    leaf_bytes,
    leaf_hash,
)
from creditbank.checkpoints.queries import (
    SIZE_MAX,
    at_size,
    page_of_checkpoints,
    prove_consistency,
    prove_inclusion,
    span_hashes,
)
from creditbank.checkpoints.receipts import read_receipt
from creditbank.checkpoints.tables import checkpoint_hashes, checkpoint_log
from creditbank.database.statements import insert_rows
from creditbank.learners.domain import LearnerNotFound
from tests.checkpoints.conftest import Keeper


async def test_a_bank_without_learners_is_signed_as_the_empty_tree(keeper: Keeper) -> None:
    made = await keeper.checkpoint()

    assert made.size == 0
    assert made.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert keeper.signer.key.has_signed(made.note)


async def test_only_learners_who_changed_get_a_leaf(keeper: Keeper) -> None:
    first, second, nobody = await keeper.bank.open("Li Wei", "Zhang San", "Wang Wu")
    await keeper.bank.record(first, "E1", code="A")
    await keeper.bank.record(second, "E2", code="A")
    assert (await keeper.checkpoint()).size == 2
    await keeper.bank.record(second, "E3", code="B")
    assert (await keeper.checkpoint()).size == 3

    again = await keeper.checkpoint()

    assert again.size == 3
    assert await keeper.bank.count("checkpoints") == 2
    seqs = await keeper.bank.sql("select place, seq from checkpoint_leaves order by place")
    assert [tuple(row) for row in seqs] == [(0, 1), (1, 1), (2, 2)]
    assert [row[0] for row in await keeper.bank.sql("select learner_id from checkpoint_leaves where place < 2")] != []
    with pytest.raises(ProofNotFound):
        await keeper.proof(nobody)


async def test_a_proof_shows_the_chain_up_to_the_checkpoint_and_no_further(keeper: Keeper) -> None:
    (learner,) = await keeper.bank.open("Li Wei")
    for number in range(3):
        await keeper.bank.record(learner, f"E{number}", code=f"C{number}")
    await keeper.checkpoint()
    await keeper.bank.record(learner, "E9", code="C9")
    plain = json.loads(await keeper.proof(learner, after=1))

    receipt = read_receipt("kept", json.dumps(plain))

    assert receipt.is_sound
    assert (plain["after"], plain["leaf"]["seq"], len(plain["postings"])) == (1, 3, 2)
    assert "Li Wei" not in json.dumps(plain)
    # Asked for nothing of the chain, the leaf alone is proven.
    assert read_receipt("kept", await keeper.proof(learner, after=10**9)).is_sound


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("leaf", "seq"), 2),
        (("leaf", "head"), "00" * 32),
        (("leaf", "salt"), "00" * 16),
        (("leaf", "index"), 1),
        (("learner",), str(UUID(int=7))),
        (("after",), 1),
        (("inclusion", 0), "00" * 32),
        (("postings", 0), "[]"),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, tuple) else "",
)
async def test_a_proof_that_says_something_else_is_not_sound(
    keeper: Keeper, path: tuple[str | int, ...], value: object
) -> None:
    first, second = await keeper.bank.open("Li Wei", "Zhang San")
    for learner in (first, second):
        await keeper.bank.record(learner, f"E{learner}", code="A")
    await keeper.checkpoint()
    plain = json.loads(await keeper.proof(first))
    place = plain
    for name in path[:-1]:
        place = place[name]

    place[path[-1]] = value

    try:
        assert not read_receipt("kept", json.dumps(plain)).is_sound
    except ValueError:
        # Neither a checkpoint nor a proof any more.
        assert path == ("postings", 0)


async def test_a_kept_posting_in_the_middle_cannot_be_changed_either(keeper: Keeper) -> None:
    (learner,) = await keeper.bank.open("Li Wei")
    for number in range(3):
        await keeper.bank.record(learner, f"E{number}", code=f"C{number}")
    await keeper.checkpoint()
    plain = json.loads(await keeper.proof(learner))
    plain["postings"][0] = plain["postings"][0].replace(",3000,", ",9000,")

    assert ",9000," in plain["postings"][0]
    assert not read_receipt("kept", json.dumps(plain)).is_sound


async def test_checkpoints_are_consistent_with_every_earlier_one(keeper: Keeper) -> None:
    learners = await keeper.bank.open(*(f"L{number}" for number in range(7)))
    made = []
    for number in range(7):
        for learner in learners[: number + 1]:
            await keeper.bank.record(learner, f"E{number}-{learner}", code=f"C{number}")
        made.append(await keeper.checkpoint(limit=2))

    async with keeper.bank.database.snapshot() as connection:
        for place, later in enumerate(made):
            for former in made[: place + 1]:
                proof = await prove_consistency(connection, former.size, later.size)
                assert is_consistent(former.size, former.root, later.size, later.root, proof)
        with pytest.raises(CheckpointsReversed):
            await prove_consistency(connection, made[-1].size, made[0].size)
        with pytest.raises(CheckpointNotFound):
            await prove_consistency(connection, 2, made[-1].size)
        with pytest.raises(CheckpointNotFound):
            await at_size(connection, 2**200)
        assert [c.size for c in await page_of_checkpoints(connection, before=made[2].size, limit=9)] == [
            made[1].size, made[0].size,
        ]  # fmt: skip
    assert await keeper.verify() == []
    # An old checkpoint proves what it saw, for ever.
    old = json.loads(await keeper.proof(learners[0], size=made[1].size))
    assert old["leaf"]["seq"] == 2
    assert read_receipt("kept", json.dumps(old)).is_sound


async def test_of_someone_who_is_not_there_nothing_is_proven(keeper: Keeper) -> None:
    (learner,) = await keeper.bank.open("Li Wei")
    async with keeper.bank.database.snapshot() as connection:
        with pytest.raises(LearnerNotFound):
            await prove_inclusion(connection, keeper.bank.vault, UUID(int=7), size=None, after=0)
        with pytest.raises(CheckpointNotFound):
            await prove_inclusion(connection, keeper.bank.vault, learner, size=None, after=0)
        with pytest.raises(CheckpointNotFound):
            await prove_inclusion(connection, keeper.bank.vault, learner, size=SIZE_MAX, after=0)


async def test_two_who_make_a_checkpoint_at_once_make_one_log(keeper: Keeper) -> None:
    learners = await keeper.bank.open(*(f"L{number}" for number in range(12)))
    for learner in learners:
        await keeper.bank.record(learner, f"E{learner}", code="A")

    await asyncio.gather(*(keeper.checkpoint(limit=3) for _ in range(3)))

    assert await keeper.bank.count("checkpoint_leaves") == 12
    assert (await keeper.checkpoint()).size == 12
    assert await keeper.verify() == []


async def test_what_is_signed_again_at_the_same_size_is_the_same_note(keeper: Keeper) -> None:
    async with keeper.bank.database.write() as connection:
        first = await sign(connection, keeper.signer, keeper.bank.clock())
        second = await sign(connection, keeper.signer, keeper.bank.clock())

    assert first.note == second.note


@pytest.mark.parametrize(
    "statement",
    [
        "update checkpoints set note = 'x'",
        "delete from checkpoints",
        "update checkpoint_hashes set position = 99",
        "delete from checkpoint_hashes",
        "update checkpoint_leaves set seq = 9",
        "delete from checkpoint_leaves",
    ],
)
async def test_the_database_refuses_to_change_the_log(keeper: Keeper, statement: str) -> None:
    (learner,) = await keeper.bank.open("Li Wei")
    await keeper.bank.record(learner, "E1", code="A")
    await keeper.checkpoint()

    with pytest.raises(DBAPIError):
        await keeper.bank.sql(text(statement))


async def test_proofs_from_a_log_of_ten_thousand_leaves(keeper: Keeper) -> None:
    leaves = [leaf_hash(leaf_bytes(UUID(int=n), 1, bytes(32), bytes(16))) for n in range(10_000)]
    growth = Growth(0, ())
    rows = [{"position": p, "hash": h} for leaf in leaves for p, h in growth.append(leaf)]
    async with keeper.bank.database.write() as connection:
        await insert_rows(connection, checkpoint_hashes, rows)
        await connection.execute(checkpoint_log.update().values(size=10_000))
        made = await sign(connection, keeper.signer, keeper.bank.clock())
    assert made.root == growth.root()

    async with keeper.bank.database.snapshot() as connection:
        for index in (0, 1, 4095, 4096, 8191, 8192, 9999):
            proof = await span_hashes(connection, inclusion_spans(index, 10_000))
            assert len(proof) <= 14
            assert is_included(leaves[index], index, 10_000, proof, made.root)
            assert not is_included(leaves[index - 1], index, 10_000, proof, made.root)


async def test_appending_goes_on_where_a_step_was_lost(keeper: Keeper) -> None:
    learners = await keeper.bank.open("Li Wei", "Zhang San", "Wang Wu")
    for learner in learners:
        await keeper.bank.record(learner, f"E{learner}", code="A")
    async with keeper.bank.database.write() as connection:
        appended = await append(connection, keeper.bank.vault, limit=2)
    assert (appended.leaves, appended.after) == (2, sorted(learners)[1])

    # A worker that died here comes back, and begins from the first learner again.
    made = await keeper.checkpoint()

    assert made.size == 3
    assert await keeper.verify() == []


async def test_a_leaf_for_each_seq_and_never_two(keeper: Keeper) -> None:
    (learner,) = await keeper.bank.open("Li Wei")
    await keeper.bank.record(learner, "E1", code="A")
    await keeper.checkpoint()
    row = (await keeper.bank.sql("select * from checkpoint_leaves"))[0]._asdict()

    from creditbank.checkpoints.tables import checkpoint_leaves

    with pytest.raises(DBAPIError):
        await keeper.bank.sql(
            insert(checkpoint_leaves).values(
                learner_id=learner, id=UUID(int=9), seq=row["seq"], head=bytes(32), place=1
            )
        )
