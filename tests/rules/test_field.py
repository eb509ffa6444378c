"""Rules that credit banks of the field enforce, each as a document that carries its own tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from creditbank.rules.canonical import canonical
from creditbank.rules.checking.figures import untested
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentRefused

FOLDER = Path(__file__).parent / "field"
ROWS = sorted(FOLDER.glob("*.yaml"))
TABLE = Path(__file__).parents[2] / "docs" / "field-rows.md"

NUMBERS = {"KR": 20, "IN": 12, "CN": 10, "TW": 4, "TH": 1, "MY": 3, "HK": 2, "VN": 1, "UK": 4, "EU": 5, "US": 15}


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_a_row_of_the_field_holds(path: Path) -> None:
    assert examine(read_documents(path.read_bytes())).mismatches == []


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_it_could_be_published(path: Path) -> None:
    """No error, and every rule and limit decides something in one of its tests."""
    documents = read_documents(path.read_bytes())
    exercised = examine(documents).exercised

    assert [verdict for verdict in examine_documents(documents) if verdict.severity == "error"] == []
    assert [verdict for document in documents for verdict in untested(document.layered, exercised)] == []


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_its_canonical_form_says_the_same(path: Path) -> None:
    """What is stored is the canonical form: nothing that a rule means may hang on how a document was written."""
    documents = read_documents(path.read_bytes())
    stored = b"\n---\n".join(canonical(document.model) for document in documents)
    again = read_documents(stored)

    assert [document.model for document in again] == [document.model for document in documents]
    assert [canonical(document.model) for document in again] == [canonical(document.model) for document in documents]
    assert examine(again).mismatches == []


def test_the_table_names_every_row_with_its_file_or_the_reason() -> None:
    lines = [line.split("|")[1:-1] for line in TABLE.read_text().splitlines() if re.match(r"\| [A-Z]{2}-\d", line)]
    named = {row.strip(): re.findall(r"`([a-z]+-\d+\.yaml)`", said) for row, said, _ in lines}

    assert list(named) == [f"{land}-{number}" for land, last in NUMBERS.items() for number in range(1, last + 1)]
    assert sorted(file for files in named.values() for file in files) == [path.name for path in ROWS]
    assert all(files == [f"{row.lower()}.yaml"] for row, files in named.items() if files)
    assert all(why.strip() for row, _, why in lines if not named[row.strip()])


def test_a_share_of_self_study_that_is_missing_is_no_document() -> None:
    """CN-8: an institution that does not say its share cannot publish."""
    text = (FOLDER / "cn-8.yaml").read_text()
    without = text.replace(', share_at_most: "3/10"', "")

    with pytest.raises(DocumentRefused) as caught:
        read_documents(without)

    assert without != text
    assert [fault.pointer for fault in caught.value.faults] == ["/programmes/0/caps/0"]
