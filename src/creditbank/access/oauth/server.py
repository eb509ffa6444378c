"""The token endpoint's decisions, by Authlib: no I/O. A client that must be looked up first is asked for."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidClientError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload, OAuth2Request
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from creditbank.access.domain import Client, KeyRecord, PrintedKey, hash_secret
from creditbank.access.public_keys import key_set
from creditbank.access.tokens import LASTING_SECONDS, Tokens

PATH: Final = "/oauth/token"
METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA", "RS256")
# The clock of a client may differ from the bank's by so much.
_SKEW_SECONDS: Final = 60
# So long is an assertion remembered, so no longer may one last.
_ASSERTION_SECONDS_MAX: Final = 3600
_SHOWN_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})


class ClientWanted(Exception):
    """The decision needs a client that was not handed in."""

    def __init__(self, client_id: UUID) -> None:
        super().__init__(str(client_id))
        self.client_id = client_id


class InvalidTargetError(OAuth2Error):  # type: ignore[misc] # Authlib ships no types.
    """The resource that is asked for is none of ours, or not what this credential opens (RFC 8707)."""

    error = "invalid_target"


@dataclass(frozen=True, slots=True)
class Known:
    """A client as it was looked up, with every key it ever had."""

    client: Client
    keys: tuple[KeyRecord, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token."""

    form: Mapping[str, str]
    authorization: str
    address: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that was good: it has still to be taken, since it is good once only."""

    client_id: UUID
    id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered, and the assertion or key on which the answer rests."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    assertion: Assertion | None = None
    key_id: str | None = None
    client_id: UUID | None = None


@dataclass
class _Applicant:
    """A client in Authlib's eyes. One that is not there answers as one that is, and never with yes."""

    known: Known | None
    asked: Asked
    key: KeyRecord | None = field(default=None)

    def check_client_secret(self, secret: str) -> bool:
        printed = PrintedKey.parse(secret)
        given = hash_secret(printed.secret if printed else "")
        right = hmac.compare_digest(given, bytes(32))
        for record in self.known.keys if self.known else ():
            same = hmac.compare_digest(given, record.secret_sha256)
            if same and printed is not None and printed.id == record.id and record.is_live(self.asked.now):
                self.key, right = record, printed.is_test is record.standing.actor.is_test
        return right

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        # A client is let in from where it may call, and not while it is suspended.
        return self.known is not None and self.known.keys[0].standing.admits_from(self.asked.address)

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == ClientCredentialsGrant.GRANT_TYPE)

    @property
    def public_keys(self) -> KeySet:
        held = self.known.client.public_keys if self.known else None
        return key_set(held) if held else KeySet([])


