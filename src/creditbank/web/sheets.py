"""Tables as offices keep them: CSV in UTF-8 or GB 18030, with the place of every fault.

The encoding is found by trying: a byte order mark or UTF-8, else GB 18030, which is what spreadsheets write in China.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from creditbank.errors import Fault, Kind, Refusal

_FAULTS_MAX: Final = 100


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
    text = _decoded(content)
    heading = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    row = 1
    try:
        for cells in reader:
            yield row, cells
            row = reader.line_num + 1
    except csv.Error as wrong:
        raise TableRefused(count=1, faults=(Fault("", "not_readable", "", row),)) from wrong


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableRefused(count=1, faults=(Fault("", "not_readable", ""),))


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
