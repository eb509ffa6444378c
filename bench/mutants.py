"""A seeded sample of the mutants of the ledger and the rules: how many a test notices, by module.

``python -m bench.mutants --sample 400 --seed 1``. All 17,000 of them would take days (``make mutants ALL=1`` runs
them); a sample says how large the part is that no test notices, within bounds. Each module gives its share of the
sample and at least one. The same seed over the same source draws the same mutants. What a part of them came to is
kept, so that a run that was stopped goes on; ``--report`` only says what is known.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path
from typing import Final

from mutmut.stats import status_by_exit_code

from bench.stage import out

_MADE: Final = Path("mutants/src")
# 95 of 100 intervals so made hold the true part.
_Z: Final = 1.96
_SEEN: Final = ("killed", "timeout", "caught by type check", "segfault", "suspicious")


def known() -> dict[str, dict[str, int | None]]:
    """What every mutant came to, by module; None where it was not tried."""
    found = {}
    for file in sorted(_MADE.rglob("*.meta")):
        codes = json.loads(file.read_text())["exit_code_by_key"]
        if codes:
            found[str(file.relative_to(_MADE)).removesuffix(".py.meta")] = codes
    return found


def draw(mutants: Mapping[str, Iterable[str]], size: int, seed: int) -> list[str]:
    """The sample: of each module its share, at least one."""
    chance = random.Random(seed)
    names = {module: sorted(mine) for module, mine in mutants.items()}
    total = sum(map(len, names.values()))
    shares = {module: max(1, round(size * len(mine) / total)) for module, mine in names.items()}
    return [
        one for module, mine in sorted(names.items()) for one in chance.sample(mine, min(shares[module], len(mine)))
    ]


def bounds(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval for the part of a whole, both in per cent."""
    p, z2 = part / whole, _Z**2
    middle, half = p + z2 / (2 * whole), _Z * sqrt(p * (1 - p) / whole + z2 / (4 * whole**2))
    return 100 * (middle - half) / (1 + z2 / whole), 100 * (middle + half) / (1 + z2 / whole)


def run(names: Iterable[str]) -> None:
    """Let mutmut try these."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1", *names]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def report(sample: Iterable[str]) -> None:
    """Say what the sample came to, and name those that no test noticed."""
    results, by_module = known(), dict[str, Counter[str]]()
    missed = []
    for name in sample:
        module = next(module for module, codes in results.items() if name in codes)
        status = status_by_exit_code[results[module][name]]
        by_module.setdefault(module, Counter())[status] += 1
        if status in {"survived", "no tests"}:
            missed.append(f"{status}: {name}")
    for module, found in by_module.items():
        out.print(f"{module}: {', '.join(f'{count} {status}' for status, count in sorted(found.items()))}")
    every = sum(by_module.values(), Counter[str]())
    seen = sum(every[status] for status in _SEEN)
    tried = seen + every["survived"] + every["no tests"]
    if tried:
        low, high = bounds(seen, tried)
        out.print(f"{seen} of {tried} noticed: {100 * seen / tried:.1f} % (95 %: {low:.1f} to {high:.1f})")
    out.print("\n".join(missed))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many mutants, about")
    parser.add_argument("--seed", type=int, default=1, help="of the choice")
    parser.add_argument("--report", action="store_true", help="run nothing")
    asked = parser.parse_args()
    if not known():
        # Mutants are made, and the tests that reach each are found, before the first is tried.
        run(["creditbank.rules.days.*"])
    sample = draw(known(), asked.sample, asked.seed)
    if not asked.report:
        untried = [name for codes in known().values() for name, code in codes.items() if code is None]
        if left := sorted(set(sample) & set(untried)):
            run(left)
    report(sample)


if __name__ == "__main__":
    main()
