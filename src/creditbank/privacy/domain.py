"""Erasures: who may ask for one, how it is decided, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from creditbank.errors import Kind, Refusal

REASONS: Final = ("learner_asked", "consent_withdrawn", "purpose_ended", "kept_unlawfully", "ordered")
"""Why a person is erased (Personal Information Protection Law, article 47); never what they said about it."""

REPLAYED: Final = "roll of erasures"
"""Who asks for and approves an erasure that a restored backup had undone: two people did, when it was first done."""


class ErasureState(StrEnum):
    """Where an erasure stands. Only an approved one destroys anything."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a person be erased, proposed by one and decided by another. ``author`` and ``approver`` are principals:
    ``user:id``, ``client:id``, or ``operator:name`` from the command line."""

    learner_id: UUID
    id: UUID
    reason: str
    state: ErasureState
    author: str
    approver: str | None
    recorded_at: datetime
    decided_at: datetime | None


@dataclass(eq=False, kw_only=True)
class ErasureProposed(Refusal):
    """An erasure of this person waits for its decision already."""

    code = "erasure_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class NoErasureProposed(Refusal):
    """No erasure of this person waits for a decision."""

    code = "no_erasure_proposed"
    kind = Kind.CONFLICT
