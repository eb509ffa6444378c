"""Who may open an account alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from creditbank.errors import Kind, Refusal
from creditbank.learners.domain import ALONE_FROM, age_on


def check_age(birth_date: date, today: date) -> None:
    """Hold whoever comes alone to be old enough. Raises GuardianNeeded."""
    if age_on(today, birth_date) < ALONE_FROM:
        raise GuardianNeeded(age=ALONE_FROM)


@dataclass(eq=False, kw_only=True)
class GuardianNeeded(Refusal):
    """Whoever is so young opens no account without a parent or guardian."""

    code = "guardian_needed"
    kind = Kind.INVALID
    age: int
    pointer: str = "/birth_date"


@dataclass(eq=False, kw_only=True)
class RegistrationClosed(Refusal):
    """This bank lets nobody open an account alone."""

    code = "registration_closed"
    kind = Kind.FORBIDDEN
