"""What docs/webhooks.md shows, run as it stands there against a served bank and a receiver on this machine."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import get_args

import pytest

from creditbank.access.actions import NewClient, create_client
from creditbank.app import create_app
from creditbank.clock import system_clock
from creditbank.demo.serving import serving, take_port
from creditbank.webhooks.domain import DELAYS, EVENTS, TEST
from creditbank.webhooks.schemas import Trouble
from tests.architecture.pages import rows
from tests.bank import SCHOOL, document, opened, settings_for
from tests.journeys.shell import blocks, run
from tests.webhooks.receivers import NETWORKS

PAGE = Path(__file__).resolve().parents[2] / "docs/webhooks.md"
# What a reader fills in for themselves; every other block is run as it stands.
FILLED_IN = "export BANK=https://bank.example KEY=cb_live_… HOOK=https://partner.example/hooks PORT=8080\n"
SCOPES = ("achievements:read", "achievements:write", "ledger:read", "learners:write", "webhooks:read", "webhooks:write")


def test_the_page_is_whole() -> None:
    text = PAGE.read_text("utf-8")
    assert FILLED_IN in blocks(PAGE)
    assert len(blocks(PAGE)) == 7
    assert all("…" not in block for block in blocks(PAGE) if block != FILLED_IN)
    shown = {row[0]: row[1] for row in rows(PAGE, "3. What is told")}
    assert shown == {**EVENTS, TEST: "none"}
    assert [one for one in get_args(Trouble) if f"`{one}`" not in text] == []
    assert [delay.total_seconds() for delay in DELAYS[:4]] == [5, 60, 300, 1800]
    assert [delay.total_seconds() / 3600 for delay in DELAYS[4:]] == [2, 6, 12, 24, 24, 24, 24, 24]


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
async def test_every_command_does_what_the_page_says(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as bank:
        await bank.publish(document())
        async with bank.database.write() as connection:
            new = NewClient("student information system", SCHOOL, SCOPES, "provider")
            _, key = await create_client(connection, new, system_clock())
    at, hook = take_port("127.0.0.1", 0), take_port("127.0.0.1", 0)
    url, port = f"http://127.0.0.1:{at.getsockname()[1]}", str(hook.getsockname()[1])
    hook.close()
    told = {"BANK": url, "KEY": str(key), "HOOK": f"http://127.0.0.1:{port}/hooks", "PORT": port}
    # The receiver is written for whatever python3 there is, with the library installed.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    told["PYTHONPATH"] = next(place for place in sys.path if place.endswith("site-packages"))
    with serving(create_app(settings_for(sqlite_url, public_url=url, webhook_networks=NETWORKS)), at):
        made, listening, tested, recorded, again, ended = await asyncio.to_thread(run, PAGE, FILLED_IN, told, tmp_path)

    assert made[0]["state"] == "active"
    assert listening == []
    assert tested[0]["type"] == TEST
    assert recorded[0]["outcome"]["state"] == "recognised"
    assert [one["state"] for one in again] == ["waiting", "paused", "active"]
    assert ended == [{"removed": 204}]
    events = [line.split() for line in (tmp_path / "events.txt").read_text("utf-8").splitlines()]
    achievement = recorded[0]["achievement"]["id"]
    assert sorted(type_ for type_, _ in events) == ["achievement.recorded", "credits.changed", TEST]
    assert ["achievement.recorded", f"{url}/v1/achievements/{achievement}"] in events
