"""What docs/partners.md shows, run as it stands there against a served bank."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import PrintedKey
from creditbank.app import create_app
from creditbank.clock import system_clock
from creditbank.demo.serving import serving, take_port
from tests.bank import SCHOOL, Bank, document, opened, settings_for
from tests.journeys.shell import blocks, run

PAGE = Path(__file__).resolve().parents[2] / "docs/partners.md"
# What a reader fills in for themselves; every other block is run as it stands.
FILLED_IN = "export BANK=https://bank.example CLIENT=019a… KEY=cb_live_…\n"


def scopes() -> list[str]:
    """The scopes with which the page has the operator let the program in."""
    return re.findall(r"--scope (\S+)", PAGE.read_text("utf-8"))


@dataclass(frozen=True)
class Partner:
    """What the operator gives to a partner."""

    bank: str
    client: str
    key: str


@pytest.fixture
async def partner(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Partner]:
    """A bank that is served on a port of this machine, and a program that it has let in."""
    async with opened(sqlite_url) as bank:
        await _publish(bank)
        async with bank.database.write() as connection:
            new = NewClient("student information system", SCHOOL, scopes(), "provider")
            client, key = await create_client(connection, new, system_clock())
    at = take_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{at.getsockname()[1]}"
    own = {"public_url": url, "token_keys": SecretStr("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")}
    settings = settings_for(sqlite_url, sandbox_folder=str(tmp_path / "sandboxes"), **own)
    with serving(create_app(settings), at):
        yield Partner(url, str(client), str(key))


async def _publish(bank: Bank) -> None:
    await bank.publish(document(validity={"max": "P5Y"}))


def test_the_page_is_whole() -> None:
    assert FILLED_IN in blocks(PAGE)
    assert len(blocks(PAGE)) == 7
    assert all("…" not in block for block in blocks(PAGE) if block != FILLED_IN)
    first = blocks(PAGE)[1]
    assert len(first.splitlines()) <= 10


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="the page uses curl and openssl")
async def test_every_command_does_what_the_page_says(partner: Partner, tmp_path: Path) -> None:
    told = {"BANK": partner.bank, "CLIENT": partner.client, "KEY": partner.key}
    recorded, sandbox, tokens, registered, asserted, changed = run(PAGE, FILLED_IN, told, tmp_path)

    (first,) = recorded
    assert first["outcome"]["state"] == "recognised"
    assert first["outcome"]["lots"][0]["positions"]["available"] == "3"

    tried, travelled, emptied = sandbox
    assert tried["outcome"]["state"] == "recognised"
    assert tried["achievement"]["learner_id"] != first["achievement"]["learner_id"]
    assert (travelled["now"][:4], travelled["is_settled"]) == ("2040", True)
    assert emptied["now"][:10] == system_clock().date().isoformat()

    refused, listed = tokens
    assert refused["code"] == "missing_scope"
    assert [client["id"] for client in listed["items"]] == [partner.client]

    assert registered[0]["public_keys"] == ["2026"]
    assert [client["id"] for client in asserted[0]["items"]] == [partner.client]

    revoked, dead = changed
    old = PrintedKey.parse(partner.key)
    assert old is not None
    (gone,) = [key for key in revoked["keys"] if key["revoked_at"] is not None]
    assert gone["id"] == old.id
    assert dead["code"] == "unauthenticated"
