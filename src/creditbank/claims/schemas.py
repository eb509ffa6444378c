"""API shapes of claims, rulings and reviews."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.achievements.schemas import CREDITS_MAX, HOURS_MAX
from creditbank.claims.domain import Claim, NewRuling, Reason, Review, Waiver, WaiverReason
from creditbank.credits import Credits
from creditbank.intake.domain import State
from creditbank.recognition.domain import HeldRuling
from creditbank.web.fields import Body, LocalName, Name, Number, Path, Text, Token, at_most

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

_NEEDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "insert": (frozenset({"achievement", "unit", "credits"}), frozenset({"category", "level"})),
    "force": (frozenset({"achievement", "rule"}), frozenset()),
    "waive": (frozenset({"what"}), frozenset({"achievement"})),
    "block": (frozenset({"achievement"}), frozenset({"unit"})),
    "value": (frozenset({"achievement", "unit"}), frozenset({"credits", "grade"})),
}
"""By kind: the fields that a ruling must have, and those that it may."""


class RulingIn(Body):
    """What a person rules about a learner's credits; it counts once another approved it."""

    learner: UUID
    kind: Literal["insert", "force", "waive", "block", "value"]
    rule_set: _Id
    reason: Text
    expires: date | None = Field(default=None, description="the first day on which it no longer holds")
    achievement: UUID | None = None
    unit: Token | None = None
    credits: Annotated[Number, at_most(CREDITS_MAX)] | None = None
    category: Path | None = None
    level: Annotated[int, Field(ge=0, le=8)] | None = None
    grade: Token | None = None
    rule: _Id | None = None
    what: _Id | None = Field(default=None, description="the limit or requirement that is waived")

    @model_validator(mode="after")
    def _as_its_kind_says(self) -> Self:
        must, may = _NEEDS[self.kind]
        given = {name for name in _SAID if getattr(self, name) is not None}
        if not must <= given or not given <= must | may:
            raise PydanticCustomError("exactly_one", "other fields belong to this kind")
        if self.kind == "value" and self.credits is None and self.grade is None:
            raise PydanticCustomError("exactly_one", "credits or a grade")
        return self

    def to_domain(self) -> NewRuling:
        """The ruling that is proposed."""
        said = {name: value for name in _SAID if (value := getattr(self, name)) is not None}
        content = {name: str(value) if isinstance(value, UUID) else value for name, value in said.items()}
        return NewRuling(self.kind, self.rule_set, {**content, "reason": self.reason}, self.expires)


_SAID = ("achievement", "unit", "credits", "category", "level", "grade", "rule", "what")


class RulingOut(TypedDict):
    """A ruling and where it stands."""

    id: UUID
    learner_id: UUID
    kind: str
    rule_set: str
    state: str
    content: Mapping[str, Any]
    author: UUID
    approver: UUID | None
    expires: date | None
    recorded_at: datetime


def show_ruling(ruling: HeldRuling) -> RulingOut:
    """The shape of a ruling."""
    return {
        "id": ruling.id,
        "learner_id": ruling.learner_id,
        "kind": ruling.kind,
        "rule_set": ruling.rule_set,
        "state": ruling.state.value,
        "content": ruling.content,
        "author": ruling.author_id,
        "approver": ruling.approver_id,
        "expires": ruling.expires,
        "recorded_at": ruling.recorded_at,
    }


class ClaimIn(Body):
    """What was learnt elsewhere, and what shows it."""

    learner: UUID
    provider: Path | None = Field(default=None, description="who is to assess; by default the caller's own")
    kind: _Id = Field(description="one of `GET /v1/kinds`")
    title: LocalName | Name
    completed: date
    started: date | None = None
    category: Path | None = None
    hours: Annotated[Number, at_most(HOURS_MAX)] | None = None
    credits: Annotated[Number, at_most(CREDITS_MAX)] | None = None
    unit: Token | None = None
    learning: Token | None = Field(default=None, description="identity of the learning: claimed once only")
    evidence: Annotated[list[UUID], Field(min_length=1, max_length=16, description="ids of uploaded evidence")]

    def content(self) -> dict[str, Any]:
        """The fact as it is stated."""
        dumped = self.model_dump(mode="json", exclude_none=True, exclude={"learner", "provider", "evidence"})
        return dumped


