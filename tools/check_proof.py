#!/usr/bin/env python3
"""Checks a learner's proof against a checkpoint of a learning credit bank, without the bank and without its software.

    python3 check_proof.py PROOF.json [--checkpoint NOTE] [--key NAME+ID+KEY]

PROOF.json is what `GET /v1/learners/{id}/proof` answered. NOTE is the checkpoint as somebody else keeps it. KEY is the
bank's public key, from a source that you trust; only this check needs a package (`cryptography`). Exit code 0: all
holds; 1: it does not; 2: it cannot be checked. The format: docs/proofs.md.
"""

import argparse
import base64
import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root to which an inclusion proof leads (RFC 9162, 2.1.3.2); None when it cannot be of this leaf and size."""
    number, last, found = index, size - 1, sha256(b"\x00" + leaf)
    for sibling in path:
        if number & 1 or number == last:
            found = sha256(b"\x01" + sibling + found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = sha256(b"\x01" + found + sibling)
        number, last = number >> 1, last >> 1
    return found if last == 0 and 0 <= index < size else None


def faults_of_chain(proof: dict) -> list[str]:
    """What is wrong with the postings: each names the hash of the one before, and the last has the leaf's."""
    seq, previous = proof["after"], None if proof["after"] else "00" * 32
    for text in proof["postings"]:
        fields, seq = json.loads(text), seq + 1
        if fields[:2] != [proof["learner"], seq] or previous not in (None, fields[13]):
            return [f"posting {seq} does not follow the one before it"]
        previous = sha256(text.encode()).hex()
    if seq != proof["leaf"]["seq"] or (previous or proof["leaf"]["head"]) != proof["leaf"]["head"]:
        return ["the postings do not end where the leaf says"]
    return []


def is_signed(note: str, key: str) -> bool:
    """Whether this key signed the note. Raises ImportError without the package `cryptography`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    name, id_, public = key.split("+", 2)
    raw = base64.b64decode(public)
    text, _, signatures = note.partition("\n\n")
    if sha256(f"{name}\n".encode() + raw)[:4].hex() != id_ or raw[:1] != b"\x01":
        raise ValueError("the key is misspelt")
    for line in signatures.splitlines():
        mark, signer, signature = ([*line.split(" "), "", ""])[:3]
        signed = base64.b64decode(signature)
        if (mark, signer, signed[:4].hex()) == ("\u2014", name, id_):
            with suppress(InvalidSignature):
                ed25519.Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signed[4:], f"{text}\n".encode())
                return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (("proof", Path), ("--checkpoint", Path), ("--key", str)):
        parser.add_argument(name, type=kind)
    asked = parser.parse_args()
    proof = json.loads(asked.proof.read_text("utf-8"))
    (origin, size, root), note, leaf = proof["checkpoint"].split("\n")[:3], proof["checkpoint"], proof["leaf"]
    text = f"creditbank.leaf/v1\n{proof['learner']}\n{leaf['seq']}\n{leaf['head']}\n{leaf['salt']}\n"
    path = [bytes.fromhex(hash_) for hash_ in proof["inclusion"]]
    faults = faults_of_chain(proof)
    if root_of(text.encode(), leaf["index"], int(size), path) != base64.b64decode(root):
        faults.append("the leaf is not in the checkpoint")
    if asked.checkpoint and asked.checkpoint.read_text("utf-8").partition("\n\n")[0] != note.partition("\n\n")[0]:
        faults.append("the proof is of another checkpoint than the one given")
    if asked.key and not is_signed(note, asked.key):
        faults.append("the checkpoint is not signed with this key")
    signature = "signed with the key" if asked.key else "the signature was NOT checked: no key was given"
    for fault in faults:
        print(f"WRONG: {fault}", file=sys.stderr)
    if not faults:
        print(f"postings {proof['after'] + 1} to {leaf['seq']} are in {origin} at {size} leaves; {signature}")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ImportError, OSError, ValueError, KeyError, TypeError, IndexError) as wrong:
        print(f"cannot be checked (the signature was NOT checked either): {wrong!r}", file=sys.stderr)
        sys.exit(2)
