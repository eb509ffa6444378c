"""The tests that are made for a table: what they ask, and that the engine agrees with what they expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditbank.equivalencies.domain import Equivalency
from creditbank.equivalencies.trials import trials_of
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from tests.equivalencies.tables import composed, course, statement, text_of

A, B, C = course("A"), course("B"), course("C")


def shown(trial: dict[str, Any]) -> tuple[str, list[str], dict[str, Any]]:
    """Name, code and grade of what is given, and what is expected, without the names of rules."""
    taken = [
        " ".join([one["code"], *one.get("grade", {}).values(), *([] if one["provider"] == "cn/a" else ["elsewhere"])])
        for one in trial["given"]
    ]
    then = {
        key: " ".join(part for part in value if not part.startswith("rule=")) if isinstance(value, list) else value
        for key, value in trial["then"].items()
    }
    return trial["name"], taken, then


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(
            [statement("x", [A], to=["X:3"])],
            [
                ("x: satisfied", ["A"], {"total": "3", "c01": "3"}),
                ("x: of another provider", ["A elsewhere"], {"total": "0", "c01": "none"}),
            ],
            id="one-course",
        ),
        pytest.param(
            [statement("x", [course("A", "C")], to=["X:3", "Y:1"])],
            [
                ("x: satisfied", ["A C"], {"total": "4", "c01/X": "3", "c01/Y": "1"}),
                ("x: one step below the grade", ["A C-"], {"total": "0", "c01": "none"}),
            ],
            id="a-minimum-grade",
        ),
        pytest.param(
            [statement("x", [A, B], to=["X:4"]), statement("y", [A], to=["Y:3"])],
            [
                ("x: satisfied", ["A", "B"], {"total": "4", "c01+c02": "4"}),
                ("x: one course missing", ["A"], {"total": "3", "c01": "3"}),
                ("y: satisfied", ["A"], {"total": "3", "c01": "3"}),
                ("y: of another provider", ["A elsewhere"], {"total": "0", "c01": "none"}),
            ],
            id="what-is-left-of-a-combination-counts-by-itself",
        ),
        pytest.param(
            [statement("x", [A, B, C], to=["X:4"]), statement("y", [A], [B], to=["Y:3"])],
            [
                ("x: satisfied", ["A", "B", "C"], {"total": "4", "c01+c02+c03": "4"}),
                ("x: one course missing", ["A", "B"], {"total": "3", "c01": "3", "c02": "0 3"}),
                ("y, alternative 1: satisfied", ["A"], {"total": "3", "c01": "3"}),
                ("y, alternative 1: of another provider", ["A elsewhere"], {"total": "0", "c01": "none"}),
                ("y, alternative 2: satisfied", ["B"], {"total": "3", "c01": "3"}),
                ("y, alternative 2: of another provider", ["B elsewhere"], {"total": "0", "c01": "none"}),
            ],
            id="one-unit-counts-once",
        ),
        pytest.param(
            [statement("x", [A, B, C], to=["X:4"]), statement("y", [A], to=["Y:3"]), statement("z", [B], to=["Y:5"])],
            [
                ("x: satisfied", ["A", "B", "C"], {"total": "4", "c01+c02+c03": "4"}),
                ("x: one course missing", ["A", "B"], {"total": "5", "c01": "0 3", "c02": "5"}),
                ("y: satisfied", ["A"], {"total": "3", "c01": "3"}),
                ("y: of another provider", ["A elsewhere"], {"total": "0", "c01": "none"}),
                ("z: satisfied", ["B"], {"total": "5", "c01": "5"}),
                ("z: of another provider", ["B elsewhere"], {"total": "0", "c01": "none"}),
            ],
            id="of-one-unit-the-better-counts",
        ),
        pytest.param(
            [statement("x", [A], to=["blanket:art:2", "blanket:art:1"]), statement("no", [B], effect="deny")],
            [
                ("x: satisfied", ["A"], {"total": "3", "c01/blanket:art#0": "2", "c01/blanket:art#1": "1"}),
                ("x: of another provider", ["A elsewhere"], {"total": "0", "c01": "none"}),
                ("no: satisfied", ["B"], {"total": "0", "c01": "deny"}),
                ("no: of another provider", ["B elsewhere"], {"total": "0", "c01": "none"}),
            ],
            id="electives-and-no-credit",
        ),
        pytest.param(
            [statement("x", [A, B], to=["blanket:art:native"])],
            [
                ("x: satisfied", ["A", "B"], {"total": "6", "c01+c02": "6"}),
                ("x: one course missing", ["A"], {"total": "0", "c01": "none"}),
            ],
            id="the-credits-that-were-earned",
        ),
    ],
)
def test_for_each_alternative_what_it_takes_and_what_it_just_does_not(
    statements: Sequence[Equivalency], expected: list[tuple[str, list[str], dict[str, Any]]]
) -> None:
    composition = composed(*statements)
    assert [shown(trial) for trial in trials_of(composition)] == expected
    assert examine(read_documents(text_of(composition))).mismatches == []


GRADES = st.sampled_from([(None, None), ("C", None), ("B", None), (None, "B"), ("C", "B"), ("D-", "A")])
COURSES = st.builds(
    lambda code, bounds, at: course(code, bounds[0], below=bounds[1], at=at),
    st.sampled_from(["A", "B", "C", "D", None]),
    GRADES,
    st.sampled_from(["cn/a", "cn/a", "cn/b", "cn"]),
)
# A table that gives one course twice is refused, so that each unit stands once; of electives any number.
AWARDS = st.tuples(
    st.sampled_from([[], ["X:3"], ["X:4"]]),
    st.sampled_from([[], ["Y:3"], ["Z:0"]]),
    st.lists(st.sampled_from(["blanket:art:native", "blanket:art:1"]), max_size=2),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]] or ["X:3"])
STATEMENTS = st.builds(
    lambda alternatives, to, effect: statement("s", *alternatives, to=to if effect == "grant" else [], effect=effect),
    st.lists(st.lists(COURSES, min_size=1, max_size=3), min_size=1, max_size=3),
    AWARDS,
    st.sampled_from(["grant", "grant", "grant", "deny", "review"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=6))
def test_the_engine_agrees_with_what_was_worked_out_from_the_table(statements: list[Equivalency]) -> None:
    """Two readings of one table, by the engine with its index and by trying every rule in turn."""
    documents = read_documents(text_of(composed(*statements)))
    assert examine(documents).mismatches == []
