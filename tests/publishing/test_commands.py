"""Rule sets from files at the command line: who did it and who approved it stand in the audit log."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from creditbank.cli import app
from creditbank.database.engine import Database
from tests.bank import SECRETS, Bank, document, granting, opened
from tests.covering import covered


@pytest.fixture
def here(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, with the settings of a bank around it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", sqlite_url)
    for name, secret in zip(("SEALING", "LOOKUP"), SECRETS, strict=True):
        monkeypatch.setenv(f"CREDITBANK_{name}_SECRET", base64.b64encode(secret).decode())
    return tmp_path


def rules(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments], catch_exceptions=False)


def written(folder: Path, credits_: int, **parts: Any) -> str:
    """A file with a rule set."""
    file = folder / f"rules-{credits_}.json"
    plain = covered(document(granting("own", {"fixed": credits_}, kind="course"), **parts))
    file.write_text(json.dumps(plain), "utf-8")
    return str(file)


def test_a_file_is_simulated_then_published_by_two_names(here: Path, sqlite_url: str) -> None:
    async def prepare() -> None:
        async with opened(sqlite_url) as bank:
            (learner,) = await bank.open("Li Wei")
            await bank.record(learner, "E1")

    async def look() -> tuple[list[Any], int]:
        bank = Bank(sqlite_url, Database(sqlite_url))
        rows = await bank.sql("select action, details from audit_events where action like 'rule_set.%' order by at")
        waiting = await bank.sql("select count(*) from jobs where kind = 'resettle' and state = 'waiting'")
        await bank.database.close()
        return [(row.action, json.loads(row.details)) for row in rows], waiting[0][0]

    asyncio.run(prepare())
    file = written(here, 3)
    looked = rules("simulate", file, "--operator", "bo")
    done = rules("publish", file, "--operator", "bo", "--approved-by", "anna")

    assert looked.exit_code == 0, looked.output
    assert "1 learners seen, 1 evaluated: 1 gain, 0 lose" in looked.output
    assert done.exit_code == 0, done.output
    assert "town@1 published" in done.output
    events, waiting = asyncio.run(look())
    assert waiting == 1
    assert events[0][0] == "rule_set.draft"
    assert {details["by"] for _, details in events} == {"operator:bo"}
    approvals = [(action, details["approved_by"]) for action, details in events if "approved_by" in details]
    assert approvals == [("rule_set.approve", "operator:anna"), ("rule_set.publish", "operator:anna")]


def test_nobody_approves_their_own_file(here: Path) -> None:
    file = written(here, 3)

    same = rules("publish", file, "--operator", "bo", "--approved-by", "bo")
    rules("simulate", file, "--operator", "anna")
    edited_before = rules("publish", file, "--operator", "bo", "--approved-by", "anna")

    assert (same.exit_code, edited_before.exit_code) == (1, 1)
    assert "may not approve" in same.stderr
    assert "may not approve" in edited_before.stderr


def test_what_is_wrong_is_said_with_its_place(here: Path) -> None:
    file = here / "bare.yaml"
    file.write_text(
        "ruleset: {lcb: rules/v1, id: town, version: 1, from: 2020-01-01, unit: {code: CR}}\n"
        "recognition: {id: own, match: {kind: course}, grant: {credits: {fixed: 2}}}\n",
        "utf-8",
    )

    done = rules("publish", str(file), "--operator", "bo", "--approved-by", "anna")

    assert done.exit_code == 1
    assert "W8 /recognition/0" in done.stderr
    assert "exercised by no test" in done.stderr


@pytest.mark.usefixtures("here")
def test_an_approval_needs_a_name(tmp_path: Path) -> None:
    file = written(tmp_path, 3)

    assert rules("publish", file, "--operator", "bo").exit_code == 2
    assert rules("publish", file, "--operator", "bo", "--approved-by", " ").exit_code == 2
