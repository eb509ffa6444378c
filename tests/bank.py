"""A bank without its HTTP doors: a database, secrets, rules, and a clock that the test turns.

For the tests of what lies below the routes. Everything is built as the composition roots build it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Executable, Row, text

from creditbank.access.domain import SCOPES, Actor
from creditbank.achievements.domain import Achievement
from creditbank.clock import learning_day
from creditbank.database.engine import Database
from creditbank.intake.actions import Desk, Outcome, Recorded, amend, revoke, submit
from creditbank.intake.domain import Submission
from creditbank.jobs.domain import Job
from creditbank.learners.actions import Opened, open_accounts
from creditbank.learners.domain import Application, Identity, NumberForm, Reference
from creditbank.learners.queries import load
from creditbank.ledger.domain import Lot, Posting
from creditbank.ledger.queries import chains_of, lots_of
from creditbank.providers.actions import NewProvider, enter
from creditbank.providers.domain import Provider
from creditbank.publishing.actions import approve, find_above, keep_validation, publish, read_draft, validate
from creditbank.publishing.simulating import Simulating
from creditbank.recognition.domain import Decision
from creditbank.recognition.queries import decisions_of
from creditbank.recognition.verify import Finding, verify_bank
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets import queries as stored
from creditbank.rulesets.domain import Simulation, StoredVersion
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings
from creditbank.web.metrics import Metrics
from creditbank.worker import build_worker
from tests.covering import covered

ZONE = ZoneInfo("Asia/Shanghai")
CLIENT = UUID("01900000-0000-7000-8000-00000000c11e")
EDITOR, APPROVER = f"client:{CLIENT}", "client:01900000-0000-7000-8000-0000000a5507"
BANKER = Actor(CLIENT, None, frozenset(SCOPES), "signed")
SECRETS = (b"s" * 32, b"l" * 32)
SCHOOL = "cq/school"


@dataclass
class HandClock:
    """A clock that moves only when it is told to, and a little each time it is read."""

    instant: datetime = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
    tick: timedelta = timedelta(milliseconds=1)

    def __call__(self) -> datetime:
        """Read the clock."""
        self.instant += self.tick
        return self.instant

    def turn(self, **by: float) -> None:
        """Turn it forward."""
        self.instant += timedelta(**by)


def settings_for(url: str, **others: Any) -> Settings:
    """Settings for this database, of nothing else around."""
    sealing, lookup = (SecretStr(base64.b64encode(secret).decode()) for secret in SECRETS)
    # What people upload stays beside the database of the test, or goes where everything passing goes.
    folder = Path(tempfile.gettempdir()) / "creditbank-tests" / hashlib.sha256(url.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "evidence_folder": folder,
        "erasure_roll": folder / "erasures.jsonl",
        "database_url": url,
        # No test waits for it, and none is met by it in the middle: it is written when somebody asks.
        "looks_seconds": 300,
        "sealing_secret": sealing,
        "lookup_secret": lookup,
        # A test's clock hardly moves, so that all its requests come at once. tests/api/test_rates.py counts them.
        **{f"rate_{name}_per_minute": 0 for name in ("client", "failed", "token", "resolve", "public")},
        "rate_reset_per_hour": 0,
        **others,
    }
    return Settings(_env_file=None, **given)


def document(
    *rules: Mapping[str, Any],
    id_: str = "town",
    version: int = 1,
    start: str = "2020-01-01",
    until: str | None = None,
    **blocks: Any,
) -> dict[str, Any]:
    """A rule set. Without rules it grants every course and every exam its own credits."""
    header: dict[str, Any] = {
        "lcb": "rules/v1",
        "id": id_,
        "version": version,
        "from": start,
        "unit": {"code": "CR", "step": "0.001"},
    }
    if until is not None:
        header["until"] = until
    return {"ruleset": header, "recognition": list(rules) or [granting("own", kind=["course", "exam"])], **blocks}


def granting(id_: str, credits_: Mapping[str, Any] | None = None, **match: Any) -> dict[str, Any]:
    """A rule that grants credits; by default those that the achievement itself names."""
    return {"id": id_, "match": match, "grant": [{"credits": dict(credits_ or {"native": 1})}]}


def content(external_id: str, **others: Any) -> dict[str, Any]:
    """What a provider states, in the form in which it is stored."""
    return {
        "external_id": external_id,
        "kind": "course",
        "completed": "2024-06-10",
        "credits": "3",
        "assurance": "provider",
        "provider": SCHOOL,
        **others,
    }


def submission(learner: UUID | Identity, external_id: str, **others: Any) -> Submission:
    """An achievement as it comes in. For an identity that nobody has an account may be opened."""
    stated = content(external_id, **others)
    if isinstance(learner, UUID):
        return Submission(CLIENT, stated["provider"], Reference(id=learner), stated, None)
    application = Application("Li Wei", None, None, (learner,), None)
    return Submission(CLIENT, stated["provider"], Reference(identity=learner), stated, application)


@dataclass
class Bank:
    """The parts of a bank, and short words for what tests do with them."""

    url: str
    database: Database
    clock: HandClock = field(default_factory=HandClock)
    vault: Vault = field(default_factory=lambda: Vault(*SECRETS))
    shelf: Shelf = field(default_factory=lambda: Shelf(ZONE))

    @property
    def desk(self) -> Desk:
        """What the write path needs."""
        return Desk(self.vault, self.shelf, self.clock, NumberForm("CQ", 9))

    def today(self) -> date:
        """The day of learning."""
        return learning_day(self.clock.instant, ZONE)

    async def enter(self, *codes: str) -> list[Provider]:
        """Enter providers, those above first."""
        async with self.database.write() as connection:
            return [
                await enter(connection, NewProvider(code, code, code, "college", None), self.clock()) for code in codes
            ]

    async def open(self, *names: str) -> list[UUID]:
        """Open accounts."""
        wanted = [Application(name, None, None, (), None) for name in names]
        async with self.database.write() as connection:
            outcomes = await open_accounts(connection, self.vault, NumberForm("CQ", 9), wanted, self.clock())
        return [outcome.learner.id for outcome in outcomes if isinstance(outcome, Opened)]

    async def draft(self, plain: Mapping[str, Any]) -> StoredVersion:
        """Store a document as a draft."""
        text = json.dumps(plain).encode()
        async with self.database.write() as connection:
            read = read_draft(text, "json", "en", await find_above(connection, text))
            rule_set = await rulesets.register(connection, read.code, None, self.clock())
            return await rulesets.add_draft(connection, rule_set, read, EDITOR, self.clock())

    async def publish(self, plain: Mapping[str, Any]) -> UUID | None:
        """Lead a document all the way; answers the job that will settle everybody.

        Rules and limits that it does not test are given tests.
        """
        text = json.dumps(plain).encode()
        async with self.database.read() as connection:
            above = await find_above(connection, text)
        approved = await self.approve(await self.draft(covered(plain, above)))
        async with self.database.write() as connection:
            return await publish(connection, approved, self.clock)

    async def validate(self, version: StoredVersion) -> StoredVersion:
        """Validate a draft."""
        async with self.database.write() as connection:
            above = await find_above(connection, version.document.encode())
            await keep_validation(connection, version, validate(version, above, "en"))
        return await self.version(version.rule_set.code, version.number)

    async def simulate(self, version: StoredVersion, sample: int | None = None) -> Simulation:
        """Simulate a validated version here, without a job for a worker; answers what came of it."""
        async with self.database.write() as connection:
            asked = await rulesets.add_simulation(connection, version, sample, self.today(), None, self.clock())
        simulating = Simulating(self.vault, self.shelf, self.clock)
        job = Job(asked.id, "simulate", {"simulation": str(asked.id)}, {}, 1)
        is_done = False
        while not is_done:
            async with self.database.write() as connection:
                step = await simulating(connection, job)
            job, is_done = replace(job, progress=step.progress), step.is_done
        async with self.database.read() as connection:
            found = await stored.find_simulation(connection, asked.id)
        assert found is not None
        return found[0]

    async def approve(self, version: StoredVersion) -> StoredVersion:
        """Lead a draft up to its approval, by somebody who did not edit it."""
        validated = await self.validate(version)
        await self.simulate(validated)
        simulated = await self.version(version.rule_set.code, version.number)
        async with self.database.write() as connection:
            await approve(connection, simulated, APPROVER, self.clock)
        return await self.version(version.rule_set.code, version.number)

    async def version(self, code: str, number: int) -> StoredVersion:
        """A stored version."""
        async with self.database.read() as connection:
            rule_set = await stored.rule_set_by_code(connection, code)
            assert rule_set is not None
            return await stored.find_version(connection, rule_set.id, number)

    async def submit(self, *submissions: Submission) -> list[Outcome]:
        """Take achievements in, in one transaction."""
        async with self.database.write() as connection:
            return await submit(connection, self.desk, submissions, self.today())

    async def record(self, learner: UUID, external_id: str, **others: Any) -> Achievement:
        """Take one achievement in, which must not be refused."""
        (outcome,) = await self.submit(submission(learner, external_id, **others))
        assert isinstance(outcome, Recorded), outcome
        return outcome.achievement

    async def amend(self, achievement: Achievement, **others: Any) -> Recorded:
        """State an achievement anew: what it said last, but for ``others``; None leaves a field out."""
        stated = {name: value for name, value in {**achievement.current.content, **others}.items() if value is not None}
        async with self.database.write() as connection:
            return await amend(
                connection, self.desk, achievement.id, stated, reason="a slip", actor=BANKER, today=self.today()
            )

    async def revoke(self, achievement: Achievement, effective: date | None = None) -> Recorded:
        """Revoke an achievement, from today if no day is given."""
        async with self.database.write() as connection:
            return await revoke(
                connection,
                self.desk,
                achievement.id,
                reason="fraud",
                effective=effective,
                actor=BANKER,
                today=self.today(),
            )

    async def work(self) -> int:
        """Work off all jobs that are due; answers how many there were."""
        worker = build_worker(settings_for(self.url), self.database, self.vault, self.shelf, self.clock, Metrics())
        done = 0
        while await worker.run_once():
            done += 1
        return done

    async def verify(self) -> list[Finding]:
        """What a proof of the whole bank finds, with a shelf of its own."""
        pages = [page async for page in verify_bank(self.database, self.vault, Shelf(ZONE), self.today())]
        return [finding for page in pages for finding in page.findings]

    async def lots(self, learner: UUID) -> list[Lot]:
        """The learner's lots."""
        async with self.database.read() as connection:
            return (await lots_of(connection, [learner]))[learner]

    async def postings(self, learner: UUID) -> list[Posting]:
        """The learner's postings in the order of the chain."""
        async with self.database.read() as connection:
            return (await chains_of(connection, [learner]))[learner]

    async def decisions(self, learner: UUID) -> list[Decision]:
        """Every decision ever made for the learner."""
        async with self.database.snapshot() as connection:
            key = (await load(connection, self.vault, [learner]))[learner].key
            return await decisions_of(connection, learner, key)

    async def sql(self, statement: str | Executable, **parameters: Any) -> Sequence[Row[Any]]:
        """Run a statement as the database's owner would, past all code; answers the rows if there are any."""
        async with self.database.write() as connection:
            done = await connection.execute(text(statement) if isinstance(statement, str) else statement, parameters)
            return done.all() if done.returns_rows else []

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        found: int = (await self.sql(f"select count(*) from {table}"))[0][0]
        return found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Bank]:
    """A bank on a migrated database, with one school and nothing else."""
    bank = Bank(url, Database(url))
    try:
        await bank.enter("cq", SCHOOL)
        yield bank
    finally:
        await bank.database.close()
