"""Asking for work, leasing it, and ending it (scale.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_new, skip_locked
from creditbank.identifiers import new_id
from creditbank.jobs.domain import LEASE, Job, LeaseLost, Step, next_try
from creditbank.jobs.tables import jobs


async def enqueue(
    connection: AsyncConnection,
    kind: str,
    payload: Mapping[str, Any],
    now: datetime,
    *,
    dedup_key: str | None = None,
    run_at: datetime | None = None,
    job_id: UUID | None = None,
) -> UUID | None:
    """Ask for work in the transaction that needs it, under an id that the caller knows already if it gives one.

    None when the same work is already asked for.
    """
    row = {
        "id": job_id or new_id(),
        "kind": kind,
        "payload": dict(payload),
        "progress": {},
        "dedup_key": dedup_key,
        "state": "waiting",
        "run_at": run_at or now,
        "attempts": 0,
        "lease_token": 0,
        "created_at": now,
    }
    done = await insert_new(connection, jobs, [row])
    return row["id"] if done else None  # type: ignore[return-value]


async def lease(connection: AsyncConnection, now: datetime) -> Job | None:
    """Take the oldest due job that nobody holds, or whose holder has been silent too long."""
    due = or_(
        (jobs.c.state == "waiting") & (jobs.c.run_at <= now),
        (jobs.c.state == "running") & (jobs.c.lease_until <= now),
    )
    row = (
        await connection.execute(
            skip_locked(connection, select(jobs).where(due).order_by(jobs.c.run_at, jobs.c.id).limit(1))
        )
    ).one_or_none()
    if row is None:
        return None
    token = row.lease_token + 1
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == row.id)
        .values(state="running", lease_until=now + LEASE, lease_token=token, attempts=row.attempts + 1)
    )
    return Job(row.id, row.kind, row.payload, row.progress, token)


def _held(job: Job) -> ColumnElement[bool]:
    """Whether the row is still under the job's lease."""
    return (jobs.c.id == job.id) & (jobs.c.lease_token == job.token) & (jobs.c.state == "running")


async def advance(connection: AsyncConnection, job: Job, step: Step, now: datetime) -> None:
    """Write where the work stands, in the transaction of the step. Raises LeaseLost, and then nothing is kept."""
    values: dict[str, Any] = {"progress": dict(step.progress), "lease_until": now + LEASE, "attempts": 0}
    if step.is_done:
        values.update(state="done", lease_until=None, dedup_key=None, ended_at=now, error=None)
    if not (await connection.execute(update(jobs).where(_held(job)).values(**values))).rowcount:
        raise LeaseLost


async def release(connection: AsyncConnection, job: Job) -> None:
    """Give a job back as it stands, for another worker to go on with at once."""
    await connection.execute(update(jobs).where(_held(job)).values(state="waiting", lease_until=None))


async def fail(connection: AsyncConnection, job: Job, error: str, now: datetime) -> None:
    """Give a job back to be tried later, or up for good when it has failed often enough without getting on."""
    # As the row has it: steps that were kept since the job was leased began the count anew.
    attempts = (await connection.execute(select(jobs.c.attempts).where(_held(job)))).scalar_one_or_none()
    if attempts is None:
        return
    again = next_try(attempts, now)
    values: dict[str, Any] = {"error": error, "lease_until": None}
    if again is None:
        values.update(state="failed", ended_at=now, dedup_key=None)
    else:
        values.update(state="waiting", run_at=again)
    await connection.execute(update(jobs).where(_held(job)).values(**values))


async def backlog(connection: AsyncConnection, now: datetime) -> tuple[int, float]:
    """How many jobs are due and not begun, and for how many seconds the oldest has waited."""
    due = (jobs.c.state == "waiting") & (jobs.c.run_at <= now)
    count = (await connection.execute(select(func.count()).select_from(jobs).where(due))).scalar_one()
    oldest = await connection.execute(select(jobs.c.run_at).where(due).order_by(jobs.c.run_at).limit(1))
    since = oldest.scalar_one_or_none()
    return count, (now - since).total_seconds() if since is not None else 0.0
