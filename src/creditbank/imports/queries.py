"""Reads of imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, for_update, under
from creditbank.imports.domain import (
    ENDED,
    Counts,
    Import,
    ImportNotFound,
    MappingNotFound,
    RowProblem,
    Speaker,
    State,
)
from creditbank.imports.tables import import_mappings, import_pieces, import_problems, imports
from creditbank.jobs.tables import jobs


@dataclass(frozen=True, slots=True)
class Shown:
    """An import, how it stands now, and how many problems were found so far."""

    one: Import
    state: State
    problems: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Which columns of a provider's sheets hold what, by heading."""

    name: str
    columns: Mapping[str, str]
    recorded_at: datetime


def import_of(row: Row[Any]) -> Import:
    """The import of a row."""
    return Import(
        row.id,
        Speaker(row.client_id, row.provider, row.assurance, row.opens_accounts),
        row.format,
        row.columns,
        row.rows,
        row.is_dry,
        row.on_error,
        row.state,
        Counts(row.recorded, row.unchanged, row.refused),
        row.job_id,
        row.recorded_at,
        row.ended_at,
        row.wrapped,
        row.forgets_at_end,
    )


async def lock(connection: AsyncConnection, import_id: UUID) -> Import:
    """An import that nobody else changes before this transaction ends. Raises ImportNotFound."""
    statement = for_update(connection, select(imports).where(imports.c.id == import_id), imports)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ImportNotFound
    return import_of(row)


async def find(connection: AsyncConnection, import_id: UUID) -> Shown:
    """An import as it stands. Raises ImportNotFound."""
    found = await _shown(connection, [imports.c.id == import_id], 1)
    if not found:
        raise ImportNotFound
    return found[0]


async def listed(connection: AsyncConnection, part: str | None, before: UUID | None, limit: int) -> list[Shown]:
    """Imports, the newest first: those of a provider and all under it, or of everybody."""
    where: list[ColumnElement[bool]] = []
    if part is not None:
        where.append(under(imports.c.provider, part))
    if before is not None:
        where.append(imports.c.id < before)
    return await _shown(connection, where, limit)


async def _shown(connection: AsyncConnection, where: Sequence[ColumnElement[bool]], limit: int) -> list[Shown]:
    count = (
        select(func.count())
        .select_from(import_problems)
        .where(import_problems.c.import_id == imports.c.id)
        .scalar_subquery()
    )
    statement = (
        select(imports, count.label("problems"), jobs.c.state.label("job_state"))
        .outerjoin(jobs, jobs.c.id == imports.c.job_id)
        .where(*where)
        .order_by(imports.c.id.desc())
        .limit(limit)
    )
    rows = await connection.execute(statement)
    return [Shown(import_of(row), _state(row.state, row.job_state), row.problems) for row in rows]


def _state(own: str, of_job: str | None) -> State:
    if own in ENDED:
        return own  # type: ignore[return-value]
    return "failed" if of_job in {"failed", "done", None} else of_job  # type: ignore[return-value]


async def pieces_of(connection: AsyncConnection, import_id: UUID) -> list[str]:
    """The names under which the pieces of a file lie, in their order."""
    statement = (
        select(import_pieces.c.stored_as).where(import_pieces.c.import_id == import_id).order_by(import_pieces.c.number)
    )
    return list((await connection.execute(statement)).scalars())


async def piece_of(connection: AsyncConnection, import_id: UUID, number: int) -> str:
    """The name under which one piece lies."""
    where = (import_pieces.c.import_id == import_id, import_pieces.c.number == number)
    return str((await connection.execute(select(import_pieces.c.stored_as).where(*where))).scalar_one())


async def pieces_named(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Those of the files that are a piece of some import's."""
    statement = select(import_pieces.c.stored_as).where(among(connection, import_pieces.c.stored_as, names))
    return set((await connection.execute(statement)).scalars())


async def problems_of(
    connection: AsyncConnection, import_id: UUID, after: tuple[int, int] | None, limit: int
) -> list[tuple[int, RowProblem]]:
    """Problems in the order of their rows, each with its number within the row."""
    where: list[ColumnElement[bool]] = []
    if after is not None:
        where.append(tuple_(import_problems.c.row, import_problems.c.number) > after)
    return await _problems(connection, import_id, where, limit)


async def problems_between(connection: AsyncConnection, import_id: UUID, first: int, last: int) -> list[RowProblem]:
    """All problems of the rows from one to another, in their order."""
    found = await _problems(connection, import_id, [import_problems.c.row.between(first, last)], None)
    return [problem for _, problem in found]


async def _problems(
    connection: AsyncConnection, import_id: UUID, where: Sequence[ColumnElement[bool]], limit: int | None
) -> list[tuple[int, RowProblem]]:
    statement = (
        select(import_problems)
        .where(import_problems.c.import_id == import_id, *where)
        .order_by(import_problems.c.row, import_problems.c.number)
        .limit(limit)
    )
    found = []
    for row in (await connection.execute(statement)).mappings():
        problem = RowProblem(row["row"], row["column"], row["pointer"], row["code"], row["says"], row["terms"])
        found.append((row["number"], problem))
    return found


async def mapping_of(connection: AsyncConnection, provider: str, name: str) -> Saved:
    """A mapping that a provider saved. Raises MappingNotFound."""
    where = (import_mappings.c.provider == provider, import_mappings.c.name == name)
    row = (await connection.execute(select(import_mappings).where(*where))).mappings().one_or_none()
    if row is None:
        raise MappingNotFound
    return Saved(row["name"], row["columns"], row["recorded_at"])


async def mappings_of(connection: AsyncConnection, provider: str, after: str | None, limit: int) -> list[Saved]:
    """The mappings that a provider saved, by name."""
    where = [import_mappings.c.provider == provider]
    if after is not None:
        where.append(import_mappings.c.name > after)
    statement = select(import_mappings).where(*where).order_by(import_mappings.c.name).limit(limit)
    rows = (await connection.execute(statement)).mappings()
    return [Saved(row["name"], row["columns"], row["recorded_at"]) for row in rows]
