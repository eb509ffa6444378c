"""The audit log: who reads what of it, how it leaves the bank in files, and what is ever let go of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from creditbank.access.actions import record
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
from tests.api.world import COLLEGE, World, opened
from tests.bank import CLIENT, Bank, settings_for


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college and school may read the audit log."""
    async with opened(database_url) as served:
        await served.let_in("college", COLLEGE, ["audit:read", "learners:write"])
        yield served


async def read(world: World, by: str = "bank", **asked: str) -> list[dict[str, str]]:
    """Every event that a client is shown, page by page."""
    found: list[dict[str, str]] = []
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
    mine = await read(world, client=opening["client"])
    assert [one["id"] for one in mine] == [opening["id"]]
    assert {one["action"] for one in await read(world, action="learner.open")} == {"learner.open"}
    assert [one["id"] for one in await read(world, since=opening["at"])] == [opening["id"]]
    assert opening["id"] not in {one["id"] for one in await read(world, until=opening["at"])}


async def test_a_provider_sees_what_its_own_clients_did_and_no_more(world: World) -> None:
    learner = await world.open("Li Wei", by="college")
    await world.let_in("school", f"{COLLEGE}/jiefangbei", ["learners:write"])
    other = await world.open("Wang Wu", by="school")
    await world.open("Zhao Liu", by="rival")
    await world.bank.get("/v1/providers")
    subjects = {one["subject"] for one in await read(world, "college")}
    assert {f"learner:{learner}", f"learner:{other}"} <= subjects
    everything = await read(world)
    async with world.database.read() as connection:
        rows = await connection.execute(text("select id, provider from api_clients"))
        providers = {str(row[0]).replace("-", ""): row[1] for row in rows}
    mine = {client for client, provider in providers.items() if (provider or "").startswith(COLLEGE)}
    wanted = {one["id"] for one in everything if str(one["client"]).replace("-", "") in mine}
    assert {one["id"] for one in await read(world, "college")} == wanted
    assert len(wanted) < len(everything)


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
        await record(connection, None, "=1+1", "@sum", {}, world.clock())
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
            await record(connection, CLIENT, "rule_set.publish", f"rule_set:{number}", {"n": number}, at)
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
        await record(connection, CLIENT, "rule_set.publish", "rule_set:9", {}, PAST[0])
    for statement in ("delete from audit_events", "update audit_events set action = 'x'"):
        with pytest.raises(DBAPIError, match="append-only"):
            await filled.sql(statement)


async def test_a_month_that_is_not_as_it_was_exported_is_kept(filled: Bank, tmp_path: Path) -> None:
    await exported(filled, tmp_path)
    async with filled.database.write() as connection:
        await record(connection, CLIENT, "rule_set.publish", "rule_set:late", {}, PAST[1])
    assert await forget(filled, LATER, 8) == []
    assert "rule_set:0" in await left(filled)


async def test_a_month_of_as_many_other_events_is_kept(filled: Bank) -> None:
    async with filled.database.write() as connection:
        await mark_exported(connection, Exported("2025-11", 2, b"\x07" * 32), BEGINNING, PAST[2])
    assert await forget(filled, LATER, 8) == []
    assert "rule_set:0" in await left(filled)
