"""How much a grant gives: bands, tables, pools, and the one rounding at the end (rules/v1 section 5.4)."""

from __future__ import annotations

from datetime import date

import pytest

from creditbank.rules.document import read_documents
from creditbank.rules.formulas import Conversion
from tests.rules.writing import Case, documents_of, mismatches, names


def giving(formula: str, blocks: str = "") -> str:
    """One rule with this formula."""
    return f"recognition: [{{id: r, match: {{}}, grant: {{credits: {{{formula}}}}}}}]\n{blocks}"


BANDS = giving("bands: [['30', '1'], ['90', '2.5'], ['200', '4']]")
TABLE = "tables: {worth: {ENG: '20', IND: '16', '4': '8', '5': '10', A: '3', B: '2', exam: '5'}}"
DATED = giving(
    "table: worth, key: code",
    "tables: {worth: {CUSTOMS: [{from: 2022-01-01, value: '42'}, {from: 2024-01-01, value: '39'}]}}",
)
LEVELS = "levels: {eqf: {'4': 4, '5': 5}}"
SCALES = "scales: {us: {grades: {A: 4, B: 3}}}"

FORMULAS: list[Case] = [
    ("a table by assurance", giving("table: by, key: assurance", "tables: {by: {signed: '2'}}"),
     "{id: a, assurance: signed}", "a: [2, 'table by[signed] = 2']"),
    ("a table by the day of submission", giving("table: by, key: submitted", "tables: {by: {'2024-07-01': '2'}}"),
     "{id: a, submitted: 2024-07-01}", "a: [2, 'table by[2024-07-01] = 2']"),
    ("a table by the day of submission, which is that of completion",
     giving("table: by, key: submitted", "tables: {by: {'2024-06-10': '2'}}"), "{id: a}", "a: 2"),
    ("a table by the day of application, which is that of submission",
     giving("table: by, key: applied", "tables: {by: {'2024-07-01': '2'}}"), "{id: a, submitted: 2024-07-01}", "a: 2"),
    ("a table by a yes or no of the kind", giving("table: by, key: night", "tables: {by: {'true': '2', 'false': '1'}}"),
     "{id: a, facts: {night: true}}, {id: b, facts: {night: false}}", "a: 2, b: 1"),
    ("a table by a number of the kind", giving("table: by, key: months", "tables: {by: {'12': '2'}}"),
     "{id: a, facts: {months: 12}}", "a: 2"),
    ("a table by own credits", giving("table: by, key: credits", "tables: {by: {'2.5': '2'}}"),
     "{id: a, credits: '5/2'}", "a: [2, 'table by[2.5] = 2']"),
    ("below the first band nothing", BANDS, "{id: a, hours: '29.999'}", "total: 0, a: 0"),
    ("the first hour of a band", BANDS, "{id: a, hours: 30}", "a: 1"),
    ("the last hour of a band", BANDS, "{id: a, hours: '89.999'}", "a: 1"),
    ("the next band", BANDS, "{id: a, hours: 90}", "a: ['2.5']"),
    ("above the last band", BANDS, "{id: a, hours: 99999}", "a: 4"),
    ("a band in the text", giving("bands: [['30', '1'], ['90', '2']]"), "{id: a, hours: 199}",
     "a: [2, 199 h -> band 2]"),
    ("no hours for the bands go to a person", BANDS, "{id: a}", "a: [review, 'r: hours missing']"),
    ("stated hours of nothing are no missing hours", BANDS, "{id: a, hours: 0}", "a: 0"),
    ("bands of many achievements add their hours up",
     "recognition: [{id: r, match: {all: [{code: A}, {code: B}]}, grant: {credits: {bands: [['30', '1'], ['90', "
     "'2']]}}}]",
     "{id: a, code: A, hours: 50}, {id: b, code: B, hours: 40}", "a+b: [2, 90 h -> band 2]"),
    ("a band that is not rounded", giving("bands: [['10', '0.333']], round: none"), "{id: a, hours: 10}",
     "a: ['0.333']"),
    ("a band with a limit", giving("bands: [['30', '1'], ['90', '4']], at_most: '2'"), "{id: a, hours: 90}",
     "a: [2, at most 2]"),
    ("a band with a least", giving("bands: [['30', '1']], at_least: '1'"), "{id: a, hours: 10}", "a: [1, at least 1]"),
    ("a table by code", giving("table: worth, key: code", TABLE), "{id: a, code: ENG}",
     "a: [20, 'table worth[ENG] = 20']"),
    ("a table by level as mapped", giving("table: worth, key: level", TABLE + "\n" + LEVELS),
     "{id: a, level: {eqf: '4'}}",
     "a: [8, 'table worth[4] = 8']"),
    ("a table by grade as written", giving("table: worth, key: grade", TABLE + "\n" + SCALES),
     "{id: a, grade: {us: A}}",
     "a: [3, 'table worth[A] = 3']"),
    ("a table by kind", giving("table: worth, key: kind", TABLE), "{id: a, kind: exam}",
     "a: [5, 'table worth[exam] = 5']"),
    ("a table by a fact of the kind", giving("table: worth, key: trade", TABLE), "{id: a, facts: {trade: IND}}",
     "a: [16, 'table worth[IND] = 16']"),
    ("a table by the lead's code",
     "recognition: [{id: r, match: {all: [{code: IND}, {code: ENG}]}, grant: {credits: {table: worth, key: code}}}]\n"
     + TABLE,
     "{id: a, code: ENG, completed: 2024-01-10}, {id: b, code: IND}", "b+a: [16, 'table worth[IND] = 16']"),
    ("a table without the entry goes to a person", giving("table: worth, key: code", TABLE), "{id: a, code: LAW}",
     "total: 0, a: [review, 'r: table worth has no entry for LAW']"),
    ("a table whose fact is missing goes to a person", giving("table: worth, key: code", TABLE), "{id: a}",
     "a: review"),
    ("a missing entry is not lifted to a least", giving("table: worth, key: code, at_least: '1'", TABLE),
     "{id: a, code: LAW}", "a: [review, 'table worth has no entry for LAW']"),
    ("a table's value is limited", giving("table: worth, key: code, at_most: '18'", TABLE), "{id: a, code: ENG}",
     "a: [18, 'table worth[ENG] = 20; at most 18']"),
    ("a table's value is not rounded", giving("table: worth, key: code, round: none", "tables: {worth: {X: '1.111'}}"),
     "{id: a, code: X}", "a: ['1.111']"),
    ("a dated value on its first day", DATED, "{id: a, code: CUSTOMS, completed: 2022-01-01}",
     "a: [42, '[CUSTOMS] = 42']"),
    ("a dated value on its last day", DATED, "{id: a, code: CUSTOMS, completed: 2023-12-31}", "a: 42"),
    ("the next dated value", DATED, "{id: a, code: CUSTOMS, completed: 2024-01-01}", "a: [39, '[CUSTOMS] = 39']"),
    ("before the first dated value there is none", DATED, "{id: a, code: CUSTOMS, completed: 2021-12-31}",
     "a: [review, table worth has no entry for CUSTOMS]"),
    ("dated values go by the governing date",
     "ruleset: {clock: {recognition: submitted}}\n" + DATED,
     "{id: a, code: CUSTOMS, completed: 2023-12-31, submitted: 2024-01-01}", "a: 39"),
    ("most, then least, then rounding", giving("native: '1', at_most: '1.9', at_least: '1.5', step: '1/2', round: "
     "half_up"),
     "{id: a, credits: 9}", "a: [2, '9 native x 1 = 9; at most 1.9; rounded half up to 0.5: 2']"),
    ("a least above the most wins", giving("native: '1', at_most: '1', at_least: '2'"), "{id: a, credits: 9}",
     "a: [2, 'at most 1; at least 2']"),
    ("exactly the most says nothing", giving("native: '1/2', at_most: '3', at_least: '3'"), "{id: a, credits: 6}",
     "a: [3, '6 native x 0.5 = 3; rule=r']"),
    ("a factor that is kept exact until the end", giving("native: '2/3', step: '0.01', round: half_up"),
     "{id: a, credits: 5}",
     "a: ['3.33', '5 native x 0.667 = 3.333; rounded half up to 0.01: 3.33']"),
    ("three thirds are one", "recognition: [{id: r, match: {all: [{}, {}, {}]}, grant: {unit: X, credits: {native: "
     "'1/3'}}}]",
     "{id: a, credits: 1}, {id: b, credits: 1}, {id: c, credits: 1}", "total: 1, a+b+c: [1, 3 native x 0.333 = 1]"),
    ("29 h of 30 rounded down", giving("per_hour: 30"), "{id: a, hours: 29}", "a: ['0.5', 'rounded down to 0.5: 0.5']"),
    ("29 h of 30 rounded half up", giving("per_hour: 30, round: half_up"), "{id: a, hours: 29}", "a: 1"),
    ("a half up", giving("per_hour: 20, step: 1, round: half_up"), "{id: a, hours: 50}", "a: [3, 50 h / 20 = 2.5]"),
    ("a half down", giving("per_hour: 20, step: 1, round: down"), "{id: a, hours: 50}", "a: 2"),
    ("a half to the even below", giving("per_hour: 20, step: 1, round: half_even"), "{id: a, hours: 50}",
     "a: [2, '50 h / 20 = 2.5; rounded half even to 1: 2']"),
    ("a half to the even above", giving("per_hour: 20, step: 1, round: half_even"), "{id: a, hours: 70}", "a: 4"),
    ("a quarter of a step of a half, half even", giving("per_hour: 20, round: half_even"), "{id: a, hours: 25}",
     "a: 1"),
    ("a quarter of a step of a half, half up", giving("per_hour: 20, round: half_up"), "{id: a, hours: 25}",
     "a: ['1.5']"),
    ("a step in thousandths", giving("per_hour: 30, step: '0.001', round: half_up"), "{id: a, hours: 20}",
     "a: ['0.667']"),
]  # fmt: skip

