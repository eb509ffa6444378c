"""How long credits can be used, and what waits for a condition (rules/v1 sections 2, 5.1 and 6)."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names

PAIR = "recognition: [{id: r, match: {all: [{code: A}, {code: B}]}, grant: {unit: X, credits: {fixed: 4}}}]\n"
TALK = "recognition: [{id: r, effect: conditional, condition: talk, match: {}, grant: {credits: {native: 1}}}]\n"


def until(duration: str, completed: str, day: str) -> tuple[str, str, str, str]:
    """A validity, the day of completion, the first day on which the credits can no longer be used."""
    return (
        f"{completed} and {duration}",
        f"validity: {{max: {duration}}}",
        f"{{id: a, completed: {completed}}}",
        f"as_of: 2024-04-15, a: [3, valid until {day}]",
    )


CASES: list[Case] = [
    until("P7Y", "2017-06-15", "2024-06-15"),
    until("P1Y", "2024-02-29", "2025-02-28"),
    until("P4Y", "2024-02-29", "2028-02-29"),
    until("P12M", "2024-02-29", "2025-02-28"),
    until("P1M", "2024-03-31", "2024-04-30"),
    until("P1M", "2024-01-31", "2024-02-29"),
    until("P1M", "2023-01-31", "2023-02-28"),
    until("P1M1D", "2024-01-31", "2024-03-01"),
    until("P1Y6M", "2023-08-31", "2025-02-28"),
    until("P1Y1M1D", "2023-01-31", "2024-03-01"),
    until("P30D", "2024-02-01", "2024-03-02"),
    until("P365D", "2024-02-01", "2025-01-31"),
]  # fmt: skip
CASES = [(name, "ruleset: {from: 2010-01-01}\n" + rules, given, then) for name, rules, given, then in CASES]
CASES += [
    ("the last day of use", "validity: {max: P1Y}", "{id: a, completed: 2024-02-29}",
     "as_of: 2025-02-27, total: 3, a: [3, valid until 2025-02-28, available]"),
    ("the day after", "validity: {max: P1Y}", "{id: a, completed: 2024-02-29}",
     "as_of: 2025-02-28, total: 0, a: [3, valid until 2025-02-28, expired]"),
    ("without a validity credits stay", "", "{id: a, completed: 2020-03-01, shelf_life: P1D}",
     "as_of: 2099-01-01, total: 3, a: [3, available]"),
    ("the provider's shelf life is shorter", "validity: {max: P7Y, shorter_of: provider}",
     "{id: a, shelf_life: P5Y}", "a: [3, valid until 2029-06-10]"),
    ("the provider's shelf life is longer", "validity: {max: P7Y, shorter_of: provider}",
     "{id: a, shelf_life: P10Y}", "a: [3, valid until 2031-06-10]"),
    ("the provider has no shelf life", "validity: {max: P7Y, shorter_of: provider}", "{id: a}",
     "a: [3, valid until 2031-06-10]"),
    ("the shelf life alone", "validity: {shorter_of: provider}", "{id: a, shelf_life: P10Y}, {id: b}",
     "as_of: 2034-06-10, total: 3, a: [3, valid until 2034-06-10, expired], b: [3, available]"),
    ("a shelf life that no rule asks for", "validity: {max: P7Y}", "{id: a, shelf_life: P5Y}",
     "a: [3, valid until 2031-06-10]"),
    ("the shorter of months and years", "validity: {max: P1Y, shorter_of: provider}", "{id: a, shelf_life: P11M}",
     "a: [3, valid until 2025-05-10]"),
    ("the shorter of days and years", "validity: {max: P1Y, shorter_of: provider}", "{id: a, shelf_life: P366D}",
     "a: [3, valid until 2025-06-10]"),
    ("a combination begins with its latest", PAIR + "validity: {max: P1Y}",
     "{id: a, code: A, completed: 2024-09-01}, {id: b, code: B, completed: 2024-01-01}",
     "a+b: [4, valid until 2025-09-01]"),
    ("a combination ends with its shortest", PAIR + "validity: {max: P7Y, shorter_of: provider}",
     "{id: a, code: A, shelf_life: P5Y, completed: 2024-01-01}, {id: b, code: B, shelf_life: P3Y, completed: "
     "2024-09-01}",
     "a+b: [4, valid until 2027-09-01]"),
    ("a combination of which one has a shelf life", PAIR + "validity: {shorter_of: provider}",
     "{id: a, code: A}, {id: b, code: B, shelf_life: P2Y}", "a+b: [4, valid until 2026-06-10]"),
    ("from the day of recognition", "validity: {max: P1Y, start: recognised}", "{id: a, recognised: 2024-08-01}",
     "a: [3, valid until 2025-08-01]"),
    ("never recognised before: from this day", "validity: {max: P1Y, start: recognised}", "{id: a}",
     "as_of: 2024-12-24, a: [3, valid until 2025-12-24]"),
    ("from completion, as said", "validity: {max: P1Y, start: completed}", "{id: a, recognised: 2024-08-01}",
     "a: [3, valid until 2025-06-10]"),
    ("both lots of a decision",
     "recognition: [{id: r, match: {}, grant: [{unit: U, credits: {fixed: 1}}, {unit: V, credits: {fixed: 2}}]}]\n"
     "validity: {max: P6M}", "{id: a}", "as_of: 2024-12-10, total: 0, a/U: [1, valid until 2024-12-10, expired], a/V: "
     "[2, expired]"),
    ("expired is what has excess only", "unique: {keep: first}\nvalidity: {max: P1Y}",
     "{id: a, unit: U, completed: 2023-01-10}, {id: b, unit: U}",
     "total: 0, a: [3, expired], b: [0, 3, valid until 2025-06-10, available]"),
    # Conditions.
    ("pending until the condition is met", TALK, "{id: a}", "total: 0, a: [3, pending talk, pending]"),
    ("another condition is met", TALK, "{id: a, conditions_met: [written]}", "total: 0, a: [3, pending talk]"),
    ("the condition is met", TALK, "{id: a, conditions_met: [written, talk]}", "total: 3, a: [3, available]"),
    ("one of two has met it", TALK, "{id: a}, {id: b, conditions_met: talk}",
     "total: 3, a: [3, pending], b: [3, available]"),
    ("what is pending expires too", TALK + "validity: {max: P6M}", "{id: a}", "total: 0, a: [3, expired]"),
    ("what is pending competes for its unit", TALK + "unique: {keep: first}",
     "{id: a, unit: U, completed: 2024-01-10}, {id: b, unit: U, conditions_met: talk}",
     "total: 0, a: [3, pending], b: [0, 3]"),
    ("what is missing goes to a person all the same", TALK, "{id: a, credits: null}",
     "a: [review, 'r: credits missing']"),
    ("all lots of a decision wait",
     "recognition: [{id: r, effect: conditional, condition: talk, match: {},"
     " grant: [{unit: U, credits: {fixed: 1}}, {unit: V, credits: {fixed: 2}}]}]", "{id: a}",
     "total: 0, a/U: [1, pending], a/V: [2, pending]"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_a_validity(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
