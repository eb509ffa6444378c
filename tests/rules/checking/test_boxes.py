"""Boxes as sets of achievements: what is said of two of them is true of every achievement (rules/v1 section 15)."""

from __future__ import annotations

from datetime import date
from itertools import islice
from random import Random
from typing import Any, Final

import pytest

from creditbank.rules.checking.boxes import Box, Boxes, apart, beyond, common, covers
from creditbank.rules.checking.sets import ABSENT, PRESENT, Numbers, Paths, Texts, Wanted, below
from creditbank.rules.fact import Fact, ancestors
from creditbank.rules.language.recognition import Matcher
from tests.rules.checking.asking import parsed, version_of
from tests.rules.checking.test_brute_force import BLOCKS, FIELDS, TESTS, achievements

DOCUMENT: Final = parsed(**BLOCKS)
VERSION: Final = version_of(DOCUMENT)
FACTS: Final = 300


def _value(name: str, fact: Fact) -> Any:
    """A fact by the name that boxes have for it, as they count it."""
    match name:
        case "level":
            return VERSION.level_of(fact)
        case "scale":
            return fact.grade[0] if fact.grade is not None else None
        case "grade":
            return VERSION.position(*fact.grade) if fact.grade is not None else None
        case "completed" | "assurance" | "kind" | "provider" | "code" | "category" | "hours":
            found = getattr(fact, name)
            return found.toordinal() if isinstance(found, date) else found
    return fact.typed(name)


def _allows(wanted: Wanted, value: Any) -> bool:
    if wanted is ABSENT or wanted is PRESENT:
        return (value is None) == (wanted is ABSENT)
    if value is None:
        return False
    match wanted:
        case Texts():
            return (value in wanted.values) != wanted.inverted
        case Numbers():
            return any(low <= below(value) < high for low, high in wanted.spans)
        case Paths():
            atoms = {(value, True), *((path, False) for path in ancestors(value))}
            return (wanted.include is None or bool(atoms & wanted.include)) and not atoms & wanted.exclude
    raise AssertionError(wanted)


def _is_in(box: Box, fact: Fact) -> bool:
    # Which achievements a register has is nothing to boxes: here they are those of one code.
    registers = frozenset({"own"} if fact.code == "X" else ())
    days = {"submitted": fact.submitted_on, "applied": fact.applied_on}
    return (
        all(_allows(wanted, _value(name, fact)) for name, wanted in box.wanted.items())
        and box.tags <= fact.tags
        and box.without_tags.isdisjoint(fact.tags)
        and box.registers <= registers
        and box.without_registers.isdisjoint(registers)
        and all(days[at] <= span.after(fact.completed) for at, span in box.ages)
        and all(days[at] > span.after(fact.completed) for at, span in box.older)
    )


def _drawn(lot: Random, boxes: Boxes) -> list[Box]:
    matcher: dict[str, Any] = {name: lot.choice(FIELDS[name]) for name in lot.sample(sorted(FIELDS), lot.randint(1, 3))}
    if lot.random() < 0.4:
        matcher["where"] = {lot.choice(("all", "any")): lot.sample(TESTS, 2)}
    return list(boxes.of(Matcher.model_validate(matcher)))


@pytest.mark.parametrize("seed", range(30))
def test_what_is_said_of_two_boxes_is_true_of_every_achievement(seed: int) -> None:
    lot = Random(seed)
    boxes = Boxes(DOCUMENT.layered, None)
    one, other = _drawn(lot, boxes), _drawn(lot, boxes)
    left = [part for mine in one for taken in other for part in beyond(mine, taken)]
    # What is left of one box is a box like others, and says what must not be there.
    pool = [*one, *other, *islice(left, 4)]
    facts = lot.sample(achievements(), FACTS)

    def inside(box: Box) -> set[int]:
        return {number for number, fact in enumerate(facts) if _is_in(box, fact)}

    members = [inside(box) for box in pool]
    for mine, my_members in zip(pool, members, strict=True):
        for theirs, their_members in zip(pool, members, strict=True):
            both = my_members & their_members
            assert not (apart(mine, theirs) and both)
            assert not covers(mine, theirs) or their_members <= my_members
            met = common(mine, theirs)
            assert (inside(met) if met is not None else set()) == both
            assert met is None or (covers(mine, met) and covers(theirs, met))
            parts = [inside(part) for part in beyond(mine, theirs)]
            assert set().union(*parts) == my_members - their_members
