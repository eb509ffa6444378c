"""API shapes of what happens to rule sets on their way, and of what-if."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.achievements.schemas import Identifier, StatementIn
from creditbank.credits import Credits
from creditbank.rules.difference import Difference
from creditbank.rules.outcome import Decision, TargetLot
from creditbank.rulesets.domain import Simulation, StoredVersion
from creditbank.rulesets.schemas import VersionSummary
from creditbank.web.fields import Body, Path
from creditbank.web.problems import FaultOut

WHAT_IF_MAX = 200


class ValidatedOut(VersionSummary):
    """A version that holds what validation asks, with what its approver should know."""

    tests: int = Field(description="tests of the document, which all hold")
    warnings: list[FaultOut]


class ProgressOut(TypedDict):
    """How far a simulation is: learners walked past, of all."""

    walked: int
    all: int


class SimulationOut(BaseModel):
    """What publishing a document would change. The report is null until it is whole."""

    id: UUID
    sha256: str = Field(description="of the document that was simulated")
    is_current: bool = Field(description="whether that is still the version's document")
    state: str = Field(description="waiting, running, ended, outdated, failed")
    sample: int | None = Field(description="about how many learners; null: all")
    as_of: date
    asked_at: datetime
    ended_at: datetime | None
    progress: ProgressOut | None
    report: dict[str, Any] | None = Field(
        description="learners, units, reviews, losses by cause, shrinking, the 20 largest changes; amounts are texts"
    )

    @classmethod
    def from_domain(
        cls, simulation: Simulation, version: StoredVersion, state: str, progress: ProgressOut | None
    ) -> SimulationOut:
        """The shape of a simulation."""
        return cls(
            id=simulation.id,
            sha256=simulation.sha256,
            is_current=simulation.sha256 == version.sha256,
            state=state,
            sample=simulation.sample,
            as_of=simulation.as_of,
            asked_at=simulation.asked_at,
            ended_at=simulation.ended_at,
            progress=progress,
            report=dict(simulation.report) if simulation.report is not None else None,
        )


class ChangeOut(TypedDict):
    """One place at which two documents differ."""

    pointer: str
    of: str
    kind: str
    before: Any
    after: Any


class TouchedOut(TypedDict):
    """Achievements that the changes can touch: of these kinds, providers with all under them, and codes; null: any."""

    kinds: Sequence[str] | None
    providers: Sequence[str] | None
    codes: Sequence[str] | None


class DifferenceOut(TypedDict):
    """Where the document of one version differs from that of another, and what that touches."""

    rule_set: UUID
    before: int
    after: int
    changes: list[ChangeOut]
    touched: list[TouchedOut]
    programmes: Sequence[str]


def show_difference(rule_set: UUID, before: int, after: int, found: Difference) -> DifferenceOut:
    """The shape of a difference."""
    return {
        "rule_set": rule_set,
        "before": before,
        "after": after,
        "changes": [
            {"pointer": c.pointer, "of": c.of, "kind": c.kind, "before": c.old, "after": c.new} for c in found.changes
        ],
        "touched": [{"kinds": t.kinds, "providers": t.providers, "codes": t.codes} for t in found.touched],
        "programmes": found.programmes,
    }


# --- What-if ----------------------------------------------------------------------------------------------------------


class SupposedIn(StatementIn):
    """An achievement as a provider would state it."""

    provider: Path

    def supposed(self) -> dict[str, Any]:
        """What would be stored."""
        return {**self.content(self.assurance), "provider": self.provider}


class PublishedIn(Body):
    """A rule set of the bank: those of its versions that are in force, or one version whatever its state."""

    code: Identifier
    version: Annotated[int, Field(ge=1, le=10**9)] | None = None


class WhatIfIn(Body):
    """Achievements, and the rules by which they are asked about; without any: all rules in force."""

    model_config = ConfigDict(json_schema_extra={"description": "Give at most one of `rule_set` and `document`."})

    achievements: Annotated[list[SupposedIn], Field(min_length=1, max_length=WHAT_IF_MAX)]
    rule_set: PublishedIn | None = None
    document: dict[str, Any] | str | None = Field(
        default=None, description="a rules/v1 document: an object, or its YAML as a text"
    )
    as_of: date | None = Field(default=None, description="the day of evaluation; today when it is left out")

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if self.rule_set is not None and self.document is not None:
            raise PydanticCustomError("exactly_one", "one set of rules")
        if len({one.external_id for one in self.achievements}) < len(self.achievements):
            raise PydanticCustomError("given_twice", "an external id twice")
        return self


class SupposedLotOut(TypedDict):
    """Credits that would be granted."""

    unit: str
    credit_unit: str
    category: str | None
    level: int | None
    grade: dict[str, str] | None
    credits: str
    excess: str
    dropped: str
    state: str
    expires: date | None


class SupposedOut(TypedDict):
    """What one rule would make of some of the achievements, or that none would take one."""

    achievements: list[str]
    effect: str
    rule_set: str | None
    version: int | None
    rule: str | None
    reason: str
    lots: list[SupposedLotOut]
    trace: Mapping[str, Any]


class TotalOut(TypedDict):
    """What would be available in one unit."""

    unit: str
    total: str


class WhatIfOut(TypedDict):
    """What the achievements would give."""

    as_of: date
    totals: list[TotalOut]
    decisions: list[SupposedOut]


def show_supposed(decision: Decision, reason: str) -> SupposedOut:
    """The shape of a decision that was never made."""
    return {
        "achievements": list(decision.binding),
        "effect": decision.effect,
        "rule_set": decision.rule_set or None,
        "version": decision.version or None,
        "rule": decision.rule,
        "reason": reason,
        "lots": [_show_lot(lot, decision.credit_unit) for lot in decision.lots],
        "trace": {**decision.trace, "lots": [lot.trace for lot in decision.lots]},
    }


def _show_lot(lot: TargetLot, credit_unit: str) -> SupposedLotOut:
    return {
        "unit": lot.unit,
        "credit_unit": credit_unit,
        "category": lot.category,
        "level": lot.level,
        "grade": dict([lot.grade]) if lot.grade is not None else None,
        "credits": str(lot.recognised),
        "excess": str(lot.excess),
        "dropped": str(lot.dropped),
        "state": lot.state,
        "expires": lot.expires,
    }


def totals_of(decisions: Sequence[Decision]) -> list[TotalOut]:
    """What is available by unit; units are never added up."""
    found: Counter[str] = Counter()
    for decision in decisions:
        for lot in decision.lots:
            if lot.state == "available":
                found[decision.credit_unit] += lot.recognised.milli
    return [{"unit": unit, "total": str(Credits(milli))} for unit, milli in sorted(found.items())]


class CaseOut(TypedDict):
    """One of the largest changes, evaluated again now: what was simulated may have changed with the facts since."""

    learner: UUID
    is_as_simulated: bool
    before: list[SupposedOut]
    after: list[SupposedOut]


class CasesOut(TypedDict):
    """The largest changes of a simulation with both traces. They are about persons."""

    simulation: UUID
    cases: list[CaseOut]
