"""Somebody who was at an event by two accounts was there once; two people who were there were there twice."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import date

import pytest
import pytest_asyncio

from creditbank.achievements.domain import Figure
from creditbank.achievements.queries import served
from tests.api.test_activities import talk
from tests.api.test_merges import facts, merge, undo
from tests.api.world import COLLEGE, World
from tests.bank import document, granting
from tests.conversions.desk import verified

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def rules(world: World) -> None:
    """Half a credit for a talk."""
    await world.publish(document(granting("talk", {"fixed": "0.5"}, kind="activity"), id_="talks"))
    await world.work()


@dataclass
class Event:
    """An event, and two accounts."""

    world: World
    at: str
    stays: str
    goes: str

    async def attend(self, *whom: str) -> list[str]:
        body = {"learners": [{"id": getattr(self, one)} for one in whom]}
        answer = await self.world.partner.post(f"{self.at}/attendance", json=body)
        assert answer.status_code == 200, answer.text
        return [one["status"] for one in answer.json()["results"]]

    async def counted(self) -> dict[str, int]:
        shown = (await self.world.partner.get(f"{self.at}/attendance")).json()
        assert shown["attended"] == sum(shown["by_way"].values())
        return dict(shown["by_way"])

    async def credits(self) -> list[str]:
        found = []
        for one in (self.stays, self.goes):
            units = (await self.world.bank.get(f"/v1/learners/{one}/balance")).json()["units"]
            found += [next((unit["total"] for unit in units if unit["unit"] == "CR"), "0")]
        return found

    async def figure(self) -> Figure:
        """How many achievements of how many learners the college and those below it had in that month."""
        async with self.world.database.read() as connection:
            return await served(connection, COLLEGE, date(2025, 3, 1), date(2025, 4, 1))


@pytest_asyncio.fixture(loop_scope="module")
async def event(world: World) -> Event:
    answer = await world.partner.post("/v1/activities", json=talk(world))
    assert answer.status_code == 201, answer.text
    both = [await world.open(world.fresh("Li")) for _ in range(2)]
    return Event(world, str(answer.headers["location"]), *both)


WHO = {
    # Who was there: while one, and when two again; credits of the one who stays and of the other in both.
    "both": (("stays", "goes"), 1, 2, ["0.5", "0"], ["0.5", "0.5"]),
    "the one who stays": (("stays",), 1, 1, ["0.5", "0"], ["0.5", "0"]),
    "the one who goes": (("goes",), 1, 1, ["0.5", "0"], ["0", "0.5"]),
}


@pytest.mark.parametrize("who", WHO)
async def test_one_person_counts_once_and_two_count_twice(who: str, event: Event) -> None:
    there, once, twice, merged, undone = WHO[who]
    before = await event.figure()

    async def further() -> tuple[int, int]:
        now = await event.figure()
        return now.achievements - before.achievements, now.learners - before.learners

    await event.attend(*there)
    assert await event.counted() == {"roster": len(there)}
    assert await further() == (len(there), len(there))
    at = await merge(event.world, event.stays, event.goes)
    assert (await event.counted(), await event.credits()) == ({"roster": once}, merged)
    # Said again by either name, nobody is counted anew.
    assert await event.attend("stays", "goes") == ["already", "already"]
    assert (await event.counted(), await event.credits()) == ({"roster": once}, merged)
    assert await further() == (once, once)
    await verified(event.world)
    await undo(event.world, at)
    assert (await event.counted(), await event.credits()) == ({"roster": twice}, undone)
    assert await further() == (twice, twice)
    assert await event.attend(*there) == ["already"] * len(there)
    await verified(event.world)


@pytest.mark.parametrize(("by", "undone"), [("goes", ["0", "0.5"]), ("stays", ["0.5", "0"])])
async def test_whoever_came_while_they_were_one_came_by_the_name_that_was_said(
    by: str, undone: list[str], event: Event
) -> None:
    at = await merge(event.world, event.stays, event.goes)
    assert await event.attend(by) == ["counted"]
    assert (await event.counted(), await event.credits()) == ({"roster": 1}, ["0.5", "0"])
    await undo(event.world, at)
    assert (await event.counted(), await event.credits()) == ({"roster": 1}, undone)
    assert await event.attend(by) == ["already"]
    await verified(event.world)


async def test_an_event_that_was_cancelled_meanwhile_is_taken_back_from_both(event: Event) -> None:
    await event.attend("stays", "goes")
    at = await merge(event.world, event.stays, event.goes)
    answer = await event.world.partner.post(f"{event.at}/cancellation", json={"reason": "The hall was flooded."})
    assert answer.status_code == 200, answer.text
    await event.world.work()
    assert await event.credits() == ["0", "0"]
    await undo(event.world, at)
    assert await event.credits() == ["0", "0"]
    for one in (event.stays, event.goes):
        assert {status for status, _ in (await facts(event.world, one)).values()} == {"revoked"}
    await verified(event.world)


async def test_of_three_accounts_the_event_counts_as_long_as_one_was_there(event: Event) -> None:
    third = Event(event.world, event.at, event.stays, await event.world.open(event.world.fresh("Li")))
    await event.attend("goes")
    await third.attend("goes")
    at = await merge(event.world, event.stays, event.goes)
    await merge(event.world, event.stays, third.goes)
    assert (await event.counted(), await event.credits()) == ({"roster": 1}, ["0.5", "0"])
    await undo(event.world, at)
    assert (await event.counted(), await event.credits()) == ({"roster": 2}, ["0.5", "0.5"])
    await verified(event.world)


async def test_what_is_counted_beside_its_like_says_so(event: Event) -> None:
    await event.attend("stays", "goes")
    doubled = next(iter(await facts(event.world, event.goes)))
    await merge(event.world, event.stays, event.goes)
    shown = (await event.world.partner.get(f"/v1/achievements/{doubled}")).json()
    assert (shown["status"], shown["versions"][-1]["reason"]) == ("revoked", "counted_once")
    statuses = sorted(status for status, _ in (await facts(event.world, event.stays)).values())
    assert statuses == ["revoked", "valid"]


async def test_the_archive_tells_of_an_event_to_whoever_was_there(event: Event) -> None:
    at = await merge(event.world, event.stays, event.goes)
    await event.attend("goes")
    await undo(event.world, at)
    told = {}
    for name in ("stays", "goes"):
        archive = await event.world.bank.get(f"/v1/learners/{getattr(event, name)}/export")
        with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
            told[name] = event.at.rpartition("/")[2] in files.read("records/attendances.json").decode()
    assert told == {"stays": False, "goes": True}
