"""The log's mathematics: the published vectors of RFC 6962, and laws that hold for logs of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditbank.checkpoints.domain import (
    EMPTY_ROOT,
    Growth,
    Span,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    pieces,
    position,
    span_hash,
)

# The eight leaves of Certificate Transparency's reference implementation, with the root after each.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (leaf, size, proof) and (first, size, proof) as the reference implementation publishes them; leaves from 0.
PATHS = [
    (0, 1, []),
    (0, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (5, 8, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip
STEPS = [
    (1, 1, []),
    (1, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (6, 8, [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 5, [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip


class Log:
    """A log in memory, as the tables hold it."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.stored: dict[int, bytes] = {}
        self.roots = [EMPTY_ROOT]
        growth = Growth(0, ())
        for leaf in leaves:
            self.stored.update(growth.append(leaf_hash(leaf)))
            self.roots.append(growth.root())

    def hashes(self, spans: Sequence[Span]) -> list[bytes]:
        """The hashes of spans."""
        return [span_hash(span, self.stored) for span in spans]


def numbered(count: int) -> list[bytes]:
    """Leaves that differ."""
    return [b"leaf %d" % number for number in range(count)]


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """MTH as section 2.1 writes it, with nothing stored and nothing clever."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    cut = 1
    while cut * 2 < len(leaves):
        cut *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:cut]) + by_definition(leaves[cut:])).digest()


def test_the_published_roots() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [root.hex() for root in Log(LEAVES).roots[1:]] == ROOTS


@pytest.mark.parametrize(("index", "size", "proof"), PATHS)
def test_the_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    assert [hash_.hex() for hash_ in Log(LEAVES[:size]).hashes(inclusion_spans(index, size))] == proof


@pytest.mark.parametrize(("first", "size", "proof"), STEPS)
def test_the_published_consistency_proofs(first: int, size: int, proof: list[str]) -> None:
    assert [hash_.hex() for hash_ in Log(LEAVES[:size]).hashes(consistency_spans(first, size))] == proof


def test_every_root_is_the_one_of_the_definition() -> None:
    leaves = numbered(70)

    assert Log(leaves).roots == [by_definition(leaves[:size]) for size in range(71)]


def test_subtrees_stand_in_the_order_in_which_they_become_complete() -> None:
    growth = Growth(0, ())
    made = [place for number in range(100) for place, _ in growth.append(leaf_hash(b"%d" % number))]

    assert made == list(range(len(made)))


def test_a_log_goes_on_from_what_is_stored() -> None:
    whole = Log(numbered(40))
    for size in range(40):
        growth = Growth(size, [whole.stored[position(piece)] for piece in pieces((0, size))])
        made = growth.append(leaf_hash(b"leaf %d" % size))
        assert growth.root() == whole.roots[size + 1]
        assert all(whole.stored[place] == hash_ for place, hash_ in made)


def test_every_proof_of_small_logs_holds_and_no_other_leaf_or_root_passes() -> None:
    log = Log(numbered(33))
    leaves = [leaf_hash(leaf) for leaf in numbered(33)]
    for size in range(1, 34):
        root = log.roots[size]
        for index in range(size):
            proof = log.hashes(inclusion_spans(index, size))
            assert is_included(leaves[index], index, size, proof, root)
            assert not is_included(leaves[(index + 1) % 33], index, size, proof, root)
            assert not is_included(leaves[index], index, size, [*proof, root], root)
            assert not is_included(leaves[index], index, size, proof, log.roots[size - 1])
        for first in range(1, size + 1):
            proof = log.hashes(consistency_spans(first, size))
            assert is_consistent(first, log.roots[first], size, root, proof)
            assert not is_consistent(first, log.roots[first - 1], size, root, proof)
            assert not is_consistent(first, log.roots[first], size, root, [*proof, root])


LOG = Log(numbered(300))


@given(size=st.integers(1, 300), data=st.data())
def test_no_bit_of_an_inclusion_proof_can_be_flipped(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(numbered(300)[index]), LOG.roots[size]
    proof = LOG.hashes(inclusion_spans(index, size))
    assert is_included(leaf, index, size, proof, root)
    parts = [leaf, root, *proof]
    part, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))

    parts[part] = flipped(parts[part], bit)

    assert not is_included(parts[0], index, size, parts[2:], parts[1])


@given(size=st.integers(2, 300), data=st.data())
def test_no_bit_of_a_consistency_proof_can_be_flipped(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size - 1))
    proof = LOG.hashes(consistency_spans(first, size))
    assert is_consistent(first, LOG.roots[first], size, LOG.roots[size], proof)
    parts = [LOG.roots[first], LOG.roots[size], *proof]
    part, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))

    parts[part] = flipped(parts[part], bit)

    assert not is_consistent(first, parts[0], size, parts[1], parts[2:])


def flipped(hash_: bytes, bit: int) -> bytes:
    """The hash with one bit turned."""
    return (int.from_bytes(hash_, "big") ^ (1 << bit)).to_bytes(len(hash_), "big")


@pytest.mark.parametrize(
    ("index", "size"), [(-1, 8), (8, 8), (9, 8), (0, 0)], ids=["before", "at the end", "after", "of nothing"]
)
def test_a_leaf_outside_the_log_is_in_no_log(index: int, size: int) -> None:
    assert not is_included(leaf_hash(b"leaf 0"), index, size, [], LOG.roots[1])


def test_a_log_is_not_consistent_with_a_later_one() -> None:
    assert not is_consistent(8, LOG.roots[8], 7, LOG.roots[7], LOG.hashes(consistency_spans(7, 8)))
    assert not is_consistent(0, EMPTY_ROOT, 7, LOG.roots[7], [])


def test_a_proof_reads_as_much_as_the_log_is_high() -> None:
    """A log of a thousand million leaves: no proof needs more than some dozens of stored subtrees."""
    size = 10**9 - 7
    for index in (0, 1, size // 3, size - 1):
        assert len({piece for span in inclusion_spans(index, size) for piece in pieces(span)}) <= 60
        assert len({piece for span in consistency_spans(index + 1, size) for piece in pieces(span)}) <= 60


def test_a_leaf_cannot_be_taken_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != node_hash(left, right)
