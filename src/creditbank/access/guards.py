"""The doorkeeper: which scope a route needs, and who stands before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from creditbank.access.credentials import Credentials
from creditbank.access.domain import (
    Actor,
    BankOnly,
    CrossOrigin,
    MissingScope,
    PasswordChangeNeeded,
    PeopleOnly,
    PlaceNotHeld,
    ProviderNotActive,
    StepUpNeeded,
)
from creditbank.access.policy import NOBODY_S, Action, Owned, can
from creditbank.web.edge import Edge
from creditbank.web.origins import is_cross_origin
from creditbank.web.problems import EdgeRefusal
from creditbank.web.rates import Name, Rates, origin_of

PersonOf = Callable[[str], Awaitable[Actor | None]]
"""Finds the person whom a session's cookie lets in. Found on the application: the doorkeeper knows no sessions."""

RolesWith = Callable[[str], Sequence[str]]
"""The roles that carry a scope. Found on the application: the doorkeeper knows no roles."""

PERSON: Final = "a person"
"""What a route needs that is for whoever is signed in, with any scope or none."""

# Only for the OpenAPI document: the check itself is ours, since it answers in problems.
_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An API key, `cb_live_…`, or a token of `POST /oauth/token`",
)

READING: Final = frozenset({"GET", "HEAD"})
"""The methods by which nothing is changed."""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="creditbank"'}


def address_of(request: Request) -> str | None:
    """The caller's address. Behind a proxy the server takes it from the proxy's header, of proxies that it trusts."""
    return request.client.host if request.client else None


def check_origin(request: Request) -> None:
    """Let pass what the bank's own page sent, or a program that says so. Raises CrossOrigin."""
    edge: Edge = request.app.state.edge
    own = edge.settings.public_url
    if is_cross_origin(request.method, request.headers, own):
        raise CrossOrigin(own=own, is_unsaid=not {"origin", "sec-fetch-site"} & set(request.headers))


async def admit(request: Request, _: object = Security(_BEARER)) -> Actor:
    """A dependency that lets in whoever has a good credential, whatever its scopes. Raises as ``authenticate``."""
    return await authenticate(request)


async def authenticate(request: Request) -> Actor:
    """Whoever makes the request, by a bearer credential or a session's cookie and never by both.

    Raises 401 without either, 400 with both, CrossOrigin, 429.
    """
    edge: Edge = request.app.state.edge
    rates: Rates = request.app.state.rates
    address = address_of(request)
    authorization = request.headers.get("authorization")
    cookie = request.cookies.get(edge.settings.session_cookie)
    # Whoever has failed too often does not make the database work; who is known here comes in all the same.
    ask = not rates.is_spent("failed", origin_of(address))
    actor = None
    if authorization is not None:
        if cookie is not None:
            # Which of the two acts must never be a question of which is looked at first.
            raise EdgeRefusal(400, code="two_credentials")
        scheme, _, printed = authorization.partition(" ")
        credentials: Credentials = request.app.state.credentials
        if scheme.lower() == "bearer":
            actor = await credentials.actor(printed.strip(), address, ask=ask)
    elif cookie is not None:
        check_origin(request)
        person_of: PersonOf = request.app.state.person_of
        actor = await person_of(cookie)
    if actor is None:
        rates.admit(request, "failed", origin_of(address))
        raise EdgeRefusal(401, headers=_CHALLENGE)
    request.scope["client_id"], request.scope["acting_for"] = actor.client_id, actor.provider
    request.scope["self"] = None if actor.is_guardian else actor.learner_id
    # A person acts in one place after another; a program in its own always.
    request.scope["place"] = () if actor.user_id is None else (actor.provider or "", str(actor.learner_id or ""))
    rates.admit(request, "client", actor.client_id)
    return actor


def require(
    scope: str, quota: Name | None = None, *, is_grave: bool = False, while_stopped: bool = False
) -> Callable[..., Awaitable[Actor]]:
    """A dependency that lets in whoever carries ``scope``, as often as ``quota`` allows beside the client's own.

    What is grave asks people to have signed in just now. Whoever acts for an institution that is suspended or closed
    reads what is its own, and does ``while_stopped`` only what takes back or changes nothing. Raises as
    ``authenticate``, PasswordChangeNeeded, PlaceNotHeld, MissingScope without the scope, ProviderNotActive, 429 for one
    request too many, StepUpNeeded.
    """

    async def admitted(request: Request, _: object = Security(_BEARER)) -> Actor:
        actor = await authenticate(request)
        if actor.must_change_password:
            raise PasswordChangeNeeded
        if actor.has_lost_place:
            raise PlaceNotHeld
        if scope not in actor.scopes:
            roles_with: RolesWith = request.app.state.roles_with
            raise MissingScope(scope=scope, roles=", ".join(roles_with(scope)) if actor.user_id is not None else "")
        if actor.stopped_by is not None and not while_stopped and request.method not in READING:
            raise ProviderNotActive(provider_code=actor.stopped_by)
        if quota is not None:
            rates: Rates = request.app.state.rates
            rates.admit(request, quota, actor.client_id)
        if is_grave and actor.user_id is not None:
            edge: Edge = request.app.state.edge
            proven, recent = actor.authenticated_at, timedelta(minutes=edge.settings.step_up_minutes)
            if proven is None or edge.clock() - proven >= recent:
                raise StepUpNeeded
        return actor

    admitted.scope = scope  # type: ignore[attr-defined]
    admitted.is_grave = is_grave  # type: ignore[attr-defined]
    admitted.while_stopped = while_stopped  # type: ignore[attr-defined]
    return admitted


async def limit_public(request: Request) -> None:
    """A dependency of routes that make the database work for anybody: so often a minute from one origin. Raises 429."""
    rates: Rates = request.app.state.rates
    rates.admit(request, "public", origin_of(address_of(request)))


async def require_person(request: Request, _: object = Security(_BEARER)) -> Actor:
    """A dependency that lets in whoever is signed in. Raises as ``authenticate``, PeopleOnly."""
    actor = await authenticate(request)
    if actor.user_id is None:
        raise PeopleOnly
    return actor


require_person.scope = PERSON  # type: ignore[attr-defined]


def check_whole(actor: Actor, action: Action, resource: Owned = NOBODY_S) -> None:
    """Let pass only whoever may do with the whole what providers see or do a part of at most. Raises BankOnly."""
    if not can(actor, action, resource):
        raise BankOnly
