"""Versions, their dates, and what a new version does to older achievements (rules/v1 sections 8 and 12)."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names


def giving(credits_: int, header: str = "", blocks: str = "") -> str:
    """A version with one rule that gives so many credits."""
    rule = f"{{id: r, match: {{}}, grant: {{credits: {{fixed: {credits_}}}}}}}"
    return f"ruleset: {{{header}}}\nrecognition: [{rule}]\n{blocks}"


def line(first: str, second: str) -> str:
    """Two versions, the second with the test."""
    return f"{first}\n---\n{second}"


SECOND = "version: 2, from: 2022-03-01"
BY_SUBMISSION = "clock: {recognition: submitted}"
TWO = line(giving(1), giving(2, SECOND))
CLOSED = line(giving(1, "until: 2022-01-01"), giving(2, SECOND))
CAL = "calendars: {year: {starts: ['01-01']}}\n"
PAIR = (
    "recognition: [{{id: pair, match: {{all: [{{code: A}}, {{code: B}}]}},"
    " grant: {{unit: X, credits: {{fixed: {0}}}}}}}]"
).format
ONLY_A = "recognition: [{id: a-only, match: {code: A}, grant: {credits: {fixed: 1}}}]"
LEGAL = ", legal_basis: [notice 12/2023]"


UNREDEEMED = "transition: {applies_to: unredeemed}\n"
NEVER_LESS = "transition: {applies_to: unredeemed, never_less_than: previous}\n"


def renamed(old: int, new: int) -> str:
    """The second version gives another unit, and never less than the first."""
    rule = "recognition: [{{id: r, match: {{}}, grant: {{unit: {0}, credits: {{fixed: {1}}}}}}}]".format
    return line(rule("U", old), f"ruleset: {{{SECOND}}}\n{NEVER_LESS}{rule('V', new)}")


def capped(first: int, second: int, per: str) -> str:
    """Two versions with one limit."""
    limits = "limits: [{{id: x, per: {0}, at_most: {{credits: {1}}}}}]".format
    return line(CAL + limits(per, first), f"ruleset: {{{SECOND}}}\n" + CAL + limits(per, second))


def later(transition: str, old: int = 1, new: int = 2, header: str = "") -> str:
    """A second version that says what it does to older achievements."""
    return line(giving(old), giving(new, SECOND + header, f"transition: {{{transition}}}"))


CASES: list[Case] = [
    ("the first day of the first version", giving(1), "{id: a, completed: 2020-03-01}", "a: 1"),
    ("before the first version", giving(1), "{id: a, completed: 2020-02-29}",
     "total: 0, a: [none, 'town: completed: 2020-02-29 (wanted 2020-03-01 to open)']"),
    ("the last day of a version", giving(1, "until: 2021-03-01"), "{id: a, completed: 2021-02-28}", "a: 1"),
    ("the first day after a version", giving(1, "until: 2021-03-01"), "{id: a, completed: 2021-03-01}",
     "a: [none, 'town: completed: 2021-03-01 (wanted 2020-03-01 to 2021-03-01)']"),
    ("each achievement by the version of its day", TWO,
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "total: 3, a: 1, b: 2"),
    ("in a gap between versions", CLOSED, "{id: a, completed: 2021-12-31}, {id: b, completed: 2022-01-01}, {id: c, "
     "completed: 2022-02-28},"
     "{id: d, completed: 2022-03-01}", "total: 3, a: 1, b: none, c: none, d: 2"),
    ("by the day of submission", line(giving(1, BY_SUBMISSION), giving(2, f"{SECOND}, {BY_SUBMISSION}")),
     "{id: a, completed: 2022-02-28, submitted: 2022-03-01}, {id: b, completed: 2022-02-28}", "total: 3, a: 2, b: 1"),
    ("submitted before the first version", giving(1, BY_SUBMISSION),
     "{id: a, completed: 2020-02-28, submitted: 2020-02-29}",
     "a: [none, 'town: submitted: 2020-02-29 (wanted 2020-03-01 to open)']"),
    ("completed before, submitted inside", giving(1, BY_SUBMISSION),
     "{id: a, completed: 2015-02-28, submitted: 2020-03-01}", "a: 1"),
    # Combinations.
    ("a combination reaches back to what no earlier version consumed",
     line("recognition: []", f"ruleset: {{{SECOND}}}\n" + PAIR(4)),
     "{id: a, code: A, completed: 2021-06-01}, {id: b, code: B, completed: 2022-03-01}", "total: 4, a+b: 4"),
    ("but not to what one consumed", line(ONLY_A, f"ruleset: {{{SECOND}}}\n" + PAIR(4)),
     "{id: a, code: A, completed: 2021-06-01}, {id: b, code: B, completed: 2022-03-01}",
     "total: 1, a: [1, rule=a-only], b: none"),
    ("a combination whose latest lies in the earlier version", line(PAIR(4), f"ruleset: {{{SECOND}}}\n" + PAIR(5)),
     "{id: a, code: A, completed: 2021-06-01}, {id: b, code: B, completed: 2022-02-28}", "total: 4, a+b: 4"),
    ("a combination whose latest lies in the later version", line(PAIR(4), f"ruleset: {{{SECOND}}}\n" + PAIR(5)),
     "{id: a, code: A, completed: 2021-06-01}, {id: b, code: B, completed: 2022-03-01}", "total: 5, a+b: 5"),
    ("a combination never lies wholly before its version", line("recognition: []", f"ruleset: {{{SECOND}}}\n"
     + PAIR(4)),
     "{id: a, code: A, completed: 2021-06-01}, {id: b, code: B, completed: 2022-02-28}", "total: 0, a: none, b: none"),
    ("a combination may reach back before the first version", PAIR(4),
     "{id: a, code: A, completed: 2019-06-01}, {id: b, code: B, completed: 2020-03-01}", "total: 4, a+b: 4"),
    ("a combination before the first version", PAIR(4),
     "{id: a, code: A, completed: 2019-06-01}, {id: b, code: B, completed: 2020-02-29}", "total: 0, a: none, b: none"),
    # Limits.
    ("a year that began under the first version keeps its limit", capped(4, 9, "year"),
     "{id: a, completed: 2022-02-01}, {id: b, completed: 2022-06-01}",
     "total: 4, a: 3, b: [1, 2, 'limit x [2022-01-01] 4 credits, 3 used: 1 of 3']"),
    ("a year that begins under the second has its own", capped(4, 9, "year"),
     "{id: a, completed: 2023-02-01}, {id: b, completed: 2023-06-01}", "total: 6, a: 3, b: 3"),
    ("a year that began before the first version has the first one's limit", capped(4, 9, "year"),
     "{id: a, completed: 2020-03-01}, {id: b, completed: 2020-06-01}",
     "total: 4, a: 3, b: [1, 2, 'limit x [2020-01-01]']"),
    ("a lifetime has the limit of the day of evaluation: the earlier", capped(4, 9, "lifetime"),
     "{id: a, completed: 2021-02-01}, {id: b, completed: 2021-06-01}", "as_of: 2022-02-28, total: 4, a: 3, b: [1, 2]"),
    ("a lifetime has the limit of the day of evaluation: the later", capped(4, 9, "lifetime"),
     "{id: a, completed: 2021-02-01}, {id: b, completed: 2021-06-01}", "as_of: 2022-03-01, total: 6, a: 3, b: 3"),
    ("a rolling window has the limit of the day of evaluation", capped(9, 4, "P12M"),
     "{id: a, completed: 2021-02-01}, {id: b, completed: 2021-06-01}",
     "as_of: 2022-03-01, total: 4, a: 3, b: [1, 2, 'limit x [P12M to 2021-06-01] 4 credits, 3 used: 1 of 3']"),
    ("a year's limit that the second version gave up still holds in its year",
     line(CAL + "limits: [{id: x, per: year, at_most: {credits: 4}}]", f"ruleset: {{{SECOND}}}"),
     "{id: a, completed: 2022-02-01}, {id: b, completed: 2022-06-01}, {id: c, completed: 2023-01-01}, {id: d, "
     "completed: 2023-01-02}",
     "total: 10, a: 3, b: [1, 2], c: 3, d: 3"),
    ("a year's limit that the second version brought begins with the next year",
     line("recognition: [{id: r, match: {}, grant: {credits: {native: 1}}}]",
          f"ruleset: {{{SECOND}}}\n" + CAL + "limits: [{id: x, per: year, at_most: {credits: 4}}]"),
     "{id: a, completed: 2022-04-01}, {id: b, completed: 2022-06-01}, {id: c, completed: 2023-01-01}, {id: d, "
     "completed: 2023-01-02}",
     "total: 10, a: 3, b: 3, c: 3, d: [1, 2, 'limit x [2023-01-01]']"),
    # Validity: the version that granted.
    ("a lot keeps the validity of its version",
     line("validity: {max: P1Y}", f"ruleset: {{{SECOND}}}\nvalidity: {{max: P7Y}}"),
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "as_of: 2023-02-28, total: 3, a: [3, valid until 2023-02-28, expired], b: [3, valid until 2029-03-01, available]"),
    ("unique goes by the day of evaluation: not yet", line(giving(1), giving(2, SECOND, "unique: {keep: first}")),
     "{id: a, unit: U, completed: 2021-01-01}, {id: b, unit: U, completed: 2021-02-01}",
     "as_of: 2022-02-28, total: 2, a: 1, b: 1"),
    ("unique goes by the day of evaluation: now", line(giving(1), giving(2, SECOND, "unique: {keep: first}")),
     "{id: a, unit: U, completed: 2021-01-01}, {id: b, unit: U, completed: 2021-02-01}",
     "as_of: 2022-03-01, total: 1, a: 1, b: [0, 1]"),
    # Transition.
    ("new only: older ones stay", later("applies_to: new_only"),
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "total: 3, a: 1, b: 2"),
    ("nothing said is new only", later("never_less_than: previous"), "{id: a, completed: 2022-02-28}",
     "total: 1, a: 1"),
    ("unredeemed: older ones too", later("applies_to: unredeemed"),
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "total: 4, a: 2, b: 2"),
    ("all: older ones too", later("applies_to: all"), "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "total: 4, a: 2, b: 2"),
    ("less than before, when the law says so", later("applies_to: all, retroactive: true", 4, 3, LEGAL),
     "{id: a, completed: 2022-02-28}",
     "total: 3, a: 3"),
    ("never less than before", later("applies_to: unredeemed, never_less_than: previous", 4, 3),
     "{id: a, completed: 2022-02-28}",
     "total: 4, a: [4, 'version 2 gives 3; never less than version 1: 4']"),
    ("more than before, when never less", later("applies_to: unredeemed, never_less_than: previous", 3, 4),
     "{id: a, completed: 2022-02-28}",
     "total: 4, a: 4"),
    ("never less than before does not consume an achievement twice",
     line(giving(1), f"ruleset: {{{SECOND}}}\ntransition: {{applies_to: unredeemed, never_less_than: previous}}\n"
     + PAIR(4)),
     "{id: a, code: A, completed: 2022-02-28}, {id: b, code: B, completed: 2022-03-01}", "total: 4, a+b: 4"),
    ("never less than before in another unit: what stood goes on standing", renamed(4, 3),
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}", "total: 7, a/U: 4, b/V: 3"),
    ("never less than before in another unit: as much is not less", renamed(4, 4), "{id: a, completed: 2022-02-28}",
     "total: 4, a/V: 4"),
    ("never less than before in two parts: together they are not less",
     line(giving(4), f"ruleset: {{{SECOND}}}\n{NEVER_LESS}recognition: [{{id: r, match: {{}}, grant: [{{unit: V, "
     "credits: {fixed: 3}}, {unit: W, credits: {fixed: 1}}]}]"),
     "{id: a, completed: 2022-02-28}", "total: 4, a/V: 3, a/W: 1"),
    ("a later version does not shorten what stands",
     line("validity: {max: P7Y}", f"ruleset: {{{SECOND}}}\n{UNREDEEMED}validity: {{max: P1Y}}"),
     "{id: a, completed: 2022-02-28}, {id: b, completed: 2022-03-01}",
     "as_of: 2022-06-01, a: [3, valid until 2029-02-28], b: [3, valid until 2023-03-01]"),
    ("a later version lengthens what stands",
     line("validity: {max: P1Y}", f"ruleset: {{{SECOND}}}\n{UNREDEEMED}validity: {{max: P7Y}}"),
     "{id: a, completed: 2022-02-28}", "as_of: 2022-06-01, a: [3, valid until 2029-02-28]"),
    ("a later version sets no end to what had none",
     line("recognition: [{id: r, match: {}, grant: {credits: {native: 1}}}]",
          f"ruleset: {{{SECOND}}}\n{UNREDEEMED}validity: {{max: P1Y}}"),
     "{id: a, completed: 2022-02-28}", "as_of: 2024-06-01, a: [3, available]"),
    ("a retroactive version shortens what stands",
     line("validity: {max: P7Y}", f"ruleset: {{{SECOND}{LEGAL}}}\ntransition: {{applies_to: unredeemed, retroactive: "
     "true}\nvalidity: {max: P1Y}"),
     "{id: a, completed: 2022-02-28}", "as_of: 2022-06-01, a: [3, valid until 2023-02-28]"),
    ("never less than before means nothing to new ones", later("applies_to: unredeemed, never_less_than: previous", 4,
     3),
     "{id: a, completed: 2022-03-01}", "total: 3, a: 3"),
]  # fmt: skip

NATION = "ruleset: {id: nation, layer: national, version: 2, from: 2010-01-01}\n"
TOWN = "ruleset: {extends: nation@2}\n"
GRANT = "{{id: {0}, {1}match: {{{2}}}, grant: {{credits: {{fixed: {3}}}}}}}".format
MOOCS = "recognition: [{id: no-moocs, effect: deny, match: {kind: mooc}}]\n"


def layered(above: str, below: str) -> str:
    """A national layer and the town that extends it."""
    rules = "" if "recognition" in above else "recognition: []\n"
    return f"{NATION}{rules}{above}\n---\n{TOWN}{below}"


LAYERS: list[Case] = [
    ("what the town does not know the nation does",
     layered(f"recognition: [{GRANT('nat', '', 'kind: exam', 5)}]",
     f"recognition: [{GRANT('own', '', 'kind: course', 1)}]"),
     "{id: a}, {id: b, kind: exam}, {id: c, kind: mooc}", "total: 6, a: [1, rule=own], b: [5, rule=nat], c: none"),
    ("a lower layer cannot grant what an upper one denies",
     layered(MOOCS, f"recognition: [{GRANT('own', 'priority: 900, ', '', 1)}]"), "{id: a, kind: mooc}, {id: b}",
     "total: 1, a: [deny, no-moocs], b: 1"),
    ("the priorities of both layers are one order",
     layered(f"recognition: [{GRANT('nat', 'priority: 2, ', 'kind: course', 5)}]",
     f"recognition: [{GRANT('own', 'priority: 1, ', 'provider: cn', 1)}]"),
     "{id: a}, {id: b, kind: exam}", "total: 6, a: [5, rule=nat], b: [1, rule=own]"),
    ("a denial of the town is its own and has its priority",
     layered(f"recognition: [{GRANT('nat', 'priority: 2, ', 'code: A', 5)}]",
     "recognition: [{id: never, priority: 1, effect: deny, match: {kind: course}}]"),
     "{id: a, code: A}, {id: b}", "total: 5, a: [5, rule=nat], b: [deny, never]"),
    ("all limits hold: the nation's", layered("limits: [{id: nat, at_most: {credits: 4}}]",
     "limits: [{id: own, at_most: {credits: 9}}]"),
     "{id: a}, {id: b}", "total: 4, a: 3, b: [1, 2, 'limit nat [all] 4 credits, 3 used: 1 of 3']"),
    ("all limits hold: the town's", layered("limits: [{id: nat, at_most: {credits: 9}}]",
     "limits: [{id: own, at_most: {credits: 4}}]"),
     "{id: a}, {id: b}", "total: 4, a: 3, b: [1, 2, 'limit own [all] 4 credits, 3 used: 1 of 3']"),
    ("the shortest validity holds: the nation's", layered("validity: {max: P1Y}", "validity: {max: P7Y}"), "{id: a}",
     "a: [3, valid until 2025-06-10]"),
    ("the shortest validity holds: the town's", layered("validity: {max: P7Y}", "validity: {max: P1Y}"), "{id: a}",
     "a: [3, valid until 2025-06-10]"),
    ("a validity that only the nation has", layered("validity: {max: P7Y}", ""), "{id: a}",
     "a: [3, valid until 2031-06-10]"),
    ("unique comes from the town", layered("unique: {keep: first}", "unique: {keep: latest}"),
     "{id: a, unit: U, completed: 2024-01-01}, {id: b, unit: U}", "total: 3, a: [0, 3, already from b (latest)], b: 3"),
    ("unique comes from the nation when the town has none", layered("unique: {keep: first}", ""),
     "{id: a, unit: U, completed: 2024-01-01}, {id: b, unit: U}", "total: 3, a: 3, b: [0, 3, already from a (first)]"),
    ("the nation's definitions serve the town",
     layered("recognition: []\nscales: {pct: {grades: {}}}\nlevels: {eqf: {'4': 4}}",
             f"recognition: [{GRANT('own', '', 'grade: {scale: pct, min: 60}, level: {min: 4}', 1)}]"),
     "{id: a, grade: {pct: 60}, level: {eqf: '4'}}, {id: b, grade: {pct: 59}, level: {eqf: '4'}}",
     "total: 1, a: 1, b: none"),
    ("an exception of the town to a rule of the nation",
     layered(f"recognition: [{GRANT('nat', '', 'kind: course', 5)}]",
     f"recognition: [{GRANT('own', 'exception_to: nat, ', 'kind: course, code: A', 1)}]"),
     "{id: a, code: A}, {id: b}", "total: 6, a: [1, rule=own], b: [5, rule=nat]"),
    ("three layers",
     NATION + "validity: {max: P7Y}\nlimits: [{id: nat, at_most: {credits: 8}}]\n" + MOOCS + "\n---\n"
     "ruleset: {id: city, layer: authority, version: 5, from: 2015-01-01, extends: nation@2}\nvalidity: {max: P2Y}\n"
     f"recognition: [{GRANT('exams', '', 'kind: exam', 5)}]\n---\n"
     "ruleset: {extends: city@5}\n" f"recognition: [{GRANT('own', 'priority: 9, ', '', 1)}]\nlimits: [{{id: own, "
     f"over: {{kind: exam}}, at_most: {{count: 1}}}}]",
     "{id: a, kind: mooc}, {id: b, kind: exam}", "total: 1, a: [deny, no-moocs], b: [1, rule=own, valid until "
     "2026-06-10]"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_a_version(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in LAYERS], ids=names(LAYERS))
def test_a_layer(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
