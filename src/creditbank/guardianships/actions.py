"""Registering guardianships, and ending them before their day."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor
from creditbank.guardianships.domain import (
    Evidence,
    GuardianKind,
    Guardianship,
    GuardianshipNotFound,
    check_guardian,
    check_minor,
)
from creditbank.guardianships.queries import of_learner, user_of
from creditbank.guardianships.tables import guardianships
from creditbank.identifiers import new_id
from creditbank.learners.queries import absence, find, lock
from creditbank.people import actions as people
from creditbank.people.domain import GUARDIANSHIP, GrantNotFound, NewGrant, Place
from creditbank.sealing import Vault


async def register(
    connection: AsyncConnection,
    vault: Vault,
    learner_id: UUID,
    guardian_id: UUID,
    kind: GuardianKind,
    evidence: Evidence,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> Guardianship:
    """Let a guardian act for a minor from today until the day on which the minor is of age.

    Raises LearnerNotFound, LearnerErased, AccountEnded, GuardianNotNeeded, GuardianUnfit.
    """
    locked = await lock(connection, vault, [learner_id, guardian_id])
    for id_ in (learner_id, guardian_id):
        if id_ not in locked:
            raise await absence(connection, id_)
    locked[learner_id].check_active()
    today: date = now.astimezone(zone).date()
    minor, _ = await find(connection, vault, learner_id)
    guardian, _ = await find(connection, vault, guardian_id)
    until = check_minor(minor, today)
    user_id = check_guardian(guardian, minor, await user_of(connection, guardian_id, now), today)
    id_ = new_id()
    ends = datetime.combine(until, time(), zone).astimezone(UTC)
    grant_id = await people.grant(
        connection,
        user_id,
        NewGrant("learner", Place(learner_id=learner_id), ends),
        None,
        f"{GUARDIANSHIP}{id_}",
        now,
    )
    made = Guardianship(
        learner_id, id_, guardian_id, grant_id, user_id, kind, evidence, today, until, actor.identity, now
    )
    await connection.execute(insert(guardianships).values(asdict(made)))
    details = {"guardianship": str(id_), "guardian": str(guardian_id), "kind": kind, "until": until.isoformat()}
    await record(connection, actor.by, "guardianship.register", f"learner:{learner_id}", details, now, minor.owned)
    return made


async def end(
    connection: AsyncConnection, vault: Vault, learner_id: UUID, guardianship_id: UUID, actor: Actor, now: datetime
) -> Guardianship:
    """End a guardianship at once, however often it was registered.

    Raises LearnerNotFound, LearnerErased, GuardianshipNotFound.
    """
    if learner_id not in await lock(connection, vault, [learner_id]):
        raise await absence(connection, learner_id)
    every = await of_learner(connection, learner_id)
    found = next((one for one in every if one.id == guardianship_id and one.ended_at is None), None)
    if found is None:
        raise GuardianshipNotFound
    try:
        await people.revoke(connection, found.user_id, found.grant_id, None, actor.identity, now)
    except GrantNotFound as gone:
        # Who governs people has taken the role back already.
        raise GuardianshipNotFound from gone
    # Registered twice it is two roles: the guardian would be in by the other one still.
    ending = [one for one in every if one.guardian_id == found.guardian_id and one.ended_at is None]
    for one in ending:
        if one.id != found.id:
            with suppress(GrantNotFound):
                await people.revoke(connection, one.user_id, one.grant_id, None, actor.identity, now)
    ended = replace(found, ended_by=actor.identity, ended_at=now)
    theirs = (guardianships.c.learner_id == learner_id) & guardianships.c.id.in_([one.id for one in ending])
    await connection.execute(update(guardianships).where(theirs).values(ended_by=ended.ended_by, ended_at=now))
    minor, _ = await find(connection, vault, learner_id)
    details = {"guardianship": str(guardianship_id)}
    await record(connection, actor.by, "guardianship.end", f"learner:{learner_id}", details, now, minor.owned)
    return ended
