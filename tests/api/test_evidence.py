"""Files of evidence: what is taken, who reads it, that each lies in the folder once, and what is swept up."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from creditbank.access.tables import audit_events
from creditbank.claims import actions
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.jobs import SWEEPING, YOUNG, ask_sweeping
from creditbank.claims.tables import evidence_files
from tests.api.world import COLLEGE, World, claim, opened

PDF, PNG, JPEG = b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
LARGEST = 8 * 1024 * 1024

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Killed(BaseException):
    """The process ends here."""


async def hand_in(world: World, learner: str, content: bytes, media_type: str = "application/pdf") -> httpx.Response:
    """Upload a file."""
    at = f"/v1/learners/{learner}/evidence"
    return await world.partner.post(at, content=content, headers={"Content-Type": media_type})


async def kept(world: World, learner: str, content: bytes = PDF + b"of Li Wei") -> str:
    """Upload a file that is taken; answers its id."""
    answer = await hand_in(world, learner, content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def claimed(world: World, content: bytes = PDF + b"of Li Wei") -> tuple[str, str]:
    """A learner with a claim on evidence; answers where the evidence is read and the file that holds it."""
    learner = await world.open()
    evidence = await kept(world, learner, content)
    lodged = await world.partner.post("/v1/recognition-claims", json=claim(learner, evidence))
    assert lodged.status_code == 201, lodged.text
    async with world.database.read() as connection:
        named = select(evidence_files.c.stored_as).where(evidence_files.c.learner_id == UUID(learner))
        stored_as: str = (await connection.execute(named)).scalar_one()
    return f"/v1/learners/{learner}/evidence/{evidence}", stored_as


def folder(world: World) -> Path:
    """The folder of evidence."""
    found: Path = world.app.state.edge.settings.evidence_folder
    return found


def files(world: World) -> set[str]:
    """The names of the files in the folder of evidence."""
    return {file.name for file in folder(world).rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("media_type", "content", "status"),
    [
        ("application/pdf", PDF, 201),
        ("application/pdf; charset=binary", PDF + b"1.7", 201),
        ("image/png", PNG, 201),
        ("image/jpeg", JPEG, 201),
        ("application/pdf", PDF[:-1], 422),
        ("image/png", PNG[:-1], 422),
        ("image/jpeg", JPEG[:-1], 422),
        ("application/pdf", b"", 422),
        ("application/pdf", b" " + PDF, 422),
        ("image/png", PDF, 422),
        ("image/gif", b"GIF89a", 415),
        ("", PDF, 415),
        ("application/pdf", PDF.ljust(LARGEST, b"x"), 201),
        ("application/pdf", PDF.ljust(LARGEST + 1, b"x"), 413),
    ],
)
async def test_what_is_taken_as_evidence(world: World, media_type: str, content: bytes, status: int) -> None:
    before = await asyncio.to_thread(files, world)

    answer = await hand_in(world, await world.open(), content, media_type)

    assert answer.status_code == status, answer.text
    assert len(await asyncio.to_thread(files, world) - before) == (1 if status == 201 else 0)


async def test_the_same_file_again_writes_nothing(world: World) -> None:
    learner, other = await world.open(), await world.open()
    first = await kept(world, learner)
    once = await asyncio.to_thread(files, world)

    assert await kept(world, learner) == first
    assert await asyncio.to_thread(files, world) == once
    assert await kept(world, other) != first
    assert len(await asyncio.to_thread(files, world) - once) == 1


async def test_of_many_who_hand_in_the_same_file_at_once_one_writes(world: World) -> None:
    learner = await world.open()
    before = await asyncio.to_thread(files, world)

    ids = await asyncio.gather(*[kept(world, learner) for _ in range(8)])

    assert len(set(ids)) == 1
    assert len(await asyncio.to_thread(files, world) - before) == 1


async def test_while_a_file_is_sealed_and_written_nobody_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = await world.open()
    keep, loop = EvidenceFolder.keep, asyncio.get_running_loop()

    async def work_on_the_learner() -> None:
        async with world.database.write() as connection:
            await actions.hold_learner(connection, world.app.state.desk, UUID(learner))

    def slowly(self: EvidenceFolder, sealed: bytes) -> str:
        # Were the learner locked, or the one writer taken, this would wait for itself.
        asyncio.run_coroutine_threadsafe(work_on_the_learner(), loop).result(20)
        return keep(self, sealed)

    monkeypatch.setattr(EvidenceFolder, "keep", slowly)

    await kept(world, learner)


async def test_a_file_that_is_there_already_is_answered_without_a_transaction_that_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = await world.open()
    first = await kept(world, learner)

    async def refused(*_: Any) -> None:
        raise AssertionError("somebody writes")

    monkeypatch.setattr(actions, "name_evidence", refused)

    assert await kept(world, learner) == first


@pytest.mark.parametrize("by", ["rival", "poster"])
async def test_whoever_does_not_assess_a_claim_does_not_read_its_evidence(world: World, by: str) -> None:
    at, _ = await claimed(world)

    answer = await world.client(by).get(at)

    assert (answer.status_code, answer.json()["code"]) in {(404, "evidence_not_found"), (403, "missing_scope")}
    assert b"Li Wei" not in answer.content
    assert await looked_at(world, at) == 0


async def test_an_assessor_reads_what_was_handed_in_to_it_and_nothing_else(world: World) -> None:
    at, _ = await claimed(world)
    unclaimed = await kept(world, at.split("/")[3], PDF + b"not of this claim")
    await world.let_in("assessor", COLLEGE, ["claims:decide"])
    assessor = world.client("assessor")

    read = await assessor.get(at)
    other = await assessor.get(f"{at.rpartition('/')[0]}/{unclaimed}")

    assert (read.content, read.headers["content-type"]) == (PDF + b"of Li Wei", "application/pdf")
    assert (read.headers["cache-control"], read.headers["content-disposition"]) == ("no-store", "attachment")
    assert (other.status_code, other.json()["code"]) == (404, "evidence_not_found")
    assert await looked_at(world, at) == 1


async def looked_at(world: World, at: str) -> int:
    """How often the audit log says that a file was read."""
    read = select(audit_events).where(audit_events.c.subject == f"evidence:{at.rpartition('/')[2]}")
    async with world.database.read() as connection:
        return len((await connection.execute(read)).all())


def lose(file: Path) -> None:
    """The file is gone."""
    file.unlink()


def change(file: Path) -> None:
    """Somebody wrote into the file."""
    file.write_bytes(file.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(("harm", "error"), [(lose, "FileNotFoundError"), (change, "ValueError")])
async def test_a_file_that_was_lost_is_said_to_be_and_is_whole_again_when_it_is_handed_in_again(
    world: World, harm: Any, error: str
) -> None:
    at, stored_as = await claimed(world)
    await asyncio.to_thread(harm, folder(world) / stored_as[:2] / stored_as)

    with capture_logs() as lines:
        answer = await world.bank.get(at)

    assert (answer.status_code, answer.json()["code"]) == (410, "evidence_lost")
    evidence = at.rpartition("/")[2]
    (told,) = [line for line in lines if line["event"] == "evidence_lost"]
    assert told == {"event": "evidence_lost", "log_level": "error", "evidence": evidence, "error": error}
    assert await looked_at(world, at) == 0
    assert await kept(world, at.split("/")[3]) == evidence
    assert (await world.bank.get(at)).content == PDF + b"of Li Wei"


async def test_a_file_of_another_seal_is_said_to_be_lost(world: World) -> None:
    at, stored_as = await claimed(world)
    _, foreign = await claimed(world, PDF + b"of somebody else")
    async with world.database.write() as connection:
        mine = evidence_files.c.stored_as == stored_as
        await connection.execute(evidence_files.update().where(mine).values(stored_as=foreign))

    answer = await world.bank.get(at)

    assert (answer.status_code, answer.json()["code"]) == (410, "evidence_lost")


async def test_another_file_of_the_same_learner_in_its_place_is_said_to_be_lost(world: World) -> None:
    at, stored_as = await claimed(world)
    learner = at.split("/")[3]
    other = await kept(world, learner, PDF + b"of another year")
    async with world.database.write() as connection:
        named = select(evidence_files.c.stored_as).where(evidence_files.c.id == UUID(other))
        elsewhere = (await connection.execute(named)).scalar_one()
        for was, now in ((stored_as, "passing"), (elsewhere, stored_as), ("passing", elsewhere)):
            mine = evidence_files.c.stored_as == was
            await connection.execute(evidence_files.update().where(mine).values(stored_as=now))

    answer = await world.bank.get(at)

    assert (answer.status_code, answer.json()["code"]) == (410, "evidence_lost")


# --- What is swept up -------------------------------------------------------------------------------------------------

DAYS = 30


async def sweep(world: World, days: int = 1) -> list[MutableMapping[str, Any]]:
    """The round of a day of its own, so many days later; answers what was logged."""
    world.clock.turn(days=days)
    async with world.database.write() as connection:
        await ask_sweeping(connection, world.clock)
    with capture_logs() as lines:
        await world.work()
    return lines


def age(world: World, *names: str, by: timedelta) -> None:
    """Let the files have been written so long ago."""
    then = (world.clock() - by).timestamp()
    for name in names:
        os.utime(folder(world) / name[:2] / name, (then, then))


def lies(world: World, name: str) -> str | None:
    """Whether a file lies where it is read, or aside."""
    found = [file for file in folder(world).rglob(name)]
    assert len(found) <= 1
    return None if not found else "aside" if "unnamed" in found[0].parts else "in place"


async def orphaned(world: World, content: bytes = b"of nobody") -> str:
    """A file that no row names, written long ago by who was killed before the row."""
    name: str = await asyncio.to_thread(world.app.state.evidence.keep, content + os.urandom(8))
    age(world, name, by=timedelta(days=400))
    return name


async def forgotten(world: World, stored_as: str) -> dict[str, Any]:
    """An older copy of the database, which does not know of this file; answers what the newer one knows."""
    async with world.database.write() as connection:
        one = evidence_files.c.stored_as == stored_as
        row = (await connection.execute(select(evidence_files).where(one))).one()
        await connection.execute(evidence_files.delete().where(one))
    return dict(row._mapping)


async def known_again(world: World, row: dict[str, Any]) -> None:
    """The newer database is back."""
    async with world.database.write() as connection:
        await connection.execute(evidence_files.insert().values(row))


async def test_who_is_killed_between_the_file_and_the_commit_leaves_a_file_that_is_swept_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, named = await claimed(world)
    learner = at.split("/")[3]
    before = await asyncio.to_thread(files, world)
    name_evidence = actions.name_evidence

    async def killed(*arguments: Any) -> None:
        await name_evidence(*arguments)
        raise Killed

    monkeypatch.setattr(actions, "name_evidence", killed)
    with pytest.raises(Killed):
        await hand_in(world, learner, PDF + b"and then the power went")
    monkeypatch.undo()
    (orphan,) = await asyncio.to_thread(files, world) - before
    half = f"{orphan[:-1]}{'0' if orphan[-1] != '0' else '1'}.1.part"
    (folder(world) / half[:2] / half).write_bytes(b"hal")

    # A day passes before the round looks: the files are just young enough, and then no longer.
    age(world, orphan, half, named, by=YOUNG - timedelta(days=1, minutes=1))
    await sweep(world)
    assert [lies(world, name) for name in (orphan, half, named)] == ["in place"] * 3
    await sweep(world)
    assert [lies(world, name) for name in (orphan, half, named)] == ["aside", "aside", "in place"]
    await kept(world, learner, PDF + b"and then the power went")
    await sweep(world, DAYS - 1)
    assert [lies(world, name) for name in (orphan, half, named)] == ["aside", "aside", "in place"]
    await sweep(world)

    assert [lies(world, name) for name in (orphan, half, named)] == [None, None, "in place"]
    assert (await world.bank.get(at)).status_code == 200


@pytest.mark.parametrize("by", ["read", "round"])
async def test_evidence_that_an_older_database_does_not_know_comes_back_with_the_newer_one(
    world: World, by: str
) -> None:
    at, stored_as = await claimed(world)
    age(world, stored_as, by=timedelta(days=400))

    row = await forgotten(world, stored_as)
    await sweep(world)
    assert lies(world, stored_as) == "aside"
    await sweep(world, DAYS - 1)
    assert lies(world, stored_as) == "aside"
    await known_again(world, row)

    if by == "round":
        # The instant at which it would be removed, were it not named again.
        await sweep(world, 2)
        assert lies(world, stored_as) == "in place"
    answer = await world.bank.get(at)
    assert (answer.status_code, answer.content) == (200, PDF + b"of Li Wei")
    assert lies(world, stored_as) == "in place"

    # Unnamed a second time, it lies aside for the whole time again.
    age(world, stored_as, by=timedelta(days=400))
    await forgotten(world, stored_as)
    await sweep(world)
    await sweep(world, DAYS - 1)
    assert lies(world, stored_as) == "aside"
    await sweep(world, 2)
    assert lies(world, stored_as) is None


async def test_the_folder_is_walked_in_steps_without_leaving_out_any(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditbank.claims.jobs._FILES_A_STEP", 2)
    at, named = await claimed(world)
    orphans = [await orphaned(world) for _ in range(7)]
    age(world, named, by=timedelta(days=400))

    await sweep(world)
    assert {lies(world, name) for name in orphans} == {"aside"}
    await sweep(world, DAYS + 1)

    assert {lies(world, name) for name in orphans} == {None}
    assert lies(world, named) == "in place"
    assert (await world.bank.get(at)).status_code == 200


async def test_in_a_folder_that_two_banks_share_nothing_is_moved_or_removed(
    world: World, sqlite_template: Path, tmp_path: Path
) -> None:
    _, of_live = await claimed(world)
    aside = await orphaned(world)
    await sweep(world)
    lost = await orphaned(world)
    assert (lies(world, lost), lies(world, aside)) == ("in place", "aside")
    file = tmp_path / "staging.sqlite"
    await asyncio.to_thread(shutil.copyfile, sqlite_template, file)
    marks = set(folder(world).glob("bank-*"))

    with capture_logs() as started:
        async with opened(f"sqlite+aiosqlite:///{file}", evidence_folder=folder(world)) as staging:
            _, of_staging = await claimed(staging, PDF + b"of staging")
            age(world, of_live, of_staging, by=timedelta(days=400))
            logged = [await sweep(one, DAYS + 1) for one in (staging, world)]

    # The start says so before anything is served or swept.
    assert (started[0]["event"], started[0]["log_level"]) == ("evidence_folder_shared", "warning")
    for lines in logged:
        assert {line["log_level"] for line in lines if line["event"] == "evidence_folder_shared"} == {"warning"}
        rounds = [line for line in lines if line.get("kind") == SWEEPING]
        done = {(one["event"], one["set_aside"], one["brought_back"], one["removed"]) for one in rounds}
        assert done == {("job_done", 0, 0, 0)}
    found = [lies(world, name) for name in (of_live, of_staging, lost, aside)]
    assert found == ["in place", "in place", "in place", "aside"]

    # Staging went elsewhere and took its evidence along: the bank that stays sweeps again.
    (mark,) = set(folder(world).glob("bank-*")) - marks
    assert str(file) in mark.read_text("utf-8")
    mark.unlink()
    await sweep(world)
    assert [lies(world, name) for name in (of_live, lost, aside)] == ["in place", "aside", None]


async def test_a_folder_that_cannot_be_written_stops_no_start_and_no_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> bool:
        raise PermissionError

    monkeypatch.setattr(EvidenceFolder, "belongs_to", full)
    lines = await sweep(world)

    (told,) = [line for line in lines if line["log_level"] == "warning"]
    assert told == {"event": "evidence_folder_unwritable", "log_level": "warning", "error": "PermissionError"}
    assert [line["event"] for line in lines if line.get("kind") == SWEEPING] == ["job_done"]
