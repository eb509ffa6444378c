"""A guardianship: from the day it is registered until the minor is of age, or until an officer ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.learners.domain import ACTIVE, Learner

OF_AGE: Final = 18
"""The age in years at which somebody is of age (Civil Code, article 17)."""

GuardianKind = Literal["parent", "appointed", "institution"]
Evidence = Literal["household_register", "birth_certificate", "court_order", "notarised_deed"]


@dataclass(frozen=True, slots=True)
class Guardianship:
    """Who acts for whom; ``until`` is the minor's eighteenth birthday."""

    learner_id: UUID
    id: UUID
    guardian_id: UUID
    grant_id: UUID
    user_id: UUID
    kind: GuardianKind
    evidence: Evidence
    since: date
    until: date
    registered_by: str
    registered_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None


def of_age_on(birth_date: date) -> date:
    """The day on which somebody is of age; who was born on 29 February, on 1 March of a common year."""
    year = birth_date.year + OF_AGE
    try:
        return birth_date.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def check_minor(learner: Learner, today: date) -> date:
    """The day on which the learner will be of age. Raises GuardianNotNeeded."""
    born = learner.profile.birth_date
    if born is None or of_age_on(born) <= today:
        raise GuardianNotNeeded(age=OF_AGE)
    return of_age_on(born)


def check_guardian(guardian: Learner, minor: Learner, user_id: UUID | None, today: date) -> UUID:
    """Hold the guardian to be an adult of whom somebody has seen who they are; the user as whom they sign in.

    Raises GuardianUnfit.
    """
    born = guardian.profile.birth_date
    is_adult = born is not None and of_age_on(born) <= today
    if guardian.id == minor.id or not is_adult or guardian.state != ACTIVE or user_id is None:
        raise GuardianUnfit(age=OF_AGE)
    return user_id


@dataclass(eq=False, kw_only=True)
class GuardianUnfit(Refusal):
    """Nobody becomes a guardian whom the bank does not know as an adult, or who does not sign in."""

    code = "guardian_unfit"
    kind = Kind.CONFLICT
    age: int
    pointer: str = "/guardian"


@dataclass(eq=False, kw_only=True)
class GuardianNotNeeded(Refusal):
    """The learner is of age, or the bank does not know when they were born."""

    code = "guardian_not_needed"
    kind = Kind.CONFLICT
    age: int


@dataclass(eq=False, kw_only=True)
class GuardianshipNotFound(Refusal):
    """There is no such guardianship that an officer could end."""

    code = "guardianship_not_found"
    kind = Kind.NOT_FOUND
