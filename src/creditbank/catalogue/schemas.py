"""API shapes of offerings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from creditbank.catalogue.domain import Offering
from creditbank.credits import Credits
from creditbank.web.fields import Body, LocalName, Number, Path, Token, at_most

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Level = Annotated[dict[Identifier, Token], Field(max_length=4, description='such as {"cn-lof": "5"}')]
PLACES_MAX = 1_000_000


class Assumed(Body):
    """What planning takes whoever completes the offering to have; the fields of an achievement."""

    grade: Annotated[dict[Identifier, Token], Field(min_length=1, max_length=1)] | None = None
    attendance: Annotated[Number, at_most(100)] | None = None
    assurance: Literal["self", "provider", "verified", "signed"] | None = Field(
        default=None, description="provider where nothing is said"
    )
    tags: Annotated[list[Token], Field(max_length=32)] | None = None
    conditions_met: Annotated[list[Identifier], Field(max_length=32)] | None = None
    facts: (
        Annotated[dict[Identifier, Token | bool | Annotated[int, Field(ge=-(10**9), le=10**9)]], Field(max_length=32)]
        | None
    ) = None


class _Described(Body):
    unit: Token | None = None
    category: Path | None = Field(default=None, description="one of `GET /v1/categories`")
    level: Level | None = None
    credits: Annotated[Number, at_most(1_000)] | None = None
    hours: Annotated[Number, at_most(100_000)] | None = None
    fee: Annotated[Number, at_most(10_000_000)] | None = Field(default=None, description="in yuan")
    places: Annotated[int, Field(ge=0, le=PLACES_MAX)] | None = None
    starts: date | None = None
    ends: date | None = Field(default=None, description="the last day")
    assumed: Assumed | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise PydanticCustomError("interval_empty", "interval empty")
        return self

    def columns(self) -> dict[str, Any]:
        """What was said, by the fields of the domain; a field that was left out is not in it."""
        said = self.model_fields_set
        plain = self.model_dump(mode="json", exclude_none=True)
        found: dict[str, Any] = {name: plain.get(name) for name in ("unit", "category", "places") if name in said}
        for name in ("credits", "hours", "fee"):
            if name in said:
                text = plain.get(name)
                found[f"{name}_milli"] = Credits.parse(text).milli if text is not None else None
        if "starts" in said:
            found["starts_on"] = self.starts
        if "ends" in said:
            found["ends_on"] = self.ends
        for name in ("level", "assumed"):
            if name in said:
                found[name] = plain.get(name, {})
        return found


class OfferingIn(_Described):
    """A new offering of the caller's provider, or of one under it."""

    provider: Path | None = Field(default=None, description="the caller's own where nothing is said")
    code: Token
    kind: Identifier = Field(description="one of `GET /v1/kinds`")
    title: LocalName

    def to_domain(self, id_: UUID, provider: str) -> Offering:
        """The offering of this provider."""
        said = self.columns()
        return Offering(
            id_,
            provider,
            self.code,
            self.kind,
            self.title.zh,
            self.title.en,
            said.get("unit"),
            said.get("category"),
            said.get("level", {}),
            said.get("credits_milli"),
            said.get("hours_milli"),
            said.get("fee_milli"),
            said.get("places"),
            said.get("starts_on"),
            said.get("ends_on"),
            said.get("assumed", {}),
            "open",
            1,
        )


class OfferingChangeIn(_Described):
    """What may be changed of an offering; a field left out stays, null empties it."""

    title: LocalName | None = None
    status: Literal["open", "closed"] | None = None

    def columns(self) -> dict[str, Any]:
        """What was said, by the fields of the domain."""
        found = super().columns()
        if self.title is not None:
            found |= {"title_zh": self.title.zh, "title_en": self.title.en}
        if self.status is not None:
            found["status"] = self.status
        return found


class OfferingOut(BaseModel):
    """Something that can be learnt."""

    id: UUID
    provider: str
    code: str
    kind: str
    title: dict[str, str]
    unit: str | None
    category: str | None
    level: Mapping[str, str]
    credits: str | None
    hours: str | None
    fee: str | None
    places: int | None
    starts: date | None
    ends: date | None
    assumed: Mapping[str, Any]
    status: str

    @classmethod
    def from_domain(cls, offering: Offering) -> OfferingOut:
        """The shape of an offering."""
        return cls(
            id=offering.id,
            provider=offering.provider,
            code=offering.code,
            kind=offering.kind,
            title={"zh": offering.title_zh, "en": offering.title_en},
            unit=offering.unit,
            category=offering.category,
            level=offering.level,
            credits=_text(offering.credits_milli),
            hours=_text(offering.hours_milli),
            fee=_text(offering.fee_milli),
            places=offering.places,
            starts=offering.starts_on,
            ends=offering.ends_on,
            assumed=offering.assumed,
            status=offering.status,
        )


def _text(milli: int | None) -> str | None:
    return str(Credits(milli)) if milli is not None else None