class ClaimDecisionIn(Body):
    """Accept, or reject with a reason."""

    decision: Literal["accept", "reject"]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _reason_of_rejection(self) -> Self:
        if (self.decision == "reject") != (self.reason is not None):
            raise PydanticCustomError("exactly_one", "a rejection has a reason")
        return self


class ClaimOut(TypedDict):
    """A claim and where it stands."""

    id: UUID
    learner_id: UUID
    achievement: UUID
    provider: str
    state: str
    reason: str | None
    appeals: int
    recorded_at: datetime


class LodgedOut(ClaimOut):
    """A claim just lodged, and what rules make of the fact as long as nobody assures it."""

    outcome: State


class DecidedOut(ClaimOut):
    """A claim just decided; when it was accepted, what rules make of the fact now."""

    outcome: NotRequired[State]


def show_claim(claim: Claim) -> ClaimOut:
    """The shape of a claim."""
    return {
        "id": claim.id,
        "learner_id": claim.learner_id,
        "achievement": claim.achievement_id,
        "provider": claim.provider,
        "state": claim.state.value,
        "reason": claim.reason.value if claim.reason is not None else None,
        "appeals": claim.appeals,
        "recorded_at": claim.recorded_at,
    }


class EvidenceOut(TypedDict):
    """A file that was kept."""

    id: UUID
    media_type: str
    size: int


class ReviewOut(TypedDict):
    """Something that waits for a person."""

    id: UUID
    learner_id: UUID
    kind: str
    subject: UUID
    rule_set: str | None
    reason: str
    provider: str | None
    owner: UUID | None
    state: str
    outcome: str | None
    due_on: date
    recorded_at: datetime


class WaiverIn(Body):
    """Why a debt should be waived."""

    reason: WaiverReason


class WaiverDecisionIn(Body):
    """What the second person says."""

    decision: Literal["approve", "refuse"]


class WaiverOut(TypedDict):
    """That a debt be waived, and what became of it."""

    id: UUID
    review: UUID
    lot: UUID
    credits: str
    reason: str
    state: str
    proposed_by: UUID
    decided_by: UUID | None
    recorded_at: datetime
    decided_at: datetime | None


def show_waiver(waiver: Waiver) -> WaiverOut:
    """The shape of a waiver."""
    return {
        "id": waiver.id,
        "review": waiver.review_id,
        "lot": waiver.lot_id,
        "credits": str(Credits(waiver.milli)),
        "reason": waiver.reason.value,
        "state": waiver.state.value,
        "proposed_by": waiver.author_id,
        "decided_by": waiver.decided_by,
        "recorded_at": waiver.recorded_at,
        "decided_at": waiver.decided_at,
    }


class ReviewWithPrecedents(ReviewOut):
    """A review, how many similar cases ended in which way of late, and what was proposed about a debt."""

    similar: dict[str, int]
    waivers: list[WaiverOut]


def show_review(review: Review) -> ReviewOut:
    """The shape of a review."""
    return {
        "id": review.id,
        "learner_id": review.learner_id,
        "kind": review.kind,
        "subject": review.subject_id,
        "rule_set": review.rule_set,
        "reason": review.reason,
        "provider": review.provider,
        "owner": review.owner_id,
        "state": review.state,
        "outcome": review.outcome,
        "due_on": review.due_on,
        "recorded_at": review.recorded_at,
    }


class ReviewOutcomeIn(Body):
    """How a review ends: the debt stands, or the decision is right as it is. A debt is waived by two people."""

    outcome: Literal["stands", "as_decided"]
