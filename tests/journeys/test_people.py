"""What docs/people.md shows of how learners come into their accounts, run as it stands there against a served bank."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from creditbank.access.actions import NewClient, create_client
from creditbank.app import create_app
from creditbank.clock import system_clock
from creditbank.demo.serving import serving, take_port
from creditbank.people.actions import NewUser, enter
from tests.bank import SCHOOL, opened, settings_for

PAGE = Path(__file__).resolve().parents[2] / "docs/people.md"
MARK = "--- next block ---"


def run(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the page in one shell."""
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


async def test_every_command_of_the_page_is_answered_as_it_says(sqlite_url: str, tmp_path: Path) -> None:
    at = take_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{at.getsockname()[1]}"
    app = create_app(settings_for(sqlite_url, public_url=url))
    first = "what the command line printed"
    async with opened(sqlite_url) as bank, bank.database.write() as connection:
        new = NewClient("student information system", SCHOOL, ("learners:write",), "provider")
        _, key = await create_client(connection, new, system_clock())
        user = NewUser("wang@bank.example", "王芳", await app.state.passwords.hash(first))
        await enter(connection, app.state.edge.vault, user, "test:", system_clock())
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = "set -eu\n" + f'echo "{MARK}"\n'.join(blocks)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BANK": url, "KEY": str(key), "FIRST": first}
    with serving(app, at):
        done = await asyncio.to_thread(run, script, tmp_path, environment)
    assert done.returncode == 0, done.stderr + done.stdout
    signed, opened_, handed, activated, shown, registered = (
        json.loads(part.strip() or "null") for part in done.stdout.split(MARK)
    )

    assert (signed, opened_, handed) == (None, None, None)
    (session,) = json.loads((tmp_path / "sessions.json").read_text())["items"]
    assert session["is_current"]
    account = json.loads((tmp_path / "opened.json").read_text())["results"][0]["learner"]
    (item,) = json.loads((tmp_path / "codes.json").read_text())["results"]
    assert (item["status"], item["number"], item["name"]) == (201, account["number"], "张三")
    assert activated["learner"] == account["id"] == shown["id"]
    assert shown["name"] == "张三"
    assert registered["number"] != account["number"]
