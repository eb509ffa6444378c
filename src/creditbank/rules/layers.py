"""A document with the chain of documents that it extends, seen as one (rules/v1 section 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from creditbank.rules.document import RuleSetDocument
    from creditbank.rules.language.definitions import (
        Calendar,
        GradeConversion,
        Group,
        Header,
        Register,
        Scale,
        TableEntry,
    )
    from creditbank.rules.language.programmes import Programme
    from creditbank.rules.language.recognition import Limit, Rule, Unique, Validity

DEPTH: Final[Mapping[str, int]] = {"national": 0, "authority": 1, "institution": 2, "bilateral": 3}
"""How deep a layer lies: a document extends only what lies above it."""

LONGEST: Final = len(DEPTH)
"""No chain is longer, since each document lies below the one it extends."""

DEFINITIONS: Final = ("calendars", "scales", "grade_conversions", "tables", "levels", "registers", "groups")
"""The blocks of definitions: no name in them may be given twice along a chain."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Layered:
    """A document, then those it extends, the nearest first. Definitions of all are seen as one."""

    documents: tuple[RuleSetDocument, ...]

    @property
    def own(self) -> RuleSetDocument:
        """The document itself."""
        return self.documents[0]

    @property
    def header(self) -> Header:
        """Its header: the days, the unit and the clock of the whole."""
        return self.own.ruleset

    def _merged(self, block: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for document in reversed(self.documents):
            merged.update(getattr(document, block))
        return merged

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """Calendars of the chain."""
        return self._merged("calendars")

    @cached_property
    def scales(self) -> Mapping[str, Scale]:
        """Scales of the chain."""
        return self._merged("scales")

    @cached_property
    def grade_conversions(self) -> Mapping[str, tuple[GradeConversion, ...]]:
        """Grade conversions of the chain, each with its dated forms."""
        return self._merged("grade_conversions")

    @cached_property
    def tables(self) -> Mapping[str, Mapping[str, TableEntry]]:
        """Tables of the chain."""
        return self._merged("tables")

    @cached_property
    def levels(self) -> Mapping[str, Mapping[str, int]]:
        """Level maps of the chain, by framework."""
        return self._merged("levels")

    @cached_property
    def registers(self) -> Mapping[str, Register]:
        """Registers of the chain."""
        return self._merged("registers")

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """Groups of the chain."""
        return self._merged("groups")

    def rules(self) -> Iterator[tuple[int, Rule]]:
        """Every rule with its layer: 0 is the document's own."""
        for layer, document in enumerate(self.documents):
            for rule in document.recognition:
                yield layer, rule

    def limits(self) -> list[Limit]:
        """All limits hold, the document's own first."""
        return [limit for document in self.documents for limit in document.limits]

    def validities(self) -> list[Validity]:
        """All validities: the shortest holds."""
        return [document.validity for document in self.documents if document.validity is not None]

    @property
    def unique(self) -> Unique | None:
        """That of the lowest layer that has one."""
        return next((document.unique for document in self.documents if document.unique is not None), None)

    def programmes(self) -> list[Programme]:
        """Every programme of the chain."""
        return [programme for document in self.documents for programme in document.programmes]


def chain_of(document: RuleSetDocument, known: Mapping[str, RuleSetDocument]) -> Layered:
    """The document with what it extends, as far as that is known; checks tell of a gap or a cycle."""
    chain = [document]
    while (ref := chain[-1].ruleset.extends) is not None and ref in known and len(chain) <= LONGEST:
        chain.append(known[ref])
    return Layered(tuple(chain))
