"""API shapes of merges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.learners.domain import Learner, mask
from creditbank.merges.domain import (
    DismissalReason,
    How,
    Merge,
    MergeState,
    Reason,
    StepKind,
    UndoReason,
    What,
    compare,
)
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


class PairOut(BaseModel):
    """Two accounts."""

    learners: tuple[UUID, UUID]


class ComparedOut(BaseModel):
    """One thing of two accounts, and how it compares; what it is, is not shown."""

    what: What
    how: How


class SentenceOut(BaseModel):
    """A sentence in Chinese and in English."""

    zh: str
    en: str


class CandidateOut(PairOut):
    """Two accounts with one birth date and one name: perhaps one person's, and what speaks for it and against it."""

    names: tuple[str, str] = Field(description="masked")
    compared: list[ComparedOut]
    sentence: SentenceOut

    @classmethod
    def from_domain(cls, one: Learner, other: Learner) -> CandidateOut:
        """The shape of two accounts beside each other."""
        found = compare(one, other)
        return cls(
            learners=(one.id, other.id),
            names=(mask(one.profile.name), mask(other.profile.name)),
            compared=[ComparedOut(what=each.what, how=each.how) for each in found],
            sentence=SentenceOut(
                zh="；".join(_HOW[each.how][0].format(_WHAT[each.what][0]) for each in found) + "。",
                en=_capital("; ".join(_HOW[each.how][1].format(_WHAT[each.what][1]) for each in found)) + ".",
            ),
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_WHAT: Final[Mapping[What, tuple[str, str]]] = {
    "name": ("姓名", "name"),
    "birth_date": ("出生日期", "birth date"),
    "id_card": ("身份证号", "identity card number"),
    "passport": ("护照号", "passport number"),
    "student_number": ("学号", "student number"),
    "phone": ("手机号", "telephone number"),
    "region": ("居住地区", "region of residence"),
}
_HOW: Final[Mapping[How, tuple[str, str]]] = {
    "same": ("{}相同", "the {} is the same"),
    "written_differently": ("{}写法不同，但可视为相同", "the {} is written differently and reads the same"),
    "claimed_same": (
        "{}相同，但其中一方为本人自述、未经核验",
        "the {} is the same, by the word of one that nobody has checked",
    ),
    "differs": ("{}不同", "the {} differs"),
    "other_issuer": ("{}由不同机构发放，无法比较", "the {} of each is another institution's and cannot be compared"),
    "only_one": ("只有一个账户有{}", "the {} is known of one account only"),
}


class DismissalIn(Body):
    """That two accounts are to stay two, and why, as a code."""

    learners: Annotated[list[UUID], Field(min_length=2, max_length=2)]
    reason: DismissalReason
