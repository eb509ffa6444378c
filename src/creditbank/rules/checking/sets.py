"""Sets of values of one fact, closed under intersection and complement: texts, numbers and days, paths.

Each says that the fact is there and has one of its values. ``ABSENT`` says that it is not there, ``PRESENT`` that it
is there, whatever its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final


class Presence(Enum):
    """Whether a fact is there, whatever its value."""

    ABSENT = "absent"
    PRESENT = "present"


ABSENT: Final = Presence.ABSENT
PRESENT: Final = Presence.PRESENT

Plain = str | int | bool


@dataclass(frozen=True, slots=True)
class Texts:
    """These values, or every value but these."""

    values: frozenset[Plain]
    inverted: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no value is in it."""
        return not self.inverted and not self.values

    def meets(self, other: Texts) -> bool:
        """Whether some value is in both; there is always a further text beside finitely many."""
        if self.inverted:
            return other.inverted or not other.values <= self.values
        if other.inverted:
            return not self.values <= other.values
        return not self.values.isdisjoint(other.values)

    def meet(self, other: Texts) -> Texts:
        """The values in both."""
        if self.inverted:
            if other.inverted:
                return Texts(self.values | other.values, True)
            return Texts(other.values - self.values)
        return Texts(self.values - other.values if other.inverted else self.values & other.values)

    def covers(self, other: Texts) -> bool:
        """Whether every value of the other is in this."""
        if self.inverted:
            return self.values <= other.values if other.inverted else self.values.isdisjoint(other.values)
        return not other.inverted and other.values <= self.values

    def complement(self) -> list[Texts]:
        """Every other value."""
        return [Texts(self.values, not self.inverted)]


Cut = tuple[int, Fraction | int, int]
"""A place between numbers: ``(0, v, 0)`` lies just below v, ``(0, v, 1)`` just above it."""

LOWEST: Final[Cut] = (-1, 0, 0)
HIGHEST: Final[Cut] = (1, 0, 0)


def below(value: Fraction | int) -> Cut:
    """The place just below a number."""
    return (0, value, 0)


