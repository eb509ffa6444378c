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


def measure_batch(stage: Stage) -> None:
    """Measure batches of 1,000, each followed by COPY of its rows into a copy of the bank."""
    stage.copy(_COPY)
    with stage.serve() as server:
        rounds = asyncio.run(_measure(stage, server))
    batches, copies, rows = zip(*rounds, strict=True)
    stage.figures["batch"] = {
        "rate": CHUNK / median(batches),
        "copy_rate": CHUNK / median(copies),
        "ratio": median(copy / batch for batch, copy, _ in rounds),
        "rows_each": median(rows) / CHUNK,
        "rounds": rounds,
    }


async def _measure(stage: Stage, server: Server) -> list[tuple[float, float, int]]:
    bank = await _connect(stage, "bank")
    copy = await _connect(stage, _COPY)
    wanted = max(6, round(stage.plan.seconds * stage.plan.rounds / 2))
    rounds = []
    for number in range(wanted + 1):
        items = _items(stage, number)
        body = json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode()
        answer, seconds = _post(stage, server, body, f"batch-{number}")
        results = answer["results"]
        if answer["counts"]["recorded"] != len(items):
            raise RuntimeError(json.dumps(next(r for r in results if r["status"] != 201))[:2000])
        rows = await _rows(bank, results[0]["achievement"]["id"])
        copied = await _copy_in(copy, rows)
        if number:
            # The first finds nothing in any cache and is not counted.
            rounds.append((seconds, copied, rows.count))
            out.print(
                f"batch  bank {CHUNK / seconds:8,.0f}/s"
                f"   COPY {CHUNK / copied:8,.0f}/s of {rows.count / CHUNK:.0f} rows   ratio {copied / seconds:.2f}"
            )
    await bank.close()
    await copy.close()
    return rounds


def _items(stage: Stage, number: int) -> list[dict[str, Any]]:
    """New achievements in courses that nobody else is posted about, so that no two lots compete."""
    plan = stage.plan
    kept = plan.rules - plan.courses
    made = []
    for n in range(number * CHUNK, (number + 1) * CHUNK):
        lap, learner = divmod(n, plan.learners)
        made.append(city.achievement(learner, plan.courses + lap % kept, f"batch-{n:09d}"))
    return made


def _post(stage: Stage, server: Server, body: bytes, key: str) -> tuple[dict[str, Any], float]:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    line.connect()
    headers = {
        "Authorization": f"Bearer {stage.bank.key}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    begun = time.perf_counter()
    line.request("POST", "/v1/achievements/batch", body, headers)
    answer = line.getresponse()
    raw = answer.read()
    seconds = time.perf_counter() - begun
    line.close()
    if answer.status != 200:
        raise RuntimeError(raw.decode()[:2000])
    return json.loads(raw), seconds


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
