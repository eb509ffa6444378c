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

MERGED: Final = "merged"
MERGE_UNDONE: Final = "merge_undone"
"""Why the bank withdraws an achievement at one account of a person: it stands at the other."""

COUNTED_ONCE: Final = "counted_once"
"""Why the bank withdraws what a merge brought: the person had it by the other account, of the same event."""

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
    # The merged account of which it was stated, at the one that stands or stood for it; None: of the account itself.
    merged_id: UUID | None = None


def is_the_bank_s(version: Version) -> bool:
    """Whether the bank withdrew a fact by this version, between two accounts or beside its like."""
    return version.client_id is None and version.reason in {MERGED, MERGE_UNDONE, COUNTED_ONCE}


def merged_from(learner_id: UUID) -> str:
    """The reason of a version that a merge recorded: the account that it came from."""
    return f"merged from {learner_id}"


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
    def is_in_transit(self) -> bool:
        """Whether it was withdrawn here, where its external id still leads, to stand at another account again.

        What a merge withdrew is never asked this: it stood at the other account before, and led there.
        """
        now = self.current
        return now.status == REVOKED and now.client_id is None and now.reason == MERGE_UNDONE

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


@dataclass(frozen=True, slots=True)
class Figure:
    """How many achievements, of how many learners."""

    achievements: int
    learners: int

    def is_small(self, least: int) -> bool:
        """Whether it is of fewer learners than ``least`` and of some: then it would point at persons."""
        return 0 < self.learners < least


@dataclass(frozen=True, slots=True)
class Level:
    """An institution's figure as a row: what it did itself, which is shown nowhere, and the figure of each below it."""

    whole: Figure
    own: Figure
    below: Mapping[str, Figure]


def hidden_below(level: Level, least: int, *, is_whole_hidden: bool) -> frozenset[str]:
    """Which of the institutions right below have their figures hidden: the small ones, and, as the whole is shown, so
    many further ones, the smallest first, that nobody computes a small one by subtracting.

    What is not shown of a row is then of two or more, of ``least`` learners or more together, and not of one
    achievement each. When the whole is itself hidden, not everything may be shown that it is the sum of.
    """
    cells = {code: figure for code, figure in level.below.items() if figure.achievements}
    hidden = {code for code, figure in cells.items() if figure.is_small(least)}
    others = sorted(cells.keys() - hidden, key=lambda code: (cells[code].learners, cells[code].achievements, code))

    def unseen() -> list[Figure]:
        return [cells[code] for code in hidden] + ([level.own] if level.own.achievements else [])

    if not any(figure.is_small(least) for figure in unseen()):
        is_guessed = is_whole_hidden and not unseen()
        return frozenset(hidden | set(others[:1])) if is_guessed else frozenset(hidden)
    for code in others:
        kept = unseen()
        are_enough = len(kept) > 1 and sum(figure.learners for figure in kept) >= least
        if are_enough and sum(figure.achievements for figure in kept) > len(kept):
            break
        hidden.add(code)
    return frozenset(hidden)


def is_hidden(levels: Sequence[Level], path: Sequence[str], least: int) -> bool:
    """Whether the figure of the last institution of a path from the top is hidden; ``levels`` are of those above it.

    It is decided from the top, so that it is the same whoever asks for whichever figure.
    """
    if not levels:
        return False
    is_above_hidden = levels[0].whole.is_small(least)
    for level, code in zip(levels, path[1:], strict=True):
        is_above_hidden = code in hidden_below(level, least, is_whole_hidden=is_above_hidden)
    return is_above_hidden


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
