"""Files of results at the command line: what is printed and how it ends."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from creditbank import cli
from creditbank.cli import running
from tests.bank import SECRETS
from tests.imports.results import csv, row

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of a migrated bank in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(sqlite_template, tmp_path / "bank.sqlite")
    for name, secret in zip(("SEALING", "LOOKUP"), SECRETS, strict=True):
        monkeypatch.setenv(f"CREDITBANK_{name}_SECRET", base64.b64encode(secret).decode())
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/bank.sqlite")
    for console in (running.out, running.err):
        monkeypatch.setattr(console, "width", 400)

    def run_command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(words), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run_command


@pytest.fixture
def client(run: Run, tmp_path: Path) -> str:
    """A school's client, which may open accounts."""
    Path("network.csv").write_text("code,name_zh,provider_type\ncq,市,university\n", "utf-8")
    run("providers", "import", "network.csv")
    made = run(
        *("clients", "create", "system", "--provider", "cq"),
        *("--scope", "achievements:write", "--scope", "learners:write"),
    )
    return made.output.split()[1]


def test_a_file_is_worked_through_and_again_changes_nothing(run: Run, client: str) -> None:
    Path("term.csv").write_bytes(csv(row(1), row(2), encoding="gb18030"))
    asked = ("imports", "add", "term.csv", "--client", client, "--open-accounts")
    assert "2 of 2 rows, would be 2 recorded" in run(*asked, "--dry-run").output
    assert "2 of 2 rows, 2 recorded, 0 there already, 0 refused" in run(*asked).output
    assert "0 recorded, 2 there already" in run(*asked).output
    assert list(Path("evidence").rglob("*.part")) == []


def test_what_is_wrong_is_told_and_ends_with_one(run: Run, client: str) -> None:
    Path("term.csv").write_bytes(csv(row(1), row(2, 学分="三"), row(3)))
    ended = run("imports", "add", "term.csv", "--client", client, "--open-accounts", "--stop", code=1)
    assert "stopped: 2 of 3 rows, 1 recorded, 0 there already, 1 refused" in ended.output
    id_ = re.search(r"imports show (\S+)`", ended.output)
    assert id_ is not None
    assert "F3 not_a_number: Not a decimal number" in run("imports", "show", id_[1]).output
    assert "F3 not_a_number: 不是至多三位小数的数字。" in run("imports", "show", id_[1], "--language", "zh-Hans").output


@pytest.mark.parametrize(
    ("name", "content", "words", "code", "said"),
    [
        ("term.doc", b"x", (), 2, "ends with none of"),
        ("term.csv", "编号,宿舍\n1,2\n".encode(), (), 1, "unknown_column /columns/2"),
        ("term.csv", csv(row(1)), ("--mapping", "none"), 1, "no such mapping"),
    ],
)
def test_what_cannot_be_taken_in_is_refused_and_leaves_nothing(
    run: Run, client: str, name: str, content: bytes, words: tuple[str, ...], code: int, said: str
) -> None:
    Path(name).write_bytes(content)
    assert said in run("imports", "add", name, "--client", client, *words, code=code).output
    assert [path for path in Path("evidence").rglob("*") if path.is_file()] == []


def test_only_a_client_with_its_rights_is_spoken_for(run: Run, client: str) -> None:
    Path("term.csv").write_bytes(csv(row(1)))
    made = run("clients", "create", "reader", "--provider", "cq", "--scope", "achievements:read")
    other = made.output.split()[1]
    assert "achievements:write" in run("imports", "add", "term.csv", "--client", other, code=1).output
    nobody = "01900000-0000-7000-8000-000000000000"
    assert "client" in run("imports", "add", "term.csv", "--client", nobody, code=1).output
    run("imports", "show", nobody, code=1)
