"""What goes around every answer: the request's name, the language, the headers that protect, and what the log says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank import logs
from creditbank.database.engine import Database
from tests.api.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LANGUAGES = (
    (None, "en"),
    ("", "en"),
    ("en", "en"),
    ("en-GB,en;q=0.9", "en"),
    ("zh", "zh-Hans"),
    ("zh-CN", "zh-Hans"),
    ("zh-Hans-CN", "zh-Hans"),
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
    ("en;q=0.5, zh;q=0.8", "zh-Hans"),
    ("fr, zh;q=0.2, en;q=0.1", "zh-Hans"),
    ("zh;q=0, en", "en"),
    ("fr", "en"),
    ("*", "en"),
    (";;;q=x,,", "en"),
    ("zh;q=x", "en"),
)


@pytest.mark.parametrize(("asked", "language"), LANGUAGES)
async def test_caller_is_answered_in_the_language_it_prefers(asked: str | None, language: str, world: World) -> None:
    headers = {} if asked is None else {"Accept-Language": asked}
    answer = await world.send("nobody", "GET /v1/providers", headers=headers)
    sentence = {"en": "A valid credential is needed", "zh-Hans": "凭证"}[language]
    assert answer.headers["content-language"] == language
    assert sentence in answer.json()["detail"]


async def test_outcome_s_reasons_are_in_the_caller_s_language(world: World) -> None:
    body = world.statement(await world.open())
    reasons = {}
    for language in ("en", "zh-Hans"):
        answer = await world.send("partner", "POST /v1/achievements", body, {"Accept-Language": language})
        (reasons[language],) = answer.json()["outcome"]["reasons"]
    assert reasons["en"].isascii()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in reasons["zh-Hans"])


NAMED = "0190a5b2-7c1d-7e3f-8a4b-5c6d7e8f9a0b"
TRACED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("name", [NAMED, NAMED.upper(), TRACED])
async def test_request_keeps_the_name_it_was_given(name: str, world: World) -> None:
    good = await world.send("partner", "GET /v1/providers", headers={"X-Request-ID": name})
    bad = await world.send("partner", "GET /v1/nothing", headers={"X-Request-ID": name})
    assert good.headers["x-request-id"] == bad.headers["x-request-id"] == name
    assert bad.json()["instance"] == f"urn:request:{name}"


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "x" * 65,
        "a b",
        'a"b',
        "a{b}",
        "张",
        "req-1",
        "500103199001011232",
        "13900001111",
        f"{NAMED} ",
        NAMED.replace("-", ""),
    ],
)
async def test_request_without_a_usable_name_gets_one(name: str | None, world: World) -> None:
    given = [] if name is None else [(b"X-Request-ID", name.encode())]
    answers = [await world.client("partner").get("/v1/providers", headers=given) for _ in range(2)]
    named = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(named)) == 2
    assert all(len(one) == 36 for one in named)


PROTECTING = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    "path", ["/v1/providers", "/v1/nothing", "/v1/learners/@learner/transcript", "/livez", "/static/transcript.css"]
)
async def test_every_answer_has_the_headers_that_protect(path: str, world: World) -> None:
    answer = await world.send("bank", f"GET {path}")
    assert {name: answer.headers[name] for name in PROTECTING} == PROTECTING
    assert answer.headers["cache-control"] == "no-store"


async def test_public_lists_may_be_kept_by_caches(world: World) -> None:
    answer = await world.send("nobody", "GET /v1/kinds")
    assert answer.headers["cache-control"] == "public, max-age=3600"


# --- What nobody foresaw ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _broken(_: Database) -> AsyncIterator[AsyncConnection]:
    raise ValueError("张三 500103199001011234")
    yield


async def test_what_nobody_foresaw_is_a_problem_like_any_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "snapshot", _broken)
    with logged() as lines:
        answer = await world.send("bank", "GET /v1/rule-sets", headers={"X-Request-ID": NAMED})
    assert answer.status_code == 500
    assert (answer.json()["code"], answer.json()["instance"]) == ("internal_error", f"urn:request:{NAMED}")
    assert answer.headers["x-request-id"] == NAMED
    assert {name: answer.headers[name] for name in PROTECTING} == PROTECTING
    told, access = (json.loads(line) for line in lines)
    assert (told["event"], told["error"], told["request_id"]) == ("unexpected", "ValueError", NAMED)
    assert any("list_rule_sets" in frame for frame in told["where"])
    assert (access["event"], access["status"]) == ("request", 500)
    assert "张三" not in "".join(lines)
    assert "500103199001011234" not in "".join(lines)


# --- The log ----------------------------------------------------------------------------------------------------------


@contextmanager
def logged(level: str = "debug") -> Iterator[list[str]]:
    """The log lines that are written meanwhile, as the server configures them."""
    lines: list[str] = []
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before, handlers, threshold = structlog.get_config(), logging.root.handlers[:], logging.root.level
    try:
        logs.configure(level, stream)
        # A logger that a module keeps remembers how it was configured first; a test must configure it again.
        structlog.configure(cache_logger_on_first_use=False)
        yield lines
        stream.flush()
        stream.buffer.seek(0)
        lines += stream.buffer.read().decode().splitlines()
    finally:
        structlog.configure(**before)
        logging.basicConfig(handlers=handlers, level=threshold, force=True)


SECRET_WORDS = (
    "欧阳修文",
    "Ouyang Xiuwen",
    "500103198802029876",
    "13900001111",
    "1988-02-02",
    "EXT-OUYANG-1",
    "Alcohol counselling",
    "confidential reason",
)


async def test_log_holds_no_word_about_a_person(world: World) -> None:
    identities = [{"type": "id_card", "value": "500103198802029876"}, {"type": "phone", "value": "13900001111"}]
    person = {"name": "欧阳修文", "birth_date": "1988-02-02", "identities": identities}
    achievement: dict[str, Any] = {
        "external_id": "EXT-OUYANG-1",
        "kind": "course",
        "completed": "2025-01-20",
        "credits": "3",
        "title": "Alcohol counselling",
        "learner": {"identity": identities[0]},
    }
    with logged() as lines:
        opened = await world.send("partner", "POST /v1/learners", person)
        learner, number = opened.json()["id"], opened.json()["number"]
        key = {"Idempotency-Key": "EXT-OUYANG-1"}
        recorded = await world.send("partner", "POST /v1/achievements", achievement, key)
        at = f"/v1/achievements/{recorded.json()['achievement']['id']}"
        told = {**achievement, "credits": "2"}
        del told["learner"]
        for by, request, body in (
            ("partner", "POST /v1/learners", person),
            ("partner", "POST /v1/learners/resolve", {"number": number}),
            ("partner", "POST /v1/learners/resolve", {"identity": identities[1]}),
            ("partner", "POST /v1/learners/resolve", {"number": "欧阳修文"}),
            ("partner", f"GET /v1/learners/{learner}", None),
            ("partner", "GET /v1/learners/13900001111", None),
            ("partner", "GET /v1/learners/欧阳修文?name=欧阳修文", None),
            ("partner", "GET /v1/providers?under=欧阳修文&cursor=13900001111", None),
            ("partner", f"PATCH /v1/learners/{learner}", {"name": "Ouyang Xiuwen"}),
            ("partner", "POST /v1/achievements", {**achievement, "credits": 1.5}),
            ("partner", "POST /v1/achievements", {**achievement, "credits": "9"}),
            ("partner", "POST /v1/achievements/batch", [achievement, {**achievement, "kind": "dance"}]),
            ("partner", f"POST {at}/amendments", {"reason": "confidential reason", "achievement": told}),
            ("partner", f"POST {at}/revocation", {"reason": "confidential reason"}),
            ("bank", f"GET /v1/learners/{learner}/transcript", None),
            ("nobody", "GET /欧阳修文/13900001111", None),
        ):
            await world.send(by, request, body, {"If-Match": "*"})
        await world.work()

    text = "\n".join(lines)
    assert len([line for line in lines if json.loads(line)["event"] == "request"]) == 18
    for word in (*SECRET_WORDS, number):
        assert word not in text
        assert json.dumps(word).strip('"') not in text
    assert learner not in text, "the log names routes, never paths"


async def test_log_line_says_who_asked_for_what_and_how_it_went(world: World) -> None:
    with logged("info") as lines:
        await world.send("partner", "GET /v1/learners/@learner", headers={"X-Request-ID": NAMED})
        await world.send("nobody", "GET /v1/learners/@learner")
        await world.send("nobody", "GET /v1/nothing")
        await world.send("nobody", "GET /livez")
    first, second, third = (json.loads(line) for line in lines)
    assert (first["method"], first["route"], first["status"]) == ("GET", "/v1/learners/{id}", 200)
    assert (first["request_id"], first["level"]) == (NAMED, "info")
    assert first["client"] is not None
    assert (second["status"], second["client"]) == (401, None)
    assert (third["route"], third["status"]) == ("none", 404)
