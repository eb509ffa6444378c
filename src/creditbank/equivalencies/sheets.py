"""Spreadsheet files: CSV and XLSX are read, XLSX is written."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from pathlib import Path

import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

from creditbank.equivalencies.faults import CellFault, TableRefused
from creditbank.equivalencies.rows import EQUIVALENCIES, RULE_SETS, SCALES, Book, Cell


def read_file(file: Path) -> Book:
    """The sheets of a workbook, or the one table of a CSV file. Raises TableRefused when it is neither."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(error.strerror or "no file") from None
    return _csv(content) if file.suffix.lower() == ".csv" else _workbook(content)


def write_file(file: Path, book: Book) -> None:
    """Write a workbook. Every cell is text, so that no code loses its zeros and no text is run as a formula."""
    workbook = xlsxwriter.Workbook(file, {"in_memory": True})
    # A fixed date: the same rules give the same file.
    workbook.set_properties({"created": datetime(2000, 1, 1)})
    head = workbook.add_format({"bold": True, "num_format": "@"})
    text = workbook.add_format({"num_format": "@"})
    for name, rows in book.items():
        sheet = workbook.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        if rows:
            sheet.set_column(0, len(rows[0]) - 1, 16, text)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if cell is not None:
                    sheet.write_string(row, column, str(cell), text if row else head)
    workbook.close()


def _csv(content: bytes) -> Book:
    try:
        text = content.decode("utf-8-sig")
        rows: list[list[Cell]] = [list(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except UnicodeDecodeError:
        raise _unreadable("it is not UTF-8") from None
    except csv.Error as error:
        raise _unreadable(str(error)) from None
    return {EQUIVALENCIES: rows}


def _workbook(content: bytes) -> Book:
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        # Rows are counted from the top of the sheet, as whoever mends a cell sees them.
        return {
            name: [
                [_cell(value) for value in row]
                for row in workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
            ]
            for name in workbook.sheet_names
            if name in {EQUIVALENCIES, RULE_SETS, SCALES}
        }
    except CalamineError as error:
        raise _unreadable(str(error)) from None


def _cell(value: str | float | bool | date | datetime | time | timedelta) -> Cell:
    return str(value) if isinstance(value, time | timedelta) else value


def _unreadable(problem: str) -> TableRefused:
    return TableRefused([CellFault("", 0, "", "not_readable", {"problem": problem})])
