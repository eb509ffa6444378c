"""A programme and a learner's lots as one problem in whole thousandths (rules/v1 sections 7 and 19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product
from typing import Final

from creditbank.rules.language.programmes import (
    AllRequirements,
    AnyRequirement,
    Cap,
    LotFilter,
    NRequirements,
    Programme,
    Requirement,
)

CHOICES_MAX: Final = 64
"""So many ways through the groups of a programme are solved one by one; beyond that the solver chooses."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lot as a programme sees it: ``milli`` thousandths can be used. ``decision`` is what a count counts.

    ``achievements`` and ``grant`` only order lots that are otherwise alike.
    """

    id: str
    milli: int
    unit: str
    kind: str
    provider: str
    category: str | None
    level: int | None
    decision: str
    expires: date | None
    completed: date
    achievements: tuple[str, ...]
    grant: int = 0


def fits(wanted: LotFilter, lot: Candidate) -> bool:
    """Whether a lot passes a filter: all given fields must hold."""
    return bool(places_of(wanted, [lot]))


def places_of(wanted: LotFilter, lots: Sequence[Candidate]) -> list[int]:
    """The places of the lots that pass a filter. Field by field, since most filters give one or two."""
    places = list(range(len(lots)))
    if (units := wanted.unit) is not None:
        places = [place for place in places if lots[place].unit in units]
    if (kinds := wanted.kind) is not None:
        places = [place for place in places if lots[place].kind in kinds]
    if (tops := wanted.provider) is not None:
        places = [place for place in places if _is_under(lots[place].provider, tops)]
    if (tops := wanted.provider_not) is not None:
        places = [place for place in places if not _is_under(lots[place].provider, tops)]
    if (tops := wanted.category) is not None:
        places = [place for place in places if _is_under(lots[place].category, tops)]
    if wanted.level is not None:
        low, below = wanted.level.min, wanted.level.below
        places = [
            place
            for place in places
            if (level := lots[place].level) is not None
            and (low is None or level >= low)
            and (below is None or level < below)
        ]
    return places


@lru_cache(maxsize=65_536)
def _is_under(path: str | None, tops: tuple[str, ...]) -> bool:
    # Remembered, since many lots are of one category and are asked of every requirement.
    return path is not None and any(path == top or path.startswith(f"{top}/") for top in tops)


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement: so many thousandths, or so many whole lots, of the eligible ones (by place).

    It applies where its gate is chosen, or always without one.
    """

    id: str
    milli: int
    count: int
    exclusive: bool
    eligible: tuple[int, ...]
    gate: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it asks for whole lots and not for credits."""
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Gate:
    """A requirement or a group that may be chosen: ``n`` of its parts apply where it does. An open one always does."""

    n: int
    parts: tuple[int, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class CreditCap:
    """The most thousandths that may be used of some lots (by place)."""

    id: str
    lots: frozenset[int]
    milli: int


@dataclass(frozen=True, slots=True)
class CountCap:
    """The most decisions that may be used of some lots."""

    id: str
    lots: frozenset[int]
    count: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One way through the groups of a programme, or with gates all of them. Lots stand in the order of preference.

    ``free`` is what the exclusive needs without a gate leave of the total.
    """

    lots: tuple[Candidate, ...]
    needs: tuple[Need, ...]
    credit_caps: tuple[CreditCap, ...]
    count_caps: tuple[CountCap, ...]
    total: int
    free: int
    whole: bool
    gates: tuple[Gate, ...] = ()

    @property
    def counting(self) -> tuple[Need, ...]:
        """The needs for whole lots."""
        return tuple(need for need in self.needs if need.counts)


def milli_of(credits_: Fraction) -> int:
    """Whole thousandths; a part below one is never reached."""
    return credits_.numerator * 1000 // credits_.denominator


def in_preference(programme: Programme, lots: Sequence[Candidate]) -> list[Candidate]:
    """The lots in the order in which they are used; ties by completion, achievements and grant."""

    def order(lot: Candidate) -> tuple[object, ...]:
        keys: list[object] = []
        for way in programme.prefer:
            match way:
                case "expiring_first":
                    keys.append((lot.expires is None, lot.expires or date.max))
                case "highest_level":
                    keys.append(-1 if lot.level is None else -lot.level - 2)
                case "oldest":
                    keys.append(lot.completed)
        return (*keys, lot.completed, lot.achievements, lot.grant, lot.id)

    return sorted((lot for lot in lots if lot.milli > 0), key=order)


def ways_through(requirements: Sequence[AnyRequirement]) -> Iterator[tuple[Requirement, ...]]:
    """Every set of requirements that may apply together, the earlier alternatives first."""
    for parts in product(*[tuple(_ways(requirement)) for requirement in requirements]):
        yield tuple(one for part in parts for one in part)


