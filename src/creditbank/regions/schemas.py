"""API shapes of divisions, their groups, and population."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from creditbank.regions.domain import AGES_END, Level, Membership, Population, Region, RegionGroup
from creditbank.web.fields import Body, LocalName, Name
from creditbank.web.fields import Region as RegionCode

ITEMS_MAX = 20_000
"""Most items of one request: a municipality has some 12,000 divisions."""


class RegionIn(Body):
    """A division: its level and the division above it are in its code."""

    code: RegionCode
    name: LocalName

    def to_domain(self) -> Region:
        """The division."""
        return Region(self.code, self.name.zh, self.name.en)


class RegionsIn(Body):
    """Many divisions, in any order; the one above each is there already or among them."""

    items: Annotated[list[RegionIn], Field(min_length=1, max_length=ITEMS_MAX)]


class RegionOut(BaseModel):
    """A division."""

    code: str
    name: dict[str, str]
    level: Level
    parent: str | None

    @classmethod
    def from_domain(cls, region: Region) -> RegionOut:
        """The shape of a division."""
        name = {"zh": region.name_zh, "en": region.name_en}
        return cls(code=region.code, name=name, level=region.level, parent=region.parent)


class KeptOut(BaseModel):
    """What became of many items."""

    entered: int
    changed: int
    unchanged: int


class MembershipIn(Body):
    """A division was in the group on these days."""

    region: RegionCode
    valid_from: date = Field(alias="from")
    valid_until: date | None = Field(default=None, alias="until", description="the first day outside")

    @model_validator(mode="after")
    def _some_day(self) -> Self:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise PydanticCustomError("interval_empty", "interval empty")
        return self


class RegionGroupIn(Body):
    """A group of divisions, whole: what is not said of it here it no longer has."""

    name: LocalName
    members: Annotated[list[MembershipIn], Field(max_length=5_000)]

    def to_domain(self, code: str) -> RegionGroup:
        """The group."""
        members = [Membership(one.region, one.valid_from, one.valid_until) for one in self.members]
        return RegionGroup(code, self.name.zh, self.name.en, members)


class MembershipOut(BaseModel):
    """A division was in the group on these days."""

    region: str
    valid_from: date = Field(serialization_alias="from")
    valid_until: date | None = Field(serialization_alias="until")


class RegionGroupOut(BaseModel):
    """A group of divisions with all who were ever in it."""

    code: str
    name: dict[str, str]
    members: list[MembershipOut]

    @classmethod
    def from_domain(cls, group: RegionGroup) -> RegionGroupOut:
        """The shape of a group."""
        return cls(
            code=group.code,
            name={"zh": group.name_zh, "en": group.name_en},
            members=[
                MembershipOut(region=one.region, valid_from=one.valid_from, valid_until=one.valid_until)
                for one in group.members
            ],
        )


Age = Annotated[int, Field(ge=0, lt=AGES_END)]


class AgesIn(Body):
    """A band of ages in whole years."""

    age_from: Age = 0
    age_until: Annotated[int, Field(ge=1, lt=AGES_END)] | None = Field(
        default=None, description="the first age outside; null where the band has no end"
    )

    @model_validator(mode="after")
    def _some_age(self) -> Self:
        if self.age_until is not None and self.age_until <= self.age_from:
            raise PydanticCustomError("interval_empty", "interval empty")
        return self

    @property
    def until(self) -> int:
        """The first age outside."""
        return AGES_END if self.age_until is None else self.age_until


class PopulationIn(AgesIn):
    """So many people of these ages lived in the division in that year, as the source counted them."""

    region: RegionCode
    year: Annotated[int, Field(ge=1900, le=2200)]
    source: Name
    people: Annotated[int, Field(ge=0, le=2_000_000_000)]

    def to_domain(self) -> Population:
        """The figure."""
        return Population(self.region, self.year, self.age_from, self.until, self.source, self.people)


class PopulationsIn(Body):
    """Many figures of population."""

    items: Annotated[list[PopulationIn], Field(min_length=1, max_length=ITEMS_MAX)]


class PopulationOut(BaseModel):
    """A figure of population."""

    region: str
    year: int
    age_from: int
    age_until: int | None
    source: str
    people: int

    @classmethod
    def from_domain(cls, one: Population) -> PopulationOut:
        """The shape of a figure."""
        return cls(
            region=one.region,
            year=one.year,
            age_from=one.age_from,
            age_until=None if one.age_until == AGES_END else one.age_until,
            source=one.source,
            people=one.people,
        )
