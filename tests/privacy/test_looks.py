"""Who looked at a learner's data is written down, at no cost to the look, and shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from creditbank.app import create_app
from creditbank.database.engine import Database
from creditbank.people.domain import NewGrant, Place
from creditbank.privacy.looks import Looks, page_of_looks, write_again_and_again
from tests.api.world import World, opened
from tests.bank import HandClock, settings_for


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank."""
    async with opened(database_url) as served:
        yield served


async def looks_at(world: World, learner: str) -> list[tuple[str, str, int]]:
    """Who looked, how, and how often, by the names of the clients."""
    answer = await world.bank.get(f"/v1/learners/{learner}/looks", params={"limit": 500})
    assert answer.status_code == 200, answer.text
    return sorted((one["name"], one["route"], one["times"]) for one in answer.json()["items"])


async def test_every_read_of_a_learner_is_shown_with_who_and_how_often(world: World) -> None:
    learner = await world.open("Li Wei")
    made = (await world.record(learner))["achievement"]["id"]
    at = f"/v1/learners/{learner}"
    for path in (
        at,
        at,
        f"{at}/achievements",
        f"{at}/lots",
        f"{at}/balance",
        at.upper().replace("/V1/LEARNERS", "/v1/learners"),
    ):
        assert (await world.partner.get(path)).status_code == 200
    assert (await world.bank.get(f"/v1/achievements/{made}")).status_code == 200
    assert (await world.bank.get(f"/v1/conversions?learner={learner}")).status_code == 200
    assert (await world.partner.post("/v1/learners/resolve", json={"id": learner})).status_code == 200
    assert await looks_at(world, learner) == [
        ("bank", "GET /v1/achievements/{id}", 1),
        ("bank", "GET /v1/conversions", 1),
        ("partner", "GET /v1/learners/{id}", 3),
        ("partner", "GET /v1/learners/{id}/achievements", 1),
        ("partner", "GET /v1/learners/{id}/balance", 1),
        ("partner", "GET /v1/learners/{id}/lots", 1),
        ("partner", "POST /v1/learners/resolve", 1),
    ]
    # That somebody looked at the looks is one too.
    assert ("bank", "GET /v1/learners/{id}/looks", 1) in await looks_at(world, learner)


async def test_what_was_refused_or_is_nobody_s_is_no_look(world: World) -> None:
    learner = world.ids["stranger"]
    at = f"/v1/learners/{learner}"
    assert (await world.partner.get(at)).status_code == 404
    assert (await world.client("nobody").get(at)).status_code == 401
    assert (await world.partner.get(f"{at}/transcript")).status_code == 403
    assert (await world.bank.get("/v1/providers")).status_code == 200
    assert (await world.rival.patch(at, json={"region": "50"}, headers={"If-Match": "*"})).status_code == 200
    assert [one for one in await looks_at(world, learner) if one[0] != "bank"] == []


async def test_an_unchanged_answer_is_a_look_too(world: World) -> None:
    at = f"/v1/learners/{world.ids['stranger']}"
    tag = (await world.rival.get(at)).headers["etag"]
    assert (await world.rival.get(at, headers={"If-None-Match": tag})).status_code == 304
    assert ("rival", "GET /v1/learners/{id}", 2) in await looks_at(world, world.ids["stranger"])


async def test_looks_are_paged_the_latest_first_and_only_the_bank_reads_them(world: World) -> None:
    at = f"/v1/learners/{world.ids['learner']}"
    for path in ("", "/lots", "/balance"):
        await world.bank.get(at + path)
        await world.bank.get(f"{at}/looks")
    first = (await world.bank.get(f"{at}/looks", params={"limit": 2})).json()
    rest = (await world.bank.get(f"{at}/looks", params={"limit": 500, "cursor": first["next"]})).json()
    shown = first["items"] + rest["items"]
    assert len(shown) >= 4
    assert [one["id"] for one in shown] == sorted((one["id"] for one in shown), reverse=True)


async def test_no_read_writes(world: World) -> None:
    before = await world.stored()
    for _ in range(5):
        await world.bank.get(f"/v1/learners/{world.ids['learner']}")
    assert await world.stored() == before


