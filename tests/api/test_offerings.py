"""The catalogue over the API: announcing, changing, finding what can be learnt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import CLOSED, COLLEGE, SCHOOL, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = {"zh": "法语", "en": "French"}


def offering(code: str, **others: Any) -> dict[str, Any]:
    """An offering as a provider announces it."""
    return {"code": code, "kind": "course", "title": TITLE, **others}


async def test_an_offering_is_announced_read_and_changed(world: World) -> None:
    whole = offering(
        "FR1",
        provider=SCHOOL,
        unit="FR1",
        category="arts/languages",
        level={"cn-lof": "5"},
        credits="2.5",
        hours="40",
        fee="199.5",
        places=30,
        starts="2025-03-01",
        ends="2025-06-30",
        assumed={"grade": {"percent": "75"}, "attendance": "90", "facts": {"proctored": True}},
    )
    answer = await world.partner.post("/v1/offerings", json=whole)
    assert answer.status_code == 201, answer.text
    at = answer.headers["location"]
    read = await world.client("nobody").get(at)

    assert read.json() == {**whole, "id": at.split("/")[-1], "status": "open"}
    assert (await world.client("nobody").get(at, headers={"If-None-Match": read.headers["etag"]})).status_code == 304
    change = {"places": None, "status": "closed", "title": {"zh": "法语一", "en": "French 1"}, "fee": "0"}
    changed = await world.partner.patch(at, json=change, headers={"If-Match": read.headers["etag"]})
    assert changed.json() == {**read.json(), **change}
    assert changed.headers["etag"] == '"2"'


async def test_offerings_are_found_by_provider_kind_category_and_code(world: World) -> None:
    for by, code, category in (
        ("partner", "LIST1", "arts/languages"),
        ("partner", "LIST2", "arts/humanities"),
        ("rival", "LIST1", "arts/languages"),
    ):
        made = await world.client(by).post("/v1/offerings", json=offering(code, kind="exam", category=category))
        assert made.status_code == 201, made.text
    for query, count in (
        ("kind=exam", 3),
        (f"kind=exam&under={COLLEGE}", 2),
        ("kind=exam&under=cq", 3),
        ("kind=exam&category=arts/languages", 2),
        ("kind=exam&category=arts", 3),
        ("code=LIST1", 2),
        ("code=LIST", 0),
    ):
        found = await world.client("nobody").get(f"/v1/offerings?{query}")
        assert len(found.json()["items"]) == count, query
    first = await world.client("nobody").get("/v1/offerings?kind=exam&limit=2")
    second = await world.client("nobody").get(first.links["next"]["url"])
    assert (len(first.json()["items"]), len(second.json()["items"])) == (2, 1)


@pytest.mark.parametrize(
    ("by", "body", "status", "code", "pointer"),
    [
        ("nobody", offering("N"), 401, "unauthenticated", None),
        ("poster", offering("N"), 403, "missing_scope", None),
        ("bank", offering("N"), 422, "offering_provider_unnamed", "/provider"),
        ("bank", offering("N", provider="cq/nobody"), 422, "unknown_provider", "/provider"),
        ("partner", offering("N", provider="cq/jiangbei"), 403, "foreign_provider", "/provider"),
        ("partner", offering("N", provider=CLOSED), 403, "provider_not_active", None),
        ("partner", offering("N", kind="spell"), 422, "unknown_offering_kind", "/kind"),
        ("partner", offering("N", category="arts/nothing"), 422, "unknown_offering_category", "/category"),
        ("partner", offering("N", credits=1.5), 422, "invalid_request", "/credits"),
        ("partner", offering("N", credits="1001"), 422, "invalid_request", "/credits"),
        ("partner", offering("N", places=-1), 422, "invalid_request", "/places"),
        ("partner", offering("N\0"), 422, "invalid_request", "/code"),
        ("partner", offering("N", starts="2025-02-01", ends="2025-01-01"), 422, "invalid_request", ""),
        ("partner", offering("N", accredited=True), 422, "invalid_request", "/accredited"),
        ("partner", offering("N", assumed={"accredited": True}), 422, "invalid_request", "/assumed/accredited"),
    ],
)
async def test_what_is_not_announced(
    world: World, by: str, body: Any, status: int, code: str, pointer: str | None
) -> None:
    stored = await world.stored()
    answer = await world.client(by).post("/v1/offerings", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert [fault["pointer"] for fault in problem["errors"]] == ([pointer] if pointer is not None else [])
    assert await world.stored() == stored


@pytest.mark.parametrize(
    ("by", "body", "headers", "status", "code"),
    [
        ("partner", {"places": 5}, {}, 428, "precondition_required"),
        ("partner", {"places": 5}, {"If-Match": '"9"'}, 412, "revision_changed"),
        ("rival", {"places": 5}, {"If-Match": '"1"'}, 403, "foreign_provider"),
        ("partner", {"code": "X"}, {"If-Match": '"1"'}, 422, "invalid_request"),
        ("partner", {"starts": "2030-01-01"}, {"If-Match": '"1"'}, 422, "offering_days_reversed"),
        ("partner", {"category": "no/such"}, {"If-Match": '"1"'}, 422, "unknown_offering_category"),
    ],
)
async def test_what_is_not_changed(
    world: World, by: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    made = await world.partner.post("/v1/offerings", json=offering(world.fresh("C"), ends="2026-01-01"))
    stored = await world.stored()
    answer = await world.client(by).patch(made.headers["location"], json=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await world.stored() == stored


async def test_a_code_is_given_once_at_a_provider(world: World) -> None:
    assert (await world.partner.post("/v1/offerings", json=offering("ONCE"))).status_code == 201
    again = await world.partner.post("/v1/offerings", json=offering("ONCE"))

    assert (again.status_code, again.json()["code"]) == (409, "offering_code_taken")
    assert (await world.client("nobody").get("/v1/offerings?under=%00")).status_code == 422
