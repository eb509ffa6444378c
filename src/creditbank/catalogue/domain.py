"""An offering: something that can be learnt, as its provider announces it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from creditbank.errors import Kind, Refusal


@dataclass(frozen=True, slots=True)
class Offering:
    """A course, certificate or activity. Amounts in thousandths: credits, hours, and the fee in yuan.

    ``assumed`` holds the fields of an achievement (grade, attendance, assurance, tags, facts, conditions_met) that
    planning takes whoever completes it to have. ``starts_on`` and ``ends_on`` are its first and last day, None where it
    can be taken at any time.
    """

    id: UUID
    provider: str
    code: str
    kind: str
    title_zh: str
    title_en: str
    unit: str | None
    category: str | None
    level: Mapping[str, str]
    credits_milli: int | None
    hours_milli: int | None
    fee_milli: int | None
    places: int | None
    starts_on: date | None
    ends_on: date | None
    assumed: Mapping[str, Any]
    status: str
    revision: int

    def completed_on(self, today: date) -> date:
        """The day on which whoever plans it now would complete it."""
        return max(self.ends_on, today) if self.ends_on is not None else today


@dataclass(eq=False, kw_only=True)
class OfferingNotFound(Refusal):
    """The catalogue has no such offering."""

    code = "offering_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class OfferingCodeTaken(Refusal):
    """The provider has another offering under this code."""

    code = "offering_code_taken"
    kind = Kind.CONFLICT
    offering: str
    pointer: str = "/code"


@dataclass(eq=False, kw_only=True)
class UnknownOffering(Refusal):
    """A plan names an offering that the catalogue does not have."""

    code = "unknown_offering"
    kind = Kind.INVALID
    given: str
    pointer: str = "?add"


@dataclass(eq=False, kw_only=True)
class UnknownOfferingKind(Refusal):
    """The bank has no such kind of achievement, so nothing of this kind can be learnt."""

    code = "unknown_offering_kind"
    kind = Kind.INVALID
    given: str
    pointer: str = "/kind"


@dataclass(eq=False, kw_only=True)
class UnknownOfferingCategory(Refusal):
    """The bank's tree has no such category."""

    code = "unknown_offering_category"
    kind = Kind.INVALID
    given: str
    pointer: str = "/category"


@dataclass(eq=False, kw_only=True)
class OfferingProviderUnnamed(Refusal):
    """The bank's own clients say whose offering it is."""

    code = "offering_provider_unnamed"
    kind = Kind.INVALID
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class OfferingDaysReversed(Refusal):
    """The offering would end before it starts."""

    code = "offering_days_reversed"
    kind = Kind.INVALID
    starts: str
    ends: str
    pointer: str = "/ends"
