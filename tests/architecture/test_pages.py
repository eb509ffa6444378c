"""The documents lead where they say: links, decisions, the tests that enforce them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.pages import DOCS, links
from tests.architecture.source import PACKAGE, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PARTS = ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives refused.**", "**Enforced by.**")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in links(page) if not (page.parent / link).exists()]
    assert missing == []


def test_every_decision_is_listed_and_every_listed_one_is_there() -> None:
    listed = re.findall(
        r"^\| \[(\d{4})\]\((\S+?)\) \| (.+) \|$", (DOCS / "decisions/README.md").read_text("utf-8"), re.M
    )
    assert [name for _, name, _ in listed] == [decision.name for decision in DECISIONS]
    for number, name, title in listed:
        assert name.startswith(f"{number}-")
        heading = (DOCS / "decisions" / name).read_text("utf-8").splitlines()[0]
        assert heading == f"# {int(number)}. {title}"


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.name)
def test_decision_has_its_five_parts_and_what_enforces_it(decision: Path) -> None:
    text = decision.read_text("utf-8")
    places = [text.find(part) for part in PARTS]
    assert all(place > 0 for place in places), PARTS
    assert places == sorted(places)
    named = re.findall(r"`((?:tests|bench)/[\w/.-]+)`", text[places[-1] :])
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()] == []


def test_every_decision_that_is_cited_is_there() -> None:
    numbers = {decision.name[:4] for decision in DECISIONS}
    folders = [PACKAGE, ROOT / "tests", ROOT / "bench", ROOT / "migrations", ROOT / "examples", DOCS]
    files = [
        file for folder in folders for file in folder.rglob("*") if file.suffix in {".py", ".md", ".html", ".toml"}
    ]
    files += [*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "Dockerfile"]
    cited = {
        (number, str(file.relative_to(ROOT)))
        for file in files
        for number in re.findall(r"decision (\d{4})", file.read_text("utf-8"))
    }
    assert cited, "nothing cites a decision: the test looks for the wrong words"
    assert {(number, file) for number, file in cited if number not in numbers} == set()
