"""What a session's cookie says: random letters under a seal, so that what the bank never gave out asks nobody anything.

Without the seal every made-up cookie would be looked for in the database, as often as strangers like. A checksum that
anybody can reckon would keep out only slips.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from creditbank.sealing import Vault

_RANDOM_BYTES: Final = 32
_SEAL_BYTES: Final = 16
_SEAL_CHARS: Final = 22
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{65}")


def make_token(vault: Vault) -> str:
    """A fresh token: 256 random bits and their seal."""
    drawn = secrets.token_urlsafe(_RANDOM_BYTES)
    return drawn + _seal(vault, drawn)


def is_ours(vault: Vault, token: str) -> bool:
    """Whether the bank made this token; whether it still lets anybody in, the database knows."""
    if _SHAPE.fullmatch(token) is None:
        return False
    return hmac.compare_digest(_seal(vault, token[:-_SEAL_CHARS]), token[-_SEAL_CHARS:])


def _seal(vault: Vault, drawn: str) -> str:
    sealed = vault.lookup_key("session", drawn)[:_SEAL_BYTES]
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()
