"""API shapes of lots and postings. Typed dictionaries: what is answered often is serialised as it stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Final
from uuid import UUID

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from creditbank.credits import Credits
from creditbank.ledger.domain import Account, Code, Holding, Lot, Posting

# A member's own value is looked up through a property each time, and a page of lots asks for hundreds.
_NAMES: Final = tuple((account, account.value) for account in Account)

# As it stands in a binding: to read it as a UUID only to write it again would take longer than the rest of a lot.
UuidText = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


@lru_cache(maxsize=4096)
def _text_of(milli: int) -> str:
    return str(Credits(milli))


class LotOut(TypedDict):
    """The credits of one grant, and where they are now, as decimal texts; accounts that stand at 0 are left out."""

    id: UUID
    decision: UUID
    achievements: list[UuidText]
    provider: str
    kind: str
    unit: str
    credit_unit: str
    category: str | None
    level: int | None
    grade: dict[str, str] | None
    effective: date
    expires: date | None
    positions: dict[str, str]


def show_lot(lot: Lot) -> LotOut:
    """The shape of a lot."""
    terms = lot.terms
    return {
        "id": lot.id,
        "decision": terms.decision_id,
        "achievements": lot.key.binding.split(","),
        "provider": terms.provider,
        "kind": terms.kind,
        "unit": lot.key.unit,
        "credit_unit": terms.credit_unit,
        "category": terms.category,
        "level": terms.level,
        "grade": {terms.grade_scale: terms.grade} if terms.grade_scale and terms.grade is not None else None,
        "effective": terms.effective,
        "expires": terms.expires,
        "positions": {name: _text_of(milli) for account, name in _NAMES if (milli := lot.positions.get(account))},
    }


class PostingOut(TypedDict):
    """One row of the ledger: an amount that left one account of a lot and entered another."""

    id: UUID
    seq: int
    lot: UUID
    source: Account
    target: Account
    amount: str
    code: Code
    transaction: UUID
    decision: UUID
    effective: date
    recorded_at: datetime
    reverses: UUID | None
    previous: str
    hash: str


def show_posting(posting: Posting) -> PostingOut:
    """The shape of a posting."""
    return {
        "id": posting.id,
        "seq": posting.seq,
        "lot": posting.lot_id,
        "source": posting.source,
        "target": posting.target,
        "amount": str(Credits(posting.amount_milli)),
        "code": posting.code,
        "transaction": posting.transaction_id,
        "decision": posting.decision_id,
        "effective": posting.effective,
        "recorded_at": posting.recorded_at,
        "reverses": posting.reverses,
        "previous": posting.previous.hex(),
        "hash": posting.hash.hex(),
    }


class UnitBalance(TypedDict):
    """What a learner has of one unit of credit. Units are never added together."""

    unit: str
    total: str
    by_category: dict[str, str]
    by_level: dict[str, str]
    by_state: dict[str, str]


class BalanceOut(TypedDict):
    """What a learner has, by unit; ``total`` is what is available."""

    units: list[UnitBalance]


_SHOWN: Final = tuple((account, name) for account, name in _NAMES if account is not Account.ISSUED)


def balance_of(holdings: Sequence[Holding]) -> BalanceOut:
    """What the holdings come to, by unit. ``total``, categories and levels count what is available."""
    by_unit: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        by_unit[holding.credit_unit].append(holding)
    return BalanceOut(units=[_unit_balance(unit, mine) for unit, mine in sorted(by_unit.items())])


def _unit_balance(unit: str, holdings: Sequence[Holding]) -> UnitBalance:
    categories: dict[str, int] = defaultdict(int)
    levels: dict[str, int] = defaultdict(int)
    for holding in holdings:
        available = holding.positions[Account.AVAILABLE]
        categories[holding.category or ""] += available
        levels["" if holding.level is None else str(holding.level)] += available
    return UnitBalance(
        unit=unit,
        total=_text_of(sum(categories.values())),
        by_category={name: _text_of(milli) for name, milli in sorted(categories.items()) if milli},
        by_level={name: _text_of(milli) for name, milli in sorted(levels.items()) if milli},
        by_state={name: _text_of(sum([one.positions[account] for one in holdings])) for account, name in _SHOWN},
    )
