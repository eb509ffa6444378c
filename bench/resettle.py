"""Everybody settled again under a new version of the rules, by the worker inside the server."""

from __future__ import annotations

import time
from typing import Final

from bench import city
from bench.bank import publish
from bench.stage import Stage, out

_POLL_SECONDS: Final = 0.2
_WAIT_SECONDS_MAX: Final = 900


def measure_resettling(stage: Stage) -> None:
    """Publish corrections of the rules: one that changes every credit, then one that changes no credit.

    Timed from the publication's commit to the end of its job, by the database's own record: with the wait for the
    worker, the reading and the compiling of the new version, and every evaluation, decision and posting.
    """
    with stage.serve() as server, server.client() as client:
        found = []
        for version, more in ((2, 1), (3, 1)):
            achievements = int(stage.postgres.sql("select count(*) from achievements", "bank"))
            postings = _postings(stage)
            publish(client, stage.bank.approver_key, city.with_tests(stage.plan.rules, version, more=more))
            seconds = _wait(stage)
            changed = _postings(stage) - postings
            found.append((achievements / seconds, changed))
            out.print(
                f"resettle  {achievements} achievements in {seconds:.1f} s: {achievements / seconds:,.0f}/s"
                f" ({changed} postings)"
            )
    stage.figures["resettle"] = {"rate": found[0][0], "rate_unchanged": found[1][0], "postings": found[0][1]}
    out.print(f"creditbank verify: {stage.bank.verify()}")


def _postings(stage: Stage) -> int:
    return int(stage.postgres.sql("select count(*) from postings", "bank"))


def _wait(stage: Stage) -> float:
    """Wait for the newest job to end; answers how long it took."""
    wanted = (
        "select state, extract(epoch from ended_at - created_at) from jobs where kind = 'resettle'"
        " order by created_at desc limit 1"
    )
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        state, _, seconds = stage.postgres.sql(wanted, "bank").partition("|")
        if state == "done":
            return float(seconds)
        if state == "failed":
            raise RuntimeError(stage.postgres.sql("select error from jobs where state = 'failed'", "bank"))
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"nobody finished settling within {_WAIT_SECONDS_MAX} s")
