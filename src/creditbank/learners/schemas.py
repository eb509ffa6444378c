"""API shapes of accounts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from creditbank.access.domain import Actor
from creditbank.learners.domain import (
    ISSUED_BY_PROVIDER,
    AccountState,
    Application,
    Identity,
    IssuerUnnamed,
    Learner,
    Reference,
    Residence,
    birth_date_of,
    check_issuer,
    mask,
    normalise,
)
from creditbank.web.fields import Body, Change, Name, Path, Region, Token


class IdentityIn(Body):
    """Something that identifies a person: found by it, never shown again."""

    type: Literal["id_card", "passport", "student_number", "phone"]
    value: Token
    issuer: Path | None = Field(
        default=None, description="code of the institution that gave a student number; by default the caller's own"
    )

    @model_validator(mode="after")
    def _can_be_one(self) -> Self:
        if normalise(self.type, self.value) is None:
            raise PydanticCustomError("no_such_identity", "no such identity")
        return self

    def to_domain(self, own: str | None, pointer: str) -> Identity:
        """The identity in its one form; ``own``, the caller's provider, gave a student number that names no other.

        Raises IssuerUnnamed where the caller has no provider: equal numbers of two schools are two people.
        """
        issuer = (self.issuer or own) if self.type in ISSUED_BY_PROVIDER else None
        if issuer is None and self.type in ISSUED_BY_PROVIDER:
            raise IssuerUnnamed(pointer=f"{pointer}/issuer")
        return Identity(self.type, normalise(self.type, self.value) or self.value, issuer)


class ReferenceIn(Body):
    """A learner, by exactly one of three."""

    id: UUID | None = None
    number: Token | None = None
    identity: IdentityIn | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.id, self.number, self.identity)) != 1:
            raise PydanticCustomError("exactly_one", "exactly one")
        return self

    def to_domain(self, own: str | None, pointer: str = "") -> Reference:
        """The reference as the bank resolves it; ``pointer`` is where it stands. Raises IssuerUnnamed."""
        identity = self.identity.to_domain(own, f"{pointer}/identity") if self.identity else None
        return Reference(self.id, self.number, identity)


class AccountIn(Body):
    """What an account is opened with."""

    name: Name
    birth_date: date | None = None
    region: Region | None = None


class LearnerIn(AccountIn):
    """A new account."""

    identities: Annotated[list[IdentityIn], Field(default_factory=list, max_length=8)]

    def to_domain(self, actor: Actor) -> Application:
        """The application that this caller makes. Raises IssuerUnnamed, ForeignProvider, BirthDateDiffers."""
        identities = tuple(
            one.to_domain(actor.provider, f"/identities/{place}") for place, one in enumerate(self.identities)
        )
        for place, identity in enumerate(identities):
            check_issuer(actor, identity, f"/identities/{place}")
        born = birth_date_of(self.birth_date, identities)
        return Application(self.name, born, self.region, identities, actor.provider)


class LearnerChange(Change):
    """What may be changed of an account; a field left out stays."""

    name: Name | None = None
    birth_date: date | None = None
    region: Region | None = None


class LearnerOut(BaseModel):
    """An account. Identities are write-only: only their types are shown."""

    id: UUID
    number: str
    name: str
    birth_date: date | None
    region: str | None
    identities: list[str]
    claimed: list[str] = Field(description="types of identities that the learner named and nobody has seen")
    state: AccountState
    merged_into: UUID | None = Field(description="of a merged account the one that stands for it; null for others")

    @classmethod
    def from_domain(cls, learner: Learner) -> LearnerOut:
        """The shape of an account."""
        profile = learner.profile
        return cls(
            id=learner.id,
            number=profile.number,
            name=profile.name,
            birth_date=profile.birth_date,
            region=learner.region,
            identities=[identity.type for identity in profile.identities],
            claimed=[identity.type for identity in profile.claimed],
            state=learner.state,
            merged_into=learner.merged_into,
        )


class ResolvedOut(BaseModel):
    """Enough to know that one has found the right person, and no more."""

    id: UUID
    name: str = Field(description="masked")

    @classmethod
    def from_domain(cls, learner: Learner) -> ResolvedOut:
        """The shape of a found learner."""
        return cls(id=learner.id, name=mask(learner.profile.name))


class ResidenceIn(Body):
    """Where a learner lives or lived from a day on."""

    region: Region
    since: date = Field(description="the first day there, today or before")


class ResidenceOut(BaseModel):
    """Where a learner lived from a day on, until the day of the next; `since` is null where nobody said since when."""

    region: str
    since: date | None

    @classmethod
    def from_domain(cls, residence: Residence) -> ResidenceOut:
        """The shape of a residence."""
        return cls(region=residence.region, since=residence.since)
