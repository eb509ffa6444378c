"""The doorkeeper: which scope a route needs, and who stands before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from creditbank.access.credentials import Credentials
from creditbank.access.domain import Actor, BankOnly, CrossOrigin, MissingScope, PeopleOnly, StepUpNeeded
from creditbank.access.policy import NOBODY_S, Action, Owned, can
from creditbank.web.edge import Edge
from creditbank.web.origins import is_cross_origin
from creditbank.web.problems import EdgeRefusal

PersonOf = Callable[[str], Awaitable[Actor | None]]
"""Finds the person whom a session's cookie lets in. Found on the application: the doorkeeper knows no sessions."""

PERSON: Final = "a person"
"""What a route needs that is for whoever is signed in, with any scope or none."""

# Only for the OpenAPI document: the check itself is ours, since it answers in problems.
_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key: `cb_live_…`")

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="creditbank"'}


async def authenticate(request: Request) -> Actor:
    """Whoever makes the request, by a bearer credential or a session's cookie and never by both.

    Raises 401 without either, 400 with both, CrossOrigin.
    """
    edge: Edge = request.app.state.edge
    authorization = request.headers.get("authorization")
    cookie = request.cookies.get(edge.settings.session_cookie)
    actor = None
    if authorization is not None:
        if cookie is not None:
            # Which of the two acts must never be a question of which is looked at first.
            raise EdgeRefusal(400, code="two_credentials")
        scheme, _, printed = authorization.partition(" ")
        credentials: Credentials = request.app.state.credentials
        actor = await credentials.actor(printed.strip()) if scheme.lower() == "bearer" else None
    elif cookie is not None:
        if is_cross_origin(request.method, request.headers, edge.settings.public_url):
            raise CrossOrigin
        person_of: PersonOf = request.app.state.person_of
        actor = await person_of(cookie)
    if actor is None:
        raise EdgeRefusal(401, headers=_CHALLENGE)
    request.scope["client_id"] = actor.client_id
    return actor


def require(scope: str, *, is_grave: bool = False) -> Callable[..., Awaitable[Actor]]:
    """A dependency that lets in whoever carries ``scope``; what is grave asks people to have signed in just now.

    Raises as ``authenticate``, MissingScope without the scope, StepUpNeeded.
    """

    async def admitted(request: Request, _: object = Security(_BEARER)) -> Actor:
        actor = await authenticate(request)
        if scope not in actor.scopes:
            raise MissingScope(scope=scope)
        if is_grave and actor.user_id is not None:
            edge: Edge = request.app.state.edge
            proven, recent = actor.authenticated_at, timedelta(minutes=edge.settings.step_up_minutes)
            if proven is None or edge.clock() - proven >= recent:
                raise StepUpNeeded
        return actor

    admitted.scope = scope  # type: ignore[attr-defined]
    admitted.is_grave = is_grave  # type: ignore[attr-defined]
    return admitted


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
