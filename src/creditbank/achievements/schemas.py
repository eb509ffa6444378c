"""API shapes of achievements. Field names are those of rules/v1 section 9: a rule reads what was posted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.achievements.domain import Achievement, Content, Version
from creditbank.web.fields import Body, Mark, Number, Path, Scalar, Text, Title, Token, at_most

CREDITS_MAX = 1_000
HOURS_MAX = 100_000
_FACTS_MAX = 32

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Duration = Annotated[
    str,
    StringConstraints(pattern=r"^P([0-9]{1,3}Y([0-9]{1,4}M)?([0-9]{1,5}D)?|[0-9]{1,4}M([0-9]{1,5}D)?|[0-9]{1,5}D)$"),
    Field(description="such as P5Y"),
]


class Evidence(Body):
    """Where a proof lies and what its bytes hash to."""

    url: Annotated[str, StringConstraints(pattern=r"^https://[^\s\x00-\x1f\x7f-\x9f]{1,1990}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StatementIn(Body):
    """What a provider states of an achievement."""

    model_config = ConfigDict(
        json_schema_extra={
            "description": "`accredited`, `recognised`, `provider_type` and `status` are the bank's to say."
        }
    )

    external_id: Token = Field(description="the provider's own id of this achievement; unique at the provider")
    kind: Identifier = Field(description="one of `GET /v1/kinds`")
    completed: date
    code: Token | None = None
    unit: Token | None = None
    title: Title | None = None
    category: Path | None = Field(default=None, description="one of `GET /v1/categories`")
    credits: Annotated[Number, at_most(CREDITS_MAX)] | None = None
    hours: Annotated[Number, at_most(HOURS_MAX)] | None = None
    attendance: Annotated[Number, at_most(100)] | None = Field(default=None, description="percent")
    grade: Annotated[dict[Identifier, Mark], Field(min_length=1, max_length=1)] | None = Field(
        default=None, description='scale and value, such as {"percent": "86"}'
    )
    level: Annotated[dict[Identifier, Token], Field(min_length=1, max_length=4)] | None = Field(
        default=None, description='framework and value, such as {"cn-lof": "5"}'
    )
    started: date | None = None
    submitted: date | None = None
    applied: date | None = None
    assurance: Literal["self", "provider", "verified", "signed"] = Field(
        default="provider", description="capped by what the credential may assure"
    )
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = None
    learning: Token | None = Field(default=None, description="identity of the learning itself, where one is known")
    shelf_life: Duration | None = None
    tags: Annotated[list[Token], Field(default_factory=list, max_length=32)]
    conditions_met: Annotated[list[Identifier], Field(default_factory=list, max_length=32)]
    facts: Annotated[dict[Identifier, Scalar], Field(default_factory=dict, max_length=_FACTS_MAX)]
    evidence: Annotated[list[Evidence], Field(default_factory=list, max_length=16)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.started is not None and self.started > self.completed:
            raise PydanticCustomError("completed_before_started", "completed before started")
        return self

    def content(self, assurance: str) -> dict[str, Any]:
        """The statement as stored, but for its provider: absent and empty fields left out, so that equals are equal."""
        dumped = self.model_dump(mode="json", exclude_none=True, include=set(StatementIn.model_fields))
        kept = {name: value for name, value in dumped.items() if value not in ([], {})}
        for name in ("tags", "conditions_met"):
            if name in kept:
                kept[name] = sorted(set(kept[name]))
        return {**kept, "assurance": assurance}


class AmendmentIn(Body):
    """The whole statement as it should have been, and why."""

    reason: Text
    achievement: StatementIn


class RevocationIn(Body):
    """Why an achievement is revoked, and from which day if that is not today."""

    reason: Text
    effective: date | None = None


class AchievementVersionOut(TypedDict):
    """What was stated at one time."""

    number: int
    status: str
    recorded_at: datetime
    reason: str | None
    content: Content


class AchievementOut(TypedDict):
    """An achievement as it counts now, with every version when it is read by itself."""

    id: UUID
    learner_id: UUID
    provider: str
    external_id: str
    status: str
    version: int
    recorded_at: datetime
    content: Content
    versions: NotRequired[list[AchievementVersionOut]]


def show_version(version: Version) -> AchievementVersionOut:
    """The shape of a version."""
    return {
        "number": version.number,
        "status": version.status,
        "recorded_at": version.recorded_at,
        "reason": version.reason,
        "content": version.content,
    }


def show_achievement(achievement: Achievement) -> AchievementOut:
    """The shape of an achievement, without its earlier versions."""
    current = achievement.current
    return {
        "id": achievement.id,
        "learner_id": achievement.learner_id,
        "provider": current.content["provider"],
        "external_id": current.content["external_id"],
        "status": current.status,
        "version": current.number,
        "recorded_at": current.recorded_at,
        "content": current.content,
    }


def show_whole(achievement: Achievement) -> AchievementOut:
    """The shape of an achievement with every version of it."""
    return {**show_achievement(achievement), "versions": [show_version(v) for v in achievement.versions]}


class InstitutionsOut(BaseModel):
    """How many institutions there are of a type and status."""

    provider_type: str
    status: str
    count: int


class FiguresOut(BaseModel):
    """What an institution and all below it did in a period. Null where so few learners would be pointed at,
    by this figure or by subtracting it from another of the same period."""

    provider: str
    period_from: date = Field(serialization_alias="from")
    period_until: date = Field(serialization_alias="until", description="the first day outside")
    institutions: list[InstitutionsOut]
    achievements: int | None = Field(description="completed in the period and valid still")
    learners: int | None = Field(description="whose achievements these are, each once")
