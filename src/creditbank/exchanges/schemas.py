"""API shapes of exchanges."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.awards.domain import Wanted
from creditbank.conversions.schemas import Lots, milli_of
from creditbank.credits import Credits
from creditbank.exchanges.domain import Exchange
from creditbank.web.fields import Body, Number, Path, Token

Named = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class ExchangeIn(Body):
    """Credits that are to change: into another unit by `unit_conversion`, or to another `provider`."""

    rule_set: Named
    unit_conversion: Named | None = None
    provider: Path | None = None
    unit: Token | None = Field(default=None, description="of a transfer; the rule set's own where it is left out")
    amount: Number | None = None
    lots: Lots | None = None

    @model_validator(mode="after")
    def _fits(self) -> ExchangeIn:
        if (self.unit_conversion is None) == (self.provider is None) or (self.amount is None) == (self.lots is None):
            raise PydanticCustomError("exactly_one", "one of two")
        if self.unit is not None and self.provider is None:
            raise PydanticCustomError("exactly_one", "a unit belongs to a transfer")
        return self

    def wanted(self) -> list[Wanted] | None:
        """The lots chosen; None: an amount."""
        return [lot.to_domain() for lot in self.lots] if self.lots is not None else None

    def milli(self) -> int | None:
        """The amount in thousandths; None: lots."""
        return milli_of(self.amount) if self.amount is not None else None


class LegOut(TypedDict):
    """What one lot gave up, and the lot that came of it."""

    old_lot: UUID
    uses: str
    new_lot: UUID | None
    gives: str


class ExchangeOut(TypedDict):
    """Credits that changed their unit or their institution; ``rest`` of what was asked stays as it was."""

    id: UUID
    learner: UUID
    kind: str
    unit_conversion: str | None
    provider: str | None
    uses: str
    gives: str
    rest: str
    legs: list[LegOut]
    recorded_at: datetime


def show_exchange(found: Exchange) -> ExchangeOut:
    """The shape of an exchange."""
    return {
        "id": found.id,
        "learner": found.learner_id,
        "kind": found.kind.value,
        "unit_conversion": found.conversion,
        "provider": found.provider,
        "uses": str(Credits(found.uses_milli)),
        "gives": str(Credits(found.gives_milli)),
        "rest": str(Credits(found.rest_milli)),
        "legs": [
            {"old_lot": old, "uses": str(Credits(uses)), "new_lot": new, "gives": str(Credits(gives))}
            for old, uses, new, gives in found.lines
        ],
        "recorded_at": found.recorded_at,
    }
