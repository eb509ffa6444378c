"""API shapes of opening one's own account, and of confirming whose it is."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from creditbank.learners.schemas import IdentityIn
from creditbank.people.schemas import Login, Password
from creditbank.web.fields import Body, Name, Region


class RegistrationIn(Body):
    """What somebody says of themselves, and how they will sign in."""

    name: Name
    birth_date: date
    region: Region | None = Field(default=None, description="where they live, where the bank has the division")
    identity: IdentityIn | None = Field(
        default=None, description="only claimed: nobody is found by it until somebody has seen the document"
    )
    login: Login
    password: Password


class RegisteredOut(BaseModel):
    """The account and the person who signs in as its learner; the answer sets the session's cookie."""

    learner: UUID
    user: UUID
    number: str


class ConfirmationIn(Body):
    """What an officer has seen, typed from the document."""

    identity: IdentityIn
    instead_of_claimed: bool = Field(
        default=False, description="it is another than the person claimed, and that is right: the claim is dropped"
    )


class ClaimedIdentityIn(Body):
    """What somebody says identifies them; null: nothing."""

    identity: IdentityIn | None