POOL = (
    "calendars: {year: {starts: ['01-01']}}\n"
    "recognition: [{id: hours, match: {kind: community}, grant: {unit: same, credits: {%s}, pool: {per: %s}}}]"
)
POOLED = POOL % ("per_hour: 30", "year")


def hours(*worked: tuple[str, int, str], more: str = "") -> str:
    """Community hours: id, hours, day."""
    return ", ".join(
        f"{{id: {id_}, kind: community, hours: {number}, completed: {day}{more}}}" for id_, number, day in worked
    )


POOLS: list[Case] = [
    ("what was begun is not lost", POOLED, hours(("a", 40, "2024-03-10"), ("b", 10, "2024-05-02")),
     "total: '1.5', a: [1, '40 h / 30 = 1.333; rounded down to 0.5: 1'], b: ['0.5', 'pool 2024-01-01: 50 h -> 1.5, "
     "less 1 already']"),
    ("a lot of nothing is kept and its hours count on", POOLED, hours(("a", 10, "2024-03-10"), ("b", 10, "2024-05-02")),
     "total: '0.5', a: [0, available], b: ['0.5']"),
    ("a year's last day", POOLED, hours(("a", 10, "2024-03-10"), ("b", 10, "2024-12-31")), "a: 0, b: ['0.5']"),
    ("a new year begins with nothing", POOLED, hours(("a", 10, "2024-12-31"), ("b", 10, "2025-01-01")),
     "total: 0, a: 0, b: 0"),
    ("a pool for life", POOL % ("per_hour: 30", "lifetime"), hours(("a", 40, "2021-03-10"), ("b", 10, "2024-05-02")),
     "total: '1.5', a: 1, b: ['0.5', 'pool all: 50 h -> 1.5, less 1 already']"),
    ("hours are added in the order of completion", POOLED, hours(("z", 40, "2024-03-10"), ("a", 10, "2024-05-02")),
     "z: 1, a: ['0.5']"),
    ("on one day in the order of ids", POOLED, hours(("z", 40, "2024-03-10"), ("a", 10, "2024-03-10")),
     "a: 0, z: ['1.5']"),
    ("a most is of the whole pool", POOL % ("per_hour: 30, at_most: '2'", "year"),
     hours(("a", 50, "2024-03-10"), ("b", 50, "2024-05-02"), ("c", 50, "2024-06-02")),
     "total: 2, a: ['1.5'], b: ['0.5', 'pool 2024-01-01: 100 h -> 2, less 1.5 already'], c: [0, 'pool 2024-01-01: 150 "
     "h -> 2, less 2 already']"),
    ("bands of a pool", POOL % ("bands: [['30', '1'], ['90', '2']]", "year"),
     hours(("a", 29, "2024-03-10"), ("b", 1, "2024-05-02"), ("c", 60, "2024-06-02")),
     "total: 2, a: 0, b: 1, c: [1, 'pool 2024-01-01: 90 h -> 2, less 1 already']"),
    ("half up in a pool gives no more in the end", POOL % ("per_hour: 30, round: half_up", "year"),
     hours(("a", 10, "2024-03-10"), ("b", 10, "2024-05-02"), ("c", 10, "2024-06-02")),
     "total: 1, a: ['0.5'], b: [0, 'pool 2024-01-01: 20 h -> 0.5, less 0.5 already'], c: ['0.5', 'pool 2024-01-01: 30 "
     "h -> 1, less 0.5 already']"),
    ("no hours go to a person and leave the pool alone", POOLED,
     "{id: a, kind: community, hours: 20, completed: 2024-03-10}, {id: b, kind: community, completed: 2024-04-10},"
     "{id: c, kind: community, hours: 10, completed: 2024-05-10}",
     "total: 1, a: ['0.5'], b: [review, hours missing], c: ['0.5']"),
    ("revoked hours are out of the pool", POOLED,
     hours(("a", 40, "2024-03-10"), more=", status: revoked") + ", " + hours(("b", 50, "2024-05-02")),
     "total: '1.5', b: ['1.5']"),
    ("the pool's year goes by the clock of the limits", "ruleset: {clock: {limits: submitted}}\n" + POOLED,
     hours(("a", 20, "2023-12-20"), more=", submitted: 2024-01-05") + ", " + hours(("b", 10, "2024-05-02")),
     "total: 1, a: ['0.5'], b: ['0.5', 'pool 2024-01-01: 30 h -> 1, less 0.5 already']"),
    ("but its order is that of completion", "ruleset: {clock: {limits: submitted}}\n" + POOLED,
     hours(("a", 20, "2024-01-05"), more=", submitted: 2024-03-01") + ", "
     + hours(("b", 25, "2024-02-01"), more=", submitted: 2024-02-15"),
     "total: '1.5', a: ['0.5'], b: [1, 'pool 2024-01-01: 45 h -> 1.5, less 0.5 already']"),
    ("two rules have two pools",
     "calendars: {year: {starts: ['01-01']}}\n"
     "recognition: [{id: r, match: {provider: cn}, grant: {credits: {per_hour: 30}, pool: {per: year}}},"
     "{id: s, match: {provider: us}, grant: {credits: {per_hour: 30}, pool: {per: year}}}]",
     "{id: a, hours: 10}, {id: b, hours: 10, provider: us}, {id: c, hours: 20}", "total: '1', a: 0, b: 0, c: 1"),
    ("a pool with a limit", POOLED + "\nlimits: [{id: x, per: year, at_most: {credits: '2.5'}}]",
     hours(("a", 50, "2024-03-10"), ("b", 45, "2024-05-02"), ("c", 60, "2024-06-02")),
     "total: '2.5', a: ['1.5'], b: [1, '0.5', 'pool 2024-01-01: 95 h -> 3, less 1.5 already', 'limit x [2024-01-01] "
     "2.5 credits, 1.5 used: 1 of 1.5'],"
     "c: [0, 2, 'pool 2024-01-01: 155 h -> 5, less 3 already', 'limit x [2024-01-01] 2.5 credits, 2.5 used: 0 of 2']"),
]  # fmt: skip

