"""API shapes of codes and of coming into an account."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, NotRequired, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from creditbank.activations.domain import Proof
from creditbank.people.schemas import Login, Password
from creditbank.web.fields import EXACT, Body, clean


class CodesIn(Body):
    """For whom codes are asked."""

    learners: Annotated[list[Annotated[UUID, Field(strict=False)]], Field(min_length=1)]


class CodeItem(TypedDict):
    """The code of one learner, shown this once, or why there is none."""

    learner: str
    status: int
    number: NotRequired[str]
    name: NotRequired[str]
    code: NotRequired[str]
    expires_at: NotRequired[datetime]
    problem: NotRequired[dict[str, Any]]


class CodeCounts(TypedDict):
    """How many codes were issued, and how many refused."""

    issued: int
    refused: int


class CodesOut(TypedDict):
    """One result a learner, in the order in which they were asked for."""

    results: list[CodeItem]
    counts: CodeCounts


class ActivationIn(Body):
    """What whoever has a code brings: the code, one thing that only they know, and how they will sign in."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40), EXACT]
    birth_date: date | None = None
    identity_ending: Annotated[str, StringConstraints(min_length=4, max_length=4), AfterValidator(clean)] | None = (
        Field(default=None, description="the last four characters of an identity that the institution entered")
    )
    login: Login
    password: Password

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.birth_date is None) == (self.identity_ending is None):
            raise PydanticCustomError("exactly_one", "exactly one")
        return self

    @property
    def proof(self) -> Proof:
        """What they know."""
        return Proof(self.birth_date, self.identity_ending)


class ActivatedOut(BaseModel):
    """The account and the person who signs in as its learner from now on; the answer sets the session's cookie."""

    learner: UUID
    user: UUID
