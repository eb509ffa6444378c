"""Files as offices save them: every encoding, delimiter and kind of workbook gives the same rows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import xlsxwriter

from creditbank.imports.domain import Cell, Format
from creditbank.imports.formats import Parts, lines_of, table_of
from creditbank.web.sheets import TableRefused

TEXT = '记录编号,学号,成果类型,名称,完成日期\nA-1,1,课程,"英语,\n二",2025-06-20\nA-2,2,课程,𠮷林,2025/6/21\n'
HEADINGS = ["记录编号", "学号", "成果类型", "名称", "完成日期"]
ROWS = [
    (2, ["A-1", "1", "课程", "英语,\n二", "2025-06-20"]),
    (4, ["A-2", "2", "课程", "𠮷林", "2025/6/21"]),
]


def in_parts(content: bytes, size: int = 7) -> Parts:
    """The content in parts so small that letters are cut in two."""

    def parts() -> Iterator[bytes]:
        return (content[at : at + size] for at in range(0, len(content), size))

    return parts


def read(format_: Format, content: bytes) -> tuple[int, list[Cell], list[tuple[int, list[Cell]]]]:
    above, rows = table_of(format_, in_parts(content), {})
    return *above[-1], list(rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_is_read_in_every_encoding(encoding: str, end: str) -> None:
    content = TEXT.replace("\n", end).encode(encoding)
    row, headings, rows = read("csv", content)
    assert (row, headings) == (1, HEADINGS)
    assert [(r, [str(c).replace("\r\n", "\n") for c in cells]) for r, cells in rows] == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_text_is_read_with_every_delimiter_below_its_title(delimiter: str) -> None:
    lines = ["成绩表, 2026年春", delimiter.join(HEADINGS), delimiter.join(["A-1", "1", "课程", "英语", "2025-06-20"])]
    row, headings, rows = read("csv", "\n".join(lines).encode())
    assert (row, headings, rows) == (2, HEADINGS, [(3, ["A-1", "1", "课程", "英语", "2025-06-20"])])


@pytest.mark.parametrize(
    ("format_", "content"),
    [
        ("csv", b"\xff\xff\xff,\x80"),
        ("csv", b""),
        ("csv", b'a,b\n"x'),
        ("csv", b"a" * (1 << 20)),
        ("xlsx", b"PK\x03\x04 no workbook"),
        ("xlsx", b"plain text"),
        ("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ],
)
def test_what_is_no_table_is_refused(format_: Format, content: bytes) -> None:
    with pytest.raises(TableRefused):
        read(format_, content)


def test_a_workbook_whose_last_cell_lies_far_out_is_refused() -> None:
    """The reader would make room for half a million million cells and take the whole process with it."""
    made = io.BytesIO()
    workbook = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write(0, 0, "a")
    sheet.write(1_048_575, 16_383, "b")
    workbook.close()
    with pytest.raises(TableRefused):
        read("xlsx", made.getvalue())


def test_a_workbook_that_unpacks_to_far_too_much_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/a.xml", "w") as member:
        for _ in range(800):
            member.write(bytes(1 << 20))
    with pytest.raises(TableRefused):
        table_of("xlsx", lambda: iter([packed.getvalue()]), {})


def test_a_workbook_is_read_where_its_headings_are() -> None:
    made = io.BytesIO()
    workbook = xlsxwriter.Workbook(made, {"in_memory": True})
    notes, hidden, sheet = (workbook.add_worksheet(name) for name in ("说明", "隐藏", "成绩"))
    notes.write_row(0, 0, ["本表用于报送学习成果"])
    hidden.write_row(0, 0, HEADINGS)
    hidden.hide()
    sheet.merge_range(0, 1, 0, 5, "成绩表")
    sheet.write_row(2, 1, HEADINGS)
    day = workbook.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(3, 1, ["A-1", 1, "课程", "英语"])
    sheet.write_datetime(3, 5, datetime(2025, 6, 20), day)
    sheet.write_row(4, 1, ["A-2", 2.5, "课程", "法语", 45828])
    workbook.close()

    row, headings, rows = read("xlsx", made.getvalue())

    assert (row, headings) == (3, [None, *HEADINGS])
    assert rows == [
        (4, [None, "A-1", 1.0, "课程", "英语", ["2025-06-20"]]),
        (5, [None, "A-2", 2.5, "课程", "法语", 45828.0]),
    ]


def test_an_old_workbook_is_read() -> None:
    content = (Path(__file__).parent / "results.xls").read_bytes()
    row, headings, rows = read("xls", content)
    assert (row, headings) == (1, HEADINGS)
    assert rows == [
        (2, ["A-1", 1.0, "课程", "英语", ["2025-06-20"]]),
        (3, ["A-2", 2.0, "课程", "法语", "2025年6月21日"]),
    ]


def test_lines_are_read_with_their_numbers() -> None:
    content = '\ufeff{"名": 1}\r\n\n{"b": 2}'.encode()
    assert list(lines_of(in_parts(content))) == [(1, '{"名": 1}'), (3, '{"b": 2}')]


@pytest.mark.parametrize("content", [b'{"a": 1}\n\xff', b"x" * ((1 << 20) + 1)])
def test_lines_that_cannot_be_read_are_refused(content: bytes) -> None:
    with pytest.raises(TableRefused):
        list(lines_of(lambda: iter([content])))


def _with_second_row(edit: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """A workbook whose second row, or the cell in it, says of itself something else."""
    made, changed = io.BytesIO(), io.BytesIO()
    workbook = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write(0, 0, "a")
    sheet.write(1, 1, 7)
    workbook.close()
    with zipfile.ZipFile(made) as read_from, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in read_from.namelist():
            content = read_from.read(name)
            for before, after in edit if name.startswith("xl/worksheets/") else ():
                assert before in content
                content = content.replace(before, after)
            archive.writestr(name, content)
    return changed.getvalue()


_ROW, _CELL = b'<row r="2"', b'<c r="B2"'


@pytest.mark.parametrize(
    "edit",
    [
        ((_ROW, b'<row r="0001048576"'), (_CELL, b'<c r="XFD0001048576"')),
        ((_ROW, b'<row r="90000000"'), (_CELL, b'<c r="XFD90000000"')),
        ((_ROW, b'<row r="1048576"'), (_CELL, b'<c r="AXFD1048576"')),
        ((_ROW, b'<row r="1048576"'), (_CELL, b"<c/>" * 16_000 + b"<c")),
    ],
    ids=["zeros", "eight digits", "four letters", "no places"],
)
@pytest.mark.parametrize("before", [b"", b"X"], ids=["", "behind a byte"])
def test_a_workbook_for_which_there_is_no_room_is_refused(edit: tuple[tuple[bytes, bytes], ...], before: bytes) -> None:
    with pytest.raises(TableRefused):
        read("xlsx", before + _with_second_row(edit))


def test_a_long_text_that_very_many_cells_share_is_refused() -> None:
    made = io.BytesIO()
    workbook = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = workbook.add_worksheet()
    for row in range(100_000):
        sheet.write(row, 0, "x" * 32_767)
    workbook.close()
    with pytest.raises(TableRefused):
        read("xlsx", made.getvalue())
