"""API shapes of clients and their keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from creditbank.access.domain import SCOPES, Client, KeyShown, PrintedKey
from creditbank.web.fields import EXACT, Body, Change, Name

Scope = Annotated[
    str, StringConstraints(max_length=64), EXACT, Field(description="one that you carry yourself", examples=[SCOPES[0]])
]
Scopes = Annotated[list[Scope], Field(max_length=100)]
Network = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    EXACT,
    Field(description="such as 192.0.2.0/24 or 2001:db8::/32"),
]
Networks = Annotated[list[Network], Field(max_length=32, description="where it may call from; none: from everywhere")]
Kind = Annotated[Literal["live", "test"], Field(description="a `test` key opens the sandbox and nothing else")]
Days = Annotated[int, Field(ge=1, le=3650, description="days until the key expires")]
Coordinate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,1400}$")]


class PublicKey(Body):
    """A public key as a JWK (RFC 7517): EC P-256, Ed25519, or RSA of 2048 bits or more."""

    kty: Literal["EC", "OKP", "RSA"]
    kid: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
    crv: Literal["P-256", "Ed25519"] | None = None
    x: Coordinate | None = None
    y: Coordinate | None = None
    n: Coordinate | None = None
    e: Coordinate | None = None
    alg: Literal["ES256", "EdDSA", "Ed25519", "RS256"] | None = None
    use: Literal["sig"] | None = None


class PublicKeys(Body):
    """A JWK set, by value: the bank fetches nothing that a client names. An empty one takes the keys away."""

    keys: Annotated[list[PublicKey], Field(max_length=5)]


class ClientIn(Body):
    """A program to let in. You give nothing that you do not have: no scope, no assurance, no foreign provider."""

    name: Name
    provider: Annotated[str, StringConstraints(min_length=1, max_length=255), EXACT] | None = Field(
        default=None, description="whom it acts for, with all below; left out: as you do"
    )
    scopes: Scopes
    assurance: Literal["self", "provider", "verified", "signed"] = Field(
        default="provider", description="the most that its achievements may be assured"
    )
    networks: Networks = Field(default=[])
    kind: Kind = "live"
    days: Days | None = None


class ClientChangeIn(Change):
    """What may be changed of a client; a field left out stays."""

    name: Name | None = None
    scopes: Scopes | None = None
    networks: Networks | None = None
    public_keys: PublicKeys | None = None
    suspended: bool | None = Field(
        default=None, description="a suspended client is let in with nothing; every process knows within 30 seconds"
    )


class KeyIn(Body):
    """A further key, to follow the one in use."""

    kind: Kind = "live"
    days: Days | None = None


class KeyOut(BaseModel):
    """A key as it may be shown: everything but its secret."""

    id: str
    kind: Literal["live", "test"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute or so")

    @classmethod
    def from_domain(cls, key: KeyShown) -> KeyOut:
        """The shape of a key."""
        return cls(
            id=key.id,
            kind="test" if key.is_test else "live",
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class ClientOut(BaseModel):
    """A program that may call the API."""

    id: UUID
    name: str
    provider: str | None
    scopes: list[str]
    assurance: str
    networks: list[str]
    public_keys: list[str] = Field(description="the ids of its public keys")
    suspended_at: datetime | None
    created_at: datetime
    keys: list[KeyOut]

    @classmethod
    def from_domain(cls, client: Client) -> ClientOut:
        """The shape of a client."""
        return cls(
            id=client.id,
            name=client.name,
            provider=client.provider,
            scopes=sorted(client.scopes),
            assurance=client.assurance,
            networks=list(client.networks),
            public_keys=[key["kid"] for key in (client.public_keys or {"keys": []})["keys"]],
            suspended_at=client.suspended_at,
            created_at=client.created_at,
            keys=[KeyOut.from_domain(key) for key in client.keys],
        )


class NewKeyOut(BaseModel):
    """A key just made. Its text is shown this once; a request that is only repeated is told everything else."""

    id: str
    key: str | None = Field(description="the key itself, shown once", examples=["cb_live_…"])

    @classmethod
    def of(cls, printed: PrintedKey) -> NewKeyOut:
        """The shape of a fresh key."""
        return cls(id=printed.id, key=str(printed))


class NewClientOut(BaseModel):
    """A client just let in, with its first key."""

    client: ClientOut
    key: NewKeyOut
