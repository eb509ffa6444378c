"""Whoever comes alone sees themselves and nobody else, and is who they say only when somebody has seen a document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from stdnum.cn import ric

from creditbank.app import create_app
from creditbank.learners.domain import age_on
from creditbank.people.actions import note_attempt
from tests.api.world import PASSWORD, World, opened
from tests.bank import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = {"type": "id_card", "value": "11010519491231002X"}
BORN = "1949-12-31"
NOWHERE_S = {"type": "student_number", "value": "20260017", "issuer": "cq/nowhere"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, to which anybody may come as often as they like."""
    async with opened(database_url, public_url="https://bank.test", rate_register_per_minute=0) as served:
        yield served


def card(number: str) -> dict[str, str]:
    """A card of the same birthday with another number."""
    body = f"11010519491231{number}"
    return {"type": "id_card", "value": body + ric.calc_check_digit(body + "0")}


def passport(world: World) -> dict[str, str]:
    return {"type": "passport", "value": world.fresh("E9").replace("-", "")}


async def register(world: World, browser: httpx.AsyncClient | None = None, **others: Any) -> httpx.Response:
    body = {
        "name": "Sun Wukong",
        "birth_date": BORN,
        "region": "500103",
        "login": world.fresh("sun@home"),
        "password": PASSWORD,
        **others,
    }
    return await (browser or world.browser()).post("/v1/registrations", json=body)


async def registered(world: World, **others: Any) -> str:
    answer = await register(world, **others)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["learner"])


async def confirm(
    world: World, learner: str, identity: dict[str, str], by: str = "bank", **others: Any
) -> httpx.Response:
    return await world.client(by).post(f"/v1/learners/{learner}/confirmation", json={"identity": identity, **others})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def resolved(world: World, identity: dict[str, str]) -> tuple[int, str]:
    return told(await world.partner.post("/v1/learners/resolve", json={"identity": identity}))


async def test_who_comes_alone_signs_in_and_sees_themselves_and_nobody_else(world: World) -> None:
    browser = world.browser()
    answer = await register(world, browser, login="monkey@home")
    id_ = answer.json()["learner"]
    for signed_in in (browser, await world.sign_in("monkey@home")):
        shown = (await signed_in.get(f"/v1/learners/{id_}")).json()
        assert (shown["state"], shown["name"], shown["number"]) == ("pending", "Sun Wukong", answer.json()["number"])
        assert (await signed_in.get(f"/v1/learners/{world.ids['learner']}")).status_code == 404
        assert (await signed_in.get(f"/v1/learners/{id_}/transcript")).status_code == 200
    assert (await world.partner.get(f"/v1/learners/{id_}")).status_code == 404


async def test_facts_accrue_to_who_is_unconfirmed_and_no_award_does(world: World) -> None:
    id_ = await registered(world)
    number = (await world.bank.get(f"/v1/learners/{id_}")).json()["number"]
    stated = {**world.statement(), "learner": {"number": number}}
    assert (await world.partner.post("/v1/achievements", json=stated)).status_code == 201
    asked = {"learner": id_, "programme": "overlapping.diploma"}
    for expected in ((409, "account_unconfirmed"), (409, "requirements_missing")):
        key = {"Idempotency-Key": world.fresh("apply")}
        assert told(await world.bank.post("/v1/conversions", json=asked, headers=key)) == expected
        await confirm(world, id_, passport(world))


async def test_claimed_identity_finds_nobody_until_somebody_has_seen_it(world: World) -> None:
    seen = passport(world)
    id_ = await registered(world, identity=seen)
    assert await resolved(world, seen) == (404, "learner_not_found")
    stated = {**world.statement(), "learner": {"identity": seen}}
    assert told(await world.partner.post("/v1/achievements", json=stated)) == (422, "unknown_learner")
    shown = (await world.bank.get(f"/v1/learners/{id_}")).json()
    assert (shown["identities"], shown["claimed"]) == ([], ["passport"])

    answer = await confirm(world, id_, seen)
    assert answer.status_code == 200, answer.text
    confirmed = answer.json()
    assert (confirmed["state"], confirmed["identities"], confirmed["claimed"]) == ("active", ["passport"], [])
    assert await resolved(world, seen) == (200, "")
    assert (await world.partner.post("/v1/achievements", json=stated)).status_code == 201
    events = (await world.bank.get(f"/v1/audit-events?subject=learner:{id_}")).json()["items"]
    assert {"learner.register", "learner.confirm"} <= {event["action"] for event in events}
    assert told(await confirm(world, id_, passport(world))) == (409, "account_state_same")


