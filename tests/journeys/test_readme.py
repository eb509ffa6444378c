"""What the two README files show, done as they show it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import SCOPES
from creditbank.app import create_app
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.demo import city, first_request
from tests.bank import settings_for

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")


@dataclass(frozen=True)
class Request:
    """What a curl command sends."""

    url: httpx.URL
    headers: dict[str, str]
    body: str


def shown(readme: str) -> str:
    """The curl command of a README."""
    found = re.search(r"^curl .*?\}'$", (ROOT / readme).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def parse(command: str) -> Request:
    """A curl command as curl understands it."""
    words = shlex.split(command)
    assert words[:2] == ["curl", "-s"]
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    return Request(httpx.URL(words[2]), headers, words[words.index("-d") + 1])


@pytest.fixture
async def university(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The demonstration's network and rules in a bank, and a partner of it with the key that a newcomer is given."""
    app = create_app(settings_for(database_url))
    database = Database(database_url)
    transport = httpx.ASGITransport(app)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://bank") as http,
        ):
            bank = await _let_in(database, NewClient("bank", None, SCOPES, "verified"))

            async def enter(path: str, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
                answer = await http.post(path, headers={**bank, **(headers or {})}, **body)
                assert answer.is_success, answer.text
                entered: dict[str, Any] = answer.json()
                return entered

            ids = {one.code: (await enter("/v1/providers", json=one.as_provider()))["id"] for one in city.INSTITUTIONS}
            register = {"register": city.REGISTER, "from": city.ACCREDITED_FROM}
            await enter(f"/v1/providers/{ids[city.ACCREDITED[0]]}/accreditations", json=register)
            rules = files("creditbank.demo").joinpath("rules.yaml").read_bytes()
            draft = await enter("/v1/rule-sets", content=rules, headers={"Content-Type": "application/yaml"})
            at = f"/v1/rule-sets/{draft['rule_set']}/versions/{draft['version']}"
            for step in ("validate", "simulate"):
                await enter(f"{at}/{step}")
            while (await http.get(f"{at}/simulation", headers=bank)).json()["report"] is None:  # noqa: ASYNC110 (asked over HTTP)
                await asyncio.sleep(0.02)
            approver = await _let_in(database, NewClient("approver", None, ("rules:approve",), "verified"))
            for step in ("approve", "publish"):
                await enter(f"{at}/{step}", headers=dict(approver))
            scopes = ("achievements:write", "learners:write")
            http.headers = await _let_in(database, NewClient("university", city.UNIVERSITY, scopes, "verified"))
            yield http
    finally:
        await database.close()


async def _let_in(database: Database, new: NewClient) -> httpx.Headers:
    async with database.write() as connection:
        _, key = await create_client(connection, new, system_clock())
    return httpx.Headers({"Authorization": f"Bearer {key}"})


async def send(client: httpx.AsyncClient, request: Request) -> httpx.Response:
    """Send what the command sends, with the client's own key."""
    headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
    return await client.post(request.url.path, content=request.body, headers=headers)


@pytest.mark.parametrize("readme", READMES)
async def test_the_first_achievement(university: httpx.AsyncClient, readme: str) -> None:
    request = parse(shown(readme))
    assert request.headers["Authorization"] == "Bearer $KEY"
    first = await send(university, request)
    assert first.status_code == 201, first.text
    answer: dict[str, Any] = first.json()
    assert answer["achievement"]["external_id"] == "2026-S1-00017"
    (lot,) = answer["outcome"]["lots"]
    assert lot["positions"]["available"] == "3"
    assert len(answer["outcome"]["reasons"]) == 1
    assert answer["outcome"]["evaluation"]

    again = await send(university, request)
    assert (again.status_code, again.content) == (first.status_code, first.content)

    other = replace(request, body=request.body.replace('"86"', '"55"'))
    assert other.body != request.body
    reused = await send(university, other)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    conflict = await send(university, replace(other, headers={**other.headers, "Idempotency-Key": "first-2"}))
    assert (conflict.status_code, conflict.json()["code"]) == (409, "external_id_conflict")


@pytest.mark.parametrize("readme", READMES)
def test_the_demonstration_offers_the_same_request(readme: str) -> None:
    told, offered = parse(shown(readme)), parse(first_request("http://127.0.0.1:8000"))
    assert told.url == offered.url
    assert json.loads(told.body) == json.loads(offered.body)
    assert {**told.headers, "Accept-Language": ""} == {**offered.headers, "Accept-Language": ""}


@pytest.mark.parametrize("readme", READMES)
def test_every_linked_file_is_there(readme: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / readme).read_text("utf-8"))
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES)
def test_the_commands_that_run_a_bank(readme: str, tmp_path: Path) -> None:
    block = re.search(r"^```\n(umask 077.*?)^```", (ROOT / readme).read_text("utf-8"), re.M | re.S)
    assert block is not None
    commands = block[1].splitlines()
    # Serving has no end; what it serves is tested elsewhere.
    script = "set -e\n" + "\n".join(line for line in commands if not line.startswith("creditbank serve"))
    assert script.count("creditbank ") == len(commands) - 2
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITBANK_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env={**kept, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cb_live_\S+$", done.stdout, re.M)
    assert done.stdout.endswith("0 learners, 0 achievements, 0 postings verified; 0 findings\n")


@pytest.mark.parametrize("readme", READMES)
def test_nobody_else_reads_the_secrets_that_the_first_step_makes(readme: str, tmp_path: Path) -> None:
    step = re.search(r"^1\. `(.+?)`", (ROOT / readme).read_text("utf-8"), re.M)
    assert step is not None
    stub = tmp_path / "creditbank"
    stub.write_text("#!/bin/sh\necho the secrets\n")
    stub.chmod(0o755)
    script = f"umask 022; {step[1]}"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    made = tmp_path / ".env"
    assert (made.read_text(), made.stat().st_mode & 0o077) == ("the secrets\n", 0)
