"""A learning counts once, whatever its units are called (rules/v1 section 6, ``key: learning``)."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names

BEST = "unique: {key: learning, keep: best}\n"
FIRST = "unique: {key: learning, keep: first}\n"
LATEST = "unique: {key: learning, keep: latest}\n"
PAIR = (
    "recognition: [{id: pair, priority: 9, match: {all: [{code: A}, {code: B}]}, grant: {unit: X, credits: {native: "
    "1}}},"
    "{id: one, match: {code: C}, grant: {credits: {native: 1}}}]\n"
)
TWO = "recognition: [{id: r, match: {}, grant: [{unit: U, credits: {native: 1}}, {unit: V, credits: {fixed: 2}}]}]\n"
EARLY, LATE = "completed: 2024-01-10", "completed: 2024-09-10"

CASES: list[Case] = [
    ("one learning under two units", FIRST, f"{{id: a, unit: U, learning: L, {EARLY}}}, {{id: b, unit: V, learning: "
     f"L, {LATE}}}",
     "total: 3, a: 3, b: [0, 3, already from a (first)]"),
    ("two learnings under one unit", FIRST, f"{{id: a, unit: U, learning: L, {EARLY}}}, {{id: b, unit: U, learning: "
     f"M, {LATE}}}",
     "total: 6, a: 3, b: 3"),
    ("the latest", LATEST, f"{{id: a, unit: U, learning: L, {EARLY}}}, {{id: b, unit: V, learning: L, {LATE}}}",
     "total: 3, a: [0, 3, already from b (latest)], b: 3"),
    ("the best", BEST, f"{{id: a, learning: L, credits: 4, {EARLY}}}, {{id: b, learning: L, credits: 3, {LATE}}}",
     "total: 4, a: 4, b: [0, 3, already from a (best)]"),
    ("the best, when it is the later", BEST, f"{{id: a, learning: L, credits: 3, {EARLY}}}, {{id: b, learning: L, "
     f"credits: 4, {LATE}}}",
     "total: 4, a: [0, 3, already from b (best)], b: 4"),
    ("of two equal ones the earlier", BEST, f"{{id: b, learning: L, {EARLY}}}, {{id: a, learning: L, {LATE}}}",
     "total: 3, b: 3, a: [0, 3]"),
    ("without a learning the unit counts", FIRST, f"{{id: a, unit: U, {EARLY}}}, {{id: b, unit: U, {LATE}}}",
     "total: 3, a: 3, b: [0, 3, same unit U already from a (first)]"),
    ("without a learning and with different units", FIRST, f"{{id: a, unit: U, {EARLY}}}, {{id: b, unit: V, {LATE}}}",
     "total: 6, a: 3, b: 3"),
    ("a learning and a unit of the same name are two things", FIRST,
     f"{{id: a, unit: X, learning: L, {EARLY}}}, {{id: b, unit: L, {LATE}}}",
     "total: 6, a: 3, b: 3"),
    ("all learnings of a combination count", PAIR + FIRST,
     f"{{id: a, code: A, learning: L, {EARLY}}}, {{id: b, code: B, learning: M, {EARLY}}}, {{id: c, code: C, "
     f"learning: M, {LATE}}}",
     "total: 6, a+b: 6, c: [0, 3, already from a+b (first)]"),
    ("a combination falls as a whole", PAIR + FIRST,
     f"{{id: c, code: C, learning: M, {EARLY}}}, {{id: a, code: A, learning: L, {LATE}}}, {{id: b, code: B, learning: "
     f"M, {LATE}}}",
     "total: 3, c: 3, a+b: [0, 6, already from c (first)]"),
    ("all lots of a decision fall together", TWO + FIRST,
     f"{{id: a, learning: L, {EARLY}}}, {{id: b, learning: L, {LATE}}}",
     "total: 5, a/U: 3, a/V: 2, b/U: [0, 3], b/V: [0, 2]"),
    ("the learnings of a loser are free again", PAIR + BEST,
     f"{{id: a, code: A, learning: L, credits: 2, {EARLY}}}, {{id: b, code: B, learning: M, credits: 2, {EARLY}}},"
     "{id: c, code: C, learning: L, credits: 5, completed: 2024-02-10}, {id: d, code: C, unit: D, learning: M, "
     "credits: 1, completed: 2024-03-10}",
     "total: 6, a+b: [0, 4, already from c (best)], c: 5, d: 1"),
    ("who lost to a loser stays lost", PAIR + BEST,
     f"{{id: a, code: A, learning: L, credits: 2, {EARLY}}}, {{id: b, code: B, learning: M, credits: 2, {EARLY}}},"
     "{id: d, code: C, unit: D, learning: M, credits: 1, completed: 2024-02-10}, {id: c, code: C, learning: L, "
     "credits: 5, completed: 2024-03-10}",
     "total: 5, a+b: [0, 4, already from c (best)], d: [0, 1, already from a+b (best)], c: 5"),
    ("what is worth nothing does not compete", FIRST,
     f"{{id: a, learning: L, credits: 0, {EARLY}}}, {{id: b, learning: L, {LATE}}}",
     "total: 3, a: 0, b: 3"),
    ("blanket credit does not compete",
     "recognition: [{id: r, match: {}, grant: {unit: 'blanket:art', category: art, credits: {native: 1}}}]\n" + FIRST,
     f"{{id: a, learning: L, {EARLY}}}, {{id: b, learning: L, {LATE}}}", "total: 6, a: 3, b: 3"),
    ("a revoked one gives the learning back", FIRST,
     f"{{id: a, learning: L, {EARLY}, status: revoked}}, {{id: b, learning: L, {LATE}}}",
     "total: 3, b: 3"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_a_learning(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
