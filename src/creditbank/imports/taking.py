"""Taking a file in: from its bytes to rows that are kept, sealed. No part of it is ever on the disk in the clear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from creditbank.errors import Fault
from creditbank.imports.cells import is_empty
from creditbank.imports.columns import read_headings
from creditbank.imports.domain import Format, TooManyRows
from creditbank.imports.files import Given, Pieces
from creditbank.imports.formats import lines_of, table_of
from creditbank.web.sheets import refuse


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What was found in a file: what its columns hold, and how many rows are kept."""

    columns: list[str]
    rows: int


def take_in(format_: Format, uploaded: Pieces, kept: Pieces, headings: Mapping[str, str], most: int) -> TakenIn:
    """Read a file and keep its rows; ``headings`` are those of a saved mapping, ``most`` is how many rows there may be.

    Raises TableRefused where its headings are wrong or it is none, TooManyRows.
    """
    columns: list[str] = []
    rows: Iterator[Given]
    if format_ == "ndjson":
        rows = lines_of(uploaded.uploaded)
    else:
        above, below = table_of(format_, uploaded.uploaded, headings)
        columns, faults = read_headings(*above[-1], headings)
        refuse(faults)
        rows = ((number, given) for number, given in below if not all(map(is_empty, given)))
        kept.keep_above(above)
    count = kept.keep_rows(_at_most(rows, most))
    if not count:
        refuse([Fault("", "too_few_items", "")])
    return TakenIn(columns, count)


def _at_most(rows: Iterable[Given], most: int) -> Iterator[Given]:
    rows = iter(rows)
    yield from islice(rows, most)
    if next(rows, None) is not None:
        raise TooManyRows(most=most)
