"""The command line, command by command: what it prints and how it ends (0 done, 1 found something wrong, 2 bad use)."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner, Result

from creditbank import __version__, cli, logs
from creditbank.access.domain import SCOPES, PrintedKey, hash_secret
from creditbank.cli import running, server
from creditbank.cli.server import served
from creditbank.jobs.working import Worker
from creditbank.settings import Settings, UnknownSettings
from tests.bank import SECRETS, document

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's folder with a bank that is not there yet, and nothing of the developer's own settings."""
    monkeypatch.chdir(tmp_path)
    for name, secret in zip(("SEALING", "LOOKUP"), SECRETS, strict=True):
        monkeypatch.setenv(f"CREDITBANK_{name}_SECRET", base64.b64encode(secret).decode())
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/bank.sqlite")
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in the folder; what it prints is not broken into lines by a narrow terminal."""
    for console in (running.out, running.err):
        monkeypatch.setattr(console, "width", 400)
    runner = CliRunner()

    def run_command(*words: str, code: int = 0) -> Result:
        result = runner.invoke(cli.app, list(words), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run_command


@pytest.fixture
def bank(folder: Path, sqlite_template: Path) -> Path:
    """A migrated bank in the folder."""
    file = folder / "bank.sqlite"
    shutil.copyfile(sqlite_template, file)
    return file


def rows(file: Path, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds in the bank's file, or changes in it."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        found = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return found


def test_version(run: Run) -> None:
    assert run("version").stdout.strip() == __version__


@pytest.mark.parametrize("words", [(), ("nothing",), ("clients", "create"), ("serve", "--port", "x")])
def test_bad_use_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    run(*words, code=2)


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_fresh_secrets_are_usable_and_never_the_same(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("config", "secrets").stdout.splitlines()
    again = run("config", "secrets").stdout.splitlines()

    assert [line.partition("=")[0] for line in lines] == [
        "CREDITBANK_SEALING_SECRET", "CREDITBANK_LOOKUP_SECRET", "CREDITBANK_CHECKPOINT_KEY",
        "CREDITBANK_TOKEN_KEYS",
    ]  # fmt: skip
    assert all(len(base64.b64decode(line.partition("=")[2])) == 32 for line in lines)
    assert len({*lines, *again}) == 8
    monkeypatch.delenv("CREDITBANK_SEALING_SECRET")
    monkeypatch.delenv("CREDITBANK_LOOKUP_SECRET")
    run("config", "check", code=2)
    (folder / ".env").write_text("\n".join(lines))
    run("config", "check")


def test_settings_are_shown_without_what_is_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", "postgresql+asyncpg://me:hunter2@db/bank")

    shown = run("config", "check").stdout

    assert "CREDITBANK_DATABASE_URL=postgresql+asyncpg://me:***@db/bank" in shown
    assert "SECRET" not in shown
    assert "CREDITBANK_TIME_ZONE=Asia/Shanghai" in shown


BAD_SETTINGS = {
    "no secret": ("CREDITBANK_SEALING_SECRET", "", "must be set"),
    "a short secret": ("CREDITBANK_SEALING_SECRET", "c2hvcnQ=", "CREDITBANK_SEALING_SECRET"),
    "a secret that is no base64": ("CREDITBANK_LOOKUP_SECRET", "&&&", "CREDITBANK_LOOKUP_SECRET"),
    "one secret for both": ("CREDITBANK_SEALING_SECRET", base64.b64encode(SECRETS[1]).decode(), "must differ"),
    "no such zone": ("CREDITBANK_TIME_ZONE", "Asia/Nowhere", "CREDITBANK_TIME_ZONE"),
    "a name misspelt": (
        "CREDITBANK_DATABSE_URL",
        "sqlite+aiosqlite:///wrong",
        "CREDITBANK_DATABASE_URL is the nearest",
    ),
    "a name misspelt in small letters": (
        "creditbank_wroker",
        "false",
        "CREDITBANK_WROKER is no setting; CREDITBANK_WORKER",
    ),
    "a name like no other": ("CREDITBANK_QX", "zz", "CREDITBANK_QX is no setting."),
    "a pool of none": ("CREDITBANK_DATABASE_POOL_SIZE", "0", "CREDITBANK_DATABASE_POOL_SIZE"),
}


@pytest.mark.parametrize(("name", "value", "said"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_unusable_settings_end_every_command_with_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    for words in (("config", "check"), ("verify",), ("migrate",), ("serve",), ("worker",), ("clients", "create", "x")):
        result = run(*words, code=2)
        assert said in result.stderr.replace("\n", " ")
        assert not value or value not in result.output


def test_a_name_misspelt_in_the_file_is_refused_and_what_is_not_the_bank_s_is_passed_over(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDITBANK_TEST_ANYTHING", "1")
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=x\nCREDITBANK_WORKER=false\n", "utf-8")
    assert "CREDITBANK_WORKER=False" in run("config", "check").stdout
    (tmp_path / ".env").write_text("CREDITBANK_WORKERS=false\n", "utf-8")
    assert "CREDITBANK_WORKERS is no setting; CREDITBANK_WORKER" in run("config", "check", code=2).stderr
    # The process that serves reads them again, and refuses by itself.
    with pytest.raises(UnknownSettings):
        served()


# --- The database -----------------------------------------------------------------------------------------------------


def test_migrate_makes_the_schema_and_may_be_run_again(run: Run, folder: Path) -> None:
    assert run("migrate").stdout == run("migrate").stdout
    assert rows(folder / "bank.sqlite", "select epoch from rules_epoch") == [(1,)]


def test_sqlite_is_served_by_one_process(run: Run, bank: Path) -> None:
    assert "one writer" in run("serve", "--workers", "2", code=2).stderr


@pytest.mark.parametrize(("said", "workers", "divided"), [("1", 3, "3"), ("8", 3, "8"), ("1", 1, "1")])
def test_several_processes_divide_the_limits_among_them(
    run: Run, bank: Path, monkeypatch: pytest.MonkeyPatch, said: str, workers: int, divided: str
) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setenv("CREDITBANK_RATE_PROCESSES", said)
    monkeypatch.setattr(Settings, "is_sqlite", False)
    monkeypatch.setattr(logs, "configure", lambda _: None)
    monkeypatch.setattr(
        "uvicorn.run", lambda *_, **given: served.update(given, divided=os.environ["CREDITBANK_RATE_PROCESSES"])
    )
    run("serve", "--workers", str(workers))
    assert (served["workers"], served["divided"]) == (workers, divided)


def test_a_worker_told_to_end_ends_well(run: Run, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Worker.run

    async def told(self: Worker) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await work(self)

    monkeypatch.setattr(Worker, "run", told)
    # What is set for a process of its own would outlive this test in the process of all tests.
    monkeypatch.setattr(server, "calm_collector", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda _: None)
    # A worker that does not listen must end the test and not the run of all tests.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run("worker")
    finally:
        signal.signal(signal.SIGTERM, before)


def test_verify_of_a_bank_that_is_not_there(run: Run, folder: Path) -> None:
    run("verify", code=2)
    assert not (folder / "bank.sqlite").exists()


def test_verify_of_a_sound_bank(run: Run, bank: Path) -> None:
    assert run("verify").stdout.strip() == "0 learners, 0 achievements, 0 postings verified; 0 findings"


def test_verify_says_what_it_found_and_ends_with_1(run: Run, bank: Path) -> None:
    rows(bank, "insert into achievement_keys (key, learner_id, achievement_id) values (x'00', 'a', 'b')")

    result = run("verify", code=1)

    assert result.stderr.strip() == "claims_differ: the bank: 1 external ids are claimed for 0 achievements"
    assert result.stdout.strip().endswith("1 findings")


# --- Clients ----------------------------------------------------------------------------------------------------------


def create(run: Run, *words: str) -> tuple[str, PrintedKey]:
    """Let a client in; answers its id and its key."""
    first, printed = run("clients", "create", *words).stdout.split("\n")[:2]
    key = PrintedKey.parse(printed)
    assert key is not None
    return first.removeprefix("client "), key


def test_a_client_of_the_bank_carries_every_scope(run: Run, bank: Path) -> None:
    client, key = create(run, "desk")

    assert rows(bank, "select name, provider, scopes, assurance from api_clients") == [
        ("desk", None, " ".join(sorted(SCOPES)), "provider")
    ]
    assert rows(bank, "select id, secret_sha256, expires_at, revoked_at from api_keys") == [
        (key.id, hash_secret(key.secret), None, None)
    ]
    assert set(rows(bank, "select action, subject from audit_events")) == {
        ("client.create", f"client:{client}"), ("key.create", f"key:{key.id}"),
    }  # fmt: skip
    assert key.secret.encode() not in bank.read_bytes()


def test_a_client_of_a_provider(run: Run, bank: Path) -> None:
    assert "no provider" in run("clients", "create", "x", "--provider", "cq", "--scope", "rules:read", code=1).stderr
    rows(
        bank,
        "insert into providers (id, code, name_zh, name_en, provider_type, status, revision, created_at) "
        "values ('01900000000070008000000000000001', 'cq', 'x', 'x', 'college', 'active', 1, 0)",
    )

    create(run, "x", "--provider", "cq", "--scope", "rules:read", "--scope", "ledger:read", "--assurance", "verified",
           "--days", "30")  # fmt: skip

    assert rows(bank, "select provider, scopes, assurance from api_clients") == [
        ("cq", "ledger:read rules:read", "verified")
    ]
    ((expires,),) = rows(bank, "select expires_at from api_keys")
    left = datetime.fromtimestamp(int(str(expires)) / 1e6, UTC) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)


BAD_CLIENTS = {
    "no such scope": (("--scope", "everything"), 1),
    "no such assurance": (("--assurance", "certain"), 2),
    "a provider without scopes": (("--provider", "cq"), 2),
    "no days at all": (("--days", "0"), 2),
}


@pytest.mark.parametrize(("words", "code"), BAD_CLIENTS.values(), ids=BAD_CLIENTS)
def test_clients_that_cannot_be(run: Run, bank: Path, words: tuple[str, ...], code: int) -> None:
    assert run("clients", "create", "x", *words, code=code).stdout == ""
    assert rows(bank, "select * from api_clients") == []


def test_a_key_is_rotated_and_the_old_one_revoked(run: Run, bank: Path) -> None:
    client, old = create(run, "desk")

    new = PrintedKey.parse(run("clients", "rotate", client).stdout.strip())

    assert new is not None
    assert sorted(rows(bank, "select id, revoked_at from api_keys")) == sorted([(old.id, None), (new.id, None)])
    run("clients", "revoke", old.id)
    assert rows(bank, "select id from api_keys where revoked_at is null") == [(new.id,)]
    run("clients", "revoke", old.id, code=1)
    run("clients", "revoke", "nosuchkey", code=1)
    assert sorted(rows(bank, "select action from audit_events")) == [
        ("client.create",), ("key.create",), ("key.create",), ("key.revoke",),
    ]  # fmt: skip


def test_a_third_key_waits_until_one_is_revoked(run: Run, bank: Path) -> None:
    client, old = create(run, "desk")
    run("clients", "rotate", client)

    assert "two keys" in run("clients", "rotate", client, code=1).stderr
    # Those of the sandbox are counted apart.
    assert run("clients", "rotate", client, "--test", "--days", "3").stdout.startswith("cb_test_")
    run("clients", "revoke", old.id)
    run("clients", "rotate", client)


@pytest.mark.parametrize("width", [40, 80, 400])
def test_clients_are_listed_with_their_keys(run: Run, bank: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = create(run, "desk", "--network", "192.0.2.0/24")
    sandboxed = run("clients", "create", "trial", "--test", "--scope", "rules:read").stdout
    run("clients", "create", "gone")
    monkeypatch.setattr(running.out, "width", width)
    rows(bank, f"update api_keys set last_used_at = 1740801600000000 where id = '{key.id}'")
    rows(bank, "update api_clients set suspended_at = 1740801600000000 where name = 'gone'")

    lines = run("clients", "list").stdout.splitlines()

    found = {line.split()[1]: line for line in lines[1:]}
    assert found["desk"].split()[:6] == [client, "desk", "the", "bank", str(len(SCOPES)), key.id]
    assert found["desk"].split()[6:] == ["live", "never", "2025-03-01", "04:00"]
    assert sandboxed.splitlines()[1].split("_")[2] in found["trial"]
    assert "suspended" in found["gone"]
    assert "cb_" not in "".join(lines)
    run("clients", "create", "x", "--network", "everywhere", code=1)


def test_a_client_that_is_not_there_gets_no_key(run: Run, bank: Path) -> None:
    result = run("clients", "rotate", "01900000-0000-7000-8000-000000000001", code=1)

    assert "no such client" in result.stderr
    assert result.stdout == ""
    run("clients", "rotate", "not-an-id", code=2)


# --- Documents --------------------------------------------------------------------------------------------------------


def example(total: str) -> dict[str, object]:
    given = {"id": "a", "kind": "course", "provider": "cq", "completed": "2024-06-10", "credits": 3}
    then = {"total": total, "a": [total]}
    return document(tests=[{"name": "own", "as_of": "2025-01-01", "given": [given], "then": then}])


def test_the_tests_of_a_rule_set(run: Run, folder: Path) -> None:
    (folder / "good.json").write_text(json.dumps(example("3")))
    (folder / "bad.yaml").write_text(json.dumps(example("4")))

    assert run("rules", "test", "good.json").stdout.strip() == "good.json: 1 tests, 0 mismatches"
    both = run("rules", "test", "good.json", "bad.yaml", code=1)
    assert "bad.yaml: 1 tests, 2 mismatches" in both.stdout
    assert re.search(r"bad.yaml: own: total\s+expected 4\s+got      3", both.stderr)
    run("rules", "test", "nowhere.yaml", code=2)


def test_a_document_that_is_none_is_shown_with_its_line(run: Run, folder: Path) -> None:
    (folder / "wrong.yaml").write_text("ruleset:\n  lcb: rules/v1\n  idd: town\n")

    assert re.search(r"^wrong.yaml:3: E0 ", run("rules", "test", "wrong.yaml", code=1).stderr, re.M)


def test_the_description_of_the_api(run: Run, folder: Path) -> None:
    printed = run("openapi").stdout
    assert json.loads(printed)["openapi"].startswith("3.")

    file = folder / "openapi.json"
    run("openapi", "--check", str(file), code=1)
    file.write_text(printed)
    run("openapi", "--check", str(file))
    file.write_text(printed.replace("3.", "2.", 1))
    assert "make openapi" in run("openapi", "--check", str(file), code=1).stderr


def test_a_server_that_does_not_answer(run: Run) -> None:
    assert "no answer" in run("healthcheck", "--url", "http://127.0.0.1:9/readyz", code=1).stderr
