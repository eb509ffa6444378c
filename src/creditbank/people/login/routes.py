"""The pages of signing in and out. They answer HTML and stand in no API description."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import take_once
from creditbank.access.domain import PlaceNotHeld
from creditbank.access.guards import address_of, check_origin, limit_public
from creditbank.errors import Fault, Refusal
from creditbank.people import actions, queries
from creditbank.people.domain import ISSUER, Account, LoginRefused, LoginTaken, Place, places
from creditbank.people.login.cookies import set_cookie
from creditbank.people.login.domain import HOME, local_path, proven_at
from creditbank.people.login.pages import page
from creditbank.people.login.providers import Flow, Gate
from creditbank.people.login.proving import prove
from creditbank.people.passwords import Passwords, check_strength
from creditbank.people.sessions import Sessions, SignedIn
from creditbank.sealing import SealBroken
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.fields import has_control
from creditbank.web.limits import too_large
from creditbank.web.problems import EdgeRefusal, headers_of, language_of, status_of
from creditbank.web.rates import origin_of
from creditbank.web.sentences import sentence

# Whoever asks need have no account: not more often than for anything else that is public.
router = APIRouter(include_in_schema=False, dependencies=[Depends(limit_public)])

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_BYTES_MAX: Final = 16_384
_FIELDS_MAX: Final = 10
_FLOW_SECONDS: Final = 600
_FLOW: Final = b"login.flow"

Next = Annotated[str | None, Query(alias="next", max_length=2000)]
Name = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$")]


async def _form(request: Request, edge: Edge) -> dict[str, str]:
    """The fields of a form of the bank's own page. Raises CrossOrigin, 415, 400, 413."""
    # Not only who is signed in: nobody may be made to sign in as somebody else either.
    check_origin(request)
    raw = await request.body()
    if raw and request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise EdgeRefusal(415, terms={"wanted": _FORM})
    if len(raw) > _FORM_BYTES_MAX:
        raise too_large(_FORM_BYTES_MAX)
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"))
    except ValueError as wrong:
        raise EdgeRefusal(400) from wrong


def _sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


async def _signed_in(request: Request, edge: Edge) -> SignedIn | None:
    cookie = request.cookies.get(edge.settings.session_cookie)
    return await _sessions(request).signed_in(cookie) if cookie else None


def _to(where: str) -> RedirectResponse:
    return RedirectResponse(where, 303)


def _wrong(request: Request, refusal: Refusal | EdgeRefusal) -> str:
    terms = refusal.terms() if isinstance(refusal, Refusal) else {}
    return sentence(refusal.says if isinstance(refusal, Refusal) else refusal.code, language_of(request), terms)


def _page(request: Request, template: str, refusal: Refusal | EdgeRefusal | None, **values: Any) -> Response:
    """A form, and what was wrong with what came by it."""
    if refusal is None:
        return page(template, language_of(request), wrong=None, **values)
    shown = page(template, language_of(request), status_of(refusal), wrong=_wrong(request, refusal), **values)
    shown.headers.update(headers_of(refusal))
    return shown


def _form_page(
    request: Request, following: str, refusal: Refusal | EdgeRefusal | None = None, *, again: bool = False
) -> Response:
    gates: Mapping[str, Gate] = request.app.state.gates
    return _page(
        request,
        "login.html",
        refusal,
        following=following,
        again=again,
        providers=[gate.provider for gate in gates.values()],
    )


# --- With a password --------------------------------------------------------------------------------------------------


@router.get("/login")
async def show_login(request: Request, edge: EdgeDep, following: Next = None, again: bool = False) -> Response:
    """The form; of whoever is signed in, where they act and where else they may."""
    signed = await _signed_in(request, edge)
    if signed is None or again:
        return _form_page(request, local_path(following), again=again)
    language = language_of(request)
    async with edge.database.snapshot() as connection:
        user = await queries.find(connection, edge.vault, signed.session.user_id)
    shown = [
        {
            "title": sentence("login_as_learner", language)
            if place.learner_id
            else place.provider or sentence("login_as_bank", language),
            "provider": place.provider or "",
            "learner": place.learner_id or "",
            "is_current": place == signed.session.place,
        }
        for place in places(user.grants, edge.clock())
    ]
    return page("signed_in.html", language, wrong=None, name=user.name, places=shown)


@router.post("/login")
async def sign_in(request: Request, edge: EdgeDep) -> Response:
    """Sign in with a password. Whether there is such a login is told neither in words nor by the time it takes."""
    form = await _form(request, edge)
    following = local_path(form.get("next"))
    login, password = form.get("login", ""), form.get("password", "")
    try:
        account = await _prove(request, edge, login, password)
    except Refusal as refusal:
        return _form_page(request, following, refusal)
    if account.is_password_initial:
        following = "/login/password"
    try:
        return await _admit(request, edge, account, following)
    except LoginRefused as refusal:
        return _form_page(request, following, refusal)


