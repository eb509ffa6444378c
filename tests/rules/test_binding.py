"""Which achievements a combination takes together, and in which order (rules/v1 section 5.3)."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names


def matching(match: str, grant: str = "unit: X, credits: {fixed: 4}") -> str:
    """One rule with this matcher."""
    return f"recognition: [{{id: r, match: {match}, grant: {{{grant}}}}}]"


PAIR = matching("{all: [{code: A}, {code: B}]}")
TWO_OF_THREE = matching("{n: 2, of: [{code: A}, {code: B}, {code: C}]}")
LEFT_OVER = "r: another part of the combination is missing"
A, B, C = "{id: a, code: A}", "{id: b, code: B}", "{id: c, code: C}"

CASES: list[Case] = [
    ("the order of the slots is that of the binding", PAIR,
     "{id: x, code: B, completed: 2024-01-10}, {id: y, code: A, completed: 2024-02-10}", "total: 4, y+x: [4, fixed 4]"),
    ("half a combination is nothing", PAIR, A, f"total: 0, a: [none, '{LEFT_OVER}']"),
    ("an achievement fills one slot only", matching("{all: [{code: A}, {kind: course}]}"), A, "a: none"),
    ("two slots that want the same take two", matching("{all: [{kind: course}, {kind: course}]}"),
     "{id: a}, {id: b}, {id: c}", f"total: 4, a+b: 4, c: [none, '{LEFT_OVER}']"),
    ("a rule binds again and again", PAIR, "{id: a1, code: A}, {id: a2, code: A}, {id: b1, code: B}, {id: b2, code: B}",
     "total: 8, a1+b1: 4, a2+b2: 4"),
    ("what is left over is left", PAIR, "{id: a1, code: A}, {id: a2, code: A}, {id: b1, code: B}",
     f"total: 4, a1+b1: 4, a2: [none, '{LEFT_OVER}']"),
    ("within a slot the earlier goes first", PAIR,
     "{id: a1, code: A, completed: 2024-06-11}, {id: a2, code: A, completed: 2024-06-10}, {id: b, code: B}",
     "a2+b: 4, a1: none"),
    ("within a slot and a day the smaller id goes first", PAIR,
     "{id: a2, code: A}, {id: a1, code: A}, {id: b, code: B}",
     "a1+b: 4, a2: none"),
    ("a slot gives its achievement up to a later one", matching("{all: [{kind: course}, {code: A}]}"),
     "{id: a, code: A, completed: 2024-01-10}, {id: b, code: B, completed: 2024-02-10}", "total: 4, b+a: 4"),
    ("slots give up in a row", matching("{all: [{kind: course}, {provider: cn}, {code: A}]}"),
     "{id: a, code: A, completed: 2024-01-10}, {id: b, code: B, provider: us, completed: 2024-01-11},"
     "{id: c, code: C, completed: 2024-01-12}", "total: 4, b+c+a: 4"),
    ("nothing is given up for nothing", matching("{all: [{kind: course}, {kind: exam}]}"),
     "{id: a, completed: 2024-01-10}, {id: b, completed: 2024-01-11}, {id: e, kind: exam}", "a+e: 4, b: none"),
    ("any: the first alternative before the earlier achievement",
     matching("{all: [{any: [{code: B}, {code: A}]}, {kind: course}]}"),
     "{id: a, code: A, completed: 2024-01-10}, {id: b, code: B, completed: 2024-02-10}", "total: 4, b+a: 4"),
    ("any: an alternative gives way to a later slot", matching("{all: [{any: [{code: A}, {code: B}]}, {code: A}]}"),
     f"{A}, {B}", "total: 4, b+a: 4"),
    ("any: one alternative at a time, but again and again", matching("{any: [{code: B}, {code: A}]}"), f"{A}, {B}",
     "total: 8, a: 4, b: 4"),
    ("any: the whole before its part", matching("{any: [{all: [{code: A}, {code: B}]}, {code: A}]}"),
     f"{A}, {B}, {{id: a2, code: A}}", "total: 8, a+b: 4, a2: 4"),
    ("any: the part before the whole", matching("{any: [{code: A}, {all: [{code: A}, {code: B}]}]}"), f"{A}, {B}",
     "total: 4, a: 4, b: none"),
    ("any: no achievement is taken where only another alternative could be filled after it",
     matching("{any: [{all: [{kind: course}, {code: A}]}, {all: [{code: C}, {code: B}]}]}"),
     "{id: a, code: A}, {id: d, code: D, completed: 2024-12-01}, {id: b, code: B, kind: exam}, "
     "{id: c, code: C, kind: exam}", "total: 8, d+a: 4, c+b: 4"),
    ("n of: the earlier slots", TWO_OF_THREE, f"{A}, {B}, {C}", f"total: 4, a+b: 4, c: [none, '{LEFT_OVER}']"),
    ("n of: the first and the last, when the middle is missing", TWO_OF_THREE, f"{A}, {C}", "total: 4, a+c: 4"),
    ("n of: the last two", TWO_OF_THREE, f"{C}, {B}", "total: 4, b+c: 4"),
    ("n of: one is too few", TWO_OF_THREE, B, f"total: 0, b: [none, '{LEFT_OVER}']"),
    ("n of: again with what is left", TWO_OF_THREE, f"{A}, {B}, {C}, {{id: a2, code: A}}", "total: 8, a+b: 4, a2+c: 4"),
    ("n of: a slot of the earlier choice gives its achievement up",
     matching("{n: 2, of: [{kind: course}, {code: A}, {code: Z}]}"),
     "{id: a, code: A, completed: 2024-01-10}, {id: b, code: B, completed: 2024-02-10}", "total: 4, b+a: 4"),
    ("n of: a later choice when the earlier ones starve", matching("{n: 2, of: [{code: A}, {code: A}, {code: C}]}"),
     f"{A}, {C}", "total: 4, a+c: 4"),
    ("n of: one of several", matching("{n: 1, of: [{code: B}, {code: A}]}"), f"{A}, {B}", "total: 8, a: 4, b: 4"),
    ("one inside the other",
     matching("{all: [{n: 1, of: [{code: A}, {code: B}]}, {any: [{all: [{code: C}, {code: D}]}, {code: E}]}]}"),
     f"{B}, {C}, {{id: e, code: E}}", "total: 4, b+e: 4, c: none"),
    ("the lead gives unit, category and grade, though it came last",
     matching("{all: [{code: A}, {code: B}]}", "credits: {native: 1}") + "\nscales: {pct: {grades: {}}}",
     "{id: a, code: A, unit: UA, category: math, grade: {pct: 70}, credits: 2, completed: 2024-09-01},"
     "{id: b, code: B, unit: UB, category: art, grade: {pct: 90}}",
     "a+b: [5, 5 native x 1 = 5, unit=UA, category=math, grade=70]"),
    ("the lead's level", matching("{all: [{code: A}, {code: B}]}") + "\nlevels: {eqf: {'4': 4, '6': 6}}",
     "{id: a, code: A, level: {eqf: 4}}, {id: b, code: B, level: {eqf: 6}}", "a+b: [4, level=4]"),
    ("hours are added up", matching("{all: [{code: A}, {code: B}]}", "credits: {per_hour: 30}"),
     "{id: a, code: A, hours: 40}, {id: b, code: B, hours: 35}", "a+b: ['2.5', 75 h / 30 = 2.5]"),
    ("credits that one of the two lacks go to a person",
     matching("{all: [{code: A}, {code: B}]}", "credits: {native: 1}"),
     "{id: a, code: A}, {id: b, code: B, credits: null}",
     "total: 0, a+b: [review, 'r: credits missing']"),
    ("hours that the lead lacks go to a person", matching("{all: [{code: A}, {code: B}]}", "credits: {per_hour: 30}"),
     "{id: a, code: A}, {id: b, code: B, hours: 30}", "a+b: [review, 'r: hours missing']"),
    ("a combination is one decision with several lots",
     "recognition: [{id: r, match: {all: [{code: A}, {code: B}]},"
     " grant: [{unit: U, credits: {fixed: 3}}, {unit: V, credits: {fixed: 1}}, {unit: U, credits: {fixed: 2}}]}]",
     f"{A}, {B}", "total: 6, a+b/U#0: 3, a+b/V: 1, a+b/U#2: 2"),
    ("the combination first, what it leaves goes to the next rule",
     "recognition: [{id: pair, priority: 9, match: {all: [{code: A}, {code: B}]}, grant: {credits: {fixed: 4}}},"
     "{id: one, match: {kind: course}, grant: {credits: {fixed: 1}}}]",
     f"{A}, {B}, {{id: a2, code: A}}", "total: 5, a+b: [4, rule=pair], a2: [1, rule=one]"),
    ("a part that an earlier rule consumed is gone",
     "recognition: [{id: pair, match: {all: [{code: A}, {code: B}]}, grant: {credits: {fixed: 4}}},"
     "{id: one, priority: 9, match: {code: A}, grant: {credits: {fixed: 1}}}]",
     f"{A}, {B}", "total: 1, a: [1, rule=one], b: [none, 'pair: another part of the combination is missing']"),
    ("a denied combination consumes all its parts",
     "recognition: [{id: both, priority: 9, effect: deny, match: {all: [{code: A}, {code: B}]}},"
     "{id: one, match: {}, grant: {credits: {fixed: 1}}}]",
     f"{A}, {B}, {C}", "total: 1, a+b: [deny, both], c: 1"),
    ("a combination for a person consumes all its parts",
     "recognition: [{id: both, priority: 9, effect: review, match: {all: [{code: A}, {code: B}]}},"
     "{id: one, match: {}, grant: {credits: {fixed: 1}}}]",
     f"{A}, {B}, {C}", "total: 1, a+b: [review, both], c: 1"),
    ("twelve slots", matching("{all: [" + ", ".join(["{}"] * 12) + "]}"),
     ", ".join(f"{{id: x{number:02}}}" for number in range(12)),
     "+".join(f"x{number:02}" for number in range(12)) + ": 4"),
    ("a revoked part breaks the combination", PAIR, "{id: a, code: A}, {id: b, code: B, status: revoked}",
     f"total: 0, a: [none, '{LEFT_OVER}']"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_a_combination(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
