"""A guardianship ends with the minor's age, also when that is mended, and with whoever was the guardian."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.api import conftest
from tests.api.test_guardianships import acting, adult, minor, register, told
from tests.api.test_merges import merge
from tests.api.world import World, opened
from tests.conversions.desk import let_in
from tests.privacy.test_erasure import erase

pytestmark = pytest.mark.asyncio(loop_scope="module")

database_url = conftest.database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https."""
    async with opened(database_url, public_url="https://bank.test", rate_register_per_minute=0) as served:
        await let_in(served)
        yield served


async def mend(world: World, child: str, born: date, by: str = "partner") -> None:
    tag = (await world.bank.get(f"/v1/learners/{child}")).headers["etag"]
    answer = await world.client(by).patch(
        f"/v1/learners/{child}", json={"birth_date": born.isoformat()}, headers={"If-Match": tag}
    )
    assert answer.status_code == 200, answer.text


async def guardianship(world: World, child: str) -> dict[str, Any]:
    (one,) = (await world.bank.get(f"/v1/learners/{child}/guardianships")).json()["items"]
    return dict(one)


def years_ago(today: date, years: int) -> date:
    return today.replace(year=today.year - years, day=15)


async def test_a_mended_birth_date_moves_the_end_to_the_minute(world: World) -> None:
    (guardian, login), child = await adult(world), await minor(world)
    assert (await register(world, child, guardian)).status_code == 201
    edge = world.app.state.edge
    of_age = edge.today() + timedelta(days=3)
    await mend(world, child, of_age.replace(year=of_age.year - 18))
    shown = await guardianship(world, child)
    assert (shown["until"], shown["ended_at"]) == (of_age.isoformat(), None)
    midnight = datetime.combine(of_age, time(), edge.settings.zone)
    world.clock.turn(seconds=(midnight - timedelta(minutes=1) - edge.clock()).total_seconds())
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 200
    world.clock.turn(minutes=1)
    assert told(await browser.get(f"/v1/learners/{child}")) == (403, "place_not_held")
    # The day has come: whoever mends a birth date now gives nobody the child's account again.
    await mend(world, child, years_ago(edge.today(), 9))
    assert told(await browser.get(f"/v1/learners/{child}")) == (403, "place_not_held")
    assert (await guardianship(world, child))["until"] == of_age.isoformat()


async def test_younger_than_was_thought_the_guardian_acts_longer(world: World) -> None:
    (guardian, login), child = await adult(world), await minor(world, years=17)
    assert (await register(world, child, guardian)).status_code == 201
    browser = await acting(world, login, child)
    was = date.fromisoformat((await guardianship(world, child))["until"])
    today = world.app.state.edge.today()
    await mend(world, child, years_ago(today, 16))
    assert (await guardianship(world, child))["until"] == years_ago(today, -2).isoformat()
    world.clock.turn(days=(was - today).days + 1)
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 200


async def test_of_age_by_a_mended_birth_date_they_have_no_guardian(world: World) -> None:
    (guardian, login), child = await adult(world), await minor(world)
    assert (await register(world, child, guardian)).status_code == 201
    browser = await acting(world, login, child)
    await mend(world, child, years_ago(world.app.state.edge.today(), 20))
    assert told(await browser.get(f"/v1/learners/{child}")) == (403, "place_not_held")
    assert (await guardianship(world, child))["ended_by"].startswith("client:")


async def test_another_field_mended_moves_nothing(world: World) -> None:
    (guardian, _), child = await adult(world), await minor(world)
    assert (await register(world, child, guardian)).status_code == 201
    before = await guardianship(world, child)
    tag = (await world.bank.get(f"/v1/learners/{child}")).headers["etag"]
    answer = await world.bank.patch(f"/v1/learners/{child}", json={"name": "Li Xia"}, headers={"If-Match": tag})
    assert (answer.status_code, await guardianship(world, child)) == (200, before)


@pytest.mark.parametrize("how", ["closed", "deceased", "erased", "the account that stands for theirs closed"])
async def test_who_has_no_account_any_more_is_nobody_s_guardian(world: World, how: str) -> None:
    (guardian, login), child, other = await adult(world), await minor(world), await minor(world)
    for one in (child, other):
        assert (await register(world, one, guardian)).status_code == 201
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 200
    ending = guardian
    if how == "erased":
        await erase(world, guardian)
    else:
        if how.startswith("the"):
            ending = await world.open(world.fresh("Li"))
            await merge(world, ending, guardian)
            # Until then nothing changes: it is the same person.
            assert (await guardianship(world, child))["ended_at"] is None
            assert (await browser.get(f"/v1/learners/{child}")).status_code == 200
        state = how if how == "deceased" else "closed"
        reason = "register_told" if state == "deceased" else "learner_asked"
        answer = await world.bank.post(f"/v1/learners/{ending}/state", json={"state": state, "reason": reason})
        assert answer.status_code == 200, answer.text
    assert (await browser.get(f"/v1/learners/{child}")).status_code in {401, 403}
    for one in (child, other):
        shown = await guardianship(world, one)
        assert shown["ended_at"] is not None
        assert (shown["ended_by"] == "erasure") is (how == "erased")
    events = (await world.bank.get("/v1/audit-events", params={"limit": 200})).json()["items"]
    mine = [one for one in events if one["subject"] == f"learner:{child}" and one["action"] == "guardianship.end"]
    assert [one["details"]["reason"] for one in mine] == ["account_ended"]
    if how == "erased":
        # With the last role the login is forgotten too.
        again = await world.browser().post("/login", data={"login": login, "password": "seven plum-rain bridges"})
        assert again.status_code != 303
    elif how == "closed":
        await world.bank.post(f"/v1/learners/{guardian}/state", json={"state": "active", "reason": "mistake"})
        assert (await browser.get(f"/v1/learners/{child}")).status_code in {401, 403}


async def test_with_the_minor_s_erasure_the_guardian_s_archive_tells_that_it_ended(world: World) -> None:
    (guardian, _), child = await adult(world), await minor(world)
    assert (await register(world, child, guardian)).status_code == 201
    await erase(world, child)
    answer = await world.bank.get(f"/v1/learners/{guardian}/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (told_,) = json.loads(archive.read("records/guardianships.json"))
    assert (told_["learner_id"], told_["ended_by"]) == (child, "erasure")
