"""Reads of erasures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among
from creditbank.learners.domain import ERASED
from creditbank.learners.tables import learner_identities, learner_keys, learners
from creditbank.privacy.domain import Erasure, ErasureState
from creditbank.privacy.tables import erasures, looks
from creditbank.recognition.verify import Finding


def _erasure_of(row: Row[Any]) -> Erasure:
    return Erasure(
        row.learner_id,
        row.id,
        row.reason,
        ErasureState(row.state),
        row.author,
        row.approver,
        row.recorded_at,
        row.decided_at,
    )


async def find_proposed(connection: AsyncConnection, learner_id: UUID) -> Erasure | None:
    """The erasure of this person that waits for its decision."""
    statement = select(erasures).where(
        erasures.c.learner_id == learner_id, erasures.c.state == ErasureState.PROPOSED.value
    )
    row = (await connection.execute(statement)).one_or_none()
    return _erasure_of(row) if row is not None else None


async def page_of_erasures(
    connection: AsyncConnection, *, state: ErasureState | None, after: UUID | None, limit: int
) -> list[Erasure]:
    """Erasures, the first first."""
    statement = select(erasures).order_by(erasures.c.id).limit(limit)
    if state is not None:
        statement = statement.where(erasures.c.state == state.value)
    if after is not None:
        statement = statement.where(erasures.c.id > after)
    return [_erasure_of(row) for row in await connection.execute(statement)]


async def done(connection: AsyncConnection) -> list[Erasure]:
    """Every erasure that was carried out, the first first."""
    statement = select(erasures).where(erasures.c.state == ErasureState.APPROVED.value).order_by(erasures.c.id)
    return [_erasure_of(row) for row in await connection.execute(statement)]


async def still_there(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the ids whose accounts are there and not erased, in their order."""
    if not learner_ids:
        return []
    mine = among(connection, learners.c.id, learner_ids)
    statement = select(learners.c.id).where(mine, learners.c.state != ERASED).order_by(learners.c.id)
    return list((await connection.execute(statement)).scalars())


async def has_looks_before(connection: AsyncConnection, instant: datetime) -> bool:
    """Whether any look is older."""
    return bool((await connection.execute(select(exists().where(looks.c.last_at < instant)))).scalar_one())


async def verify_erasures(connection: AsyncConnection) -> list[Finding]:
    """Nobody is erased without a decision of two people, and of whoever is erased nothing is left to be found by."""
    decided = {one.learner_id for one in await done(connection)}
    gone = set((await connection.execute(select(learners.c.id).where(learners.c.state == ERASED))).scalars())
    findings = [Finding("erasure_unasked", id_, "erased, and nobody decided so") for id_ in sorted(gone - decided)]
    findings += [Finding("erasure_undone", id_, "was to be erased and is there") for id_ in sorted(decided - gone)]
    for table in (learner_keys, learner_identities):
        statement = select(table.c.learner_id).join(learners, learners.c.id == table.c.learner_id).distinct()
        left = (await connection.execute(statement.where(learners.c.state == ERASED))).scalars()
        findings += [Finding("erasure_undone", id_, f"erased, and still in {table.name}") for id_ in left]
    return findings