async def test_whoever_claims_another_s_identity_learns_nothing_and_has_nothing_of_theirs(world: World) -> None:
    holder = await world.open("The right one", birth_date=BORN, identities=[CARD])
    browsers = [world.browser(), world.browser()]
    known = await register(world, browsers[0], identity=CARD)
    unknown = await register(world, browsers[1], identity=card("005"))
    assert known.status_code == unknown.status_code == 201
    assert sorted(known.json()) == sorted(unknown.json())
    id_ = known.json()["learner"]

    stated = {**world.statement(), "learner": {"identity": CARD}}
    assert (await world.partner.post("/v1/achievements", json=stated)).status_code == 201
    assert (await browsers[0].get(f"/v1/learners/{id_}/achievements")).json()["items"] == []
    assert len((await world.bank.get(f"/v1/learners/{holder}/achievements")).json()["items"]) == 1
    assert (await browsers[0].get(f"/v1/learners/{holder}")).status_code == 404

    refused = await confirm(world, id_, CARD)
    assert told(refused) == (409, "identity_held")
    assert holder in refused.json()["detail"]
    assert (await world.bank.get(f"/v1/learners/{id_}")).json()["state"] == "pending"


@pytest.mark.parametrize("other_kind", [False, True])
async def test_an_officer_is_told_that_what_was_seen_is_not_what_was_claimed(other_kind: bool, world: World) -> None:
    claimed, seen = passport(world), {"type": "phone", "value": "13912340000"} if other_kind else passport(world)
    id_ = await registered(world, identity=claimed)
    before = await world.stored()

    refused = await confirm(world, id_, seen)

    assert told(refused) == (409, "claimed_identity_differs")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/identity"]
    assert claimed["value"] not in refused.text
    assert await world.stored() == before
    assert await resolved(world, seen) == (404, "learner_not_found")
    confirmed = await confirm(world, id_, seen, instead_of_claimed=True)
    assert confirmed.status_code == 200, confirmed.text
    shown = confirmed.json()
    assert (shown["state"], shown["identities"], shown["claimed"]) == ("active", [seen["type"]], [])
    assert (await resolved(world, seen), await resolved(world, claimed)) == ((200, ""), (404, "learner_not_found"))
    events = (await world.bank.get(f"/v1/audit-events?subject=learner:{id_}")).json()["items"]
    (details,) = [event["details"] for event in events if event["action"] == "learner.confirm"]
    assert details == {"type": seen["type"], "instead_of_claimed": True}


async def test_a_claim_is_corrected_by_whose_it_is_until_it_is_confirmed(world: World) -> None:
    slip, right = passport(world), passport(world)
    browser, other = world.browser(), world.browser()
    id_ = (await register(world, browser, identity=slip)).json()["learner"]
    await register(world, other)
    at = f"/v1/learners/{id_}/claimed-identity"
    for identity, expected in (
        (NOWHERE_S, (422, "unknown_provider", "/identity/issuer")),
        ({"type": "student_number", "value": "7"}, (422, "issuer_unnamed", "/identity/issuer")),
        ({"type": "id_card", "value": "110105194912310021"}, (422, "invalid_request", "/identity")),
        ({"type": "id_card", "value": "440308199901101512"}, (422, "birth_date_differs", "/identity/value")),
    ):
        refused = await browser.put(at, json={"identity": identity})
        assert (*told(refused), refused.json()["errors"][0]["pointer"]) == expected
    assert told(await other.put(at, json={"identity": right})) == (404, "learner_not_found")
    assert (await browser.get(f"/v1/learners/{id_}")).json()["claimed"] == ["passport"]

    taken_back = await browser.put(at, json={"identity": None})
    assert (taken_back.status_code, taken_back.json()["claimed"]) == (200, [])
    corrected = await browser.put(at, json={"identity": right})
    assert (corrected.status_code, corrected.json()["claimed"], corrected.json()["identities"]) == (
        200,
        ["passport"],
        [],
    )
    assert await resolved(world, right) == (404, "learner_not_found")
    assert told(await confirm(world, id_, slip)) == (409, "claimed_identity_differs")
    assert (await confirm(world, id_, right)).status_code == 200
    assert told(await browser.put(at, json={"identity": slip})) == (409, "account_confirmed")
    of_institution = f"/v1/learners/{world.ids['learner']}/claimed-identity"
    assert told(await world.bank.put(of_institution, json={"identity": slip})) == (409, "account_confirmed")


async def test_of_two_confirmed_by_one_document_at_once_one_is(world: World) -> None:
    seen = passport(world)
    both = [await registered(world, identity=seen) for _ in range(2)]
    answers = await asyncio.gather(*[confirm(world, id_, seen) for id_ in both])
    assert sorted(told(one) for one in answers) == [(200, ""), (409, "identity_held")]


async def test_only_the_bank_confirms(world: World) -> None:
    id_ = await registered(world)
    assert told(await confirm(world, id_, passport(world), by="partner")) == (403, "bank_only")
    assert told(await confirm(world, world.ids["learner"], passport(world))) == (409, "account_state_same")
    assert told(await confirm(world, id_[:-4] + "ffff", passport(world))) == (404, "learner_not_found")
    other_birthday = await registered(world, birth_date="1990-01-01")
    assert told(await confirm(world, other_birthday, card("007"))) == (422, "birth_date_differs")
    assert await resolved(world, card("007")) == (404, "learner_not_found")


