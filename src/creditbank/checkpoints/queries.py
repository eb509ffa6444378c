"""Reads of the log, and the proofs that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.checkpoints.domain import (
    Checkpoint,
    CheckpointNotFound,
    CheckpointsReversed,
    Leaf,
    Proof,
    ProofNotFound,
    Span,
    consistency_spans,
    inclusion_spans,
    pieces,
    position,
    span_hash,
)
from creditbank.checkpoints.tables import checkpoint_hashes, checkpoint_leaves, checkpoint_log, checkpoints
from creditbank.database.statements import among, for_update
from creditbank.learners.queries import absence, find_key
from creditbank.learners.tables import learner_keys, learners
from creditbank.ledger.domain import canonical
from creditbank.ledger.queries import postings_of
from creditbank.sealing import LearnerKey, Vault

SIZE_MAX: Final = 2**62
"""Larger than any log; asked for more, the database would be asked for a number that it does not have."""


def salt_of(key: LearnerKey, seq: int) -> bytes:
    """The salt of a learner's leaf. It is stored nowhere, and goes when the learner's key goes."""
    return key.mark(b"checkpoints.leaf %d" % seq)


async def log_size(connection: AsyncConnection) -> int:
    """How many leaves the log has, signed or not yet."""
    size: int = (await connection.execute(select(checkpoint_log.c.size))).scalar_one()
    return size


async def lock_log(connection: AsyncConnection) -> int:
    """Keep others from appending until this transaction ends; answers how many leaves there are."""
    locked = for_update(connection, select(checkpoint_log.c.size), checkpoint_log)
    size: int = (await connection.execute(locked)).scalar_one()
    return size


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a learner's chain stands now, with the key to what is sealed of them as it is stored."""

    learner_id: UUID
    seq: int
    head: bytes
    wrapped: bytes


async def changed_learners(connection: AsyncConnection, *, after: UUID | None, limit: int) -> list[Standing]:
    """Learners beyond ``after`` whose chain grew since their last leaf, in the order of their ids."""
    same = (checkpoint_leaves.c.learner_id == learners.c.id) & (checkpoint_leaves.c.seq == learners.c.seq)
    statement = (
        select(learners.c.id, learners.c.seq, learners.c.head, learner_keys.c.wrapped)
        .join(learner_keys, learner_keys.c.learner_id == learners.c.id)
        .where(learners.c.seq > 0, ~exists().where(same))
        .order_by(learners.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(learners.c.id > after)
    return [Standing(row.id, row.seq, bytes(row.head), row.wrapped) for row in await connection.execute(statement)]


async def hashes_at(connection: AsyncConnection, positions: Sequence[int]) -> dict[int, bytes]:
    """The stored subtrees at these positions; those that are not there are left out."""
    if not positions:
        return {}
    statement = select(checkpoint_hashes).where(among(connection, checkpoint_hashes.c.position, positions))
    return {row.position: bytes(row.hash) for row in await connection.execute(statement)}


async def edge_of(connection: AsyncConnection, size: int) -> list[bytes]:
    """The hashes of the complete subtrees that a log of this size consists of, the largest first."""
    wanted = [position(piece) for piece in pieces((0, size))]
    stored = await hashes_at(connection, wanted)
    return [stored[place] for place in wanted]


async def span_hashes(connection: AsyncConnection, spans: Sequence[Span]) -> list[bytes]:
    """The hash of each span, all read at once. Raises KeyError when the log lacks a subtree that it must have."""
    wanted = sorted({position(piece) for span in spans for piece in pieces(span)})
    stored = await hashes_at(connection, wanted)
    return [span_hash(span, stored) for span in spans]


def _checkpoint_of(row: Row[Any]) -> Checkpoint:
    return Checkpoint(row.size, bytes(row.root), row.made_at, row.note)


async def latest(connection: AsyncConnection) -> Checkpoint | None:
    """The checkpoint that was signed last; None before the first."""
    statement = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return _checkpoint_of(row) if row is not None else None


async def at_size(connection: AsyncConnection, size: int) -> Checkpoint:
    """The checkpoint of this size. Raises CheckpointNotFound."""
    statement = select(checkpoints).where(checkpoints.c.size == min(size, SIZE_MAX))
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise CheckpointNotFound
    return _checkpoint_of(row)


async def page_of_checkpoints(connection: AsyncConnection, *, before: int | None, limit: int) -> list[Checkpoint]:
    """Checkpoints, the newest first, those smaller than ``before``."""
    statement = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(limit)
    if before is not None:
        statement = statement.where(checkpoints.c.size < min(before, SIZE_MAX))
    return [_checkpoint_of(row) for row in await connection.execute(statement)]


async def prove_consistency(connection: AsyncConnection, first: int, size: int) -> list[bytes]:
    """That the log signed at ``size`` begins with the log signed at ``first``.

    Raises CheckpointNotFound, and CheckpointsReversed when the first is the larger.
    """
    if first > size:
        raise CheckpointsReversed(size=str(size))
    await at_size(connection, first)
    await at_size(connection, size)
    # Every log begins with the empty one: there is nothing to prove.
    return await span_hashes(connection, consistency_spans(first, size)) if first else []


_LEAVES = select(checkpoint_leaves).order_by(checkpoint_leaves.c.seq)


def _leaf_of(row: Row[Any]) -> Leaf:
    return Leaf(row.learner_id, row.seq, bytes(row.head), row.place)


async def leaves_of(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Leaf]]:
    """Every leaf of these learners, by learner, the oldest first."""
    found: dict[UUID, list[Leaf]] = {learner_id: [] for learner_id in learner_ids}
    for row in await connection.execute(_LEAVES.where(among(connection, checkpoint_leaves.c.learner_id, learner_ids))):
        found[row.learner_id].append(_leaf_of(row))
    return found


async def count_leaves(connection: AsyncConnection) -> int:
    """How many leaves are some learner's."""
    return (await connection.execute(select(func.count()).select_from(checkpoint_leaves))).scalar_one()


async def prove_inclusion(
    connection: AsyncConnection, vault: Vault, learner_id: UUID, *, size: int | None, after: int
) -> Proof:
    """What a learner can keep: their last leaf in a checkpoint (the latest by default) and the chain that leads to it.

    Of the chain only the postings beyond ``after`` in seq are shown. Raises LearnerNotFound, CheckpointNotFound, and
    ProofNotFound when no posting of the learner is in the checkpoint.
    """
    key = await find_key(connection, vault, learner_id)
    if key is None:
        raise await absence(connection, learner_id)
    checkpoint = await latest(connection) if size is None else await at_size(connection, size)
    if checkpoint is None:
        raise CheckpointNotFound
    mine = checkpoint_leaves.c.learner_id == learner_id
    statement = select(checkpoint_leaves).where(mine, checkpoint_leaves.c.place < checkpoint.size)
    row = (await connection.execute(statement.order_by(checkpoint_leaves.c.place.desc()).limit(1))).one_or_none()
    if row is None:
        raise ProofNotFound
    leaf = _leaf_of(row)
    after = min(after, leaf.seq)
    hashes = await span_hashes(connection, inclusion_spans(leaf.index, checkpoint.size))
    # Postings that came later are no part of what was signed.
    segment = await postings_of(connection, learner_id, after=after, limit=leaf.seq - after) if after < leaf.seq else []
    return Proof(
        checkpoint, leaf, salt_of(key, leaf.seq), tuple(hashes), after, tuple(canonical(posting) for posting in segment)
    )