async def test_what_was_noted_is_written_at_the_end(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = world.ids["learner"]
        await world.partner.get(f"/v1/learners/{learner}")
    database = Database(database_url)
    async with database.read() as connection:
        found = await page_of_looks(connection, UUID(learner), before=None, limit=50)
    await database.close()
    assert "GET /v1/learners/{id}" in {look.route for look in found}


def scope(learner: int) -> dict[str, Any]:
    """A request for a learner."""
    return {"method": "GET", "client_id": UUID(int=1), "path_params": {"id": str(UUID(int=learner))}}


async def test_what_could_not_be_written_is_noted_still(world: World) -> None:
    noted = Looks(HandClock())
    learner = UUID(world.ids["learner"]).int
    noted.note(scope(learner), "/v1/learners/{id}", 200)
    noted.note(scope(999), "/v1/learners/{id}", 200)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with world.database.write() as connection:
            await noted.write(connection)
    assert noted.are_waiting
    noted.note(scope(learner), "/v1/learners/{id}", 200)
    noted._waiting = {subject: one for subject, one in noted._waiting.items() if subject[0].int == learner}
    async with world.database.write() as connection:
        assert await noted.write(connection) == 1
    shown = await looks_at(world, world.ids["learner"])
    assert [times for _, _, times in shown if times == 2] == [2]


async def test_looks_that_nobody_can_write_down_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditbank.privacy.looks._WAITING_MAX", 3)
    noted = Looks(HandClock())
    for learner in range(5):
        noted.note(scope(learner), "/v1/learners/{id}", 200)
    taken, noted._waiting = noted._waiting, {}
    noted._put_back(taken)
    assert [subject[0].int for subject in noted._waiting] == [2, 3, 4]


async def test_writing_goes_on_when_the_database_is_away_for_a_while() -> None:
    written = asyncio.Event()
    tries = 0

    async def write() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OperationalError("insert", {}, Exception("away"))
        written.set()

    task = asyncio.create_task(write_again_and_again(write, 0))
    await written.wait()
    task.cancel()
    assert tries >= 2


def test_an_application_writes_as_often_as_it_is_told() -> None:
    assert settings_for("sqlite+aiosqlite:///never-opened.sqlite").looks_seconds == 300
    assert isinstance(create_app(settings_for("sqlite+aiosqlite:///never-opened.sqlite")).state.looks, Looks)


async def test_what_a_person_reads_is_told_as_the_look_of_their_institution(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = world.ids["learner"]
        await world.person("clerk@college", NewGrant("provider_staff", Place(provider="cq")))
        clerk = await world.sign_in("clerk@college")
        assert (await clerk.get(f"/v1/learners/{learner}")).status_code == 200

        looks = (await world.bank.get(f"/v1/learners/{learner}/looks")).json()["items"]

        assert [(look["provider"], look["name"]) for look in looks] == [("cq", None)]


async def test_what_learners_read_of_their_own_is_no_look_and_the_looks_are_theirs_to_read(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = world.ids["learner"]
        await world.person("zhang@town", NewGrant("learner", Place(learner_id=UUID(learner))))
        browser = await world.sign_in("zhang@town")
        before = await world.stored()
        assert (await browser.get(f"/v1/learners/{learner}")).status_code == 200
        assert (await browser.get(f"/v1/learners/{learner}/looks")).json()["items"] == []
        assert (await browser.get(f"/v1/learners/{world.ids['stranger']}/looks")).status_code == 403
        assert await world.stored() == before
        assert (await world.bank.get(f"/v1/learners/{learner}")).status_code == 200
        (look,) = (await browser.get(f"/v1/learners/{learner}/looks")).json()["items"]
        assert look["route"] == "GET /v1/learners/{id}"
        archive = await browser.get(f"/v1/learners/{learner}/export")
        assert (archive.status_code, archive.headers["content-type"]) == (200, "application/zip")


async def test_looks_of_long_ago_are_let_go_of_and_still_nothing_else_changes_them(database_url: str) -> None:
    async with opened(database_url, looks_months=6) as world:
        learner = world.ids["learner"]
        at = f"/v1/learners/{learner}"
        await world.partner.get(f"{at}/lots")
        assert ("partner", "GET /v1/learners/{id}/lots", 1) in await looks_at(world, learner)
        world.clock.turn(days=190)
        await world.partner.get(f"{at}/balance")
        assert ("partner", "GET /v1/learners/{id}/lots", 1) in await looks_at(world, learner)
        await world.work()
        shown = await looks_at(world, learner)
        # The first of March is not six whole months before the seventh of September; the first of October is.
        assert ("partner", "GET /v1/learners/{id}/lots", 1) in shown
        world.clock.turn(days=30)
        await world.work()
        shown = await looks_at(world, learner)
        assert ("partner", "GET /v1/learners/{id}/lots", 1) not in shown
        assert ("partner", "GET /v1/learners/{id}/balance", 1) in shown
        for statement in ("delete from looks", "update looks set times = 2"):
            with pytest.raises(DBAPIError, match="append-only"):
                async with world.database.write() as connection:
                    await connection.execute(text(statement))
