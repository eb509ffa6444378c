"""Shapes of people, their roles and sessions in the API."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from creditbank.learners.domain import Learner
from creditbank.people.domain import Grant, Held, NewGrant, Place, Session, User
from creditbank.web.fields import EXACT, Body, Instant, Name, Path, clean


def _own(login: str) -> str:
    # What stands before a colon is an identity provider's name, and the login its word for somebody: whoever could take
    # it before them would keep them out. Full-width colons are looked up as the usual one.
    if ":" in unicodedata.normalize("NFKC", login):
        raise PydanticCustomError("wrong_form", "wrong form")
    return login


Login = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^\S+$"),
    AfterValidator(clean),
    AfterValidator(_own),
    Field(
        description="what the person types to sign in, such as an address of theirs, without a colon; compared "
        "without case"
    ),
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=200), EXACT]


class PlaceIn(Body):
    """For whom somebody acts: a provider with all under it, a learner, or, with neither, the bank."""

    provider: Path | None = None
    learner: UUID | None = Field(default=None, strict=False)

    def to_domain(self) -> Place:
        """The place."""
        return Place(self.provider, self.learner)


class GrantIn(PlaceIn):
    """A role to be given."""

    role: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    until: Instant | None = Field(default=None, strict=False, description="when it runs out; null: until revoked")

    def wanted(self) -> NewGrant:
        """The grant."""
        return NewGrant(self.role, self.to_domain(), self.until.astimezone(UTC) if self.until else None)


class UserIn(Body):
    """A person to be entered. Who holds no role is seen by the bank alone, so a provider gives one at once."""

    login: Login
    name: Name
    password: Password | None = Field(
        default=None, description="a first one, which must be changed; without it the person signs in elsewhere"
    )
    roles: Annotated[list[GrantIn], Field(default_factory=list, max_length=20)]


class GrantOut(BaseModel):
    """A role that was given."""

    id: UUID
    role: str
    provider: str | None
    learner: UUID | None
    granted_by: str = Field(description="user:id, client:id, operator:name at the command line, or issuer:name")
    granted_at: datetime
    until: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_domain(cls, grant: Grant) -> GrantOut:
        """As the API shows it."""
        return cls(
            id=grant.id,
            role=grant.role,
            provider=grant.place.provider,
            learner=grant.place.learner_id,
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            until=grant.until,
            revoked_at=grant.revoked_at,
        )


class UserOut(BaseModel):
    """A person who may sign in."""

    id: UUID
    login: str
    name: str
    status: Literal["active", "closed"]
    created_at: datetime
    roles: list[GrantOut]

    @classmethod
    def from_domain(cls, user: User, seen: Callable[[Grant], bool]) -> UserOut:
        """As the API shows it, with those of the grants that the caller sees."""
        return cls(
            id=user.id,
            login=user.login,
            name=user.name,
            status=user.status,
            created_at=user.created_at,
            roles=[GrantOut.from_domain(grant) for grant in user.grants if seen(grant)],
        )


class PlaceOut(BaseModel):
    """A place in which the caller may act: what `PUT /v1/sessions/current/place` takes, and as what."""

    provider: str | None
    learner: UUID | None
    kind: Literal["bank", "provider", "self", "guardian"]
    number: str | None = Field(description="of the learner's account")
    name: str | None = Field(description="of the learner")
    roles: list[str]
    until: datetime | None = Field(description="when the last of the roles runs out")
    is_current: bool

    @classmethod
    def from_domain(cls, held: Held, current: Place, learner: Learner | None) -> PlaceOut:
        """As the API shows it; ``learner`` is the one whose account it is."""
        return cls(
            provider=held.place.provider,
            learner=held.place.learner_id,
            kind=held.kind,
            number=learner.profile.number if learner else None,
            name=learner.profile.name if learner else None,
            roles=sorted(held.roles),
            until=held.until,
            is_current=held.place == current,
        )


class SessionOut(BaseModel):
    """A device on which the caller is signed in."""

    id: UUID
    device: str = Field(description="what the browser calls itself")
    provider: str | None
    learner: UUID | None
    created_at: datetime
    authenticated_at: datetime
    used_at: datetime = Field(description="to the minute")
    is_current: bool

    @classmethod
    def from_domain(cls, session: Session, current: UUID) -> SessionOut:
        """As the API shows it."""
        return cls(
            id=session.id,
            device=session.device or "",
            provider=session.place.provider,
            learner=session.place.learner_id,
            created_at=session.created_at,
            authenticated_at=session.authenticated_at,
            used_at=session.used_at,
            is_current=session.id == current,
        )
