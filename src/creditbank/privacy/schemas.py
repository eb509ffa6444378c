"""API shapes of erasures."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from creditbank.privacy.domain import Erasure
from creditbank.web.fields import Body


class ErasureIn(Body):
    """That a person be erased, and why, as a code: what they said is not kept."""

    reason: Literal["learner_asked", "consent_withdrawn", "purpose_ended", "kept_unlawfully", "ordered"]


class ErasureDecisionIn(Body):
    """How an erasure is decided."""

    decision: Literal["approve", "refuse"]


class ErasureOut(BaseModel):
    """An erasure. ``author`` and ``approver`` are `client:id`, or `operator:name` from the command line."""

    learner: UUID
    id: UUID
    reason: str
    state: Literal["proposed", "approved", "refused"]
    author: str
    approver: str | None
    recorded_at: datetime
    decided_at: datetime | None

    @classmethod
    def from_domain(cls, erasure: Erasure) -> ErasureOut:
        """The shape of an erasure."""
        return cls(
            learner=erasure.learner_id,
            id=erasure.id,
            reason=erasure.reason,
            state=erasure.state.value,
            author=erasure.author,
            approver=erasure.approver,
            recorded_at=erasure.recorded_at,
            decided_at=erasure.decided_at,
        )
