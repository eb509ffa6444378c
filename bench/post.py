"""One achievement a request: the bank against pgbench, which runs the statements that a lone POST runs."""

from __future__ import annotations

from statistics import median
from typing import Final

from bench import city
from bench.bank import Server
from bench.load import Order, Seen, drive
from bench.stage import Stage, ask, out
from bench.statements import Capture, Captured, Script, alike, run_pgbench, to_script

CLIENTS: Final = 64
_COPY: Final = "bank_post"
_TABLES: Final = ("achievements", "achievement_versions", "postings", "idempotency_records")


def measure_post(stage: Stage) -> None:
    """Measure throughput, then latency at half of it."""
    plan = stage.plan
    database = stage.copy(_COPY)
    with stage.serve() as server:
        order = Order(
            server.port,
            CLIENTS,
            plan.seconds,
            stage.bank.key,
            series="warm",
            learners=plan.learners,
            courses=plan.courses,
        )
        drive(_series(order, "warm", seconds=2)).check()
        ceiling = drive(_reading(order, "/livez", 2)).check()
        out.print(f"the load process alone, reading /livez: {ceiling.rate:,.0f}/s at {ceiling.busy:.0%} of one core")
        script = _captured_script(stage, server)
        out.print(f"a lone POST: {script.statements} statements")
        ours: list[Seen] = []
        theirs = []
        for number in range(plan.rounds):
            ours.append(drive(_series(order, f"p{number:03d}")).check())
            before = _counts(stage)
            run = run_pgbench(
                stage.postgres,
                database,
                script,
                stage.folder,
                clients=CLIENTS,
                seconds=plan.seconds,
                base=number * 10**10,
            )
            _check_rows(before, _counts(stage), run.transactions)
            theirs.append(run.rate)
            out.print(
                f"POST  bank {ours[-1].rate:8,.0f}/s (p50 {ours[-1].p50_ms:.0f} ms, p99 {ours[-1].p99_ms:.0f} ms)   "
                f"pgbench {run.rate:8,.0f}/s ({run.latency_ms:.0f} ms)   ratio {ours[-1].rate / run.rate:.2f}"
            )
        rate = median(one.rate for one in ours)
        half = [drive(_series(order, f"h{n:03d}", rate=rate / 2)).check() for n in range(plan.rounds)]
        for one in half:
            out.print(f"POST at {rate / 2:,.0f}/s: p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms")
        stage.figures["post"] = {
            "rate": rate,
            "pgbench": median(theirs),
            "ratio": median(one.rate / their for one, their in zip(ours, theirs, strict=True)),
            "rounds": [(one.rate, their) for one, their in zip(ours, theirs, strict=True)],
            "p50_full_ms": median(one.p50_ms for one in ours),
            "p99_full_ms": median(one.p99_ms for one in ours),
            "half_rate": rate / 2,
            "p50_half_ms": median(one.p50_ms for one in half),
            "p99_half_ms": median(one.p99_ms for one in half),
            "statements": script.statements,
            "ceiling": ceiling.rate,
            "load_busy": median(one.busy for one in ours),
        }


def _series(order: Order, series: str, *, seconds: float | None = None, rate: float | None = None) -> Order:
    return Order(
        order.port,
        order.connections,
        seconds or order.seconds,
        order.key,
        series=series,
        learners=order.learners,
        courses=order.courses,
        rate=rate,
    )


def _reading(order: Order, path: str, seconds: float) -> Order:
    return Order(order.port, order.connections, seconds, order.key, gets=[path])


def _captured_script(stage: Stage, server: Server) -> Script:
    """The script of lone posts about different learners and of courses that are alike."""
    plan = stage.plan
    post = city.Posting(stage.bank.key, "lone", plan.learners, plan.courses)

    def capture(log: Capture, number: int, course: int) -> Captured:
        # In the middle of its share, so that no rounding leads to its neighbour.
        request = post((number + 0.5) / plan.learners, (course + 0.5) / plan.courses)
        return stage.capture(log, lambda: _ignore(ask(server.port, request)), "achievement_versions", number, course)

    with Capture(stage.postgres) as log:
        first, second = alike([capture(log, 11 + 12 * n, (7 + 2 * n) * city.ALIKE) for n in range(6)])
    return to_script(first, second, learners=plan.learners, clients=CLIENTS, courses=plan.courses)


def _ignore(_: bytes) -> None:
    return None


def _counts(stage: Stage) -> list[int]:
    counted = ", ".join(f"(select count(*) from {table})" for table in _TABLES)  # noqa: S608 (our own names)
    return [int(text) for text in stage.postgres.sql(f"select {counted}", _COPY).split("|")]


def _check_rows(before: list[int], after: list[int], transactions: int) -> None:
    """Each transaction must have written its rows, or pgbench would have had less to do than the bank."""
    for table, one, two in zip(_TABLES, before, after, strict=True):
        if two - one != transactions:
            raise RuntimeError(f"pgbench ran {transactions} transactions and wrote {two - one} rows of {table}")