TO_LOCAL = "recognition: [{id: r, match: {}, grant: {grade: conv, credits: {native: 1}}}]\n"
ITALY = (
    "source: {30L: '8', '30': '12', '29': '10', '28': '14', '27': '16', '26': '10', '25': '8', '24': '8', '23': '4',"
    " '22': '4', 18-21: '6'}"
)
LOCAL = "target: {A: '10', B: '25', C: '30', D: '25', E: '10'}"
MIDDLE = TO_LOCAL + f"grade_conversions: {{conv: {{{ITALY}, {LOCAL}}}}}"
OVERLAP = TO_LOCAL + f"grade_conversions: {{conv: {{{ITALY}, {LOCAL}, method: max_overlap}}}}"
HALVES = (
    TO_LOCAL + "grade_conversions: {conv: {source: {one: '20', two: '60', three: '20'},"
    " target: {A: '10', B: '40', C: '40', D: '10'}%s}}"
)
UNEVEN = (
    TO_LOCAL + "grade_conversions: {conv: {source: {x: '40', y: '60'}, target: {A: '15', B: '7', C: '78'}, method: %s}}"
)
DATED_CONVERSION = TO_LOCAL + (
    "grade_conversions: {conv: [{from: 2022-01-01, source: {P: '100'}, target: {A: '100'}},"
    " {from: 2024-01-01, source: {P: '100'}, target: {B: '100'}}]}"
)

