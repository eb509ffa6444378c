"""The image's recipe passes its linter and keeps its promises: hashes, no root, no shell, a health check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def final_stage() -> list[str]:
    """The instructions of the image that ships, one string each, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text()
    stage = re.split(r"^FROM .*$", text, flags=re.MULTILINE)[-1]
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", stage, flags=re.MULTILINE)).splitlines()
    return [line for line in lines if line]


def test_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "hadolint is not installed; run `make setup`"
    found = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_packages_are_installed_by_hash() -> None:
    installs = re.findall(r"pip [^&]*\binstall (.*)", (ROOT / "Dockerfile").read_text())
    assert installs
    assert all("--require-hashes" in options or "--no-deps --no-index" in options for options in installs), installs


def test_both_stages_start_from_the_same_image() -> None:
    images = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert len(images) == 2
    assert len(set(images)) == 1, "the virtual environment points into the Python of the stage that made it"


def test_server_runs_without_root_and_without_a_shell(final_stage: list[str]) -> None:
    assert "USER 10001:10001" in final_stage
    assert "STOPSIGNAL SIGTERM" in final_stage
    (command,) = (line.removeprefix("CMD ") for line in final_stage if line.startswith("CMD "))
    assert json.loads(command)[:2] == ["creditbank", "serve"]


def test_image_says_whether_it_is_well(final_stage: list[str]) -> None:
    (check,) = (line for line in final_stage if line.startswith("HEALTHCHECK "))
    assert json.loads(check.partition(" CMD ")[2]) == ["creditbank", "healthcheck"]


def test_only_the_volume_is_written(final_stage: list[str]) -> None:
    assert "VOLUME /data" in final_stage
    assert any("CREDITBANK_DATABASE_URL=sqlite+aiosqlite:////data/" in line for line in final_stage)
    assert any("PYTHONDONTWRITEBYTECODE=1" in line for line in final_stage)
