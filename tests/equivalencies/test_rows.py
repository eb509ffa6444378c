"""Tables to rule sets and back, and what is said of a cell that is wrong."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction

import pytest

from creditbank.equivalencies.domain import Course, Equivalency, Grade, compose
from creditbank.equivalencies.faults import FAULTS, REMARKS, TableRefused
from creditbank.equivalencies.listing import book_of
from creditbank.equivalencies.rows import KNOWN_SCALES, Book, Cell, Defaults, Listed, read_book
from creditbank.rules.canonical import canonical
from creditbank.rules.document import read_documents
from tests.equivalencies.tables import HEADINGS, START, book, gives, row, text_of

TODAY = Defaults(START)
US = KNOWN_SCALES["us"]


def listed(*rows: Sequence[Cell]) -> Listed:
    """The one rule set of the rows."""
    (one,) = read_book(book(*rows), TODAY)
    return one


def said(*rows: Sequence[Cell]) -> list[Equivalency]:
    """The statements of the rows, without their sources."""
    return [
        Equivalency(one.id, one.sending, one.effect, one.awards, one.priority, one.title)
        for one in listed(*rows).equivalencies
    ]


def one_course(code: str | None = "MATH1", grade: Grade | None = None, kind: str | None = None) -> Course:
    return Course("cn/a", code, kind, grade)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [row()], [Equivalency("math1", ((one_course(),),), awards=gives("M1:4"))], id="one-course-for-another"
        ),
        pytest.param(
            [row(group="g"), row(group="g", sending_code="MATH2", receiving_code=None, credits=None)],
            [Equivalency("g", ((one_course(), one_course("MATH2")),), awards=gives("M1:4"))],
            id="the-rows-of-a-group-are-all-needed",
        ),
        pytest.param(
            [row(group="g"), row(group="g", sending_code="MATH2"), row(group="g", receiving_code="M2", credits=1)],
            [Equivalency("g", ((one_course(), one_course("MATH2")),), awards=gives("M1:4", "M2:1"))],
            id="a-course-repeated-on-each-line-is-one",
        ),
        pytest.param(
            [
                row(group="g"),
                row(group="g", sending_provider=None, sending_code=None, receiving_code="M2", credits=1.5),
            ],
            [Equivalency("g", ((one_course(),),), awards=gives("M1:4", "M2:3/2"))],
            id="a-group-gives-several-courses",
        ),
        pytest.param(
            [
                row(group="g", alternative="1"),
                row(group="g", alternative="2", sending_code="M9", receiving_code=None, credits=None),
            ],
            [Equivalency("g", ((one_course(),), (one_course("M9"),)), awards=gives("M1:4"))],
            id="either-alternative-is-enough",
        ),
        pytest.param(
            [row(minimum_grade="C", scale="us")],
            [Equivalency("math1", ((one_course(grade=Grade("us", US["C"])),),), awards=gives("M1:4"))],
            id="a-minimum-grade",
        ),
        pytest.param(
            [row(minimum_grade="及格", below_grade="良好")],
            [
                Equivalency(
                    "math1", ((one_course(grade=Grade("five", Fraction(1), Fraction(3))),),), awards=gives("M1:4")
                )
            ],
            id="a-band-on-the-only-scale-that-has-the-grade",
        ),
        pytest.param(
            [row(minimum_grade=60, scale="pct")],
            [Equivalency("math1", ((one_course(grade=Grade("pct", Fraction(60))),),), awards=gives("M1:4"))],
            id="a-minimum-in-numbers",
        ),
        pytest.param(
            [row(receiving_code=None, credits=None, no_credit="是")],
            [Equivalency("math1", ((one_course(),),), "deny")],
            id="no-credit-is-a-deny",
        ),
        pytest.param(
            [row(group="g", sending_code="Cafe\u0301"), row(group="g", sending_code=" Caf\u00e9 ")],
            [Equivalency("g", ((one_course("Caf\u00e9"),),), awards=gives("M1:4"))],
            id="one-code-in-two-writings-of-unicode",
        ),
        pytest.param(
            [row(no_credit="no", review="否", elective=False)],
            [Equivalency("math1", ((one_course(),),), awards=gives("M1:4"))],
            id="no-means-no",
        ),
        pytest.param(
            [row(receiving_code=None, credits="0", no_credit=True)],
            [Equivalency("math1", ((one_course(),),), "deny")],
            id="no-credit-with-a-zero-is-a-deny",
        ),
        pytest.param(
            [row(receiving_code=None, credits=None, review="x")],
            [Equivalency("math1", ((one_course(),),), "review")],
            id="a-person-decides",
        ),
        pytest.param(
            [row(sending_code=None, receiving_code="arts", credits="原学分", elective="yes", sending_kind="course")],
            [Equivalency("row-2", ((one_course(None, kind="course"),),), awards=gives("blanket:arts:native"))],
            id="any-course-as-an-elective-with-its-own-credits",
        ),
        pytest.param(
            [row(priority=7, remark="since 2020")],
            [Equivalency("math1", ((one_course(),),), "grant", gives("M1:4"), 7, "since 2020")],
            id="priority-and-remark",
        ),
    ],
)
def test_rows_say_what_a_registrar_means(rows: list[list[Cell]], expected: list[Equivalency]) -> None:
    assert said(*rows) == expected


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        pytest.param({}, [("equivalencies", 1, "", "no_sheet")], id="no-sheet"),
        pytest.param(book(), [("equivalencies", 1, "", "no_rows")], id="no-rows"),
        pytest.param(
            {"equivalencies": [[*HEADINGS, "colour"], row()]},
            [("equivalencies", 1, "colour", "unknown_column")],
            id="a-column-nobody-knows",
        ),
        pytest.param(
            {"equivalencies": [[*HEADINGS, "学分"], row()]},
            [("equivalencies", 1, "学分", "repeated_column")],
            id="a-column-in-both-languages",
        ),
        pytest.param(
            {"equivalencies": [HEADINGS[:-7], row()]},
            [
                ("equivalencies", 1, "receiving_code", "missing_column"),
                ("equivalencies", 1, "credits", "missing_column"),
            ],
            id="columns-missing",
        ),
        pytest.param(
            book(row(), row(receiving="CN B")), [("equivalencies", 3, "receiving", "not_a_path")], id="bad-receiving"
        ),
        pytest.param(
            book(row(receiving="/".join(["cn"] + ["x" * 60] * 2))),
            [("equivalencies", 2, "receiving", "not_an_id")],
            id="a-receiving-too-long-for-an-id",
        ),
        pytest.param(
            book(row(sending_provider="Collège")),
            [("equivalencies", 2, "sending_provider", "not_a_path")],
            id="bad-provider",
        ),
        pytest.param(
            book(row(sending_provider=None)), [("equivalencies", 2, "sending_provider", "empty")], id="no-provider"
        ),
        pytest.param(book(row(group="组 1")), [("equivalencies", 2, "group", "not_an_id")], id="bad-group"),
        pytest.param(book(row(remark="x" * 1001)), [("equivalencies", 2, "remark", "bad_text")], id="a-long-text"),
        pytest.param(
            book(row(sending_code="A\x07")),
            [("equivalencies", 2, "sending_code", "bad_text")],
            id="a-control-character",
        ),
        pytest.param(book(row(credits="four")), [("equivalencies", 2, "credits", "not_a_number")], id="bad-credits"),
        pytest.param(book(row(credits=-3)), [("equivalencies", 2, "credits", "not_a_number")], id="negative-credits"),
        pytest.param(book(row(credits=None)), [("equivalencies", 2, "credits", "empty")], id="no-credits"),
        pytest.param(book(row(credits="1.3")), [("equivalencies", 2, "credits", "off_step")], id="off-the-step"),
        pytest.param(
            book(row(receiving_code=None)), [("equivalencies", 2, "receiving_code", "empty")], id="credits-of-nothing"
        ),
        pytest.param(
            book(row(receiving_code=None, credits=None)),
            [("equivalencies", 2, "receiving_code", "no_receiving")],
            id="gives-nothing",
        ),
        pytest.param(
            book(row(sending_provider=None, sending_code=None)),
            [("equivalencies", 2, "sending_code", "no_sending")],
            id="needs-nothing",
        ),
        pytest.param(
            book(row(group="g"), row(group="g", sending_code="B", credits=5)),
            [("equivalencies", 3, "credits", "contradiction")],
            id="one-course-given-for-two-amounts",
        ),
        pytest.param(
            book(row(no_credit="yes")),
            [("equivalencies", 2, "receiving_code", "credit_and_no_credit")],
            id="credit-and-no-credit",
        ),
        pytest.param(
            book(row(no_credit="yes", review="yes", receiving_code=None, credits=None)),
            [("equivalencies", 2, "review", "contradiction")],
            id="no-credit-and-review",
        ),
        pytest.param(
            book(row(elective="perhaps")), [("equivalencies", 2, "elective", "not_yes_or_no")], id="neither-yes-nor-no"
        ),
        pytest.param(
            book(row(priority="high")), [("equivalencies", 2, "priority", "not_an_integer")], id="priority-in-words"
        ),
        pytest.param(
            book(row(group="g", priority=1), row(group="g", priority=2, sending_code="B")),
            [("equivalencies", 2, "priority", "contradiction")],
            id="two-priorities-of-a-group",
        ),
        pytest.param(
            book(row(scale="mine", minimum_grade="B")),
            [("equivalencies", 2, "scale", "scale_unknown")],
            id="unknown-scale",
        ),
        pytest.param(
            book(row(minimum_grade="60")), [("equivalencies", 2, "scale", "scale_missing")], id="a-number-on-no-scale"
        ),
        pytest.param(
            book(row(scale="us", minimum_grade="E")),
            [("equivalencies", 2, "minimum_grade", "grade_unknown")],
            id="unknown-grade",
        ),
        pytest.param(
            book(row(scale="us", minimum_grade="A", below_grade="B")),
            [("equivalencies", 2, "below_grade", "empty_grades")],
            id="no-grade-between",
        ),
        pytest.param(
            book(*[row(group="g", sending_code=letter) for letter in string.ascii_uppercase[:13]]),
            [("equivalencies", 2, "sending_code", "too_many_courses")],
            id="thirteen-courses",
        ),
        pytest.param(
            book(row(), rulesets=[["id", "from", "unit"], ["cn-b", "soon", ""]]),
            [("rulesets", 2, "from", "not_a_date"), ("rulesets", 2, "unit", "empty")],
            id="bad-head",
        ),
        pytest.param(
            book(row(), rulesets=[["id", "from", "unit", "round", "step"], ["cn-b", START, "CR", "up", 0]]),
            [("rulesets", 2, "round", "not_one_of"), ("rulesets", 2, "step", "not_a_number")],
            id="bad-rounding",
        ),
        pytest.param(
            book(row(), rulesets=[["id", "from", "unit"], ["cn-b", START, "CR"], ["cn-b", START, "CR"]]),
            [("rulesets", 3, "id", "repeated_row")],
            id="a-head-twice",
        ),
        pytest.param(
            book(row(), scales=[["scale", "grade", "position"], ["s", "A", 1], ["s", "A", 2]]),
            [("scales", 3, "grade", "repeated_row")],
            id="a-grade-twice",
        ),
    ],
)
def test_a_wrong_cell_is_named(table: Book, faults: list[tuple[str, int, str, str]]) -> None:
    with pytest.raises(TableRefused) as refused:
        read_book(table, TODAY)
    assert [(one.sheet, one.row, one.column, one.code) for one in refused.value.faults] == faults
    for one in refused.value.faults:
        assert one.message["en"]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.message["zh"])


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(TableRefused) as refused:
        read_book(book(row(credits="x"), row(), row(sending_provider="?", credits="y")), TODAY)
    assert [(one.row, one.column) for one in refused.value.faults] == [
        (2, "credits"),
        (4, "sending_provider"),
        (4, "credits"),
    ]


def test_a_rule_set_without_a_head_needs_a_first_day() -> None:
    with pytest.raises(TableRefused) as refused:
        read_book(book(row()), Defaults())
    assert [(one.row, one.column, one.code) for one in refused.value.faults] == [(2, "receiving", "start_missing")]


def test_the_sheet_of_heads_says_what_a_table_cannot() -> None:
    heads = ["编号", "版本", "起始日期", "截止日期", "学分制式", "步长", "取整", "名称"]
    table = book(
        row(credits="1.5"),
        rulesets=[heads, ["cn-b", 3.0, datetime(2025, 9, 1, 0, 0), "2026-09-01", "XF", 0.1, "half_up", "乙校"]],
    )
    (one,) = read_book(table, Defaults())
    scheme = one.scheme
    assert (scheme.version, scheme.start, scheme.until) == (3, date(2025, 9, 1), date(2026, 9, 1))
    assert (scheme.unit, scheme.step, scheme.round, scheme.title) == ("XF", Fraction(1, 10), "half_up", "乙校")


def test_a_code_that_the_spreadsheet_holds_as_a_number_is_remarked_on() -> None:
    one = listed(row(sending_code=101.0))
    assert one.equivalencies[0].sending[0][0].code == "101"
    assert [(remark.code, remark.source) for remark in one.remarks] == [("number_as_code", "row 2")]


def test_sentences_have_the_same_terms_in_both_languages() -> None:
    for code, (english, chinese) in {**FAULTS, **REMARKS}.items():
        terms = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
        assert terms[0] == terms[1], code


ROUND_TRIP = [
    row(group="a"),
    row(group="a", sending_code="MATH2", receiving_code=None, credits=None),
    row(
        group="b", alternative="1", sending_code="B1", minimum_grade="C", scale="us", receiving_code="B9", credits="1/2"
    ),
    row(group="b", alternative="2", sending_code="B2", receiving_code="B8", credits="1.5", remark="两门"),
    row(group="c", sending_code="C", receiving_code=None, credits=None, no_credit="yes"),
    row(group="d", sending_code="D", receiving_code=None, credits=None, review="yes"),
    row(group="e", sending_code=None, sending_kind="course", receiving_code="art", credits="native", elective="yes"),
    row(group="f", sending_code="007", minimum_grade="60", below_grade="70.5", scale="pct", receiving_code="=1+1"),
    row(group="clash", sending_code="007", scale="pct", minimum_grade="65"),
    row(receiving="cn/c", group="a", sending_code="Q", priority=-5),
]


def texts(table: Book) -> list[str]:
    return [text_of(compose(one.scheme, one.equivalencies)) for one in read_book(table, TODAY)]


def test_what_a_table_says_comes_back_from_it() -> None:
    first = texts(book(*ROUND_TRIP))
    documents = [document for text in first for document in read_documents(text)]
    sheets, remarks = book_of([json.loads(canonical(document.model)) for document in documents])
    assert {remark.code for remark in remarks} == {"tests_are_made"}
    again = texts(sheets)
    assert [canonical(d.model) for text in again for d in read_documents(text)] == [
        canonical(document.model) for document in documents
    ]
    assert len(again) == 2


BASE = """
ruleset: {lcb: rules/v1, id: t, version: 1, from: 2024-01-01, unit: {code: CR}}
scales: {us: {grades: {A: 4, B: 3}}}
unique: {key: unit, keep: best}
recognition: [RULE]
"""


@pytest.mark.parametrize(
    ("rule", "pointers"),
    [
        ("{id: r, match: {code: A}, grant: {unit: X, credits: {fixed: 1}}}", ["/recognition/r/match/provider"]),
        (
            "{id: r, match: {provider: cn, code: [A, B]}, grant: {unit: X, credits: {fixed: 1}}}",
            ["/recognition/r/match/code"],
        ),
        (
            "{id: r, match: {provider: cn, tags: a}, grant: {unit: X, credits: {fixed: 1}}}",
            ["/recognition/r/match/tags"],
        ),
        ("{id: r, match: {provider: cn}, grant: {unit: X, credits: {native: 2}}}", ["/recognition/r/grant/0/credits"]),
        (
            "{id: r, match: {provider: cn}, grant: {unit: X, level: 3, credits: {fixed: 1}}}",
            ["/recognition/r/grant/0/level"],
        ),
        (
            "{id: r, match: {provider: cn, grade: {scale: us, min: '3.5'}}, grant: {unit: X, credits: {fixed: 1}}}",
            ["/recognition/r/match/grade/min"],
        ),
        (
            "{id: r, match: {n: 1, of: [{provider: cn}, {provider: us}]}, effect: deny}",
            ["/recognition/r/match/n", "/recognition/r/match/of", "/recognition/r/match/provider"],
        ),
        ("{id: r, match: {all: [{provider: cn}, {provider: cn}]}, effect: deny}", ["/recognition/r/match"]),
        (
            "{id: r, match: {provider: cn}, grant: [{unit: 'blanket:a', credits: {fixed: 1}},"
            " {unit: 'blanket:a', credits: {fixed: 2}}]}",
            ["/recognition/r/grant"],
        ),
        ("{id: r, title: {en: a, zh: b}, match: {provider: cn}, effect: deny}", ["/recognition/r/title"]),
    ],
)
def test_what_a_table_cannot_say_is_named_and_left_out(rule: str, pointers: list[str]) -> None:
    document = read_documents(BASE.replace("RULE", rule))[0]
    sheets, remarks = book_of([json.loads(canonical(document.model))])
    assert sorted(remark.terms["pointer"] for remark in remarks) == pointers
    assert len(sheets["equivalencies"]) == 1


def test_the_rest_of_a_document_is_named() -> None:
    text = BASE.replace("RULE", "{id: r, match: {provider: cn}, effect: deny}").replace("keep: best", "keep: first")
    document = read_documents(text + "limits: [{id: most, at_most: {credits: 10}}]\nvalidity: {max: P7Y}\n")[0]
    _, remarks = book_of([json.loads(canonical(document.model))])
    assert sorted(remark.terms["pointer"] for remark in remarks) == ["/limits", "/unique", "/validity"]
