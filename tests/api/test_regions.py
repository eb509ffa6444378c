"""Divisions, their groups, population and residence, as a registrar's tool enters and reads them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANY = {"If-Match": "*"}


def division(code: str, name: str = "名") -> dict[str, Any]:
    return {"code": code, "name": {"zh": name, "en": name}}


def counted(region: str, people: int, **others: Any) -> dict[str, Any]:
    return {"region": region, "year": 2020, "age_from": 60, "age_until": None, "source": "census", "people": people,
            **others}  # fmt: skip


async def test_divisions_are_entered_in_any_order_and_once(world: World) -> None:
    items = [division("500103002001"), division("500103002", "七星岗街道"), division("500103", "渝中区")]

    first = await world.send("bank", "PUT /v1/regions", {"items": items})
    again = await world.send("bank", "PUT /v1/regions", {"items": items})
    renamed = await world.send("bank", "PUT /v1/regions", {"items": [division("500103002", "七星岗")]})

    assert first.json() == {"entered": 2, "changed": 0, "unchanged": 1}
    assert again.json() == {"entered": 0, "changed": 0, "unchanged": 3}
    assert renamed.json() == {"entered": 0, "changed": 1, "unchanged": 0}
    shown = (await world.send("reader", "GET /v1/regions/500103002")).json()
    assert shown == {**division("500103002", "七星岗"), "level": "street", "parent": "500103"}


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("under=500103003&level=village", ["500103003001"]),
        ("level=prefecture", ["5001"]),
        ("under=5002", []),
        ("under=50&limit=1", ["50"]),
    ],
)
async def test_list_is_of_a_division_and_a_level(query: str, codes: list[str], world: World) -> None:
    await world.send("bank", "PUT /v1/regions", {"items": [division("500103003"), division("500103003001")]})
    found = (await world.send("reader", f"GET /v1/regions?{query}")).json()["items"]
    assert [item["code"] for item in found] == codes


FAR = base64.urlsafe_b64encode(b"50 99999999999 0 200 x").decode().rstrip("=")
EMPTY = {"name": {"zh": "组", "en": "Group"}, "members": []}
HOMES = "/v1/learners/@learner/residences"
WRONG: list[tuple[str, str, Any, int, str]] = [
    ("a code of five digits", "PUT /v1/regions", {"items": [division("50010")]}, 422, "invalid_request"),
    ("a code of letters", "PUT /v1/regions", {"items": [division("cq")]}, 422, "invalid_request"),
    ("nothing above", "PUT /v1/regions", {"items": [division("510104")]}, 422, "unknown_region_above"),
    ("a padded code", "PUT /v1/regions", {"items": [division("500000")]}, 422, "unknown_region_above"),
    ("one twice", "PUT /v1/regions", {"items": [division("50"), division("50")]}, 422, "item_given_twice"),
    ("no item", "PUT /v1/regions", {"items": []}, 422, "invalid_request"),
    (
        "a member who is no division",
        "PUT /v1/region-groups/other",
        {"name": {"zh": "组", "en": "Group"}, "members": [{"region": "99", "from": "2008-01-01"}]},
        422,
        "unknown_region",
    ),
    (
        "a member twice",
        "PUT /v1/region-groups/other",
        {"name": {"zh": "组", "en": "Group"}, "members": [{"region": "50", "from": f"200{n}-01-01"} for n in (8, 9)]},
        422,
        "member_twice",
    ),
    ("a group's code", "PUT /v1/region-groups/Other", EMPTY, 422, "invalid_request"),
    ("no such group", "GET /v1/region-groups/nothing", None, 404, "region_group_not_found"),
    ("no such division", "GET /v1/regions/99", None, 404, "region_not_found"),
    ("people of nowhere", "PUT /v1/populations", {"items": [counted("99", 1)]}, 422, "unknown_region"),
    ("fewer than none", "PUT /v1/populations", {"items": [counted("50", -1)]}, 422, "invalid_request"),
    ("no ages", "PUT /v1/populations", {"items": [counted("50", 1, age_until=60)]}, 422, "invalid_request"),
    ("one band twice", "PUT /v1/populations", {"items": [counted("50", 1), counted("50", 2)]}, 422, "item_given_twice"),
    ("a cursor of another list", "GET /v1/populations?cursor=NTA", None, 422, "invalid_request"),
    ("a cursor too far", f"GET /v1/populations?cursor={FAR}", None, 422, "invalid_request"),
    ("tomorrow's home", f"POST {HOMES}", {"region": "50", "since": "2031-01-01"}, 422, "moved_in_future"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "body", "status", "code"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
async def test_what_cannot_be_is_refused(request_: str, body: Any, status: int, code: str, world: World) -> None:
    before = await world.stored()
    answer = await world.send("bank", request_, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await world.stored() == before


async def test_group_is_said_whole_and_not_over_another_s_head(world: World) -> None:
    at = "/v1/region-groups/wing"
    one = {"name": {"zh": "渝东北翼", "en": "North-east wing"}, "members": [{"region": "500105", "from": "2008-01-01"}]}
    ended = {**one, "members": [{"region": "500105", "from": "2008-01-01", "until": "2013-01-01"}]}

    made = await world.send("bank", f"PUT {at}", one)
    blind = await world.send("bank", f"PUT {at}", ended)
    tag = {"If-Match": made.headers["etag"]}
    changed = await world.send("bank", f"PUT {at}", ended, tag)
    late = await world.send("bank", f"PUT {at}", one, tag)

    assert (made.status_code, blind.status_code, changed.status_code, late.status_code) == (200, 428, 200, 412)
    shown = (await world.send("reader", f"GET {at}")).json()
    assert shown == {"code": "wing", **ended}
    assert shown in (await world.send("reader", "GET /v1/region-groups")).json()["items"]
    same = await world.send("bank", f"PUT {at}", ended, ANY)
    assert same.headers["etag"] == changed.headers["etag"]


async def test_population_is_paged_and_takes_a_corrected_figure(world: World) -> None:
    items = [counted("500103", n, year=2010, age_from=n, age_until=n + 1) for n in range(5)]
    first = await world.send("bank", "PUT /v1/populations", {"items": items})
    corrected = await world.send(
        "bank", "PUT /v1/populations", {"items": [items[0], {**items[1], "people": 77}, counted("500105", 9)]}
    )
    assert first.json() == {"entered": 5, "changed": 0, "unchanged": 0}
    assert corrected.json() == {"entered": 1, "changed": 1, "unchanged": 1}

    seen: list[dict[str, Any]] = []
    at: str | None = "GET /v1/populations?under=5001&year=2010&limit=2"
    pages = 0
    while at:
        page = (await world.send("reader", at)).json()
        seen, pages = seen + page["items"], pages + 1
        at = page["next"] and f"GET /v1/populations?under=5001&year=2010&limit=2&cursor={page['next']}"
    assert ([one["people"] for one in seen], pages) == ([0, 77, 2, 3, 4], 3)


async def test_where_a_learner_lived_is_kept(world: World) -> None:
    learner = await world.open(region="500103")
    at = f"/v1/learners/{learner}"

    moved = await world.send("partner", f"PATCH {at}", {"region": "500105"}, ANY)
    earlier = await world.send("partner", f"POST {at}/residences", {"region": "5001", "since": "2020-01-01"})
    unmoved = await world.send("partner", f"PATCH {at}", {"region": "500105"}, ANY)

    assert (moved.status_code, earlier.status_code, unmoved.status_code) == (200, 201, 200)
    assert [answer.json()["region"] for answer in (moved, earlier, unmoved)] == ["500105"] * 3
    assert earlier.headers["etag"] != moved.headers["etag"]
    today = world.app.state.edge.today().isoformat()
    assert (await world.send("partner", f"GET {at}/residences")).json()["items"] == [
        {"region": "500103", "since": None},
        {"region": "5001", "since": "2020-01-01"},
        {"region": "500105", "since": today},
    ]