async def _prove(request: Request, edge: Edge, login: str, password: str) -> Account:
    """The account that login and password open. Raises LoginRefused, TooManyAttempts."""
    passwords: Passwords = request.app.state.passwords
    origin = origin_of(address_of(request))
    return await prove(edge.database, edge.vault, passwords, edge.clock, login, password, origin)


async def _admit(
    request: Request, edge: Edge, account: Account, following: str, proven: timedelta = timedelta()
) -> Response:
    """Begin a session under a fresh token, and end the one with which the browser came. ``proven`` so long ago.

    Raises LoginRefused when the account is no more as it was when it was proven.
    """
    former = await _signed_in(request, edge)
    device = request.headers.get("user-agent", "")
    async with edge.database.write() as connection:
        now = edge.clock()
        current = await queries.account_of(connection, account.id, lock=True)
        if current is None or not current.is_active or current.password != account.password:
            # Changed or closed since it was proven: then that proof is worth nothing any more.
            raise LoginRefused
        if former is not None:
            await actions.end_session(connection, former.session.user_id, former.session.id, now)
        grants = (await queries.grants_of(connection, [account.id]))[account.id]
        held = places(grants, now)
        keeps = former is not None and former.session.user_id == account.id and former.session.place in held
        place = former.session.place if keeps and former is not None else (held[0] if held else Place())
        token = await actions.begin_session(
            connection, edge.vault, account.id, place, device, now, authenticated_at=now - proven
        )
    if former is not None:
        _sessions(request).forget(former.session.user_id)
    response = _to(following)
    set_cookie(response, edge, edge.settings.session_cookie, token)
    return response


@router.post("/login/place")
async def choose_place(request: Request, edge: EdgeDep) -> Response:
    """Act in another place in which the person holds a role."""
    form = await _form(request, edge)
    signed = await _signed_in(request, edge)
    if signed is None:
        return _to(HOME)
    try:
        learner = UUID(form["learner"]) if form.get("learner") else None
    except ValueError as wrong:
        raise PlaceNotHeld from wrong
    place = Place(form.get("provider") or None, learner)
    async with edge.database.write() as connection:
        now = edge.clock()
        await actions.move_session(connection, signed.session, place, now, is_initial=signed.is_password_initial)
    _sessions(request).forget(signed.session.user_id)
    return _to(HOME)


@router.post("/logout")
async def sign_out(request: Request, edge: EdgeDep) -> Response:
    """Sign out here, or everywhere."""
    form = await _form(request, edge)
    signed = await _signed_in(request, edge)
    if signed is not None:
        async with edge.database.write() as connection:
            user_id, now = signed.session.user_id, edge.clock()
            if form.get("everywhere"):
                await actions.end_sessions(connection, user_id, now)
            else:
                await actions.end_session(connection, user_id, signed.session.id, now)
        _sessions(request).forget(user_id)
    response = _to(HOME)
    set_cookie(response, edge, edge.settings.session_cookie, "", 0)
    return response


@router.get("/login/password")
async def show_password(request: Request, edge: EdgeDep) -> Response:
    """The form that changes a password."""
    signed = await _signed_in(request, edge)
    return _to(HOME) if signed is None else _password_page(request, edge, signed)


def _password_page(request: Request, edge: Edge, signed: SignedIn, refusal: Refusal | None = None) -> Response:
    return _page(
        request,
        "password.html",
        refusal,
        is_initial=signed.is_password_initial,
        length_min=edge.settings.password_length_min,
    )


@router.post("/login/password")
async def change_password(request: Request, edge: EdgeDep) -> Response:
    """Change one's password. Every session ends, and a new one begins here."""
    form = await _form(request, edge)
    signed = await _signed_in(request, edge)
    if signed is None:
        return _to(HOME)
    passwords: Passwords = request.app.state.passwords
    async with edge.database.snapshot() as connection:
        user = await queries.find(connection, edge.vault, signed.session.user_id)
    fresh = form.get("password", "")
    if has_control(fresh):
        # No keyboard makes one.
        raise EdgeRefusal(400, [Fault("/password", "control_character", "")])
    try:
        account = await _prove(request, edge, user.login, form.get("current", ""))
        check_strength(fresh, edge.settings.password_length_min, (user.login, user.name, form.get("current", "")))
    except Refusal as refusal:
        return _password_page(request, edge, signed, refusal)
    stored = await passwords.hash(fresh)
    async with edge.database.write() as connection:
        await actions.set_password(connection, account.id, stored, signed.actor.identity, edge.clock())
    _sessions(request).forget(account.id)
    return await _admit(request, edge, replace(account, password=stored), HOME)


# --- At an identity provider ------------------------------------------------------------------------------------------


def _gate(request: Request, name: str) -> Gate:
    gates: Mapping[str, Gate] = request.app.state.gates
    if name not in gates:
        raise EdgeRefusal(404)
    return gates[name]


def _flow_cookie(edge: Edge) -> str:
    return edge.settings.session_cookie + "-login"


