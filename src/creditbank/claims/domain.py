"""Claims, rulings and reviews as people deal with them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from creditbank.errors import Kind, Refusal

MEDIA_TYPES: Final = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
}
"""What evidence may be, each with the bytes that it begins with: a name is not believed."""


class ClaimState(StrEnum):
    """Lodged; accepted or rejected by an assessor; appealed and so lodged once more; accepted or rejected for good."""

    LODGED = "lodged"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    APPEALED = "appealed"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a claim is rejected: what the learner is told, and what makes two cases alike."""

    EVIDENCE_MISSING = "evidence_missing"
    EVIDENCE_DOUBTFUL = "evidence_doubtful"
    OUTCOMES_NOT_SHOWN = "outcomes_not_shown"
    LEVEL_TOO_LOW = "level_too_low"
    TOO_LONG_AGO = "too_long_ago"
    CLAIMED_BEFORE = "claimed_before"
    NOT_COVERED = "not_covered"


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody asks that what was learnt elsewhere be recognised: the achievement is a fact assured by nobody yet."""

    learner_id: UUID
    id: UUID
    achievement_id: UUID
    provider: str
    state: ClaimState
    lodged_by: UUID
    decided_by: UUID | None
    reason: Reason | None
    appeals: int
    recorded_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it waits for an assessor."""
        return self.state in {ClaimState.LODGED, ClaimState.APPEALED}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that shows something: stored sealed outside the database under the hash of its sealed bytes."""

    learner_id: UUID
    id: UUID
    media_type: str
    size: int
    mark: str
    stored_as: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """A file that was handed in and lies sealed in the folder, before a row names it."""

    media_type: str
    size: int
    mark: str
    stored_as: str


@dataclass(frozen=True, slots=True)
class NewRuling:
    """What somebody rules, before another approves it."""

    kind: str
    rule_set: str
    content: Mapping[str, Any]
    expires: date | None


@dataclass(frozen=True, slots=True)
class Review:
    """Something about a learner that waits for a person, or did."""

    learner_id: UUID
    id: UUID
    kind: str
    subject_id: UUID
    rule_set: str | None
    reason: str
    provider: str | None
    owner_id: UUID | None
    state: str
    outcome: str | None
    due_on: date
    recorded_at: datetime


class WaiverReason(StrEnum):
    """Why a debt should be waived."""

    BANK_MISTAKE = "bank_mistake"
    PROVIDER_MISTAKE = "provider_mistake"
    GOOD_FAITH = "good_faith"
    HARDSHIP = "hardship"
    OTHER = "other"


class WaiverState(StrEnum):
    """Proposed; approved or refused by another; withdrawn by its author; lapsed when the debt ended otherwise."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    # Never stored: what was proposed in a review that is closed.
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Waiver:
    """That the bank bear what a learner owes on a lot: proposed by one person, decided by another."""

    learner_id: UUID
    id: UUID
    review_id: UUID
    lot_id: UUID
    milli: int
    reason: WaiverReason
    state: WaiverState
    author_id: UUID
    decided_by: UUID | None
    recorded_at: datetime
    decided_at: datetime | None


@dataclass(eq=False, kw_only=True)
class ClaimNotFound(Refusal):
    """There is no such claim, or the caller may not know of it."""

    code = "claim_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ClaimDecided(Refusal):
    """The claim does not wait for a decision."""

    code = "claim_decided"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class NothingToAppeal(Refusal):
    """Only a rejected claim can be appealed, and once."""

    code = "nothing_to_appeal"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class RulingNotFound(Refusal):
    """There is no such ruling of this learner."""

    code = "ruling_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class RulingDecided(Refusal):
    """The ruling is in another state than this takes."""

    code = "ruling_decided"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class UnknownSubject(Refusal):
    """What the ruling is about is not there: the achievement, the rule set, the rule or the limit."""

    code = "unknown_subject"
    kind = Kind.INVALID
    what: str


@dataclass(eq=False, kw_only=True)
class ReviewNotFound(Refusal):
    """There is no such review, or it is closed."""

    code = "review_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class ReviewTaken(Refusal):
    """Somebody else works on it."""

    code = "review_taken"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class WaiverProposed(Refusal):
    """A waiver of this debt waits for a second person already."""

    code = "waiver_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class NoWaiverProposed(Refusal):
    """Nobody proposed that this debt be waived."""

    code = "no_waiver_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class NotTheProposer(Refusal):
    """Only whoever proposed something takes it back; others refuse it."""

    code = "not_the_proposer"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class DebtChanged(Refusal):
    """The debt is no longer the one that was to be waived."""

    code = "debt_changed"
    kind = Kind.CONFLICT
    proposed: str
    owed: str


@dataclass(eq=False, kw_only=True)
class EvidenceRefused(Refusal):
    """Evidence is a PDF, a PNG or a JPEG, and is what it says it is."""

    code = "evidence_refused"
    kind = Kind.INVALID
    media_type: str


@dataclass(eq=False, kw_only=True)
class EvidenceNotFound(Refusal):
    """There is no such evidence of this learner."""

    code = "evidence_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class EvidenceLost(Refusal):
    """The file of this evidence is not where it was written, or is not what was written there."""

    code = "evidence_lost"
    kind = Kind.GONE


def check_evidence(media_type: str, content: bytes) -> None:
    """Whether a file is of a kind that is taken, by its first bytes. Raises EvidenceRefused."""
    begins = MEDIA_TYPES.get(media_type)
    if begins is None or not content.startswith(begins):
        raise EvidenceRefused(media_type=media_type)
