"""What a cancellation leaves to be done: the achievements of everybody who was there are revoked."""

from __future__ import annotations

from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.achievements.domain import AchievementNotFound, AchievementRevoked
from creditbank.activities.queries import achievements_of, find
from creditbank.clock import learning_day
from creditbank.intake.actions import Desk, revoke
from creditbank.jobs.domain import Job, Step

_PEOPLE_A_STEP: Final = 50


class Revoking:
    """The job; a killed one goes on behind the last step it kept."""

    def __init__(self, desk: Desk, zone: ZoneInfo) -> None:
        self._desk = desk
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Revoke the next achievements. Who was revoked otherwise meanwhile, or erased, is passed over."""
        activity = await find(connection, UUID(job.payload["activity"]))
        after = UUID(job.progress["after"]) if "after" in job.progress else None
        found = await achievements_of(connection, activity.id, after, _PEOPLE_A_STEP)
        # It was decided by whoever cancelled the activity, who had the right to.
        actor = Actor(UUID(job.payload["client"]), None, frozenset(), "provider")
        today = learning_day(self._desk.clock(), self._zone)
        revoked = job.progress.get("revoked", 0)
        for _, achievement in found:
            try:
                await revoke(
                    connection,
                    self._desk,
                    achievement,
                    reason=activity.reason or "",
                    effective=None,
                    actor=actor,
                    today=today,
                )
            except (AchievementRevoked, AchievementNotFound):
                continue
            revoked += 1
        if len(found) < _PEOPLE_A_STEP:
            return Step({"revoked": revoked}, is_done=True)
        return Step({"revoked": revoked, "after": str(found[-1][0])}, is_done=False)
