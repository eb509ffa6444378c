"""Combinations: which achievements one rule takes together (rules/v1 section 5.3).

The first binding in the order of a depth-first search with backtracking wins: slots in document order, within a slot
achievements in their order, alternatives in order, for ``n of`` the earlier slots. It is found without backtracking:
before a slot is filled, a matching tells whether the slots that follow can still be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import combinations, product

from creditbank.rules.fact import Fact
from creditbank.rules.language.recognition import AllOf, AnyOf, Match, Matcher, NOf

Way = tuple[int, ...]
"""The slots that are filled together, by their numbers in document order."""


def ways_of(match: Match) -> tuple[Way, ...]:
    """Every set of slots by which a match can be bound; each ascends."""
    numbers = iter(range(10_000))
    return tuple(dict.fromkeys(_ways(match, numbers)))


def _ways(match: Match, numbers: Iterator[int]) -> list[Way]:
    match match:
        case Matcher():
            return [(next(numbers),)]
        case AllOf():
            return [_joined(parts) for parts in product(*[_ways(part, numbers) for part in match.all])]
        case AnyOf():
            return [way for part in match.any for way in _ways(part, numbers)]
        case NOf():
            parts = [_ways(part, numbers) for part in match.of]
            return [_joined(some) for chosen in combinations(parts, match.n) for some in product(*chosen)]


def _joined(parts: Sequence[Way]) -> Way:
    return tuple(slot for part in parts for slot in part)


def bind(
    ways: Sequence[Way],
    candidates: Sequence[Sequence[Fact]],
    *,
    governing: Callable[[Fact], date],
    since: date,
) -> tuple[Fact, ...] | None:
    """The first binding, or None. ``candidates`` are the facts for each slot, in their order.

    The latest governing date of a binding must not lie before ``since``; that it lies before the end is seen to by the
    candidates.
    """
    open_ways = [way for way in ways if all(candidates[slot] for slot in way)]
    if not open_ways:
        return None
    search = _Search(candidates, governing, since)
    used: list[Fact] = []
    place = 0
    open_ways = [way for way in open_ways if search.can_fill(way, used)]
    while open_ways:
        done = [way for way in open_ways if len(way) == place]
        if done:
            return tuple(used)
        found = search.next_fact(open_ways, place, used)
        if found is None:
            return None
        slot, fact = found
        used.append(fact)
        open_ways = [way for way in open_ways if len(way) > place and way[place] == slot]
        place += 1
        if all(len(way) == place for way in open_ways):
            return tuple(used)
    return None


class _Search:
    """Tells whether slots can still be filled, each by a fact of its own."""

    def __init__(self, candidates: Sequence[Sequence[Fact]], governing: Callable[[Fact], date], since: date) -> None:
        self._candidates = candidates
        self._recent = {fact.key for facts in candidates for fact in facts if governing(fact) >= since}

    def next_fact(self, ways: Sequence[Way], place: int, used: Sequence[Fact]) -> tuple[int, Fact] | None:
        """The first slot and fact with which some way can still be filled to its end."""
        taken = {fact.key for fact in used}
        for slot in sorted({way[place] for way in ways if len(way) > place}):
            through = [way for way in ways if len(way) > place and way[place] == slot]
            for fact in self._candidates[slot]:
                if fact.key in taken:
                    continue
                tried = [*used, fact]
                if any(self.can_fill(way[place + 1 :], tried) for way in through):
                    return slot, fact
        return None

    def can_fill(self, slots: Sequence[int], used: Sequence[Fact]) -> bool:
        """Whether every slot finds a fact that is not used, one of all of them recent enough."""
        taken = {fact.key for fact in used}
        if not taken.isdisjoint(self._recent):
            return self._matches(slots, taken)
        if not slots:
            return False
        return any(
            self._matches([*slots[:place], *slots[place + 1 :]], taken | {fact.key})
            for place, slot in enumerate(slots)
            for fact in self._candidates[slot]
            if fact.key in self._recent and fact.key not in taken
        )

    def _matches(self, slots: Sequence[int], taken: set[str]) -> bool:
        """A bipartite matching that fills every slot, by augmenting paths."""
        holder: dict[str, int] = {}

        def augment(place: int, seen: set[str]) -> bool:
            for fact in self._candidates[slots[place]]:
                key = fact.key
                if key in taken or key in seen:
                    continue
                seen.add(key)
                if key not in holder or augment(holder[key], seen):
                    holder[key] = place
                    return True
            return False

        return all(augment(place, set()) for place in range(len(slots)))
