"""A backup brought back is the whole bank, without whoever was erased since; half of one is served to nobody."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from creditbank import backups
from creditbank.app import SchemaBehind, create_app
from creditbank.backups import Manifest
from creditbank.cli import app as commands
from creditbank.cli import running
from creditbank.database import copies, schema
from creditbank.database.engine import Database
from creditbank.sealing import Vault
from creditbank.settings import Settings, sqlite_file
from tests.api.world import World, opened
from tests.bank import SECRETS, settings_for
from tests.postgres import EmbeddedPostgres
from tests.privacy.test_erasure import NEEDLES, dump, erase, files_in, live, spellings
from tests.privacy.test_every_door import as_text
from tests.test_no_name_in_the_bytes import stored_bytes


@pytest.fixture
def operator(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Settings:
    """The settings of a bank, in the environment of commands too, with the database's own tools on the path."""
    settings = settings_for(
        database_url, erasure_roll=tmp_path / "elsewhere.jsonl", evidence_folder=tmp_path / "evidence"
    )
    monkeypatch.chdir(tmp_path)
    for console in (running.out, running.err):
        monkeypatch.setattr(console, "width", 400)
    for name in ("database_url", "evidence_folder", "erasure_roll"):
        monkeypatch.setenv(f"CREDITBANK_{name.upper()}", str(getattr(settings, name)))
    for name in ("sealing_secret", "lookup_secret"):
        monkeypatch.setenv(f"CREDITBANK_{name.upper()}", getattr(settings, name).get_secret_value())
    if sqlite_file(database_url) is None:
        server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
        tools = server.bin("pg_dump").parent
        if not (tools / "pg_dump").exists() or not (tools / "pg_restore").exists():
            pytest.skip("the PostgreSQL of the tests came without pg_dump and pg_restore")
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return settings


async def said(*arguments: str, code: int = 0) -> str:
    """All that a command said; it runs a loop of its own."""

    def invoke() -> str:
        done = CliRunner().invoke(commands, list(arguments))
        assert done.exit_code == code, (done.exit_code, done.output, done.stderr, done.exception)
        return f"{done.output} {done.stderr}"

    return await asyncio.to_thread(invoke)


async def a_life(settings: Settings, backup: Path) -> dict[str, str]:
    """Somebody lives at the bank, a backup is taken, and they are erased."""
    served = {"erasure_roll": settings.erasure_roll, "evidence_folder": settings.evidence_folder}
    async with opened(settings.database_url, **served) as world:
        who = await live(world)
        # While the bank is served, with its connections open.
        assert "3 files of evidence" in await said("backup", str(backup))
        await erase(world, who["learner"])
        await world.work()
    return who


