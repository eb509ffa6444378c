"""``python -m bench``: measure the bank in one run, beside what PostgreSQL itself does with the same rows."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.allocate import measure_allocation
from bench.bank import work_folder
from bench.batch import measure_batch
from bench.engine import measure_engine
from bench.grown import measure_growth
from bench.post import measure_post
from bench.process import measure_memory, measure_start
from bench.reads import measure_reads
from bench.report import print_table
from bench.resettle import measure_resettling
from bench.stage import SETTINGS, Plan, Stage, set_up
from bench.statements import LOGGING
from bench.verify import measure_verify
from tests.postgres import EmbeddedPostgres

ON_STAGE: Final[Mapping[str, Callable[[Stage], None]]] = {
    "post": measure_post,
    "batch": measure_batch,
    "reads": measure_reads,
    "growth": measure_growth,
    "memory": measure_memory,
    "start": measure_start,
    "verify": measure_verify,
    "resettle": measure_resettling,
}
ALONE: Final[Mapping[str, Callable[[Plan, dict[str, Any]], None]]] = {
    "rules": measure_engine,
    "allocate": measure_allocation,
}


def _plan() -> tuple[Plan, Path | None]:
    names = [*ON_STAGE, *ALONE]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--seconds", type=float, default=6, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn")
    parser.add_argument("--scale", type=int, default=20_000, help="achievements in the bank before it begins")
    parser.add_argument("--rules", type=int, default=20_000, help="rules published")
    parser.add_argument("--postings", type=int, default=200_000, help="postings to verify; 1000000 takes a minute more")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="server processes")
    parser.add_argument("--grown", type=int, default=200_000, help="achievements in the bank that has grown")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    only = frozenset(given.only.split(","))
    if unknown := only - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    sizes = (given.scale, given.rules, given.postings, given.processes, given.grown)
    return Plan(only, given.seconds, given.rounds, *sizes), given.json


def main() -> None:
    """Measure what was asked for, print it as it comes, and the table at the end."""
    plan, file = _plan()
    figures: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "plan": {name: value for name, value in asdict(plan).items() if name != "only"},
    }
    for name, measure in ALONE.items():
        if name in plan.only:
            measure(plan, figures)
    if plan.only & set(ON_STAGE):
        with EmbeddedPostgres(durable=True, settings={**SETTINGS, **LOGGING}) as postgres, work_folder() as folder:
            stage = set_up(plan, postgres, folder)
            stage.figures = figures
            for name, act in ON_STAGE.items():
                if name in plan.only:
                    act(stage)
    print_table(figures)
    if file is not None:
        file.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
