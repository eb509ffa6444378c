"""Finds the rules that can take a fact without looking at the others; it never changes a result (section 16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, Protocol, TypeVar

from creditbank.rules.fact import Fact, ancestors
from creditbank.rules.matching import Slot, Test


class Ranked(Protocol):
    """A rule as far as an index knows it."""

    id: str
    priority: int
    rank: int


R = TypeVar("R", bound=Ranked)


class Entry(NamedTuple):
    """A slot of a rule; ``further`` is how many other slots must be filled with it."""

    rank: int
    number: int
    slot: Slot
    further: int


class Miss(NamedTuple):
    """How far a slot of a rule is from taking a fact; the least is the nearest (section 10, step 6)."""

    identity: int
    conditions: int
    priority: int
    id: str
    number: int
    entry: Entry


_K = TypeVar("_K")
_Buckets = dict[_K, list[Entry]]


class Index:
    """Slots by their most selective equality; within a bucket they stand in order of precedence.

    The buckets are (provider, code), (provider, kind), provider, code, (kind, category), kind, category, and one of
    all that ask for none of these.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._by_provider_code: _Buckets[tuple[str, str]] = {}
        self._by_provider_kind: _Buckets[tuple[str, str]] = {}
        self._by_provider: _Buckets[str] = {}
        self._by_code: _Buckets[str] = {}
        self._by_kind_category: _Buckets[tuple[str, str]] = {}
        self._by_kind: _Buckets[str] = {}
        self._by_category: _Buckets[str] = {}
        self._rest: list[Entry] = []
        for entry in entries:
            self._place(entry)

    def _place(self, entry: Entry) -> None:
        slot = entry.slot
        if slot.providers is not None:
            if slot.codes is not None:
                _put(entry, self._by_provider_code, product(slot.providers, slot.codes))
            elif slot.kinds is not None:
                _put(entry, self._by_provider_kind, product(slot.providers, slot.kinds))
            else:
                _put(entry, self._by_provider, slot.providers)
        elif slot.codes is not None:
            _put(entry, self._by_code, slot.codes)
        elif slot.kinds is not None:
            if slot.categories is not None:
                _put(entry, self._by_kind_category, product(slot.kinds, slot.categories))
            else:
                _put(entry, self._by_kind, slot.kinds)
        elif slot.categories is not None:
            _put(entry, self._by_category, slot.categories)
        else:
            self._rest.append(entry)

    def _buckets(self, fact: Fact) -> Iterator[list[Entry] | None]:
        kind, code = fact.kind, fact.code
        for provider in ancestors(fact.provider):
            if code is not None and self._by_provider_code:
                yield self._by_provider_code.get((provider, code))
            if self._by_provider_kind:
                yield self._by_provider_kind.get((provider, kind))
            if self._by_provider:
                yield self._by_provider.get(provider)
        if code is not None:
            yield self._by_code.get(code)
        if fact.category is not None and (self._by_kind_category or self._by_category):
            for category in ancestors(fact.category):
                yield self._by_kind_category.get((kind, category))
                yield self._by_category.get(category)
        yield self._by_kind.get(kind)
        yield self._rest

    def first(self, fact: Fact) -> Entry | None:
        """Of the slots that take the fact the first in order of precedence."""
        best: Entry | None = None
        for bucket in self._buckets(fact):
            if bucket:
                for entry in bucket:
                    if best is not None and entry.rank > best.rank:
                        break
                    if entry.slot.holds(fact):
                        best = entry
                        break
        return best

    def all(self, fact: Fact) -> list[Entry]:
        """Every slot that takes the fact, in order of precedence."""
        found = {
            (entry.rank, entry.number): entry
            for bucket in self._buckets(fact)
            if bucket
            for entry in bucket
            if entry.slot.holds(fact)
        }
        return [found[key] for key in sorted(found)]


def _put(entry: Entry, buckets: _Buckets[_K], keys: Iterable[_K]) -> None:
    for key in keys:
        bucket = buckets.get(key)
        if bucket is None:
            buckets[key] = [entry]
        # A list may name a value twice; the slot stands in its bucket once.
        elif bucket[-1] is not entry:
            bucket.append(entry)


class Nearest:
    """Finds the granting rule that is nearest to a fact that no rule takes."""

    def __init__(self, entries: Sequence[tuple[Ranked, Entry]]) -> None:
        """``entries`` are the slots of granting rules with their rules."""
        self._rules = {entry.rank: rule for rule, entry in entries}
        families: dict[object, _Family] = {}
        for rule, entry in sorted(entries, key=lambda pair: (-pair[0].priority, pair[0].id, pair[1].number)):
            slot = entry.slot
            wanted = (slot.providers, slot.codes, slot.categories)
            fields = tuple(field for field, values in enumerate(wanted) if values is not None)
            key = (slot.kinds, slot.conditions, entry.further, fields)
            family = families.get(key)
            if family is None:
                family = families[key] = _Family(slot.kinds, slot.conditions, entry.further, fields)
            family.add(entry, (-rule.priority, rule.id, entry.number))
        self._families = list(families.values())

    def find(self, fact: Fact) -> Miss | None:
        """The nearest slot; None when there are no granting rules."""
        failed: dict[tuple[Test, ...], int] = {}
        best: Miss | None = None
        for family in self._families:
            if family.conditions not in failed:
                failed[family.conditions] = sum(not test.holds(fact) for test in family.conditions)
            miss = family.nearest(fact, failed[family.conditions])
            if best is None or miss[:5] < best[:5]:
                best = miss
        return best


class _Family:
    """Slots that differ only in providers, codes and categories: how many other tests fail is one for all of them.

    For every set of these three fields that the slots have, ``first`` holds the foremost slot for each combination of
    values; the largest set with a hit tells how few of them fail.
    """

    __slots__ = ("conditions", "fields", "first", "further", "kinds")

    def __init__(
        self, kinds: tuple[str, ...] | None, conditions: tuple[Test, ...], further: int, fields: tuple[int, ...]
    ) -> None:
        self.kinds = kinds
        self.conditions = conditions
        self.further = further
        self.fields = fields
        subsets = [
            tuple(field for bit, field in enumerate(fields) if mask >> bit & 1) for mask in range(1 << len(fields))
        ]
        self.first: list[tuple[tuple[int, ...], dict[tuple[str, ...], tuple[tuple[int, str, int], Entry]]]] = [
            (subset, {}) for subset in sorted(subsets, key=len, reverse=True)
        ]

    def add(self, entry: Entry, order: tuple[int, str, int]) -> None:
        slot = entry.slot
        wanted = (slot.providers or (), slot.codes or (), slot.categories or ())
        for subset, first in self.first:
            for key in product(*(wanted[field] for field in subset)):
                first.setdefault(key, (order, entry))

    def nearest(self, fact: Fact, failed: int) -> Miss:
        """The family's nearest slot; ``failed`` of its conditions do not hold."""
        values: tuple[tuple[str, ...], ...] = (
            ancestors(fact.provider),
            () if fact.code is None else (fact.code,),
            () if fact.category is None else ancestors(fact.category),
        )
        missed = 0 if self.kinds is None or fact.kind in self.kinds else 1
        best: tuple[tuple[int, str, int], Entry] | None = None
        size = 0
        for subset, first in self.first:
            if best is not None and len(subset) < size:
                break
            for key in product(*(values[field] for field in subset)):
                found = first.get(key)
                if found is not None and (best is None or found[0] < best[0]):
                    best, size = found, len(subset)
        if best is None:
            raise AssertionError("the empty set of fields hits always")
        order, entry = best
        return Miss(missed + len(self.fields) - size, failed + self.further, *order, entry)
