"""Batches through the whole path, against COPY of the rows that the path wrote."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import asyncpg

from bench import city
from bench.bank import CHUNK, Server
from bench.stage import Stage, out

_COPY: Final = "bank_batch"
_WARM_ROUNDS: Final = 3

_TABLES: Final = (
    "achievement_keys",
    "achievements",
    "achievement_versions",
    "evaluations",
    "decisions",
    "lots",
    "postings",
    "idempotency_records",
)
"""In the order in which rows may refer to each other. What a batch changes of learners is left out: COPY cannot."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """What one batch wrote, as COPY takes it."""

    count: int
    by_table: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _Round:
    """One batch of every poster at once, and COPY of all their rows at once. Seconds are of the wall."""

    achievements: int
    rows: int
    batch_seconds: float
    copy_seconds: float


def measure_batch(stage: Stage) -> None:
    """Measure batches of 1,000 from as many posters as there are server processes, each followed by COPY of its rows.

    COPY goes into a copy of the bank, over as many connections.
    """
    stage.copy(_COPY)
    with stage.serve() as server:
        rounds = asyncio.run(_measure(stage, server))
    stage.figures["batch"] = {
        "rate": median(one.achievements / one.batch_seconds for one in rounds),
        "copy_rate": median(one.achievements / one.copy_seconds for one in rounds),
        "ratio": median(one.copy_seconds / one.batch_seconds for one in rounds),
        "rows_each": median(one.rows / one.achievements for one in rounds),
        "rounds": [(one.batch_seconds, one.copy_seconds, one.rows) for one in rounds],
    }


async def _measure(stage: Stage, server: Server) -> list[_Round]:
    posters = stage.plan.processes
    bank = await _connect(stage, "bank")
    copies = [await _connect(stage, _COPY) for _ in range(posters)]
    wanted = max(6, round(stage.plan.seconds * stage.plan.rounds / 2))
    rounds = []
    for number in range(wanted + _WARM_ROUNDS):
        bodies = [
            json.dumps(_items(stage, poster, number), ensure_ascii=False, separators=(",", ":")).encode()
            for poster in range(posters)
        ]
        begun = time.perf_counter()
        answers = await asyncio.gather(
            *[
                asyncio.to_thread(_post, stage, server, body, f"batch-{poster}-{number}")
                for poster, body in enumerate(bodies)
            ]
        )
        batch_seconds = time.perf_counter() - begun
        rows = [await _rows(bank, _first_recorded(answer)) for answer in answers]
        begun = time.perf_counter()
        await asyncio.gather(*[_copy_in(copy, mine) for copy, mine in zip(copies, rows, strict=True)])
        one = _Round(CHUNK * posters, sum(mine.count for mine in rows), batch_seconds, time.perf_counter() - begun)
        if number >= _WARM_ROUNDS:
            # The first of each process finds nothing in any cache and is not counted.
            rounds.append(one)
            out.print(
                f"batch  bank {one.achievements / one.batch_seconds:8,.0f}/s"
                f"   COPY {one.achievements / one.copy_seconds:8,.0f}/s of {one.rows / one.achievements:.0f} rows"
                f"   ratio {one.copy_seconds / one.batch_seconds:.2f}"
            )
    for connection in (bank, *copies):
        await connection.close()
    return rounds


def _first_recorded(raw: bytes) -> str:
    """The id of the first achievement of a batch, all of which must be new."""
    results = json.loads(raw)["results"]
    refused = next((one for one in results if one["status"] != 201), None)
    if refused is not None:
        raise RuntimeError(json.dumps(refused)[:2000])
    id_: str = results[0]["achievement"]["id"]
    return id_


def _items(stage: Stage, poster: int, number: int) -> list[dict[str, Any]]:
    """New achievements in courses that nobody else is posted about, so that no two lots compete.

    Each poster has learners of its own, as institutions mostly do: none waits for another's row.
    """
    plan = stage.plan
    kept, posters = plan.rules - plan.courses, plan.processes
    made = []
    for n in range(number * CHUNK, (number + 1) * CHUNK):
        lap, learner = divmod(n, plan.learners // posters)
        item = f"batch-{poster}-{n:09d}"
        made.append(city.achievement(learner * posters + poster, plan.courses + lap % kept, item))
    return made


def _post(stage: Stage, server: Server, body: bytes, key: str) -> bytes:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    line.connect()
    headers = {
        "Authorization": f"Bearer {stage.bank.key}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    line.request("POST", "/v1/achievements/batch", body, headers)
    answer = line.getresponse()
    raw = answer.read()
    line.close()
    if answer.status != 200:
        raise RuntimeError(raw.decode()[:2000])
    return raw


async def _connect(stage: Stage, database: str) -> Any:
    return await asyncpg.connect(stage.postgres.url(database).replace("+asyncpg", ""))


async def _rows(bank: Any, achievement_id: str) -> _Rows:
    """The rows that the transaction which stored this achievement wrote."""
    by_table: dict[str, bytes] = {}
    count = 0
    transaction = await bank.fetchval(
        "select xmin::text from achievement_keys where achievement_id = $1::text::uuid", achievement_id
    )
    for table in _TABLES:
        sink = io.BytesIO()
        wanted = f"select * from {table} where xmin = '{transaction}'::xid"  # noqa: S608 (our own names)
        done = await bank.copy_from_query(wanted, output=sink, format="binary")
        count += int(done.split()[-1])
        by_table[table] = sink.getvalue()
    return _Rows(count, by_table)


async def _copy_in(copy: Any, rows: _Rows) -> float:
    begun = time.perf_counter()
    async with copy.transaction():
        for table, content in rows.by_table.items():
            await copy.copy_to_table(table, source=io.BytesIO(content), format="binary")
    return time.perf_counter() - begun
