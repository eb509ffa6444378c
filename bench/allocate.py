"""Which credits fill which requirement, in this process, without a database: the goals of rules/v1 section 19."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from bench.engine import seconds_of
from bench.stage import Plan, out
from creditbank.rules.allocate.allocation import allocate
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.document import read_documents
from creditbank.rules.language.programmes import Programme

_DAY = date(2024, 1, 1)
_PROVIDERS = 6


def _programme(requirements: int, *, caps: bool, counts: bool) -> Programme:
    """Requirements that overlap: each takes two neighbouring categories. Caps by provider and on one kind of lot."""
    asked: list[Mapping[str, Any]] = [
        {"id": f"r{n}", "need": {"credits": 9}, "category": [f"c{n}", f"c{(n + 1) % requirements}"]}
        for n in range(requirements - 1)
    ]
    last = {"count": 3} if counts else {"credits": 9}
    asked.append({"id": "last", "need": last, "category": [f"c{requirements - 1}", "c0"]})
    plain: dict[str, Any] = {"id": "p", "total": requirements * 10, "requirements": asked}
    if caps:
        each = requirements * 10 // (_PROVIDERS - 1)
        plain["caps"] = [{"id": "each", "by": "provider", "credits_at_most": each}]
    header = {"lcb": "rules/v1", "id": "t", "version": 1, "from": "2020-01-01", "unit": {"code": "CR"}}
    text = json.dumps({"ruleset": header, "programmes": [plain]})
    return read_documents(text, format="json")[0].model.programmes[0]


def _lots(lots: int, requirements: int, random: Random) -> list[Candidate]:
    """Lots of 1 to 5 credits, by halves, of any category, provider and day."""
    return [
        Candidate(
            f"l{n:03d}",
            random.randrange(2, 11) * 500,
            f"U{n}",
            "course",
            f"p{random.randrange(_PROVIDERS)}",
            f"c{random.randrange(requirements)}",
            random.randrange(1, 7),
            f"d{n}",
            _DAY + timedelta(days=random.randrange(2000)) if random.random() < 0.5 else None,
            _DAY + timedelta(days=random.randrange(700)),
            (f"a{n:03d}",),
        )
        for n in range(lots)
    ]


def _slowest(programme: Programme, cases: Sequence[Sequence[Candidate]], times: int) -> float:
    """The slowest of the cases, each the median of several runs, in milliseconds."""
    return max(seconds_of(lambda lots=lots: allocate(programme, lots), times) for lots in cases) * 1e3


def measure_allocation(plan: Plan, figures: dict[str, Any]) -> None:
    """Measure the best use of lots, by flow with and without caps on the lots' side, and by the solver."""
    times = max(3, plan.rounds)
    found: dict[str, float] = {}
    for name, lots, requirements, caps, counts in (
        ("flow_60_ms", 60, 15, True, False),
        ("flow_60_uncapped_ms", 60, 15, False, False),
        ("flow_150_ms", 150, 25, True, False),
        ("solver_60_ms", 60, 15, True, True),
    ):
        random = Random(1)
        cases = [_lots(lots, requirements, random) for _ in range(5)]
        found[name] = _slowest(_programme(requirements, caps=caps, counts=counts), cases, times)
    figures["allocate"] = found
    out.print(
        f"allocate  60 lots x 15 requirements in {found['flow_60_ms']:.1f} ms by flow"
        f" ({found['flow_60_uncapped_ms']:.1f} ms without caps), 150 x 25 in {found['flow_150_ms']:.0f} ms;"
        f" 60 x 15 by the solver in {found['solver_60_ms']:.0f} ms (each the slowest of 5 learners)"
    )
