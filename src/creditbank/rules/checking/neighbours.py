"""Which boxes can overlap, found without comparing all with all (rules/v1 section 15).

Boxes are parted fact by fact, the most telling first. A box that leaves a fact free stands beside the parts; the others
look for it there, so that each pair is met from the side that says more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from creditbank.rules.checking.sets import Cut, Numbers, Paths, Texts
from creditbank.rules.fact import ancestors

if TYPE_CHECKING:
    from creditbank.rules.checking.boxes import Box


class Entry(NamedTuple):
    """A box of one slot of one rule; ``number`` tells entries apart and gives them an order."""

    number: int
    rank: int
    slot: int
    box: Box


_FEW: Final = 8
"""So few are compared as they are."""

_DEEPEST: Final = 40
"""After so many facts what is left is compared as it is."""

_MANY: Final = 200
"""A box with more values of one fact than this is not parted by it."""

_FIRST: Final = ("provider", "code", "kind", "category")


class _Node:
    """Entries, parted by one fact when they are many."""

    def __init__(self, entries: list[Entry], done: frozenset[str]) -> None:
        self.entries = entries
        self.done = done
        self.name = _telling(entries, done) if len(entries) > _FEW else None
        self.rest: _Node | None = None
        self.parts: dict[object, _Node] = {}
        self.below: dict[str, list[str]] = {}
        self.spans: list[tuple[Cut, Cut, Entry]] = []
        self.reach: list[Cut] = []
        if self.name is not None:
            self._part(self.name, done | {self.name})

    def _part(self, name: str, done: frozenset[str]) -> None:
        rest: list[Entry] = []
        parts: dict[object, list[Entry]] = {}
        for entry in self.entries:
            keys = _keys(entry.box, name)
            if isinstance(keys, tuple):
                self.spans.append((*keys, entry))
            elif keys is None:
                rest.append(entry)
            else:
                for key in keys:
                    parts.setdefault(key, []).append(entry)
        self.parts = {key: _Node(members, done) for key, members in parts.items()}
        self.rest = _Node(rest, done) if rest else None
        for key in parts:
            if isinstance(key, str):
                for top in ancestors(key)[1:]:
                    self.below.setdefault(top, []).append(key)
        self.spans.sort(key=lambda span: span[0])
        for _, high, _ in self.spans:
            self.reach.append(max(high, self.reach[-1]) if self.reach else high)

    def find(self, entry: Entry, own: bool) -> Iterator[Entry]:
        """Entries that may overlap with this one; ``own`` while it would itself stand here."""
        name = self.name
        if name is None:
            for other in self.entries:
                if not own or other.number < entry.number:
                    yield other
            return
        keys = _keys(entry.box, name)
        rest = self.rest
        if keys is None:
            if rest is not None:
                yield from rest.find(entry, own)
            if not own:
                for part in self.parts.values():
                    yield from part.find(entry, False)
                for _, _, other in self.spans:
                    yield other
            return
        if rest is not None:
            yield from rest.find(entry, False)
        if isinstance(keys, tuple):
            yield from self._touching(keys, entry, own)
            return
        for key in keys:
            if key in self.parts:
                yield from self.parts[key].find(entry, own)
            if isinstance(key, str) and isinstance(entry.box.wanted[name], Paths):
                for top in ancestors(key)[1:]:
                    if top in self.parts:
                        yield from self.parts[top].find(entry, False)
                if not own:
                    for lower in self.below.get(key, ()):
                        yield from self.parts[lower].find(entry, False)

    def _touching(self, keys: tuple[Cut, Cut], entry: Entry, own: bool) -> Iterator[Entry]:
        low, high = keys
        place = bisect_left(self.spans, high, key=lambda span: span[0])
        while place and self.reach[place - 1] > low:
            place -= 1
            _, end, other = self.spans[place]
            if end > low and (not own or other.number < entry.number):
                yield other


def _keys(box: Box, name: str) -> Iterable[object] | tuple[Cut, Cut] | None:
    """By what a box is parted: values, paths, or the hull of its numbers; None when it leaves the fact free."""
    wanted = box.wanted.get(name)
    if wanted is None:
        return None
    if isinstance(wanted, Texts):
        return None if wanted.inverted or len(wanted.values) > _MANY else wanted.values
    if isinstance(wanted, Paths):
        if wanted.include is None or len(wanted.include) > _MANY:
            return None
        return {path for path, _ in wanted.include}
    if isinstance(wanted, Numbers):
        return wanted.spans[0][0], wanted.spans[-1][1]
    return None


def _telling(entries: Sequence[Entry], done: frozenset[str]) -> str | None:
    """The fact to part by: identity first, then what most of the entries ask for; None when none parts many."""
    if len(done) >= _DEEPEST:
        return None
    counted: Counter[str] = Counter()
    types: dict[str, set[type]] = {}
    for entry in entries:
        for name, wanted in entry.box.wanted.items():
            if name not in done:
                counted[name] += 1
                types.setdefault(name, set()).add(type(wanted))
    for name in _FIRST:
        if counted[name]:
            return name
    # A fact that is a text to some and a number to others parts nothing.
    usable = [
        name
        for name, seen in types.items()
        if len(seen & {Texts, Numbers, Paths}) == 1 and counted[name] * _FEW >= len(entries)
    ]
    return max(usable, key=lambda name: (counted[name], name), default=None)


class Neighbours:
    """Finds for each entry those that it may overlap with."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._root = _Node(list(entries), frozenset())

    def of(self, entry: Entry) -> Iterator[Entry]:
        """Each pair is met once, from one of its sides."""
        seen: set[int] = set()
        for other in self._root.find(entry, True):
            if other.number not in seen:
                seen.add(other.number)
                yield other
