"""Conditions: operators, and a logic of true, false and unknown (rules/v1 section 5.2)."""

from __future__ import annotations

import pytest

from tests.rules.writing import mismatches

MONTHS = "{fact: months, op: '>=', value: 12}"
NIGHT = "{fact: night, op: '==', value: true}"
BLOCKS = "levels: {eqf: {'4': 4, '5': 5}}\nscales: {us: {grades: {A: 4, B: 3}}}\n"

# The condition, the achievement, whether the rule takes it.
CASES: list[tuple[str, str, bool]] = [
    (MONTHS, "facts: {months: 12}", True),
    (MONTHS, "facts: {months: 11}", False),
    (MONTHS, "", False),
    ("{fact: months, op: '>', value: 12}", "facts: {months: 12}", False),
    ("{fact: months, op: '>', value: 12}", "facts: {months: 13}", True),
    ("{fact: months, op: '<', value: 12}", "facts: {months: 12}", False),
    ("{fact: months, op: '<', value: 12}", "facts: {months: 11}", True),
    ("{fact: months, op: '<=', value: 12}", "facts: {months: 12}", True),
    ("{fact: months, op: '<=', value: 12}", "facts: {months: 13}", False),
    ("{fact: months, op: '==', value: 12}", "facts: {months: 12}", True),
    ("{fact: months, op: '!=', value: 12}", "facts: {months: 12}", False),
    ("{fact: months, op: '!=', value: 12}", "facts: {months: 13}", True),
    # What is not known is neither equal nor unequal.
    ("{fact: months, op: '!=', value: 12}", "", False),
    ("{fact: months, op: in, value: [6, 12]}", "facts: {months: 12}", True),
    ("{fact: months, op: in, value: [6, 12]}", "facts: {months: 7}", False),
    ("{fact: months, op: not_in, value: [6, 12]}", "facts: {months: 7}", True),
    ("{fact: months, op: not_in, value: [6, 12]}", "facts: {months: 6}", False),
    ("{fact: months, op: not_in, value: [6, 12]}", "", False),
    (NIGHT, "facts: {night: true}", True),
    (NIGHT, "facts: {night: false}", False),
    ("{fact: trade, op: '==', value: baker}", "facts: {trade: ' baker '}", True),
    ("{fact: trade, op: '==', value: 'Café'}", "facts: {trade: 'Cafe\u0301'}", True),
    ("{fact: trade, op: '==', value: Baker}", "facts: {trade: baker}", False),
    ("{fact: trade, op: in, value: [baker, miller]}", "facts: {trade: miller}", True),
    ("{fact: issued, op: '>=', value: 2024-01-01}", "facts: {issued: 2024-01-01}", True),
    ("{fact: issued, op: '>=', value: 2024-01-01}", "facts: {issued: 2023-12-31}", False),
    # What is no day comes neither before a day nor after it.
    ("{fact: issued, op: '<', value: later}", "facts: {issued: 2024-01-01}", False),
    ("{fact: issued, op: '<', value: '2024-13-01'}", "facts: {issued: 2024-01-01}", False),
    ("{not: {fact: issued, op: '<', value: later}}", "facts: {issued: 2024-01-01}", False),
    # exists is never unknown.
    ("{fact: months, op: exists}", "facts: {months: 0}", True),
    ("{fact: months, op: exists}", "", False),
    ("{fact: months, op: exists, value: true}", "facts: {months: 0}", True),
    ("{fact: months, op: exists, value: false}", "", True),
    ("{fact: months, op: exists, value: false}", "facts: {months: 0}", False),
    ("{not: {fact: months, op: exists}}", "", True),
    ("{fact: night, op: exists}", "facts: {night: false}", True),
    # Three values: not unknown is unknown, and only true matches.
    (f"{{not: {MONTHS}}}", "facts: {months: 11}", True),
    (f"{{not: {MONTHS}}}", "facts: {months: 12}", False),
    (f"{{not: {MONTHS}}}", "", False),
    (f"{{not: {{not: {MONTHS}}}}}", "facts: {months: 12}", True),
    (f"{{not: {{not: {MONTHS}}}}}", "", False),
    (f"{{any: [{MONTHS}, {NIGHT}]}}", "facts: {night: true}", True),
    (f"{{any: [{MONTHS}, {NIGHT}]}}", "facts: {night: false}", False),
    (f"{{any: [{MONTHS}, {NIGHT}]}}", "", False),
    (f"{{all: [{MONTHS}, {NIGHT}]}}", "facts: {night: true}", False),
    (f"{{all: [{MONTHS}, {NIGHT}]}}", "facts: {night: true, months: 12}", True),
    (f"{{not: {{all: [{MONTHS}, {NIGHT}]}}}}", "facts: {night: false}", True),
    (f"{{not: {{all: [{MONTHS}, {NIGHT}]}}}}", "facts: {night: true}", False),
    (f"{{not: {{any: [{MONTHS}, {NIGHT}]}}}}", "facts: {night: false}", False),
    (f"{{not: {{any: [{MONTHS}, {NIGHT}]}}}}", "facts: {night: false, months: 3}", True),
    (f"{{not: {{any: [{MONTHS}, {NIGHT}]}}}}", "facts: {night: true}", False),
    (f"{{any: [{{all: [{MONTHS}, {NIGHT}]}}, {{not: {NIGHT}}}]}}", "facts: {night: false}", True),
    # The fields of section 9.
    ("{fact: credits, op: '>=', value: '2.5'}", "credits: '2.5'", True),
    ("{fact: credits, op: '>=', value: '2.5'}", "credits: '2.499'", False),
    ("{fact: credits, op: '>=', value: 1}", "credits: null", False),
    ("{fact: hours, op: '<', value: '1/3'}", "hours: '0.333'", True),
    ("{fact: attendance, op: '>=', value: 80}", "attendance: 80", True),
    ("{fact: provider, op: under, value: cn/cq}", "provider: cn/cq/yz", True),
    ("{fact: provider, op: under, value: cn/cq}", "provider: cn/cq", True),
    ("{fact: provider, op: under, value: cn/cq}", "provider: cn/cqx", False),
    ("{fact: provider, op: under, value: cn/cq}", "provider: cn", False),
    ("{fact: provider, op: '==', value: cn/cq}", "provider: cn/cq/yz", False),
    ("{not: {fact: provider, op: under, value: cn}}", "provider: us/a", True),
    ("{fact: category, op: under, value: math}", "category: math/algebra", True),
    ("{fact: category, op: under, value: math}", "category: mathematics", False),
    ("{fact: category, op: under, value: math}", "", False),
    ("{fact: kind, op: '!=', value: exam}", "", True),
    ("{fact: code, op: not_in, value: [A, B]}", "code: C", True),
    ("{fact: code, op: exists, value: false}", "", True),
    ("{fact: completed, op: '<', value: 2024-06-10}", "", False),
    ("{fact: completed, op: '<=', value: 2024-06-10}", "", True),
    ("{fact: level, op: '==', value: 5}", "level: {eqf: '5'}", True),
    ("{fact: level, op: '>', value: 4}", "level: {eqf: '4'}", False),
    ("{fact: level, op: exists}", "level: {rqf: '4'}", False),
    ("{fact: grade, op: '>=', value: 4}", "grade: {us: A}", True),
    ("{fact: grade, op: '>=', value: 4}", "grade: {us: B}", False),
    ("{fact: submitted, op: '>', value: 2024-06-10}", "submitted: 2024-06-11", True),
    ("{fact: submitted, op: '>', value: 2024-06-10}", "", False),
    ("{fact: applied, op: '>', value: 2024-06-10}", "submitted: 2024-06-11", True),
    ("{fact: applied, op: '>', value: 2024-06-11}", "submitted: 2024-06-11", False),
    ("{fact: applied, op: '>', value: 2024-06-11}", "submitted: 2024-06-11, applied: 2024-06-12", True),
    ("{fact: assurance, op: '>=', value: verified}", "assurance: signed", True),
    ("{fact: assurance, op: '>=', value: verified}", "assurance: provider", False),
    ("{fact: assurance, op: '!=', value: self}", "assurance: self", False),
    ("{fact: provider_type, op: '==', value: enterprise}", "provider_type: enterprise", True),
    ("{fact: learning, op: exists}", "learning: L", True),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "given", "is_taken"), CASES, ids=[f"{c} | {g}" for c, g, _ in CASES])
