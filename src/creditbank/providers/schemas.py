"""API shapes of providers and accreditations."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from creditbank.providers.domain import CODE_FORM, Accreditation, Provider
from creditbank.web.fields import EXACT, Body, Change, LocalName, Region, Text, Token

Code = Annotated[
    str,
    StringConstraints(pattern=CODE_FORM, max_length=255),
    Field(description="a slash path; the institution above it must be there already", examples=["cq/yuzhong"]),
]


Status = Literal["active", "suspended", "closed"]


class ProviderIn(Body):
    """A new institution."""

    code: Code
    name: LocalName
    provider_type: Annotated[str, EXACT] = Field(description="one of the bank's list", examples=["community_school"])
    region: Region | None = None


class ProviderChangeIn(Change):
    """What may be changed of an institution; a field left out stays. Its code never changes."""

    name: LocalName | None = None
    region: Region | None = None
    status: Status | None = None


class ProviderOut(BaseModel):
    """An institution of the network."""

    id: UUID
    code: str
    name: dict[str, str]
    provider_type: str
    parent: str | None
    region: str | None
    status: str

    @classmethod
    def from_domain(cls, provider: Provider) -> ProviderOut:
        """The shape of a provider."""
        return cls(
            id=provider.id,
            code=provider.code,
            name={"zh": provider.name_zh, "en": provider.name_en},
            provider_type=provider.provider_type,
            parent=provider.parent,
            region=provider.region,
            status=provider.status,
        )


class AccreditationIn(Body):
    """An entry in a register: the provider with all under it, or one offering of it.

    On the white list it is accredited; on the black list it is barred: then it counts as accredited in no register.
    """

    register_name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$"), Field(alias="register")]
    list_name: Literal["white", "black"] = Field(default="white", alias="list")
    offering: Token | None = None
    valid_from: date = Field(alias="from")
    valid_until: date | None = Field(default=None, alias="until", description="the first day outside")
    reason: Text | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise PydanticCustomError("interval_empty", "interval empty")
        return self


class AccreditationChangeIn(Body):
    """How long an entry is to last instead, and why."""

    valid_until: date | None = Field(alias="until", description="the first day outside; null: without an end")
    reason: Text


class AccreditationOut(BaseModel):
    """An entry of a register."""

    id: UUID
    register_name: str = Field(serialization_alias="register")
    list_name: str = Field(serialization_alias="list")
    provider: str
    offering: str | None
    valid_from: date = Field(serialization_alias="from")
    valid_until: date | None = Field(serialization_alias="until")
    reason: str | None
    revision: int = Field(description="in quotes, the ETag")

    @classmethod
    def from_domain(cls, entry: Accreditation) -> AccreditationOut:
        """The shape of an accreditation."""
        return cls(
            id=entry.id,
            register_name=entry.register,
            list_name="black" if entry.is_black else "white",
            provider=entry.provider_code,
            offering=entry.offering,
            valid_from=entry.valid_from,
            valid_until=entry.valid_until,
            reason=entry.reason,
            revision=entry.revision,
        )


class ImportedOut(BaseModel):
    """What became of the rows of a table, or would."""

    entered: int
    changed: int
    unchanged: int
    dry_run: bool
