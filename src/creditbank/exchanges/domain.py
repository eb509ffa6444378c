"""Credits that change their unit or their institution: what each lot gives up, and what comes of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.awards.domain import Wanted, chosen, used_elsewhere
from creditbank.credits import Credits
from creditbank.errors import Kind, Refusal
from creditbank.ledger.domain import Code, Lot, LotKey, usable_milli
from creditbank.rules.converting import convert
from creditbank.rules.language.programmes import UnitConversion


class ExchangeKind(StrEnum):
    """Credits change their unit, or the institution that stands for them."""

    CONVERT = "convert"
    TRANSFER = "transfer"

    @property
    def code(self) -> Code:
        """What its postings are called."""
        return Code.CONVERT if self is ExchangeKind.CONVERT else Code.TRANSFER


@dataclass(frozen=True, slots=True)
class Leg:
    """What one old lot gives up, and the new lot that comes of it; none where it comes to less than a thousandth."""

    old: Lot
    uses_milli: int
    new_key: LotKey | None
    gives_milli: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange is made under: from and to which unit, by which conversion; a transfer keeps the amount."""

    kind: ExchangeKind
    rule_set_id: UUID
    from_unit: str
    conversion: UnitConversion | None
    # Of a transfer; what is this institution's already is not moved to it.
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange that was made: what it used up, what it gave, and what stays in the old unit of what was asked."""

    learner_id: UUID
    id: UUID
    kind: ExchangeKind
    rule_set_id: UUID
    conversion: str | None
    provider: str | None
    uses_milli: int
    gives_milli: int
    rest_milli: int
    lines: Sequence[tuple[UUID, int, UUID | None, int]]
    fingerprint: bytes
    recorded_at: datetime


def legs_of(
    terms: Terms,
    lots: Mapping[UUID, Lot],
    achievements: Mapping[UUID, Achievement],
    today: date,
    *,
    milli: int | None,
    wanted: Sequence[Wanted] | None,
) -> tuple[list[Leg], int]:
    """What each lot gives up and gets, with the rest that stays; of an amount, lots that expire first come first.

    The whole amount is converted once (``rules.converting``); each new lot has its share by thousandths, the last the
    remainder, so that the legs come to exactly what the conversion gives.

    Raises what ``awards.domain.chosen`` raises, SameInstitution, CreditsShort, ExchangeTooSmall.
    """
    barred = used_elsewhere(lots.values(), achievements, terms.rule_set_id)
    mine = {
        id_: lot
        for id_, lot in lots.items()
        if lot.key.rule_set_id == terms.rule_set_id and lot.terms.credit_unit == terms.from_unit
    }
    if wanted is not None:
        taken = [(mine[id_], part) for id_, part in chosen(wanted, mine, barred, today).items()]
        if terms.provider is not None and any(lot.terms.provider == terms.provider for lot, _ in taken):
            raise SameInstitution(provider_code=terms.provider)
    else:
        taken = _taken(terms, mine, barred, today, milli or 0)
    return _shared_out(terms, lots.values(), taken)


def _taken(
    terms: Terms, mine: Mapping[UUID, Lot], barred: frozenset[UUID], today: date, milli: int
) -> list[tuple[Lot, int]]:
    able = [lot for lot in mine.values() if lot.terms.provider != terms.provider]
    left, taken = milli, []
    for lot in sorted(able, key=lambda lot: (lot.terms.expires or date.max, lot.terms.effective, lot.id)):
        part = min(left, 0 if lot.id in barred else usable_milli(lot, today))
        if part:
            taken.append((lot, part))
            left -= part
    if left and terms.provider is not None and len(able) < len(mine):
        raise SameInstitution(provider_code=terms.provider)
    if left:
        raise CreditsShort(available=str(Credits(milli - left)), requested=str(Credits(milli)))
    return taken


def _shared_out(terms: Terms, lots: Iterable[Lot], taken: Sequence[tuple[Lot, int]]) -> tuple[list[Leg], int]:
    amount = sum(milli for _, milli in taken)
    if terms.conversion is None:
        gives, uses = amount, amount
    else:
        converted = convert(Credits(amount), terms.conversion)
        gives, uses = converted.gives.milli, converted.uses.milli
    if not gives:
        raise ExchangeTooSmall(amount=str(Credits(amount)))
    legs: list[Leg] = []
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for lot in lots:
        if lot.key.rule_set_id == terms.rule_set_id:
            about = (lot.key.binding, lot.key.unit)
            numbers[about] = min(numbers[about], lot.key.number)
    used = given = 0
    for lot, milli in taken:
        part = min(milli, uses - used)
        if not part:
            break
        used += part
        # By what has been used so far, so that rounding never adds up; with all used, all is given.
        share = gives * used // uses - given
        given += share
        key = None
        if share:
            about = (lot.key.binding, lot.key.unit)
            numbers[about] = min(numbers[about], 0) - 1
            key = replace(lot.key, number=numbers[about])
        legs.append(Leg(lot, part, key, share))
    return legs, amount - uses


@dataclass(eq=False, kw_only=True)
class CreditsShort(Refusal):
    """All lots together have less than was asked for."""

    code = "credits_short"
    kind = Kind.CONFLICT
    available: str
    requested: str


@dataclass(eq=False, kw_only=True)
class UnknownUnitConversion(Refusal):
    """The rules in force have no such conversion of units."""

    code = "unknown_unit_conversion"
    kind = Kind.INVALID
    given: str
    pointer: str = "/unit_conversion"


@dataclass(eq=False, kw_only=True)
class ExchangeTooSmall(Refusal):
    """The amount comes to less than one step of the new unit."""

    code = "exchange_too_small"
    kind = Kind.CONFLICT
    amount: str


@dataclass(eq=False, kw_only=True)
class SameInstitution(Refusal):
    """The credits are this institution's already."""

    code = "same_institution"
    kind = Kind.INVALID
    provider_code: str
    pointer: str = "/provider"
