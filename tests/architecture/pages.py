"""Tables and links of the documents, for the tests that hold them to the code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.source import ROOT

DOCS = ROOT / "docs"


def rows(page: Path, heading: str | None = None) -> list[list[str]]:
    """The rows of the tables of a Markdown page, or of the section under one heading; cells without their backticks."""
    text = page.read_text("utf-8")
    if heading is not None:
        text = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def links(page: Path) -> list[str]:
    """Where a page's relative links lead, without anchors."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    return [link.partition("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]