def test_a_condition(condition: str, given: str, is_taken: bool) -> None:
    rules = f"{BLOCKS}recognition: [{{id: r, match: {{where: {condition}}}, grant: {{credits: {{fixed: 1}}}}}}]"

    assert mismatches(rules, f"{{id: a, {given}}}", f"a: {'1' if is_taken else 'none'}") == []


def test_what_a_condition_found_is_said() -> None:
    rules = "recognition: [{id: x, match: {where: {fact: credits, op: '>=', value: 4}}, grant: {credits: {fixed: 1}}}]"

    assert mismatches(rules, "{id: a}", "a: [none, 'x: where: credits=3 (wanted credits >= 4)']") == []


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("{all: [{fact: credits, op: '<', value: 2}, {fact: code, op: exists, value: false}]}",
         "(credits < 2 and code is absent)"),
        ("{any: [{fact: credits, op: '<', value: '1/2'}, {not: {fact: code, op: exists}}]}",
         "(credits < 0.5 or not code exists)"),
        ("{fact: code, op: not_in, value: [X, A]}", "code not in X|A"),
        ("{fact: completed, op: '>', value: 2030-01-02}", "completed > 2030-01-02"),
    ],
)  # fmt: skip
def test_a_condition_that_fails_is_said_as_it_was_written(condition: str, text: str) -> None:
    rules = f"recognition: [{{id: x, match: {{where: {condition}}}, grant: {{credits: {{fixed: 1}}}}}}]"
    (mismatch,) = mismatches(rules, "{id: a, code: A}", "a: 1")

    assert f"(wanted {text})" in mismatch.got


