"""What a refusal tells people to do, in `detail`, where the bank knows it and the title does not say it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from creditbank.people.domain import NewGrant, Place
from tests.api.world import COLLEGE, World, opened, statement

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank with small bodies, reached by https, and one member of a college's staff."""
    async with opened(database_url, public_url="https://bank.test", body_bytes_max=20_000) as served:
        await served.person("li@town", NewGrant("provider_staff", Place(COLLEGE)))
        yield served


@dataclass(frozen=True)
class Row:
    """A request that is refused, with what its `detail` says after the sentence of its `title`."""

    name: str
    path: str
    sent: bytes
    media_type: str
    code: str
    english: str
    chinese: str


NOBODY = "00000000-0000-7000-8000-000000000000"


def posted(**others: object) -> bytes:
    """An achievement that would be taken, but for what differs."""
    return json.dumps({**statement("E-1"), "learner": {"id": NOBODY}, **others}).encode()


ROWS = (
    Row(
        "text", "/v1/achievements", b"{}", "text/plain", "unsupported_media_type",
        "Content-Type must be one of: application/json.", "Content-Type 须为以下之一：application/json。",
    ),
    Row(
        "text for a batch", "/v1/achievements/batch", b"{}", "text/plain", "unsupported_media_type",
        "Content-Type must be one of: application/json, application/x-ndjson.",
        "Content-Type 须为以下之一：application/json, application/x-ndjson。",
    ),
    Row(
        "too much", "/v1/achievements", b" " * 20_001, "application/json", "body_too_large",
        "It takes 20,000 bytes at most: send less at a time.", "最多 20,000 字节，请分次发送。",
    ),
    Row(
        "another method", "/v1/achievements/batch", b"", "application/json", "method_not_allowed",
        "It takes POST.", "此资源接受 POST。",
    ),
    Row(
        "nobody", "/v1/achievements", posted(), "application/json", "unknown_learner",
        "Open an account first, or send open_account with an identity.",
        "请先开立账户，或在 open_account 中附上身份一并发送。",
    ),
    Row(
        "no such kind", "/v1/achievements", posted(kind="juggling"), "application/json", "unknown_kind",
        "GET /v1/kinds has them all.", "完整列表见 GET /v1/kinds。",
    ),
    Row(
        "half a body", "/v1/achievements", b'{"kind":', "application/json", "malformed_body",
        "The JSON ends in the middle, in line 1 at column 8.", "JSON 不完整，在第 1 行第 8 列中途结束。",
    ),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_the_detail_says_what_to_do(row: Row, world: World) -> None:
    for language, said, between in (("en", row.english, " "), ("zh-Hans", row.chinese, "")):
        method = "PATCH" if row.code == "method_not_allowed" else "POST"
        headers = {"Content-Type": row.media_type, "Accept-Language": language}
        problem = (await world.partner.request(method, row.path, content=row.sent, headers=headers)).json()
        assert (problem["code"], problem["detail"]) == (row.code, f"{problem['title']}{between}{said}")


async def test_a_person_is_told_which_roles_may(world: World) -> None:
    browser = await world.sign_in("li@town")
    refused = (await browser.get("/v1/reviews")).json()
    assert refused["code"] == "missing_scope"
    assert refused["detail"].endswith(
        "carries the scope reviews:read; these do: administrator, assessor, auditor, district_administrator, registrar."
    )
    told = (await world.client("scopeless").get("/v1/users")).json()
    assert told["detail"] == "This needs the scope users:read, which your credential does not carry."


async def test_whoever_sends_no_origin_is_told_the_header(world: World) -> None:
    form = {"login": "li@town", "password": "x"}
    for headers, said in (({}, True), ({"Origin": "https://attacker.example"}, False)):
        async with world.browser(**{"Sec-Fetch-Site": ""}) as browser:
            refused = await browser.post("/login", data=form, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
        assert ("Origin: https://bank.test" in refused.json()["detail"]) is said