async def test_a_restored_backup_holds_the_bank_and_nobody_who_was_erased_since(
    operator: Settings, tmp_path: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "backups" / "of tuesday"
    who = await a_life(operator, backup)
    # The backup brings the person back: there is something to be erased again.
    assert len(files_in(backup / "evidence")) == 3
    shutil.rmtree(operator.evidence_folder)

    refused = await said("restore", str(backup), code=2)
    assert "--replace" in refused
    told = await said("restore", str(backup), "--replace")

    assert "1 erasures listed, 1 carried out again" in told
    assert "2 files of evidence brought back, 0 were there" in told
    assert "1 of the learners were erased" in told
    assert "; 0 findings" in told
    assert "0 findings" in await said("verify")
    app = create_app(operator)
    async with app.router.lifespan_context(app):
        world = World(app, app.state.edge.clock, app.state.edge.database, {}, {})
        await world.work()
        rows = await dump(world)
    everything = rows + as_text(operator.database_url, request) + told.encode() + "".join(capfd.readouterr()).encode()
    if sqlite_file(operator.database_url) is not None:
        everything += stored_bytes(operator.database_url, request)
    everything += b"".join(path.read_bytes() for path in files_in(operator.evidence_folder))
    assert who["learner"].encode() in rows
    assert b"cq/yuzhong" in everything
    for needle in (*NEEDLES, who["number"]):
        assert [spelt for spelt in spellings(needle) if spelt in everything] == [], needle
    # Evidence of others is there again, and of the erased it is not.
    assert len([path for path in files_in(operator.evidence_folder) if len(path.name) == 64]) == 2


def cut(where: str) -> Callable[[], None]:
    """Make the restore end there, as if it were killed: nothing of it cleans up. Answers what makes it whole again."""

    def killed(*_: object, **__: object) -> None:
        raise SystemExit(137)

    patched = pytest.MonkeyPatch()
    patched.setattr(f"creditbank.{where.replace(':', '.')}", killed)
    return patched.undo


CUT_AT = {
    "before the rows are there": "database.copies:_run",
    "before it is migrated": "database.schema:upgrade",
    "before anybody is erased again": "backups:replay_all",
    "before the evidence is back": "backups:_copy_evidence",
    "before it is verified": "cli.backups:prove_shown",
}


@pytest.mark.parametrize("where", CUT_AT.values(), ids=CUT_AT)
async def test_half_a_bank_is_served_to_nobody_and_the_restore_begins_anew(
    operator: Settings, tmp_path: Path, where: str
) -> None:
    backup = tmp_path / "backup"
    async with opened(operator.database_url, evidence_folder=operator.evidence_folder):
        await said("backup", str(backup))
    is_file = sqlite_file(operator.database_url) is not None
    if is_file and where.endswith("_run"):
        where = "database.copies:_close_log"
    again = cut(where)
    await said("restore", str(backup), "--replace", "--without-roll", code=137)

    if not where.endswith("_close_log"):
        for command in ("serve", "worker", "migrate", "verify"):
            assert "cut short" in await said(command, code=2), command
        app = create_app(operator)
        with pytest.raises(SchemaBehind):
            async with app.router.lifespan_context(app):
                raise AssertionError("it was served")
    again()
    # What was begun need not be named again: there is nothing in it to be destroyed.
    further = ["--replace"] if where.endswith("_close_log") else []
    assert "0 findings" in await said("restore", str(backup), *further, "--without-roll")
    app = create_app(operator)
    async with app.router.lifespan_context(app), app.state.edge.database.read() as connection:
        found = await connection.execute(text("select count(*) from learners"))
        assert found.scalar_one() == 2
        assert await schema.current(connection) == schema.head()


def empty(url: str, request: pytest.FixtureRequest) -> None:
    """Take away all that is at the address, as if nothing had ever been there."""
    file = sqlite_file(url)
    if file is not None:
        for left in file.parent.glob(f"{file.name}*"):
            left.unlink()
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    name = url.rpartition("/")[2]
    server.drop_database(name)
    server.create_database(name)


async def test_a_backup_goes_into_an_empty_database_and_is_brought_to_the_newest_schema(
    operator: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    empty(operator.database_url, request)
    await asyncio.to_thread(schema.upgrade, operator.database_url, "0013")
    backup = tmp_path / "old"
    (backup / "evidence").mkdir(parents=True)
    await asyncio.to_thread(copies.copy_database, operator.database_url, backup / "database")
    write_manifest(backup, operator, schema="0013")
    empty(operator.database_url, request)

    told = await said("restore", str(backup), "--without-roll")

    assert f"schema 0013 brought to {schema.head()}" in told
    assert "0 learners" in told
    app = create_app(operator)
    async with app.router.lifespan_context(app):
        pass


def write_manifest(backup: Path, settings: Settings, **others: object) -> None:
    """A manifest that fits what lies in the folder, but for some of it."""
    size, digest = backups._hashed(backup / "database", lambda *_: None)
    kind = copies.kind_of(settings.database_url)
    right = Manifest("creditbank.backup/v1", kind, schema.head(), "2026-11-25T00:00:00+00:00", size, digest, 0)
    manifest = dataclasses.replace(right, **others)  # type: ignore[arg-type]
    plain = {**dataclasses.asdict(manifest), "mac": manifest.mac(Vault(*SECRETS))}
    (backup / "manifest.json").write_text(json.dumps(plain))


def cut_the_file(backup: Path, settings: Settings) -> None:
    """The disk lost the end of it."""
    with (backup / "database").open("r+b") as file:
        file.truncate(1000)


def change_a_byte(backup: Path, settings: Settings) -> None:
    """Somebody put another in."""
    with (backup / "database").open("r+b") as file:
        file.seek(500)
        file.write(b"\0\1\2\3")


def change_the_manifest(backup: Path, settings: Settings) -> None:
    """Somebody wrote what fits, and has not the secret."""
    plain = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps({**plain, "taken_at": "2020-01-01T00:00:00+00:00"}))


UNUSABLE: dict[str, tuple[Callable[[Path, Settings], object], str]] = {
    "cut": (cut_the_file, "not what was backed up"),
    "changed": (change_a_byte, "not what was backed up"),
    "with another manifest": (change_the_manifest, "other secrets"),
    "never finished": (lambda backup, _: (backup / "manifest.json").unlink(), "no whole backup"),
    "of nothing": (lambda backup, _: (backup / "manifest.json").write_text("[]"), "no whole backup"),
    "of a newer version": (lambda backup, s: write_manifest(backup, s, schema="9999"), "newer"),
    "of another database": (lambda backup, s: write_manifest(backup, s, database="oracle"), "another kind"),
}


@pytest.mark.parametrize(("harm", "told"), UNUSABLE.values(), ids=UNUSABLE)
async def test_what_is_no_backup_of_this_bank_destroys_nothing(
    operator: Settings, tmp_path: Path, harm: Callable[[Path, Settings], object], told: str
) -> None:
    backup = tmp_path / "backup"
    await said("backup", str(backup))
    assert (backup.stat().st_mode & 0o777, (backup / "database").stat().st_mode & 0o777) == (0o700, 0o600)
    harm(backup, operator)
    before = await counted(operator)
    assert told in await said("restore", str(backup), "--replace", "--without-roll", code=2)
    assert await counted(operator) == before


async def counted(settings: Settings) -> tuple[str | None, int]:
    """At which schema the bank is, and how many institutions it knows."""
    database = Database(settings.database_url)
    async with database.read() as connection:
        counted_ = await connection.execute(text("select count(*) from providers"))
        found = await schema.current(connection), int(counted_.scalar_one())
    await database.close()
    return found


async def test_what_would_bring_people_back_or_destroy_a_bank_is_asked_for_by_name(
    operator: Settings, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    await said("backup", str(backup))
    assert "is there already" in await said("backup", str(backup), code=2)
    assert "--without-roll" in await said("restore", str(backup), "--replace", code=2)
    assert "--replace" in await said("restore", str(backup), "--without-roll", code=2)
    operator.erasure_roll.write_text('{"erased": "nobody"}\n')
    assert "line 1" in await said("restore", str(backup), "--replace", code=1)
    assert (await counted(operator))[0] == schema.head()


async def test_nothing_is_restored_under_a_server(operator: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    await said("backup", str(backup))
    app = create_app(operator)
    async with app.router.lifespan_context(app):
        async with app.state.edge.database.read() as connection:
            await connection.execute(text("select count(*) from learners"))
            told = await said("restore", str(backup), "--replace", "--without-roll", code=2)
        assert "stop it first" in told
    assert [path for path in files_in(tmp_path) if ".restoring" in path.name] == []


async def test_evidence_that_is_missing_is_named(operator: Settings, tmp_path: Path) -> None:
    served = {"erasure_roll": operator.erasure_roll, "evidence_folder": operator.evidence_folder}
    async with opened(operator.database_url, **served) as world:
        assert world.ids["evidence"]
    lost, damaged = sorted(path for path in files_in(operator.evidence_folder) if len(path.name) == 64)
    lost.unlink()
    damaged.write_bytes(b"something else")
    told = await said("backup", str(tmp_path / "backup"), code=1)
    assert lost.name in told
    assert damaged.name in told
    assert (tmp_path / "backup" / "manifest.json").exists()


async def test_without_its_tools_a_database_is_neither_backed_up_nor_restored(
    operator: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if sqlite_file(operator.database_url) is not None:
        await said("backup", str(tmp_path / "backup"))
    else:
        assert "pg_dump and pg_restore must be on the path" in await said("backup", str(tmp_path / "backup"), code=2)
        assert not (tmp_path / "backup.part").exists()
