"""API shapes of rule sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.rulesets.domain import Publication, RuleSet, StoredVersion


class PublicationOut(BaseModel):
    """The version governs these days, as the bank held it in that time; both half-open."""

    valid_from: date
    valid_until: date | None
    known_from: datetime
    known_until: datetime | None

    @classmethod
    def from_domain(cls, publication: Publication) -> PublicationOut:
        """The shape of a publication."""
        return cls(
            valid_from=publication.valid.start,
            valid_until=publication.valid.until,
            known_from=publication.known_from,
            known_until=publication.known_until,
        )


class VersionSummary(BaseModel):
    """One version of a rule set, without its document."""

    rule_set: UUID
    code: str
    version: int
    state: str = Field(description="draft, validated, simulated, approved, published, superseded or withdrawn")
    sha256: str = Field(description="of the document's canonical JSON")
    created_at: datetime
    approved_by: str | None = Field(description="user:id, client:id, or operator:name from the command line")
    approved_at: datetime | None
    publications: list[PublicationOut]

    @classmethod
    def from_domain(cls, version: StoredVersion) -> VersionSummary:
        """The shape of a version."""
        return cls(**_summary(version))


class VersionOut(VersionSummary):
    """One version of a rule set with its document."""

    document: dict[str, Any]

    @classmethod
    def from_domain(cls, version: StoredVersion) -> VersionOut:
        """The shape of a version with its document."""
        return cls(**_summary(version), document=json.loads(version.document))


def _summary(version: StoredVersion) -> dict[str, Any]:
    return {
        "rule_set": version.rule_set.id,
        "code": version.rule_set.code,
        "version": version.number,
        "state": "superseded" if version.is_superseded else version.state,
        "sha256": version.sha256,
        "created_at": version.created_at,
        "approved_by": version.approved_by,
        "approved_at": version.approved_at,
        "publications": [PublicationOut.from_domain(p) for p in version.publications],
    }


class RuleSetOut(BaseModel):
    """A rule set with its versions."""

    id: UUID
    code: str
    owner: str | None = Field(description="a provider's code; none: the bank")
    audience: str = Field(description="everyone, or enrolled: only learners enrolled in one of its programmes")
    versions: list[VersionSummary]

    @classmethod
    def from_domain(cls, rule_set: RuleSet, versions: Sequence[StoredVersion]) -> RuleSetOut:
        """The shape of a rule set with these versions."""
        shown = [VersionSummary.from_domain(version) for version in versions]
        return cls(id=rule_set.id, code=rule_set.code, owner=rule_set.owner, audience=rule_set.audience, versions=shown)


class GovernedOut(RuleSetOut):
    """A rule set, and which of its versions governed a day as the bank held it at an instant."""

    on: date
    known: datetime
    governing: VersionSummary | None = Field(description="null: no version governed that day")


class PublishedOut(VersionSummary):
    """A version just published or withdrawn, and the job that settles everybody whom it may touch."""

    job: UUID | None
