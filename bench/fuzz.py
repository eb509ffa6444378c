"""``python -m bench.fuzz``: throw mutated rule documents at the checks for some minutes, and say which were slow.

Every text must be taken, or refused with a fault; what breaks is printed with its seed and ends the run with status 1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from random import Random
from typing import Any

from bench.stage import out
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentRefused
from tests.rules.mutations import documents, mutant


def _try(seed: int, good: list[Any]) -> tuple[str, float, str]:
    """What became of the text of a seed, in how many seconds, and what broke if something did."""
    text, form = mutant(Random(seed), good)
    begun = time.perf_counter()
    try:
        taken = read_documents(text, format="json" if form == "json" else "yaml")
        examine_documents(taken)
        examine(taken)
        outcome, broken = "taken", ""
    except DocumentRefused as refused:
        outcome, broken = "refused", "" if refused.faults else "refused without a fault"
    except Exception as error:
        outcome, broken = "broken", repr(error)[:500]
    return outcome, time.perf_counter() - begun, broken


def main() -> int:
    """Run until the time is over; print the seeds that broke something and the slowest ones."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--only", action="store_true", help="try that one seed alone and let its error through")
    parser.add_argument("--from", dest="more", type=Path, nargs="*", default=[], help="further documents to begin with")
    given = parser.parse_args()
    good = documents(*given.more)
    if given.only:
        text, form = mutant(Random(given.seed), good)
        out.print(text.decode("utf-8", "replace")[:4000], markup=False)
        taken = read_documents(text, format="json" if form == "json" else "yaml")
        examine_documents(taken)
        examine(taken)
        return 0
    counts = {"taken": 0, "refused": 0, "broken": 0}
    slowest: list[tuple[float, int]] = []
    until, seed = time.monotonic() + given.minutes * 60, given.seed
    while time.monotonic() < until:
        outcome, seconds, broken = _try(seed, good)
        counts[outcome] += 1
        if broken:
            out.print(f"seed {seed}: {broken}", markup=False)
        slowest = sorted([*slowest, (seconds, seed)], reverse=True)[:5]
        seed += 1
    out.print(
        f"fuzz  {seed - given.seed:,} texts from seed {given.seed}: "
        + ", ".join(f"{n:,} {o}" for o, n in counts.items())
    )
    out.print("      slowest: " + ", ".join(f"{seconds:.2f} s (seed {one})" for seconds, one in slowest))
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
