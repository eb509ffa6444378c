"""Personal data at rest: every learner has a key of their own, and without it the bytes mean nothing.

The learner's key is wrapped by the bank's sealing secret and stands in its own table. Erasing a person deletes that
key and the look-up rows; what append-only tables hold of them is noise from then on (architecture, "Personal data").
Look-ups by what identifies a person go by HMAC-SHA-256 under a second secret, never by the value.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_KEY_BYTES = 32
# The first byte of everything sealed names the format, so that a later one can be told from this.
_FORMAT = b"\x01"


class SealBroken(Exception):
    """The bytes are not what was sealed: another key, another place, or changed."""


class LearnerKey:
    """Seals and opens one learner's data. ``place`` binds the bytes to the column they were written for."""

    __slots__ = ("_cipher", "_mark")

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._mark = key

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """The sealed form of ``plain``: format byte, nonce, ciphertext with its tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed. Raises SealBroken."""
        if sealed[:1] != _FORMAT:
            raise SealBroken
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], place)
        except (InvalidTag, ValueError) as broken:
            # A ValueError says that there is not even a whole nonce.
            raise SealBroken from broken

    def new_key(self, place: bytes) -> tuple[LearnerKey, bytes]:
        """A fresh key that only this one opens, and its sealed form to store."""
        key = os.urandom(_KEY_BYTES)
        return LearnerKey(key), self.seal(key, place)

    def open_key(self, sealed: bytes, place: bytes) -> LearnerKey:
        """The key that ``new_key`` made. Raises SealBroken."""
        return LearnerKey(self.open(sealed, place))

    def mark(self, plain: bytes) -> bytes:
        """16 bytes that are equal for equal texts of this learner and tell nobody without the key anything."""
        return hashlib.blake2b(plain, digest_size=16, key=self._mark).digest()


class Vault:
    """Makes, wraps and unwraps learners' keys, and makes look-up keys. Holds the bank's two secrets."""

    __slots__ = ("_lookup", "_wrap", "bank", "passing")

    def __init__(self, sealing_secret: bytes, lookup_secret: bytes) -> None:
        # For what a browser carries from one request to the next and nobody stores.
        self.passing = LearnerKey(hashlib.sha256(b"creditbank passing" + sealing_secret).digest())
        # For what the bank keeps secret and must be able to read again, and what is no learner's.
        self.bank = LearnerKey(hashlib.sha256(b"creditbank bank" + sealing_secret).digest())
        self._wrap = AESGCM(hashlib.sha256(b"creditbank wrap" + sealing_secret).digest())
        self._lookup = lookup_secret

    def new_key(self, learner_id: UUID) -> tuple[LearnerKey, bytes]:
        """A fresh key for a learner, and its wrapped form to store."""
        key = os.urandom(_KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        return LearnerKey(key), _FORMAT + nonce + self._wrap.encrypt(nonce, key, learner_id.bytes)

    def unwrap(self, learner_id: UUID, wrapped: bytes) -> LearnerKey:
        """The learner's key from its stored form. Raises SealBroken when the secret is not the one it was made with."""
        if wrapped[:1] != _FORMAT:
            raise SealBroken
        try:
            key = self._wrap.decrypt(wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :], learner_id.bytes)
        except (InvalidTag, ValueError) as broken:
            raise SealBroken from broken
        return LearnerKey(key)

    def lookup_key(self, *parts: str) -> bytes:
        """The key under which something that identifies a person is found: HMAC-SHA-256 of its parts."""
        message = "\x1f".join(parts).encode()
        return hmac.digest(self._lookup, message, "sha256")
