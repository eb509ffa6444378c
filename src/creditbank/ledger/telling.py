"""What is told of the ledger: of whose lots something changed, and of which lots. Amounts are read by whoever may."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from creditbank.ledger.domain import Lot
from creditbank.webhooks.domain import Event


def credits_changed(learner_id: UUID, lots: Iterable[Lot], at: datetime) -> list[Event]:
    """One event for each provider who gave some of the lots that were made or moved."""
    by_provider: dict[str, dict[str, None]] = {}
    for lot in lots:
        by_provider.setdefault(lot.terms.provider, {})[str(lot.id)] = None
    return [
        Event(
            "credits.changed",
            provider,
            f"/v1/learners/{learner_id}/lots",
            {"learner_id": str(learner_id), "lots": list(mine)},
            at,
        )
        for provider, mine in by_provider.items()
    ]
