"""The door for whoever opens an account alone, and the endpoint by which an officer confirms whose it is."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, By
from creditbank.access.guards import address_of, check_origin, check_whole, require
from creditbank.access.policy import Owned, can
from creditbank.learners.actions import Opened, claim_identity, confirm, open_accounts
from creditbank.learners.domain import Application, LearnerNotFound, birth_date_of, check_born
from creditbank.learners.routes import number_form
from creditbank.learners.schemas import LearnerOut
from creditbank.people import actions as people
from creditbank.people.domain import NewGrant, Place
from creditbank.people.login.cookies import set_cookie
from creditbank.people.passwords import Passwords, check_strength
from creditbank.registrations.domain import RegistrationClosed, check_age
from creditbank.registrations.schemas import ClaimedIdentityIn, ConfirmationIn, RegisteredOut, RegistrationIn
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.problems import documented
from creditbank.web.rates import Rates, origin_of
from creditbank.web.revisions import etag

router = APIRouter(tags=["learners"])

_own = JsonBody(
    RegistrationIn,
    {
        "name": "张三",
        "birth_date": "1990-01-01",
        "region": "500103",
        "login": "zhang@home.example",
        "password": "plum-rain over seven bridges",
    },
)
_claimed = JsonBody(ClaimedIdentityIn, {"identity": {"type": "passport", "value": "E12345678"}})
_seen = JsonBody(ConfirmationIn, {"identity": {"type": "id_card", "value": "11010519491231002X"}})


@router.post(
    "/v1/registrations",
    operation_id="register_learner",
    status_code=201,
    openapi_extra=_own.documents,
    responses={201: {"model": RegisteredOut, "description": "signed in"}, **documented(403, 409, 415, public=True)},
)
async def register_learner(
    request: Request, edge: EdgeDep, body: Annotated[Read[RegistrationIn], Depends(_own)]
) -> Response:
    """Open an account of one's own. It is `pending` until an officer has seen a document.

    An identity is only claimed: the answer is the same whether the bank knows it or not, and it leads to nobody.
    """
    # Nobody may be made to sign in as somebody else by another site's page.
    check_origin(request)
    if edge.settings.registration == "closed":
        raise RegistrationClosed
    rates: Rates = request.app.state.rates
    origin = origin_of(address_of(request))
    rates.admit(request, "register", origin)
    new = body.value
    check_born(new.birth_date, edge.today())
    check_age(new.birth_date, edge.today())
    claimed = () if new.identity is None else (new.identity.to_domain(None, "/identity"),)
    birth_date_of(new.birth_date, claimed)
    check_strength(new.password, edge.settings.password_length_min, (new.login, new.name))
    async with edge.database.write() as connection:
        # That somebody has a login is told: so asking for one is counted as guessing at it is.
        attempt = await people.note_attempt(connection, edge.vault, f"registration {new.login}", origin, edge.clock())
    passwords: Passwords = request.app.state.passwords
    stored = await passwords.hash(new.password)
    application = Application(
        new.name, new.birth_date, new.region, claimed, None, is_own_word=True, identity_at="/identity"
    )
    async with edge.database.write() as connection:
        now, by = edge.clock(), "registration"
        (opened,) = await open_accounts(connection, edge.vault, number_form(edge), [application], now)
        if not isinstance(opened, Opened):
            raise opened
        id_, profile = opened.learner.id, opened.learner.profile
        user_id = await people.enter(connection, edge.vault, people.NewUser(new.login, new.name), by, now)
        await people.set_password(connection, user_id, stored, by, now)
        place = Place(learner_id=id_)
        await people.grant(connection, user_id, NewGrant("learner", place), None, by, now)
        registered = By("person", str(user_id))
        await record(connection, registered, "learner.register", f"learner:{id_}", {}, now, opened.learner.owned)
        device = request.headers.get("user-agent", "")
        token = await people.begin_session(connection, edge.vault, user_id, place, device, now, authenticated_at=now)
        await people.forget_attempt(connection, attempt)
    answer = json_answer(RegisteredOut(learner=id_, user=user_id, number=profile.number), status=201)
    set_cookie(answer, edge, edge.settings.session_cookie, token)
    return answer


@router.put(
    "/v1/learners/{id}/claimed-identity",
    operation_id="claim_identity",
    openapi_extra=_claimed.documents,
    responses={
        200: {"model": LearnerOut, "description": "the account, with what is claimed"},
        **documented(404, 409, 415),
    },
)
async def claim_own_identity(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("identities:claim"))],
    body: Annotated[Read[ClaimedIdentityIn], Depends(_claimed)],
) -> Response:
    """Correct what one claimed when one registered, for as long as nobody has confirmed it. It leads to nobody."""
    if not can(actor, "identity.claim", Owned(learner_id=id)):
        raise LearnerNotFound
    given = body.value.identity
    claimed = None if given is None else given.to_domain(None, "/identity")

    async def work(connection: AsyncConnection) -> Answer:
        learner, key = await claim_identity(connection, edge.vault, id, claimed)
        details, now = {"type": claimed.type if claimed else None}, edge.clock()
        await record(connection, actor.by, "learner.claim", f"learner:{id}", details, now, learner.owned)
        shown = LearnerOut.from_domain(learner).model_dump_json().encode()
        return Answer(200, shown, {"ETag": etag(learner.revision)}, owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/confirmation",
    operation_id="confirm_learner",
    openapi_extra=_seen.documents,
    responses={200: {"model": LearnerOut, "description": "the account, active"}, **documented(404, 409, 415)},
)
async def confirm_learner(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write", is_grave=True))],
    body: Annotated[Read[ConfirmationIn], Depends(_seen)],
) -> Response:
    """Say whose account it is, having seen the document; only the bank does. From now on they are found by it.

    One that is not what the person claimed is refused until the officer says that it is right; one that another account
    has is refused, and the refusal names that account.
    """
    check_whole(actor, "account.confirm", Owned(learner_id=id))
    seen = body.value.identity.to_domain(None, "/identity")

    async def work(connection: AsyncConnection) -> Answer:
        instead = body.value.instead_of_claimed
        confirmed, key = await confirm(connection, edge.vault, id, seen, instead_of_claimed=instead)
        details, now = {"type": seen.type, **({"instead_of_claimed": True} if instead else {})}, edge.clock()
        await record(connection, actor.by, "learner.confirm", f"learner:{id}", details, now, confirmed.owned)
        shown = LearnerOut.from_domain(confirmed).model_dump_json().encode()
        return Answer(200, shown, {"ETag": etag(confirmed.revision)}, owner=(id, key))

    return await once(request, edge, actor.client_id, body.raw, work)
