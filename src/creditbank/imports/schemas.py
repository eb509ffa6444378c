"""API shapes of imports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from creditbank.imports.columns import FACTS, FIELDS, is_field
from creditbank.imports.domain import Format, Import, OnError, RowProblem, State
from creditbank.web.fields import Body, Name


class CountsOut(BaseModel):
    """What became of the rows so far. In a dry run: what would become of them."""

    recorded: int
    unchanged: int = Field(description="there already, with this content")
    refused: int


class ImportOut(BaseModel):
    """A file on its way, and how far it is."""

    id: UUID
    provider: str | None = Field(description="for whom it was handed in; null: the bank")
    format: Format
    state: State = Field(description="`failed`: given up after several tries; hand the file in again")
    dry_run: bool
    on_error: OnError
    rows: int
    done: int = Field(description="rows looked at so far")
    counts: CountsOut
    problems: int = Field(description="what is wrong in all rows together: a row can have several")
    columns: list[str] = Field(description="what each column holds; empty texts are passed over")
    is_file_kept: bool = Field(description="whether the rows are still kept, sealed")
    recorded_at: datetime
    ended_at: datetime | None

    @classmethod
    def from_domain(cls, one: Import, state: State, problems: int) -> ImportOut:
        """The shape of an import."""
        counts = one.counts
        return cls(
            id=one.id,
            provider=one.speaker.provider,
            format=one.format,
            state=state,
            dry_run=one.is_dry,
            on_error=one.on_error,
            rows=one.rows,
            done=counts.rows,
            counts=CountsOut(recorded=counts.recorded, unchanged=counts.unchanged, refused=counts.refused),
            problems=problems,
            columns=list(one.columns),
            is_file_kept=one.wrapped is not None,
            recorded_at=one.recorded_at,
            ended_at=one.ended_at,
        )


class RowProblemOut(BaseModel):
    """One thing wrong in one row. What stood there is not repeated."""

    row: int = Field(description="from 1, as spreadsheets count")
    column: int | None = Field(description="from 1; null for what is wrong with the row as a whole")
    cell: str | None = Field(description="as spreadsheets name it, such as F7")
    pointer: str = Field(description="JSON Pointer into the achievement that the row states")
    code: str
    message: str

    @classmethod
    def from_domain(cls, problem: RowProblem, message: str) -> RowProblemOut:
        """The shape of a problem."""
        return cls(
            row=problem.row,
            column=problem.column,
            cell=problem.cell,
            pointer=problem.pointer,
            code=problem.code,
            message=message,
        )


def _holds(name: str) -> str:
    if not is_field(name):
        raise PydanticCustomError("not_one_of", "no column holds this")
    return name


_CHOICES = ", ".join([*FIELDS, f"{FACTS}…"])


class MappingIn(Body):
    """Which columns of one's own sheets hold what."""

    columns: Annotated[
        dict[Name, Annotated[str, AfterValidator(_holds)]],
        Field(
            min_length=1,
            max_length=64,
            description=f"by heading one of {_CHOICES}, or an empty text for a column to pass over",
        ),
    ]


class MappingOut(BaseModel):
    """A mapping that was saved."""

    name: str
    columns: dict[str, str]
    recorded_at: datetime
