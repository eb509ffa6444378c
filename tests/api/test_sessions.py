"""Sessions: by cookie or by key and never by both, held to where they came from, ended at once, and not for ever."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import NoReturn

import pytest
import pytest_asyncio

from creditbank.database.engine import Database
from creditbank.people.domain import NewGrant, Place
from creditbank.people.jobs import FORGETTING
from creditbank.people.sessions import Sessions
from tests.api.world import COLLEGE, RIVAL, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE = "__Host-creditbank"
STAFF = NewGrant("provider_staff", Place(COLLEGE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, with one member of a college's staff."""
    async with opened(database_url, public_url="https://bank.test") as served:
        await served.person("li@town", STAFF)
        yield served


async def test_a_person_acts_with_the_scopes_of_their_roles_and_for_their_provider(world: World) -> None:
    browser = await world.sign_in("li@town")
    learner = world.ids["learner"]

    assert (await browser.get(f"/v1/learners/{learner}/balance")).status_code == 200
    assert (await browser.get(f"/v1/learners/{world.ids['stranger']}/balance")).status_code == 404
    posted = await browser.post("/v1/achievements", json=world.statement(learner))
    assert posted.status_code == 201
    assert (await browser.get("/v1/reviews")).json()["code"] == "missing_scope"


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
        ("POST", {"Sec-Fetch-Site": "none"}, True),
        ("POST", {"Sec-Fetch-Site": "", "Origin": "https://bank.test"}, True),
        ("POST", {"Sec-Fetch-Site": ""}, False),
        ("POST", {"Sec-Fetch-Site": "same-site"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "https://bank.test"}, False),
        ("POST", {"Sec-Fetch-Site": "", "Origin": "https://attacker.example"}, False),
        ("POST", {"Sec-Fetch-Site": "", "Origin": "null"}, False),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
        ("DELETE", {"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_no_other_site_acts_with_somebody_s_cookie(
    method: str, headers: dict[str, str], passes: bool, world: World
) -> None:
    token = (await world.sign_in("li@town")).cookies[COOKIE]
    browser = world.browser(**headers, Cookie=f"{COOKIE}={token}")
    before = await world.stored()
    path = "/v1/sessions" if method == "DELETE" else f"/v1/learners/{world.ids['learner']}/achievements"
    path = "/v1/learners/resolve" if method == "POST" else path
    answer = await browser.request(method, path, json={"id": world.ids["learner"]} if method == "POST" else None)

    if passes:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
        assert await world.stored() == before


async def test_a_key_is_held_to_no_origin_and_never_goes_with_a_cookie(world: World) -> None:
    token = (await world.sign_in("li@town")).cookies[COOKIE]
    key = {"Authorization": f"Bearer {world.keys['partner']}"}
    body = {"id": world.ids["learner"]}

    alone = await world.browser(**key, **{"Sec-Fetch-Site": "cross-site"}).post("/v1/learners/resolve", json=body)
    both = await world.browser(**key, Cookie=f"{COOKIE}={token}").post("/v1/learners/resolve", json=body)
    none = await world.browser(Authorization="Basic x", Cookie=f"{COOKIE}={token}").get("/v1/providers")

    assert alone.status_code == 200
    assert (both.status_code, both.json()["code"]) == (400, "two_credentials")
    assert (none.status_code, none.json()["code"]) == (400, "two_credentials")


async def test_one_sees_and_ends_one_s_own_sessions_and_no_other_s(world: World) -> None:
    await world.person("chen@town", STAFF)
    here = await world.sign_in("chen@town")
    phone = await world.sign_in("chen@town", world.browser(**{"User-Agent": "A phone"}))
    other = await world.sign_in("li@town")

    mine = (await here.get("/v1/sessions")).json()["items"]
    assert [(one["device"], one["is_current"]) for one in mine] == [("A phone", False), ("Firefox/150 (a test)", True)]
    foreign = (await other.get("/v1/sessions")).json()["items"][0]["id"]
    refused = await here.delete(f"/v1/sessions/{foreign}")
    assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")

    assert (await here.delete(f"/v1/sessions/{mine[0]['id']}")).status_code == 204
    assert (await phone.get("/v1/sessions")).status_code == 401
    assert (await here.delete(f"/v1/sessions/{mine[0]['id']}")).status_code == 404
    assert (await here.get("/v1/sessions")).status_code == 200
    assert (await other.get("/v1/sessions")).status_code == 200


@pytest.mark.parametrize("by", ["api", "page"])
async def test_signing_out_everywhere_ends_every_session(by: str, world: World) -> None:
    login = f"everywhere-{by}@town"
    await world.person(login, STAFF)
    browsers = [await world.sign_in(login) for _ in range(3)]
    if by == "api":
        assert (await browsers[0].delete("/v1/sessions")).status_code == 204
    else:
        assert (await browsers[0].post("/logout", data={"everywhere": "1"})).status_code == 303
    assert [(await browser.get("/v1/sessions")).status_code for browser in browsers] == [401, 401, 401]


async def test_signing_out_ends_this_session_and_takes_the_cookie(world: World) -> None:
    stays, goes = await world.sign_in("li@town"), await world.sign_in("li@town")
    token = goes.cookies[COOKIE]
    answer = await goes.post("/logout", data={})

    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await world.browser(Cookie=f"{COOKIE}={token}").get("/v1/sessions")).status_code == 401
    assert (await stays.get("/v1/sessions")).status_code == 200


