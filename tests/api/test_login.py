"""Signing in with a password: who is let in, what a stranger learns, what the pages are made of."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditbank.database.engine import Database
from creditbank.people import actions, queries
from creditbank.people.domain import Account, NewGrant, Place
from creditbank.people.login import proving, routes
from tests.api.world import COLLEGE, PASSWORD, SCHOOL, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUDITOR = NewGrant("auditor", Place())
COOKIE = "__Host-creditbank"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, with one auditor."""
    async with opened(database_url, public_url="https://bank.test") as served:
        await served.person("wang@town", AUDITOR)
        yield served


async def post(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await browser.post(path, data=fields)


async def test_right_password_begins_a_session_whose_cookie_no_script_and_no_other_site_has(world: World) -> None:
    browser = world.browser()
    answer = await post(browser, "/login", login=" WANG@town ", password=PASSWORD, next="/v1/providers")

    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/providers")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert name == COOKIE
    assert len(value) >= 43  # 256 bits in base64
    assert sorted(flag.lower() for flag in flags) == ["httponly", "path=/", "samesite=lax", "secure"]
    assert (await browser.get("/v1/providers")).status_code == 200


async def test_over_plain_http_this_machine_s_own_cookie_goes_without_what_needs_https(database_url: str) -> None:
    # No second server is needed: only what the cookie is called and how it is marked depends on the address.
    from tests.bank import settings_for

    here = settings_for(database_url)
    assert (here.session_cookie, here.has_secure_cookies) == ("creditbank", False)
    assert settings_for(database_url, public_url="https://bank.example").session_cookie == COOKIE
    for wrong in ("http://bank.example", "ftp://localhost", "https://bank.example/path", "bank.example"):
        with pytest.raises(ValueError, match="public_url"):
            settings_for(database_url, public_url=wrong)


async def test_token_is_fresh_at_each_login_and_what_the_browser_came_with_is_worthless(world: World) -> None:
    browser = world.browser()
    browser.cookies.set(COOKIE, "chosen-by-an-attacker", domain="bank.test", path="/")
    await world.sign_in("wang@town", browser)
    first = browser.cookies[COOKIE]
    await world.sign_in("wang@town", browser)
    second = browser.cookies[COOKIE]

    assert len({"chosen-by-an-attacker", first, second}) == 3
    for token, status in (("chosen-by-an-attacker", 401), (first, 401), (second, 200)):
        with_it = world.browser(Cookie=f"{COOKIE}={token}")
        assert (await with_it.get("/v1/sessions")).status_code == status


async def test_stored_is_only_a_hash_of_the_token(world: World) -> None:
    token = (await world.sign_in("wang@town")).cookies[COOKIE]
    async with world.database.read() as connection:
        rows = (await connection.exec_driver_sql("select token_sha256, device from sessions")).all()
    kept = b"".join(bytes(part) for row in rows for part in row)
    assert kept
    assert token.encode() not in kept
    assert b"Firefox" not in kept


async def test_a_wrong_password_and_an_unknown_login_are_answered_alike(world: World) -> None:
    await world.person("closed@town", AUDITOR)
    await world.person("elsewhere@town", AUDITOR)
    async with world.database.write() as connection:
        account = await queries.find_account(connection, world.app.state.edge.vault, "closed@town")
        assert account is not None
        await actions.close(connection, account.id, "test:", world.clock())

    answers = []
    for login, password in (
        ("wang@town", "not the password"),
        ("nobody@town", PASSWORD),
        ("closed@town", PASSWORD),
        ("wang@town", ""),
        ("wang@town", "x" * 5000),
        ("", ""),
        ("\x00", "\x00"),
    ):
        answer = await post(world.browser(), "/login", login=login, password=password)
        assert "set-cookie" not in answer.headers
        answers.append((answer.status_code, answer.text, sorted(set(answer.headers) - {"x-request-id"})))
    assert answers[0][0] == 403
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("login", ["guessed@town", "nobody-at-all@town"])
async def test_who_guesses_waits_whether_the_login_is_there_or_not(login: str, world: World) -> None:
    if login == "guessed@town":
        await world.person(login, AUDITOR)
    for number in range(10):
        answer = await post(world.browser(f"198.51.100.{number}"), "/login", login=login, password="wrong")
        assert answer.status_code == 403
        world.clock.turn(minutes=1)
    held = await post(world.browser("198.51.100.99"), "/login", login=login.upper(), password=PASSWORD)
    assert held.status_code == 429
    # The first of the ten leaves the quarter of an hour after five minutes.
    assert "5 minutes" in held.text
    seconds = int(held.headers["retry-after"])
    assert 295 <= seconds <= 300

    world.clock.turn(seconds=seconds - 2)
    early = await post(world.browser("198.51.100.99"), "/login", login=login, password=PASSWORD)
    assert early.status_code == 429
    world.clock.turn(seconds=int(early.headers["retry-after"]))
    again = await post(world.browser(), "/login", login=login, password=PASSWORD)
    assert again.status_code == (303 if login == "guessed@town" else 403)


async def test_an_address_that_tries_many_logins_waits(world: World) -> None:
    world.clock.turn(minutes=16)
    browser = world.browser("192.0.2.66")
    for number in range(100):
        answer = await post(browser, "/login", login=f"list-{number}", password="wrong")
        assert answer.status_code == 403
    assert (await post(browser, "/login", login="wang@town", password=PASSWORD)).status_code == 429
    assert (await post(world.browser(), "/login", login="wang@town", password=PASSWORD)).status_code == 303
    world.clock.turn(minutes=16)


@pytest.mark.parametrize(
    "elsewhere", ["https://attacker.example", "//attacker.example", "/\\attacker.example", "/\t/attacker.example"]
)
async def test_nobody_is_led_elsewhere_by_signing_in(elsewhere: str, world: World) -> None:
    answer = await post(world.browser(), "/login", login="wang@town", password=PASSWORD, next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    shown = await world.browser().get("/login", params={"next": elsewhere})
    assert "attacker" not in shown.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "https://attacker.example"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "https://bank.test"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
    ],
)
async def test_no_other_site_signs_anybody_in(headers: dict[str, str], status: int, world: World) -> None:
    answer = await post(world.browser(**headers), "/login", login="wang@town", password=PASSWORD)
    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) is (status == 303)


