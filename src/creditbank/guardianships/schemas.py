"""API shapes of guardianships."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.guardianships.domain import Evidence, GuardianKind, Guardianship
from creditbank.web.fields import Body


class GuardianshipIn(Body):
    """Who is to act for a minor, as what, and what the officer has seen."""

    guardian: Annotated[UUID, Field(strict=False, description="the guardian's own account")]
    kind: GuardianKind
    evidence: Evidence


class GuardianshipOut(BaseModel):
    """Who acts for a minor. `until` is the day on which the minor is of age."""

    id: UUID
    guardian: UUID
    kind: GuardianKind
    evidence: Evidence
    since: date = Field(alias="from")
    until: date
    registered_by: str
    registered_at: datetime
    ended_by: str | None
    ended_at: datetime | None

    @classmethod
    def from_domain(cls, one: Guardianship) -> GuardianshipOut:
        """As the API shows it."""
        return cls.model_validate(
            {
                "id": one.id,
                "guardian": one.guardian_id,
                "kind": one.kind,
                "evidence": one.evidence,
                "from": one.since,
                "until": one.until,
                "registered_by": one.registered_by,
                "registered_at": one.registered_at,
                "ended_by": one.ended_by,
                "ended_at": one.ended_at,
            }
        )