class _ByAssertion(JWTBearerClientAssertion):  # type: ignore[misc] # Authlib ships no types.
    """`private_key_jwt`. What is good is noted here, and taken by whoever has a database."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, tokens: Tokens, now: datetime) -> None:
        super().__init__()
        self._tokens = tokens
        self._now = int(now.timestamp())
        self.good: Assertion | None = None
        # The kid of the public key under which it is signed.
        self.kid: str | None = None

    def resolve_client_public_key(self, client: _Applicant) -> KeySet:
        return client.public_keys

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> jwt.Claims:
        # Authlib would take every algorithm that the library recommends, and its clock.
        try:
            with warnings.catch_warnings():
                # EdDSA is the name that most clients still give to Ed25519.
                warnings.simplefilter("ignore", SecurityWarning)
                found = jwt.decode(assertion, resolve_key, algorithms=list(ASSERTION_ALGORITHMS))
        except (JoseError, ValueError) as wrong:
            raise InvalidClientError("The assertion is not signed with a public key of the client.") from wrong
        self.verify_claims(found.claims)
        self.kid = resolve_key.get_by_kid(found.header.get("kid")).kid
        return found.claims

    def verify_claims(self, claims: jwt.Claims) -> None:
        ours = [self._tokens.issuer, f"{self._tokens.issuer}{PATH}"]
        registry = jwt.JWTClaimsRegistry(
            now=self._now,
            leeway=_SKEW_SECONDS,
            iss={"essential": True, "value": claims.get("sub", "")},
            sub={"essential": True},
            aud={"essential": True, "values": ours},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as wrong:
            claim = getattr(wrong, "claim", None)
            named = f" {claim}" if claim in _SHOWN_CLAIMS else ""
            raise InvalidClientError(f"A claim of the assertion is missing or does not hold:{named}.") from wrong
        if claims["exp"] > self._now + _ASSERTION_SECONDS_MAX + _SKEW_SECONDS:
            raise InvalidClientError("The assertion lasts longer than an hour.")
        self.good = Assertion(UUID(claims["sub"]), claims["jti"], int(claims["exp"]) + _SKEW_SECONDS)


class _Grant(ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types.
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = list(METHODS)

    def validate_requested_scope(self) -> None:
        wanted = set((self.request.payload.scope or "").split())
        if not wanted <= self.client.known.client.scopes:
            raise InvalidScopeError("The client does not carry one of the scopes.")


class _Request(OAuth2Request):  # type: ignore[misc] # Authlib ships no types.
    def __init__(self, asked: Asked) -> None:
        # Whether the way here is encrypted is for whoever runs the bank, and is not read from the request.
        super().__init__("POST", f"https://bank{PATH}", headers={"Authorization": asked.authorization})
        self.payload = BasicOAuth2Payload(dict(asked.form))

    @property
    def form(self) -> Mapping[str, str]:
        held: Mapping[str, str] = self.payload.data
        return held


class _Server(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types.
    def __init__(self, tokens: Tokens, asked: Asked, known: Mapping[UUID, Known | None]) -> None:
        super().__init__()
        self._tokens = tokens
        self._asked = asked
        self._known = known
        self._by_assertion = _ByAssertion(tokens, asked.now)
        self.applicant: _Applicant | None = None
        self.register_client_auth_method(_ByAssertion.CLIENT_AUTH_METHOD, self._by_assertion)
        self.register_token_generator("default", self._make_token)
        self.register_grant(_Grant)

    @property
    def assertion(self) -> Assertion | None:
        """The assertion by which the client proved itself."""
        return self._by_assertion.good

    def query_client(self, client_id: str) -> _Applicant:
        try:
            named = UUID(client_id)
        except ValueError:
            return _Applicant(None, self._asked)
        if named not in self._known:
            raise ClientWanted(named)
        return _Applicant(self._known[named], self._asked)

    def save_token(self, token: Any, request: Any) -> None:
        """A token is kept nowhere: it says all that is needed, and does not last."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Asked) -> _Request:
        return _Request(request)

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, dict[str, str]]:
        return status, body, {name: value for name, value in headers if name.lower() != "content-type"}

    def _make_token(self, *, client: _Applicant, scope: str | None = None, **_: Any) -> dict[str, Any]:
        if client.known is None:
            raise InvalidClientError
        self.applicant = client
        named = self._asked.form.get("client_id")
        if named is not None and named != str(client.known.client.id):
            raise InvalidClientError("The request names another client than its credential.")
        targets = {self._tokens.audience(is_test=False): False, self._tokens.audience(is_test=True): True}
        resource = self._asked.form.get("resource")
        if resource is not None and resource not in targets:
            raise InvalidTargetError
        is_test = client.key.standing.actor.is_test if client.key else targets.get(resource or "", False)
        if resource is not None and targets[resource] is not is_test:
            raise InvalidTargetError
        scopes = sorted(set((scope or "").split()) or client.known.client.scopes)
        key_id = client.key.id if client.key else None
        kid = self._by_assertion.kid
        token = self._tokens.issue(
            client.known.client.id,
            scopes,
            self._asked.now,
            is_test=is_test,
            key_id=key_id,
            kid=kid,
            made_by=client.known.client.public_key_makers[kid] if kid is not None else None,
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": LASTING_SECONDS,
            "scope": " ".join(scopes),
        }


def decide(tokens: Tokens, asked: Asked, known: Mapping[UUID, Known | None]) -> Decision:
    """The answer to a request for a token. Raises ClientWanted when ``known`` lacks the client that it names."""
    server = _Server(tokens, asked, known)
    try:
        _check_form(asked)
        status, body, headers = server.create_token_response(asked)
    except OAuth2Error as error:
        status, body, headers = server.handle_error_response(None, error)
    except (ValueError, TypeError, RecursionError):
        # What Authlib does not expect of a header or an assertion, such as bytes that are no UTF-8.
        status, body, headers = server.handle_error_response(None, InvalidClientError("The credential is malformed."))
    if status != 200 or server.applicant is None or server.applicant.known is None:
        return Decision(status, body, headers)
    key = server.applicant.key
    client_id = server.applicant.known.client.id
    return Decision(status, body, headers, server.assertion, key.id if key else None, client_id)


def replayed() -> Decision:
    """The answer to an assertion that was taken before."""
    status, body, headers = InvalidClientError("The assertion was used before.")()
    return Decision(status, body, dict(headers))


def malformed(why: str) -> Decision:
    """The answer to a request that cannot be read."""
    status, body, headers = InvalidRequestError(why)()
    return Decision(status, body, dict(headers))


def _check_form(asked: Asked) -> None:
    if not asked.form.get("grant_type"):
        raise InvalidRequestError("grant_type is missing.")
    ways = [asked.authorization, asked.form.get("client_secret"), asked.form.get("client_assertion")]
    if sum(bool(way) for way in ways) > 1:
        # RFC 6749 section 5.2: more than one mechanism.
        raise InvalidRequestError("The client proves itself in more than one way.")
