"""Reads of a learner with 50 lots, against pgbench reading the same rows with the same statements."""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from bench import city
from bench.bank import Server
from bench.load import Order, drive
from bench.stage import Stage, ask, out
from bench.statements import Capture, Captured, Script, alike, run_pgbench, to_read_script

CLIENTS: Final = city.READERS
_COPY: Final = "bank_read"

# What is read, and a table that its statements and nobody else's name while it is captured.
PATHS: Final = {"balance": "lots", "lots": "lots", "transcript": "lots"}


def measure_reads(stage: Stage) -> None:
    """Measure each read; connection i and pgbench's client i read the i-th reader."""
    database = stage.copy(_COPY)
    figures: dict[str, Any] = {}
    with stage.serve() as server:
        ids = [stage.learner_id(stage.plan.learners + n) for n in range(city.READERS)]
        for name, table in PATHS.items():
            order = Order(
                server.port,
                CLIENTS,
                stage.plan.seconds,
                stage.bank.key,
                gets=[f"/v1/learners/{id_}/{name}" for id_ in ids],
            )
            # First, while the server has kept nothing: pgbench is to read all that a transcript is composed of.
            script = _captured_script(stage, server, ids, name, table)
            drive(Order(server.port, CLIENTS, 1, stage.bank.key, gets=order.gets)).check()
            rounds = []
            for _ in range(stage.plan.rounds):
                ours = drive(order).check()
                theirs = run_pgbench(
                    stage.postgres, database, script, stage.folder, clients=CLIENTS, seconds=stage.plan.seconds
                )
                rounds.append((ours.rate, theirs.rate))
                out.print(
                    f"GET {name}  bank {ours.rate:8,.0f}/s (p50 {ours.p50_ms:.0f} ms, {ours.bytes_each:,.0f} bytes)"
                    f"   pgbench {theirs.rate:8,.0f}/s ({script.statements} statements)"
                    f"   ratio {ours.rate / theirs.rate:.2f}"
                )
            figures[name] = {
                "rate": median(ours for ours, _ in rounds),
                "pgbench": median(theirs for _, theirs in rounds),
                "ratio": median(ours / theirs for ours, theirs in rounds),
                "statements": script.statements,
                "rounds": rounds,
            }
    stage.figures["reads"] = figures


def _captured_script(stage: Stage, server: Server, ids: list[str], name: str, table: str) -> Script:
    def capture(log: Capture, number: int) -> Captured:
        head = f"GET /v1/learners/{ids[number]}/{name} HTTP/1.1\r\nHost: bank\r\n"
        request = f"{head}Authorization: Bearer {stage.bank.key}\r\n\r\n".encode()

        def read() -> None:
            ask(server.port, request)

        # A read has no number of its own in the chain; that of the reader keeps two captures apart.
        return Captured(log.lone(read, table, ids[number]), ids[number], number, 0, "")

    with Capture(stage.postgres) as log:
        first, second = alike([capture(log, number) for number in range(6)])
    return to_read_script(first, second, readers_from=stage.plan.learners)
