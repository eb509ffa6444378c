"""Two logins of one person lead to one account, and to two again when it was two people's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from creditbank.people.domain import NewGrant, Place
from tests.api.test_guardianships import acting, adult, register
from tests.api.test_merges import merge, propose, train, undo
from tests.api.world import World, opened
from tests.conversions.desk import CERTIFICATE, let_in, only, post
from tests.privacy.test_erasure import erase

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https, whose college counts trainings."""
    async with opened(database_url, public_url="https://bank.test", rate_register_per_minute=0) as served:
        await let_in(served)
        await only(served, CERTIFICATE)
        yield served


async def with_login(world: World) -> tuple[str, str]:
    """An account with a training of one credit, and whoever signs in as its learner."""
    learner, login = await world.open(world.fresh("Li")), world.fresh("li@home")
    await train(world, learner, "1")
    await world.person(login, NewGrant("learner", Place(learner_id=UUID(learner))))
    return learner, login


async def reads(browser: httpx.AsyncClient, *learners: str) -> list[int]:
    return [(await browser.get(f"/v1/learners/{one}/balance")).status_code for one in learners]


async def total(browser: httpx.AsyncClient, learner: str) -> str:
    (unit,) = (await browser.get(f"/v1/learners/{learner}/balance")).json()["units"]
    return str(unit["total"])


async def test_both_logins_lead_to_the_account_that_stays_and_back(world: World) -> None:
    (stays, first), (goes, second) = await with_login(world), await with_login(world)
    signed_in = [await world.sign_in(login) for login in (first, second)]
    assert [await reads(one, stays, goes) for one in signed_in] == [[200, 404], [404, 200]]
    at = await merge(world, stays, goes)
    for browser in (*signed_in, await world.sign_in(first), await world.sign_in(second)):
        assert await reads(browser, stays, goes) == [200, 404]
        assert await total(browser, stays) == "2"
    await undo(world, at)
    again = [await world.sign_in(login) for login in (first, second)]
    assert [await reads(one, stays, goes) for one in (*signed_in, *again)] == [[200, 404], [404, 200]] * 2
    assert [await total(one, id_) for one, id_ in zip(again, (stays, goes), strict=True)] == ["1", "1"]


async def test_from_the_decision_on_and_not_before(world: World) -> None:
    stays, (goes, login) = await world.open(world.fresh("Li")), await with_login(world)
    browser = await world.sign_in(login)
    at = await propose(world, stays, goes)
    assert await reads(browser, stays, goes) == [404, 200]
    await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
    # No worker has moved anything yet.
    assert await reads(browser, stays, goes) == [200, 404]
    await world.work()
    await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
    assert await reads(browser, stays, goes) == [200, 404]
    await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
    assert await reads(browser, stays, goes) == [404, 200]
    await world.work()


async def test_a_role_that_was_lent_lasts_no_longer(world: World) -> None:
    stays, goes, login = await world.open(world.fresh("Li")), await world.open(world.fresh("Li")), world.fresh("li")
    ends = world.clock() + timedelta(minutes=30)
    await world.person(login, NewGrant("learner", Place(learner_id=UUID(goes)), ends))
    await merge(world, stays, goes)
    browser = await world.sign_in(login)
    assert await reads(browser, stays) == [200]
    world.clock.turn(minutes=31)
    assert await reads(browser, stays) == [403]


async def test_a_guardian_stays_where_they_are_registered(world: World) -> None:
    guardian, login = await adult(world)
    today = world.app.state.edge.today()
    born = today.replace(year=today.year - 10, day=15).isoformat()
    stays, goes = [await world.open(world.fresh("Li"), birth_date=born) for _ in range(2)]
    assert (await register(world, goes, guardian)).status_code == 201
    browser = await acting(world, login, goes)
    await merge(world, stays, goes)
    assert await reads(browser, stays, goes) == [404, 200]


async def test_the_archive_and_the_erasure_are_of_both_logins(world: World) -> None:
    (stays, first), (goes, second) = await with_login(world), await with_login(world)
    await merge(world, stays, goes)
    await erase(world, stays)
    for login in (first, second):
        answer = await world.browser().post("/login", data={"login": login, "password": "seven plum-rain bridges"})
        assert answer.status_code != 303


async def test_undone_the_one_s_erasure_leaves_the_other_s_login(world: World) -> None:
    (stays, first), (goes, second) = await with_login(world), await with_login(world)
    await undo(world, await merge(world, stays, goes))
    await erase(world, stays)
    assert await reads(await world.sign_in(second), goes) == [200]
    answer = await world.browser().post("/login", data={"login": first, "password": "seven plum-rain bridges"})
    assert answer.status_code != 303
