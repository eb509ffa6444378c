"""The audit log: who reads what of it, how it leaves the bank in files, and what is ever let go of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from creditbank.access.actions import NewClient, create_client, record
from creditbank.access.domain import ACTOR_KINDS, SYSTEM
from creditbank.access.events import EventFilter, Exported, page_of_events
from creditbank.access.months import (
    BEGINNING,
    ExportBroken,
    check_file,
    forget_old,
    mark_exported,
    month_of,
    month_open_at,
    months_before,
    months_between,
    span_of,
)
from creditbank.cli.audit import _export
from creditbank.database.schema import make_month_partitions
from creditbank.people.domain import NewGrant, Place
from creditbank.people.operating import at_command_line, operator
from tests.api.world import COLLEGE, RIVAL, World, opened, ruling
from tests.bank import BANKER, Bank, settings_for


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college and school may read the audit log."""
    async with opened(database_url) as served:
        await served.let_in("college", COLLEGE, ["audit:read", "learners:write"])
        yield served


async def read(world: World, by: str = "bank", **asked: str) -> list[dict[str, Any]]:
    """Every event that a client is shown, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        given = {"limit": "7", **asked, **({"cursor": cursor} if cursor else {})}
        answer = await world.client(by).get("/v1/audit-events", params=given)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_every_event_is_read_once_the_latest_first(world: World) -> None:
    found = await read(world)
    assert len(found) == (await world.stored())["audit_events"]
    assert len({one["id"] for one in found}) == len(found)
    places = [(one["at"], one["id"]) for one in found]
    assert places == sorted(places, reverse=True)


async def test_events_are_found_by_who_what_whom_and_when(world: World) -> None:
    learner = await world.open("Li Wei", by="college")
    (opening,) = await read(world, subject=f"learner:{learner}")
    assert opening["action"] == "learner.open"
    assert (opening["kind"], opening["actor"]) == ("client", world.ids["client_college"])
    assert (opening["provider"], opening["owner"], opening["learner"]) == (COLLEGE, COLLEGE, learner)
    for asked in ({"actor": opening["actor"]}, {"learner": learner}, {"from": opening["at"]}):
        assert [one["id"] for one in await read(world, **asked)] == [opening["id"]], asked
    assert {one["action"] for one in await read(world, action="learner.open")} == {"learner.open"}
    done = await read(world)
    for kind in ACTOR_KINDS:
        assert await read(world, kind=kind) == [one for one in done if one["kind"] == kind]
    for code in (COLLEGE, RIVAL, "cq"):
        assert await read(world, provider=code) == [
            one for one in done if f"{one['provider']}/".startswith(f"{code}/")
        ], code
    assert opening["id"] not in {one["id"] for one in await read(world, until=opening["at"])}


async def test_every_kind_of_actor_is_named(world: World) -> None:
    user = await world.person("officer@town", NewGrant("registrar", Place(COLLEGE)))
    world._clients["officer"] = await world.sign_in("officer@town")
    learner = await world.open("Li Wei", by="officer")
    found = {one["action"]: one for one in await read(world, provider=COLLEGE, kind="person")}
    for action in ("session.begin", "learner.open"):
        said = found[action]
        assert (said["kind"], said["actor"], said["provider"]) == ("person", str(user), COLLEGE)
    assert found["learner.open"]["learner"] == learner
    async with world.database.write() as connection:
        by, now = at_command_line(), world.clock()
        await create_client(connection, NewClient("by hand", None, [], "self"), now, by)
    (made, *_) = await read(world, kind="command_line", action="client.create")
    assert (made["actor"], made["provider"]) == (operator(), None)
    assert {one["actor"] for one in await read(world, kind="system", action="client.create")} == {None}


async def seen(world: World, by: str, **asked: str) -> dict[str, dict[str, Any]]:
    """What a client is shown, by what was done to what."""
    return {f"{one['action']} {one['subject']}": one for one in await read(world, by, **asked)}


async def test_a_college_sees_what_its_people_did_and_what_was_done_to_its_own_and_nothing_else(world: World) -> None:
    await world.let_in("rival's auditor", RIVAL, ["audit:read", "learners:resolve", "claims:write"])
    await world.let_in("school", f"{COLLEGE}/jiefangbei", ["learners:write"])
    await world.person("officer@town", NewGrant("registrar", Place(COLLEGE)))
    world._clients["officer"] = await world.sign_in("officer@town")
    mine, below = await world.open("Li Wei", by="officer"), await world.open("Wang Wu", by="school")
    theirs = await world.open("Zhao Liu", by="rival")
    # The neighbour looks for a learner of the college, and the bank moves one.
    for number in (mine, theirs):
        await world.client("rival's auditor").post("/v1/learners/resolve", json={"id": number})
    moved = await world.bank.post(f"/v1/learners/{mine}/residences", json={"region": "500105", "since": "2024-03-01"})
    assert moved.status_code == 201

    shown = await seen(world, "college")
    assert shown[f"learner.open learner:{mine}"]["kind"] == "person"
    assert shown[f"learner.open learner:{mine}"]["actor"] is not None
    assert f"learner.open learner:{below}" in shown
    looked = shown[f"learner.resolve learner:{mine}"]
    assert (looked["provider"], looked["kind"], looked["actor"]) == (RIVAL, "client", None)
    assert shown[f"learner.move learner:{mine}"]["actor"] is None
    assert not [what for what in shown if theirs in what]
    whole = await read(world)
    assert {one["id"] for one in shown.values()} <= {
        one["id"]
        for one in whole
        if COLLEGE in (f"{one['provider']}"[: len(COLLEGE)], f"{one['owner']}"[: len(COLLEGE)])
    }
    # Whom it is not told it cannot ask for either; what it is told it can.
    rival = world.ids["client_rival's auditor"]
    assert await read(world, "college", actor=rival) == []
    assert len(await read(world, actor=rival)) == 2
    assert list(await seen(world, "college", provider=RIVAL)) == [f"learner.resolve learner:{mine}"]
    assert {one["learner"] for one in await read(world, "college", learner=mine)} == {mine}
    assert await read(world, "college", learner=theirs) == []
    # Nor as lines or as a table.
    for form in ("application/x-ndjson", "text/csv"):
        text_ = (await world.client("college").get("/v1/audit-events", headers={"Accept": form})).text
        assert [id_ for id_ in (mine, theirs, rival) if id_ in text_] == [mine], form
    assert f"learner.open learner:{mine}" not in await seen(world, "rival's auditor")
    assert f"learner.resolve learner:{mine}" in await seen(world, "rival's auditor")


async def test_what_is_the_bank_s_alone_is_not_the_college_s_to_know(world: World) -> None:
    learner = await world.open("Li Wei", by="college")
    ruled = await world.bank.post("/v1/rulings", json=ruling(learner))
    exported = await world.bank.get(f"/v1/learners/{learner}/export")
    assert (ruled.status_code, exported.status_code) == (201, 200)
    assert {one["action"] for one in await read(world, learner=learner)} >= {"ruling.propose", "learner.export"}
    assert {one["action"] for one in await read(world, "college", learner=learner)} == {"learner.open"}


WHOSE = {
    "learner.open": {(COLLEGE, "learner"), (RIVAL, "stranger")},
    "claim.lodge": {(COLLEGE, "learner"), (RIVAL, "stranger")},
    "claim.decide": {(COLLEGE, "learner")},
    # What the bank rules, and programmes of its own, are the bank's.
    "ruling.propose": {(None, "learner")},
    "enrolment.add": {(None, "learner")},
    "rule_set.publish": {(None, None)},
    "offering.announce": {(COLLEGE, None), (RIVAL, None)},
    "activity.announce": {(COLLEGE, None), (RIVAL, None)},
    "provider.accredit": {(RIVAL, None)},
    "role.grant": {(COLLEGE, None), (RIVAL, None)},
    "client.create": {(COLLEGE, None), (RIVAL, None), (None, None)},
    "key.create": {(COLLEGE, None), (RIVAL, None), (None, None)},
    "user.enter": {(None, None)},
}


async def test_each_event_says_whose_that_was_to_which_it_was_done(world: World) -> None:
    names = {world.ids[name]: name for name in ("learner", "stranger")}
    found: dict[str, set[tuple[str | None, str | None]]] = {action: set() for action in WHOSE}
    for one in await read(world):
        if one["action"] in WHOSE:
            found[one["action"]].add((one["owner"], names.get(one["learner"])))
    assert found == WHOSE


PROBES = {
    "a number that nobody has": ({"number": "CQ1000000013"}, "number", 404),
    "a card that nobody has": ({"identity": {"type": "id_card", "value": "11010519491231002X"}}, "id_card", 404),
    "an id that nobody has": ({"id": "01900000-0000-7000-8000-000000000001"}, "id", 404),
    "a card that somebody has": ({"identity": {"type": "id_card", "value": "500103199001011232"}}, "id_card", 200),
}


@pytest.mark.parametrize(("asked", "way", "status"), PROBES.values(), ids=PROBES)
async def test_whoever_looks_for_somebody_is_written_down_found_or_not(
    world: World, asked: dict[str, object], way: str, status: int
) -> None:
    await world.let_in("fisher", COLLEGE, ["learners:resolve", "audit:read"])
    assert (await world.client("fisher").post("/v1/learners/resolve", json=asked)).status_code == status
    (found,) = await read(world, action="learner.resolve")
    assert (found["actor"], found["provider"]) == (world.ids["client_fisher"], COLLEGE)
    assert found["details"] == {"by": way, "outcome": "found" if status == 200 else "learner_not_found"}
    assert (found["subject"] == "learners") is (status == 404)
    # What was asked is nowhere in it: it may name a person.
    assert not [word for word in ("CQ1000000013", "11010519491231002X", "000000000001") if word in str(found)]


async def test_whoever_looks_for_too_many_is_stopped_found_or_not(database_url: str) -> None:
    async with opened(database_url, rate_resolve_per_minute=2) as served:
        answers = [
            (await served.bank.post("/v1/learners/resolve", json={"number": f"CQ10000000{n}"})).status_code
            for n in ("13", "21", "13")
        ]
        assert answers == [404, 404, 429]
        assert len(await read(served, action="learner.resolve")) == 2


async def test_the_log_is_to_be_had_as_lines_and_as_a_table(world: World) -> None:
    await world.open("Li Wei")
    wanted = await read(world)
    lines = await world.bank.get("/v1/audit-events", headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == wanted
    table = await world.bank.get("/v1/audit-events", headers={"Accept": "text/csv"})
    assert table.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == [one["id"] for one in wanted]
    assert (await world.bank.get("/v1/audit-events", headers={"Accept": "text/html"})).status_code == 406


async def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(world: World) -> None:
    async with world.database.write() as connection:
        await record(connection, SYSTEM, "=1+1", "@sum", {}, world.clock())
    table = await world.bank.get("/v1/audit-events", headers={"Accept": "text/csv"})
    first = next(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert (first["action"], first["subject"]) == ("'=1+1", "'@sum")


# --- Months -----------------------------------------------------------------------------------------------------------


def test_months_are_counted_across_years() -> None:
    assert list(months_between("2025-11", "2026-02")) == ["2025-11", "2025-12", "2026-01"]
    assert months_before("2026-02", 3) == "2025-11"
    assert months_before("2026-12", 12) == "2025-12"
    assert span_of("2025-12") == (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert month_of(datetime(2025, 12, 31, 23, 59, tzinfo=UTC)) == "2025-12"


def test_a_month_is_exported_when_nobody_can_still_be_writing_in_it() -> None:
    assert month_open_at(datetime(2026, 1, 1, 5, 59, tzinfo=UTC)) == "2025-12"
    assert month_open_at(datetime(2026, 1, 1, 6, 0, tzinfo=UTC)) == "2026-01"


PAST = (datetime(2025, 11, 3, tzinfo=UTC), datetime(2025, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def filled(bank: Bank, database_url: str) -> Bank:
    """A log of three months, of which the middle one is empty and the first had no partition when it was written."""
    async with bank.database.write() as connection:
        await make_month_partitions(connection, "audit_events", PAST[2])
        for number, at in enumerate(PAST):
            await record(connection, BANKER.by, "rule_set.publish", f"rule_set:{number}", {"n": number}, at)
    return bank


async def exported(bank: Bank, to: Path) -> Sequence[Path]:
    """The files of every month that is over."""
    return [file for file, _ in await _export(settings_for(bank.url), to)]


async def test_every_month_that_is_over_is_exported_once_in_one_chain(filled: Bank, tmp_path: Path) -> None:
    files = await exported(filled, tmp_path)
    assert [file.name for file in files[:3]] == [
        "audit-2025-11.ndjson", "audit-2025-12.ndjson", "audit-2026-01.ndjson"
    ]  # fmt: skip
    assert f"{datetime.now(UTC):%Y-%m}" not in str(files)
    previous, events = BEGINNING, []
    for file in files:
        found = check_file(file.read_bytes().splitlines(keepends=True), previous)
        previous = found.hash
        events.append(found.events)
    assert events[:3] == [2, 0, 1]
    assert await exported(filled, tmp_path) == []


DAMAGES = {
    "a line changed": lambda lines: [lines[0], lines[1].replace(b'"n":0', b'"n":7'), *lines[2:]],
    "a line left out": lambda lines: [lines[0], *lines[2:]],
    "a line put in": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "lines changed about": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "the end cut": lambda lines: lines[:-1],
    "more after the end": lambda lines: [*lines, lines[1]],
    "another head": lambda lines: [lines[0].replace(b"00", b"01", 1), *lines[1:]],
    "no lines of ours": lambda lines: [b"{}\n", *lines[1:]],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_file_that_was_changed_is_found(filled: Bank, tmp_path: Path, damage: object) -> None:
    (first, *_) = await exported(filled, tmp_path)
    lines = first.read_bytes().splitlines(keepends=True)
    with pytest.raises(ExportBroken):
        check_file(damage(lines), BEGINNING)  # type: ignore[operator]


async def forget(bank: Bank, now: datetime, kept: int) -> list[str]:
    """Let go of what is old enough."""
    async with bank.database.write() as connection:
        return await forget_old(connection, now, kept)


async def left(bank: Bank) -> list[str]:
    """What the log still says, the first first."""
    async with bank.database.read() as connection:
        found = await page_of_events(connection, EventFilter(), before=None, limit=100)
    return [event.subject for event in reversed(found)]


LATER = datetime(2026, 8, 15, tzinfo=UTC)


async def test_what_was_not_exported_is_kept_whatever_its_age(filled: Bank) -> None:
    assert await forget(filled, LATER + timedelta(days=3650), 6) == []
    assert len(await left(filled)) == 3


async def test_months_that_are_old_and_exported_are_let_go_of(filled: Bank, tmp_path: Path) -> None:
    await exported(filled, tmp_path)
    # November is ten months back, January seven, from the eighth month of 2026.
    assert await forget(filled, LATER, 9) == []
    assert await forget(filled, LATER, 8) == ["2025-11"]
    assert await left(filled) == ["rule_set:2"]
    assert await forget(filled, LATER, 6) == ["2026-01"]
    assert await left(filled) == []
    assert await forget(filled, LATER, 6) == []
    # What comes after is guarded as before.
    async with filled.database.write() as connection:
        await record(connection, BANKER.by, "rule_set.publish", "rule_set:9", {}, PAST[0])
    for statement in ("delete from audit_events", "update audit_events set action = 'x'"):
        with pytest.raises(DBAPIError, match="append-only"):
            await filled.sql(statement)


async def test_a_month_that_is_not_as_it_was_exported_is_kept(filled: Bank, tmp_path: Path) -> None:
    await exported(filled, tmp_path)
    async with filled.database.write() as connection:
        await record(connection, BANKER.by, "rule_set.publish", "rule_set:late", {}, PAST[1])
    assert await forget(filled, LATER, 8) == []
    assert "rule_set:0" in await left(filled)


async def test_a_month_of_as_many_other_events_is_kept(filled: Bank) -> None:
    async with filled.database.write() as connection:
        await mark_exported(connection, Exported("2025-11", 2, b"\x07" * 32), BEGINNING, PAST[2])
    assert await forget(filled, LATER, 8) == []
    assert "rule_set:0" in await left(filled)
