"""API shapes of activities, attendance and head-counts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.achievements.schemas import HOURS_MAX, Identifier
from creditbank.activities.domain import Activity, HeadCount
from creditbank.credits import Credits
from creditbank.learners.schemas import ReferenceIn
from creditbank.regions.domain import AGES_END
from creditbank.regions.schemas import ITEMS_MAX, AgesIn
from creditbank.web.fields import EXACT, Body, Change, LocalName, Name, Number, Path, Region, Text, at_most

Instant = Annotated[AwareDatetime, Field(ge=datetime.fromisoformat("2000-01-01T00:00Z"),
                                         lt=datetime.fromisoformat("2200-01-01T00:00Z"))]  # fmt: skip
Places = Annotated[int, Field(ge=1, le=1_000_000)]


class ActivityIn(Body):
    """A new activity."""

    provider: Path | None = Field(default=None, description="by default the caller's own")
    series: Identifier | None = Field(default=None, description="one of `GET /v1/activity-series`")
    kind: Identifier = Field(default="activity", description="of the achievements: one of `GET /v1/kinds`")
    title: LocalName
    place: Name | None = None
    category: Path | None = Field(default=None, description="one of `GET /v1/categories`")
    starts: Instant
    ends: Instant
    hours: Annotated[Number, at_most(HOURS_MAX)] | None = None
    capacity: Places | None = Field(default=None, description="as announced; nobody who was there is refused by it")

    def to_domain(self, id_: UUID, provider: str) -> Activity:
        """The activity."""
        hours = Credits.parse(self.hours).milli if self.hours is not None else None
        return Activity(
            id_,
            provider,
            self.series,
            self.kind,
            self.title.zh,
            self.title.en,
            self.place,
            self.category,
            self.starts,
            self.ends,
            hours,
            self.capacity,
            "held",
            None,
            1,
        )


class ActivityChangeIn(Change):
    """What may be changed of an activity; once somebody was there only its place and capacity."""

    title: LocalName | None = None
    place: Name | None = None
    category: Path | None = None
    starts: Instant | None = None
    ends: Instant | None = None
    hours: Annotated[Number, at_most(HOURS_MAX)] | None = None
    capacity: Places | None = None

    def columns(self) -> dict[str, Any]:
        """What changes, by column."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set - {"title", "hours"}}
        if self.title is not None:
            found |= {"title_zh": self.title.zh, "title_en": self.title.en}
        if self.hours is not None:
            found["hours_milli"] = Credits.parse(self.hours).milli
        return found


class ActivityOut(BaseModel):
    """An activity."""

    id: UUID
    provider: str
    series: str | None
    kind: str
    title: dict[str, str]
    place: str | None
    category: str | None
    starts: datetime
    ends: datetime
    hours: str | None
    capacity: int | None
    status: str
    reason: str | None

    @classmethod
    def from_domain(cls, activity: Activity) -> ActivityOut:
        """The shape of an activity."""
        return cls(
            id=activity.id,
            provider=activity.provider,
            series=activity.series,
            kind=activity.kind,
            title={"zh": activity.title_zh, "en": activity.title_en},
            place=activity.place,
            category=activity.category,
            starts=activity.starts,
            ends=activity.ends,
            hours=str(Credits(activity.hours_milli)) if activity.hours_milli is not None else None,
            capacity=activity.capacity,
            status=activity.status,
            reason=activity.reason,
        )


class CancellationIn(Body):
    """Why an activity is cancelled."""

    reason: Text


class RosterIn(Body):
    """Who was there."""

    learners: Annotated[list[ReferenceIn], Field(min_length=1, max_length=1000)]


class AttendedOut(TypedDict):
    """What became of one person: counted now, there already, or refused and why. ``row`` is that of a sheet."""

    index: NotRequired[int]
    row: NotRequired[int]
    status: Literal["counted", "already", "refused"]
    problem: NotRequired[dict[str, Any]]


class AttendedCounts(TypedDict):
    """How many were counted now, were there already, were refused."""

    counted: int
    already: int
    refused: int


class RosterOut(TypedDict):
    """One result a person, in the order in which they were sent."""

    results: list[AttendedOut]
    counts: AttendedCounts


class SheetOut(TypedDict):
    """How many rows were counted, and each that was refused."""

    refused: list[AttendedOut]
    counts: AttendedCounts


class CheckInCodeOut(BaseModel):
    """What to show at the venue as a QR code, and until when; ask again before then."""

    code: str
    expires_at: datetime


class CheckInIn(Body):
    """The code that somebody saw at the venue, and who they are."""

    code: Annotated[str, StringConstraints(max_length=200), EXACT]
    learner: ReferenceIn


class CheckedInOut(BaseModel):
    """They were there; `already` when that was known."""

    status: Literal["counted", "already"]
    achievement: UUID


class AttendanceOut(BaseModel):
    """How many were there: people with an account, each once, and people counted without one."""

    attended: int
    by_way: dict[str, int] = Field(description="each person under the way that found them first")
    head_count: int


class HeadCountIn(AgesIn):
    """People without an account, at an activity or at an institution in a period."""

    activity: UUID | None = None
    provider: Path | None = Field(default=None, description="by default the caller's own")
    period_from: date | None = Field(default=None, alias="from")
    period_until: date | None = Field(default=None, alias="until", description="the first day outside")
    region: Region = Field(description="where they live")
    source: Name
    people: Annotated[int, Field(ge=0, le=10_000_000)]

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        days = (self.period_from, self.period_until)
        if (self.activity is None) == (days == (None, None)) or (self.activity is not None and self.provider):
            raise PydanticCustomError("exactly_one", "an activity, or a period")
        if (days[0] is None) != (days[1] is None):
            raise PydanticCustomError("missing", "both days")
        if days[0] is not None and days[1] is not None and days[1] <= days[0]:
            raise PydanticCustomError("interval_empty", "interval empty")
        return self


class HeadCountsIn(Body):
    """Many head-counts."""

    items: Annotated[list[HeadCountIn], Field(min_length=1, max_length=ITEMS_MAX)]


class HeadCountOut(BaseModel):
    """A head-count."""

    provider: str
    activity: UUID | None
    period_from: date = Field(serialization_alias="from")
    period_until: date = Field(serialization_alias="until")
    region: str
    age_from: int
    age_until: int | None
    source: str
    people: int

    @classmethod
    def from_domain(cls, one: HeadCount) -> HeadCountOut:
        """The shape of a head-count."""
        return cls(
            provider=one.provider,
            activity=one.activity_id,
            period_from=one.start,
            period_until=one.until,
            region=one.region,
            age_from=one.age_from,
            age_until=None if one.age_until == AGES_END else one.age_until,
            source=one.source,
            people=one.people,
        )
