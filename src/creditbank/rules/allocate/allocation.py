"""The answer: how a learner's lots are best used for a programme, and why (rules/v1 section 19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from creditbank.rules.allocate.flow import allocate_by_flow, are_nested
from creditbank.rules.allocate.problem import (
    CHOICES_MAX,
    Candidate,
    CreditCap,
    Problem,
    count_ways,
    in_preference,
    pose,
    pose_whole,
    ways_through,
)
from creditbank.rules.allocate.solver import NotSolved, Solved, overlay_shares, solve
from creditbank.rules.language.programmes import Programme, Requirement


@dataclass(frozen=True, slots=True)
class Pins:
    """What a learner chose: the requirement that a lot fills, by lot; requirements that are to apply."""

    lots: Mapping[str, str] = field(default_factory=dict)
    requirements: frozenset[str] = frozenset()


NO_PINS = Pins()


@dataclass(frozen=True, slots=True)
class Missing:
    """What a requirement still lacks: thousandths, or whole lots."""

    milli: int
    count: int

    @property
    def is_met(self) -> bool:
        """Whether nothing is lacking."""
        return not self.milli and not self.count


@dataclass(frozen=True, slots=True)
class Idle:
    """Why a part of a lot is not used: ``cap`` or ``full`` (what ``names`` tells of), ``total``, ``whole``."""

    lot: str
    milli: int
    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """The best use of some lots for a programme. Amounts in thousandths.

    ``missing`` has every requirement that applies, ``uses`` every lot in use, ``shares`` what each gives to each
    requirement, ``free`` what each gives to the free electives. ``is_best`` is False when the solver's time ran out.
    """

    programme: str
    total: int
    recognised: int
    missing: Mapping[str, Missing]
    uses: Mapping[str, int]
    shares: Mapping[tuple[str, str], int]
    free: Mapping[str, int]
    idle: Sequence[Idle]
    is_best: bool

    @property
    def is_complete(self) -> bool:
        """Whether every requirement is met and the total reached."""
        return self.recognised >= self.total and all(one.is_met for one in self.missing.values())

    @property
    def merit(self) -> tuple[int, int, int]:
        """How good it is as a whole, the least the best: items missing, credits missing, credits not used."""
        counted = sum(one.count for one in self.missing.values())
        return counted, sum(one.milli for one in self.missing.values()), -self.recognised


def allocate(
    programme: Programme,
    lots: Sequence[Candidate],
    *,
    pins: Pins = NO_PINS,
    former: Allocation | None = None,
) -> Allocation:
    """The best allocation. Raises NotSolved when there is none to be had in time.

    Where the solver's time ran out, the ``former`` allocation of the learner is kept if it is as good an answer to what
    is asked now. It may have been given before some lot, waiver or pin came or went.
    """
    ordered = in_preference(programme, lots)
    if count_ways(programme.requirements) <= CHOICES_MAX:
        found = _best_way(programme, ordered, pins)
    else:
        problem = pose_whole(programme, ordered, pins.lots)
        found = _answer(programme, problem, _checked(problem, solve(problem)))
    if not found.is_best and former is not None:
        kept = _still(programme, ordered, pins, former)
        if kept is not None and kept.merit <= found.merit:
            return kept
    return found


def _still(programme: Programme, lots: Sequence[Candidate], pins: Pins, former: Allocation) -> Allocation | None:
    """The former use as an answer to what is asked now, None where it is none: every constraint is asked anew."""
    problem = pose_whole(programme, lots, pins.lots)
    places = {lot.id: place for place, lot in enumerate(problem.lots)}
    numbers = {need.id: number for number, need in enumerate(problem.needs)}
    asked = former.missing.keys()
    if not (former.uses.keys() <= places.keys() and pins.requirements <= asked <= numbers.keys()):
        return None
    solved = Solved(
        [former.uses.get(lot.id, 0) for lot in problem.lots],
        [former.free.get(lot.id, 0) for lot in problem.lots],
        {(places[id_], numbers[requirement]): milli for (id_, requirement), milli in former.shares.items()},
        [need.id in asked for need in problem.needs],
        False,
    )
    return _answer(programme, problem, solved) if not faults_of(problem, solved) else None


def _best_way(programme: Programme, lots: Sequence[Candidate], pins: Pins) -> Allocation:
    best: tuple[tuple[object, ...], Problem, Solved] | None = None
    is_best = True
    for number, applying in enumerate(ways_through(programme.requirements)):
        if not pins.requirements <= _named(programme, applying):
            continue
        problem = pose(programme, applying, lots, pins.lots)
        solved = _solve(problem)
        is_best = is_best and solved.is_best
        merit = (*_merit(problem, solved), [-used for used in solved.used], number)
        if best is None or merit < best[0]:
            best = (merit, problem, solved)
    if best is None:
        raise NotSolved("no way through the requirements has what was chosen")
    _, problem, solved = best
    solved.is_best = is_best
    return _answer(programme, problem, solved)


def _named(programme: Programme, applying: Sequence[Requirement]) -> set[str]:
    return {requirement.id for requirement in applying}


def _merit(problem: Problem, solved: Solved) -> tuple[int, int, int]:
    counted = short = 0
    for number, missing in enumerate(_missing(problem, solved)):
        if solved.applying[number]:
            counted += missing.count
            short += missing.milli
    return counted, short, -sum(solved.used)


def _missing(problem: Problem, solved: Solved) -> list[Missing]:
    counted, given = [0] * len(problem.needs), [0] * len(problem.needs)
    for (_, number), milli in solved.shares.items():
        counted[number] += 1
        given[number] += milli
    return [
        Missing(0, need.count - counted[number]) if need.counts else Missing(need.milli - given[number], 0)
        for number, need in enumerate(problem.needs)
    ]


def _solve(problem: Problem) -> Solved:
    """By flow where that decides, else by the solver."""
    if problem.counting or problem.count_caps or problem.whole or not are_nested(problem.credit_caps):
        return _checked(problem, solve(problem))
    numbers = [number for number, need in enumerate(problem.needs) if need.exclusive]
    amounts = [lot.milli for lot in problem.lots]
    flowed = allocate_by_flow(
        amounts, [problem.needs[n] for n in numbers], problem.credit_caps, problem.total, problem.free
    )
    shares = {(place, numbers[at]): milli for (place, at), milli in flowed.shares.items()}
    for number, need in enumerate(problem.needs):
        if need.exclusive:
            continue
        given = overlay_shares(number, need, flowed.used)
        most = min(need.milli, sum(amounts[place] for place in need.eligible))
        if sum(given.values()) < most:
            # Without this need the use would be another: only the solver can weigh one against the other.
            return _checked(problem, solve(problem))
        shares.update(given)
    return _checked(problem, Solved(flowed.used, flowed.free, shares, [True] * len(problem.needs), True))


def _checked(problem: Problem, solved: Solved) -> Solved:
    """The answer, checked in whole numbers against every constraint. Raises NotSolved."""
    for wrong in faults_of(problem, solved):
        raise NotSolved(wrong)
    return solved


def faults_of(problem: Problem, solved: Solved) -> list[str]:
    """The constraints of section 19 that an answer breaks."""
    wrong = []
    shared: dict[int, int] = {}
    for (place, number), milli in solved.shares.items():
        need, lot = problem.needs[number], problem.lots[place]
        if milli <= 0 or place not in need.eligible or not solved.applying[number]:
            wrong.append(f"{lot.id} may not fill {need.id}")
        if need.counts and milli != lot.milli:
            wrong.append(f"{lot.id} is counted in part")
        if need.exclusive:
            shared[place] = shared.get(place, 0) + milli
        elif milli > solved.used[place]:
            wrong.append(f"{need.id} shares more of {lot.id} than is used")
    for place, lot in enumerate(problem.lots):
        used, free = solved.used[place], solved.free[place]
        if not 0 <= used <= lot.milli or free < 0 or used != free + shared.get(place, 0):
            wrong.append(f"{lot.id} is not shared out as it is used")
        if problem.whole and used not in {0, lot.milli}:
            wrong.append(f"{lot.id} is used in part")
    for missing in _missing(problem, solved):
        if missing.milli < 0 or missing.count < 0:
            wrong.append("a requirement is filled beyond its need")
    wrong += _ill_chosen(problem, solved)
    gated = sum(
        need.milli
        for number, need in enumerate(problem.needs)
        if need.gate is not None and need.exclusive and solved.applying[number]
    )
    if sum(solved.free) > problem.free - gated or sum(solved.used) > problem.total:
        wrong.append("more is used than the award has room for")
    for cap in problem.credit_caps:
        if sum(solved.used[place] for place in cap.lots) > cap.milli:
            wrong.append(f"more is used than the cap {cap.id} allows")
    for counted in problem.count_caps:
        decisions = {problem.lots[place].decision for place in counted.lots if solved.used[place]}
        if len(decisions) > counted.count:
            wrong.append(f"more are used than the cap {counted.id} allows")
    return wrong


def _ill_chosen(problem: Problem, solved: Solved) -> Iterator[str]:
    """The groups of which not as many parts apply as they ask for, or some although the group does not apply."""
    applies = {need.gate: solved.applying[number] for number, need in enumerate(problem.needs)}
    # The parts of a group stand behind it.
    for number, gate in reversed(list(enumerate(problem.gates))):
        if gate.parts:
            chosen = sum(applies[part] for part in gate.parts)
            applies[number] = chosen > 0
            if chosen not in {0, gate.n}:
                yield "a group has not as many parts as it asks for"
        if gate.is_open and not applies[number]:
            yield "something that always applies does not"


# --- The answer -------------------------------------------------------------------------------------------------------


def _answer(programme: Programme, problem: Problem, solved: Solved) -> Allocation:
    lots, needs = problem.lots, problem.needs
    recognised = sum(solved.used)
    missing = {
        need.id: one
        for number, (need, one) in enumerate(zip(needs, _missing(problem, solved), strict=True))
        if solved.applying[number]
    }
    return Allocation(
        programme.id,
        problem.total,
        recognised,
        missing,
        {lots[place].id: used for place, used in enumerate(solved.used) if used},
        {(lots[place].id, needs[number].id): milli for (place, number), milli in solved.shares.items()},
        {lots[place].id: milli for place, milli in enumerate(solved.free) if milli},
        [_idle(problem, solved, recognised, place) for place, lot in enumerate(lots) if solved.used[place] < lot.milli],
        solved.is_best,
    )


def _idle(problem: Problem, solved: Solved, recognised: int, place: int) -> Idle:
    """The first thing that stands in the way of using more of a lot: a cap, the total, or that all it fits is full."""
    lot = problem.lots[place]
    rest = lot.milli - solved.used[place]
    if saturated := _saturated(problem, solved, place):
        return Idle(lot.id, rest, "cap", saturated)
    if recognised >= problem.total:
        return Idle(lot.id, rest, "total", ())
    if problem.whole:
        return Idle(lot.id, rest, "whole", ())
    full = tuple(
        need.id for number, need in enumerate(problem.needs) if solved.applying[number] and place in need.eligible
    )
    return Idle(lot.id, rest, "full", full)


def _saturated(problem: Problem, solved: Solved, place: int) -> tuple[str, ...]:
    def is_full(cap: CreditCap) -> bool:
        return sum(solved.used[other] for other in cap.lots) >= cap.milli

    names = [cap.id for cap in problem.credit_caps if place in cap.lots and is_full(cap)]
    for counted in problem.count_caps:
        decisions = {problem.lots[other].decision for other in counted.lots if solved.used[other]}
        mine = problem.lots[place].decision
        if place in counted.lots and mine not in decisions and len(decisions) >= counted.count:
            names.append(counted.id)
    return tuple(names)
