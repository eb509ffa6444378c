"""Rule sets of the field with the tests they carry, and what tests report that do not hold (rules/v1 section 9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditbank.rules.canonical import canonical
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine

DOCUMENTS = sorted((Path(__file__).parent / "documents").glob("*.yaml"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_documents_tests_hold(path: Path) -> None:
    assert examine(read_documents(path.read_bytes())).mismatches == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_canonical_form_says_the_same(path: Path) -> None:
    documents = read_documents(path.read_bytes())
    again = [read_documents(canonical(document.model), format="json")[0] for document in documents]

    assert [document.model for document in again] == [document.model for document in documents]
    assert examine(again).mismatches == []


TOWN = """
ruleset: {lcb: rules/v1, id: town, version: 1, from: 2020-03-01, unit: {code: CR}}
recognition:
  - {id: one, match: {kind: course}, grant: [{credits: {native: 1}}]}
  - {id: two, match: {kind: exam}, grant: [{unit: U, credits: {fixed: 1}}, {unit: U, credits: {fixed: 2}}]}
unique: {keep: first}
tests:
  - name: t
    as_of: 2025-01-01
    given:
      - {id: a, kind: course, provider: cn, unit: A, credits: 3, completed: 2024-01-01}
      - {id: b, kind: course, provider: cn, unit: A, credits: 4, completed: 2024-01-02}
      - {id: e, kind: exam, provider: cn, completed: 2024-01-03}
      - {id: x, kind: other, provider: cn, completed: 2024-01-04}
    then: {total: 6, a: 3, b: [0, 4], "e/U#0": 1, "e/U#1": 2, x: none}
"""


def test_a_town_in_order() -> None:
    assert examine(read_documents(TOWN)).mismatches == []


@pytest.mark.parametrize(
    ("written", "wrong", "key", "expected", "got"),
    [
        ("total: 6", 'total: "6.5"', "total", "6.5", "6"),
        ("a: 3", "a: 2", "a", "2", "3: 3 native x 1 = 3"),
        ("a: 3", "a: none", "a", "none", "3: 3 native x 1 = 3"),
        ("a: 3", "a: [3, 1]", "a", "excess 1", "excess 0"),
        ("a: 3", "a: [3, at most]", "a", "at most", "3 native x 1 = 3; rule=one"),
        ("b: [0, 4]", "b: 0", "b", "excess 0", "excess 4: 4 native x 1 = 4; same unit A already from a (first): 0"),
        ("x: none", "x: 0", "x", "0", "none: one: kind: other (wanted course)"),
        ("x: none", "x: review", "x", "review", "none: one: kind: other"),
        ("x: none", "x: [none, two]", "x", "two", "one: kind: other (wanted course); rule=one"),
        (", x: none", "", "x", "an outcome for every valid achievement", "not mentioned"),
        ("x: none", "x: none, y: none", "y", "none", "nothing"),
        ('"e/U#0": 1', "e: 1", "e", "1", "only e/U#0, e/U#1"),
        ('"e/U#0": 1', "e/U: 1", "e/U", "1", "only e/U#0, e/U#1"),
        ('"e/U#0": 1', "e/V: 1", "e/V", "1", "only e/U#0, e/U#1"),
    ],
)
def test_what_does_not_hold_is_reported(written: str, wrong: str, key: str, expected: str, got: str) -> None:
    (mismatch,) = examine(read_documents(TOWN.replace(written, wrong))).mismatches

    assert (mismatch.test, mismatch.key, mismatch.expected) == ("t", key, expected)
    assert mismatch.got.startswith(got)


def test_a_version_without_an_end_ends_where_its_successor_begins() -> None:
    head = "ruleset: {lcb: rules/v1, id: town, version: %d, from: %s, unit: {code: CR}}\n"
    rules = "recognition: [{id: r, match: {}, grant: [{credits: {fixed: %d}}]}]\n"
    tests = (
        "tests: [{name: t, as_of: 2025-01-01, given: ["
        "{id: a, kind: k, provider: p, completed: 2020-12-31}, {id: b, kind: k, provider: p, completed: 2021-01-01}],"
        " then: {a: 1, b: 2}}]\n"
    )
    first, second = head % (1, "2020-01-01") + rules % 1, head % (2, "2021-01-01") + rules % 2

    for text in (f"{first}{tests}---\n{second}", f"{second}---\n{first}{tests}"):
        assert examine(read_documents(text)).mismatches == []


def test_a_test_speaks_of_its_own_rule_set() -> None:
    other = TOWN.split("tests:", maxsplit=1)[0].replace("id: town", "id: other").replace("native: 1", "native: 2")

    assert examine(read_documents(f"{TOWN}---{other}")).mismatches == []
