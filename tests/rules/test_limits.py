"""How much of what was earned counts (rules/v1 section 6): a lot is cut, refused whole, kept aside or dropped."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names

SIX = "limits: [{id: six, at_most: {credits: 6}%s}]"
CALENDARS = "calendars: {year: {starts: ['03-01']}, term: {starts: ['03-01', '09-01']}}\n"
YEAR_THREE = CALENDARS + "limits: [{id: year, per: year, at_most: {credits: 3}}]"
ROLLING = "limits: [{id: roll, per: %s, at_most: {credits: 3}}]"
NESTED = (
    CALENDARS + "limits: [{id: term, per: term, at_most: {credits: 4}%s}, {id: year, per: year, at_most: {credits: 6}}]"
)
TWO_LOTS = (
    "recognition: [{id: r, match: {}, grant: [{unit: U, credits: {fixed: 3}}, {unit: V, credits: {fixed: 2}}]}]\n"
)


def days(*dates: str, credits_: str = "3") -> str:
    """Courses a, b, c ... completed on these days."""
    return ", ".join(
        f"{{id: {key}, completed: {day}, credits: '{credits_}'}}" for key, day in zip("abcdefg", dates, strict=False)
    )


CASES: list[Case] = [
    # Cut or refused whole: the choice that every source leaves open.
    ("a lot is cut", SIX % "", "{id: a, credits: 4}, {id: b, credits: 4}",
     "total: 6, a: 4, b: [2, 2, 'limit six [all] 6 credits, 4 used: 2 of 4']"),
    ("split false: a lot is refused whole", SIX % ", split: false", "{id: a, credits: 4}, {id: b, credits: 4}",
     "total: 4, a: 4, b: [0, 4, 'limit six [all] 6 credits, 4 used: 0 of 4']"),
    ("split false: what is refused leaves its room to a smaller one", SIX % ", split: false",
     "{id: a, credits: 4}, {id: b, credits: 4}, {id: c, credits: 2}", "total: 6, a: 4, b: [0, 4], c: 2"),
    ("split false: a lot that fits to the last credit", SIX % ", split: false",
     "{id: a, credits: 4}, {id: b, credits: 2}",
     "total: 6, a: 4, b: 2"),
    ("split false: a lot larger than the limit", SIX % ", split: false", "{id: a, credits: 7}", "total: 0, a: [0, 7]"),
    ("after the cut nothing is left", SIX % "", "{id: a, credits: 4}, {id: b, credits: 4}, {id: c, credits: 2}",
     "total: 6, a: 4, b: [2, 2], c: [0, 2, 'limit six [all] 6 credits, 6 used: 0 of 2']"),
    ("overflow drop: the rest is lost", SIX % ", overflow: drop", "{id: a, credits: 4}, {id: b, credits: 4}",
     "total: 6, a: 4, b: [2, 'limit six [all] 6 credits, 4 used: 2 of 4; the rest is dropped']"),
    ("overflow drop, split false: all of it is lost", SIX % ", overflow: drop, split: false",
     "{id: a, credits: 4}, {id: b, credits: 4}",
     "total: 4, a: 4, b: [0, 'limit six [all] 6 credits, 4 used: 0 of 4; the rest is dropped']"),
    ("a limit finer than the step cuts off the step", "limits: [{id: x, at_most: {credits: '1.25'}}]", "{id: a}",
     "total: '1.25', a: ['1.25', '1.75', 'limit x [all] 1.25 credits, 0 used: 1.25 of 3']"),
    ("the earlier lot goes first, whatever its name", SIX % "",
     "{id: z, credits: 6, completed: 2024-01-10}, {id: a, credits: 6}", "total: 6, z: 6, a: [0, 6]"),
    ("on one day the smaller id goes first", SIX % "", "{id: z, credits: 6}, {id: a, credits: 6}",
     "total: 6, a: 6, z: [0, 6]"),
    ("of one decision the earlier grant goes first", TWO_LOTS + "limits: [{id: x, at_most: {credits: 4}}]", "{id: a}",
     "total: 4, a/U: 3, a/V: [1, 1, 'limit x [all] 4 credits, 3 used: 1 of 2']"),
    # Periods.
    ("the last day of a leap year's February belongs to the old year", YEAR_THREE, days("2024-02-28", "2024-02-29"),
     "total: 3, a: 3, b: [0, 3, 'limit year [2023-03-01] 3 credits, 3 used: 0 of 3']"),
    ("the first day of the year begins anew", YEAR_THREE, days("2024-02-29", "2024-03-01"), "total: 6, a: 3, b: 3"),
    ("the last day of the year", YEAR_THREE, days("2024-03-01", "2025-02-28"),
     "total: 3, a: 3, b: [0, 3, 'limit year [2024-03-01]']"),
    ("the last day of a term", NESTED % "", days("2024-03-01", "2024-08-31"),
     "total: 4, a: 3, b: [1, 2, 'limit term [2024-03-01] 4 credits, 3 used: 1 of 3']"),
    ("the first day of the next term", NESTED % "", days("2024-08-31", "2024-09-01"), "total: 6, a: 3, b: 3"),
    ("a term over New Year", NESTED % "", days("2024-09-01", "2025-01-10"),
     "total: 4, a: 3, b: [1, 2, 'limit term [2024-09-01] 4 credits, 3 used: 1 of 3']"),
    ("lifetime, unless said otherwise", SIX % "", days("2020-03-01", "2022-01-01", "2025-01-01"),
     "total: 6, a: 3, b: 3, c: [0, 3]"),
    ("lifetime, when said so", SIX % ", per: lifetime", days("2020-03-01", "2022-01-01", "2025-01-01"),
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit six [all] 6 credits, 6 used: 0 of 3']"),
    # Rolling windows: a lot is in the window while its day + duration is after the day.
    ("rolling: the last day inside", ROLLING % "P12M", days("2023-03-01", "2024-02-29"),
     "total: 3, a: 3, b: [0, 3, 'limit roll [P12M to 2024-02-29] 3 credits, 3 used: 0 of 3']"),
    ("rolling: the first day outside", ROLLING % "P12M", days("2023-03-01", "2024-03-01"), "total: 6, a: 3, b: 3"),
    ("rolling: a leap day's year ends a day early", ROLLING % "P12M", days("2024-02-29", "2025-02-28"),
     "total: 6, a: 3, b: 3"),
    ("rolling: the day before that", ROLLING % "P12M", days("2024-02-29", "2025-02-27"),
     "total: 3, a: 3, b: [0, 3, 'limit roll [P12M to 2025-02-27] 3 credits, 3 used: 0 of 3']"),
    ("rolling: days, the last inside", ROLLING % "P30D", days("2024-06-01", "2024-06-30"), "total: 3, a: 3, b: [0, 3]"),
    ("rolling: days, the first outside", ROLLING % "P30D", days("2024-06-01", "2024-07-01"), "total: 6, a: 3, b: 3"),
    ("rolling: a month from the 31st clips to the 30th", ROLLING % "P1M", days("2024-03-31", "2024-04-30"),
     "total: 6, a: 3, b: 3"),
    ("rolling: a month from the 31st, the day before", ROLLING % "P1M", days("2024-03-31", "2024-04-29"),
     "total: 3, a: 3, b: [0, 3]"),
    ("rolling: what got nothing holds no room", ROLLING % "P12M", days("2024-01-10", "2024-06-01", "2025-01-10"),
     "total: 6, a: 3, b: [0, 3], c: 3"),
    ("rolling: room comes back piece by piece", ROLLING % "P12M",
     "{id: a, credits: 1, completed: 2023-01-10}, {id: b, credits: 2, completed: 2023-06-10},"
     "{id: c, credits: 3, completed: 2024-02-10}, {id: d, credits: 3, completed: 2024-06-10}",
     "total: 6, a: 1, b: 2, c: [1, 2, 'limit roll [P12M to 2024-02-10] 3 credits, 2 used: 1 of 3'],"
     "d: [2, 1, 'limit roll [P12M to 2024-06-10] 3 credits, 1 used: 2 of 3']"),
    # Buckets.
    ("by provider", "limits: [{id: one, by: provider, at_most: {credits: 3}}]",
     "{id: a, provider: kr/a}, {id: b, provider: kr/b}, {id: c, provider: kr/a}",
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [all, kr/a] 3 credits, 3 used: 0 of 3']"),
    ("by provider: a branch has a bucket of its own", "limits: [{id: one, by: [provider], at_most: {credits: 3}}]",
     "{id: a, provider: kr/a}, {id: b, provider: kr/a/north}", "total: 6, a: 3, b: 3"),
    ("by category: the lot's, not the achievement's",
     "recognition: [{id: r, match: {code: A}, grant: {category: art, credits: {native: 1}}},"
     "{id: s, match: {code: B}, grant: {credits: {native: 1}}}]\n"
     "limits: [{id: one, by: category, at_most: {credits: 3}}]",
     "{id: a, code: A, category: math}, {id: b, code: B, category: math}, {id: c, code: B, category: art}",
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [all, art] 3 credits, 3 used: 0 of 3']"),
    ("by unit", "limits: [{id: one, by: unit, at_most: {credits: 3}}]",
     "{id: a, unit: U}, {id: b, unit: U}, {id: c, unit: V}",
     "total: 6, a: 3, b: [0, 3, 'limit one [all, U] 3 credits, 3 used: 0 of 3'], c: 3"),
    ("by kind", "limits: [{id: one, by: kind, at_most: {credits: 3}}]",
     "{id: a}, {id: b, kind: mooc}, {id: c, kind: mooc}",
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [all, mooc]']"),
    ("by type of provider", "limits: [{id: one, by: provider_type, at_most: {credits: 3}}]",
     "{id: a, provider_type: mooc_platform}, {id: b, provider_type: enterprise}, {id: c, provider_type: enterprise}",
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [all, enterprise]']"),
    ("by two at once, in a period", CALENDARS + "limits: [{id: one, by: [provider, kind], per: term, at_most: "
     "{credits: 3}}]",
     "{id: a}, {id: b, kind: mooc}, {id: c}", "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [2024-03-01, cn/cq, "
     "course]']"),
    # Counts.
    ("a count", "limits: [{id: two, at_most: {count: 2}}]", "{id: a}, {id: b}, {id: c}",
     "total: 6, a: 3, b: 3, c: [0, 3, 'limit two [all] 2 items, 2 used: 0 of 3']"),
    ("a count counts decisions, not lots", TWO_LOTS + "limits: [{id: one, at_most: {count: 1}}]", "{id: a}, {id: b}",
     "total: 5, a/U: 3, a/V: 2, b/U: [0, 3], b/V: [0, 2]"),
    ("a count leaves out what gave nothing", "limits: [{id: two, at_most: {count: 2}}]",
     "{id: a, credits: 0}, {id: b}, {id: c}", "total: 6, a: 0, b: 3, c: 3"),
    ("a count leaves out what another limit refused",
     "limits: [{id: exams, over: {kind: exam}, at_most: {credits: 3}}, {id: two, at_most: {count: 2}}]",
     "{id: a, kind: exam}, {id: b, kind: exam}, {id: c}, {id: d}",
     "total: 6, a: 3, b: [0, 3, 'limit exams'], c: 3, d: [0, 3, 'limit two [all] 2 items, 2 used: 0 of 3']"),
    ("a count takes in what was cut", "limits: [{id: x, at_most: {credits: 4}, over: {kind: exam}}, {id: two, "
     "at_most: {count: 2}}]",
     "{id: a, kind: exam}, {id: b, kind: exam}, {id: c}",
     "total: 4, a: 3, b: [1, 2, 'limit x'], c: [0, 3, 'limit two']"),
    ("credits and count together: the count binds", "limits: [{id: x, at_most: {credits: 10, count: 2}}]",
     "{id: a}, {id: b}, {id: c}", "total: 6, a: 3, b: 3, c: [0, 3, '2 items, 2 used: 0 of 3']"),
    ("credits and count together: the credits bind", "limits: [{id: x, at_most: {credits: 5, count: 3}}]",
     "{id: a}, {id: b}, {id: c}", "total: 5, a: 3, b: [2, 1, '5 credits, 3 used: 2 of 3'], c: [0, 3]"),
    ("a count in a period", CALENDARS + "limits: [{id: one, per: year, at_most: {count: 1}}]",
     days("2024-02-29", "2024-03-01", "2024-03-02"), "total: 6, a: 3, b: 3, c: [0, 3, 'limit one [2024-03-01]']"),
    # Several limits.
    ("a term inside a year", NESTED % "", days("2024-04-10", "2024-05-10", "2024-10-10"),
     "total: 6, a: 3, b: [1, 2, 'limit term [2024-03-01] 4 credits, 3 used: 1 of 3'],"
     "c: [2, 1, 'limit year [2024-03-01] 6 credits, 4 used: 2 of 3']"),
    ("what the term refused uses nothing of the year", NESTED % ", split: false",
     days("2024-04-10", "2024-05-10", "2024-10-10"), "total: 6, a: 3, b: [0, 3, 'limit term'], c: 3"),
    ("a lot may be cut at the one limit though not at the other",
     "limits: [{id: ten, split: false, at_most: {credits: 10}}, {id: four, at_most: {credits: 4}}]", "{id: a}, {id: b}",
     "total: 4, a: 3, b: [1, 2, 'limit four [all] 4 credits, 3 used: 1 of 3']"),
    ("a cut lot uses as much of every limit as it got",
     "limits: [{id: moocs, over: {kind: mooc}, at_most: {credits: 4}}, {id: all-7, at_most: {credits: 7}}]",
     "{id: a, kind: mooc}, {id: b, kind: mooc}, {id: c}, {id: d}",
     "total: 7, a: 3, b: [1, 2, 'limit moocs'], c: 3, d: [0, 3, 'limit all-7 [all] 7 credits, 7 used: 0 of 3']"),
    ("the least room decides, wherever it stands",
     "limits: [{id: five, at_most: {credits: 5}}, {id: four, at_most: {credits: 4}, overflow: drop}]",
     "{id: a}, {id: b}",
     "total: 4, a: 3, b: [1, 'limit four [all] 4 credits, 3 used: 1 of 3; the rest is dropped']"),
    ("of equal rooms the first is the reason",
     "limits: [{id: x, at_most: {credits: 4}}, {id: y, at_most: {credits: 4}, overflow: drop}]", "{id: a}, {id: b}",
     "total: 4, a: 3, b: [1, 2, 'limit x [all] 4 credits, 3 used: 1 of 3']"),
    ("of equal rooms the first one's overflow decides",
     "limits: [{id: y, at_most: {credits: 4}, overflow: drop}, {id: x, at_most: {credits: 4}}]", "{id: a}, {id: b}",
     "total: 4, a: 3, b: [1, 'limit y [all] 4 credits, 3 used: 1 of 3; the rest is dropped']"),
    # Over what.
    ("over a kind: the others are free", "limits: [{id: x, over: {kind: mooc}, at_most: {credits: 3}}]",
     "{id: a, kind: mooc}, {id: b, kind: mooc}, {id: c}, {id: d}", "total: 9, a: 3, b: [0, 3], c: 3, d: 3"),
    ("over a category: that of the lot",
     "recognition: [{id: r, match: {}, grant: {category: art/music, credits: {native: 1}}}]\n"
     "limits: [{id: x, over: {category: art}, at_most: {credits: 4}}]",
     "{id: a, category: math}, {id: b}", "total: 4, a: 3, b: [1, 2, 'limit x']"),
    ("over a category: not that of the achievement",
     "recognition: [{id: r, match: {}, grant: {category: art, credits: {native: 1}}}]\n"
     "limits: [{id: x, over: {category: math}, at_most: {credits: 4}}]",
     "{id: a, category: math}, {id: b, category: math}", "total: 6, a: 3, b: 3"),
    ("over a level: that of the lot", "levels: {eqf: {'3': 3, '6': 6}}\n"
     "recognition: [{id: r, match: {}, grant: {level: 5, credits: {native: 1}}}]\n"
     "limits: [{id: x, over: {level: {min: 5, below: 6}}, at_most: {credits: 4}}]",
     "{id: a, level: {eqf: 3}}, {id: b, level: {eqf: 6}}", "total: 4, a: 3, b: [1, 2, 'limit x']"),
    ("over a grade, an assurance and tags of the lead", "scales: {pct: {grades: {}}}\n"
     "recognition: [{id: r, match: {}, grant: {grade: pass, credits: {native: 1}}}]\n"
     "limits: [{id: x, over: {grade: {scale: pct, below: 60}, assurance: verified, tags: online}, at_most: {credits: "
     "3}}]",
     "{id: a, grade: {pct: 50}, tags: online}, {id: b, grade: {pct: 59}, tags: [online, night]},"
     "{id: c, grade: {pct: 60}, tags: online}, {id: d, grade: {pct: 50}}, {id: e, grade: {pct: 50}, tags: online, "
     "assurance: self}",
     "total: 12, a: 3, b: [0, 3, 'limit x'], c: 3, d: 3, e: 3"),
    ("over a condition on the lead", "limits: [{id: x, over: {where: {fact: night, op: '==', value: true}}, at_most: "
     "{credits: 3}}]",
     "{id: a, facts: {night: true}}, {id: b, facts: {night: true}}, {id: c, facts: {night: false}}, {id: d}",
     "total: 9, a: 3, b: [0, 3, 'limit x'], c: 3, d: 3"),
    ("over a provider of the lead alone",
     "recognition: [{id: r, match: {all: [{code: A}, {code: B}]}, grant: {unit: X, credits: {fixed: 4}}}]\n"
     "limits: [{id: x, over: {provider: us}, at_most: {credits: 3}}]",
     "{id: a, code: A}, {id: b, code: B, provider: us}, {id: c, code: A, provider: us}, {id: d, code: B}",
     "total: 7, a+b: 4, c+d: [3, 1, 'limit x']"),
    # Which day.
    ("a combination belongs to the day of its latest part",
     CALENDARS + "recognition: [{id: pair, priority: 9, match: {all: [{code: A}, {code: B}]}, grant: {unit: X, "
     "credits: {fixed: 4}}},"
     "{id: one, match: {code: C}, grant: {credits: {native: 1}}}]\nlimits: [{id: year, per: year, at_most: {credits: "
     "4}}]",
     "{id: a, code: A, completed: 2024-04-10}, {id: b, code: B, completed: 2024-02-10}, {id: c, code: C, completed: "
     "2024-03-05}",
     "total: 4, c: 3, a+b: [1, 3, 'limit year [2024-03-01] 4 credits, 3 used: 1 of 4']"),
    ("the clock of completion", YEAR_THREE,
     "{id: a, completed: 2024-02-20, submitted: 2024-03-05}, {id: b, completed: 2024-03-10}", "total: 6, a: 3, b: 3"),
    ("the clock of submission", "ruleset: {clock: {limits: submitted}}\n" + YEAR_THREE,
     "{id: a, completed: 2024-02-20, submitted: 2024-03-05}, {id: b, completed: 2024-03-10}",
     "total: 3, a: 3, b: [0, 3, 'limit year [2024-03-01]']"),
    ("the clock of submission puts the sooner submitted first", "ruleset: {clock: {limits: submitted}}\n" + SIX % "",
     "{id: a, credits: 4, completed: 2024-01-10, submitted: 2024-05-01}, {id: b, credits: 4, completed: 2024-02-10}",
     "total: 6, b: 4, a: [2, 2]"),
    # What takes room and what does not.
    ("pending credits take room",
     "recognition: [{id: r, priority: 9, effect: conditional, condition: talk, match: {code: A}, grant: {credits: "
     "{native: 1}}},"
     "{id: s, match: {code: B}, grant: {credits: {native: 1}}}]\n" + SIX % "",
     "{id: a, code: A, credits: 5}, {id: b, code: B}",
     "total: 1, a: [5, pending], b: [1, 2, 'limit six [all] 6 credits, 5 used']"),
    ("expired credits keep their room", "validity: {max: P1Y}\n" + SIX % "",
     "{id: a, credits: 5, completed: 2023-06-10}, {id: b}", "total: 1, a: [5, expired], b: [1, 2, 'limit six']"),
    ("a duplicate takes no room", "unique: {keep: first}\n" + SIX % "",
     "{id: a, unit: U, completed: 2024-01-10}, {id: b, unit: U}, {id: c, unit: V}", "total: 6, a: 3, b: [0, 3], c: 3"),
    ("the better of two takes the room, when it came", "unique: {keep: best}\n" + SIX % "",
     "{id: a, unit: U, completed: 2024-01-10}, {id: b, unit: U, credits: 4}, {id: c, unit: V, completed: 2024-03-10}",
     "total: 6, a: [0, 3], c: 3, b: [3, 1, 'limit six [all] 6 credits, 3 used: 3 of 4']"),
    ("a denied achievement takes no room",
     "recognition: [{id: never, priority: 9, effect: deny, match: {code: A}}, {id: r, match: {}, grant: {credits: "
     "{native: 1}}}]\n"
     + SIX % "", "{id: a, code: A, credits: 5}, {id: b}", "total: 3, a: deny, b: 3"),
    ("before a revocation", SIX % "", "{id: a, credits: 5, completed: 2024-01-10}, {id: b}",
     "total: 6, a: 5, b: [1, 2]"),
    ("a revocation frees its room", SIX % "", "{id: a, credits: 5, completed: 2024-01-10, status: revoked}, {id: b}",
     "total: 3, b: 3"),
    ("quarantine frees its room too", SIX % "", "{id: a, credits: 5, completed: 2024-01-10, status: quarantined}, "
     "{id: b}",
     "total: 3, b: 3"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_a_limit(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
