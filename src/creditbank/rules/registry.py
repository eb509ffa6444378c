"""What the bank knows beside a document: its kinds of achievement with their typed facts, and its categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

FactType = Literal["text", "path", "number", "date", "boolean", "grade", "assurance", "duration"]

FIELDS: Final[Mapping[str, FactType]] = {
    "kind": "text",
    "provider": "path",
    "code": "text",
    "unit": "text",
    "category": "path",
    "credits": "number",
    "hours": "number",
    "attendance": "number",
    "grade": "number",
    "level": "number",
    "assurance": "assurance",
    "completed": "date",
    "submitted": "date",
    "applied": "date",
    "recognised": "date",
    "shelf_life": "duration",
    "learning": "text",
    "provider_type": "text",
}
"""The fields of an achievement that a condition may read (rules/v1 sections 5.2 and 9)."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Kinds with their typed facts, and the category tree.

    A document that is tested without a bank brings its own kinds, facts and categories, and is checked without this.
    """

    kinds: Mapping[str, Mapping[str, FactType]]
    categories: frozenset[str]

    def has_category(self, path: str) -> bool:
        """Whether the tree has this category."""
        return path in self.categories

    def types_of(self, name: str, kinds: tuple[str, ...] | None) -> set[FactType]:
        """The types that a fact of these kinds (None: of any kind) has; empty when none of them knows it."""
        named = self.kinds if kinds is None else {kind: self.kinds.get(kind, {}) for kind in kinds}
        return {facts[name] for facts in named.values() if name in facts}
