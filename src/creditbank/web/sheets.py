"""Tables as offices keep them: CSV in UTF-8 or GB 18030, with the place of every fault.

The encoding is found by trying: a byte order mark or UTF-8, else GB 18030, which is what spreadsheets write in China.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from typing_extensions import Buffer

from creditbank.errors import Fault, Kind, Refusal

_FAULTS_MAX: Final = 100
_LINES_LOOKED_AT: Final = 10
_LINE_CHARS_MAX: Final = 1 << 20
_MARKS: Final[Mapping[bytes, str]] = {
    codecs.BOM_UTF8: "utf-8-sig",
    # "Unicode text", as spreadsheets call it.
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(eq=False, kw_only=True)
class TableRefused(Refusal):
    """The table cannot be taken as it is; ``faults`` says in which rows and columns. Nothing of it was."""

    code = "table_refused"
    kind = Kind.INVALID
    count: int


def refuse(faults: Sequence[Fault]) -> None:
    """Raise TableRefused when there are faults; the first hundred are told, in the order of their rows."""
    if faults:
        ordered = sorted(faults, key=lambda fault: (fault.row or 0, fault.pointer))
        raise TableRefused(count=len(faults), faults=tuple(ordered[:_FAULTS_MAX]))


def read_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Each record with the row where it begins, from 1 as spreadsheets count. Raises TableRefused."""
    return read_parts(lambda: iter([content]))


def read_parts(parts: Callable[[], Iterator[bytes]]) -> Iterator[tuple[int, list[str]]]:
    """As ``read_rows``, of a text that need never be whole in memory: ``parts`` gives its bytes, each time anew."""
    lines = _lines(parts, _encoding_of(parts))
    first = list(islice(lines, _LINES_LOOKED_AT))
    reader = csv.reader(chain(first, lines), delimiter=_delimiter_of(first), strict=True)
    row = 1
    try:
        for cells in reader:
            yield row, cells
            row = reader.line_num + 1
    except csv.Error as wrong:
        raise unreadable(row) from wrong


def unreadable(row: int | None = None) -> TableRefused:
    """The refusal of what is no table from that row on."""
    return TableRefused(count=1, faults=(Fault("", "not_readable", "", row),))


def _encoding_of(parts: Callable[[], Iterator[bytes]]) -> str:
    """The first encoding in which all of it can be read: a byte order mark names it, else it is found by trying."""
    start = next(parts(), b"")
    marked = [encoding for mark, encoding in _MARKS.items() if start.startswith(mark)]
    for encoding in marked or ("utf-8", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for part in parts():
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise unreadable()


class _Parts(io.RawIOBase):
    """Parts of a file as a file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer as far as the part goes; 0 at the end."""
        while not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = memoryview(part)
        wanted = memoryview(buffer)
        size = min(len(wanted), len(self._left))
        wanted[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _lines(parts: Callable[[], Iterator[bytes]], encoding: str) -> Iterator[str]:
    # Line ends are left as they are: within quotation marks they are part of a cell.
    text = io.TextIOWrapper(io.BufferedReader(_Parts(parts())), encoding=encoding, newline="")
    number = 0
    while line := text.readline(_LINE_CHARS_MAX):
        number += 1
        if len(line) == _LINE_CHARS_MAX:
            # No table has such lines, and one without an end would fill the memory.
            raise unreadable(number)
        yield line


def _delimiter_of(first: Sequence[str]) -> str:
    """The delimiter that is in most of the first lines: above its headings a sheet may have a title without any."""
    return max(",;\t", key=lambda one: (sum(one in line for line in first), sum(line.count(one) for line in first)))


def columns_of(
    row: int, headings: Sequence[str], known: Mapping[str, str], needed: Sequence[str], faults: list[Fault]
) -> list[str]:
    """The columns' names by their headings; what is wrong with these is added to ``faults``.

    A column that nobody knows keeps its place under its own heading.
    """
    columns: list[str] = []
    for heading in headings:
        name = known.get(heading.strip().lower(), heading.strip())
        if name not in known.values():
            faults.append(Fault(f"/{name}", "unknown_column", "", row))
        elif name in columns:
            faults.append(Fault(f"/{name}", "given_twice", "", row))
        columns.append(name)
    faults += [Fault(f"/{name}", "column_missing", "", row) for name in needed if name not in columns]
    return columns
