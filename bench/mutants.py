"""A seeded sample of the mutants of the ledger and the rules: how many a test notices, by module.

``python -m bench.mutants --sample 400 --seed 1``. All 17,000 of them would take days (``make mutants ALL=1`` runs
them); a sample says how large the part is that no test notices, within bounds. Each module gives its share of the
sample and at least one. The same seed over the same source draws the same mutants. What a part of them came to is
kept, so that a run that was stopped goes on; ``--report`` only says what is known.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any, Final

from bench.stage import out

_MADE: Final = Path("mutants/src")
_KEPT: Final = Path("mutants/sample.json")
# No more of the tests that reach a mutant are tried than come to so many seconds, the quickest first.
_SECONDS_MAX: Final = 40.0
_NOT_FOUND: Final = re.compile(r"not found: \S*?/mutants/(.*)")
# 95 of 100 intervals so made hold the true part.
_Z: Final = 1.96


def made() -> dict[str, list[str]]:
    """The names of all mutants, by module."""
    found = {}
    for file in sorted(_MADE.rglob("*.meta")):
        names = list(json.loads(file.read_text())["exit_code_by_key"])
        if names:
            found[str(file.relative_to(_MADE)).removesuffix(".py.meta")] = names
    return found


def known() -> dict[str, str]:
    """What mutants that were tried came to."""
    found: dict[str, str] = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
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


def make() -> None:
    """Let mutmut make all mutants and find which tests reach each; it tries those of one small module on the way."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1", "creditbank.rules.days.*"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def reaching(name: str, stats: Mapping[str, Any]) -> list[str]:
    """The tests that reach a mutant, the quickest first, as far as there is time for."""
    took: Mapping[str, float] = stats["duration_by_test"]
    tests = stats["tests_by_mangled_function_name"].get(name.rsplit("__mutmut_", 1)[0], ())
    chosen, total = [], 0.0
    for test in sorted(tests, key=lambda test: took.get(test, _SECONDS_MAX)):
        total += took.get(test, _SECONDS_MAX)
        if total > _SECONDS_MAX:
            break
        chosen.append(test)
    return chosen


def attempt(name: str, tests: Sequence[str]) -> str:
    """Run tests on the source with this mutant in it: ``killed``, ``timeout``, ``survived`` or ``no tests``."""
    folder = _MADE.parent.absolute()
    switched = {"MUTANT_UNDER_TEST": name, "PYTHONPATH": str(folder / "src"), "CREDITBANK_TEST_DATABASES": "sqlite"}
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "tests.quickest", "--import-mode=importlib"]
    left = list(tests)
    while left:
        # So many names are more than a command line holds.
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as named:
            named.write("\n".join(left))
            named.flush()
            command = [sys.executable, "-m", "pytest", *options, f"@{named.name}"]
            try:
                done = subprocess.run(
                    command, cwd=folder, env=os.environ | switched, capture_output=True, text=True,
                    timeout=3 * _SECONDS_MAX + 60, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return "timeout"
        gone = set(_NOT_FOUND.findall(done.stdout + done.stderr)) if done.returncode == 4 else set()
        if not gone:
            # Source that cannot even be collected is noticed too.
            return "survived" if done.returncode == 0 else "killed"
        # Some tests are named by what is drawn anew in each run.
        left = [test for test in left if test not in gone]
    return "no tests"


def report(sample: Iterable[str]) -> None:
    """Say what the sample came to, and name those that no test noticed."""
    results, by_module = known(), dict[str, Counter[str]]()
    for name in sample:
        if name in results:
            by_module.setdefault(name.rsplit(".", 1)[0], Counter())[results[name]] += 1
    for module, found in sorted(by_module.items()):
        out.print(f"{module}: {', '.join(f'{count} {status}' for status, count in sorted(found.items()))}")
    every = sum(by_module.values(), Counter[str]())
    seen, tried = every["killed"] + every["timeout"], every.total()
    if tried:
        low, high = bounds(seen, tried)
        out.print(f"{seen} of {tried} noticed: {100 * seen / tried:.1f} % (95 %: {low:.1f} to {high:.1f})")
    out.print("\n".join(f"{results[name]}: {name}" for name in sample if results.get(name) in {"survived", "no tests"}))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many mutants, about")
    parser.add_argument("--seed", type=int, default=1, help="of the choice")
    parser.add_argument("--report", action="store_true", help="run nothing")
    asked = parser.parse_args()
    if not made():
        make()
    sample = draw(made(), asked.sample, asked.seed)
    if not asked.report:
        # In an order of its own, so that a run that is stopped has tried a sample too.
        random.Random(asked.seed).shuffle(sample)
        stats = json.loads((_MADE.parent / "mutmut-stats.json").read_text())
        for name in sample:
            if name not in (results := known()):
                results[name] = attempt(name, reaching(name, stats))
                _KEPT.write_text(json.dumps(results, indent=0))
    report(sample)


if __name__ == "__main__":
    main()
