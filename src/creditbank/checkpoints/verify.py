"""Proof that the log is what was signed, and that the chains are what the log saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.checkpoints.domain import Checkpoint, Growth, leaf_bytes, leaf_hash, position
from creditbank.checkpoints.notes import NoteMalformed, VerifierKey, read_note
from creditbank.checkpoints.queries import (
    count_leaves,
    hashes_at,
    leaves_of,
    log_size,
    page_of_checkpoints,
    salt_of,
    span_hashes,
)
from creditbank.checkpoints.receipts import Kept, Receipt, differences
from creditbank.checkpoints.tables import checkpoint_hashes
from creditbank.ledger.domain import PostingUnreadable
from creditbank.ledger.queries import chains_of
from creditbank.recognition.verify import Chains, Finding, Standing

_PAGE: Final = 5000


async def verify_leaves(
    connection: AsyncConnection, learners: Mapping[UUID, Standing], chains: Chains
) -> list[Finding]:
    """Each leaf of these learners is still the hash of the posting that it saw, and is in the log as it was."""
    leaves = await leaves_of(connection, list(learners))
    places = [position((0, leaf.index)) for mine in leaves.values() for leaf in mine]
    stored = await hashes_at(connection, places)
    findings = []
    for id_, mine in leaves.items():
        chain, key = chains[id_], learners[id_].key
        for leaf in mine:
            if leaf.seq > len(chain):
                detail = f"a checkpoint saw {leaf.seq} postings, there are {len(chain)}"
                findings.append(Finding("checkpoint_cut", id_, detail))
            elif chain[leaf.seq - 1].hash != leaf.head:
                detail = f"posting {leaf.seq} is not the one that a checkpoint saw"
                findings.append(Finding("checkpoint_differs", id_, detail))
            if key is None:
                # The salt went with the key of an erased person: the leaf says nothing of them any more.
                continue
            hashed = leaf_hash(leaf_bytes(id_, leaf.seq, leaf.head, salt_of(key, leaf.seq)))
            if stored.get(position((0, leaf.index))) != hashed:
                findings.append(Finding("leaf_differs", id_, f"leaf {leaf.index} of the log is not this learner's"))
    return findings


async def verify_log(connection: AsyncConnection, keys: Sequence[VerifierKey]) -> list[Finding]:
    """The log is a tree over its leaves, and each checkpoint is signed and says the root that the tree had."""
    size = await log_size(connection)
    signed = {checkpoint.size: checkpoint async for checkpoint in _all_checkpoints(connection)}
    findings = [finding for checkpoint in signed.values() for finding in _verify_note(checkpoint, keys)]
    growth, roots, broken = await _grown(connection, frozenset(signed))
    if broken is not None:
        findings.append(Finding("log_broken", None, f"the log's hash at {broken} does not follow from its leaves"))
    elif growth.size != size:
        findings.append(Finding("log_broken", None, f"the log says {size} leaves, there are {growth.size}"))
    for at, checkpoint in signed.items():
        if roots.get(at) != checkpoint.root and (broken is None or at in roots):
            findings.append(
                Finding("checkpoint_root", None, f"the log of {at} leaves has not the root that was signed")
            )
    if (leaves := await count_leaves(connection)) != size:
        findings.append(Finding("leaves_differ", None, f"the log has {size} leaves, {leaves} are some learner's"))
    return findings


async def _all_checkpoints(connection: AsyncConnection) -> AsyncIterator[Checkpoint]:
    before: int | None = None
    while found := await page_of_checkpoints(connection, before=before, limit=_PAGE):
        for checkpoint in found:
            yield checkpoint
        before = found[-1].size


def _verify_note(checkpoint: Checkpoint, keys: Sequence[VerifierKey]) -> list[Finding]:
    try:
        said = read_note(checkpoint.note)
    except NoteMalformed:
        said = None
    if said != checkpoint:
        return [Finding("checkpoint_changed", None, f"the checkpoint of {checkpoint.size} is not what its note says")]
    if not any(key.has_signed(checkpoint.note) for key in keys):
        return [Finding("checkpoint_unsigned", None, f"no key of the bank signed the checkpoint of {checkpoint.size}")]
    return []


async def _grown(connection: AsyncConnection, sizes: frozenset[int]) -> tuple[Growth, dict[int, bytes], int | None]:
    """The log built anew from its leaves, its roots at these sizes, and the first position that is not as built."""
    growth, due = Growth(0, ()), list[tuple[int, bytes]]()
    roots = {0: growth.root()} if 0 in sizes else {}
    after = -1
    while True:
        statement = select(checkpoint_hashes).where(checkpoint_hashes.c.position > after)
        rows = (await connection.execute(statement.order_by(checkpoint_hashes.c.position).limit(_PAGE))).all()
        for row in rows:
            hash_ = bytes(row.hash)
            if not due:
                # What is not made by the leaves before is the next leaf.
                due = growth.append(hash_)
            if (row.position, hash_) != due.pop(0):
                return growth, roots, row.position
            if not due and growth.size in sizes:
                roots[growth.size] = growth.root()
        if len(rows) < _PAGE:
            return growth, roots, due[0][0] if due else None
        after = rows[-1].position


async def verify_receipts(
    connection: AsyncConnection, receipts: Sequence[Receipt], keys: Sequence[VerifierKey]
) -> list[Finding]:
    """Everything that people kept is still so."""
    findings = []
    kept: dict[UUID, list[Kept]] = defaultdict(list)
    size = await log_size(connection)
    for receipt in receipts:
        who = receipt.kept.learner_id if receipt.kept is not None else None
        if not receipt.is_sound:
            findings.append(Finding("receipt_unsound", who, f"{receipt.name} does not prove what it says"))
        elif not any(key.has_signed(receipt.checkpoint.note) for key in keys):
            findings.append(Finding("receipt_unsigned", who, f"{receipt.name} was not signed by this bank"))
        else:
            findings += await _verify_kept_root(connection, receipt, size)
            if receipt.kept is not None:
                kept[receipt.kept.learner_id].append(receipt.kept)
    for id_, proofs in kept.items():
        try:
            chain = (await chains_of(connection, [id_]))[id_]
        except PostingUnreadable as unreadable:
            findings.append(Finding("posting_unreadable", id_, str(unreadable)))
            continue
        findings += [Finding(code, id_, said) for proof in proofs for code, said in differences(proof, chain)]
    return findings


async def _verify_kept_root(connection: AsyncConnection, receipt: Receipt, size: int) -> list[Finding]:
    checkpoint = receipt.checkpoint
    if checkpoint.size > size:
        said = f"{receipt.name} saw {checkpoint.size} leaves, the log has {size}"
        return [Finding("log_cut", None, said)]
    try:
        (root,) = await span_hashes(connection, [(0, checkpoint.size)])
    except KeyError:
        return [Finding("log_broken", None, f"the log lacks hashes of its first {checkpoint.size} leaves")]
    if root != checkpoint.root:
        said = f"the log of {checkpoint.size} leaves is not the one that {receipt.name} saw"
        return [Finding("log_rewritten", None, said)]
    return []
