"""API shapes of checkpoints and proofs. What stands here is a format that others check: docs/proofs.md."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from typing_extensions import TypedDict

from creditbank.checkpoints.domain import Checkpoint, Proof


class CheckpointOut(TypedDict):
    """The log when it was signed. ``note`` says it all; the rest is there to be read without parsing it."""

    size: int
    root: str
    made_at: datetime
    note: str


def show_checkpoint(checkpoint: Checkpoint) -> CheckpointOut:
    """The shape of a checkpoint."""
    return {
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "made_at": checkpoint.made_at,
        "note": checkpoint.note,
    }


# The key "from" is a word of the language, so this shape is written as a call.
ConsistencyOut = TypedDict("ConsistencyOut", {"from": int, "size": int, "hashes": list[str]})


class KeysOut(TypedDict):
    """The public keys of the log, the one in use first, each as ``name+id+key``."""

    origin: str
    keys: list[str]


class LeafOut(TypedDict):
    """Where the learner's chain stood: the hash of posting ``seq`` is ``head``."""

    index: int
    seq: int
    head: str
    salt: str


class ProofOut(TypedDict):
    """A proof that stands by itself. ``postings`` are the texts whose SHA-256 are the hashes of the chain."""

    format: Literal["creditbank.proof/v1"]
    learner: UUID
    checkpoint: str
    leaf: LeafOut
    inclusion: list[str]
    after: int
    postings: list[str]


def show_proof(proof: Proof) -> ProofOut:
    """The shape of a proof."""
    leaf = proof.leaf
    return {
        "format": "creditbank.proof/v1",
        "learner": leaf.learner_id,
        "checkpoint": proof.checkpoint.note,
        "leaf": {"index": leaf.index, "seq": leaf.seq, "head": leaf.head.hex(), "salt": proof.salt.hex()},
        "inclusion": [hash_.hex() for hash_ in proof.hashes],
        "after": proof.after,
        "postings": list(proof.postings),
    }
