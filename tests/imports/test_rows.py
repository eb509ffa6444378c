"""Rows of a table become achievements as they would be posted, or say what is wrong at which cell."""

from __future__ import annotations

from typing import Any

import pytest

from creditbank.errors import Fault
from creditbank.imports.columns import FIELDS, find_headings, key_of, read_headings
from creditbank.imports.domain import Cell
from creditbank.imports.rows import place_of, read_row
from tests.architecture.pages import DOCS, rows

HEADINGS: list[Cell] = [
    *("序号", "记录编号*", "学 号", "姓名", "成果类型", "课程名称", "学分", "成绩", "完成日期（年月日）")
]
COLUMNS = ["", "external_id", "student_number", "name", "kind", "title", "credits", "grade", "completed"]
ROW: list[Cell] = [1, "A-1", 20260017.0, "张三", "课程", "大学英语", 3.0, "86", "2025年6月20日"]


def read(cells: list[Cell], columns: list[str] = COLUMNS, *, opens: bool = False) -> tuple[dict[str, Any], list[str]]:
    stated, problems = read_row(7, columns, cells, opens_accounts=opens)
    return stated, [f"{problem.cell} {problem.code}" for problem in problems]


def changed(**cells: Cell) -> list[Cell]:
    return [cells.get(name, cell) if name else cell for name, cell in zip(COLUMNS, ROW, strict=True)]


def test_headings_are_known_however_they_are_dressed() -> None:
    assert read_headings(3, HEADINGS, {}) == (COLUMNS, [])
    assert key_of("完成日期（年月日）*") == key_of("完成日期") == "完成日期"
    english: list[Cell] = [one.en for one in FIELDS.values()]
    assert read_headings(1, english, {}) == (list(FIELDS), [])
    chinese: list[Cell] = [one.zh[0] for one in FIELDS.values()]
    assert read_headings(1, chinese, {}) == (list(FIELDS), [])


def test_no_heading_is_known_as_two_things() -> None:
    keys = [key for name, one in FIELDS.items() for key in {key_of(text) for text in (name, one.en, *one.zh)}]
    assert sorted(keys) == sorted(set(keys))


def test_headings_are_found_below_the_title_of_a_sheet() -> None:
    rows: list[tuple[int, list[Cell]]] = [(1, ["2026年春季学期成绩表"]), (2, ["制表：教务处"]), (3, HEADINGS), (4, ROW)]
    assert find_headings(rows, {}) == 2


@pytest.mark.parametrize(
    ("headings", "faults"),
    [
        (
            ["记录编号", "学号", "成果类型", "完成日期", "宿舍"],
            ["/columns/5 unknown_column"],
        ),
        (["记录编号", "学号", "成果类型", "完成日期", "结业日期"], ["/columns/5 given_twice"]),
        (["记录编号", "姓名", "成果类型"], ["/completed column_missing", "/learner column_missing"]),
    ],
)
def test_what_is_wrong_with_headings_is_named(headings: list[Cell], faults: list[str]) -> None:
    assert [f"{fault.pointer} {fault.code}" for fault in read_headings(1, headings, {})[1]] == faults


def test_a_mapping_comes_before_what_is_known() -> None:
    mapping = {"宿舍": "", "编号": "student_number", "流水": "external_id"}
    names, faults = read_headings(1, ["流水", "编号", "成果类型", "完成日期", "宿舍"], mapping)
    assert (names, faults) == (["external_id", "student_number", "kind", "completed", ""], [])


def test_a_row_is_an_achievement_as_it_would_be_posted() -> None:
    stated = {
        "external_id": "A-1",
        "learner": {"identity": {"type": "student_number", "value": "20260017"}},
        "kind": "course",
        "title": "大学英语",
        "credits": "3",
        "grade": {"percent": "86"},
        "completed": "2025-06-20",
    }
    assert read(ROW) == (stated, [])
    assert read(ROW, opens=True) == ({**stated, "open_account": {"name": "张三"}}, [])


@pytest.mark.parametrize(
    ("cells", "problems"),
    [
        ({"external_id": None}, ["B7 required"]),
        ({"external_id": "\u3000"}, ["B7 required"]),
        ({"student_number": ""}, ["C7 learner_unnamed"]),
        ({"student_number": 1.1010519491231e17}, ["C7 digits_lost"]),
        ({"kind": "课 堂"}, ["E7 not_one_of"]),
        ({"credits": "三"}, ["G7 not_a_number"]),
        ({"grade": "还行"}, ["H7 grade_unclear"]),
        ({"grade": "860"}, ["H7 number_too_large"]),
        ({"completed": "2025年6月"}, ["I7 day_missing"]),
        ({"completed": None, "credits": "x", "kind": None}, ["E7 required", "G7 not_a_number", "I7 required"]),
    ],
)
def test_each_fault_is_named_at_its_cell(cells: dict[str, Cell], problems: list[str]) -> None:
    assert sorted(read(changed(**cells))[1]) == problems


@pytest.mark.parametrize(
    ("grade", "stated"),
    [
        ("86.5分", {"percent": "86.5"}),
        (86.0, {"percent": "86"}),
        ("优秀", {"five": "优秀"}),
        ("合格", {"two": "合格"}),
        ("B+", {"us": "B+"}),
    ],
)
def test_a_grade_names_its_scale_by_how_it_is_written(grade: Cell, stated: dict[str, str]) -> None:
    assert read(changed(grade=grade))[0]["grade"] == stated


def test_the_scale_of_a_grade_can_be_said() -> None:
    assert read([*ROW, "gpa4"], [*COLUMNS, "grade_scale"])[0]["grade"] == {"gpa4": "86"}


def test_the_surest_of_what_names_a_learner_is_taken() -> None:
    assert read([*ROW, "CQ1000000013"], [*COLUMNS, "number"])[0]["learner"] == {"number": "CQ1000000013"}


def test_facts_are_of_the_types_of_their_kind() -> None:
    columns = [*COLUMNS, "facts.proctored", "facts.term"]
    assert read([*ROW, "是", "2026春"], columns)[0]["facts"] == {"proctored": True, "term": "2026春"}
    assert read([*ROW, "也许", None], columns)[1] == ["J7 not_yes_or_no"]


@pytest.mark.parametrize(
    ("pointer", "cell"),
    [
        ("/credits", "G7"),
        ("/learner", "C7"),
        ("/learner/identity/value", "C7"),
        ("/grade/percent", "H7"),
        ("/open_account/name", "D7"),
        ("/nowhere", None),
    ],
)
def test_a_fault_of_the_statement_is_led_back_to_its_cell(pointer: str, cell: str | None) -> None:
    assert place_of(Fault(pointer, "wrong_form", ""), 7, COLUMNS).cell == cell


def test_the_page_has_a_row_for_every_column() -> None:
    shown = [(cells[0], cells[1]) for cells in rows(DOCS / "imports.md", "Columns")]
    assert shown == [(name, ", ".join((one.en, *one.zh))) for name, one in FIELDS.items()]


@pytest.mark.parametrize("digits", [16, 23, 5000])
def test_what_is_longer_than_a_number_can_be_said_is_left_to_be_refused(digits: int) -> None:
    stated, _ = read([*ROW, "9" * digits], [*COLUMNS, "facts.attempt"])
    assert stated["facts"]["attempt"] == "9" * digits
