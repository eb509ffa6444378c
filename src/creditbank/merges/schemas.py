"""API shapes of merges."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.merges.domain import DismissalReason, Merge, MergeState, Reason, StepKind, UndoReason
from creditbank.web.fields import Body


class MergeIn(Body):
    """That an account stand for another of the same person, and how that is known, as a code."""

    merged: UUID = Field(description="the account that ends; its facts go to the one in the path")
    reason: Reason
    despite_dismissal: bool = Field(
        default=False, description="say so of two accounts that were dismissed, or that were undone as two people's"
    )


class MergeDecisionIn(Body):
    """How what is proposed of a merge is decided."""

    decision: Literal["approve", "refuse"]


class UndoingIn(Body):
    """That two accounts be two again, and why, as a code."""

    reason: UndoReason


class MergeStepOut(BaseModel):
    """What became of one achievement."""

    achievement: UUID
    kind: StepKind
    recorded_at: datetime


class MergeOut(BaseModel):
    """A merge with its trace. Authors and approvers are `client:id` or `user:id`."""

    id: UUID
    learner: UUID | None = Field(description="the account that stands for both; null where the caller may not read it")
    merged: UUID | None = Field(description="the account that ended; null where the caller may not read it")
    state: MergeState
    reason: Reason
    author: str
    approver: str | None
    undo_reason: UndoReason | None
    undo_author: str | None
    undo_approver: str | None
    recorded_at: datetime
    decided_at: datetime | None
    undo_recorded_at: datetime | None
    undo_decided_at: datetime | None
    despite_dismissal: bool = Field(
        description="whether the two had been said to be two, and it was proposed knowing so"
    )
    steps: list[MergeStepOut]

    @classmethod
    def from_domain(cls, merge: Merge, hidden: UUID | None = None) -> MergeOut:
        """The shape of a merge, without the id of an account that is out of the reader's reach."""
        return cls.model_validate(
            {
                "id": merge.id,
                "learner": merge.learner_id if merge.learner_id != hidden else None,
                "merged": merge.merged_id if merge.merged_id != hidden else None,
                "state": merge.state,
                "reason": merge.reason,
                "author": merge.author,
                "approver": merge.approver,
                "undo_reason": merge.undo_reason,
                "undo_author": merge.undo_author,
                "undo_approver": merge.undo_approver,
                "recorded_at": merge.recorded_at,
                "decided_at": merge.decided_at,
                "undo_recorded_at": merge.undo_recorded_at,
                "undo_decided_at": merge.undo_decided_at,
                "despite_dismissal": merge.is_despite_dismissal,
                "steps": [
                    {"achievement": step.achievement_id, "kind": step.kind, "recorded_at": step.recorded_at}
                    for step in merge.steps
                ],
            }
        )


class CandidateOut(BaseModel):
    """Two accounts with one birth date and one name: perhaps one person's."""

    learners: tuple[UUID, UUID]


class DismissalIn(Body):
    """That two accounts are to stay two, and why, as a code."""

    learners: Annotated[list[UUID], Field(min_length=2, max_length=2)]
    reason: DismissalReason
