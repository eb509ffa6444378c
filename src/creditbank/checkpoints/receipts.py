"""What people keep, checkpoints and proofs, read back and held against the bank.

Whoever has the database and every secret can write a past that agrees with itself. What has left the bank before cannot
be written anew: only these files show such a change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from creditbank.checkpoints.domain import Checkpoint, is_included, leaf_bytes, leaf_hash
from creditbank.checkpoints.notes import NoteMalformed, read_note
from creditbank.ledger.domain import Posting, canonical

_SEQ, _ID, _PREVIOUS = 1, 2, 13


class ReceiptMalformed(ValueError):
    """The file is neither a checkpoint nor a proof."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A learner's proof: the texts of the postings beyond ``after`` up to ``seq``, the last with the hash ``head``."""

    learner_id: UUID
    seq: int
    head: bytes
    after: int
    postings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A kept file. ``kept`` is None for a checkpoint alone; ``name`` is what the file is called."""

    name: str
    checkpoint: Checkpoint
    kept: Kept | None
    is_sound: bool


def read_receipt(name: str, text: str) -> Receipt:
    """A checkpoint's note, or a proof in JSON. Raises ReceiptMalformed."""
    try:
        if not text.lstrip().startswith("{"):
            return Receipt(name, read_note(text), None, True)
        return _read_proof(name, orjson.loads(text))
    except (NoteMalformed, orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError) as wrong:
        raise ReceiptMalformed(f"{name}: neither a checkpoint nor a proof") from wrong


def _read_proof(name: str, plain: Any) -> Receipt:
    leaf, checkpoint = plain["leaf"], read_note(plain["checkpoint"])
    learner_id, seq, head = UUID(plain["learner"]), int(leaf["seq"]), bytes.fromhex(leaf["head"])
    kept = Kept(learner_id, seq, head, int(plain["after"]), tuple(plain["postings"]))
    hashed = leaf_hash(leaf_bytes(learner_id, seq, head, bytes.fromhex(leaf["salt"])))
    proof = [bytes.fromhex(text) for text in plain["inclusion"]]
    is_in = is_included(hashed, int(leaf["index"]), checkpoint.size, proof, checkpoint.root)
    return Receipt(name, checkpoint, kept, is_in and _is_chain(kept))


def _is_chain(kept: Kept) -> bool:
    """Whether the postings follow each other and end at the head that the leaf names."""
    previous: str | None = None
    for seq, text in enumerate(kept.postings, start=kept.after + 1):
        fields = orjson.loads(text)
        if fields[0] != str(kept.learner_id) or fields[_SEQ] != seq or previous not in (None, fields[_PREVIOUS]):
            return False
        previous = hashlib.sha256(text.encode()).hexdigest()
    return kept.after + len(kept.postings) == kept.seq and previous in (None, kept.head.hex())


def differences(kept: Kept, chain: Sequence[Posting]) -> Iterator[tuple[str, str]]:
    """(code, detail) of what became of the kept postings in the chain as it is now; nothing when all are there."""
    then = [(fields[_ID], _said(fields)) for fields in map(orjson.loads, kept.postings)]
    now = {str(posting.id): (place, posting) for place, posting in enumerate(chain)}
    there = [id_ for id_, _ in then if id_ in now]
    gone = [id_ for id_, _ in then if id_ not in now]
    if gone:
        is_tail = [id_ for id_, _ in then[-len(gone) :]] == gone
        yield ("receipt_cut" if is_tail else "receipt_removed"), f"posting {gone[0]} was there and is not"
    for id_, said in then:
        if id_ in now and _said(orjson.loads(canonical(now[id_][1]))) != said:
            yield "receipt_changed", f"posting {id_} said something else"
    places = [now[id_][0] for id_ in there]
    if places != sorted(places):
        yield "receipt_reordered", "the postings stood in another order"
    known = {id_ for id_, _ in then}
    for posting in chain[kept.after : max(places, default=-1)]:
        if str(posting.id) not in known:
            yield "receipt_added", f"posting {posting.id} was not there before others that were"
    if not kept.postings or not gone:
        standing = chain[kept.seq - 1].hash if kept.seq <= len(chain) else None
        if standing is None:
            yield "receipt_cut", f"there were {kept.seq} postings, there are {len(chain)}"
        elif standing != kept.head:
            yield "receipt_differs", f"posting {kept.seq} had another hash"


def _said(fields: list[Any]) -> list[Any]:
    """What a posting says of credits, without its place in the chain."""
    return [field for place, field in enumerate(fields) if place not in (_SEQ, _PREVIOUS)]
