"""A code that brings a learner into their account, what they are asked beside it, and what is refused."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.learners.domain import ALONE_FROM, Profile, age_on

ENDING_CHARS: Final = 4
"""How many of the last characters of an identity are asked for."""

WRONG_MAX: Final = 10
"""Wrong answers after which a code is dead. Nobody who has found a sheet of codes tries every birthday."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh code with whose it is: shown once, never kept."""

    learner_id: UUID
    number: str
    name: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """What a person says of themselves beside the code; the bank asks for one of the two."""

    birth_date: date | None = None
    identity_ending: str | None = None

    def fits(self, profile: Profile) -> bool:
        """Whether it is what the bank holds. Every comparison is made, and each in constant time."""
        found = False
        if self.birth_date is not None and profile.birth_date is not None:
            found = _same(self.birth_date.isoformat(), profile.birth_date.isoformat())
        if self.identity_ending is not None:
            said = self.identity_ending.upper()
            for identity in profile.identities:
                long_enough = len(identity.value) >= ENDING_CHARS
                found |= _same(said, identity.value[-ENDING_CHARS:].upper()) and long_enough
        return found


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def can_be_asked(profile: Profile) -> bool:
    """Whether the bank holds anything that it could ask a learner for beside the code."""
    return profile.birth_date is not None or any(len(one.value) >= ENDING_CHARS for one in profile.identities)


def needs_guardian(profile: Profile, today: date) -> bool:
    """Whether the learner is known to be so young that they come into the account only with a guardian."""
    return profile.birth_date is not None and age_on(today, profile.birth_date) < ALONE_FROM


@dataclass(eq=False, kw_only=True)
class GuardianMissing(Refusal):
    """The learner is a child for whom no guardian is registered, and comes into the account when one is."""

    code = "guardian_missing"
    kind = Kind.CONFLICT
    age: int = ALONE_FROM


@dataclass(eq=False, kw_only=True)
class ActivationRefused(Refusal):
    """Code and proof do not belong together, or the code is used, replaced or too old: which, nobody is told."""

    code = "activation_refused"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class AccountActivated(Refusal):
    """Somebody signs in as this learner already: a code would make a second person of one."""

    code = "account_activated"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class NothingToAsk(Refusal):
    """The account has neither a birth date nor an identity, so that a code alone would open it."""

    code = "nothing_to_ask"
    kind = Kind.CONFLICT
