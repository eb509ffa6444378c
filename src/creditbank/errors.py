"""Refusals: what the bank says no to, with a stable code and no word of HTTP.

Each noun declares its refusals in its own ``domain.py``; ``web/problems.py`` turns them into answers and the
sentences stand in ``locale/`` by code. A test holds that no refusal lacks a sentence in both languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What a refusal is, as far as the caller's next step goes."""

    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    GONE = "gone"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place of what was sent; ``pointer`` is a JSON Pointer into it, ``row`` a line from 1.

    Without a ``message`` the sentence is that of ``says`` or else of the code, filled with ``terms``.
    Of a JSON body the terms are the bank's own words and numbers and never what was sent, for batches keep them.
    """

    pointer: str
    code: str
    message: str
    row: int | None = None
    says: str = ""
    terms: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(eq=False, kw_only=True)
class Refusal(Exception):
    """Something the bank will not do. Subclasses set ``code`` and ``kind``; their fields fill the sentence."""

    code: ClassVar[str]
    kind: ClassVar[Kind]

    pointer: str = ""
    faults: tuple[Fault, ...] = field(default=())

    @property
    def says(self) -> str:
        """The sentence to be read: that of the code, unless the code has several."""
        return self.code

    @property
    def wait_seconds(self) -> int | None:
        """In how many seconds the same would be looked at; None where waiting alone changes nothing."""
        return None

    def terms(self) -> dict[str, str]:
        """The values that the sentence of this refusal names."""
        return {f.name: str(getattr(self, f.name)) for f in fields(self) if f.name not in {"pointer", "faults"}}

    def __str__(self) -> str:
        return f"{self.code} {self.terms()}"


def every_refusal(root: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Each declared refusal that has a code, for the checks that hold sentences and documents complete."""
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from every_refusal(child)
