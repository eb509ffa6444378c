"""Endpoints of people and their roles, and of one's own sessions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.access.guards import require, require_person
from creditbank.access.policy import NOBODY_S, Denied, Owned, can, part
from creditbank.errors import Fault
from creditbank.learners.queries import find
from creditbank.people import actions, domain, queries
from creditbank.people.actions import NewUser
from creditbank.people.domain import Grant, Session, SessionNotFound, UserNotFound
from creditbank.people.passwords import Passwords, check_strength
from creditbank.people.schemas import GrantIn, GrantOut, PlaceIn, PlaceOut, SessionOut, UserIn, UserOut
from creditbank.people.sessions import Sessions, SignedIn
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import EdgeRefusal, documented

router = APIRouter(tags=["people"])

_new = JsonBody(
    UserIn,
    {
        "login": "chen@college.example",
        "name": "陈静",
        "password": "plum-rain over seven bridges",
        "roles": [{"role": "assessor", "provider": "cq/yuzhong"}],
    },
)
_grant = JsonBody(GrantIn, {"role": "assessor", "provider": "cq/yuzhong", "until": "2027-09-01T00:00:00Z"})
_place = JsonBody(PlaceIn, {"provider": "cq/yuzhong"})

Reader = Annotated[Actor, Depends(require("users:read"))]
# Whoever is given a role could do with it what needs a fresh proof: giving one needs that too.
Writer = Annotated[Actor, Depends(require("users:write", is_grave=True))]
Revoker = Annotated[Actor, Depends(require("users:write", while_stopped=True))]
Person = Annotated[Actor, Depends(require_person)]


def _shown(actor: Actor, grant: Grant) -> bool:
    """Whether the caller may know of a grant: the bank of all, a provider of those for itself and below."""
    return bool(can(actor, "user.read", Owned(grant.place.provider)))


def _seen_from(actor: Actor) -> str | None:
    """The provider for which a person must hold a role to be seen; None for everybody. Raises UserNotFound."""
    seen = part(actor, "user.read", NOBODY_S)
    if isinstance(seen, Denied):
        raise UserNotFound
    return seen


async def _user(connection: AsyncConnection, edge: Edge, actor: Actor, id: UUID) -> UserOut:
    user = await queries.find(connection, edge.vault, id, _seen_from(actor))
    return UserOut.from_domain(user, lambda grant: _shown(actor, grant))


@router.post(
    "/v1/users",
    operation_id="enter_user",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": UserOut, "description": "entered"}, **documented(409, 410, 415)},
)
async def enter_user(
    request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[UserIn], Depends(_new)]
) -> Response:
    """Enter a person with the roles to begin with. Nobody gives a role that he does not hold himself in that place."""
    new = body.value
    if not new.roles and not can(actor, "user.read", NOBODY_S):
        raise EdgeRefusal(422, [Fault("/roles", "too_few_items", "")])
    stored = None
    if new.password is not None:
        check_strength(new.password, edge.settings.password_length_min, (new.login, new.name))
        passwords: Passwords = request.app.state.passwords
        stored = await passwords.hash(new.password)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        user_id = await actions.enter(
            connection, edge.vault, NewUser(new.login, new.name, stored), actor.identity, now, actor.provider
        )
        for wanted in new.roles:
            await actions.grant(connection, user_id, wanted.wanted(), actor, actor.identity, now)
        return await told(connection, user_id.bytes)

    async def told(connection: AsyncConnection, kept: bytes) -> Answer:
        # The answer names a person: only the id is kept of it, and it is made again.
        id = UUID(bytes=kept)
        shown = (await _user(connection, edge, actor, id)).model_dump_json().encode()
        return Answer(201, shown, {"Location": f"/v1/users/{id}"}, kept=kept)

    return await once(request, edge, actor.client_id, body.raw, work, told)


@router.get(
    "/v1/users",
    operation_id="list_users",
    responses={200: {"model": Page[UserOut], "description": "a page of people"}, **documented()},
)
async def list_users(
    request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """People who may sign in: for a provider those who hold a role for itself or below."""
    async with edge.database.snapshot() as connection:
        found = await queries.page(
            connection, edge.vault, seen_from=_seen_from(actor), after=converted(cursor, UUID), limit=limit + 1
        )
    return page_answer(
        request,
        found,
        limit,
        lambda user: str(user.id),
        lambda user: UserOut.from_domain(user, lambda grant: _shown(actor, grant)).model_dump(mode="json"),
    )


@router.get(
    "/v1/users/{id}",
    operation_id="read_user",
    responses={200: {"model": UserOut, "description": "the person"}, **documented(404)},
)
async def read_user(id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """One person, with the roles that the caller may know of, those that ended too."""
    async with edge.database.snapshot() as connection:
        return json_answer(await _user(connection, edge, actor, id))


@router.get(
    "/v1/users/{id}/roles",
    operation_id="list_roles",
    responses={200: {"model": Page[GrantOut], "description": "what was granted, oldest first"}, **documented(404)},
)
async def list_roles(id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """The roles that a person was ever given, as far as the caller may know of them."""
    async with edge.database.snapshot() as connection:
        user = await _user(connection, edge, actor, id)
    return json_answer({"items": [grant.model_dump(mode="json") for grant in user.roles], "next": None})


@router.post(
    "/v1/users/{id}/roles",
    operation_id="grant_role",
    status_code=201,
    openapi_extra=_grant.documents,
    responses={201: {"model": GrantOut, "description": "given"}, **documented(404, 409, 410, 415)},
)
async def grant_role(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, body: Annotated[Read[GrantIn], Depends(_grant)]
) -> Response:
    """Give a person a role, for a provider with all under it, for a learner, or for the bank."""

    async def work(connection: AsyncConnection) -> Answer:
        await queries.find(connection, edge.vault, id, _seen_from(actor))
        given = await actions.grant(connection, id, body.value.wanted(), actor, actor.identity, edge.clock())
        held = (await queries.grants_of(connection, [id]))[id]
        shown = next(GrantOut.from_domain(one) for one in held if one.id == given)
        return Answer(201, shown.model_dump_json().encode(), {"Location": f"/v1/users/{id}/roles"})

    answer = await once(request, edge, actor.client_id, body.raw, work)
    _sessions(request).forget(id)
    return answer


@router.delete(
    "/v1/users/{id}/roles/{grant_id}",
    operation_id="revoke_role",
    status_code=204,
    responses={204: {"description": "taken back"}, **documented(404, 409, 410)},
)
async def revoke_role(id: UUID, grant_id: UUID, request: Request, edge: EdgeDep, actor: Revoker) -> Response:
    """Take a role back. Every process honours it no longer than its cache of credentials lasts."""

    async def work(connection: AsyncConnection) -> Answer:
        await queries.find(connection, edge.vault, id, _seen_from(actor))
        await actions.revoke(connection, id, grant_id, actor, actor.identity, edge.clock())
        return Answer(204, b"")

    answer = await once(request, edge, actor.client_id, b"", work)
    _sessions(request).forget(id)
    return answer


# --- One's own sessions -----------------------------------------------------------------------------------------------


def _sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


async def _signed_in(request: Request, edge: Edge) -> SignedIn:
    """The session by which the request came. Raises SessionNotFound when it ended meanwhile."""
    found = await _sessions(request).signed_in(request.cookies[edge.settings.session_cookie])
    if found is None:
        raise SessionNotFound
    return found


@router.get(
    "/v1/sessions",
    operation_id="list_sessions",
    responses={200: {"model": Page[SessionOut], "description": "where the caller is signed in"}, **documented()},
)
async def list_sessions(request: Request, edge: EdgeDep, actor: Person) -> Response:
    """The devices on which the caller is signed in, the newest first."""
    current = (await _signed_in(request, edge)).session.id
    now, limits = edge.clock(), _sessions(request).limits
    async with edge.database.snapshot() as connection:
        key = await queries.find_key(connection, edge.vault, actor.client_id)
        found = await queries.sessions_of(connection, key, actor.client_id, now - limits.idle)
    shown = [SessionOut.from_domain(one, current) for one in found if limits.alive(one, now)]
    return json_answer({"items": [one.model_dump(mode="json") for one in shown], "next": None})


@router.get(
    "/v1/me/places",
    operation_id="list_places",
    responses={200: {"model": Page[PlaceOut], "description": "where the caller may act"}, **documented()},
)
async def list_places(request: Request, edge: EdgeDep, actor: Person) -> Response:
    """The places in which the caller may act now: the bank first, then providers by code, then accounts of learners.

    Whoever is a guardian of the learner is told the learner's name, which is a look at the account.
    """
    current = (await _signed_in(request, edge)).session.place
    async with edge.database.snapshot() as connection:
        grants = (await queries.grants_of(connection, [actor.client_id]))[actor.client_id]
        held = domain.held(() if actor.must_change_password else grants, edge.clock())
        learners = [
            None if one.place.learner_id is None else (await find(connection, edge.vault, one.place.learner_id))[0]
            for one in held
        ]
    request.scope["looked_at"] = [one.place.learner_id for one in held if one.is_guardian]
    shown = [PlaceOut.from_domain(one, current, learner) for one, learner in zip(held, learners, strict=True)]
    return json_answer({"items": [one.model_dump(mode="json") for one in shown], "next": None})


@router.put(
    "/v1/sessions/current/place",
    operation_id="move_session",
    openapi_extra=_place.documents,
    responses={200: {"model": SessionOut, "description": "acting there"}, **documented(404, 415)},
)
async def move_session(
    request: Request, edge: EdgeDep, actor: Person, body: Annotated[Read[PlaceIn], Depends(_place)]
) -> Response:
    """Act in another place in which the caller holds a role: for the bank, for a provider, or as a learner."""
    signed = await _signed_in(request, edge)
    async with edge.database.write() as connection:
        now = edge.clock()
        await actions.move_session(
            connection, signed.session, body.value.to_domain(), now, is_initial=signed.is_password_initial
        )
        key = await queries.find_key(connection, edge.vault, actor.client_id)
        mine = await queries.sessions_of(connection, key, actor.client_id, now - _sessions(request).limits.idle)
    _sessions(request).forget(actor.client_id)
    return json_answer(SessionOut.from_domain(_one(mine, signed.session.id), signed.session.id))


def _one(mine: list[Session], session_id: UUID) -> Session:
    found = next((one for one in mine if one.id == session_id), None)
    if found is None:
        raise SessionNotFound
    return found


@router.delete(
    "/v1/sessions/{id}",
    operation_id="end_session",
    status_code=204,
    responses={204: {"description": "ended"}, **documented(404)},
)
async def end_session(id: UUID, request: Request, edge: EdgeDep, actor: Person) -> Response:
    """Sign out on one device, here or elsewhere."""
    async with edge.database.write() as connection:
        if not await actions.end_session(connection, actor.client_id, id, edge.clock()):
            raise SessionNotFound
    _sessions(request).forget(actor.client_id)
    return Response(status_code=204)


@router.delete(
    "/v1/sessions",
    operation_id="end_sessions",
    status_code=204,
    responses={204: {"description": "signed out everywhere"}, **documented()},
)
async def end_sessions(request: Request, edge: EdgeDep, actor: Person) -> Response:
    """Sign out everywhere, here too."""
    async with edge.database.write() as connection:
        await actions.end_sessions(connection, actor.client_id, edge.clock())
    _sessions(request).forget(actor.client_id)
    return Response(status_code=204)
