"""Reads of activities, of who was there, and of head-counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID
from creditbank.achievements.tables import achievement_versions
from creditbank.activities.domain import Activity, ActivityNotFound, HeadCount
from creditbank.activities.tables import activities, attendances, head_counts
from creditbank.database.statements import among, for_share, for_update, under
from creditbank.learners.tables import learners

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
class Attendance:
    """Somebody was at an activity, found by one way at one time; an achievement came of it."""

    activity_id: UUID
    achievement_id: UUID
    way: str
    at: datetime


_ATTENDED = [attendances.c[field.name] for field in fields(Attendance)]


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
    """How many people were found to be there, by the way that found each first.

    Two accounts that are one person's count once, as long as they are.
    """
    person = func.coalesce(learners.c.merged_into, attendances.c.learner_id)
    place = func.row_number().over(partition_by=person, order_by=attendances.c.id).label("place")
    there = (
        select(attendances.c.way, place)
        .join_from(attendances, learners, learners.c.id == attendances.c.learner_id)
        .where(attendances.c.activity_id == activity_id, ~_given_back())
        .subquery()
    )
    statement = select(there.c.way, func.count()).where(there.c.place == 1).group_by(there.c.way).order_by(there.c.way)
    return {way: count for way, count in await connection.execute(statement)}


async def already(connection: AsyncConnection, activity_id: UUID, learner_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Those of the learners who were found to be there already, each with the achievement that came of it."""
    if not learner_ids:
        return {}
    merged = select(learners.c.id).where(among(connection, learners.c.merged_into, learner_ids))
    theirs = or_(among(connection, attendances.c.learner_id, learner_ids), attendances.c.learner_id.in_(merged))
    statement = (
        select(func.coalesce(learners.c.merged_into, attendances.c.learner_id), attendances.c.achievement_id)
        .join_from(attendances, learners, learners.c.id == attendances.c.learner_id)
        .where(attendances.c.activity_id == activity_id, theirs, ~_given_back())
        .order_by(attendances.c.id.desc())
    )
    return {learner: achievement for learner, achievement in await connection.execute(statement)}


def _given_back() -> ColumnElement[bool]:
    """Whether an attendance was given back to another account, where a later row of the same achievement stands."""
    later = attendances.alias("later")
    return exists().where(
        later.c.achievement_id == attendances.c.achievement_id,
        later.c.activity_id == attendances.c.activity_id,
        later.c.learner_id != attendances.c.learner_id,
        later.c.id > attendances.c.id,
    )


async def attendances_of(
    connection: AsyncConnection, learner_id: UUID, achievement_ids: Sequence[UUID]
) -> list[Attendance]:
    """Of an account's achievements those that came of its having been somewhere."""
    statement = select(*_ATTENDED).where(
        attendances.c.learner_id == learner_id, among(connection, attendances.c.achievement_id, achievement_ids)
    )
    return [Attendance(*row) for row in await connection.execute(statement)]


async def attended_twice(
    connection: AsyncConnection, learner_id: UUID, merged_id: UUID, achievement_ids: Sequence[UUID]
) -> set[UUID]:
    """Which of a merged account's achievements came of an activity at which the account that stands for it was found
    too, in its own name or another merged one's, by an achievement that holds there."""
    mine, other = attendances.alias("mine"), attendances.alias("other")
    later = achievement_versions.alias("later")
    said = achievement_versions.c
    holds = exists().where(
        said.learner_id == learner_id,
        said.achievement_id == other.c.achievement_id,
        said.status == VALID,
        ~exists().where(
            later.c.learner_id == said.learner_id,
            later.c.achievement_id == said.achievement_id,
            later.c.number > said.number,
        ),
    )
    statement = (
        select(mine.c.achievement_id)
        .join_from(mine, other, mine.c.activity_id == other.c.activity_id)
        .join(learners, learners.c.id == other.c.learner_id)
        .where(
            mine.c.learner_id == merged_id,
            among(connection, mine.c.achievement_id, achievement_ids),
            other.c.achievement_id != mine.c.achievement_id,
            other.c.learner_id != merged_id,
            func.coalesce(learners.c.merged_into, other.c.learner_id) == learner_id,
            holds,
        )
    )
    return set((await connection.execute(statement)).scalars())


async def cancelled_of(connection: AsyncConnection, achievement_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Which of these achievements came of an activity that was cancelled, and why it was."""
    if not achievement_ids:
        return {}
    statement = (
        select(attendances.c.achievement_id, activities.c.reason)
        .join_from(attendances, activities)
        .where(among(connection, attendances.c.achievement_id, achievement_ids), activities.c.status == "cancelled")
    )
    return {achievement: reason for achievement, reason in await connection.execute(statement)}


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
