"""The log's mathematics: RFC 6962 sections 2.1 to 2.1.4, and what a leaf is.

The tree over n leaves is cut at the largest power of two below n. Every subtree that is complete is stored once and
never changes; a proof names spans of leaves, and each span is the hash of a few stored subtrees. So a proof takes as
many reads as the tree is high, whatever the number of leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from creditbank.errors import Kind, Refusal

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a log without leaves."""

HASH_BYTES: Final = 32

Span = tuple[int, int]
"""Leaves from the first number up to the second, which is not among them."""

Subtree = tuple[int, int]
"""(level, index) of a complete subtree: the leaves from index * 2**level on, 2**level of them."""


def leaf_hash(leaf: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


# --- Where subtrees are stored ----------------------------------------------------------------------------------------


def position(subtree: Subtree) -> int:
    """Where a complete subtree stands in the row of all of them, in the order in which they become complete."""
    level, index = subtree
    last = ((index + 1) << level) - 1
    return 2 * last - last.bit_count() + level


def pieces(span: Span) -> list[Subtree]:
    """The complete subtrees that a span consists of, the largest first. The span begins where the largest may."""
    low, high = span
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        found.append((level, low >> level))
        low += 1 << level
    return found


def span_hash(span: Span, stored: Mapping[int, bytes]) -> bytes:
    """The hash of a span out of stored subtrees, by position. Raises KeyError when one is missing."""
    hashes = [stored[position(piece)] for piece in pieces(span)]
    if not hashes:
        return EMPTY_ROOT
    whole = hashes.pop()
    while hashes:
        whole = node_hash(hashes.pop(), whole)
    return whole


class Growth:
    """A log while leaves are added to it: says which subtrees become complete, with their positions."""

    def __init__(self, size: int, edge: Sequence[bytes]) -> None:
        """``edge`` are the hashes of ``pieces((0, size))``."""
        self.size = size
        self._edge = [
            (level, index, hash_) for (level, index), hash_ in zip(pieces((0, size)), edge, strict=True)
        ]  # fmt: skip

    def append(self, leaf: bytes) -> list[tuple[int, bytes]]:
        """(position, hash) of each subtree that is complete with this leaf's hash, the leaf itself first."""
        level, index, hash_ = 0, self.size, leaf
        made = [(position((level, index)), hash_)]
        while index & 1:
            hash_ = node_hash(self._edge.pop()[2], hash_)
            level, index = level + 1, index >> 1
            made.append((position((level, index)), hash_))
        self._edge.append((level, index, hash_))
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root of the log as it stands."""
        hashes = [hash_ for _, _, hash_ in self._edge]
        if not hashes:
            return EMPTY_ROOT
        whole = hashes.pop()
        while hashes:
            whole = node_hash(hashes.pop(), whole)
        return whole


# --- Proofs -----------------------------------------------------------------------------------------------------------


def _cut(span: Span) -> int:
    low, high = span
    return low + (1 << ((high - low - 1).bit_length() - 1))


def inclusion_spans(index: int, size: int) -> list[Span]:
    """PATH(m, D[n]): the spans whose hashes prove that a leaf is in the log of this size, the lowest first."""
    spans: list[Span] = []
    span = (0, size)
    while span[1] - span[0] > 1:
        cut = _cut(span)
        left, right = (span[0], cut), (cut, span[1])
        other, span = (right, left) if index < cut else (left, right)
        spans.append(other)
    return spans[::-1]


def consistency_spans(first: int, size: int) -> list[Span]:
    """PROOF(m, D[n]): the spans whose hashes prove that the log of ``size`` begins with the log of ``first``."""
    spans: list[Span] = []
    span, is_first_whole = (0, size), True
    while span[1] != first:
        cut = _cut(span)
        left, right = (span[0], cut), (cut, span[1])
        if first <= cut:
            spans.append(right)
            span = left
        else:
            spans.append(left)
            span, is_first_whole = right, False
    if not is_first_whole:
        spans.append(span)
    return spans[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows a leaf's hash at ``index`` of the log of this size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, hash_ = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            hash_ = node_hash(sibling, hash_)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and hash_ == root


def is_consistent(first: int, first_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the log of ``size`` begins with the log of ``first`` (RFC 9162 2.1.4.2)."""
    if not 0 < first <= size:
        return False
    if first == size:
        return not proof and first_root == root
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    number, last = first - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    former = later = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            former, later = node_hash(hash_, former), node_hash(hash_, later)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            later = node_hash(later, hash_)
        number, last = number >> 1, last >> 1
    return last == 0 and former == first_root and later == root


# --- Leaves and checkpoints -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where one learner's chain stood: ``seq`` postings, the last with this hash. ``index`` is its place in the log."""

    learner_id: UUID
    seq: int
    head: bytes
    index: int


def leaf_bytes(learner_id: UUID, seq: int, head: bytes, salt: bytes) -> bytes:
    """What is hashed as a leaf: five lines, each ended by a newline (docs/proofs.md).

    The salt is made with the learner's own key: without it a leaf's hash says nothing, even to who guesses.
    """
    return f"creditbank.leaf/v1\n{learner_id}\n{seq}\n{head.hex()}\n{salt.hex()}\n".encode()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log as it stood when it was signed. ``note`` is the signed text; all else can be read in it."""

    size: int
    root: bytes
    made_at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """That a learner's chain stood at ``leaf`` when ``checkpoint`` was signed, with the postings after ``after``."""

    checkpoint: Checkpoint
    leaf: Leaf
    salt: bytes
    hashes: tuple[bytes, ...]
    after: int
    postings: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class CheckpointNotFound(Refusal):
    """The log was never signed at this size."""

    code = "checkpoint_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ProofNotFound(Refusal):
    """The learner has no posting that the checkpoint covers."""

    code = "proof_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class CheckpointsReversed(Refusal):
    """A log is consistent with what it was before, and not with what it became after."""

    code = "checkpoints_reversed"
    kind = Kind.INVALID
    size: str
    pointer: str = "?from"
