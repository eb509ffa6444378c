"""`make demo`: the command as a newcomer runs it, twice in one folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

# Both runs together take some seconds, once for the whole module.
pytestmark = pytest.mark.slow

WRITTEN = (
    "providers",
    "learners",
    "achievements",
    "achievement_versions",
    "evaluations",
    "decisions",
    "lots",
    "postings",
)


@dataclass(frozen=True)
class Runs:
    """A run that served on and was ended by a signal, then one with ``--once`` in the same folder."""

    folder: Path
    first: str
    second: str
    exit_code: int
    complaints: str
    page: str
    posted: httpx.Response
    busy: str
    log: str
    before: dict[str, int]
    after: dict[str, int]


def command(folder: Path, *options: str) -> list[str]:
    """The demonstration, in this folder, on any free port."""
    return [sys.executable, "-m", "creditbank", "demo", "--folder", str(folder), "--port", "0", *options]


def counts(folder: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(folder / "creditbank.sqlite")) as connection:
        return {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for name in WRITTEN}


def send_first(printed: str) -> httpx.Response:
    """Send the request that the demonstration offers for pasting, as curl would."""
    key = re.search(r"^KEY=(\S+)$", printed, re.MULTILINE)
    offered = re.search(r"^curl -s .*?\}'$", printed, re.MULTILINE | re.DOTALL)
    assert key is not None, printed
    assert offered is not None, printed
    words = shlex.split(offered[0].replace("$KEY", key[1]))
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    return httpx.post(words[2], headers=headers, content=words[words.index("-d") + 1], trust_env=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Both runs; everything is asked before the first one ends."""
    folder = tmp_path_factory.mktemp("town") / "demo"
    # Settings of another bank around the demonstration must not lead to its database.
    environment = {**os.environ, "CREDITBANK_DATABASE_URL": "sqlite+aiosqlite:////nowhere/other.sqlite"}
    process = subprocess.Popen(
        command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Serving."):
                break
        first = "".join(lines)
        page = (folder / "transcript.en.html").read_text("utf-8")
        before = counts(folder)
        busy = subprocess.run(command(folder, "--once"), capture_output=True, text=True, check=False, env=environment)
        posted = send_first(first)
    finally:
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=60)
    log = (folder / "server.log").read_text("utf-8")
    second = subprocess.run(command(folder, "--once"), capture_output=True, text=True, check=True, env=environment)
    return Runs(
        folder,
        first + rest,
        second.stdout,
        process.returncode,
        complaints,
        page,
        posted,
        busy.stderr,
        log,
        before,
        counts(folder),
    )


def test_the_city_is_loaded_and_every_credit_says_why(runs: Runs) -> None:
    assert re.search(r"achievements +1,158 recorded, 0 there already, 0 refused", runs.first)
    # One line for each kind of decision: granted, capped, refused, and a second time the same unit.
    for reason in (
        "3 credits: 48 hours at 16 hours a credit",
        "at most 3 credits can be",
        "attendance is 62 %, but at least 75 %",
        "CALL101 counts once, and already",
    ):
        assert reason in runs.first
    assert "3 学分：48 学时，每 16 学时计 1 学分" in runs.first


def test_the_page_is_saved_in_both_languages_and_needs_no_server(runs: Runs) -> None:
    assert runs.page.startswith("<!doctype html>")
    assert "<style>" in runs.page
    assert "<link" not in runs.page
    assert "3 credits: 48 hours at 16 hours a credit" in runs.page
    assert '<html lang="zh-Hans">' in (runs.folder / "transcript.zh-Hans.html").read_text("utf-8")


def test_the_offered_request_is_the_first_achievement(runs: Runs) -> None:
    assert runs.posted.status_code == 201, runs.posted.text
    assert runs.posted.json()["outcome"]["reasons"] == ["3 credits: the provider's own 3 credits, taken as stated"]


def test_it_ends_quietly(runs: Runs) -> None:
    assert (runs.exit_code, runs.complaints) == (0, "")
    assert runs.first.rstrip().endswith("Stopped.")
    # The server was given the time to finish what it had begun.
    assert "Finished server process" in runs.log.splitlines()[-1]


def test_a_second_demonstration_in_the_folder_is_refused_in_words(runs: Runs) -> None:
    assert runs.busy == f"A demonstration is running in {runs.folder} already; --folder names another.\n"


def test_the_second_run_finds_everything_and_changes_nothing(runs: Runs) -> None:
    assert re.search(r"achievements +0 recorded, 1,158 there already, 0 refused", runs.second)
    assert "nothing has changed" in runs.second
    # What the offered request stored is all that was added.
    added = dict.fromkeys(WRITTEN, 1) | {"providers": 0}
    assert runs.after == {name: count + added[name] for name, count in runs.before.items()}
    figures = [re.search(r"  credits +(.+)", printed) for printed in (runs.first, runs.second)]
    assert figures[0] is not None
    assert figures[1] is not None
    assert figures[0][1] == figures[1][1]


def test_secrets_are_their_owners_alone(runs: Runs) -> None:
    for name in (".env", "keys.json"):
        assert (runs.folder / name).stat().st_mode & 0o777 == 0o600
    keys = json.loads((runs.folder / "keys.json").read_text("utf-8"))
    assert sorted(keys) == ["approver", "bank", "network", "university"]
    assert runs.log
    assert not [key for key in keys.values() if key in runs.log]
