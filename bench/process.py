"""What one server process needs: time until it answers, and memory once it is at work."""

from __future__ import annotations

import time
from statistics import median

from bench import city
from bench.load import Order, drive
from bench.post import CLIENTS
from bench.stage import Stage, ask, out


def measure_memory(stage: Stage) -> None:
    """Measure resident memory after some seconds of posts under all rules."""
    plan = stage.plan
    with stage.bank.serve() as server:
        idle = server.resident_mib()
        drive(
            Order(
                server.port,
                CLIENTS,
                plan.seconds,
                stage.bank.key,
                series="mem0",
                learners=plan.learners,
                courses=plan.courses,
            )
        ).check()
        loaded = server.resident_mib()
    out.print(f"memory  {idle:.0f} MiB before the rules are read, {loaded:.0f} MiB at work under {plan.rules} rules")
    stage.figures["memory"] = {"idle_mib": idle, "mib": loaded}


def measure_start(stage: Stage) -> None:
    """Measure how long a fresh process takes until it is ready, answers somebody, and has settled an achievement."""
    plan = stage.plan
    path = f"/v1/learners/{stage.learner_id(3)}/balance"
    read = f"GET {path} HTTP/1.1\r\nHost: bank\r\nAuthorization: Bearer {stage.bank.key}\r\n\r\n".encode()
    seen: list[tuple[float, float, float]] = []
    for number in range(max(3, plan.rounds)):
        post = city.Posting(stage.bank.key, f"st{number:02d}", plan.learners, plan.courses)
        with stage.bank.serve() as server:
            ask(server.port, read)
            answered = time.perf_counter() - server.begun
            ask(server.port, post(0.3, number / 10))
            seen.append((server.ready_seconds, answered, time.perf_counter() - server.begun))
    ready, answered, settled = (median(column) for column in zip(*seen, strict=True))
    out.print(f"start  ready {ready:.2f} s, first answer {answered:.2f} s, first achievement settled {settled:.2f} s")
    stage.figures["start"] = {"ready_seconds": ready, "answer_seconds": answered, "settled_seconds": settled}
