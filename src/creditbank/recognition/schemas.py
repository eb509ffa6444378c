"""API shapes of evaluations and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from creditbank.recognition.domain import Decision


class DecisionOut(TypedDict):
    """What one rule made of one binding, and why."""

    id: UUID
    evaluation: UUID
    effect: str
    rule: str | None
    achievements: list[UUID]
    is_current: bool
    reason: Annotated[str, Field(description="a sentence in the caller's language")]
    canonical: Annotated[str | None, Field(description="the trace in the words that rule documents are tested with")]
    trace: Mapping[str, Any]


class EvaluationOut(TypedDict):
    """One run of the engine, with the decisions that it changed."""

    id: UUID
    cause: str
    as_of: date
    engine: str
    epoch: int
    input_sha256: str
    recorded_at: datetime
    decisions: list[DecisionOut]


def show_decision(decision: Decision, reason: str, canonical: str | None, *, is_current: bool) -> DecisionOut:
    """The shape of a decision."""
    return {
        "id": decision.id,
        "evaluation": decision.evaluation_id,
        "effect": decision.effect,
        "rule": decision.rule,
        "achievements": decision.achievements,
        "is_current": is_current,
        "reason": reason,
        "canonical": canonical,
        "trace": decision.trace or {},
    }