@router.get("/login/with/{name}")
async def leave(name: Name, request: Request, edge: EdgeDep, following: Next = None, again: bool = False) -> Response:
    """Send a person to an identity provider. What must be known again is sealed in a cookie for ten minutes."""
    try:
        to, flow = await _gate(request, name).leave(local_path(following), edge.clock().timestamp(), forced=again)
    except EdgeRefusal as refusal:
        if refusal.status == 404:
            raise
        return _form_page(request, local_path(following), refusal)
    response = _to(to)
    sealed = edge.vault.passing.seal(orjson.dumps(asdict(flow)), _FLOW).hex()
    set_cookie(response, edge, _flow_cookie(edge), sealed, _FLOW_SECONDS)
    return response


def _flow(request: Request, edge: Edge, name: str, state: str) -> Flow:
    """What was known when this browser left for this provider with this state. Raises EdgeRefusal."""
    try:
        sealed = bytes.fromhex(request.cookies.get(_flow_cookie(edge), ""))
        flow = Flow(**orjson.loads(edge.vault.passing.open(sealed, _FLOW)))
    except (ValueError, SealBroken) as wrong:
        raise EdgeRefusal(400, code="login_flow_lost") from wrong
    is_late = edge.clock().timestamp() - flow.begun > _FLOW_SECONDS
    if flow.name != name or is_late or not hmac.compare_digest(flow.state.encode(), state.encode(errors="replace")):
        raise EdgeRefusal(400, code="login_flow_lost")
    return flow


async def _take(edge: Edge, flow: Flow) -> None:
    """Use the flow up: of two who come back with one, however close together, one goes on. Raises EdgeRefusal."""
    key = hashlib.sha256(b"login.flow" + flow.state.encode()).digest()
    ends = datetime.fromtimestamp(flow.begun + _FLOW_SECONDS, UTC)
    async with edge.database.write() as connection:
        is_first = await take_once(connection, key, ends)
    if not is_first:
        raise EdgeRefusal(400, code="login_flow_lost")


@router.get("/login/with/{name}/callback")
async def come_back(
    name: Name,
    request: Request,
    edge: EdgeDep,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """Take a person in whom the identity provider sends back."""
    gate = _gate(request, name)
    try:
        flow = _flow(request, edge, name, state)
        await _take(edge, flow)
        if not code:
            raise LoginRefused
        claims = await gate.claims(flow, code)
        account = await _account_of(edge, gate, claims)
        now, recent = edge.clock(), timedelta(minutes=edge.settings.step_up_minutes)
        begun = datetime.fromtimestamp(flow.begun, UTC) if flow.forced else None
        proven = proven_at(claims.get("auth_time"), now, forced_at=begun, recent=recent)
        response = await _admit(request, edge, account, flow.following, now - proven)
    except (Refusal, EdgeRefusal) as refusal:
        response = _form_page(request, HOME, refusal)
    # It is used up, whatever came of it.
    set_cookie(response, edge, _flow_cookie(edge), "", 0)
    return response


async def _account_of(edge: Edge, gate: Gate, claims: Mapping[str, Any]) -> Account:
    """The account of whom the provider knows, with the roles that its claims lead to now. Raises LoginRefused."""
    provider = gate.provider
    by = f"{ISSUER}{provider.name}"
    async with edge.database.write() as connection:
        now = edge.clock()
        account = await queries.account_at(connection, edge.vault, provider.issuer, claims["sub"])
        if account is None and provider.accounts == "create":
            account = await _create(connection, edge, gate, claims, by)
        if account is None or not account.is_active:
            raise LoginRefused
        if provider.roles_claim is not None:
            await actions.sync_grants(connection, account.id, provider.grants(claims), by, now)
    return account


def _plain(text: str) -> str:
    """What another program says, without what is no text."""
    return text.encode(errors="replace").decode()


async def _create(
    connection: AsyncConnection, edge: Edge, gate: Gate, claims: Mapping[str, Any], by: str
) -> Account | None:
    """An account for whom the provider's settings let in at once; the login is the provider's own word for them."""
    provider, now = gate.provider, edge.clock()
    said = claims.get(provider.login_claim)
    called = claims.get(provider.name_claim)
    # Under a name that begins with the provider's nobody else's account can be taken over. What people may choose for
    # themselves there keeps nobody out who came later: they are entered by the subject.
    words = [word for word in (said, claims["sub"]) if isinstance(word, str) and word]
    for word in words:
        login = _plain(f"{provider.name}:{word}"[:100])
        new = actions.NewUser(login, _plain(called)[:200] if isinstance(called, str) and called else login)
        with suppress(LoginTaken):
            user_id = await actions.enter(connection, edge.vault, new, by, now)
            break
    else:
        raise LoginRefused
    await actions.know_as(connection, edge.vault, user_id, provider.issuer, claims["sub"], now)
    return await queries.account_of(connection, user_id)
