"""`creditbank checkpoint` and `creditbank verify` as an operator uses them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from creditbank import cli, proving
from creditbank.checkpoints.notes import Signer, read_note
from creditbank.checkpoints.queries import prove_inclusion
from creditbank.checkpoints.schemas import show_proof
from creditbank.cli import running
from creditbank.database.engine import Database
from creditbank.recognition.verify import Finding, Page
from creditbank.web.bodies import to_json
from tests.bank import SECRETS, Bank, document, opened, submission
from tests.checkpoints.conftest import ORIGIN, SEED, signing_settings

Run = Callable[..., Result]


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A bank of seven learners with two achievements each, and an operator's environment for it."""
    monkeypatch.chdir(tmp_path)
    secrets = {"SEALING_SECRET": SECRETS[0], "LOOKUP_SECRET": SECRETS[1], "CHECKPOINT_KEY": SEED}
    for name, secret in secrets.items():
        monkeypatch.setenv(f"CREDITBANK_{name}", base64.b64encode(secret).decode())
    monkeypatch.setenv("CREDITBANK_CHECKPOINT_ORIGIN", ORIGIN)
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", database_url)

    async def fill() -> None:
        async with opened(database_url) as bank:
            await bank.publish(document())
            learners = await bank.open(*(f"L{number}" for number in range(7)))
            await bank.submit(*(submission(one, f"{one}-{n}", code=f"C{n}") for one in learners for n in range(2)))

    asyncio.run(fill())
    return database_url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; what it prints is not broken into lines by a narrow terminal."""
    for console in (running.out, running.err):
        monkeypatch.setattr(console, "width", 400)

    def run_command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(words), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run_command


def sql(url: str, *statements: str) -> list[UUID]:
    """Run statements as the owner of the database; answers the learners in the order of their ids."""

    async def execute() -> list[UUID]:
        async with held(url) as bank:
            for statement in statements:
                await bank.sql(text(statement))
            return [UUID(str(row[0])) for row in await bank.sql("select id from learners order by id")]

    return asyncio.run(execute())


@asynccontextmanager
async def held(url: str) -> AsyncIterator[Bank]:
    """The bank's parts, with nothing entered."""
    bank = Bank(url, Database(url))
    yield bank
    await bank.database.close()


def kept_proof(url: str, learner: UUID) -> str:
    """What a learner keeps."""

    async def prove() -> str:
        async with held(url) as bank, bank.database.snapshot() as connection:
            proof = await prove_inclusion(connection, bank.vault, learner, size=None, after=0)
            return to_json(show_proof(proof)).decode()

    return asyncio.run(prove())


CHANGE = {
    "sqlite": ["drop trigger postings_no_update", "update postings set amount_milli = amount_milli + 1 where seq = 2"],
    "postgresql": [
        "alter table postings disable trigger all",
        "update postings set amount_milli = amount_milli + 1 where seq = 2",
    ],
}


def test_a_checkpoint_is_printed_and_exported_and_the_bank_verified_against_it(
    url: str, run: Run, tmp_path: Path
) -> None:
    note = run("checkpoint", "--export", "note").stdout
    (tmp_path / "proof").write_text(kept_proof(url, sql(url)[0]))

    assert (tmp_path / "note").read_text() == note
    assert read_note(note).size == 7
    assert Signer(ORIGIN, SEED).key.has_signed(note)
    said = run("verify", "--against", "note", "--against", "proof").stdout
    assert said == "7 learners, 14 achievements, 14 postings, 2 receipts verified; 0 findings\n"
    assert run("verify", "--chains-only").stdout == "7 learners, 14 postings verified; 0 findings\n"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_every_finding_is_found_by_any_number_of_processes(
    url: str, run: Run, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    monkeypatch.setattr(proving, "LEARNERS_A_RANGE", 2)
    run("checkpoint")
    learners = sql(url, *CHANGE[url.partition("+")[0]])

    shown = run("verify", "--processes", processes, code=1)

    assert "7 learners, 14 achievements, 14 postings verified" in shown.stdout
    for learner in learners:
        assert f"chain_broken: learner {learner}: " in shown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "nonsense"], "neither a checkpoint nor a proof"),
        (["--against", "binary"], "codec"),
        (["--against", "absent"], "does not exist"),
        (["--resume", "nonsense"], "not the state of a run"),
        (["--resume", "other"], "another bank"),
        (["--processes", "0"], "processes"),
    ],
)
def test_bad_use(url: str, run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "nonsense").write_text("nonsense")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    state = {"format": "creditbank.verify/v1", "database": "another", "chains_only": False, "tally": {}}
    (tmp_path / "other").write_text(json.dumps(state))

    assert said in run("verify", *words, code=2).output


def test_without_a_key_no_checkpoint_is_made(url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDITBANK_CHECKPOINT_KEY")

    assert "CREDITBANK_CHECKPOINT_KEY must be set" in run("checkpoint", code=2).stderr


def test_a_run_that_broke_off_goes_on_after_the_last_learner_and_forgets_no_finding(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proving, "LEARNERS_A_RANGE", 2)
    learners = sql(url, *CHANGE[url.partition("+")[0]])
    order = proving.Order(signing_settings(url), date(2025, 3, 1), resume=tmp_path / "state")
    pages: list[Page] = []

    class PowerCut(Exception):
        """The machine went away."""

    def cut(page: Page) -> None:
        pages.append(page)
        if len(pages) == 2:
            raise PowerCut

    with pytest.raises(PowerCut):
        proving.prove(order, begun=lambda total, done: None, proven=cut)
    told: list[tuple[int, int]] = []
    again: list[Page] = []
    tally = proving.prove(order, begun=lambda total, done: told.append((total, done)), proven=again.append)

    assert told == [(7, 4)]
    assert [page.learners for page in again] == [2, 1]
    assert (tally.learners, tally.postings) == (7, 14)
    broken = [finding for finding in tally.findings if finding.code == "chain_broken"]
    assert [finding.learner_id for finding in broken] == learners
    assert all(isinstance(finding, Finding) for finding in tally.findings)
    # It is over: the same file begins a new run.
    assert not (tmp_path / "state").exists()
