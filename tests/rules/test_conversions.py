"""From one unit of credit to another, down to a step and without gain (rules/v1 section 8)."""

from __future__ import annotations

import pytest

from tests.rules.writing import mismatches

# The factor and what else is said, the amount, what it gives, what stays in the old unit.
CASES: list[tuple[str, str, str, str]] = [
    ("factor: '2/3'", "5", "3", "0.5"),
    ("factor: '2/3'", "0.749", "0", "0.749"),
    ("factor: '2/3'", "0.75", "0.5", "0"),
    ("factor: '2/3'", "0", "0", "0"),
    ("factor: '2/3', step: '1'", "5", "3", "0.5"),
    ("factor: '2/3', step: '1'", "1.499", "0", "1.499"),
    ("factor: '2/3', step: '1'", "1.5", "1", "0"),
    ("factor: '2/3', step: '0.01'", "5", "3.33", "0.005"),
    ("factor: '3/2', step: '1'", "1", "1", "0.333"),
    ("factor: '3/2', step: '1'", "0.666", "0", "0.666"),
    ("factor: '3/2', step: '1'", "0.667", "1", "0"),
    ("factor: '2', step: '1'", "7", "14", "0"),
    ("factor: '2', step: '1'", "0.5", "1", "0"),
    ("factor: '3', step: '1'", "1", "3", "0"),
    ("factor: '3', step: '1'", "0.5", "1", "0.166"),
    ("factor: '1/7', step: '0.5'", "10", "1", "3"),
    ("factor: '2/3', remainder: keep", "5", "3", "0.5"),
    ("factor: '2/3', remainder: drop", "5", "3", "0"),
    ("factor: '2/3', remainder: drop", "0.5", "0", "0"),
    ("factor: '2/3', round: down", "2.2", "1", "0.7"),
]


@pytest.mark.parametrize(("terms", "amount", "gives", "rest"), CASES)
def test_a_conversion(terms: str, amount: str, gives: str, rest: str) -> None:
    rules = f"ruleset: {{unit: {{code: SCH}}}}\nunit_conversions: [{{id: q, from: QH, to: SCH, {terms}}}]"
    then = f"total: 3, a: 3, convert: [{{id: q, amount: '{amount}', gives: '{gives}', rest: '{rest}'}}]"

    assert mismatches(rules, "{id: a}", then) == []


def test_there_and_back_never_gains() -> None:
    rules = (
        "unit_conversions: [{id: there, from: QH, to: SCH, factor: '2/3', step: '0.001'},"
        " {id: back, from: SCH, to: QH, factor: '3/2', step: '0.001'}]"
    )
    then = (
        "a: 3, convert: [{id: there, amount: '1', gives: '0.666', rest: '0.001'},"
        " {id: back, amount: '0.666', gives: '0.999', rest: '0'}]"
    )

    assert mismatches(rules, "{id: a}", then) == []
