"""Announcing activities, and writing down who was there: one achievement a person, whatever ways say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.activities.domain import (
    Activity,
    ActivityAttended,
    ActivityCancelled,
    ActivityNotBegun,
    HeadCount,
    Way,
    content_of,
)
from creditbank.activities.queries import already, attendances_of, counts_by_way, people_by_id
from creditbank.activities.tables import activities, attendances, head_counts
from creditbank.clock import Clock
from creditbank.codes import code_list
from creditbank.database.statements import insert_new, update_rows
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.intake.actions import Desk, Recorded, submit
from creditbank.intake.domain import Submission
from creditbank.jobs.actions import enqueue
from creditbank.learners import queries as learners
from creditbank.learners.domain import Found, Reference, UnknownLearner
from creditbank.providers.domain import UnknownProvider
from creditbank.providers.queries import by_code, check_active
from creditbank.regions.actions import Kept
from creditbank.regions.domain import UnknownRegion
from creditbank.regions.queries import by_code as regions_by_code

REVOKE_ATTENDANCES = "revoke_attendances"
"""The kind of job that revokes what came of an activity that was cancelled."""

FIXED = frozenset({"title_zh", "title_en", "category", "starts", "ends", "hours_milli"})
"""What achievements say of an activity: once somebody was there, it does not change."""


async def announce(connection: AsyncConnection, activity: Activity, now: datetime) -> None:
    """Enter an activity. Raises UnknownProvider, ProviderNotActive."""
    if activity.provider not in await by_code(connection, [activity.provider]):
        raise UnknownProvider
    await check_active(connection, activity.provider)
    await connection.execute(insert(activities).values(**asdict(activity), created_at=now))


async def change(connection: AsyncConnection, activity: Activity, wanted: Mapping[str, Any]) -> Activity:
    """Change a locked activity. Raises ProviderNotActive, ActivityCancelled, ActivityAttended."""
    if activity.status == "cancelled":
        raise ActivityCancelled
    await check_active(connection, activity.provider)
    if FIXED.intersection(wanted) and await counts_by_way(connection, activity.id):
        raise ActivityAttended
    changed = replace(activity, **wanted, revision=activity.revision + 1)
    await connection.execute(
        update(activities).where(activities.c.id == activity.id).values(**wanted, revision=changed.revision)
    )
    return changed


async def cancel(
    connection: AsyncConnection, activity: Activity, reason: str, client_id: UUID, clock: Clock
) -> Activity:
    """Cancel a locked activity and ask for its achievements to be revoked. Raises ActivityCancelled."""
    if activity.status == "cancelled":
        raise ActivityCancelled
    cancelled = replace(activity, status="cancelled", reason=reason, revision=activity.revision + 1)
    await connection.execute(
        update(activities)
        .where(activities.c.id == activity.id)
        .values(status=cancelled.status, reason=reason, revision=cancelled.revision)
    )
    await enqueue(connection, REVOKE_ATTENDANCES, {"activity": str(activity.id), "client": str(client_id)}, clock())
    return cancelled


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who is said to have been there, and when."""

    learner: Reference
    at: datetime


@dataclass(frozen=True, slots=True)
class Attended:
    """Somebody was there; ``is_new`` when nothing had said so before."""

    learner_id: UUID
    achievement_id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class Door:
    """Where an attendance comes in: the write path's desk, the caller, and the way it is known by."""

    desk: Desk
    actor: Actor
    way: Way


