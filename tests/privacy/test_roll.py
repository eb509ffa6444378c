"""The roll of erasures: no backup brings anybody back."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from creditbank.app import create_app
from creditbank.cli import app as commands
from creditbank.privacy.actions import ErasuresPending
from creditbank.privacy.roll import Entry, Roll, RollBroken
from creditbank.sealing import Vault
from creditbank.settings import Settings, sqlite_file
from tests.api.world import World, opened
from tests.bank import SECRETS, settings_for
from tests.privacy.test_erasure import NEEDLES, dump, erase, live, spellings, wrapped_key
from tests.publishing.test_commands import PASSWORD, person

SOMEBODY, ANOTHER = (Entry(UUID(int=n), datetime(2026, 11, 25, 4, n, tzinfo=UTC)) for n in (1, 2))


@pytest.fixture
def roll(tmp_path: Path) -> Roll:
    """A roll without a file yet."""
    return Roll(tmp_path / "roll", Vault(*SECRETS))


def test_what_was_added_is_read(roll: Roll) -> None:
    assert roll.read() == []
    roll.add([SOMEBODY])
    roll.add([ANOTHER])
    assert roll.read() == [SOMEBODY, ANOTHER]
    assert roll.file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_is_of_an_erasure_that_was_never_committed(roll: Roll) -> None:
    roll.add([SOMEBODY])
    with roll.file.open("a") as file:
        file.write(roll.line(ANOTHER)[:30])
    assert roll.read() == [SOMEBODY]
    roll.add([ANOTHER])
    assert roll.read() == [SOMEBODY, ANOTHER]


FORGED = {
    "another person": {"erased": str(UUID(int=9))},
    "another day": {"at": "2020-01-01T00:00:00+00:00"},
    "no hash": {"mac": ""},
    "no letters of ours": {"mac": "é"},
    "no person": {"erased": "nobody"},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_line_that_the_bank_did_not_write_is_refused(roll: Roll, change: dict[str, str]) -> None:
    text = json.dumps({**json.loads(roll.line(SOMEBODY)), **change})
    with pytest.raises(RollBroken, match="line 1"):
        roll.parse(text.encode() + b"\n")


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_line_at_all_is_refused(roll: Roll, line: bytes) -> None:
    with pytest.raises(RollBroken):
        roll.parse(line + b"\n")


# --- A backup from before ---------------------------------------------------------------------------------------------


@pytest.fixture
def operator(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of a bank, in the environment of commands too."""
    settings = settings_for(sqlite_url, erasure_roll=tmp_path / "elsewhere.jsonl")
    monkeypatch.chdir(tmp_path)
    for name in ("database_url", "evidence_folder", "erasure_roll"):
        monkeypatch.setenv(f"CREDITBANK_{name.upper()}", str(getattr(settings, name)))
    for name in ("sealing_secret", "lookup_secret"):
        monkeypatch.setenv(f"CREDITBANK_{name.upper()}", getattr(settings, name).get_secret_value())
    return settings


def a_backup(url: str, beside: Path) -> None:
    """The file as it is now, copied as a backup would."""
    file = sqlite_file(url)
    assert file is not None
    shutil.copyfile(file, beside)


async def a_life(settings: Settings, backup: Path) -> bytes:
    """Somebody lives at the bank, a backup is taken, and they are erased; answers their wrapped key."""
    async with opened(settings.database_url, erasure_roll=settings.erasure_roll) as world:
        learner = (await live(world))["learner"]
        wrapped = await wrapped_key(world, learner)
    # All of it is in the file once the bank is closed.
    a_backup(settings.database_url, backup)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        again = World(app, world.clock, app.state.edge.database, world.keys, world.ids)
        await erase(again, learner)
    return wrapped


async def test_a_restored_backup_is_served_to_nobody_before_the_erasures_are_replayed(
    operator: Settings, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.sqlite"
    wrapped = await a_life(operator, backup)
    file = sqlite_file(operator.database_url)
    assert file is not None
    assert wrapped not in file.read_bytes()

    shutil.copyfile(backup, file)
    assert wrapped in file.read_bytes()
    app = create_app(operator)
    with pytest.raises(ErasuresPending):
        async with app.router.lifespan_context(app):
            raise AssertionError("it was served")


async def test_replaying_erases_again_and_twice_does_no_harm(operator: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup.sqlite"
    wrapped = await a_life(operator, backup)
    file = sqlite_file(operator.database_url)
    assert file is not None
    shutil.copyfile(backup, file)
    refused = await in_a_thread("serve")
    assert refused.startswith("2 ")
    assert "privacy replay" in refused

    assert "1 carried out again" in await in_a_thread("privacy", "replay", str(operator.erasure_roll))
    assert "0 carried out again" in await in_a_thread("privacy", "replay", str(operator.erasure_roll))
    assert "1 of the learners were erased" in await in_a_thread("verify")

    app = create_app(operator)
    async with app.router.lifespan_context(app):
        world = World(app, app.state.edge.clock, app.state.edge.database, {}, {})
        await world.work()
        everything = await dump(world)
    everything += file.read_bytes()
    for needle in NEEDLES:
        assert [spelt for spelt in spellings(needle) if spelt in everything] == [], needle
    assert wrapped not in everything


async def in_a_thread(*arguments: str, typed: str | None = None) -> str:
    """A command's exit code and all that it said; it runs a loop of its own."""

    def invoke() -> str:
        done = CliRunner().invoke(commands, list(arguments), input=typed)
        return f"{done.exit_code} {done.output} {done.stderr}"

    return await asyncio.to_thread(invoke)


async def test_a_roll_that_was_lost_is_written_again(operator: Settings, tmp_path: Path) -> None:
    await a_life(operator, tmp_path / "backup.sqlite")
    listed = operator.erasure_roll.read_bytes()
    operator.erasure_roll.unlink()
    app = create_app(operator)
    async with app.router.lifespan_context(app):
        pass
    assert operator.erasure_roll.read_bytes() == listed
    shown = await in_a_thread("privacy", "erasures", "--to", str(tmp_path / "copy"))
    assert shown.startswith("0 ")
    assert (tmp_path / "copy").read_bytes() == listed


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["--approved-by", "wang@town", "--reason", "spite"], "learner_asked"),
        (["--approved-by", "li@town"], "scope"),
        (["--approved-by", "nobody@town"], "password"),
    ],
    ids=["another reason", "whoever may not", "nobody"],
)
async def test_the_command_asks_for_two_people_and_a_reason(operator: Settings, others: list[str], said: str) -> None:
    async with opened(operator.database_url) as world:
        learner = await world.open()
    for login, role in (("wang@town", "administrator"), ("li@town", "registrar")):
        await person(operator.database_url, login, role)
    answer = await in_a_thread("privacy", "erase", learner, *others, typed=PASSWORD + "\n")
    assert answer[0] in "12"
    assert said in answer
    done = await in_a_thread("privacy", "erase", learner, "--approved-by", "wang@town", typed=PASSWORD + "\n")
    assert done.startswith("0 ")
    again = await in_a_thread("privacy", "erase", learner, "--approved-by", "wang@town", typed=PASSWORD + "\n")
    assert again.startswith("1 ")
    assert "erased" in again
