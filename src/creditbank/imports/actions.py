"""Taking a file in, going on with it, ending it, and forgetting what it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id
from creditbank.imports.domain import (
    OPEN,
    Counts,
    Import,
    ImportEnded,
    MappingNotFound,
    RowProblem,
)
from creditbank.imports.queries import lock
from creditbank.imports.tables import import_mappings, import_pieces, import_problems, imports
from creditbank.jobs.actions import enqueue
from creditbank.jobs.tables import jobs

IMPORT: Final = "import"
"""The kind of job that works through a file."""

_REMOVE_FILES: Final = "remove_files"
_FILES_A_JOB: Final = 1_000


async def add(connection: AsyncConnection, new: Import, pieces: Sequence[str], now: datetime) -> None:
    """Take a file in whose pieces are kept already, and ask that it be worked through."""
    await connection.execute(
        insert(imports).values(
            id=new.id,
            provider=new.speaker.provider,
            client_id=new.speaker.client_id,
            assurance=new.speaker.assurance,
            opens_accounts=new.speaker.opens_accounts,
            format=new.format,
            columns=list(new.columns),
            rows=new.rows,
            is_dry=new.is_dry,
            on_error=new.on_error,
            state=new.state,
            recorded=0,
            unchanged=0,
            refused=0,
            job_id=new.job_id,
            wrapped=new.wrapped,
            forgets_at_end=False,
            recorded_at=now,
            ended_at=None,
        )
    )
    rows = [{"import_id": new.id, "number": number, "stored_as": name} for number, name in enumerate(pieces)]
    await insert_rows(connection, import_pieces, rows)
    await enqueue(connection, IMPORT, {"import": str(new.id)}, now, job_id=new.job_id)


async def advance(connection: AsyncConnection, one: Import, counts: Counts, problems: Sequence[RowProblem]) -> Import:
    """Write how far an import is and what was found, in the transaction that recorded the rows."""
    total = one.counts + counts
    await connection.execute(
        update(imports)
        .where(imports.c.id == one.id)
        .values(recorded=total.recorded, unchanged=total.unchanged, refused=total.refused)
    )
    rows, last, number = [], 0, 0
    for problem in problems:
        number = number + 1 if problem.row == last else 0
        last = problem.row
        rows.append(
            {
                "import_id": one.id,
                "row": problem.row,
                "number": number,
                "column": problem.column,
                "pointer": problem.pointer,
                "code": problem.code,
                "says": problem.says,
                "terms": dict(problem.terms),
            }
        )
    await insert_rows(connection, import_problems, rows)
    return replace(one, counts=total)


async def hand_over(connection: AsyncConnection, one: Import, now: datetime) -> None:
    """Let a further job go on, behind what is due already: a long file holds up nobody's work."""
    following = new_id()
    await enqueue(connection, IMPORT, {"import": str(one.id)}, now, job_id=following)
    await connection.execute(update(imports).where(imports.c.id == one.id).values(job_id=following))


async def end(connection: AsyncConnection, one: Import, state: str, now: datetime) -> None:
    """Say that an import has ended; its rows are forgotten at once if somebody was erased meanwhile."""
    await connection.execute(update(imports).where(imports.c.id == one.id).values(state=state, ended_at=now))
    if one.forgets_at_end:
        await _forget(connection, [one.id], now)


async def cancel(connection: AsyncConnection, import_id: UUID, now: datetime) -> Import:
    """End an import where it stands; what it recorded stays. Raises ImportNotFound, ImportEnded."""
    one = await lock(connection, import_id)
    if one.state != OPEN:
        raise ImportEnded
    await end(connection, one, "cancelled", now)
    return one


async def forget_everything(connection: AsyncConnection, now: datetime) -> None:
    """Destroy the keys of all files, since somebody is erased who may stand in any: those under way when they end.

    Nobody can know whose rows a file has without opening it, and what was refused in it stands nowhere else.
    """
    await _end_given_up(connection, now)
    await connection.execute(update(imports).where(imports.c.state == OPEN).values(forgets_at_end=True))
    await _forget_where(connection, imports.c.state != OPEN, now)


async def forget_old(connection: AsyncConnection, before: datetime, now: datetime) -> int:
    """Destroy the keys of files whose imports ended before an instant; answers how many those were.

    An import whose job was given up before that instant is ended first.
    """
    await _end_given_up(connection, before)
    return await _forget_where(connection, imports.c.ended_at < before, now)


async def _end_given_up(connection: AsyncConnection, before: datetime) -> None:
    """End the imports whose jobs were given up by an instant: they ended when those did."""
    when = select(jobs.c.ended_at).where(jobs.c.id == imports.c.job_id).scalar_subquery()
    given_up = select(jobs.c.id).where(jobs.c.state == "failed", jobs.c.ended_at <= before)
    await connection.execute(
        update(imports)
        .where(imports.c.state == OPEN, imports.c.job_id.in_(given_up))
        .values(state="stopped", ended_at=when)
    )


async def _forget_where(connection: AsyncConnection, where: ColumnElement[bool], now: datetime) -> int:
    found = await connection.execute(select(imports.c.id).where(where, imports.c.wrapped.is_not(None)))
    ids = list(found.scalars())
    await _forget(connection, ids, now)
    return len(ids)


async def _forget(connection: AsyncConnection, ids: Sequence[UUID], now: datetime) -> None:
    if not ids:
        return
    await connection.execute(update(imports).where(imports.c.id.in_(ids)).values(wrapped=None))
    gone = delete(import_pieces).where(import_pieces.c.import_id.in_(ids)).returning(import_pieces.c.stored_as)
    names = sorted((await connection.execute(gone)).scalars())
    # Noise already; the room is given back when a worker comes to it.
    for first in range(0, len(names), _FILES_A_JOB):
        await enqueue(connection, _REMOVE_FILES, {"files": names[first : first + _FILES_A_JOB]}, now)


async def save_mapping(
    connection: AsyncConnection, provider: str, name: str, columns: Mapping[str, str], now: datetime
) -> None:
    """Keep a mapping of columns under its name, in place of one of that name."""
    where = (import_mappings.c.provider == provider, import_mappings.c.name == name)
    await connection.execute(delete(import_mappings).where(*where))
    row = {"provider": provider, "name": name, "columns": dict(columns), "recorded_at": now}
    await connection.execute(insert(import_mappings).values(**row))


async def remove_mapping(connection: AsyncConnection, provider: str, name: str) -> None:
    """Remove a mapping. Raises MappingNotFound."""
    where = (import_mappings.c.provider == provider, import_mappings.c.name == name)
    if not (await connection.execute(delete(import_mappings).where(*where))).rowcount:
        raise MappingNotFound
