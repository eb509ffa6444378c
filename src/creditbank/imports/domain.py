"""An import: a file of achievements on its way through the write path, chunk by chunk, and what was wrong in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from creditbank.access.policy import Owned
from creditbank.errors import Kind, Refusal

Cell = str | int | float | bool | list[str] | None
"""What stands in a cell. A day that the spreadsheet itself knows to be one is a list of its ISO text."""

Format = Literal["csv", "xlsx", "xls", "ndjson"]
OnError = Literal["skip", "stop"]
State = Literal["waiting", "running", "done", "stopped", "cancelled", "failed"]

OPEN: Final = "open"
"""The stored state of an import that has not ended; how far its job is says whether it waits, runs or failed."""

ENDED: Final = ("done", "stopped", "cancelled")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows so far; together they are the rows that were looked at."""

    recorded: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        """How many rows were looked at."""
        return self.recorded + self.unchanged + self.refused

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.recorded + other.recorded, self.unchanged + other.unchanged, self.refused + other.refused)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who states what is in the file, with the rights they had when they handed it in."""

    client_id: UUID
    provider: str | None
    assurance: str
    opens_accounts: bool


@dataclass(frozen=True, slots=True)
class Import:
    """A file that was taken in. Its rows lie outside the database, sealed with a key of its own."""

    id: UUID
    speaker: Speaker
    format: Format
    # By place the name of what the column holds; empty where it is passed over. Of lines of JSON there are none.
    columns: Sequence[str]
    rows: int
    is_dry: bool
    on_error: OnError
    state: str
    counts: Counts
    job_id: UUID
    recorded_at: datetime
    ended_at: datetime | None
    # None when the key was destroyed and the rows are noise.
    wrapped: bytes | None = field(repr=False)
    # Whether that happens as soon as it ends: somebody was erased meanwhile who may stand in it.
    forgets_at_end: bool = False

    @classmethod
    def begun(
        cls,
        import_id: UUID,
        speaker: Speaker,
        format_: Format,
        columns: Sequence[str],
        rows: int,
        *,
        is_dry: bool,
        on_error: OnError,
        job_id: UUID,
        now: datetime,
        wrapped: bytes,
    ) -> Import:
        """A file that was taken in just now, of which no row was looked at."""
        return cls(
            id=import_id,
            speaker=speaker,
            format=format_,
            columns=columns,
            rows=rows,
            is_dry=is_dry,
            on_error=on_error,
            state=OPEN,
            counts=Counts(),
            job_id=job_id,
            recorded_at=now,
            ended_at=None,
            wrapped=wrapped,
        )

    @property
    def owned(self) -> Owned:
        """Whose the import is, for the policy."""
        return Owned(self.speaker.provider, made_by=self.speaker.client_id)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing wrong in one row. Nothing of what stood there is kept: only where, and in the bank's own words why."""

    row: int
    # From 1, as spreadsheets count; None for what is wrong with the row as a whole.
    column: int | None
    pointer: str
    code: str
    says: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> str | None:
        """The cell as spreadsheets name it, such as F7."""
        return None if self.column is None else f"{letters(self.column)}{self.row}"


def letters(column: int) -> str:
    """The letters of a column: 1 is A, 27 is AA."""
    named = ""
    while column:
        column, left = divmod(column - 1, 26)
        named = chr(ord("A") + left) + named
    return named


@dataclass(eq=False, kw_only=True)
class ImportNotFound(Refusal):
    """There is no such import, or the caller may not know of it."""

    code = "import_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ImportEnded(Refusal):
    """The import has ended: there is nothing left to cancel."""

    code = "import_ended"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class ImportFileGone(Refusal):
    """The rows of the file are no longer kept, so they cannot be given back."""

    code = "import_file_gone"
    kind = Kind.GONE


@dataclass(eq=False, kw_only=True)
class MappingNotFound(Refusal):
    """The provider has saved no such mapping of columns."""

    code = "mapping_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class TooManyRows(Refusal):
    """More rows than one import may hold."""

    code = "too_many_rows"
    kind = Kind.INVALID
    most: int