async def test_account_that_was_closed_before_it_was_confirmed_is_pending_when_it_is_open_again(world: World) -> None:
    id_ = await registered(world)
    at = f"/v1/learners/{id_}/state"
    opened_again = {"state": "active", "reason": "mistake"}
    assert told(await world.bank.post(at, json=opened_again)) == (409, "account_unconfirmed")
    assert (await world.bank.post(at, json={"state": "closed", "reason": "not_used"})).status_code == 200
    assert told(await confirm(world, id_, passport(world))) == (409, "account_ended")
    again = await world.bank.post(at, json=opened_again)
    assert (again.status_code, again.json()["state"]) == (200, "pending")


async def test_who_is_under_fourteen_needs_a_guardian(world: World) -> None:
    today = world.app.state.edge.today()
    fourteen = today.replace(year=today.year - 14)
    younger, unborn = fourteen + timedelta(days=1), today + timedelta(days=1)
    for born, expected in (
        (younger, (422, "guardian_needed")),
        (unborn, (422, "born_in_future")),
        (fourteen, (201, "")),
    ):
        assert told(await register(world, birth_date=born.isoformat())) == expected


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2012, 2, 29), date(2026, 2, 28), 13),
        (date(2012, 2, 29), date(2026, 3, 1), 14),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
        (date(2011, 12, 31), date(2025, 12, 30), 13),
        (date(2011, 12, 31), date(2025, 12, 31), 14),
    ],
)
async def test_age_is_in_whole_years(born: date, day: date, age: int) -> None:
    assert age_on(day, born) == age


async def test_who_asks_which_logins_there_are_waits_like_who_guesses(world: World) -> None:
    await registered(world, login="asked@home")
    edge, asking = world.app.state.edge, "198.51.100.40"
    before = (await world.stored())["failed_logins"]
    assert told(await register(world, world.browser(asking), login="asked@home")) == (409, "login_taken")
    # Under the login and under the address; of who opens an account nothing stays.
    assert (await world.stored())["failed_logins"] == before + 2
    async with world.database.write() as connection:
        for _ in range(99):
            await note_attempt(connection, edge.vault, world.fresh("ask"), asking, world.clock())
    assert told(await register(world, world.browser(asking))) == (429, "too_many_attempts")
    counted = (await world.stored())["failed_logins"]
    await registered(world)
    assert (await world.stored())["failed_logins"] == counted


async def test_what_is_wrong_is_refused_and_opens_nothing(world: World) -> None:
    await registered(world, login="taken@home")
    before = await world.stored()
    for others, expected in (
        ({"login": "TAKEN@home"}, (409, "login_taken")),
        ({"password": "Sun Wukong in heaven"}, (422, "password_obvious")),
        ({"identity": {"type": "id_card", "value": "110105194912310021"}}, (422, "no_such_identity")),
        ({"identity": CARD, "birth_date": "1990-01-01"}, (422, "birth_date_differs")),
        ({"identity": NOWHERE_S}, (422, "unknown_provider", "/identity/issuer")),
        ({"region": "999999"}, (422, "unknown_region", "/region")),
        ({"password": f"{PASSWORD}\0"}, (422, "control_character", "/password")),
    ):
        answer = await register(world, **others)
        assert answer.status_code == expected[0], answer.text
        assert expected[1] in answer.text
        assert expected[2:] in {(), tuple(error["pointer"] for error in answer.json()["errors"])}, answer.text
        assert "set-cookie" not in answer.headers
    elsewhere = world.browser(**{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"})
    assert told(await register(world, elsewhere)) == (403, "cross_origin")
    # But that somebody asked for a login.
    assert {**await world.stored(), "failed_logins": 0} == {**before, "failed_logins": 0}


@asynccontextmanager
async def set_otherwise(world: World, url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before the same books, served under other settings."""
    app = create_app(settings_for(url, worker=False, public_url="https://bank.test", **settings), clock=world.clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("203.0.113.7", 50_000))
        said = {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(transport=transport, base_url="https://bank.test", headers=said) as browser:
            yield browser


async def test_where_it_is_closed_nobody_comes_alone_and_where_it_is_open_not_too_many(
    world: World, database_url: str
) -> None:
    async with set_otherwise(world, database_url, registration="closed") as browser:
        assert told(await register(world, browser)) == (403, "registration_closed")
    async with set_otherwise(world, database_url, rate_register_per_minute=2) as browser:
        answers = [told(await register(world, browser, birth_date="2099-01-01")) for _ in range(3)]
        assert answers == [(422, "born_in_future"), (422, "born_in_future"), (429, "too_many_requests")]
