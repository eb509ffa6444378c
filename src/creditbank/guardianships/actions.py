"""Registering guardianships, ending them before their day, and moving the day with the birth date."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, By
from creditbank.access.policy import Owned
from creditbank.guardianships.domain import (
    Evidence,
    GuardianKind,
    Guardianship,
    GuardianshipNotFound,
    check_guardian,
    check_minor,
    of_age_on,
)
from creditbank.guardianships.queries import lasting_of, of_learner, user_of
from creditbank.guardianships.tables import guardianships
from creditbank.identifiers import new_id
from creditbank.learners.domain import Learner
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
    grant_id = await people.grant(
        connection,
        user_id,
        NewGrant("learner", Place(learner_id=learner_id), _begins(until, zone)),
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
    others = [one for one in ending if one.id != found.id]
    await _take_back(connection, others, actor.identity, now)
    await _mark(connection, ending, actor.identity, now)
    minor, _ = await find(connection, vault, learner_id)
    details = {"guardianship": str(guardianship_id)}
    await record(connection, actor.by, "guardianship.end", f"learner:{learner_id}", details, now, minor.owned)
    return replace(found, ended_by=actor.identity, ended_at=now)


async def _take_back(connection: AsyncConnection, ending: Sequence[Guardianship], by: str, now: datetime) -> None:
    """Take back the roles by which guardians acted, those that nobody has taken back already."""
    for one in ending:
        with suppress(GrantNotFound):
            await people.revoke(connection, one.user_id, one.grant_id, None, by, now)


async def _mark(connection: AsyncConnection, ending: Sequence[Guardianship], by: str, now: datetime) -> None:
    theirs = guardianships.c.id.in_([one.id for one in ending])
    await connection.execute(update(guardianships).where(theirs).values(ended_by=by, ended_at=now))


async def end_with(
    connection: AsyncConnection, learner_id: UUID, by: By, identity: str, now: datetime, *, is_minor_gone: bool = False
) -> None:
    """End what a guardian had whose account ends, or that of one merged into it: whoever acts for a child is somebody.

    With ``is_minor_gone`` also the guardianships over this account itself. The caller has locked the account. Of a
    guardian who is registered meanwhile the registration waits for that lock, and finds the account ended.
    """
    every = await lasting_of(connection, learner_id, now.date(), is_minor_too=is_minor_gone)
    await _take_back(connection, every, identity, now)
    await _mark(connection, every, identity, now)
    for one in every:
        details = {"guardianship": str(one.id), "reason": "account_ended"}
        whose = Owned(learner_id=one.learner_id)
        await record(connection, by, "guardianship.end", f"learner:{one.learner_id}", details, now, whose)


async def follow_birth_date(
    connection: AsyncConnection, minor: Learner, actor: Actor, now: datetime, zone: ZoneInfo
) -> None:
    """Let a minor's guardianships end on the day on which, by a mended birth date, the minor is of age.

    Who is of age already by it has no guardian from now on. An end that has come is not taken back: whoever mends a
    birth date gives nobody power over an account, and a guardianship is registered anew. The minor is locked.
    """
    if minor.profile.birth_date is None:
        return
    today, until = now.astimezone(zone).date(), of_age_on(minor.profile.birth_date)
    for one in await of_learner(connection, minor.id):
        if one.ended_at is not None or one.until == until or one.until <= today:
            continue
        details = {"guardianship": str(one.id), "until": until.isoformat()}
        if until <= today:
            await _take_back(connection, [one], actor.identity, now)
            await _mark(connection, [one], actor.identity, now)
            action = "guardianship.end"
        else:
            with suppress(GrantNotFound):
                # Who governs people may have taken the role back: then nobody has it longer.
                await people.change_end(
                    connection, one.user_id, one.grant_id, _begins(until, zone), actor.identity, now
                )
            mine = (guardianships.c.learner_id == minor.id) & (guardianships.c.id == one.id)
            await connection.execute(update(guardianships).where(mine).values(until=until))
            action = "guardianship.move_end"
        await record(connection, actor.by, action, f"learner:{minor.id}", details, now, minor.owned)


def _begins(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins in the bank's zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
