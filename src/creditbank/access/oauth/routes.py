"""The token endpoint and what the bank publishes about itself under ``/.well-known``."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from typing_extensions import TypedDict

from creditbank.access.actions import take_once
from creditbank.access.credentials import Credentials
from creditbank.access.domain import SCOPES, ClientNotFound
from creditbank.access.guards import address_of
from creditbank.access.oauth.server import (
    ASSERTION_ALGORITHMS,
    METHODS,
    PATH,
    Asked,
    ClientWanted,
    Decision,
    Known,
    decide,
    malformed,
    replayed,
)
from creditbank.access.queries import find_client, keys_of
from creditbank.access.tokens import Tokens
from creditbank.web.bodies import to_json
from creditbank.web.edge import EdgeDep
from creditbank.web.problems import EdgeRefusal, documented
from creditbank.web.rates import Rates, origin_of

router = APIRouter(tags=["oauth"])

_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS_MAX: Final = 20
_BYTES_MAX: Final = 64 * 1024
_SECURITY_DAYS: Final = 180


class TokenOut(TypedDict):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class OAuthErrorOut(TypedDict, total=False):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


class KeySetOut(TypedDict):
    """RFC 7517 section 5."""

    keys: list[dict[str, Any]]


class MetadataOut(TypedDict):
    """RFC 8414 section 2."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    scopes_supported: list[str]


_REQUEST: Final = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "client_credentials"},
                        "scope": {"type": "string", "description": "some of the client's; left out: all"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "description": "a key of the client"},
                        "client_assertion_type": {"type": "string"},
                        "client_assertion": {"type": "string", "description": "RFC 7523 section 2.2"},
                        "resource": {"type": "string", "description": "RFC 8707: the issuer, or `…/sandbox`"},
                    },
                },
                "example": {"grant_type": "client_credentials", "client_id": "…", "client_secret": "cb_live_…"},
            }
        },
    }
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": OAuthErrorOut, "description": f"{what} (RFC 6749 section 5.2)"}
    for status, what in ((400, "the request is wrong"), (401, "the client did not prove itself"))
}
_EDGE: Final = {status: shown for status, shown in documented(404, public=True).items() if status != 400}


def _tokens(request: Request) -> Tokens:
    found: Tokens | None = request.app.state.tokens
    if found is None:
        raise EdgeRefusal(404)
    return found


def _shown(decision: Decision) -> Response:
    headers = {"Cache-Control": "no-store", **decision.headers}
    return Response(to_json(decision.body), decision.status, headers, "application/json")


async def _form_of(request: Request) -> dict[str, str] | Decision:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return malformed(f"The body is not {_FORM}.")
    raw = await request.body()
    if len(raw) > _BYTES_MAX:
        return malformed("The body is too long.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError:
        return malformed("The body is no form in UTF-8, or holds too much.")
    if len({name for name, _ in pairs}) != len(pairs):
        # RFC 6749 section 3.2: parameters are not given twice.
        return malformed("A parameter is given twice.")
    return {name: value for name, value in pairs if value}


@router.post(
    PATH,
    operation_id="issue_token",
    openapi_extra=_REQUEST,
    responses={200: {"model": TokenOut, "description": "a token for ten minutes"}, **_ERRORS, **_EDGE},
)
async def issue_token(request: Request, edge: EdgeDep) -> Response:
    """A token for a client that proves itself: by a key of its own as secret, or by `private_key_jwt`."""
    tokens = _tokens(request)
    rates: Rates = request.app.state.rates
    rates.admit(request, "token", origin_of(address_of(request)))
    form = await _form_of(request)
    if isinstance(form, Decision):
        return _shown(form)
    asked = Asked(form, request.headers.get("authorization", ""), address_of(request), edge.clock())
    try:
        decision = decide(tokens, asked, {})
    except ClientWanted as wanted:
        async with edge.database.snapshot() as connection:
            try:
                client = await find_client(connection, wanted.client_id)
                known: Known | None = Known(client, tuple(await keys_of(connection, wanted.client_id)))
            except ClientNotFound:
                known = None
        decision = decide(tokens, asked, {wanted.client_id: known})
    if decision.assertion is not None:
        good = decision.assertion
        key = hashlib.sha256(f"{good.client_id}\0{good.id}".encode()).digest()
        async with edge.database.write() as connection:
            if not await take_once(connection, key, datetime.fromtimestamp(good.expires_at, UTC)):
                decision = replayed()
    if decision.key_id is not None:
        credentials: Credentials = request.app.state.credentials
        credentials.note_use(decision.key_id)
    request.scope["client_id"] = decision.client_id
    return _shown(decision)


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="read_oauth_metadata",
    responses={200: {"model": MetadataOut, "description": "how tokens are had"}, **documented(404, public=True)},
)
async def read_oauth_metadata(request: Request) -> Response:
    """How programs get a token (RFC 8414)."""
    issuer = _tokens(request).issuer
    metadata: MetadataOut = {
        "issuer": issuer,
        "token_endpoint": issuer + PATH,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "scopes_supported": list(SCOPES),
    }
    return _published(to_json(metadata), "application/json")


@router.get(
    "/.well-known/jwks.json",
    operation_id="read_token_keys",
    responses={200: {"model": KeySetOut, "description": "a JWK set"}, **documented(404, public=True)},
)
async def read_token_keys(request: Request) -> Response:
    """The public keys under which the bank's tokens are signed (RFC 7517)."""
    return _published(to_json(_tokens(request).public_keys()), "application/json")


@router.get(
    "/.well-known/security.txt",
    operation_id="read_security_contact",
    response_class=Response,
    responses={
        200: {"description": "RFC 9116", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(404, public=True),
    },
)
async def read_security_contact(edge: EdgeDep) -> Response:
    """Whom to tell of a hole in the bank's security (RFC 9116)."""
    settings = edge.settings
    if not settings.security_contact:
        raise EdgeRefusal(404)
    # Good for half a year from today: whoever keeps the bank running keeps this true.
    expires = (edge.clock() + timedelta(days=_SECURITY_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [f"Contact: {settings.security_contact}", f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}"]
    lines.append("Preferred-Languages: zh, en")
    if settings.public_url.startswith("https://"):
        lines.append(f"Canonical: {settings.public_url}/.well-known/security.txt")
    return _published(("\n".join(lines) + "\n").encode(), "text/plain; charset=utf-8")


def _published(body: bytes, media_type: str) -> Response:
    return Response(body, headers={"Cache-Control": "public, max-age=300"}, media_type=media_type)
