"""ETag on single resources, If-None-Match on reading them, If-Match on changing them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.world import World
from tests.bank import document

pytestmark = pytest.mark.asyncio(loop_scope="module")

SINGLE = (
    "/v1/providers/@cq/yuzhong",
    "/v1/learners/@learner",
    "/v1/achievements/@achievement",
    "/v1/rule-sets/@draft/versions/1",
    "/v1/learners/@learner/transcript",
)


@pytest.mark.parametrize("path", SINGLE)
async def test_what_the_caller_has_is_not_sent_again(path: str, world: World) -> None:
    first = await world.send("bank", f"GET {path}")
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await world.send("bank", f"GET {path}", headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    for given in ('"other"', tag.strip('"'), ""):
        answer = await world.send("bank", f"GET {path}", headers={"If-None-Match": given})
        assert (answer.status_code, answer.content) == (200, first.content)


CHANGES: tuple[tuple[str, str, Any, Any], ...] = (
    ("learner", "PATCH /v1/learners/@changed", {"name": "赵六"}, {"birth_date": "1990-01-02"}),
    ("provider", "PATCH /v1/providers/@cq/yuzhong", {"region": "500103"}, {"name": {"zh": "渝中", "en": "Yuzhong"}}),
    ("draft", "PUT /v1/rule-sets/@draft/versions/1", document(id_="draft"), document(id_="draft", until="2031-01-01")),
)


@pytest.mark.parametrize(("what", "request_", "one", "other"), CHANGES, ids=[row[0] for row in CHANGES])
async def test_nobody_overwrites_what_they_have_not_seen(
    what: str, request_: str, one: Any, other: Any, world: World
) -> None:
    world.ids.setdefault("changed", await world.open("王五", birth_date="1980-05-05", region="50"))
    read = await world.send("bank", f"GET {request_.split(' ')[1]}")
    tag = read.headers["etag"]

    changed = await world.send("bank", request_, one, {"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != tag
    stale = await world.send("bank", request_, other, {"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_changed")
    blind = await world.send("bank", request_, other)
    assert (blind.status_code, blind.json()["code"]) == (428, "precondition_required")

    seen = await world.send("bank", request_, other, {"If-Match": f'"x", {changed.headers["etag"]}'})
    assert seen.status_code == 200
    now = await world.send("bank", f"GET {request_.split(' ')[1]}")
    assert now.headers["etag"] == seen.headers["etag"]
    assert now.json() == seen.json()


async def test_change_leaves_alone_what_it_does_not_name(world: World) -> None:
    learner = await world.open("王五", birth_date="1980-05-05", region="50")
    expected = (await world.send("partner", f"GET /v1/learners/{learner}")).json()
    for revision, change in enumerate(({"region": "5001"}, {"birth_date": "1981-05-05"}, {"name": "王武"}), start=1):
        answer = await world.send("partner", f"PATCH /v1/learners/{learner}", change, {"If-Match": f'"{revision}"'})
        expected |= change
        assert answer.json() == expected


async def test_of_two_changes_at_once_one_is_told(world: World) -> None:
    learner = await world.open()
    changes = [
        world.send("partner", f"PATCH /v1/learners/{learner}", {"region": region}, {"If-Match": '"1"'})
        for region in ("50", "5001")
    ]
    assert sorted(a.status_code for a in await asyncio.gather(*changes)) == [200, 412]
