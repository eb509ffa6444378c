"""A plugin for runs on mutants: the quickest tests first, for the first that fails ends the run.

mutmut gives the tests that reach a mutant in no order at all. Durations are those that it measured itself, in its own
folder, where it runs the tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order of how long they take."""
    stats = Path("mutmut-stats.json")
    if stats.exists():
        took: dict[str, float] = json.loads(stats.read_text())["duration_by_test"]
        items.sort(key=lambda item: took.get(item.nodeid, 0.0))
