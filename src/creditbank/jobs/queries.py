"""How far a piece of work is, for whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.jobs.tables import jobs


@dataclass(frozen=True, slots=True)
class JobState:
    """``state`` is waiting, running, done or failed; ``progress`` is what the last kept step wrote."""

    state: str
    progress: Mapping[str, Any]


async def find_state(connection: AsyncConnection, job_id: UUID) -> JobState | None:
    """How a job stands; None when there is none."""
    statement = select(jobs.c.state, jobs.c.progress).where(jobs.c.id == job_id)
    row = (await connection.execute(statement)).one_or_none()
    return JobState(row.state, row.progress) if row is not None else None
