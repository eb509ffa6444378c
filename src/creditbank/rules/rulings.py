"""Rulings: what people decided, as inputs of an evaluation (rules/v1 section 10).

A ruling refers to stable ids: the key of a fact, the id of a rule, a limit or a unit. Where an id changed, the
version's ``migrations`` lead from the old one to the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Insert:
    """Credits for an achievement without a rule; ``id`` is the ruling's own, which the trace names."""

    id: str
    rule_set: str
    fact: str
    unit: str
    milli: int
    category: str | None = None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Force:
    """A rule's match holds for an achievement, whatever its tests say."""

    id: str
    rule_set: str
    fact: str
    rule: str


@dataclass(frozen=True, slots=True)
class Waive:
    """A limit (or a programme's requirement) does not hold: for one achievement, or for all of the learner's."""

    id: str
    rule_set: str
    what: str
    fact: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """An achievement earns nothing in a rule set; with a unit only that lot is blocked."""

    id: str
    rule_set: str
    fact: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """What a lot is worth before limits, or the grade that examiners confirmed."""

    id: str
    rule_set: str
    fact: str
    unit: str
    milli: int | None = None
    grade: str | None = None


Ruling = Insert | Force | Waive | Block | Value


@dataclass(frozen=True, slots=True)
class Rulings:
    """The rulings of one rule set, by what they are about."""

    inserts: Mapping[str, Insert] = field(default_factory=dict)
    forces: Mapping[str, Force] = field(default_factory=dict)
    waives: tuple[Waive, ...] = ()
    blocks: Mapping[tuple[str, str | None], Block] = field(default_factory=dict)
    values: Mapping[tuple[str, str], Value] = field(default_factory=dict)

    def waives_limit(self, limit: str, facts: Iterable[str]) -> bool:
        """Whether a limit is waived for a lot of these facts."""
        keys = set(facts)
        return any(one.what == limit and (one.fact is None or one.fact in keys) for one in self.waives)


NO_RULINGS: Final = Rulings()


def sort_rulings(rulings: Iterable[Ruling]) -> dict[str, Rulings]:
    """Rulings by rule set. Of two about the same thing the one with the greater id counts: it was made later."""
    found: dict[str, tuple[dict[str, Insert], dict[str, Force], list[Waive], dict[tuple[str, str | None], Block],
                           dict[tuple[str, str], Value]]] = {}  # fmt: skip
    for ruling in sorted(rulings, key=lambda one: one.id):
        inserts, forces, waives, blocks, values = found.setdefault(ruling.rule_set, ({}, {}, [], {}, {}))
        match ruling:
            case Insert():
                inserts[ruling.fact] = ruling
            case Force():
                forces[ruling.fact] = ruling
            case Waive():
                waives.append(ruling)
            case Block():
                blocks[ruling.fact, ruling.unit] = ruling
            case Value():
                values[ruling.fact, ruling.unit] = ruling
    return {
        rule_set: Rulings(inserts, forces, tuple(waives), blocks, values)
        for rule_set, (inserts, forces, waives, blocks, values) in found.items()
    }
