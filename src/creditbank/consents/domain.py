"""A learner's consent: who may read what of theirs, what for, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from creditbank.access.domain import Actor
from creditbank.access.policy import Owned, can
from creditbank.errors import Kind, Refusal


class What(StrEnum):
    """What a consent may name. Nothing else of a learner is opened by one."""

    PROFILE = "profile"
    ACHIEVEMENTS = "achievements"
    CREDITS = "credits"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent as it was given; ``until`` is the first day on which it no longer holds."""

    learner_id: UUID
    id: UUID
    recipient: str
    what: frozenset[What]
    purpose: str
    since: date
    until: date | None
    given_by: UUID
    recorded_at: datetime
    withdrawn_at: datetime | None

    def opens(self, actor: Actor, what: What, today: date) -> bool:
        """Whether it lets the actor read that, today. Given to an institution it is not given to those under it."""
        in_time = self.since <= today and (self.until is None or today < self.until)
        return (
            self.withdrawn_at is None
            and in_time
            # Who is suspended reads what is its own; what learners entrusted to it waits.
            and actor.stopped_by is None
            and what in self.what
            and bool(can(actor, "consent.read", Owned(self.recipient)))
        )


def check_days(since: date, until: date | None) -> None:
    """Hold the days to their order. Raises ConsentBackwards."""
    if until is not None and until <= since:
        raise ConsentBackwards(pointer="/until")


def codes_of(what: Iterable[What]) -> str:
    """What a consent names, as it is stored."""
    return " ".join(sorted(what))


@dataclass(eq=False, kw_only=True)
class ConsentNotFound(Refusal):
    """There is no such consent of this learner, or the caller may not know of it."""

    code = "consent_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ConsentWithdrawn(Refusal):
    """The consent was withdrawn already."""

    code = "consent_withdrawn"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class ConsentBackwards(Refusal):
    """A consent ends after it begins."""

    code = "consent_backwards"
    kind = Kind.INVALID
