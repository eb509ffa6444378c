"""``creditbank verify`` on every core: everybody recomputed from the facts, and the chains alone."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Final

from sqlalchemy import select

from bench.bank import Bank
from bench.stage import Stage, out
from creditbank.database.engine import Database
from creditbank.database.statements import insert_rows, update_rows
from creditbank.identifiers import new_id
from creditbank.learners.tables import learners
from creditbank.ledger.domain import Account, Code, Posting, seal_posting
from creditbank.ledger.queries import chains_of
from creditbank.ledger.tables import postings

_COPY: Final = "bank_verify"
_LEARNERS_A_PAGE: Final = 100
_COLUMNS: Final = [column.name for column in postings.columns]


def measure_verify(stage: Stage) -> None:
    """Measure from the start of the command to its end: with the start of processes, reading and everything else.

    The bank that was seeded is recomputed from the facts. For the chains it is grown first: holds that were placed and
    voided again, which leave every position as it was.
    """
    bank = _copied(stage)
    cores = str(os.cpu_count() or 1)
    seconds, cpu = _timed(bank, "verify", "--processes", cores)
    facts = stage.achievements / seconds
    out.print(
        f"verify  {stage.achievements} achievements recomputed in {seconds:.1f} s ({cpu:.1f} s of CPU): {facts:,.0f}/s"
    )
    asyncio.run(_grow(bank.url, stage.plan.postings))
    stage.postgres.sql("vacuum analyze", _COPY)
    count = int(stage.postgres.sql("select count(*) from postings", _COPY))
    seconds, cpu = _timed(bank, "verify", "--chains-only", "--processes", cores)
    chains = count / seconds
    out.print(f"verify  {count} postings in chains in {seconds:.1f} s ({cpu:.1f} s of CPU): {chains:,.0f}/s")
    stage.figures["verify"] = {"achievements_rate": facts, "postings_rate": chains}


def _copied(stage: Stage) -> Bank:
    """A bank with the same secrets over a copy of the data."""
    stage.postgres.create_database(_COPY, template="bank")
    bank = Bank(stage.postgres.url(_COPY), stage.folder)
    bank.environment = {**stage.bank.environment, "CREDITBANK_DATABASE_URL": bank.url}
    return bank


def _timed(bank: Bank, *command: str) -> tuple[float, float]:
    """Seconds on the clock, and of processors' time in the command alone, which others on the machine change little."""
    begun, used = time.perf_counter(), os.times()
    bank.run(*command)
    seconds, done = time.perf_counter() - begun, os.times()
    return seconds, done.children_user + done.children_system - used.children_user - used.children_system


async def _grow(url: str, wanted: int) -> None:
    """Lengthen every chain alike until there are so many postings."""
    database = Database(url)
    async with database.read() as connection:
        ids = list((await connection.execute(select(learners.c.id).order_by(learners.c.id))).scalars())
    each = max(wanted // len(ids), 2)
    for start in range(0, len(ids), _LEARNERS_A_PAGE):
        async with database.write() as connection:
            chains = await chains_of(connection, ids[start : start + _LEARNERS_A_PAGE])
            more = {id_: _longer(chain, each - len(chain)) for id_, chain in chains.items() if chain}
            await insert_rows(
                connection,
                postings,
                [{name: getattr(p, name) for name in _COLUMNS} for grown in more.values() for p in grown],
            )
            ends = [{"id": id_, "seq": grown[-1].seq, "head": grown[-1].hash} for id_, grown in more.items() if grown]
            await update_rows(connection, learners, ends, ("id",))
    await database.close()


def _longer(chain: list[Posting], count: int) -> list[Posting]:
    """Further postings for a chain, an even number: a hold on one of its lots, and the end of that hold."""
    last, grown = chain[-1], list[Posting]()
    lots = cycle({posting.lot_id: posting for posting in chain}.values())
    for _ in range(count // 2):
        basis, transaction = next(lots), new_id()
        for source, target, code in (
            (Account.AVAILABLE, Account.RESERVED, Code.HOLD),
            (Account.RESERVED, Account.AVAILABLE, Code.VOID),
        ):
            last = seal_posting(
                replace(
                    basis,
                    id=new_id(),
                    seq=last.seq + 1,
                    source=source,
                    target=target,
                    code=code,
                    transaction_id=transaction,
                    recorded_at=last.recorded_at + timedelta(microseconds=1),
                    previous=last.hash,
                )
            )
            grown.append(last)
    return grown
