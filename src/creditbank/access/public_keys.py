"""Public keys of clients, given by value as a JWK set (RFC 7517)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from creditbank.access.domain import PublicKeysRefused

_RSA_BITS_MIN: Final = 2048


def check_public_keys(public_keys: Mapping[str, Any]) -> None:
    """Whether assertions can be held against these keys. Raises PublicKeysRefused."""
    keys = public_keys["keys"]
    if len({key["kid"] for key in keys}) != len(keys):
        raise PublicKeysRefused
    for key in key_set(public_keys).keys if keys else ():
        sound = (
            (isinstance(key, ECKey) and key.curve_name == "P-256")
            or (isinstance(key, OKPKey) and key.curve_name == "Ed25519")
            or (isinstance(key, RSAKey) and key.raw_value.key_size >= _RSA_BITS_MIN)
        )
        if not sound:
            raise PublicKeysRefused


def key_set(public_keys: Mapping[str, Any]) -> KeySet:
    """The keys as they are computed with. Raises PublicKeysRefused."""
    try:
        # What the library would only warn of is refused.
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            found = KeySet.import_key_set({"keys": [dict(key) for key in public_keys["keys"]]})
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError) as wrong:
        raise PublicKeysRefused from wrong
    return found