async def test_another_process_honours_an_ended_session_no_longer_than_its_cache(world: World) -> None:
    token = (await world.sign_in("li@town")).cookies[COOKIE]
    elsewhere = Sessions(world.database, world.app.state.edge.vault, world.clock, 30, world.app.state.sessions.limits)
    assert await elsewhere.signed_in(token) is not None
    await world.browser(Cookie=f"{COOKIE}={token}").delete("/v1/sessions")

    world.clock.turn(seconds=29)
    assert await elsewhere.signed_in(token) is not None
    world.clock.turn(seconds=1)
    assert await elsewhere.signed_in(token) is None


def _changed(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


MADE_UP: dict[str, Callable[[str], str]] = {
    "of another alphabet": lambda token: "." * len(token),
    "too short": lambda token: token[:-1],
    "too long": lambda token: token * 100,
    "without a seal": lambda token: token[:43],
    "random, of the right length": lambda _: secrets.token_urlsafe(64)[:65],
    "with another letter": lambda token: _changed(token, 0),
    "with another seal": lambda token: _changed(token, 50),
}


@pytest.mark.parametrize("made_up", MADE_UP.values(), ids=MADE_UP)
async def test_a_cookie_that_the_bank_never_gave_asks_the_database_nothing(
    made_up: Callable[[str], str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await world.sign_in("li@town")).cookies[COOKIE]
    assert (await world.browser(Cookie=f"{COOKIE}={token}").get("/v1/sessions")).status_code == 200
    browser = world.browser(Cookie=f"{COOKIE}={made_up(token)}")

    def asked(_: Database) -> NoReturn:
        raise AssertionError("the database was asked")

    for way in ("read", "snapshot", "write"):
        monkeypatch.setattr(Database, way, asked)
    assert (await browser.get("/v1/sessions")).status_code == 401
    assert (await browser.get("/login")).status_code == 200
    assert (await browser.post("/logout", data={})).status_code == 303


async def test_a_role_taken_back_is_gone_from_a_session_that_goes_on(world: World) -> None:
    user_id = await world.person("leaving@town", STAFF)
    browser = await world.sign_in("leaving@town")
    assert (await browser.get("/v1/providers")).status_code == 200
    (grant,) = (await world.bank.get(f"/v1/users/{user_id}/roles")).json()["items"]
    assert (await world.bank.delete(f"/v1/users/{user_id}/roles/{grant['id']}")).status_code == 204

    refused = await browser.get("/v1/providers")
    assert (refused.status_code, refused.json()["code"]) == (403, "place_not_held")
    assert "GET /v1/me/places" in refused.json()["detail"]
    assert (await browser.get("/v1/sessions")).status_code == 200
    assert (await browser.get("/v1/me/places")).json()["items"] == []


async def test_a_role_runs_out_at_its_instant(world: World) -> None:
    until = world.clock() + timedelta(minutes=5)
    await world.person("brief@town", NewGrant("auditor", Place(), until))
    browser = await world.sign_in("brief@town")
    assert (await browser.get("/v1/providers")).status_code == 200
    world.clock.turn(minutes=5)
    assert (await browser.get("/v1/providers")).status_code == 403


async def test_an_unused_session_ends_and_a_used_one_goes_on_until_its_limit(world: World) -> None:
    unused, used = await world.sign_in("li@town"), await world.sign_in("li@town")
    for _ in range(23):
        world.clock.turn(minutes=30)
        assert (await used.get("/v1/sessions")).status_code == 200
    assert (await unused.get("/v1/sessions")).status_code == 401
    world.clock.turn(minutes=30)
    assert (await used.get("/v1/sessions")).status_code == 401


async def test_that_a_session_is_in_use_is_written_down_once_a_minute(world: World) -> None:
    browser = await world.sign_in("li@town")

    async def used_at() -> str:
        (mine,) = [one for one in (await browser.get("/v1/sessions")).json()["items"] if one["is_current"]]
        return str(mine["used_at"])

    first = await used_at()
    world.clock.turn(seconds=40)
    assert await used_at() == first
    world.clock.turn(seconds=40)
    assert await used_at() > first


async def test_sessions_that_are_over_are_removed_after_some_days(world: World) -> None:
    await world.sign_in("li@town")
    browser = await world.sign_in("li@town")
    world.clock.turn(days=8, minutes=1)
    await world.sign_in("li@town", browser)
    await world.work()
    async with world.database.read() as connection:
        kept = (await connection.exec_driver_sql("select count(*) from sessions")).scalar_one()
        asked = await connection.exec_driver_sql(
            f"select count(*) from jobs where kind = '{FORGETTING}' and state = 'waiting'"
        )
        assert asked.scalar_one() == 1
    assert kept == 1


async def test_what_was_done_in_one_place_is_no_answer_in_another(world: World) -> None:
    staff = [NewGrant("provider_staff", Place(code)) for code in (COLLEGE, RIVAL)]
    await world.person("two-hats@town", *staff)
    browser = await world.sign_in("two-hats@town")
    answers = []
    for provider in (COLLEGE, RIVAL):
        moved = await browser.put("/v1/sessions/current/place", json={"provider": provider})
        assert moved.status_code == 200, moved.text
        for _ in range(2):
            opened_ = await browser.post("/v1/learners", json={"name": "Li"}, headers={"Idempotency-Key": "hats"})
            assert opened_.status_code == 201, opened_.text
            answers.append((opened_.json()["id"], "idempotent-replayed" in opened_.headers))
    assert [replayed for _, replayed in answers] == [False, True, False, True]
    assert answers[0][0] == answers[1][0] != answers[2][0]