class Page(HTMLParser):
    """What a page is made of, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


async def pages(world: World, language: str) -> list[httpx.Response]:
    """Every page of signing in."""
    stranger, signed = world.browser(**{"Accept-Language": language}), world.browser(**{"Accept-Language": language})
    await world.sign_in("wang@town", signed)
    return [
        await stranger.get("/login"),
        await stranger.get("/login?again=1&next=/v1/users"),
        await post(stranger, "/login", login="nobody", password="wrong"),
        await signed.get("/login"),
        await signed.get("/login/password"),
    ]


@pytest.mark.parametrize(("language", "says"), [("en", "Sign in"), ("zh-Hans", "登录")])
async def test_pages_are_plain_forms_in_the_reader_s_language(language: str, says: str, world: World) -> None:
    answers = await pages(world, language)
    for answer in answers:
        page = Page(answer.text)
        assert answer.headers["content-language"] == language
        assert page.all("html")[0]["lang"] == language
        assert not page.all("script")
        assert len(page.all("h1")) == 1
        labels = {label["for"] for label in page.all("label")}
        typed = {field["id"] for field in page.all("input") if field.get("type") != "hidden"}
        assert typed == labels
        names = {name for _, attributes in page.tags for name in attributes}
        assert not [name for name in names if name == "style" or name.startswith("on")]
        assert not re.search(r'(?:src|href|action)="(?!/)', answer.text)
        shown = " ".join(page.words)
        assert bool(re.search("[\u4e00-\u9fff]", shown)) is (language == "zh-Hans"), shown
    assert says in answers[0].text


async def test_pages_carry_what_protects_them(world: World) -> None:
    for answer in await pages(world, "en"):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == "'none'"
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        # With none, an older browser would not say whence its own form comes.
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_what_somebody_typed_is_text_on_the_page_and_nothing_else(world: World) -> None:
    shown = await world.browser().get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in shown.text
    await world.person("odd@town", NewGrant("auditor", Place()))
    signed = await world.sign_in("odd@town")
    assert "Name of odd@town" in (await signed.get("/login")).text


async def test_with_an_initial_password_nothing_is_done_before_it_is_changed(world: World) -> None:
    vault, passwords = world.app.state.edge.vault, world.app.state.passwords
    async with world.database.write() as connection:
        new = actions.NewUser("new@town", "New", await passwords.hash(PASSWORD))
        user_id = await actions.enter(connection, vault, new, "test:", world.clock())
        await actions.grant(connection, user_id, AUDITOR, None, "test:", world.clock())
    browser = world.browser()
    answer = await post(browser, "/login", login="new@town", password=PASSWORD, next="/v1/providers")
    assert answer.headers["location"] == "/login/password"
    refused = await browser.get("/v1/providers")
    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_needed")
    assert "/login/password" in refused.json()["detail"]
    assert (await browser.get("/v1/sessions")).status_code == 200
    moved = await browser.put("/v1/sessions/current/place", json={})
    assert moved.json()["code"] == "place_not_held"

    for current, fresh, status in (
        ("wrong", "another set of words entirely", 403),
        (PASSWORD, "short", 422),
        (PASSWORD, PASSWORD, 422),
        (PASSWORD, "new@town new@town", 422),
        (PASSWORD, "another set of\0words entirely", 400),
    ):
        assert (await post(browser, "/login/password", current=current, password=fresh)).status_code == status
    before = browser.cookies[COOKIE]
    done = await post(browser, "/login/password", current=PASSWORD, password="another set of words entirely")

    assert (done.status_code, done.headers["location"]) == (303, "/login")
    assert browser.cookies[COOKIE] != before
    assert (await browser.get("/v1/providers")).status_code == 200
    assert (await world.browser(Cookie=f"{COOKIE}={before}").get("/v1/sessions")).status_code == 401
    assert (await post(world.browser(), "/login", login="new@town", password=PASSWORD)).status_code == 403


async def test_a_person_chooses_where_to_act(world: World) -> None:
    await world.person("two@town", NewGrant("assessor", Place(COLLEGE)), AUDITOR)
    browser = await world.sign_in("two@town")
    assert (await browser.get("/v1/users")).status_code == 200

    moved = await post(browser, "/login/place", provider=COLLEGE, learner="")
    assert moved.status_code == 303
    # Below the bank the bank's own role still reaches.
    sessions = (await browser.get("/v1/sessions")).json()["items"]
    assert [one["provider"] for one in sessions] == [COLLEGE]
    assert (await post(browser, "/login/place", provider=SCHOOL)).status_code == 303
    await world.person("one@town", NewGrant("assessor", Place(COLLEGE)))
    other = await world.sign_in("one@town")
    for fields in ({"provider": ""}, {"provider": "cq/jiangbei"}, {"learner": "nobody"}):
        refused = await post(other, "/login/place", **fields)
        assert (refused.status_code, refused.json()["code"]) == (403, "place_not_held")


async def test_nothing_personal_is_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    await world.person("zhang.sanfeng@town", AUDITOR)
    browser = await world.sign_in("zhang.sanfeng@town")
    await browser.get("/login")
    await post(world.browser(), "/login", login="zhang.sanfeng@town", password="a secret that is wrong")

    said = "".join(capfd.readouterr())
    assert "/login" in said
    assert not [word for word in ("sanfeng", "secret that", PASSWORD, "203.0.113.7", "Firefox") if word in said]


FIELDS = st.dictionaries(
    st.sampled_from(["login", "password", "next", "current", "provider", "learner", "everywhere", "odd"]),
    st.text(max_size=40),
)
BODIES = st.one_of(FIELDS.map(lambda fields: httpx.QueryParams(fields).__str__().encode()), st.binary(max_size=200))
PATHS = st.sampled_from(["/login", "/login/place", "/login/password", "/logout"])
QUERIES = st.dictionaries(st.sampled_from(["next", "again", "code", "state", "error"]), st.text(max_size=40))


async def test_nothing_that_is_sent_to_the_pages_breaks_them(world: World) -> None:
    signed, stranger = await world.sign_in("wang@town"), world.browser()
    asked: list[Any] = []

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        path=PATHS,
        body=BODIES,
        query=QUERIES,
        kind=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "", "multipart/form-data"]),
        cookie=st.sampled_from(["", "x", "%00", "é"]),
    )
    def collect(path: str, body: bytes, query: dict[str, str], kind: str, cookie: str) -> None:
        asked.append((path, body, query, kind, cookie))

    collect()
    for path, body, query, kind, cookie in asked:
        world.clock.turn(minutes=16)
        for browser in (stranger, signed):
            own = {"Content-Type": kind} | ({"Cookie": f"{COOKIE}={cookie}".encode()} if cookie else {})
            answers = [
                await browser.post(path, content=body, headers=own),
                await browser.get("/login", params=query),
                await browser.get("/login/with/campus/callback", params=query),
            ]
            assert [answer.status_code for answer in answers if answer.status_code >= 500] == [], (path, body, query)


async def test_wrong_passwords_from_one_network_are_counted_together(world: World) -> None:
    statuses = []
    for n in range(101):
        # Whoever has an IPv6 address has 2^64 of them.
        browser = world.browser(address=f"2001:db8:7:7::{n:x}")
        answer = await browser.post("/login", data={"login": f"guess-{n}@town", "password": "not the password"})
        statuses.append(answer.status_code)
    assert set(statuses[:100]) == {403}
    assert statuses[100] == 429
    elsewhere = world.browser(address="2001:db8:7:8::1")
    answer = await elsewhere.post("/login", data={"login": "guess@town", "password": "not the password"})
    assert answer.status_code == 403


@pytest.mark.parametrize("change", ["password", "closed"])
async def test_a_proof_is_worth_nothing_once_the_account_has_changed(
    change: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await world.person(f"raced-{change}@town", AUDITOR)
    proven = proving.prove

    async def overtaken(database: Database, *others: Any) -> Account:
        account = await proven(database, *others)
        async with world.database.write() as connection:
            if change == "password":
                await actions.set_password(connection, user_id, "another", "test:", world.clock())
            else:
                await actions.close(connection, user_id, "test:", world.clock())
        return account

    monkeypatch.setattr(routes, "prove", overtaken)
    answer = await post(world.browser(), "/login", login=f"raced-{change}@town", password=PASSWORD)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