GRADES: list[Case] = [
    ("the best grade of the source", MIDDLE, "{id: a, grade: {it: 30L}}",
     "a: [3, 'grade 30L = top 0-8 %, middle 4 % -> A', grade=A]"),
    ("a middle inside a band", MIDDLE, "{id: a, grade: {it: '27'}}",
     "a: [3, 'grade 27 = top 44-60 %, middle 52 % -> C', grade=C]"),
    ("a middle just above the edge", MIDDLE, "{id: a, grade: {it: '28'}}",
     "a: [3, 'grade 28 = top 30-44 %, middle 37 % -> C', grade=C]"),
    ("a middle in the second band", MIDDLE, "{id: a, grade: {it: '29'}}",
     "a: [3, 'grade 29 = top 20-30 %, middle 25 % -> B', grade=B]"),
    ("a middle with a part of a percent", TO_LOCAL
     + "grade_conversions: {conv: {source: {x: '25', y: '75'}, target: {A: '50', B: '50'}}}",
     "{id: a, grade: {s: x}}", "a: [3, 'grade x = top 0-25 %, middle 12.5 % -> A']"),
    ("a middle on the edge belongs to the better grade", HALVES % "", "{id: a, grade: {s: one}}",
     "a: [3, 'grade one = top 0-20 %, middle 10 % -> A', grade=A]"),
    ("a middle on the edge of the second band", HALVES % "", "{id: a, grade: {s: two}}",
     "a: [3, 'grade two = top 20-80 %, middle 50 % -> B', grade=B]"),
    ("the last grade", HALVES % "", "{id: a, grade: {s: three}}",
     "a: [3, 'grade three = top 80-100 %, middle 90 % -> C']"),
    ("the largest overlap", OVERLAP, "{id: a, grade: {it: '30'}}",
     "a: [3, 'grade 30 = top 8-20 %, overlap 10 % -> B', grade=B]"),
    ("an overlap that is the whole source band", OVERLAP, "{id: a, grade: {it: 30L}}",
     "a: [3, overlap 8 % -> A, grade=A]"),
    ("of equal overlaps the better grade", HALVES % ", method: max_overlap", "{id: a, grade: {s: one}}",
     "a: [3, 'grade one = top 0-20 %, overlap 10 % -> A', grade=A]"),
    ("of equal overlaps in the middle the better grade", HALVES % ", method: max_overlap", "{id: a, grade: {s: two}}",
     "a: [3, 'overlap 30 % -> B', grade=B]"),
    ("where the two methods differ: the middle", UNEVEN % "midpoint", "{id: a, grade: {s: x}}",
     "a: [3, middle 20 % -> B]"),
    ("where the two methods differ: the overlap", UNEVEN % "max_overlap", "{id: a, grade: {s: x}}",
     "a: [3, overlap 18 % -> C]"),
    ("a range of numbers covers its first", MIDDLE, "{id: a, grade: {it: '18'}}",
     "a: [3, 'top 94-100 %, middle 97 % -> E', grade=E]"),
    ("a range of numbers covers its last", MIDDLE, "{id: a, grade: {it: '21'}}", "a: [3, grade=E]"),
    ("a range of numbers covers what lies between", MIDDLE, "{id: a, grade: {it: '19.5'}}", "a: [3, grade=E]"),
    ("outside of every range", MIDDLE, "{id: a, grade: {it: '17'}}", "a: [review, 'grade no entry for 17']"),
    ("an exact key comes before a range",
     TO_LOCAL + "grade_conversions: {conv: {source: {18-21: '50', '20': '50'}, target: {A: '50', B: '50'}}}",
     "{id: a, grade: {it: '20'}}, {id: b, grade: {it: '19'}}", "a: [3, grade=B], b: [3, grade=A]"),
    ("a grade that is not in the table goes to a person", MIDDLE, "{id: a, grade: {it: Pass}}",
     "total: 0, a: [review, 'r: 3 native x 1 = 3; grade no entry for Pass']"),
    ("no grade at all goes to a person", MIDDLE, "{id: a}", "a: review"),
    ("the lead's grade is converted",
     MIDDLE.replace("match: {}", "match: {all: [{code: A}, {code: B}]}"),
     "{id: a, code: A, grade: {it: '27'}}, {id: b, code: B, grade: {it: 30L}}", "a+b: [6, grade=C]"),
    ("a dated conversion on its last day", DATED_CONVERSION, "{id: a, grade: {s: P}, completed: 2023-12-31}",
     "a: [3, grade=A]"),
    ("a dated conversion on its first day", DATED_CONVERSION, "{id: a, grade: {s: P}, completed: 2024-01-01}",
     "a: [3, grade=B]"),
    ("before the first dated conversion", DATED_CONVERSION, "{id: a, grade: {s: P}, completed: 2021-12-31}",
     "a: review"),
    ("kept as it was", "recognition: [{id: r, match: {}, grant: {grade: keep, credits: {native: 1}}}]",
     "{id: a, grade: {it: '27'}}", "a: [3, grade=27]"),
    ("a pass", "recognition: [{id: r, match: {}, grant: {grade: pass, credits: {native: 1}}}]",
     "{id: a, grade: {it: '27'}}", "a: [3, grade=pass]"),
]  # fmt: skip

