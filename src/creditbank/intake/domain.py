"""What comes in, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from creditbank.access.domain import SYSTEM, By
from creditbank.achievements.domain import Content
from creditbank.errors import Kind, Refusal
from creditbank.learners.domain import Application, Reference
from creditbank.ledger.domain import Account, Lot
from creditbank.recognition.domain import Decision


@dataclass(frozen=True, slots=True)
class Submission:
    """One achievement as it came in, with all that is known of it before the database is asked."""

    client_id: UUID
    provider: str
    learner: Reference
    content: Content
    # Given when the caller may open an account for a learner whom nobody knows yet.
    application: Application | None
    # Who opens that account, as the audit log names them.
    by: By = SYSTEM


State = Literal["recognised", "partly_recognised", "not_recognised", "in_review"]


def state_of(lots: Sequence[Lot], decisions: Sequence[Decision]) -> State:
    """How far an achievement counts: excess and expired credits are not recognised, pending ones not yet in full."""
    if any(d.effect == "review" for d in decisions):
        return "in_review"
    granted = sum(-lot.positions[Account.ISSUED] for lot in lots)
    set_aside = sum(lot.positions[Account.EXCESS] + lot.positions[Account.EXPIRED] for lot in lots)
    if granted - set_aside <= 0:
        return "not_recognised"
    is_pending = any(lot.positions[Account.PENDING] for lot in lots)
    return "partly_recognised" if set_aside or is_pending else "recognised"


@dataclass(eq=False, kw_only=True)
class DateInFuture(Refusal):
    """An achievement lies in the past: what is yet to be completed is a plan."""

    code = "date_in_future"
    kind = Kind.INVALID
    today: str


@dataclass(eq=False, kw_only=True)
class UnknownKind(Refusal):
    """The bank has no such kind of achievement."""

    code = "unknown_kind"
    kind = Kind.INVALID
    given: str
    pointer: str = "/kind"


@dataclass(eq=False, kw_only=True)
class UnknownCategory(Refusal):
    """The bank's tree has no such category."""

    code = "unknown_category"
    kind = Kind.INVALID
    given: str
    pointer: str = "/category"


@dataclass(eq=False, kw_only=True)
class ProviderUnnamed(Refusal):
    """The bank's own clients say for which provider they speak."""

    code = "provider_unnamed"
    kind = Kind.INVALID
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class BatchTooLarge(Refusal):
    """More achievements than one batch may hold."""

    code = "batch_too_large"
    kind = Kind.INVALID
    most: int


@dataclass(eq=False, kw_only=True)
class TryAgain(Refusal):
    """Somebody else was in the way; nothing was stored."""

    code = "try_again"
    kind = Kind.CONFLICT
