"""API shape of the transcript. Typed dictionaries: a transcript is serialised as it stands."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class HolderOut(TypedDict):
    """Whose transcript it is."""

    id: str
    number: str
    name: str
    birth_date: str | None


class TotalOut(TypedDict):
    """What there is of one unit of credit; ``total`` is what is available."""

    unit: str
    total: str
    by_category: dict[str, str]
    by_state: dict[str, str]


class NamedProviderOut(TypedDict):
    """Who gave an achievement."""

    code: str
    name: dict[str, str]


class CreditOut(TypedDict):
    """A lot of credits, and the sentence that says why it was given."""

    lot: str
    decision: str
    unit: str
    credit_unit: str
    credits: str
    positions: dict[str, str]
    category: str | None
    level: int | None
    grade: str | None
    rule_set: str
    rule_set_version: int
    rule: str | None
    reason: str
    expires: str | None


class RefusedOut(TypedDict):
    """Why an achievement, or a part of it, gives nothing."""

    effect: str
    rule: str | None
    decision: str
    reason: str


class LineOut(TypedDict):
    """One achievement with what it is worth."""

    id: str
    title: str | dict[str, str] | None
    kind: str
    code: str | None
    provider: NamedProviderOut
    completed: str
    grade: dict[str, Any] | None
    credits: str | None
    hours: str | None
    assurance: str
    recognised: list[CreditOut]
    not_recognised: list[RefusedOut]


class TranscriptOut(TypedDict):
    """What a learner achieved, what it is worth, and why."""

    learner: HolderOut
    as_of: str
    known: str
    totals: list[TotalOut]
    achievements: list[LineOut]
