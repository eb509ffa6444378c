"""Who calls, with what rights; keys as they are printed and as they are kept."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.identifiers import is_under

SCOPES: Final = (
    "achievements:read",
    "achievements:write",
    "audit:read",
    "catalogue:write",
    "claims:decide",
    "claims:write",
    "consents:read",
    "consents:write",
    "conversions:decide",
    "conversions:read",
    "conversions:write",
    "ledger:read",
    "looks:read",
    "learners:read",
    "learners:resolve",
    "learners:write",
    "privacy:erase",
    "privacy:export",
    "programmes:read",
    "programmes:write",
    "providers:accredit",
    "providers:read",
    "providers:write",
    "reviews:read",
    "rules:approve",
    "rules:read",
    "rules:write",
    "rulings:approve",
    "rulings:write",
    "transcripts:read",
)

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX: Final = "cb_live_"
_ID_CHARS: Final = 12
_SECRET_CHARS: Final = 50  # of 36 letters: 258 bits
_SUM_CHARS: Final = 6


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever makes a request, once the credential is checked."""

    client_id: UUID
    # The code of the provider it acts for, with all under it; None: the bank itself.
    provider: str | None
    scopes: frozenset[str]
    assurance: str

    @property
    def is_bank(self) -> bool:
        """Whether it acts for the bank and not for a provider."""
        return self.provider is None

    def acts_for(self, provider_code: str) -> bool:
        """Whether it may speak for that provider: its own, one under it, or any for the bank."""
        return self.provider is None or is_under(provider_code, self.provider)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored, with the client it lets in."""

    id: str
    secret_sha256: bytes
    expires_at: datetime | None
    revoked_at: datetime | None
    actor: Actor

    def admits(self, secret: str, now: datetime) -> bool:
        """Whether this secret opens the door now. Compared in constant time."""
        right = hmac.compare_digest(hash_secret(secret), self.secret_sha256)
        return right and self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_secret(secret: str) -> bytes:
    """What is kept of a key's secret."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    value, letters = zlib.crc32(body.encode()), ""
    while len(letters) < _SUM_CHARS:
        value, digit = divmod(value, len(_ALPHABET))
        letters = _ALPHABET[digit] + letters
    return letters


@dataclass(frozen=True, slots=True)
class PrintedKey:
    """``cb_live_<id>_<secret><checksum>``: the prefix and checksum let scanners and people recognise a key."""

    id: str
    secret: str

    @classmethod
    def make(cls, choose: Callable[[str], str]) -> PrintedKey:
        """A fresh key of letters that ``choose`` draws: shown once, never kept."""
        letters = "".join(choose(_ALPHABET) for _ in range(_ID_CHARS + _SECRET_CHARS))
        return cls(letters[:_ID_CHARS], letters[_ID_CHARS:])

    @classmethod
    def parse(cls, text: str) -> PrintedKey | None:
        """The key that was printed; None for anything that is not one of ours, without asking the database."""
        body, given = text[:-_SUM_CHARS], text[-_SUM_CHARS:]
        id_, _, secret = body.removeprefix(_PREFIX).partition("_")
        right = (
            text.isascii()
            and text.startswith(_PREFIX)
            and len(id_) == _ID_CHARS
            and len(secret) == _SECRET_CHARS
            and _checksum(body) == given
        )
        return cls(id_, secret) if right else None

    def __str__(self) -> str:
        body = f"{_PREFIX}{self.id}_{self.secret}"
        return body + _checksum(body)


@dataclass(eq=False, kw_only=True)
class MissingScope(Refusal):
    """The credential is good but does not carry the scope that this route needs."""

    code = "missing_scope"
    kind = Kind.FORBIDDEN
    scope: str


@dataclass(eq=False, kw_only=True)
class BankOnly(Refusal):
    """Only the bank's own clients may do this."""

    code = "bank_only"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class UnknownScope(Refusal):
    """There is no such scope to give."""

    code = "unknown_scope"
    kind = Kind.INVALID
    scope: str
