"""Identity providers where people may sign in: OpenID Connect, code flow with PKCE, through Authlib's client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import structlog
from authlib.integrations.starlette_client import OAuthError, StarletteOAuth2App
from httpx2 import HTTPError
from joserfc.errors import JoseError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator

from creditbank.errors import Refusal
from creditbank.people.domain import LoginRefused, NewGrant, Place, check_grantable
from creditbank.web.problems import EdgeRefusal

_log = structlog.get_logger()

_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# Whoever can read the provider's public keys could make a token under any other.
_SIGNING: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_PATIENCE_SECONDS: Final = 5.0
_SUBJECT_CHARS_MAX: Final = 255  # OpenID Connect Core, section 2


class ProvidersUnusable(ValueError):
    """The file of identity providers cannot be read or says what cannot be."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Title(_Part):
    """What people know it as."""

    zh: str
    en: str


class Mapped(_Part):
    """Who has ``value`` in the claim of roles holds ``role``, for the provider, or for the bank without one."""

    value: str
    role: str
    provider: str | None = None

    def grant(self) -> NewGrant:
        """The role to be given."""
        return NewGrant(self.role, Place(self.provider))


class IdentityProvider(_Part):
    """One identity provider, as the file has it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    title: Title
    issuer: str
    client_id: str
    client_secret: SecretStr
    scopes: str = "openid profile"
    login_claim: str = "preferred_username"
    name_claim: str = "name"
    roles_claim: str | None = None
    roles: tuple[Mapped, ...] = ()
    # Whether whoever it knows gets an account here, or only who was entered and linked before.
    accounts: Literal["known", "create"] = "known"

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, issuer: str) -> str:
        return _checked(issuer).rstrip("/")

    @field_validator("scopes")
    @classmethod
    def _is_openid(cls, scopes: str) -> str:
        if "openid" not in scopes.split():
            raise ValueError("without openid nobody is told who it is")
        return scopes

    @field_validator("roles")
    @classmethod
    def _are_grantable(cls, roles: tuple[Mapped, ...]) -> tuple[Mapped, ...]:
        for mapped in roles:
            try:
                check_grantable(None, mapped.role, Place(mapped.provider))
            except Refusal as refusal:
                raise ValueError(f"{mapped.role}: {refusal.code}") from refusal
        return roles

    def grants(self, claims: Mapping[str, Any]) -> list[NewGrant]:
        """The roles to which these claims lead."""
        said = claims.get(self.roles_claim) if self.roles_claim else None
        held = said if isinstance(said, list) else [said]
        return [mapped.grant() for mapped in self.roles if mapped.value in held]


def _checked(url: object) -> str:
    parts = urlsplit(str(url))
    if not isinstance(url, str) or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
    ):
        raise ValueError("not an https address")
    return url


def read_providers(file: str) -> tuple[IdentityProvider, ...]:
    """The identity providers of a file; none without one. Raises ProvidersUnusable."""
    if not file:
        return ()
    try:
        found = TypeAdapter(tuple[IdentityProvider, ...]).validate_python(json.loads(File(file).read_text("utf-8")))
    except ValidationError as invalid:
        # What is wrong and where, and never what stood there: it may be a secret.
        wrong = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in invalid.errors(include_input=False))
        raise ProvidersUnusable(f"{file}: {wrong}") from None
    except (OSError, ValueError) as unreadable:
        raise ProvidersUnusable(f"{file}: {type(unreadable).__name__}") from unreadable
    if len({one.name for one in found}) < len(found):
        raise ProvidersUnusable(f"{file}: two of one name")
    return found


@dataclass(frozen=True, slots=True)
class Flow:
    """What the bank must know again when a person comes back: kept sealed in the person's own browser."""

    name: str
    state: str
    nonce: str
    verifier: str
    following: str
    forced: bool
    begun: float


class Gate:
    """The way to one identity provider and back."""

    def __init__(self, provider: IdentityProvider, public_url: str) -> None:
        self.provider: Final = provider
        self._back = f"{public_url}/login/with/{provider.name}/callback"
        self._client = StarletteOAuth2App(
            None,
            name=provider.name,
            client_id=provider.client_id,
            client_secret=provider.client_secret.get_secret_value(),
            server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": provider.scopes,
                "code_challenge_method": "S256",
                "timeout": _PATIENCE_SECONDS,
                "follow_redirects": False,
            },
        )

    async def _discover(self) -> None:
        """Read the provider's own description of itself, once, and hold it to the issuer that the settings name."""
        if "_loaded_at" in self._client.server_metadata:
            return
        try:
            metadata = await self._client.load_server_metadata()
            if metadata.get("issuer") != self.provider.issuer:
                raise ValueError("another issuer")
            for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _checked(metadata.get(endpoint))
            offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
            metadata["id_token_signing_alg_values_supported"] = [one for one in offered if one in _SIGNING]
        except (HTTPError, ValueError, AttributeError, TypeError) as wrong:
            self._client.server_metadata.clear()
            _log.warning("identity_provider", provider=self.provider.name, error=type(wrong).__name__)
            raise EdgeRefusal(503, code="identity_provider_unreachable") from wrong

    async def leave(self, following: str, now: float, *, forced: bool) -> tuple[str, Flow]:
        """Where to send the person, and what to know again. Raises EdgeRefusal when the provider cannot be asked."""
        await self._discover()
        asked = {"prompt": "login", "max_age": "0"} if forced else {}
        sent = await self._client.create_authorization_url(self._back, **asked)
        flow = Flow(self.provider.name, sent["state"], sent["nonce"], sent["code_verifier"], following, forced, now)
        return str(sent["url"]), flow

    async def claims(self, flow: Flow, code: str) -> Mapping[str, Any]:
        """What the provider says of whoever came back with this code. Raises LoginRefused, EdgeRefusal."""
        await self._discover()
        try:
            token = await self._client.fetch_access_token(self._back, code=code, code_verifier=flow.verifier)
            claims = await self._client.parse_id_token(token, flow.nonce)
        except HTTPError as wrong:
            _log.warning("identity_provider", provider=self.provider.name, error=type(wrong).__name__)
            raise EdgeRefusal(503, code="identity_provider_unreachable") from wrong
        except (OAuthError, JoseError, ValueError, KeyError, TypeError, RuntimeError) as wrong:
            # Its kind and not its words: those may quote a token.
            _log.warning("identity_provider", provider=self.provider.name, error=type(wrong).__name__)
            raise LoginRefused from wrong
        subject = claims.get("sub") if claims else None
        if not isinstance(subject, str) or not subject.isascii() or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
            raise LoginRefused
        return dict(claims)
