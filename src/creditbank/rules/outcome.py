"""What an evaluation answers: decisions and the lots that should stand (rules/v1 sections 1, 10 and 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from creditbank.credits import Credits

Effect = Literal["grant", "review", "none", "deny", "conditional"]
State = Literal["available", "pending", "expired"]

Trace = Mapping[str, Any]
"""Facts and codes as JSON: equal for equal input, without ids of runs and without the day of evaluation."""


@dataclass(frozen=True, slots=True)
class TargetLot:
    """The credits of one grant of one decision, as they should stand.

    What the formula gave is ``recognised`` + ``excess`` + ``dropped``. ``number`` counts the decision's lots of one
    unit from 0; ``grant`` is the grant's index in its rule. ``effective`` is the governing date; ``expires`` the first
    day on which the lot can no longer be used.
    """

    unit: str
    number: int
    grant: int
    category: str | None
    level: int | None
    grade: tuple[str, str] | None
    recognised: Credits
    excess: Credits
    dropped: Credits
    effective: date
    expires: date | None
    state: State
    trace: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """One rule applied to one binding; ``binding`` holds fact keys in slot order, the first is the lead.

    ``rule`` is None only when no rule could be named. With ``effect`` none, rule, rule set and version are those of the
    nearest rule, which did not take the achievement. ``kept_by`` is the later version that reaches the binding and
    would give less than the former one, whose decision this is.
    """

    rule_set: str
    version: int
    rule: str | None
    effect: Effect
    binding: tuple[str, ...]
    credit_unit: str
    governing: date
    lots: tuple[TargetLot, ...]
    trace: dict[str, Any]
    kept_by: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer for one learner on one day; decisions by (completed, fact keys, rule set)."""

    as_of: date
    decisions: tuple[Decision, ...]
