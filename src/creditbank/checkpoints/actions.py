"""Appending to the log and signing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.checkpoints.domain import Checkpoint, Growth, leaf_bytes, leaf_hash
from creditbank.checkpoints.notes import Signer
from creditbank.checkpoints.queries import changed_learners, edge_of, latest, lock_log, salt_of
from creditbank.checkpoints.tables import checkpoint_hashes, checkpoint_leaves, checkpoint_log, checkpoints
from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id
from creditbank.sealing import Vault

LEAVES_A_STEP: Final = 2000
"""Most leaves that one transaction appends: others can write in between."""


@dataclass(frozen=True, slots=True)
class Appended:
    """How many leaves a step appended, and the learner to go on after; None when there are no more."""

    leaves: int
    after: UUID | None


async def append(
    connection: AsyncConnection, vault: Vault, *, after: UUID | None = None, limit: int = LEAVES_A_STEP
) -> Appended:
    """Append a leaf for each learner beyond ``after`` whose chain grew since their last one, in the order of ids."""
    size = await lock_log(connection)
    changed = await changed_learners(connection, after=after, limit=limit)
    growth = Growth(size, await edge_of(connection, size))
    leaves, hashes = [], []
    for one in changed:
        salt = salt_of(vault.unwrap(one.learner_id, one.wrapped), one.seq)
        leaves.append(
            {"learner_id": one.learner_id, "id": new_id(), "seq": one.seq, "head": one.head, "place": growth.size}
        )
        made = growth.append(leaf_hash(leaf_bytes(one.learner_id, one.seq, one.head, salt)))
        hashes += [{"position": place, "hash": hash_} for place, hash_ in made]
    await insert_rows(connection, checkpoint_leaves, leaves)
    await insert_rows(connection, checkpoint_hashes, hashes)
    if growth.size != size:
        await connection.execute(update(checkpoint_log).values(size=growth.size))
    return Appended(len(changed), changed[-1].learner_id if len(changed) == limit else None)


async def sign(connection: AsyncConnection, signer: Signer, now: datetime) -> Checkpoint:
    """Sign the log as it stands. Signed at this size already, it is not signed again: the same log says the same."""
    size = await lock_log(connection)
    last = await latest(connection)
    if last is not None and last.size == size:
        return last
    root = Growth(size, await edge_of(connection, size)).root()
    made = signer.sign(size, root, now)
    row = {"size": made.size, "root": made.root, "made_at": made.made_at, "note": made.note}
    await insert_rows(connection, checkpoints, [row])
    return made
