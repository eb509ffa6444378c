"""The doorkeeper: which scope a route needs, and who stands before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from creditbank.access.credentials import Credentials
from creditbank.access.domain import Actor, BankOnly, MissingScope
from creditbank.web.problems import EdgeRefusal
from creditbank.web.rates import Name, Rates, origin_of

# Only for the OpenAPI document: the check itself is ours, since it answers in problems.
_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An API key, `cb_live_…`, or a token of `POST /oauth/token`",
)

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="creditbank"'}


def address_of(request: Request) -> str | None:
    """The caller's address. Behind a proxy the server takes it from the proxy's header, of proxies that it trusts."""
    return request.client.host if request.client else None


async def admit(request: Request, _: object = Security(_BEARER)) -> Actor:
    """A dependency that lets in whoever has a good credential, whatever its scopes. Raises 401 and 429."""
    return await _authenticate(request)


async def _authenticate(request: Request) -> Actor:
    scheme, _, printed = request.headers.get("authorization", "").partition(" ")
    credentials: Credentials = request.app.state.credentials
    rates: Rates = request.app.state.rates
    address = address_of(request)
    actor = None
    if scheme.lower() == "bearer":
        # Whoever has failed too often does not make the database work; who is known here comes in all the same.
        ask = not rates.is_spent("failed", origin_of(address))
        actor = await credentials.actor(printed.strip(), address, ask=ask)
    if actor is None:
        rates.admit(request, "failed", origin_of(address))
        raise EdgeRefusal(401, headers=_CHALLENGE)
    request.scope["client_id"] = actor.client_id
    rates.admit(request, "client", actor.client_id)
    return actor


def require(scope: str, quota: Name | None = None) -> Callable[..., Awaitable[Actor]]:
    """A dependency that lets in whoever carries ``scope``, as often as ``quota`` allows beside the client's own.

    Raises 401 without a credential, MissingScope without the scope, 429 for one request too many.
    """

    async def admitted(request: Request, _: object = Security(_BEARER)) -> Actor:
        actor = await _authenticate(request)
        if scope not in actor.scopes:
            raise MissingScope(scope=scope)
        if quota is not None:
            rates: Rates = request.app.state.rates
            rates.admit(request, quota, actor.client_id)
        return actor

    admitted.scope = scope  # type: ignore[attr-defined]
    return admitted


def require_bank(actor: Actor) -> None:
    """Let only the bank's own clients pass. Raises BankOnly."""
    if not actor.is_bank:
        raise BankOnly