GRANTS: list[Case] = [
    ("the unit of the achievement", "", "{id: a, unit: U, code: C}", "a: [3, unit=U]"),
    ("without a unit its code", "", "{id: a, code: C}", "a: [3, unit=C]"),
    ("without a code its id", "", "{id: a}", "a: [3, unit=a]"),
    ("a unit of the grant", "recognition: [{id: r, match: {}, grant: {unit: MATH3A, credits: {fixed: 1}}}]",
     "{id: a, unit: U}",
     "a: [1, unit=MATH3A]"),
    ("blanket credit", "recognition: [{id: r, match: {}, grant: {unit: 'blanket:art', category: art, credits: {fixed: "
     "1}}}]",
     "{id: a, unit: U}", "a: [1, 'unit=blanket:art', category=art]"),
    ("the category of the achievement", "", "{id: a, category: math/algebra}", "a: [3, category=math/algebra]"),
    ("a category of the grant", "recognition: [{id: r, match: {}, grant: {category: art, credits: {fixed: 1}}}]",
     "{id: a, category: math}", "a: [1, category=art]"),
    ("the mapped level", LEVELS, "{id: a, level: {eqf: '5'}}", "a: [3, level=5]"),
    ("a level that maps to nothing", LEVELS, "{id: a, level: {rqf: '5'}}", "a: [3, level=none]"),
    ("no level", "recognition: [{id: r, match: {}, grant: {level: none, credits: {fixed: 1}}}]\n" + LEVELS,
     "{id: a, level: {eqf: '5'}}", "a: [1, level=none]"),
    ("a level of the grant", "recognition: [{id: r, match: {}, grant: {level: 3, credits: {fixed: 1}}}]\n" + LEVELS,
     "{id: a, level: {eqf: '5'}}", "a: [1, level=3]"),
    ("the lowest level of the bank", "recognition: [{id: r, match: {}, grant: {level: 0, credits: {fixed: 1}}}]",
     "{id: a}", "a: [1, level=0]"),
    ("one unit twice in a decision",
     "recognition: [{id: r, match: {}, grant: [{unit: U, credits: {fixed: 1}}, {unit: V, credits: {fixed: 2}}, {unit: "
     "U, credits: {fixed: 4}}]}]",
     "{id: a}", "total: 7, a/U#0: 1, a/V: 2, a/U#2: 4"),
    ("one missing value spoils all grants",
     "recognition: [{id: r, match: {}, grant: [{unit: U, credits: {fixed: 1}}, {unit: V, credits: {per_hour: 30}}]}]",
     "{id: a}", "total: 0, a: [review, 'r: hours missing']"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in FORMULAS], ids=names(FORMULAS))
def test_a_formula(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in POOLS], ids=names(POOLS))
def test_a_pool(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in GRADES], ids=names(GRADES))
def test_a_grade_conversion(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []


@pytest.mark.parametrize("method", ["midpoint", "max_overlap"])
def test_a_converted_grade_says_by_which_method(method: str) -> None:
    (form,) = read_documents(documents_of(UNEVEN % method, "", ""))[0].model.grade_conversions["conv"]

    found = Conversion("conv", [form]).convert("x", date(2024, 1, 1))

    assert isinstance(found, tuple)
    assert found[1]["method"] == method


@pytest.mark.parametrize(("rules", "given", "then"), [case[1:] for case in GRANTS], ids=names(GRANTS))
def test_a_grant(rules: str, given: str, then: str) -> None:
    assert mismatches(rules, given, then) == []
