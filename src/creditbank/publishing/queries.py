"""Which learners a change of rules can touch."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import and_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.tables import achievement_versions, achievements
from creditbank.database.statements import among, under
from creditbank.rules.difference import EVERYTHING, Touched


async def touched_learners(
    connection: AsyncConnection, learner_ids: Sequence[UUID], touched: Sequence[Touched]
) -> list[UUID]:
    """Those of the learners that have an achievement which the change can touch, or ever had: never too few."""
    if not learner_ids or not touched:
        return []
    if EVERYTHING in touched:
        return list(learner_ids)
    stated, owned = achievement_versions.c, achievements.c
    boxes = [
        and_(
            stated.kind.in_(box.kinds) if box.kinds is not None else true(),
            stated.code.in_(box.codes) if box.codes is not None else true(),
            or_(*[under(owned.provider, path) for path in box.providers]) if box.providers is not None else true(),
        )
        for box in touched
    ]
    statement = (
        select(stated.learner_id)
        .join(achievements, and_(owned.learner_id == stated.learner_id, owned.id == stated.achievement_id))
        .where(among(connection, stated.learner_id, learner_ids), or_(*boxes))
        .distinct()
    )
    found = set((await connection.execute(statement)).scalars())
    return [id_ for id_ in learner_ids if id_ in found]
