"""The file given back with a column that says what is wrong in each row, to be corrected and handed in again."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson
import xlsxwriter

from creditbank.imports.cells import text_of
from creditbank.imports.columns import ERRORS, is_errors
from creditbank.imports.domain import Cell, Format, RowProblem
from creditbank.imports.files import Given
from creditbank.imports.telling import told
from creditbank.web.sentences import Language, joined

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# So many cells have a note of their own; spreadsheets become slow with many more. The column tells of all.
_NOTES_MAX: Final = 2_000
BOOK_ROWS_MAX: Final = 100_000
"""A workbook with so many rows of twenty columns takes some 350 MiB while it is made."""


def _place_of_errors(above: Sequence[Given]) -> int:
    """Where the column of errors is: where one is already, else behind the last heading. From 0."""
    headings: list[Cell] = above[-1][1] if above else []
    return next((place for place, cell in enumerate(headings) if is_errors(cell)), len(headings))


def _by_row(problems: Sequence[RowProblem]) -> Mapping[int, list[RowProblem]]:
    by_row: defaultdict[int, list[RowProblem]] = defaultdict(list)
    for problem in problems:
        by_row[problem.row].append(problem)
    return by_row


def _line(problem: RowProblem, language: Language) -> str:
    return joined(language, *([f"{problem.cell}:"] if problem.cell else []), told(problem, language))


class TextReport:
    """CSV in UTF-8 with the mark by which spreadsheets know it, or lines of JSON; written piece by piece."""

    def __init__(self, format_: Format, above: Sequence[Given], language: Language) -> None:
        self._is_table = format_ != "ndjson"
        self._above = above
        self._language = language
        self._place = _place_of_errors(above)

    def head(self) -> bytes:
        """What stands above the rows."""
        if not self._is_table:
            return b""
        *titles, headings = self._above
        rows = [*(cells for _, cells in titles), self._with(headings[1], ERRORS)]
        return "\ufeff".encode() + _csv(rows)

    def write(self, rows: Sequence[Given], problems: Sequence[RowProblem]) -> bytes:
        """Rows with what is wrong in them."""
        wrong = _by_row(problems)
        said = [(given, [_line(problem, self._language) for problem in wrong.get(row, ())]) for row, given in rows]
        if self._is_table:
            return _csv([self._with(cells, "\n".join(lines)) for cells, lines in said])
        return b"".join(_json_line(line, lines) for line, lines in said)

    def _with(self, cells: Sequence[Cell], text: str) -> list[Cell]:
        padded = [*cells, *[None] * (self._place - len(cells))]
        return [*padded[: self._place], text, *padded[self._place + 1 :]]


def _csv(rows: Sequence[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[text_of(cell) if isinstance(cell, list) else cell for cell in row] for row in rows])
    return text.getvalue().encode()


def _json_line(line: str, errors: Sequence[str]) -> bytes:
    if not errors:
        return line.encode() + b"\n"
    try:
        stated = orjson.loads(line)
    except orjson.JSONDecodeError:
        stated = None
    # What is no object is given back as the text that it was.
    given = stated if isinstance(stated, dict) else {"line": line}
    return orjson.dumps({**given, "errors": list(errors)}) + b"\n"


class BookReport:
    """A workbook: every row where it was, wrong cells in red with a note, the column of errors behind."""

    def __init__(self, above: Sequence[Given], language: Language) -> None:
        self._language = language
        self._place = _place_of_errors(above)
        self._notes = 0
        self._made = io.BytesIO()
        # In memory: what it writes to disk would lie there in the clear.
        self._book = xlsxwriter.Workbook(self._made, {"in_memory": True})
        self._book.set_properties({"created": datetime(2000, 1, 1)})
        self._sheet = self._book.add_worksheet()
        add = self._book.add_format
        self._text, self._day = add({"num_format": "@"}), add({"num_format": "yyyy-mm-dd"})
        red = {"bg_color": "#FFC7CE", "font_color": "#9C0006"}
        self._wrong, self._wrong_day = add({**red, "num_format": "@"}), add({**red, "num_format": "yyyy-mm-dd"})
        self._said = add({"font_color": "#9C0006", "text_wrap": True})
        self._head = add({"bold": True})
        self._sheet.set_column(0, max(self._place - 1, 0), 16)
        self._sheet.set_column(self._place, self._place, 60)
        for row, cells in above:
            for place, cell in enumerate(cells):
                self._cell(row, place, cell, {})
        if above:
            self._sheet.write_string(above[-1][0] - 1, self._place, ERRORS, self._head)
            self._sheet.freeze_panes(above[-1][0], 0)

    def write(self, rows: Sequence[Given], problems: Sequence[RowProblem]) -> None:
        """Write rows with what is wrong in them."""
        wrong = _by_row(problems)
        for row, cells in rows:
            lines = [(problem.column, _line(problem, self._language)) for problem in wrong.get(row, ())]
            at: defaultdict[int, list[str]] = defaultdict(list)
            for column, line in lines:
                if column is not None:
                    at[column - 1].append(line)
            for place in range(max(len(cells), self._place)):
                if place != self._place:
                    self._cell(row, place, cells[place] if place < len(cells) else None, at)
            if lines:
                self._sheet.write_string(row - 1, self._place, "\n".join(line for _, line in lines), self._said)

    def _cell(self, row: int, place: int, cell: Cell, wrong: Mapping[int, Sequence[str]]) -> None:
        at, is_wrong = (row - 1, place), place in wrong
        text = self._wrong if is_wrong else self._text
        if isinstance(cell, list):
            self._sheet.write_datetime(*at, datetime.fromisoformat(cell[0]), self._wrong_day if is_wrong else self._day)
        elif isinstance(cell, bool):
            self._sheet.write_boolean(*at, cell, text if is_wrong else None)
        elif isinstance(cell, int | float):
            self._sheet.write_number(*at, cell, text if is_wrong else None)
        elif cell is not None:
            # Never as a formula or a link, whatever it looks like.
            self._sheet.write_string(*at, cell, text)
        elif is_wrong:
            self._sheet.write_blank(*at, None, text)
        if is_wrong and self._notes < _NOTES_MAX:
            self._notes += 1
            self._sheet.write_comment(*at, "\n".join(wrong[place]))

    def end(self) -> bytes:
        """The workbook."""
        self._book.close()
        return self._made.getvalue()


def media_type_of(format_: Format, rows: int) -> tuple[str, str]:
    """The media type of a report, and how its file's name ends. What was an old workbook is given back as a new one,
    and one of very many rows as a text, which is written without being whole in memory."""
    if format_ in {"xlsx", "xls"} and rows > BOOK_ROWS_MAX:
        format_ = "csv"
    kinds: dict[Format, tuple[str, str]] = {
        "csv": ("text/csv; charset=utf-8", "csv"),
        "ndjson": ("application/x-ndjson", "ndjson"),
        "xlsx": (XLSX, "xlsx"),
        "xls": (XLSX, "xlsx"),
    }
    return kinds[format_]
