"""From the bytes of a file to its rows: CSV, workbooks of Excel, and lines of JSON."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetVisibleEnum

from creditbank.imports.books import rows_of
from creditbank.imports.columns import find_headings, name_of
from creditbank.imports.domain import Cell, Format
from creditbank.web.sheets import read_parts, unreadable

Parts = Callable[[], Iterator[bytes]]
"""Gives the bytes of a file from the beginning, part by part, each time anew."""

Row = tuple[int, list[Cell]]
"""A row with its number, from 1 as spreadsheets count."""

Rows = Iterator[Row]

MEDIA_TYPES: Final[Mapping[str, Format]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel": "xls",
    "application/x-ndjson": "ndjson",
}

WORKBOOK_BYTES_MAX: Final = 24 * 1024 * 1024
"""A workbook is read whole; this is its size as it is sent. A text is not, and may be larger."""

# A workbook of this size packed may be so many times larger unpacked: a sheet of a million rows is some ten times.
_UNPACKED_MOST: Final = 12
_LINE_BYTES_MAX: Final = 1 << 20
_ROWS_LOOKED_AT: Final = 20


def table_of(format_: Format, parts: Parts, mapping: Mapping[str, str]) -> tuple[list[Row], Rows]:
    """The rows down to the headings, which are the last of them, and the rows below. Raises TableRefused."""
    rows = _csv(parts) if format_ == "csv" else rows_of(b"".join(parts()), mapping)
    first = list(islice(rows, _ROWS_LOOKED_AT))
    if not first:
        raise unreadable()
    at = find_headings(first, mapping)
    return first[: at + 1], chain(first[at + 1 :], rows)


def _csv(parts: Parts) -> Rows:
    for row, cells in read_parts(parts):
        yield row, list(cells)


def workbook(content: bytes, mapping: Mapping[str, str]) -> Rows:
    """The rows of a workbook, read in this process, which may die of it. Raises TableRefused."""
    try:
        _check_size(content)
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [
            book.get_sheet_by_name(sheet.name)
            for sheet in book.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible
        ]
    except (CalamineError, zipfile.BadZipFile) as wrong:
        raise unreadable() from wrong
    filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise unreadable()
    # The sheet whose headings are known, wherever it lies: offices keep lists of codes and notes beside it.
    return _rows(max(filled, key=lambda sheet: _known(sheet, mapping)))


def _check_size(content: bytes) -> None:
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > WORKBOOK_BYTES_MAX * _UNPACKED_MOST:
            raise unreadable()


def _known(sheet: CalamineSheet, mapping: Mapping[str, str]) -> int:
    return max(
        sum(bool(name_of(cell, mapping)) for cell in cells) for _, cells in islice(_rows(sheet), _ROWS_LOOKED_AT)
    )


def _rows(sheet: CalamineSheet) -> Rows:
    # The reader begins at the first row of the sheet and at the first column that holds anything.
    left: list[Cell] = [None] * (sheet.start[1] if sheet.start else 0)
    for row, cells in enumerate(sheet.iter_rows(), 1):
        yield row, left + [_cell(cell) for cell in cells]


def _cell(value: str | float | bool | date | datetime | time | timedelta) -> Cell:
    if isinstance(value, date):
        return [value.isoformat()]
    if isinstance(value, time | timedelta):
        return str(value)
    return None if value == "" else value


def lines_of(parts: Parts) -> Iterator[tuple[int, str]]:
    """The lines of a text of UTF-8 that are not blank, with their numbers. Raises TableRefused."""
    left, number = b"", 0
    for part in chain(parts(), [b"\n"]):
        *whole, left = (left + part).split(b"\n")
        if len(left) > _LINE_BYTES_MAX:
            raise unreadable(number + 1)
        for line in whole:
            number += 1
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as wrong:
                raise unreadable(number) from wrong
            if text:
                yield number, text
