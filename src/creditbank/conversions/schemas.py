"""API shapes of applications for awards and of their decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.awards.domain import Annulment, Conversion, Wanted
from creditbank.conversions.domain import REASONS
from creditbank.credits import Credits
from creditbank.web.fields import Body, Number

ProgrammeName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9_-]{0,63}$"),
    Field(description="rule set and programme: `town.diploma`"),
]
Reason = Literal[REASONS]  # type: ignore[valid-type]
_LOTS_MAX = 500


class LotIn(Body):
    """A lot that the learner chose."""

    lot: UUID
    amount: Number | None = Field(default=None, description="all that can be used where it is left out")

    def to_domain(self) -> Wanted:
        """The lot as the domain names it."""
        return Wanted(self.lot, milli_of(self.amount) if self.amount is not None else None)


def milli_of(amount: str) -> int:
    """An amount as it is sent, in thousandths."""
    return Credits.parse(amount).milli


Lots = Annotated[list[LotIn], Field(min_length=1, max_length=_LOTS_MAX)]


class ConversionIn(Body):
    """An application for an award, with all that the learner has or with the lots chosen."""

    learner: UUID
    programme: ProgrammeName
    lots: Lots | None = None

    def wanted(self) -> list[Wanted] | None:
        """The lots chosen; None: the best use of all."""
        return [lot.to_domain() for lot in self.lots] if self.lots is not None else None


class AmountIn(Body):
    """How much of a lot is approved."""

    lot: UUID
    amount: Number


class DecisionIn(Body):
    """What the receiving institution decides. `amounts` belong to an approval in part, `reasons` to a rejection."""

    decision: Literal["approve", "approve_in_part", "reject"]
    amounts: Annotated[list[AmountIn], Field(min_length=1, max_length=_LOTS_MAX)] | None = None
    reasons: Annotated[list[Reason], Field(default_factory=list, max_length=len(REASONS))]

    @model_validator(mode="after")
    def _fits(self) -> DecisionIn:
        if (self.decision == "approve_in_part") != (self.amounts is not None):
            raise PydanticCustomError("exactly_one", "amounts belong to an approval in part")
        if len({one.lot for one in self.amounts or ()}) < len(self.amounts or ()):
            raise PydanticCustomError("given_twice", "a lot twice")
        if self.decision == "reject" and not self.reasons:
            raise PydanticCustomError("required", "a rejection has a reason")
        return self

    def by_lot(self) -> Mapping[UUID, int] | None:
        """Thousandths by lot of an approval in part."""
        return {one.lot: milli_of(one.amount) for one in self.amounts} if self.amounts is not None else None


class AnnulmentIn(Body):
    """Why an award should be withdrawn."""

    reason: Reason


class AnnulmentDecisionIn(Body):
    """What the second person says."""

    decision: Literal["approve", "refuse"]


class Nothing(Body):
    """A body without fields."""


class HeldOut(TypedDict):
    """What is held of a lot, and what of that was redeemed."""

    lot: UUID
    amount: str
    redeemed: str


class StackedOut(TypedDict):
    """Credits of an earlier award that count once more."""

    lot: UUID
    award: UUID
    amount: str


class AwardOut(TypedDict):
    """The award made. ``in_part`` when it was made with less than was applied for."""

    id: UUID
    number: str
    awarded_on: date
    credits: str
    in_part: bool
    annulled: bool


class AnnulmentOut(TypedDict):
    """That the award be withdrawn."""

    id: UUID
    reason: str
    state: str
    proposed_by: UUID
    decided_by: UUID | None
    recorded_at: datetime


class ConversionOut(TypedDict):
    """An application for an award, with its hold and what became of it."""

    id: UUID
    learner: UUID
    programme: str
    version: int
    provider: str | None
    state: str
    placed_on: date
    until: datetime
    total: str
    held: list[HeldOut]
    stacked: list[StackedOut]
    use: list[Mapping[str, str]]
    reasons: list[str]
    award: AwardOut | None
    annulments: list[AnnulmentOut]
    recorded_at: datetime


def show_conversion(found: Conversion) -> ConversionOut:
    """The shape of an application."""
    award = found.award
    return {
        "id": found.id,
        "learner": found.learner_id,
        "programme": f"{found.rule_set}.{found.programme}",
        "version": found.version,
        "provider": found.provider,
        "state": found.state.value,
        "placed_on": found.hold.placed_on,
        "until": found.hold.until,
        "total": str(Credits(found.total_milli)),
        "held": [
            {"lot": line.lot_id, "amount": str(Credits(line.milli)), "redeemed": str(Credits(line.redeemed_milli))}
            for line in found.hold.lines
        ],
        "stacked": [
            {"lot": use.lot_id, "award": use.award_id, "amount": str(Credits(use.milli))} for use in found.stacked
        ],
        "use": list(found.shares),
        "reasons": list(found.reasons),
        "award": {
            "id": award.id,
            "number": award.number,
            "awarded_on": award.awarded_on,
            "credits": str(Credits(award.milli)),
            "in_part": award.is_part,
            "annulled": found.is_annulled,
        }
        if award is not None
        else None,
        "annulments": [_annulment(one) for one in found.annulments],
        "recorded_at": found.recorded_at,
    }


def _annulment(one: Annulment) -> AnnulmentOut:
    return {
        "id": one.id,
        "reason": one.reason,
        "state": one.state.value,
        "proposed_by": one.author_id,
        "decided_by": one.approver_id,
        "recorded_at": one.recorded_at,
    }
