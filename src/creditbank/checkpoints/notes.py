"""Signed notes: the text form of a checkpoint (C2SP signed-note and tlog-checkpoint), signed with Ed25519.

::

    bank.example/log
    128
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
    time 2026-03-01T04:00:00.000000Z

    — bank.example/log r4nD0m…

The signature is over everything up to the empty line, with the newline before it. Who has other software for such notes
(transparency logs, witnesses) reads these without ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from creditbank.checkpoints.domain import HASH_BYTES, Checkpoint
from creditbank.settings import Settings

_ED25519: Final = b"\x01"
_ID_BYTES: Final = 4
_MARK: Final = "\u2014 "


class NoteMalformed(ValueError):
    """The text is no checkpoint."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name of its log; printed as ``name+id+key``, as other software for notes prints it."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that say which key signed."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that was printed. Raises ValueError."""
        name, _, rest = text.partition("+")
        id_, _, encoded = rest.partition("+")
        raw = base64.b64decode(encoded, validate=True)
        key = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(key.public) != 32 or key.id.hex() != id_:
            raise ValueError("not a key of a checkpoint log")
        return key

    def has_signed(self, note: str) -> bool:
        """Whether one of the note's signatures is this key's."""
        text, blank, signatures = note.partition("\n\n")
        if not blank:
            return False
        for line in signatures.splitlines():
            name, _, encoded = line.removeprefix(_MARK).partition(" ")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                continue
            if line.startswith(_MARK) and name == self.name and raw[:_ID_BYTES] == self.id:
                try:
                    public = Ed25519PublicKey.from_public_bytes(self.public)
                    public.verify(raw[_ID_BYTES:], f"{text}\n".encode())
                except InvalidSignature:
                    continue
                return True
        return False


class Signer:
    """Signs checkpoints of one log."""

    __slots__ = ("_private", "key")

    def __init__(self, origin: str, seed: bytes) -> None:
        """``seed`` are the 32 bytes of an Ed25519 private key (RFC 8032)."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(origin, self._private.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes, now: datetime) -> Checkpoint:
        """A checkpoint of the log at this size and root."""
        instant = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = f"{self.key.name}\n{size}\n{base64.b64encode(root).decode()}\ntime {instant}\n"
        signature = base64.b64encode(self.key.id + self._private.sign(text.encode())).decode()
        return Checkpoint(size, root, now, f"{text}\n{_MARK}{self.key.name} {signature}\n")


def signer_of(settings: Settings) -> Signer | None:
    """What signs this bank's checkpoints; None when no key is set."""
    seed = settings.checkpoint_seed
    return Signer(settings.checkpoint_origin, seed) if seed is not None else None


def keys_of(settings: Settings) -> list[VerifierKey]:
    """The public keys of this bank's checkpoints, the one in use first. Raises ValueError for a former one misspelt."""
    signer = signer_of(settings)
    former = [VerifierKey.parse(text) for text in settings.checkpoint_former_keys.split()]
    return [signer.key, *former] if signer is not None else former


def read_note(note: str) -> Checkpoint:
    """The checkpoint that a note says; whoever signed it. Raises NoteMalformed."""
    text, blank, _ = note.partition("\n\n")
    lines = text.split("\n")
    if not blank or len(lines) != 4 or not lines[3].startswith("time "):
        raise NoteMalformed("not the lines of a checkpoint")
    try:
        root = base64.b64decode(lines[2], validate=True)
        made_at = datetime.fromisoformat(lines[3].removeprefix("time "))
    except ValueError as wrong:
        raise NoteMalformed(str(wrong)) from wrong
    size = lines[1]
    if not (size.isascii() and size.isdigit() and str(int(size)) == size) or len(root) != HASH_BYTES:
        raise NoteMalformed("no size or no root")
    return Checkpoint(int(size), root, made_at, note)