def _ways(requirement: AnyRequirement) -> Iterator[tuple[Requirement, ...]]:
    match requirement:
        case Requirement():
            yield (requirement,)
        case AllRequirements():
            yield from ways_through(requirement.all)
        case NRequirements():
            for chosen in combinations(requirement.of, requirement.n):
                yield from ways_through(chosen)


def count_ways(requirements: Sequence[AnyRequirement]) -> int:
    """How many ways there are, without walking through them."""
    found = 1
    for requirement in requirements:
        match requirement:
            case AllRequirements():
                found *= count_ways(requirement.all)
            case NRequirements():
                each = [count_ways([part]) for part in requirement.of]
                # The elementary symmetric polynomial: every choice of n parts, each in all its ways.
                sums = [1] + [0] * requirement.n
                for ways in each:
                    for size in range(requirement.n, 0, -1):
                        sums[size] += sums[size - 1] * ways
                found *= sums[requirement.n]
    return found


def pose(
    programme: Programme, applying: Sequence[Requirement], lots: Sequence[Candidate], pins: Mapping[str, str]
) -> Problem:
    """The problem of one way through the groups. ``lots`` stand in preference.

    ``pins`` say which exclusive requirement a lot may fill, by lot; a pinned lot fills no other.
    """
    return _posed(programme, [(requirement, None) for requirement in applying], lots, pins, ())


def pose_whole(programme: Programme, lots: Sequence[Candidate], pins: Mapping[str, str]) -> Problem:
    """The problem of all ways at once, each group with a gate."""
    gates: list[Gate] = []
    gated: list[tuple[Requirement, int | None]] = []

    def enter(requirement: AnyRequirement, *, is_open: bool) -> int:
        number = len(gates)
        gates.append(Gate(0, (), is_open))
        match requirement:
            case Requirement():
                gated.append((requirement, number))
            case AllRequirements():
                parts = tuple([enter(part, is_open=False) for part in requirement.all])
                gates[number] = Gate(len(parts), parts, is_open)
            case NRequirements():
                parts = tuple([enter(part, is_open=False) for part in requirement.of])
                gates[number] = Gate(requirement.n, parts, is_open)
        return number

    for requirement in programme.requirements:
        enter(requirement, is_open=True)
    return _posed(programme, gated, lots, pins, tuple(gates))


def _posed(
    programme: Programme,
    asked: Sequence[tuple[Requirement, int | None]],
    lots: Sequence[Candidate],
    pins: Mapping[str, str],
    gates: tuple[Gate, ...],
) -> Problem:
    needs = []
    for requirement, gate in asked:
        eligible = places_of(requirement, lots)
        if pins and requirement.exclusive:
            eligible = [place for place in eligible if pins.get(lots[place].id, requirement.id) == requirement.id]
        credits_, count = requirement.need.credits, requirement.need.count
        milli = milli_of(credits_) if credits_ is not None else 0
        needs.append(Need(requirement.id, milli, count or 0, requirement.exclusive, tuple(eligible), gate))
    total = milli_of(programme.total)
    taken = sum(need.milli for need in needs if need.exclusive and need.gate is None)
    credit_caps, count_caps = _caps(programme, lots, total)
    return Problem(
        tuple(lots),
        tuple(needs),
        tuple(credit_caps),
        tuple(count_caps),
        total,
        max(total - taken, 0),
        programme.whole == "lots",
        gates,
    )


def _caps(programme: Programme, lots: Sequence[Candidate], total: int) -> tuple[list[CreditCap], list[CountCap]]:
    """The caps that can bind; one by provider is a cap for each."""
    credit_caps: list[CreditCap] = []
    count_caps: list[CountCap] = []
    for cap in programme.caps:
        for name, members in _groups(cap, lots):
            if cap.count_at_most is not None:
                if len({lots[place].decision for place in members}) > cap.count_at_most:
                    count_caps.append(CountCap(name, frozenset(members), cap.count_at_most))
                continue
            most = cap_milli(cap, total)
            if sum(lots[place].milli for place in members) > most < total:
                credit_caps.append(CreditCap(name, frozenset(members), most))
    return credit_caps, count_caps


def cap_milli(cap: Cap, total: int) -> int:
    """The thousandths that a cap on credits allows; a share is rounded down."""
    if cap.credits_at_most is not None:
        return milli_of(cap.credits_at_most)
    if cap.share_at_most is not None:
        return int(cap.share_at_most * total)
    raise ValueError("a cap on counts allows no thousandths")


def _groups(cap: Cap, lots: Sequence[Candidate]) -> Iterator[tuple[str, list[int]]]:
    members = places_of(cap, lots)
    if cap.by is None:
        yield cap.id, members
        return
    for provider in sorted({lots[place].provider for place in members}):
        yield f"{cap.id}, {provider}", [place for place in members if lots[place].provider == provider]
