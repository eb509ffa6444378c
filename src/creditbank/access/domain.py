"""Who calls, with what rights; keys as they are printed and as they are kept."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.identifiers import is_under

SCOPES: Final = (
    "achievements:read",
    "achievements:write",
    "activities:check_in",
    "activities:read",
    "activities:write",
    "audit:read",
    "catalogue:write",
    "claims:decide",
    "claims:read",
    "claims:write",
    "clients:read",
    "clients:write",
    "consents:read",
    "consents:write",
    "conversions:decide",
    "conversions:read",
    "conversions:write",
    "identities:claim",
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
    "regions:read",
    "regions:write",
    "reviews:read",
    "reviews:write",
    "rules:approve",
    "rules:read",
    "rules:write",
    "rulings:approve",
    "rulings:write",
    "transcripts:read",
    "users:read",
    "users:write",
    "webhooks:read",
    "webhooks:write",
)

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIXES: Final = {False: "cb_live_", True: "cb_test_"}
_ID_CHARS: Final = 12
_SECRET_CHARS: Final = 50  # of 36 letters: 258 bits
_SUM_CHARS: Final = 6

ASSURANCES: Final = ("self", "provider", "verified", "signed")
"""How far achievements may be assured, the least first."""

LIVE_KEYS_MAX: Final = 2
"""Keys of one kind that a client may have at once: the one in use and the one that follows it."""

Network = IPv4Network | IPv6Network


ActorKind = Literal["client", "person", "system", "command_line"]
ACTOR_KINDS: Final = ("client", "person", "system", "command_line")
"""A program, a person who signed in, the bank itself by a job, whoever works at its command line."""


@dataclass(frozen=True, slots=True)
class By:
    """Who did something, as the audit log names them."""

    kind: ActorKind
    # The id of a client or a user; `operator:` and the machine's account; the name of a part of the bank.
    actor: str | None = None
    # The provider acted for, with all under it; None: the bank, or a learner.
    provider: str | None = None


SYSTEM: Final = By("system")


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever makes a request, once the credential is checked: a program, or a person who has signed in."""

    # Of a person the user's id. Ids are never given twice, so two that differ are two who act.
    client_id: UUID
    # The code of the provider it acts for, with all under it; None: the bank itself, or a learner.
    provider: str | None
    scopes: frozenset[str]
    assurance: str
    # Whether the credential opens the sandbox and not the real books.
    is_test: bool = False
    # Of a program the principal who made the key that it shows, and so may have it; none was made by the operator.
    made_by: str | None = None
    # The rest is of people only.
    user_id: UUID | None = None
    roles: frozenset[str] = frozenset()
    # The account of the learner who acts: as a learner nobody acts for the bank or a provider.
    learner_id: UUID | None = None
    authenticated_at: datetime | None = None
    # The code of the suspended or closed institution for which it acts, or under which that stands.
    stopped_by: str | None = None
    # Whether that learner is a minor for whom the person acts: what they see is a look of somebody else's.
    is_guardian: bool = False
    # Whether the password is still the one that somebody else gave: nothing is done before it is changed.
    must_change_password: bool = False
    # Whether no role reaches the place any more: a guardianship ended, a role ran out. Nothing is done there.
    has_lost_place: bool = False

    @property
    def identity(self) -> str:
        """Who acts, in one word: what records name."""
        return f"client:{self.client_id}" if self.user_id is None else f"user:{self.user_id}"

    @property
    def by(self) -> By:
        """Who acts, as the audit log names them."""
        return By("client" if self.user_id is None else "person", str(self.client_id), self.provider)

    @property
    def principal(self) -> str:
        """As whom the actor counts where two people are needed: a program as whoever made the key that it shows."""
        return self.made_by or self.identity

    @property
    def principal_id(self) -> UUID:
        """The id of the principal. Ids are never given twice, whatever they are of."""
        return UUID(self.principal.partition(":")[2])

    @property
    def is_bank(self) -> bool:
        """Whether it acts for the bank and not for a provider or as a learner."""
        return self.provider is None and self.learner_id is None

    def acts_for(self, provider_code: str) -> bool:
        """Whether it may speak for that provider: its own, one under it, or any for the bank."""
        return self.is_bank or (self.provider is not None and is_under(provider_code, self.provider))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands: who it is, whether it may call at all, and from where."""

    actor: Actor
    is_suspended: bool = False
    networks: tuple[Network, ...] = ()
    # Of each public key that it has now, by its kid, the principal who gave it.
    public_key_makers: Mapping[str, str | None] = field(default_factory=dict)

    def admits_from(self, address: str | None) -> bool:
        """Whether the client may call from there. Without an allow-list it may from everywhere."""
        return not self.is_suspended and (not self.networks or is_within(address, self.networks))


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored, with the client it lets in."""

    id: str
    secret_sha256: bytes
    expires_at: datetime | None
    revoked_at: datetime | None
    standing: Standing

    def is_live(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def admits(self, secret: str, now: datetime) -> bool:
        """Whether this secret opens the door now. Compared in constant time."""
        right = hmac.compare_digest(hash_secret(secret), self.secret_sha256)
        return right and self.is_live(now)


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
    """``cb_live_<id>_<secret><checksum>``: the prefix and checksum let scanners and people recognise a key.

    A key of the sandbox begins with ``cb_test_``, and the checksum is over the prefix too.
    """

    id: str
    secret: str
    is_test: bool = False

    @classmethod
    def make(cls, choose: Callable[[str], str], *, is_test: bool = False) -> PrintedKey:
        """A fresh key of letters that ``choose`` draws: shown once, never kept."""
        letters = "".join(choose(_ALPHABET) for _ in range(_ID_CHARS + _SECRET_CHARS))
        return cls(letters[:_ID_CHARS], letters[_ID_CHARS:], is_test)

    @classmethod
    def parse(cls, text: str) -> PrintedKey | None:
        """The key that was printed; None for anything that is not one of ours, without asking the database."""
        is_test = text.startswith(_PREFIXES[True])
        body, given = text[:-_SUM_CHARS], text[-_SUM_CHARS:]
        id_, _, secret = body.removeprefix(_PREFIXES[is_test]).partition("_")
        right = (
            text.isascii()
            and text.startswith(_PREFIXES[is_test])
            and len(id_) == _ID_CHARS
            and len(secret) == _SECRET_CHARS
            and _checksum(body) == given
        )
        return cls(id_, secret, is_test) if right else None

    def __str__(self) -> str:
        body = f"{_PREFIXES[self.is_test]}{self.id}_{self.secret}"
        return body + _checksum(body)


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks that the texts name. Raises NetworkMalformed."""
    found = []
    for place, text in enumerate(texts):
        try:
            found.append(ip_network(text))
        except ValueError:
            raise NetworkMalformed(given=text[:64], pointer=f"/networks/{place}") from None
    return tuple(found)


def is_within(address: str | None, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    try:
        at = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(at, "ipv4_mapped", None)
    return any((mapped or at) in network for network in networks)


@dataclass(frozen=True, slots=True)
class KeyShown:
    """A key as it may be shown: everything but its secret."""

    id: str
    is_test: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    # To the minute or so: it is not written with each request.
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """A program that may call the API, as its administrator sees it."""

    id: UUID
    name: str
    provider: str | None
    scopes: frozenset[str]
    assurance: str
    networks: tuple[str, ...]
    # A set of public keys (RFC 7517), under which its assertions are signed.
    public_keys: Mapping[str, Any] | None
    suspended_at: datetime | None
    created_at: datetime
    revision: int
    # The principal who let it in; none for the operator.
    made_by: str | None
    # Of each public key, by its kid, the principal who gave it.
    public_key_makers: Mapping[str, str | None]
    keys: tuple[KeyShown, ...] = ()


@dataclass(eq=False, kw_only=True)
class MissingScope(Refusal):
    """The credential is good but does not carry the scope that this route needs; ``roles`` name who of people may."""

    code = "missing_scope"
    kind = Kind.FORBIDDEN
    scope: str
    roles: str = ""

    @property
    def says(self) -> str:
        """A person has roles, a program scopes."""
        return "missing_scope_of_person" if self.roles else self.code


@dataclass(eq=False, kw_only=True)
class PasswordChangeNeeded(Refusal):
    """A person with a first password, which somebody else has seen, changes it before all else; ``at`` is where."""

    code = "password_change_needed"
    kind = Kind.FORBIDDEN
    at: str = "/login/password"


@dataclass(eq=False, kw_only=True)
class PlaceNotHeld(Refusal):
    """The person holds no role there, or none any more."""

    code = "place_not_held"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class PeopleOnly(Refusal):
    """Only a person who has signed in may do this; a program has no sessions."""

    code = "people_only"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class StepUpNeeded(Refusal):
    """What is gravest asks a person to have proven who they are just now; ``at`` is where to."""

    code = "step_up_needed"
    kind = Kind.FORBIDDEN
    at: str = "/login?again=1"


@dataclass(eq=False, kw_only=True)
class CrossOrigin(Refusal):
    """A page of somebody else's made the browser send this, with the cookie of whoever is signed in.

    ``is_unsaid``: no header says where it came from, as when a program signs in without ``Origin``.
    """

    code = "cross_origin"
    kind = Kind.FORBIDDEN
    own: str
    is_unsaid: bool = False

    @property
    def says(self) -> str:
        """Of a request without the headers it is said which one is missing."""
        return "cross_origin_unsaid" if self.is_unsaid else self.code


@dataclass(eq=False, kw_only=True)
class ProviderNotActive(Refusal):
    """A suspended or closed provider, and whoever is below it, states nothing new; it may take back what it stated."""

    code = "provider_not_active"
    kind = Kind.FORBIDDEN
    provider_code: str


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


@dataclass(eq=False, kw_only=True)
class ClientNotFound(Refusal):
    """There is no such client, or the caller may not know of it."""

    code = "client_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class KeyNotFound(Refusal):
    """The client has no such key, or it is revoked already."""

    code = "key_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class TooManyKeys(Refusal):
    """The client has the key in use and the one that follows it already."""

    code = "too_many_keys"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class ScopeNotHeld(Refusal):
    """Nobody gives, or governs, a scope that they do not carry themselves."""

    code = "scope_not_held"
    kind = Kind.FORBIDDEN
    scope: str


@dataclass(eq=False, kw_only=True)
class AssuranceNotHeld(Refusal):
    """Nobody gives, or governs, a higher assurance than their own."""

    code = "assurance_not_held"
    kind = Kind.FORBIDDEN
    assurance: str


@dataclass(eq=False, kw_only=True)
class ProviderNotHeld(Refusal):
    """A provider lets in programs of its own and of those below it, never of another or of the bank."""

    code = "provider_not_held"
    kind = Kind.FORBIDDEN
    provider: str


@dataclass(eq=False, kw_only=True)
class ClientProviderUnknown(Refusal):
    """The network has no such provider for a client to act for."""

    code = "client_provider_unknown"
    kind = Kind.INVALID
    provider: str
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class NetworkMalformed(Refusal):
    """The text is no network such as 192.0.2.0/24 or 2001:db8::/32."""

    code = "network_malformed"
    kind = Kind.INVALID
    given: str


@dataclass(eq=False, kw_only=True)
class PublicKeysRefused(Refusal):
    """The set of public keys cannot be used, or holds a private key."""

    code = "public_keys_refused"
    kind = Kind.INVALID
    pointer: str = "/public_keys"
