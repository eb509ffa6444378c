"""Every test that docs/shown.md names is there, and every invariant of rules/v1 has its row."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOWN = (ROOT / "docs/shown.md").read_text("utf-8")


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SHOWN)

    missing = [
        (file, test) for file, test in named if not re.search(rf"def {test}\(", (ROOT / file).read_text("utf-8"))
    ]

    assert len(named) > 30
    assert missing == []


def test_every_invariant_has_its_row() -> None:
    rows = re.findall(r"^\| (\d+)(?: to (\d+)|, (\d+))? \|", SHOWN, re.MULTILINE)

    held = [n for first, to, also in rows for n in range(int(first), int(to or also or first) + 1)]

    assert held == list(range(1, 29))
