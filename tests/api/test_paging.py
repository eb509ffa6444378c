"""Lists: every item once, in order, whatever the size of the page; an opaque cursor and a link to what comes next."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.world import ORIGIN, World
from tests.bank import document

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTS = (
    "/v1/providers",
    "/v1/providers?under=cq/yuzhong",
    "/v1/rule-sets",
    "/v1/learners/@paged/achievements",
    "/v1/learners/@paged/lots",
    "/v1/learners/@paged/postings",
    "/v1/learners/@paged/decisions",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(world: World) -> AsyncIterator[World]:
    """The bank with a learner who has seven of everything."""
    world.ids["paged"] = await world.open()
    for _ in range(7):
        await world.record(world.ids["paged"])
    for i in range(3):
        await world.send("bank", "POST /v1/rule-sets", document(id_=f"paged{i}"))
    yield world


@pytest.mark.parametrize("path", LISTS)
async def test_pages_hold_every_item_once_and_in_order(path: str, filled: World) -> None:
    joint = "&" if "?" in path else "?"
    whole = (await filled.send("bank", f"GET {path}{joint}limit=500")).json()
    assert whole["next"] is None
    assert len(whole["items"]) > 2
    for limit in (1, 2, 3, len(whole["items"])):
        found, request, pages = [], f"{path}{joint}limit={limit}", 0
        while request:
            answer = await filled.send("bank", f"GET {request}")
            page = answer.json()
            assert len(page["items"]) <= limit
            found += page["items"]
            pages += 1
            if page["next"] is None:
                assert "link" not in answer.headers
                break
            target, relation = answer.headers["link"].split("; ")
            assert relation == 'rel="next"'
            assert page["next"] in target
            request = target.strip("<>").removeprefix(ORIGIN)
        assert found == whole["items"]
        assert pages == -(-len(found) // limit)


async def test_page_holds_fifty_unless_it_says_otherwise(world: World) -> None:
    learner = await world.open()
    items = [world.statement(learner) for _ in range(51)]
    assert (await world.send("partner", "POST /v1/achievements/batch", items)).json()["counts"]["recorded"] == 51
    page = (await world.send("partner", f"GET /v1/learners/{learner}/achievements")).json()
    assert len(page["items"]) == 50
    assert page["next"] is not None


async def test_what_is_added_meanwhile_moves_no_page(filled: World) -> None:
    learner = await filled.open()
    first = [(await filled.record(learner))["achievement"]["id"] for _ in range(2)]
    page = (await filled.send("partner", f"GET /v1/learners/{learner}/achievements?limit=1")).json()
    third = (await filled.record(learner))["achievement"]["id"]
    rest = (await filled.send("partner", f"GET /v1/learners/{learner}/achievements?cursor={page['next']}")).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [*first, third]
