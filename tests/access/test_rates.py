"""Limits as a caller meets them: what is counted, what is said of it, and what is never refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import SCOPES, PrintedKey
from creditbank.app import create_app
from tests.api.test_oauth import CONFIGURED, FORM
from tests.bank import Bank, HandClock, settings_for

AMOUNTS = {"client": 8, "failed": 3, "token": 4, "resolve": 2, "public": 3}
LIMITS = {f"rate_{name}_per_minute": amount for name, amount in AMOUNTS.items()}
LOTS = f"/v1/learners/{UUID(int=1)}/lots"
RESOLVE = ("POST", "/v1/learners/resolve", {"number": "CQ1000000013"})
WRONG = str(PrintedKey("0" * 12, "0" * 50))


class Caller:
    """Whoever asks, from one address, with one credential."""

    def __init__(self, app: Any, key: str | None, address: str = "192.0.2.7") -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app, client=(address, 1))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://b", headers=headers)

    async def ask(self, method: str = "GET", path: str = LOTS, body: Any = None, **headers: str) -> httpx.Response:
        content = {"json": body} if isinstance(body, dict) else {"content": body}
        return await self._http.request(method, path, headers=headers, **content)

    async def statuses(self, times: int, *asked: Any) -> list[int]:
        return [(await self.ask(*asked)).status_code for _ in range(times)]


@pytest_asyncio.fixture
async def served(bank: Bank) -> AsyncIterator[tuple[Any, HandClock, list[str]]]:
    """A bank with small limits, its clock, and the keys of two clients."""
    async with bank.database.write() as connection:
        new = NewClient("a", None, SCOPES, "verified")
        keys = [str((await create_client(connection, new, bank.clock()))[1]) for _ in range(2)]
    settings = settings_for(bank.url, worker=False, **CONFIGURED, **LIMITS)
    app = create_app(settings, clock=bank.clock)
    async with app.router.lifespan_context(app):
        yield app, bank.clock, keys


Served = tuple[Any, HandClock, list[str]]


async def test_each_client_has_its_own_limit_and_is_told_of_it(served: Served) -> None:
    app, clock, (mine, other) = served
    first = await Caller(app, mine).ask()
    assert first.headers["ratelimit-policy"] == '"client";q=8;w=60'
    assert first.headers["ratelimit"] == '"client";r=7;t=8'
    assert await Caller(app, mine, "198.51.100.1").statuses(7) == [404] * 7

    wait = 0
    for language, word in (("en", "too often"), ("zh-CN", "频繁")):
        refused = await Caller(app, mine).ask("GET", LOTS, None, **{"Accept-Language": language})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert word in refused.json()["detail"]
        assert refused.headers["content-type"] == "application/problem+json"
        wait = int(refused.headers["retry-after"])
        assert 0 < wait <= 8
        assert re.fullmatch(r'"client";r=0;t=[0-9]+', refused.headers["ratelimit"])
    assert await Caller(app, other).statuses(1) == [404]
    clock.turn(seconds=wait)
    assert await Caller(app, mine).statuses(2) == [404, 429]


async def test_whoever_fails_too_often_is_told_to_wait_and_asks_the_database_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, clock, (known, unknown) = served
    asked: list[str | UUID] = []
    credentials = app.state.credentials
    real = credentials._find

    async def find(id_: str | UUID, now: Any, *, ask: bool) -> Any:
        asked.extend([id_] if ask else [])
        return await real(id_, now, ask=ask)

    monkeypatch.setattr(credentials, "_find", find)
    assert await Caller(app, known).statuses(1) == [404]

    assert await Caller(app, WRONG).statuses(5) == [401, 401, 401, 429, 429]
    assert await Caller(app, None).statuses(1) == [429]
    assert len(asked) == 4
    # Who is known here comes in all the same, and so does everybody from elsewhere.
    assert await Caller(app, known).statuses(1) == [404]
    assert await Caller(app, unknown).statuses(1) == [429]
    assert await Caller(app, WRONG, "198.51.100.1").statuses(1) == [401]
    clock.turn(seconds=20)
    assert await Caller(app, unknown).statuses(1) == [404]


async def test_looking_people_up_has_a_limit_of_its_own(served: Served) -> None:
    app, _, (mine, other) = served
    caller = Caller(app, mine)
    answers = [await caller.ask(*RESOLVE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[0].headers["ratelimit-policy"] == '"client";q=8;w=60, "resolve";q=2;w=60'
    assert re.fullmatch(r'"client";r=6;t=\d+, "resolve";r=0;t=\d+', answers[1].headers["ratelimit"])
    # The client goes on with everything else.
    assert await caller.statuses(1) == [404]
    assert await Caller(app, other).statuses(1, *RESOLVE) == [404]


async def test_asking_for_tokens_is_limited_by_address(served: Served) -> None:
    app, _, _ = served
    asked = ("POST", "/oauth/token", b"grant_type=client_credentials")
    answers = [await Caller(app, None).ask(*asked, **FORM) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"token";q=4;w=60'
    assert "retry-after" in answers[4].headers
    elsewhere = await Caller(app, None, "198.51.100.1").ask(*asked, **FORM)
    assert elsewhere.status_code == 401


NEVER: Mapping[str, str] = {"lives": "/livez", "is ready": "/readyz", "is public": "/v1/kinds"}


@pytest.mark.parametrize("path", NEVER.values(), ids=NEVER)
async def test_what_is_never_refused(path: str, served: Served) -> None:
    app, _, _ = served
    assert await Caller(app, WRONG).statuses(5) == [401] * 3 + [429] * 2
    for key in (None, WRONG):
        answers = [await Caller(app, key).ask("GET", path) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert "ratelimit" not in answers[0].headers


async def test_each_process_allows_its_share_of_what_all_together_may(bank: Bank) -> None:
    async with bank.database.write() as connection:
        _, key = await create_client(connection, NewClient("a", None, SCOPES, "verified"), bank.clock())
    settings = settings_for(bank.url, worker=False, rate_processes=4, **LIMITS)
    found = []
    for _ in range(2):
        app = create_app(settings, clock=bank.clock)
        async with app.router.lifespan_context(app):
            caller = Caller(app, str(key))
            found.append(await caller.statuses(3))
            # What is told is what all processes together allow.
            assert (await caller.ask()).headers["ratelimit-policy"] == '"client";q=8;w=60'
    assert found == [[404, 404, 429]] * 2


async def test_a_limit_of_nothing_is_none(bank: Bank) -> None:
    async with bank.database.write() as connection:
        _, key = await create_client(connection, NewClient("a", None, SCOPES, "verified"), bank.clock())
    app = create_app(settings_for(bank.url, worker=False), clock=bank.clock)
    async with app.router.lifespan_context(app):
        answer = await Caller(app, str(key)).ask()
    assert answer.status_code == 404
    assert "ratelimit" not in answer.headers


PUBLIC = (
    "/v1/activities", f"/v1/activities/{UUID(int=1)}", "/v1/offerings", f"/v1/offerings/{UUID(int=1)}",
    f"/v1/offerings/{UUID(int=1)}/worth", "/v1/checkpoints", "/v1/checkpoints/1", "/v1/checkpoints/1/consistency?to=2",
    "/login", "/login/password", "/login/with/city", "/login/with/city/callback",
)  # fmt: skip


@pytest.mark.parametrize("path", PUBLIC)
async def test_what_is_public_and_asks_the_database_is_limited_by_origin(served: Served, path: str) -> None:
    app, clock, _ = served
    await Caller(app, None).statuses(2, "GET", "/v1/activities")
    assert [status == 429 for status in await Caller(app, None).statuses(2, "GET", path)] == [False, True]
    assert await Caller(app, None, "198.51.100.1").statuses(1, "GET", "/v1/offerings") == [200]
    assert await Caller(app, None).statuses(5, "GET", "/v1/kinds") == [200] * 5
    clock.turn(seconds=20)
    assert await Caller(app, None).statuses(1, "GET", "/v1/activities") == [200]


@pytest.mark.parametrize("path", ["/v1/activations", "/login", "/login/place", "/login/password", "/logout"])
async def test_doors_of_strangers_are_limited_by_origin_before_they_do_any_work(served: Served, path: str) -> None:
    app, _, _ = served
    assert await Caller(app, None).statuses(3, "GET", "/v1/activities") == [200] * 3
    refused = await Caller(app, None).ask("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert await Caller(app, None, "198.51.100.1").statuses(1, "POST", path) != [429]
