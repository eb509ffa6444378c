"""API shapes of erasures and consents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.consents.domain import Consent, What
from creditbank.privacy.domain import Erasure
from creditbank.privacy.looks import Look
from creditbank.web.fields import Body, Name, Path


class ErasureIn(Body):
    """That a person be erased, and why, as a code: what they said is not kept."""

    reason: Literal["learner_asked", "consent_withdrawn", "purpose_ended", "kept_unlawfully", "ordered"]


class ErasureDecisionIn(Body):
    """How an erasure is decided."""

    decision: Literal["approve", "refuse"]


class ErasureOut(BaseModel):
    """An erasure. ``author`` and ``approver`` are `user:id`, `client:id`, or `operator:name` from the command line."""

    learner: UUID
    id: UUID
    reason: str
    state: Literal["proposed", "approved", "refused"]
    author: str
    approver: str | None
    recorded_at: datetime
    decided_at: datetime | None

    @classmethod
    def from_domain(cls, erasure: Erasure) -> ErasureOut:
        """The shape of an erasure."""
        return cls(
            learner=erasure.learner_id,
            id=erasure.id,
            reason=erasure.reason,
            state=erasure.state.value,
            author=erasure.author,
            approver=erasure.approver,
            recorded_at=erasure.recorded_at,
            decided_at=erasure.decided_at,
        )


class LookOut(BaseModel):
    """Somebody read what is a learner's, so many times between two instants."""

    id: UUID
    client: UUID
    name: str | None
    provider: str | None = Field(description="the institution; null for the bank itself")
    route: str
    times: int
    first_at: datetime
    last_at: datetime

    @classmethod
    def from_domain(cls, look: Look) -> LookOut:
        """The shape of a look."""
        return cls(
            id=look.id,
            client=look.client_id,
            name=look.client_name,
            provider=look.provider,
            route=look.route,
            times=look.times,
            first_at=look.first_at,
            last_at=look.last_at,
        )


class ConsentIn(Body):
    """That a learner lets an institution read something, for a purpose and a time."""

    recipient: Path = Field(
        description="code of the institution; whoever acts for one above it reads too, those under it do not"
    )
    what: Annotated[list[What], Field(min_length=1, max_length=4)]
    purpose: Name
    since: date | None = Field(default=None, alias="from", description="today when left out")
    until: date | None = Field(default=None, description="the first day on which it no longer holds")


class ConsentOut(BaseModel):
    """A consent as it was given, and whether it was withdrawn."""

    id: UUID
    recipient: str
    what: list[What]
    purpose: str
    since: date = Field(serialization_alias="from")
    until: date | None
    given_by: UUID
    recorded_at: datetime
    withdrawn_at: datetime | None

    @classmethod
    def from_domain(cls, consent: Consent) -> ConsentOut:
        """The shape of a consent."""
        return cls(
            id=consent.id,
            recipient=consent.recipient,
            what=sorted(consent.what),
            purpose=consent.purpose,
            since=consent.since,
            until=consent.until,
            given_by=consent.given_by,
            recorded_at=consent.recorded_at,
            withdrawn_at=consent.withdrawn_at,
        )
