"""The rules engine in this process, without a database: the goals of rules/v1 sections 15 and 16."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from statistics import median
from typing import Any

from bench import city
from bench.stage import Plan, out
from creditbank.cli.running import calm_collector
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.compile import compile_version
from creditbank.rules.document import read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.fact import Assurance, Fact

_HELD = 40


def seconds_of(work: Callable[[], object], times: int) -> float:
    """The median of several runs, each begun with nothing to collect."""
    seen = []
    for _ in range(times):
        gc.collect()
        begun = time.perf_counter()
        work()
        seen.append(time.perf_counter() - begun)
    return median(seen)


def _fact(number: int, course: int) -> Fact:
    stated: dict[str, Any] = city.achievement(number, course, "x")
    return Fact(
        key=f"{number:08d}-{course:05d}",
        kind=stated["kind"],
        provider=stated["provider"],
        completed=date.fromisoformat(stated["completed"]),
        code=stated["code"],
        category=stated["category"],
        credits=Fraction(stated["credits"]),
        grade=next(iter(stated["grade"].items())),
        assurance=Assurance.PROVIDER,
    )


def measure_engine(plan: Plan, figures: dict[str, Any]) -> None:
    """Measure reading, checking, compiling, matching, and a learner of 40 achievements with the whole trace.

    The garbage collector looks as seldom as it does in a server process.
    """
    calm_collector()
    text = json.dumps(city.document(plan.rules)).encode()
    read = seconds_of(lambda: read_documents(text, format="json"), 3)
    documents = read_documents(text, format="json")
    checked = seconds_of(lambda: examine_documents(documents), 3)
    model = documents[0].layered
    compiled = seconds_of(lambda: compile_version(model, sha256=""), max(3, plan.rounds))
    version = compile_version(model, sha256="")
    facts = [_fact(number, number * 401 % plan.rules) for number in range(20_000)]

    def match() -> None:
        first_match = version.first_match
        for fact in facts:
            first_match(fact)

    assert all(version.first_match(fact) is not None for fact in facts)
    matched = seconds_of(match, max(5, plan.rounds)) / len(facts)
    learner = facts[:_HELD]
    day = date(2026, 1, 1)
    evaluated = seconds_of(lambda: [evaluate(learner, [version], day) for _ in range(50)], max(5, plan.rounds)) / 50
    scanned = seconds_of(lambda: [version.scan(fact) for fact in facts[-20:]], 3) / 20
    figures["rules"] = {
        "read_ms": read * 1e3,
        "check_ms": checked * 1e3,
        "compile_ms": compiled * 1e3,
        "match_us": matched * 1e6,
        "scan_us": scanned * 1e6,
        "learner_ms": evaluated * 1e3,
    }
    out.print(
        f"rules  {plan.rules} read in {read * 1e3:,.0f} ms, checked in {checked * 1e3:,.0f} ms,"
        f" compiled in {compiled * 1e3:,.0f} ms;"
        f" an achievement matched in {matched * 1e6:.1f} us (a scan: {scanned * 1e6:,.0f} us);"
        f" a learner of {_HELD} with trace in {evaluated * 1e3:.2f} ms"
    )
