"""Access tokens (RFC 9068): short-lived, signed by the bank, read by every process without asking anybody."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey

from creditbank.identifiers import new_id
from creditbank.settings import Settings

Algorithm = Literal["ES256", "Ed25519"]

LASTING_SECONDS: Final = 600
_TYPE: Final = "at+jwt"
# The clocks of the bank's own machines may differ by so much.
_SKEW_SECONDS: Final = 5
# The order of the curve P-256: a private key is a number from 1 to one below it.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says: which client it lets in, with which scopes, and which key it was asked for with."""

    client_id: UUID
    scopes: frozenset[str]
    expires_at: int
    # None when the client proved itself by an assertion; then the kid of the public key under which it was signed, and
    # the principal who gave that key.
    key_id: str | None
    kid: str | None = None
    made_by: str | None = None


class Tokens:
    """Issues and reads tokens. The first seed signs; all of them verify, so that a key is changed without a pause."""

    def __init__(self, issuer: str, seeds: Sequence[bytes], algorithm: Algorithm) -> None:
        self.issuer: Final = issuer
        self.algorithm: Final = algorithm
        self._keys: list[Key] = [_key_of(seed, algorithm) for seed in seeds]
        self._set = KeySet(self._keys)

    def audience(self, *, is_test: bool) -> str:
        """For whom a token is: the real books, or the sandbox. Neither takes a token of the other."""
        return f"{self.issuer}/sandbox" if is_test else self.issuer

    def public_keys(self) -> dict[str, Any]:
        """The keys under which tokens are verified, as a JWK set."""
        shown: dict[str, Any] = {
            "keys": [{**key.as_dict(private=False), "alg": self.algorithm, "use": "sig"} for key in self._keys]
        }
        return shown

    def issue(
        self,
        client_id: UUID,
        scopes: Sequence[str],
        now: datetime,
        *,
        is_test: bool,
        key_id: str | None,
        kid: str | None = None,
        made_by: str | None = None,
    ) -> str:
        """A token for a client that has proved itself."""
        at = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience(is_test=is_test),
            "sub": str(client_id),
            "client_id": str(client_id),
            "scope": " ".join(sorted(scopes)),
            "iat": at,
            "exp": at + LASTING_SECONDS,
            "jti": str(new_id()),
        }
        if key_id is not None:
            claims["key_id"] = key_id
        elif kid is not None:
            claims |= {"public_key": kid, "made_by": made_by}
        header = {"alg": self.algorithm, "typ": _TYPE, "kid": self._keys[0].kid}
        return jwt.encode(header, claims, self._keys[0], algorithms=[self.algorithm])

    def read(self, token: str, now: datetime, *, is_test: bool) -> Grant | None:
        """What a token of ours says; None for any other text and for a token that has expired or is for elsewhere."""
        if token.count(".") != 2 or not token.isascii():
            return None
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_SKEW_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience(is_test=is_test)},
            exp={"essential": True},
            iat={"essential": True},
            client_id={"essential": True},
            scope={"essential": True, "allow_blank": True},
        )
        try:
            # The algorithm is the bank's own and never the one that a token names.
            found = jwt.decode(token, self._set, algorithms=[self.algorithm])
            registry.validate(found.claims)
            if found.header.get("typ") != _TYPE:
                return None
            scopes = frozenset(str(found.claims["scope"]).split())
            expires_at = int(found.claims["exp"]) + _SKEW_SECONDS
            key_id, kid, made_by = (found.claims.get(name) for name in ("key_id", "public_key", "made_by"))
            return Grant(UUID(found.claims["client_id"]), scopes, expires_at, key_id, kid, made_by)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None


def is_for_sandbox(token: bytes) -> bool:
    """Whether a text claims to be a token for the sandbox. It says only where it is verified."""
    head, _, rest = token.partition(b".")
    payload = rest.partition(b".")[0]
    if not head.startswith(b"ey") or not payload:
        return False
    try:
        return b'/sandbox"' in base64.urlsafe_b64decode(payload + b"==")
    except ValueError:
        return False


def tokens_of(settings: Settings) -> Tokens | None:
    """The bank's tokens; None when it has no key to sign them with or no address to sign them for."""
    seeds = [base64.b64decode(seed) for seed in settings.token_keys.get_secret_value().split()]
    if not seeds:
        return None
    return Tokens(settings.public_url, seeds, settings.token_algorithm)


def _key_of(seed: bytes, algorithm: Algorithm) -> ECKey | OKPKey:
    if algorithm == "Ed25519":
        bare: ECKey | OKPKey = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
    else:
        number = 1 + int.from_bytes(seed, "big") % (_ORDER - 1)
        bare = ECKey.import_key(derive_private_key(number, SECP256R1()))
    bare.ensure_kid()
    return bare
