"""API shapes of rule sets."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.rulesets.domain import Publication, StoredVersion


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
    state: str = Field(description="draft, published, superseded or withdrawn")
    sha256: str
    created_at: datetime
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
        "publications": [PublicationOut.from_domain(p) for p in version.publications],
    }


class RuleSetOut(BaseModel):
    """A rule set with its versions."""

    id: UUID
    code: str
    provider: str | None
    versions: list[VersionSummary]


class PublishedOut(VersionSummary):
    """A version just published, and the job that settles everybody whom it may touch."""

    job: UUID | None
