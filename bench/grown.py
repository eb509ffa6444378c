"""The same requests to a bank as it begins and to one that has grown, in turn.

Run as ``python -m bench.grown`` it is one of the processes that let a bank grow: it takes achievements in by the bank's
own write path, a thousand in a transaction, whose rows PostgreSQL gets by COPY.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final
from uuid import UUID

from bench import city
from bench.bank import CHUNK, Server, chunks
from bench.load import Order, drive
from bench.post import CLIENTS
from bench.stage import Stage, out
from creditbank.access.domain import SCOPES, Actor
from creditbank.clock import learning_day, system_clock
from creditbank.database.engine import Database
from creditbank.intake.actions import Desk, Recorded, submit
from creditbank.intake.schemas import AchievementIn
from creditbank.learners.domain import NumberForm
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings

_GROWN: Final = "bank_grown"
_READ: Final = 1024
"""So many learners, drawn from the whole bank, are read in turn."""


@dataclass(frozen=True, slots=True)
class _Share:
    """The learners that one process adds, by their numbers in the city; ``step`` is how many processes there are."""

    client: str
    first: int
    last: int
    step: int
    courses: int


def measure_growth(stage: Stage) -> None:
    """Measure POST, and GET of balances and transcripts all over the bank, before and after it grew."""
    plan = stage.plan
    small, grown = stage.bank, stage.bank.on(stage.postgres.create_database(_GROWN, template="bank"))
    before = int(stage.postgres.sql("select count(*) from achievements", "bank"))
    learners = _grow(stage, _GROWN, before)
    after = int(stage.postgres.sql("select count(*) from achievements", _GROWN))
    out.print(f"creditbank verify: {grown.verify()}")
    for name in ("bank", _GROWN):
        stage.postgres.sql("vacuum analyze", name)
    stage.postgres.sql("checkpoint")
    with small.serve(plan.processes) as one, grown.serve(plan.processes) as other:
        sides = ((one, "bank", plan.learners), (other, _GROWN, learners))
        figures = {
            what: _compare(stage, [_orders(stage, *side, what) for side in sides], what)
            for what in ("post", "balance", "transcript")
        }
    out.print(f"creditbank verify: {grown.verify()}")
    stage.figures["growth"] = {"before": before, "after": after, **figures}


def _orders(stage: Stage, server: Server, database: str, learners: int, what: str) -> Order:
    key = stage.bank.key
    if what == "post":
        courses = stage.plan.courses
        return Order(server.port, CLIENTS, stage.plan.seconds, key, learners=learners, courses=courses)
    drawn = f"select id from learners order by random() limit {_READ}"  # noqa: S608 (a number of our own)
    ids = stage.postgres.sql(drawn, database).split()
    gets = [f"/v1/learners/{id_}/{what}" for id_ in ids]
    return Order(server.port, CLIENTS, stage.plan.seconds, key, gets=gets)


def _compare(stage: Stage, orders: list[Order], what: str) -> dict[str, Any]:
    """How many times slower the second is, by rounds of both in turn."""
    for order in orders:
        drive(_round(order, "gw", 2)).check()
    rounds = []
    for number in range(stage.plan.rounds):
        small, grown = (drive(_round(order, f"g{number:02d}", order.seconds)).check() for order in orders)
        rounds.append((small.rate, grown.rate))
        out.print(
            f"growth  {what:<10} {small.rate:8,.0f}/s, grown {grown.rate:8,.0f}/s"
            f"   {small.rate / grown.rate:.2f} times slower"
        )
    return {"slower": median(small / grown for small, grown in rounds), "rounds": rounds}


def _round(order: Order, series: str, seconds: float) -> Order:
    return Order(**{**asdict(order), "series": series, "seconds": seconds})


# --- Growing ----------------------------------------------------------------------------------------------------------


def _grow(stage: Stage, database: str, before: int) -> int:
    """Add learners until the bank holds ``plan.grown`` achievements; answers how many learners there are."""
    plan = stage.plan
    first = plan.learners + city.READERS
    last, held = first, before
    while held < plan.grown:
        held += city.holding(last)
        last += 1
    client = stage.postgres.sql("select id from api_clients limit 1", database)
    environment = {**stage.bank.environment, "CREDITBANK_DATABASE_URL": stage.postgres.url(database)}
    begun = time.perf_counter()
    step = plan.processes
    workers = []
    for n in range(step):
        share = _Share(client, first + n, last, step, plan.courses)
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.grown"], stdin=subprocess.PIPE, env=environment, text=True
        )
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(asdict(share)))
        worker.stdin.close()
        workers.append(worker)
    if any([worker.wait() for worker in workers]):
        raise RuntimeError("the bank could not grow")
    seconds = time.perf_counter() - begun
    out.print(f"grown by {held - before:,} achievements in {seconds:,.0f} s: {(held - before) / seconds:,.0f}/s")
    return last


def _statements(share: _Share) -> Iterator[dict[str, Any]]:
    for number in range(share.first, share.last, share.step):
        for k in range(city.holding(number)):
            course = (number * 37 + k * 401) % share.courses
            yield city.achievement(number, course, f"seed-{number:08d}-{k:04d}", opening=k == 0)


async def _add(share: _Share) -> None:
    settings = Settings()
    database = Database(settings.database_url, pool_size=1)
    form = NumberForm(settings.account_prefix, settings.account_digits)
    desk = Desk(Vault(*settings.secrets()), Shelf(settings.zone), system_clock, form)
    actor = Actor(UUID(share.client), None, frozenset(SCOPES), "verified")
    today = learning_day(system_clock(), settings.zone)
    for part in chunks(_statements(share), CHUNK):
        submissions = [AchievementIn.model_validate_json(json.dumps(one)).to_domain(actor) for one in part]
        async with database.write() as connection:
            outcomes = await submit(connection, desk, submissions, today)
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Recorded)]
        if refused:
            raise RuntimeError(repr(refused[0]))
    await database.close()


def main() -> None:
    """Read a share, add it."""
    asyncio.run(_add(_Share(**json.load(sys.stdin))))


if __name__ == "__main__":
    main()
