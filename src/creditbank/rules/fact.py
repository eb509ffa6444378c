"""A fact: one achievement as the rules see it (rules/v1 section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final
from unicodedata import normalize


class Assurance(IntEnum):
    """How well it is assured that the achievement is what it says; higher is better."""

    SELF = 0
    PROVIDER = 1
    VERIFIED = 2
    SIGNED = 3


_TEXTS: Final = ("kind", "provider", "code", "unit", "category")


@dataclass(frozen=True, slots=True)
class Fact:
    """What a provider says that a learner did, with what the bank adds. Absent facts are None or empty.

    ``key`` is the provider's code with the external id, and stands for the achievement in every order of evaluation,
    so that the order of arrival cannot matter. ``credits`` and ``hours`` are exact, ``attendance`` is in percent.
    ``grade`` is the scale with the grade as written; ``level`` gives the value in each framework. ``accredited`` names
    the external registers in which it was accredited on completion; what is ``barred`` counts as accredited in none,
    whatever a register says, be it the bank's or a document's own. Texts are brought to NFC and trimmed.
    """

    key: str
    kind: str
    provider: str
    completed: date
    code: str | None = None
    unit: str | None = None
    category: str | None = None
    credits: Fraction | None = None
    hours: Fraction | None = None
    attendance: Fraction | None = None
    grade: tuple[str, str] | None = None
    level: tuple[tuple[str, str], ...] = ()
    accredited: frozenset[str] = frozenset()
    barred: bool = False
    assurance: Assurance = Assurance.VERIFIED
    submitted: date | None = None
    applied: date | None = None
    recognised: date | None = None
    shelf_life: str | None = None
    tags: frozenset[str] = frozenset()
    learning: str | None = None
    provider_type: str | None = None
    conditions_met: frozenset[str] = frozenset()
    facts: tuple[tuple[str, str | int | bool | date | Fraction], ...] = ()

    def __post_init__(self) -> None:
        for name in _TEXTS:
            text = getattr(self, name)
            if text is not None and not _is_plain(text):
                object.__setattr__(self, name, normalize("NFC", text).strip())
        if self.grade is not None and not _is_plain(self.grade[1]):
            object.__setattr__(self, "grade", (self.grade[0], normalize("NFC", self.grade[1]).strip()))

    @property
    def submitted_on(self) -> date:
        """The day it was submitted; by default the day it was completed."""
        return self.submitted or self.completed

    @property
    def applied_on(self) -> date:
        """The day it was applied with; by default the day it was submitted."""
        return self.applied or self.submitted_on

    def typed(self, name: str) -> str | int | bool | date | Fraction | None:
        """A fact of its kind; None when it is absent."""
        return next((value for key, value in self.facts if key == name), None)


def _is_plain(text: str) -> bool:
    return text.isascii() and text == text.strip()


@lru_cache(maxsize=65536)
def ancestors(path: str) -> tuple[str, ...]:
    """The trees that contain a path, the nearest first: ``cn/cq/yz``, ``cn/cq``, ``cn``."""
    parts = path.split("/")
    return tuple("/".join(parts[:length]) for length in range(len(parts), 0, -1))
