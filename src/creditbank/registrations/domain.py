"""Who may open an account alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from creditbank.errors import Kind, Refusal

ALONE_FROM: Final = 14
"""The age in years from which somebody opens an account alone (Personal Information Protection Law, article 31)."""


def age_on(day: date, birth_date: date) -> int:
    """Whole years lived on that day; who was born on 29 February is a year older on 1 March of a common year."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


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
