"""Reads of activities, of who was there, and of head-counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.activities.domain import Activity, ActivityNotFound, HeadCount
from creditbank.activities.tables import activities, attendances, head_counts
from creditbank.database.statements import among, for_share, for_update, under

_COLUMNS = [activities.c[field.name] for field in fields(Activity)]


def _activity_of(row: Sequence[Any]) -> Activity:
    return Activity(*row)


async def find(connection: AsyncConnection, activity_id: UUID) -> Activity:
    """One activity. Raises ActivityNotFound."""
    return await _one(connection, select(*_COLUMNS).where(activities.c.id == activity_id))


async def held(connection: AsyncConnection, activity_id: UUID) -> Activity:
    """One activity that nobody changes or cancels until the transaction ends. Raises ActivityNotFound."""
    return await _one(connection, for_share(connection, select(*_COLUMNS).where(activities.c.id == activity_id)))


async def locked(connection: AsyncConnection, activity_id: UUID) -> Activity:
    """One activity, to be changed. Whoever is checking somebody in is waited for. Raises ActivityNotFound."""
    statement = select(*_COLUMNS).where(activities.c.id == activity_id)
    return await _one(connection, for_update(connection, statement, activities))


async def _one(connection: AsyncConnection, statement: Any) -> Activity:
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ActivityNotFound
    return _activity_of(row)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which activities of a list are wanted; None: whichever. ``since``: those that end after this instant."""

    top: str | None = None
    series: str | None = None
    since: datetime | None = None


async def page(connection: AsyncConnection, wanted: Wanted, *, after: UUID | None, limit: int) -> list[Activity]:
    """Activities in the order in which they were announced, those wanted and beyond ``after``."""
    statement = select(*_COLUMNS).order_by(activities.c.id).limit(limit)
    if wanted.top is not None:
        statement = statement.where(under(activities.c.provider, wanted.top))
    if wanted.series is not None:
        statement = statement.where(activities.c.series == wanted.series)
    if wanted.since is not None:
        statement = statement.where(activities.c.ends > wanted.since)
    if after is not None:
        statement = statement.where(activities.c.id > after)
    return [_activity_of(row) for row in await connection.execute(statement)]


async def counts_by_way(connection: AsyncConnection, activity_id: UUID) -> dict[str, int]:
    """How many people were found to be there, by the way that found each first."""
    statement = (
        select(attendances.c.way, func.count())
        .where(attendances.c.activity_id == activity_id)
        .group_by(attendances.c.way)
        .order_by(attendances.c.way)
    )
    return {way: count for way, count in await connection.execute(statement)}


async def already(connection: AsyncConnection, activity_id: UUID, learner_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Those of the learners who were found to be there already, each with the achievement that came of it."""
    if not learner_ids:
        return {}
    statement = select(attendances.c.learner_id, attendances.c.achievement_id).where(
        attendances.c.activity_id == activity_id, among(connection, attendances.c.learner_id, learner_ids)
    )
    return {learner: achievement for learner, achievement in await connection.execute(statement)}


async def achievements_of(
    connection: AsyncConnection, activity_id: UUID, after: UUID | None, limit: int
) -> list[tuple[UUID, UUID]]:
    """The attendances beyond ``after``, each with its achievement, in the order of their ids."""
    statement = (
        select(attendances.c.id, attendances.c.achievement_id)
        .where(attendances.c.activity_id == activity_id)
        .order_by(attendances.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(attendances.c.id > after)
    return [(id_, achievement) for id_, achievement in await connection.execute(statement)]


async def by_id(connection: AsyncConnection, activity_ids: Sequence[UUID]) -> dict[UUID, Activity]:
    """Those of the ids that are activities."""
    if not activity_ids:
        return {}
    rows = await connection.execute(select(*_COLUMNS).where(among(connection, activities.c.id, activity_ids)))
    return {row.id: _activity_of(row) for row in rows}


async def head_counts_page(
    connection: AsyncConnection,
    *,
    top: str | None,
    start: date | None,
    until: date | None,
    after: UUID | None,
    limit: int,
) -> list[HeadCount]:
    """Head-counts of ``top`` and all below it that touch the period, beyond ``after``."""
    statement = select(head_counts).order_by(head_counts.c.id).limit(limit)
    if top is not None:
        statement = statement.where(under(head_counts.c.provider, top))
    if start is not None:
        statement = statement.where(head_counts.c.until > start)
    if until is not None:
        statement = statement.where(head_counts.c.starts_on < until)
    if after is not None:
        statement = statement.where(head_counts.c.id > after)
    return [_head_count_of(row) for row in await connection.execute(statement)]


async def people_at(connection: AsyncConnection, activity_id: UUID) -> int:
    """How many people without an account were counted at an activity, over all its counts."""
    statement = select(func.coalesce(func.sum(head_counts.c.people), 0)).where(head_counts.c.activity_id == activity_id)
    return int((await connection.execute(statement)).scalar_one())


def _head_count_of(row: Row[Any]) -> HeadCount:
    return HeadCount(
        row.provider,
        row.activity_id,
        row.starts_on,
        row.until,
        row.region,
        row.age_from,
        row.age_until,
        row.source,
        row.people,
    )


async def people_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """What those of the head-counts that are there say."""
    if not ids:
        return {}
    statement = select(head_counts.c.id, head_counts.c.people).where(among(connection, head_counts.c.id, ids))
    return {id_: people for id_, people in await connection.execute(statement)}
