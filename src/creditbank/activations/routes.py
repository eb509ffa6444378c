"""Endpoints of codes, and the door by which their bearers come in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter

from creditbank.access.domain import Actor
from creditbank.access.guards import address_of, check_origin, limit_public, require
from creditbank.access.policy import can
from creditbank.activations.actions import check, issue, redeem
from creditbank.activations.domain import ActivationRefused, Issued
from creditbank.activations.schemas import ActivatedOut, ActivationIn, CodeItem, CodesIn, CodesOut
from creditbank.identifiers import code_of
from creditbank.intake.domain import BatchTooLarge
from creditbank.people import actions as people
from creditbank.people.domain import Place
from creditbank.people.login.cookies import set_cookie
from creditbank.people.passwords import Passwords, check_strength
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.problems import documented, instance_of, language_of, problem_of, status_of
from creditbank.web.rates import origin_of

router = APIRouter(tags=["learners"])

_CODES: Final = TypeAdapter(CodesOut)
_asked = JsonBody(CodesIn, {"learners": ["01900000-0000-7000-8000-000000000001"]})
_brought = JsonBody(
    ActivationIn,
    {
        "code": "7KQ2-M9XD-4T0V-RB3H",
        "birth_date": "1990-01-01",
        "login": "zhang@home.example",
        "password": "plum-rain over seven bridges",
    },
)


@router.post(
    "/v1/learners/activation-codes",
    operation_id="issue_activation_codes",
    openapi_extra=_asked.documents,
    responses={200: {"model": CodesOut, "description": "one result a learner"}, **documented(415)},
)
async def issue_activation_codes(
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write", is_grave=True))],
    body: Annotated[Read[CodesIn], Depends(_asked)],
) -> Response:
    """Codes with which learners come into the accounts that the caller opened; each is shown this once.

    A code that was issued before is dead. Nothing of the answer is kept, and an `Idempotency-Key` changes nothing:
    asked again there are fresh codes.
    """
    asked = list(dict.fromkeys(body.value.learners))
    most = edge.settings.batch_items_max
    if len(asked) > most:
        raise BatchTooLarge(most=most)
    async with edge.database.write() as connection:
        outcomes = await issue(
            connection,
            edge.vault,
            asked,
            lambda learner: bool(can(actor, "account.activate", learner.owned)),
            actor.by,
            edge.clock(),
            edge.settings.activation_lasting,
            edge.today(),
        )
    language, instance = language_of(request), instance_of(request)
    results: list[CodeItem] = []
    for id_, one in zip(asked, outcomes, strict=True):
        if isinstance(one, Issued):
            item: CodeItem = {"learner": str(id_), "status": 201, "number": one.number, "name": one.name}
            results.append({**item, "code": one.code, "expires_at": one.expires_at})
        else:
            problem = problem_of(one, language, instance)
            results.append({"learner": str(id_), "status": status_of(one), "problem": problem})
    issued = sum(one["status"] == 201 for one in results)
    shown: CodesOut = {"results": results, "counts": {"issued": issued, "refused": len(results) - issued}}
    return Response(_CODES.dump_json(shown), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post(
    "/v1/activations",
    operation_id="activate_account",
    status_code=201,
    openapi_extra=_brought.documents,
    responses={201: {"model": ActivatedOut, "description": "signed in"}, **documented(403, 409, 415, public=True)},
    # Estimating a password is work, done for whoever asks.
    dependencies=[Depends(limit_public)],
)
async def activate_account(
    request: Request, edge: EdgeDep, body: Annotated[Read[ActivationIn], Depends(_brought)]
) -> Response:
    """Come into one's account by a code and something only its owner knows. Whatever is wrong is answered alike.

    A child under 14 comes in when a guardian is registered, and is told so.
    """
    # Nobody may be made to sign in as somebody else by another site's page.
    check_origin(request)
    new = body.value
    passwords: Passwords = request.app.state.passwords
    check_strength(new.password, edge.settings.password_length_min, (new.login,))
    code = code_of(new.code)
    if code is None:
        # A slip of the keyboard, which anybody can reckon: it neither counts nor makes the database work.
        raise ActivationRefused
    # A login has no spaces, so that this is counted beside every login.
    counted = f"activation {code}"
    async with edge.database.write() as connection:
        # Counted before it is looked at, so that many at once are no way round the count.
        origin = origin_of(address_of(request))
        attempt = await people.note_attempt(connection, edge.vault, counted, origin, edge.clock())
    async with edge.database.write() as connection:
        learner = await check(connection, edge.vault, code, new.proof, edge.clock())
    if learner is None:
        raise ActivationRefused
    check_strength(new.password, edge.settings.password_length_min, (new.login, learner.profile.name))
    stored = await passwords.hash(new.password)
    async with edge.database.write() as connection:
        now = edge.clock()
        user_id = await redeem(connection, edge.vault, code, learner, new.login, stored, now, edge.today())
        device = request.headers.get("user-agent", "")
        place = Place(learner_id=learner.id)
        token = await people.begin_session(connection, edge.vault, user_id, place, device, now, authenticated_at=now)
        await people.forget_attempt(connection, attempt)
    answer = json_answer(ActivatedOut(learner=learner.id, user=user_id), status=201)
    set_cookie(answer, edge, edge.settings.session_cookie, token)
    return answer
