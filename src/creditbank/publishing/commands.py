"""Rule sets from files, by an operator of the bank at the command line.

An operator acts for the bank and is written down by the account of the machine. A person approves, who proves who they
are with a password; or the operator, of what somebody else put into the version. Whoever may run these commands can
also write to the database: the records are honest about who says so, and no safer than the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import By
from creditbank.access.policy import Owned
from creditbank.clock import learning_day, system_clock
from creditbank.database.engine import Database
from creditbank.identifiers import new_id
from creditbank.jobs.domain import Job
from creditbank.publishing.actions import (
    SIMULATE,
    approve,
    check_validated,
    find_above,
    keep_validation,
    publish,
    read_draft,
    validate,
)
from creditbank.publishing.domain import CAUSES
from creditbank.publishing.simulating import Simulating
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets.domain import MUTABLE, EditorApproves, NotADraft, NotSimulated, StoredVersion
from creditbank.rulesets.queries import editors_of, find_simulation, find_version, rule_set_by_code, versions_of
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings

Report = Mapping[str, Any]
Form = Literal["yaml", "json"]


@dataclass(frozen=True, slots=True)
class Published:
    """A version just published, with the report it was published on and the job that settles everybody."""

    ref: str
    report: Report
    job: UUID | None


class Operating:
    """The steps of a rule set's life, done here and now by one operator. Each method opens and closes the database."""

    def __init__(self, settings: Settings, name: str, err: Console) -> None:
        self._settings = settings
        self._name = name
        self._err = err
        self._database = Database(
            settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler
        )

    async def simulate(self, text: bytes, form: Form, sample: int | None) -> Report:
        """Store the document as a draft, validate and simulate it. Raises every refusal of these steps."""
        try:
            return await self._simulate(await self._validate(await self._draft(text, form)), sample)
        finally:
            await self._database.close()

    async def publish(self, text: bytes, form: Form, approver: str) -> Published:
        """Lead the document all the way. Raises every refusal of the steps."""
        try:
            draft = await self._draft(text, form)
            async with self._database.read() as connection:
                # Said before the simulation, which may take long.
                if approver in await editors_of(connection, draft.id):
                    raise EditorApproves
            version = await self._validate(draft)
            report = await self._simulate(version, None)
            days = self._settings.simulation_days
            async with self._database.write() as connection:
                version = await self._held(connection, version)
                await approve(connection, version, approver, system_clock, days)
                await self._record(connection, version, "rule_set.approve", approved_by=approver)
            async with self._database.write() as connection:
                version = await self._held(connection, version)
                job = await publish(connection, version, system_clock, days)
                await self._record(connection, version, "rule_set.publish", approved_by=approver)
            return Published(version.ref, report, job)
        finally:
            await self._database.close()

    async def _draft(self, text: bytes, form: Form) -> StoredVersion:
        """The version that the text holds: new, replaced, or, when it says the same, as it is."""
        async with self._database.write() as connection:
            above = await find_above(connection, text)
            draft = read_draft(text, form, "en", above)
            now = system_clock()
            rule_set = await rulesets.register(connection, draft.code, None, now)
            found = [v for v in await versions_of(connection, [rule_set]) if v.number == draft.number]
            if not found:
                version = await rulesets.add_draft(connection, rule_set, draft, self._name, now)
                await self._record(connection, version, "rule_set.draft")
                return version
            if found[0].state not in MUTABLE:
                raise NotADraft(state=found[0].state)
            if found[0].sha256 != draft.sha256:
                await rulesets.replace_draft(connection, found[0], draft, self._name, now)
                version = await find_version(connection, rule_set.id, draft.number)
                await self._record(connection, version, "rule_set.redraft")
                return version
            return found[0]

    async def _validate(self, version: StoredVersion) -> StoredVersion:
        async with self._database.snapshot() as connection:
            above = await find_above(connection, version.document.encode())
        validation = validate(version, above, "en")
        async with self._database.write() as connection:
            held = await self._held(connection, version)
            check_validated(held, validation)
            await keep_validation(connection, held, validation)
            await self._record(connection, held, "rule_set.validate")
            return await find_version(connection, held.rule_set.id, held.number)

    async def _simulate(self, version: StoredVersion, sample: int | None) -> Report:
        """Simulate here, with a bar on a terminal: no worker has to be there."""
        now = system_clock()
        async with self._database.write() as connection:
            version = await self._held(connection, version)
            today = learning_day(now, self._settings.zone)
            asked = await rulesets.add_simulation(connection, version, sample, today, None, now)
            await self._record(connection, version, "rule_set.simulate")
        simulating = Simulating(Vault(*self._settings.secrets()), Shelf(self._settings.zone), system_clock)
        progress: Mapping[str, Any] = {}
        bar = Progress(
            TextColumn("simulating"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
        )
        with bar:
            task = bar.add_task("simulating", total=None)
            is_done = False
            while not is_done:
                job = Job(new_id(), SIMULATE, {"simulation": str(asked.id)}, progress, 1)
                async with self._database.write() as connection:
                    step = await simulating(connection, job)
                progress, is_done = step.progress, step.is_done
                bar.update(task, total=progress.get("all"), completed=progress.get("walked", 0))
        async with self._database.read() as connection:
            found = await find_simulation(connection, asked.id)
        if found is None or found[0].report is None:
            raise NotSimulated
        return found[0].report

    async def _held(self, connection: AsyncConnection, version: StoredVersion) -> StoredVersion:
        await rule_set_by_code(connection, version.rule_set.code, lock=True)
        return await find_version(connection, version.rule_set.id, version.number)

    async def _record(self, connection: AsyncConnection, version: StoredVersion, action: str, **details: str) -> None:
        said = {"sha256": version.sha256, "by": self._name, **details}
        await record(
            connection,
            By("command_line", self._name),
            action,
            f"rule_set_version:{version.id}",
            said,
            system_clock(),
            Owned(version.rule_set.owner),
        )


def show_report(out: Console, report: Report) -> None:
    """Print what a simulation found: counts and amounts, and the ids behind the largest changes."""
    learners, reviews = report["learners"], report["reviews"]
    out.print(
        f"{learners['seen']} learners seen, {learners['evaluated']} evaluated:"
        f" {learners['gaining']} gain, {learners['losing']} lose;"
        f" {reviews['new']} new reviews, {reviews['gone']} gone; {report['shrinking']} shrinking",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("unit", "before", "after", "gained", "lost", "capped before", "capped after"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    for unit in report["units"]:
        table.add_row(
            *(unit[name] for name in ("unit", "before", "after", "gained", "lost")),
            unit["capped_before"],
            unit["capped_after"],
        )
    out.print(table)
    for cause in CAUSES:
        for unit, amount in report["losses"][cause].items():
            out.print(f"lost by {cause}: {amount} {unit}", highlight=False)
    for case in report["largest"]:
        before, after = _amounts(case["before"]), _amounts(case["after"])
        out.print(f"learner {case['learner']}: {before} -> {after}", highlight=False)


def _amounts(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {unit}" for unit, amount in amounts.items()) or "nothing"
