"""Storing what providers state. Nothing here decides what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID, Content, Version
from creditbank.achievements.queries import REASON, seal_content
from creditbank.achievements.tables import achievement_keys, achievement_versions, achievements
from creditbank.database.statements import among, insert_new, insert_rows
from creditbank.identifiers import new_id
from creditbank.learners.actions import keep_merged_keys
from creditbank.learners.queries import LockedLearner
from creditbank.sealing import LearnerKey


@dataclass(frozen=True, slots=True)
class Claim:
    """An external id to be taken for an achievement of a learner."""

    key: bytes
    learner_id: UUID
    achievement_id: UUID


async def claim(connection: AsyncConnection, claims: Sequence[Claim]) -> set[bytes]:
    """Take the external ids that nobody has yet, in the order of their keys, and answer which were taken now."""
    rows = [
        {"key": c.key, "learner_id": c.learner_id, "achievement_id": c.achievement_id}
        for c in sorted(claims, key=lambda c: c.key)
    ]
    return {bytes(key) for key in await insert_new(connection, achievement_keys, rows)}


async def give_up(connection: AsyncConnection, keys: Sequence[bytes]) -> None:
    """Let go of external ids that were taken in this transaction for what is not recorded after all."""
    await connection.execute(delete(achievement_keys).where(among(connection, achievement_keys.c.key, keys)))


async def hand_over(connection: AsyncConnection, achievement_ids: Sequence[UUID], learner_id: UUID) -> None:
    """Let the external ids of these achievements lead to this learner, where the achievements stand under their ids."""
    theirs = among(connection, achievement_keys.c.achievement_id, achievement_ids)
    await connection.execute(update(achievement_keys).where(theirs).values(learner_id=learner_id))


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to store: of a new achievement when ``number`` is 1."""

    learner: LockedLearner
    achievement_id: UUID
    number: int
    content: Content
    client_id: UUID | None
    recorded_at: datetime
    status: str = VALID
    reason: str | None = None
    effective: date | None = None
    # The merged account that was named, of a new achievement.
    named_id: UUID | None = None
    # The merged account of which it is stated: what it says is sealed so that it outlives neither person.
    merged_id: UUID | None = None


async def store(connection: AsyncConnection, versions: Sequence[NewVersion]) -> list[Version]:
    """Write the versions, and the achievements of those that are first. The learners are locked, the ids claimed."""
    keys = await _keys_for(connection, versions)
    await insert_rows(
        connection,
        achievements,
        [
            {
                "learner_id": v.learner.id,
                "id": v.achievement_id,
                "provider": v.content["provider"],
                "named_id": v.named_id,
            }
            for v in versions
            if v.number == 1
        ],
    )
    await insert_rows(
        connection,
        achievement_versions,
        [
            {
                "learner_id": v.learner.id,
                "id": new_id(),
                "achievement_id": v.achievement_id,
                "number": v.number,
                "status": v.status,
                "kind": v.content["kind"],
                "code": v.content.get("code"),
                "completed": date.fromisoformat(v.content["completed"]),
                "content": seal_content(keys[v.learner.id, v.merged_id], v.content),
                "reason": _sealed(keys[v.learner.id, v.merged_id], v.reason),
                "effective": v.effective,
                "client_id": v.client_id,
                "recorded_at": v.recorded_at,
                "merged_id": v.merged_id,
            }
            for v in versions
        ],
    )
    return [
        Version(
            v.learner.id,
            v.achievement_id,
            v.number,
            v.status,
            v.content,
            v.reason,
            v.effective,
            v.client_id,
            v.recorded_at,
            v.merged_id,
        )
        for v in versions
    ]


async def _keys_for(
    connection: AsyncConnection, versions: Sequence[NewVersion]
) -> dict[tuple[UUID, UUID | None], LearnerKey]:
    """The key for each (account, merged account) of the versions."""
    keys: dict[tuple[UUID, UUID | None], LearnerKey] = {(v.learner.id, None): v.learner.key for v in versions}
    wanted: dict[UUID, tuple[LearnerKey, set[UUID]]] = {}
    for v in versions:
        if v.merged_id is not None:
            wanted.setdefault(v.learner.id, (v.learner.key, set()))[1].add(v.merged_id)
    for at, key in (await keep_merged_keys(connection, wanted) if wanted else {}).items():
        keys[at] = key
    return keys


def _sealed(key: LearnerKey, reason: str | None) -> bytes | None:
    return key.seal(reason.encode(), REASON) if reason is not None else None
