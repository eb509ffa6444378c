"""A provider and its place in the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.identifiers import lineage, parent_of

CODE_FORM: Final = r"^[a-z0-9][a-z0-9_-]{0,31}(/[a-z0-9][a-z0-9_-]{0,31}){0,7}$"
_CODE = re.compile(CODE_FORM, re.ASCII)


@dataclass(frozen=True, slots=True)
class Provider:
    """An institution. Its code is immutable; its parent is the code's prefix."""

    id: UUID
    code: str
    name_zh: str
    name_en: str
    provider_type: str
    region: str | None
    status: str
    revision: int

    @property
    def parent(self) -> str | None:
        """The code of the institution above it; None at the top."""
        return parent_of(self.code)


@dataclass(frozen=True, slots=True)
class Accreditation:
    """An entry of a register: the provider, or one offering of it, was accredited in [valid_from, valid_until).

    With ``is_black`` it was barred instead: on these days it counts as accredited in no register whatever.
    """

    id: UUID
    register: str
    provider_code: str
    offering: str | None
    valid_from: date
    valid_until: date | None
    is_black: bool = False
    reason: str | None = None
    revision: int = 1

    def covers(self, offering: str | None, on: date) -> bool:
        """Whether this entry speaks of an achievement with this offering's code, completed on that day."""
        named = self.offering is None or self.offering == offering
        return named and self.valid_from <= on and (self.valid_until is None or on < self.valid_until)


def stopped_by(code: str, known: Mapping[str, Provider]) -> str | None:
    """The code of the nearest institution, from this one up, that is suspended or closed; None when none is.

    Whoever is suspended is so with all below: their statements would go out under its supervision.
    """
    return next((at for at in lineage(code) if at in known and known[at].status != "active"), None)


def is_code(text: str) -> bool:
    """Whether the text can be a provider's code."""
    return bool(_CODE.fullmatch(text))


@dataclass(eq=False, kw_only=True)
class ProviderNotFound(Refusal):
    """There is no such provider, or the caller may not know of it."""

    code = "provider_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class AccreditationNotFound(Refusal):
    """The provider has no such entry in any register."""

    code = "accreditation_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class AccreditationEndsEarly(Refusal):
    """An entry lasts a day at least: one that should never have been is ended on the day after it began."""

    code = "accreditation_ends_early"
    kind = Kind.INVALID
    begins: str
    pointer: str = "/until"


@dataclass(eq=False, kw_only=True)
class UnknownProvider(Refusal):
    """What was sent names a provider that the bank does not know."""

    code = "unknown_provider"
    kind = Kind.INVALID
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class UnknownProviderType(Refusal):
    """The bank has no such type of provider."""

    code = "unknown_provider_type"
    kind = Kind.INVALID
    given: str
    pointer: str = "/provider_type"


@dataclass(eq=False, kw_only=True)
class UnknownParent(Refusal):
    """The institution above the new one is not there."""

    code = "unknown_parent"
    kind = Kind.INVALID
    parent: str
    pointer: str = "/code"


@dataclass(eq=False, kw_only=True)
class ProviderCodeTaken(Refusal):
    """Another provider has this code; codes are never given twice."""

    code = "provider_code_taken"
    kind = Kind.CONFLICT
    provider_code: str
    pointer: str = "/code"


@dataclass(eq=False, kw_only=True)
class ForeignProvider(Refusal):
    """The caller may act for its own provider and those under it, and this is neither."""

    code = "foreign_provider"
    kind = Kind.FORBIDDEN
    provider_code: str
    pointer: str = "/provider"
