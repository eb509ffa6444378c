"""An achievement: what a provider states that a learner did, in versions that all stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from creditbank.errors import Kind, Refusal

Content = Mapping[str, Any]
"""The statement as JSON: the fields of rules/v1 section 9 under the API's names, ``provider`` as the code of the day
of completion, numbers as decimal texts, dates as ISO texts, absent fields left out."""

VALID: Final = "valid"
REVOKED: Final = "revoked"

ASSURANCES: Final = ("self", "provider", "verified", "signed")


@dataclass(frozen=True, slots=True)
class Version:
    """What was stated at one time, whole."""

    learner_id: UUID
    achievement_id: UUID
    number: int
    status: str
    content: Content
    reason: str | None
    effective: date | None
    client_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Achievement:
    """A stable id with every version stated of it, the first first. The highest counts."""

    learner_id: UUID
    id: UUID
    versions: Sequence[Version]

    @property
    def current(self) -> Version:
        """The version that counts."""
        return self.versions[-1]

    @property
    def key(self) -> str:
        """The fact's key: provider code and external id. In every order of evaluation this is its ``id``."""
        return fact_key(self.current.content["provider"], self.current.content["external_id"])

    def as_of(self, known: datetime) -> Achievement | None:
        """The achievement with the versions recorded by ``known``; None when there were none."""
        kept = [version for version in self.versions if version.recorded_at <= known]
        return Achievement(self.learner_id, self.id, kept) if kept else None


def fact_key(provider_code: str, external_id: str) -> str:
    """The key of a fact. A provider's code holds no space, so two different facts never share one."""
    return f"{provider_code} {external_id}"


def cap_assurance(stated: str, most: str) -> str:
    """What the bank takes of a statement's own assurance: at most what the credential may assure."""
    return min(stated, most, key=ASSURANCES.index)


def unless_small(count: int, learners: int, least: int) -> int | None:
    """The count, unless it is of fewer learners than ``least`` and of some: then it would point at persons."""
    return None if 0 < learners < least else count


@dataclass(eq=False, kw_only=True)
class PeriodEmpty(Refusal):
    """The period ends before it begins."""

    code = "period_empty"
    kind = Kind.INVALID
    pointer: str = "?until"


@dataclass(eq=False, kw_only=True)
class AchievementNotFound(Refusal):
    """There is no such achievement, or the caller may not know of it."""

    code = "achievement_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ExternalIdConflict(Refusal):
    """The external id is taken by an achievement with other content: a change is an amendment."""

    code = "external_id_conflict"
    kind = Kind.CONFLICT
    external_id: str
    pointer: str = "/external_id"


@dataclass(eq=False, kw_only=True)
class AchievementRevoked(Refusal):
    """A revoked achievement is not amended or revoked again."""

    code = "achievement_revoked"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class IdentityOfAchievementFixed(Refusal):
    """An amendment may not change the external id by which its provider knows it: revoke it and post another."""

    code = "achievement_identity_fixed"
    kind = Kind.INVALID


@dataclass(eq=False, kw_only=True)
class NothingAmended(Refusal):
    """The amendment says what the achievement already says."""

    code = "nothing_amended"
    kind = Kind.CONFLICT