def above(value: Fraction | int) -> Cut:
    """The place just above a number."""
    return (0, value, 1)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers in intervals, each from one cut to the next, ascending and apart; days count as their ordinals."""

    spans: tuple[tuple[Cut, Cut], ...]

    @staticmethod
    def between(low: Cut, high: Cut) -> Numbers:
        """The numbers from one cut to another."""
        return Numbers(((low, high),) if low < high else ())

    @staticmethod
    def points(values: Iterable[Fraction | int]) -> Numbers:
        """These numbers."""
        return Numbers(tuple((below(value), above(value)) for value in sorted(set(values))))

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        return not self.spans

    def meet(self, other: Numbers) -> Numbers:
        """The numbers in both."""
        if self is other:
            return self
        found = []
        mine, theirs = self.spans, other.spans
        i = j = 0
        while i < len(mine) and j < len(theirs):
            low, high = max(mine[i][0], theirs[j][0]), min(mine[i][1], theirs[j][1])
            if low < high:
                found.append((low, high))
            if mine[i][1] <= theirs[j][1]:
                i += 1
            else:
                j += 1
        return Numbers(tuple(found))

    def meets(self, other: Numbers) -> bool:
        """Whether some number is in both."""
        if self is other:
            return bool(self.spans)
        return not self.meet(other).is_empty

    def covers(self, other: Numbers) -> bool:
        """Whether every number of the other is in this."""
        return self is other or self.meet(other).spans == other.spans

    def complement(self) -> list[Numbers]:
        """Every other number."""
        edges = [LOWEST, *(edge for span in self.spans for edge in span), HIGHEST]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [Numbers(tuple((low, high) for low, high in pairs if low < high))]

    def joined(self, other: Numbers) -> Numbers:
        """The numbers in either."""
        spans: list[tuple[Cut, Cut]] = []
        for low, high in sorted((*self.spans, *other.spans)):
            if spans and low <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
            else:
                spans.append((low, high))
        return Numbers(tuple(spans))


Atom = tuple[str, bool]
"""A path, and whether it stands for itself only (True) or for its whole tree."""

_DEEPEST: Final = 8


def tree(path: str) -> Atom:
    """The tree below a path, itself included; as deep as paths go there is nothing below."""
    return (path, path.count("/") >= _DEEPEST - 1)


def _within(inner: Atom, outer: Atom) -> bool:
    if outer[1]:
        return inner == outer
    return inner[0] == outer[0] or inner[0].startswith(outer[0] + "/")


@dataclass(frozen=True, slots=True)
class Paths:
    """Trees and single paths (None: every path), without some others."""

    include: frozenset[Atom] | None
    exclude: frozenset[Atom] = frozenset()

    @staticmethod
    def under(paths: Iterable[str]) -> Paths:
        """All in these trees."""
        return Paths(frozenset(tree(path) for path in paths))

    @staticmethod
    def only(paths: Iterable[str]) -> Paths:
        """These paths themselves."""
        return Paths(frozenset((path, True) for path in paths))

    @property
    def is_empty(self) -> bool:
        """Whether no path is in it. A tree is never used up by finitely many parts of it."""
        return self.include is not None and all(
            any(_within(atom, out) for out in self.exclude) for atom in self.include
        )

    def _atoms(self, other: Paths) -> Iterator[Atom]:
        if self.include is None:
            yield from other.include or ()
        elif other.include is None:
            yield from self.include
        else:
            for mine in self.include:
                for theirs in other.include:
                    if _within(mine, theirs):
                        yield mine
                    elif _within(theirs, mine):
                        yield theirs

    def meet(self, other: Paths) -> Paths:
        """The paths in both."""
        include = None if self.include is None and other.include is None else frozenset(self._atoms(other))
        return Paths(include, self.exclude | other.exclude)

    def meets(self, other: Paths) -> bool:
        """Whether some path is in both."""
        if self.exclude or other.exclude:
            return not self.meet(other).is_empty
        return (self.include is None and other.include is None) or any(True for _ in self._atoms(other))

    def covers(self, other: Paths) -> bool:
        """Whether every path of the other is in this."""
        if self.include is not None:
            if other.include is None:
                return False
            mine = self.include
            for atom in other.include:
                if not any(_within(atom, out) for out in (*mine, *other.exclude)):
                    return False
        return all(other.meet(Paths(frozenset((out,)))).is_empty for out in self.exclude)

    def complement(self) -> list[Paths]:
        """Every other path."""
        rest = [] if self.include is None else [Paths(None, self.include)]
        return [*rest, *(Paths(frozenset((out,))) for out in self.exclude)]

    def joined(self, other: Paths) -> Paths | None:
        """The paths in either, as far as that is a set of this kind; None where parts are taken out."""
        if self.exclude or other.exclude:
            return None
        if self.include is None or other.include is None:
            return Paths(None)
        return Paths(self.include | other.include)


Values = Texts | Numbers | Paths
Wanted = Values | Presence


def meet(mine: Wanted, theirs: Wanted) -> Wanted | None:
    """What both allow, None when that is nothing. Raises TypeError for values of different types."""
    if isinstance(mine, Presence) or isinstance(theirs, Presence):
        if mine is theirs:
            return mine
        if mine is ABSENT or theirs is ABSENT:
            return None
        return theirs if mine is PRESENT else mine
    if type(mine) is not type(theirs):
        raise TypeError
    both = mine.meet(theirs)  # type: ignore[arg-type]
    return None if both.is_empty else both


def meets(mine: Wanted, theirs: Wanted) -> bool:
    """Whether something is allowed by both; values of different types are taken to meet, since nobody knows."""
    if isinstance(mine, Presence) or isinstance(theirs, Presence):
        return mine is theirs or (mine is not ABSENT and theirs is not ABSENT)
    return type(mine) is not type(theirs) or mine.meets(theirs)  # type: ignore[arg-type]


def covers(outer: Wanted, inner: Wanted) -> bool:
    """Whether whatever the inner allows the outer allows; False when that is not known."""
    if outer is inner:
        return True
    if isinstance(outer, Presence):
        return outer is PRESENT and inner is not ABSENT
    if isinstance(inner, Presence) or type(outer) is not type(inner):
        return False
    return outer.covers(inner)  # type: ignore[arg-type]


def complement(values: Wanted) -> list[Wanted]:
    """All that is not allowed; for a fact that is always there the part ``ABSENT`` is for the caller to leave out."""
    if values is ABSENT:
        return [PRESENT]
    if isinstance(values, Presence):
        return [ABSENT]
    return [ABSENT, *values.complement()]
