"""A district's administrator sees and changes nothing of another district, whatever scopes they carry.

Every request of the table of scopes, which names every route of the application, is made by the client of a district
to which nothing in it belongs. It must be refused, unless a line below says why it is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from creditbank.access.domain import SCOPES
from creditbank.providers.actions import NewProvider, enter
from tests.api.test_policy import TABLE, Row, filled
from tests.api.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUTSIDER = "cq/shapingba"

# What everybody may read who carries the scope, and why.
OPEN = {
    "GET /v1/providers": "the directory of institutions is for whoever works in the network",
    "GET /v1/providers/{id}": "the directory",
    "GET /v1/providers/{id}/accreditations": "who is accredited is to be known",
    "GET /v1/imports/template": "an empty form",
    "GET /v1/regions": "official divisions",
    "GET /v1/regions/{code}": "official divisions",
    "GET /v1/region-groups": "official groups",
    "GET /v1/region-groups/{code}": "official groups",
    "GET /v1/populations": "official figures",
    "GET /v1/rule-sets": "what gives credits is no secret",
    "GET /v1/rule-sets/{id}": "what gives credits is no secret",
    "GET /v1/rule-sets/{id}/versions/{number}": "what gives credits is no secret",
    "GET /v1/rule-sets/{id}/versions/{number}/diff/{other}": "what gives credits is no secret",
    "GET /v1/rule-sets/{id}/versions/{number}/simulation": "counts over everybody; whoever is behind them is closed",
    "GET /v1/programmes": "what may be studied is no secret",
    "GET /v1/programmes/{id}": "what may be studied is no secret",
    "POST /v1/what-if": "stores nothing and reads nobody's records",
    "POST /v1/learners/resolve": "finds anybody by design, shows a masked name, and is written down",
}
# What opens something of the district's own, so that nothing of another's is touched.
OWN = {
    "POST /v1/learners/batch": "accounts of the district's own",
    "POST /v1/imports": "a file of the district's own, in which what is another's is refused row by row",
    "POST /v1/learners": "an account of the district's own",
    "POST /v1/rule-sets": "a rule set of the district's own",
    "POST /v1/clients": "a program of the district's own",
    "GET /v1/clients": "programs of the district's own",
    "POST /v1/webhooks": "who is told of what is the district's own",
    "GET /v1/webhooks": "webhooks of the district's own",
    "POST /v1/users": "a person of the district's own",
    "GET /v1/audit-events": "what the district's own did, and what was done to its own",
}
# Lists that everybody may ask for and that hold what is one's own: here nothing.
EMPTY = {"GET /v1/imports", "GET /v1/reviews", "GET /v1/duplicates", "GET /v1/head-counts", "GET /v1/users"}
# What is refused item by item, or row by row, in an answer that is no refusal.
BY_ITEM = {
    "POST /v1/achievements/batch": '"refused":1',
    "POST /v1/learners/activation-codes": '"refused":1',
    "POST /v1/providers/imports": "not_yours",
}

CLOSED = [row for row in TABLE if row.scope is not None and row.route not in {*OPEN, *OWN, *EMPTY, *BY_ITEM}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """The filled bank, and a district beside those that its records belong to."""
    async with filled(database_url) as served:
        async with served.database.write() as connection:
            new = NewProvider(OUTSIDER, "沙坪坝区社区学院", "Shapingba", "community_college", "500106")
            await enter(connection, new, served.clock())
        await served.let_in("outsider", OUTSIDER, SCOPES)
        yield served


async def test_every_exception_is_a_route(world: World) -> None:
    assert {*OPEN, *OWN, *EMPTY, *BY_ITEM} <= {row.route for row in TABLE if row.scope is not None}


@pytest.mark.parametrize("row", CLOSED, ids=lambda row: row.route)
async def test_another_district_is_closed(row: Row, world: World) -> None:
    before = await world.stored()
    answer = await world.send("outsider", row.request, row.body, row.headers)
    assert answer.status_code in {403, 404}, answer.text
    assert answer.json()["code"] != "missing_scope"
    assert await world.stored() == before


@pytest.mark.parametrize("route", sorted(EMPTY))
async def test_lists_hold_nothing_of_another_district(route: str, world: World) -> None:
    row = next(row for row in TABLE if row.route == route)
    answer = await world.send("outsider", row.request)
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_the_audit_log_holds_nothing_that_another_district_did_to_its_own(world: World) -> None:
    shown = (await world.send("outsider", "GET /v1/audit-events?limit=200")).json()["items"]
    assert {one["action"] for one in shown} >= {"client.create", "key.create"}
    assert {one["owner"] if one["provider"] is None else one["provider"] for one in shown} == {OUTSIDER}


@pytest.mark.parametrize("route", sorted(BY_ITEM))
async def test_what_is_another_district_s_among_many_is_refused(route: str, world: World) -> None:
    row = next(row for row in TABLE if row.route == route)
    before = await world.stored()
    answer = await world.send("outsider", row.request, row.body, row.headers)
    assert BY_ITEM[route] in answer.text
    assert await world.stored() == before
