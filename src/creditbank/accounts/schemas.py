"""API shapes of an account's life."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from creditbank.learners.schemas import LearnerOut
from creditbank.web.fields import Body


class AccountStateIn(Body):
    """What becomes of an account, and why, as a code: what anybody said is not kept."""

    state: Literal["active", "closed", "deceased"]
    reason: Literal["learner_asked", "family_told", "register_told", "not_used", "fraud", "mistake"]


class OpenedItem(TypedDict):
    """What became of one account of a batch."""

    index: int
    status: int
    learner: NotRequired[LearnerOut]
    problem: NotRequired[dict[str, Any]]


class OpenedCounts(TypedDict):
    """How many accounts of a batch were opened, and how many refused."""

    opened: int
    refused: int


class OpenedBatch(TypedDict):
    """One result an account, in the order they were sent."""

    results: list[OpenedItem]
    counts: OpenedCounts
