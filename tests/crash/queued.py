"""Banks with work for a worker, and all that a worker writes, put so that two copies of a bank can be compared."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, and_, select

from creditbank.database.engine import Database
from creditbank.jobs.tables import jobs
from creditbank.ledger.tables import lots, postings
from creditbank.publishing.actions import ask_resettling, ask_simulation
from creditbank.recognition.domain import Cause
from creditbank.recognition.tables import decisions, evaluations
from creditbank.recognition.verify import Finding
from creditbank.rulesets.tables import rule_set_simulations
from tests.bank import SECRETS, Bank, document, granting, settings_for, submission
from tests.covering import covered

A_TRANSACTION: Final = 500


def environment(url: str) -> dict[str, str]:
    """What a command of such a bank finds in its environment."""
    sealing, lookup = (base64.b64encode(secret).decode() for secret in SECRETS)
    return {
        "CREDITBANK_DATABASE_URL": url,
        "CREDITBANK_EVIDENCE_FOLDER": str(settings_for(url).evidence_folder),
        "CREDITBANK_SEALING_SECRET": sealing,
        "CREDITBANK_LOOKUP_SECRET": lookup,
        "CREDITBANK_LOG_LEVEL": "warning",
    }


# --- Work to be done --------------------------------------------------------------------------------------------------


async def fill(bank: Bank, count: int) -> None:
    """Open so many accounts, with three achievements for every two, recognised under the rule set ``town``."""
    await bank.publish(document(granting("own", {"native": 1}, kind="course")))
    await bank.work()
    for first in range(0, count, A_TRANSACTION):
        numbers = range(first, min(first + A_TRANSACTION, count))
        ids = dict(zip(numbers, await bank.open(*(f"Learner {number}" for number in numbers)), strict=True))
        stated = [submission(id_, f"{number}", code=f"C{number % 97}") for number, id_ in ids.items()]
        stated += [submission(id_, f"{number}+", code="SHARED") for number, id_ in ids.items() if number % 2]
        await bank.submit(*stated)


async def ask_for_everybody(bank: Bank, count: int = 1) -> None:
    """Publish a correction under which every credit changes, and ask so often for everybody to be settled again."""
    await bank.publish(document(granting("own", {"native": 2}, kind="course"), version=2))
    async with bank.database.write() as connection:
        for _ in range(count - 1):
            await ask_resettling(connection, bank.clock, Cause.RULES)


async def ask_for_simulations(bank: Bank, count: int) -> None:
    """Ask for simulations of so many drafts, each with something of its own to count."""
    for number in range(count):
        rule = granting("more", {"fixed": str(1 + number)}, kind="course", code=f"C{number % 97}")
        version = await bank.validate(await bank.draft(covered(document(rule, id_=f"draft{number}"))))
        async with bank.database.write() as connection:
            await ask_simulation(connection, version, None, bank.today(), bank.clock)


# --- What came of it --------------------------------------------------------------------------------------------------

Rows = Mapping[tuple[Any, ...], int]
"""Rows, and how often each is there."""

_LOT_KEY: Final = (lots.c.rule_set_id, lots.c.binding, lots.c.unit, lots.c.number)
# Ids and instants are made anew in each run, and hashes are of them: two runs of the same work differ there.
_MADE: Final = {"id", "evaluation_id", "decision_id", "recorded_at", "trace"}


@dataclass(frozen=True, slots=True)
class Written:
    """All that jobs write, but for what is made anew in each run: the same work done once comes to equal values."""

    jobs: Rows
    reports: Rows
    evaluations: Rows
    decisions: Rows = field(repr=False)
    lots: Rows = field(repr=False)
    postings: Rows = field(repr=False)


async def written(url: str) -> Written:
    """What stands in a bank."""
    database = Database(url)
    async with database.snapshot() as connection:

        async def rows(*columns: Column[Any]) -> Rows:
            return Counter(tuple(row) for row in await connection.execute(select(*columns)))

        of_lots = [column for column in lots.c if column.name not in _MADE]
        of_decisions = [column for column in decisions.c if column.name not in _MADE]
        same_lot = and_(lots.c.learner_id == postings.c.learner_id, lots.c.id == postings.c.lot_id)
        same_decision = and_(decisions.c.learner_id == postings.c.learner_id, decisions.c.id == postings.c.decision_id)
        moved = (
            postings.c.learner_id,
            postings.c.seq,
            postings.c.source,
            postings.c.target,
            postings.c.amount_milli,
            postings.c.code,
            postings.c.effective,
        )
        found = await connection.execute(
            select(*moved, *_LOT_KEY, decisions.c.rule_set_version_id, decisions.c.mark)
            .join(lots, same_lot)
            .join(decisions, same_decision)
        )
        reports = await connection.execute(select(rule_set_simulations.c.id, rule_set_simulations.c.report))
        result = Written(
            await rows(jobs.c.id, jobs.c.kind, jobs.c.state),
            Counter((row.id, repr(row.report)) for row in reports),
            await rows(evaluations.c.learner_id, evaluations.c.cause, evaluations.c.as_of, evaluations.c.epoch),
            await rows(*of_decisions),
            await rows(*of_lots),
            Counter(tuple(row) for row in found),
        )
    await database.close()
    return result


async def findings(url: str) -> list[Finding]:
    """What a proof of the whole bank finds."""
    bank = Bank(url, Database(url))
    try:
        return await bank.verify()
    finally:
        await bank.database.close()