async def check_in(
    connection: AsyncConnection, door: Door, activity: Activity, present: Sequence[Present], day: date, today: date
) -> list[Attended | Refusal]:
    """Write down who was at a held activity of ``day``; one outcome each, in their order.

    Nobody is counted twice, however often and by whatever ways they are said to have been there, at the same time or
    later. Raises ActivityCancelled, ActivityNotBegun.
    """
    if activity.status == "cancelled":
        raise ActivityCancelled
    if day > today:
        raise ActivityNotBegun(day=day.isoformat())
    resolved = await resolve(connection, door.desk, [one.learner for one in present])
    first: dict[UUID, Present] = {}
    # By the account that was named, so that undoing a merge gives it back what was said of it.
    named: dict[UUID, UUID] = {}
    for found, one in zip(resolved, present, strict=True):
        if found is not None:
            first.setdefault(found.learner_id, one)
            named.setdefault(found.learner_id, found.named_id or found.learner_id)
    known = await already(connection, activity.id, sorted(first))
    new = sorted(first.keys() - known.keys())
    facts = {"theme": activity.series} if activity.series and "theme" in code_list("kinds")[activity.kind].facts else {}
    submissions = [
        Submission(
            door.actor.client_id,
            activity.provider,
            Reference(id=named[id_]),
            content_of(activity, named[id_], day, facts),
            None,
        )
        for id_ in new
    ]
    outcomes = dict(zip(new, await submit(connection, door.desk, submissions, today), strict=True))
    recorded = {id_: one.achievement.id for id_, one in outcomes.items() if isinstance(one, Recorded)}
    now = door.desk.clock()
    rows = [
        {
            "learner_id": id_,
            "id": new_id(),
            "activity_id": activity.id,
            "achievement_id": achievement,
            "way": door.way,
            "at": first[id_].at,
            "recorded_at": now,
        }
        for id_, achievement in recorded.items()
    ]
    # Who was checked in by another meanwhile is there already: the look above did not see it, the key does.
    counted = await insert_new(connection, attendances, rows)
    told: list[Attended | Refusal] = []
    for found in resolved:
        id_ = found.learner_id if found is not None else None
        if id_ is None:
            told.append(UnknownLearner())
        elif id_ in recorded:
            told.append(Attended(id_, recorded[id_], id_ in counted))
            # Named twice in one request, they are counted the first time.
            counted.discard(id_)
        elif id_ in known:
            told.append(Attended(id_, known[id_], False))
        else:
            refused = outcomes[id_]
            told.append(refused if isinstance(refused, Refusal) else UnknownLearner())
    return told


async def give_back(
    connection: AsyncConnection, learner_id: UUID, merged_id: UUID, achievement_ids: Sequence[UUID], now: datetime
) -> None:
    """Let what an account attended in a merged one's name be that one's, where the achievements stand now."""
    rows = [
        {**asdict(one), "learner_id": merged_id, "id": new_id(), "recorded_at": now}
        for one in await attendances_of(connection, learner_id, achievement_ids)
    ]
    await insert_new(connection, attendances, rows)


async def resolve(connection: AsyncConnection, desk: Desk, references: Sequence[Reference]) -> list[Found | None]:
    """The learners who are meant, in their order; None for whoever is not known."""
    keys = [learners.lookup_key(desk.vault, one) for one in references]
    found = await learners.found_by(connection, sorted({key for key in keys if key is not None}))
    wanted = {one.id for one in references if one.id is not None}
    there = await learners.meant(connection, sorted(wanted))
    return [
        found.get(key) if key is not None else there.get(one.id) if one.id is not None else None
        for key, one in zip(keys, references, strict=True)
    ]


async def put_head_counts(connection: AsyncConnection, wanted: Sequence[HeadCount], now: datetime) -> Kept:
    """Enter head-counts; one that is there takes what it says here. Raises UnknownProvider, UnknownRegion."""
    providers = await by_code(connection, sorted({one.provider for one in wanted}))
    regions = await regions_by_code(connection, sorted({one.region for one in wanted}))
    for index, one in enumerate(wanted):
        if one.provider not in providers:
            raise UnknownProvider(pointer=f"/items/{index}/provider")
        if one.region not in regions:
            raise UnknownRegion(given=one.region, pointer=f"/items/{index}/region")
    stored = await people_by_id(connection, [one.id for one in wanted])
    new = [one for one in wanted if one.id not in stored]
    changed = [one for one in wanted if one.id in stored and stored[one.id] != one.people]
    await insert_new(connection, head_counts, [{**_row(one), "recorded_at": now} for one in new])
    await update_rows(
        connection, head_counts, [{"id": one.id, "people": one.people, "recorded_at": now} for one in changed], ("id",)
    )
    return Kept(len(new), len(changed), len(wanted) - len(new) - len(changed))


def _row(one: HeadCount) -> dict[str, Any]:
    row = asdict(one)
    row["starts_on"] = row.pop("start")
    return {"id": one.id, **row}