@pytest.mark.parametrize(
    ("fact", "given", "shown"),
    [
        ("assurance", "assurance: provider", "provider"),
        ("issued", "facts: {issued: 2024-01-31}", "2024-01-31"),
        ("night", "facts: {night: true}", "true"),
        ("night", "facts: {night: false}", "false"),
        ("hours", "hours: '1/3'", "0.333"),
        ("trade", "facts: {trade: baker}", "baker"),
        ("code", "", "none"),
    ],
)
def test_what_was_found_is_said_as_people_write_it(fact: str, given: str, shown: str) -> None:
    missed = f"{{all: [{{fact: kind, op: '==', value: exam}}, {{fact: {fact}, op: exists}}]}}"
    rules = f"recognition: [{{id: x, match: {{where: {missed}}}, grant: {{credits: {{fixed: 1}}}}}}]"
    (mismatch,) = mismatches(rules, f"{{id: a, {given}}}", "a: 1")

    assert f"where: kind=course, {fact}={shown} (wanted" in mismatch.got


def test_a_condition_stands_beside_the_other_tests() -> None:
    rules = f"recognition: [{{id: r, match: {{kind: exam, where: {NIGHT}}}, grant: {{credits: {{fixed: 1}}}}}}]"
    given = (
        "{id: a, kind: exam, facts: {night: true}}, {id: b, facts: {night: true}}, {id: c, kind: exam,"
        " facts: {night: false}}"
    )

    assert mismatches(rules, given, "total: 1, a: 1, b: none, c: none") == []


def test_a_condition_in_a_slot_of_a_combination() -> None:
    rules = f"recognition: [{{id: r, match: {{all: [{{where: {NIGHT}}}, {{}}]}}, grant: {{credits: {{fixed: 1}}}}}}]"

    assert mismatches(rules, "{id: a}, {id: b, facts: {night: true}}", "total: 1, b+a: 1") == []
