"""The table of what is to be reached (the project's performance goals), with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.stage import out


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table. ``figure`` finds the measured value; ``bars`` are first bar, reach, moonshot."""

    path: str
    unit: str
    bars: tuple[float, float, float]
    figure: Callable[[Mapping[str, Any]], float | None]
    is_more_better: bool = True

    def reached(self, value: float) -> str:
        """The best bar that the value reaches."""
        names = ("first bar", "reach", "moonshot")
        met = [
            name
            for name, bar in zip(names, self.bars, strict=True)
            if (value >= bar if self.is_more_better else value <= bar)
        ]
        return met[-1] if met else "no"

    def show(self, value: float) -> str:
        """A value with its unit."""
        digits = 2 if self.unit.startswith("of ") or abs(value) < 10 else 0
        return f"{value:,.{digits}f} {self.unit}"


def _at(*path: str) -> Callable[[Mapping[str, Any]], float | None]:
    def find(figures: Mapping[str, Any]) -> float | None:
        value: Any = figures
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, int | float) else None

    return find


GOALS = (
    Goal("POST one achievement, 64 clients", "of pgbench", (0.4, 0.6, 1.0), _at("post", "ratio")),
    Goal("p99 of POST at half of the greatest throughput", "ms", (50, 30, 20), _at("post", "p99_half_ms"), False),
    Goal("batch of 1,000 through the whole path", "/s", (4000, 4000, 4000), _at("batch", "rate")),
    Goal("batch of 1,000 through the whole path", "of COPY", (0.2, 0.3, 0.6), _at("batch", "ratio")),
    Goal("balance of a learner with 50 lots", "of pgbench", (0.4, 0.6, 0.8), _at("reads", "balance", "ratio")),
    Goal("a page of 50 lots", "of pgbench", (0.4, 0.6, 0.8), _at("reads", "lots", "ratio")),
    Goal("transcript of a learner with 50 lots", "of pgbench", (0.4, 0.6, 0.8), _at("reads", "transcript", "ratio")),
    Goal("POST as the bank grows", "times slower", (1.5, 1.25, 1.1), _at("growth", "post", "slower"), False),
    Goal("balance as the bank grows", "times slower", (1.5, 1.25, 1.1), _at("growth", "balance", "slower"), False),
    Goal(
        "transcript as the bank grows", "times slower", (1.5, 1.25, 1.1), _at("growth", "transcript", "slower"), False
    ),
    Goal("everybody settled under a new rule set", "/s", (5000, 20_000, 50_000), _at("resettle", "rate")),
    Goal("everybody recomputed from the facts by verify", "/s", (5000, 5000, 5000), _at("verify", "achievements_rate")),
    Goal("chains verified alone", "postings/s", (50_000, 50_000, 50_000), _at("verify", "postings_rate")),
    Goal("memory of a server process with 20,000 rules", "MiB", (250, 200, 150), _at("memory", "mib"), False),
    Goal("start to first answer", "s", (3, 2, 1), _at("start", "answer_seconds"), False),
    Goal("start to first achievement settled", "s", (3, 2, 1), _at("start", "settled_seconds"), False),
    Goal("one achievement matched, 20,000 rules", "us", (10, 10, 10), _at("rules", "match_us"), False),
    Goal("20,000 rules checked", "ms", (3000, 3000, 3000), _at("rules", "check_ms"), False),
    Goal("20,000 rules compiled", "ms", (200, 200, 200), _at("rules", "compile_ms"), False),
    Goal("a learner of 40 evaluated with trace", "ms", (5, 5, 5), _at("rules", "learner_ms"), False),
    Goal("60 lots to 15 requirements, by flow", "ms", (25, 25, 25), _at("allocate", "flow_60_ms"), False),
    Goal("the same without caps", "ms", (25, 25, 1), _at("allocate", "flow_60_uncapped_ms"), False),
    Goal("150 lots to 25 requirements, by flow", "ms", (250, 250, 250), _at("allocate", "flow_150_ms"), False),
    Goal("60 lots to 15 requirements, by the solver", "ms", (500, 500, 500), _at("allocate", "solver_60_ms"), False),
)


def print_table(figures: Mapping[str, Any]) -> None:
    """Print the lines for which something was measured."""
    table = Table(title="measured in this run", title_justify="left")
    for heading in ("path", "first bar", "reach", "moonshot", "measured", "passed"):
        table.add_column(heading, justify="left" if heading in {"path", "passed"} else "right")
    for goal in GOALS:
        value = goal.figure(figures)
        if value is not None:
            bars = [f"{bar:,g}" for bar in goal.bars]
            table.add_row(goal.path, *bars, goal.show(value), goal.reached(value))
    out.print(table)
