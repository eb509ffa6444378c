"""The best use of lots for a programme, against every use of small cases and against the solver (section 19)."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from creditbank.rules.allocate import allocation
from creditbank.rules.allocate.allocation import Allocation, Pins, allocate, faults_of
from creditbank.rules.allocate.flow import allocate_by_flow, are_nested
from creditbank.rules.allocate.problem import (
    Candidate,
    Need,
    Problem,
    count_ways,
    fits,
    in_preference,
    pose,
    ways_through,
)
from creditbank.rules.allocate.solver import NotSolved, Solved, overlay_shares, solve
from creditbank.rules.document import read_documents
from creditbank.rules.language.programmes import Programme, Requirement

DAY = date(2024, 1, 1)


def programme(total: str, requirements: Sequence[Mapping[str, Any]] = (), **others: Any) -> Programme:
    """A programme as a document has it."""
    header = {"lcb": "rules/v1", "id": "t", "version": 1, "from": "2020-01-01", "unit": {"code": "CR"}}
    plain = {"id": "p", "total": total, "requirements": list(requirements), **others}
    text = json.dumps({"ruleset": header, "programmes": [plain]})
    return read_documents(text, format="json")[0].model.programmes[0]


def lot(id_: str, credits_: int, **others: Any) -> Candidate:
    """A lot of whole credits."""
    known: dict[str, Any] = {
        "unit": id_,
        "kind": "course",
        "provider": "own",
        "category": None,
        "level": None,
        "decision": id_,
        "expires": None,
        "completed": DAY,
        "achievements": (id_,),
        **others,
    }
    return Candidate(id_, credits_ * 1000, **known)


def uses(found: Allocation) -> dict[str, int]:
    """Whole credits used, by lot."""
    return {id_: milli // 1000 for id_, milli in found.uses.items()}


def missing(found: Allocation) -> dict[str, int]:
    """Whole credits, or lots, still missing."""
    return {id_: one.milli // 1000 + one.count for id_, one in found.missing.items()}


MATHS = {"id": "maths", "need": {"credits": 6}, "category": "maths"}
ARTS = {"id": "arts", "need": {"credits": 6}, "category": "arts"}
ANY = {"id": "any", "need": {"credits": 6}}
OWN = {"id": "own", "need": {"credits": 6}, "provider": "own", "exclusive": False}

M, A = {"category": "maths"}, {"category": "arts"}

CASES: list[tuple[str, Programme, list[Candidate], dict[str, int], dict[str, int]]] = [
    ("nothing earned", programme("12", [MATHS]), [], {}, {"maths": 6}),
    ("one requirement filled, the surplus in free electives",
     programme("10", [MATHS]), [lot("a", 8, **M)], {"a": 8}, {"maths": 0}),
    ("a surplus of electives stands in for no major",
     programme("10", [MATHS]), [lot("a", 8, **A)], {"a": 4}, {"maths": 6}),
    ("a requirement of one unit", programme("6", [{"id": "u", "need": {"credits": 6}, "unit": ["b", "c"]}]),
     [lot("a", 6), lot("b", 4)], {"b": 4}, {"u": 2}),
    ("no need is filled beyond itself", programme("6", [MATHS]), [lot("a", 8, **M)], {"a": 6}, {"maths": 0}),
    ("a flexible lot makes room for a bound one",
     programme("12", [ANY, MATHS]), [lot("a", 6, **M), lot("b", 6, **A)], {"a": 6, "b": 6}, {"any": 0, "maths": 0}),
    ("what expires first is used first",
     programme("6", [ANY]), [lot("a", 6), lot("b", 6, expires=DAY)], {"b": 6}, {"any": 0}),
    ("the older first where nothing expires",
     programme("6", [ANY]), [lot("a", 6, completed=DAY + timedelta(1)), lot("b", 6)], {"b": 6}, {"any": 0}),
    ("the highest level where that is preferred",
     programme("6", [ANY], prefer=["highest_level"]), [lot("a", 6, level=4), lot("b", 6, level=6), lot("c", 6)],
     {"b": 6}, {"any": 0}),
    ("a filled need beats a lot that expires",
     programme("6", [MATHS]), [lot("a", 6, expires=DAY, **A), lot("b", 6, **M)], {"b": 6}, {"maths": 0}),
    ("a cap on transferred credits",
     programme("12", caps=[{"id": "away", "provider_not": "own", "credits_at_most": 4}]),
     [lot("a", 9, provider="x"), lot("b", 5)], {"a": 4, "b": 5}, {}),
    ("a share is rounded down to the thousandth",
     programme("10", caps=[{"id": "half", "provider_not": "own", "share_at_most": "1/2"}]),
     [lot("a", 9, provider="x"), lot("b", 9)], {"a": 5, "b": 5}, {}),
    ("one cap for each provider",
     programme("20", caps=[{"id": "each", "by": "provider", "credits_at_most": 5}]),
     [lot("a", 9, provider="x"), lot("b", 9, provider="y"), lot("c", 3, provider="y")],
     {"a": 5, "b": 5}, {}),
    ("a cap inside a cap",
     programme("20", caps=[{"id": "away", "provider_not": "own", "credits_at_most": 6},
                           {"id": "x", "provider": "x", "credits_at_most": 2}]),
     [lot("a", 9, provider="x"), lot("b", 9, provider="y")], {"a": 2, "b": 4}, {}),
    ("a lot that fills a cap early may not block a better one",
     programme("12", [MATHS, ARTS], caps=[{"id": "away", "provider_not": "own", "credits_at_most": 6}]),
     [lot("a", 6, provider="x", **M), lot("b", 6, provider="x", **A), lot("c", 6, **M)],
     {"b": 6, "c": 6}, {"maths": 0, "arts": 0}),
    ("an overlay shares with what it overlaps",
     programme("12", [MATHS, OWN]), [lot("a", 6, **M), lot("b", 6, provider="x")], {"a": 6, "b": 6},
     {"maths": 0, "own": 0}),
    ("an overlay that would be short moves the use",
     programme("6", [ANY, OWN]), [lot("a", 6, provider="x", expires=DAY), lot("b", 6)], {"b": 6}, {"any": 0, "own": 0}),
    ("an overlay that nothing can fill",
     programme("12", [MATHS, OWN]), [lot("a", 8, provider="x", **M)], {"a": 8}, {"maths": 0, "own": 6}),
    ("a count takes whole lots",
     programme("12", [{"id": "three", "need": {"count": 3}}]), [lot("a", 2), lot("b", 2)],
     {"a": 2, "b": 2}, {"three": 1}),
    ("a count takes no more than it needs, and the rest is free",
     programme("12", [{"id": "one", "need": {"count": 1}, "category": "maths"}]),
     [lot("a", 4, **M), lot("b", 5, **M)], {"a": 4, "b": 5}, {"one": 0}),
    ("at most two certificates",
     programme("12", caps=[{"id": "two", "kind": "certificate", "count_at_most": 2}]),
     [lot("a", 1, kind="certificate"), lot("b", 3, kind="certificate"), lot("c", 4, kind="certificate"), lot("d", 1)],
     {"b": 3, "c": 4, "d": 1}, {}),
    ("the lots of one decision count once",
     programme("12", caps=[{"id": "one", "kind": "certificate", "count_at_most": 1}]),
     [lot("a", 2, kind="certificate", decision="d"), lot("b", 2, kind="certificate", decision="d"),
      lot("c", 3, kind="certificate")], {"a": 2, "b": 2}, {}),
    ("whole lots or none",
     programme("10", whole="lots"), [lot("a", 6), lot("b", 5), lot("c", 5)], {"b": 5, "c": 5}, {}),
    ("the alternative that is best filled",
     programme("6", [{"id": "g", "n": 1, "of": [MATHS, ARTS]}]), [lot("a", 6, **A)], {"a": 6}, {"arts": 0}),
    ("the earlier alternative where both are as good",
     programme("6", [{"id": "g", "n": 1, "of": [MATHS, ARTS]}]), [], {}, {"maths": 6}),
    ("two of three, one of them a group",
     programme("20", [{"id": "g", "n": 2, "of": [MATHS, {"id": "both", "all": [ARTS, {**ANY, "id": "rest"}]},
                                                 {"id": "ict", "need": {"credits": 6}, "category": "ict"}]}]),
     [lot("a", 6, **A), lot("b", 6), lot("c", 6, category="ict")], {"a": 6, "b": 6, "c": 6},
     {"arts": 0, "rest": 0, "ict": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wanted", "lots", "used", "lacking"), CASES, ids=[case[0] for case in CASES])
def test_the_best_use(
    name: str, wanted: Programme, lots: list[Candidate], used: dict[str, int], lacking: dict[str, int]
) -> None:
    for order in itertools.islice(itertools.permutations(lots), 24):
        found = allocate(wanted, order)

        assert (uses(found), missing(found)) == (used, lacking), name


@pytest.mark.parametrize(("category", "passes"), [("maths", True), ("maths/algebra", True), ("arts", False)])
def test_a_lot_passes_a_filter(category: str, passes: bool) -> None:
    (maths,) = programme("6", [MATHS]).requirements

    assert isinstance(maths, Requirement)
    assert fits(maths, lot("a", 6, category=category)) is passes


def test_a_pinned_lot_fills_only_what_it_is_pinned_to() -> None:
    wanted = programme("12", [MATHS, ANY])
    free = allocate(wanted, [lot("a", 6, **M)])
    pinned = allocate(wanted, [lot("a", 6, **M)], pins=Pins({"a": "any"}))

    assert missing(free) == {"maths": 0, "any": 6}
    assert missing(pinned) == {"maths": 6, "any": 0}


def test_a_pinned_alternative_applies() -> None:
    wanted = programme("6", [{"id": "g", "n": 1, "of": [MATHS, ARTS]}])

    assert missing(allocate(wanted, [lot("a", 6, **M)], pins=Pins(requirements=frozenset({"arts"})))) == {"arts": 6}


def test_what_no_way_through_the_requirements_has_cannot_be_chosen() -> None:
    wanted = programme("6", [{"id": "g", "n": 1, "of": [MATHS, ARTS]}])

    with pytest.raises(NotSolved, match="no way"):
        allocate(wanted, [lot("a", 6, **M)], pins=Pins(requirements=frozenset({"maths", "arts"})))


@pytest.mark.parametrize(
    ("total", "credits_", "is_complete"),
    [("6", (6,), True), ("6", (5,), False), ("8", (6,), False), ("8", (6, 2), True), ("8", (6, 1), False)],
)
def test_an_award_is_complete_when_every_requirement_is_met_and_the_total_reached(
    total: str, credits_: tuple[int, ...], is_complete: bool
) -> None:
    lots = [lot(f"l{n}", one, **(A if n else M)) for n, one in enumerate(credits_)]

    assert allocate(programme(total, [MATHS]), lots).is_complete is is_complete


def test_why_a_lot_lies_idle() -> None:
    wanted = programme("12", [MATHS, ARTS], caps=[{"id": "x", "provider": "x", "credits_at_most": 2}])
    found = allocate(wanted, [lot("a", 4, provider="x", **M), lot("b", 9, **A), lot("c", 6, **M)])

    assert [(idle.lot, idle.milli // 1000, idle.reason, idle.names) for idle in found.idle] == [
        ("a", 2, "cap", ("x",)),
        ("b", 3, "total", ()),
        ("c", 2, "total", ()),
    ]


# --- Against everything that is possible ------------------------------------------------------------------------------


def everything(problem: Problem, step: int) -> Iterator[tuple[tuple[Any, ...], Solved]]:
    """Every allocation in whole steps, with how good it is."""
    exclusive = [number for number, need in enumerate(problem.needs) if need.exclusive]
    choices = []
    for place, one in enumerate(problem.lots):
        spots = [n for n in exclusive if place in problem.needs[n].eligible and not problem.needs[n].counts]
        counted = [n for n in exclusive if place in problem.needs[n].eligible and problem.needs[n].counts]
        parts = []
        for split in itertools.product(range(0, one.milli + 1, step), repeat=len(spots) + 1):
            for counting in itertools.product((0, 1), repeat=len(counted)):
                whole = sum(counting) * one.milli
                if sum(split) + whole <= one.milli:
                    given = {(place, n): milli for n, milli in zip(spots, split, strict=False) if milli}
                    given |= {(place, n): one.milli for n, yes in zip(counted, counting, strict=True) if yes}
                    parts.append((sum(split) + whole, split[-1], given))
        choices.append(parts)
    for chosen in itertools.product(*choices):
        used, free = [part[0] for part in chosen], [part[1] for part in chosen]
        shares = {key: milli for part in chosen for key, milli in part[2].items()}
        for number, need in enumerate(problem.needs):
            if not need.exclusive:
                shares |= overlay_shares(number, need, used)
        solved = Solved(used, free, shares, [True] * len(problem.needs), True)
        if not faults_of(problem, solved):
            yield merit_of(problem, solved), solved


def merit_of(problem: Problem, solved: Solved) -> tuple[Any, ...]:
    """The objectives one after another, the least the best."""
    counted = short = 0
    for number, need in enumerate(problem.needs):
        given = [milli for (_, of), milli in solved.shares.items() if of == number]
        if need.counts:
            counted += need.count - len(given)
        else:
            short += need.milli - sum(given)
    shares = [
        -solved.shares.get((place, number), 0)
        for place in range(len(problem.lots))
        for number in range(len(problem.needs))
    ]
    return counted, short, -sum(solved.used), [-used for used in solved.used], shares


def small(random: Random, *, with_counts: bool) -> tuple[Programme, list[Candidate]]:
    """A small case in whole credits."""
    categories, providers = ("maths", "arts"), ("own", "x")
    requirements: list[dict[str, Any]] = []
    for number in range(random.randint(0, 2)):
        one: dict[str, Any] = {"id": f"r{number}", "need": {"credits": random.randint(1, 3)}}
        if random.random() < 0.7:
            one["category"] = random.choice(categories)
        if random.random() < 0.3:
            one["exclusive"] = False
        if random.random() < 0.3:
            one["provider"] = "own"
        if with_counts and one.get("exclusive", True) and random.random() < 0.3:
            one["need"] = {"count": random.randint(1, 2)}
        requirements.append(one)
    caps: list[dict[str, Any]] = []
    if random.random() < 0.5:
        caps.append({"id": "away", "provider_not": "own", "credits_at_most": random.randint(0, 3)})
    if random.random() < 0.4:
        caps.append({"id": "c", "category": random.choice(categories), "credits_at_most": random.randint(1, 3)})
    if with_counts and random.random() < 0.4:
        caps.append({"id": "n", "category": "maths", "count_at_most": 1})
    others = {"whole": "lots"} if with_counts and random.random() < 0.2 else {}
    wanted = programme(str(random.randint(3, 7)), requirements, caps=caps, **others)
    lots = [
        lot(
            f"l{number}",
            random.randint(1, 3),
            category=random.choice(categories),
            provider=random.choice(providers),
            expires=random.choice([None, DAY, DAY + timedelta(1)]),
        )
        for number in range(random.randint(1, 4))
    ]
    return wanted, lots


def test_of_equal_uses_the_earlier_lots_are_counted() -> None:
    """All are used whole in any case: which of them a count takes is decided lot by lot to the last."""
    wanted = programme("12", [{"id": "one", "need": {"count": 1}, **A}, {"id": "three", "need": {"count": 3}}])
    lots = [lot("a", 2, **A), lot("b", 1, **A), lot("c", 3, **M), lot("d", 2, **A), lot("e", 3, **A)]

    shares = allocate(wanted, lots).shares

    assert shares == {("a", "one"): 2000, ("b", "three"): 1000, ("c", "three"): 3000, ("d", "three"): 2000}


@pytest.mark.parametrize("with_counts", [False, True])
def test_no_possible_use_is_better(with_counts: bool) -> None:
    random = Random(7)
    for _ in range(250):
        wanted, lots = small(random, with_counts=with_counts)
        ordered = in_preference(wanted, lots)
        (applying,) = ways_through(wanted.requirements)
        problem = pose(wanted, applying, ordered, {})
        best = min(everything(problem, 1000), key=lambda pair: pair[0])[1]
        found = allocate(wanted, lots)

        assert found.uses == {one.id: used for one, used in zip(ordered, best.used, strict=True) if used}
        wanted_shares = {(ordered[p].id, problem.needs[n].id): milli for (p, n), milli in best.shares.items()}
        assert dict(found.shares) == wanted_shares


def medium(random: Random) -> tuple[Programme, list[Candidate]]:
    """A case of a size that people have, with amounts that are not whole."""
    categories = [f"c{number}" for number in range(6)]
    requirements = []
    for number in range(random.randint(3, 8)):
        fields: dict[str, Any] = {"category": random.sample(categories, random.randint(1, 3))}
        if random.random() < 0.3:
            fields["level"] = {"min": random.randint(2, 5)}
        requirements.append({"id": f"r{number}", "need": {"credits": str(random.randint(2, 20))}, **fields})
    caps = [
        {"id": "away", "provider_not": "own", "credits_at_most": random.randint(5, 40)},
        {"id": "x", "provider": "x", "credits_at_most": random.randint(3, 20)},
    ]
    needed = sum(int(one["need"]["credits"]) for one in requirements)
    wanted = programme(str(needed + random.randint(0, 20)), requirements, caps=caps)
    lots = [
        Candidate(
            f"l{number:02d}",
            random.randint(500, 6000),
            f"u{number}",
            "course",
            random.choice(["own", "x", "y"]),
            random.choice(categories),
            random.randint(1, 6),
            f"d{number}",
            random.choice([None, DAY + timedelta(random.randint(0, 500))]),
            DAY - timedelta(random.randint(0, 900)),
            (f"a{number}",),
        )
        for number in range(random.randint(8, 20))
    ]
    return wanted, lots


@pytest.mark.parametrize("seed", range(20))
def test_the_flow_and_the_solver_agree(seed: int) -> None:
    random = Random(seed)
    for _ in range(10):
        wanted, lots = medium(random)
        (applying,) = ways_through(wanted.requirements)
        problem = pose(wanted, applying, in_preference(wanted, lots), {})
        assert are_nested(problem.credit_caps)
        amounts = [one.milli for one in problem.lots]
        flowed = allocate_by_flow(amounts, problem.needs, problem.credit_caps, problem.total, problem.free)
        solved = solve(problem)

        assert solved.is_best
        assert flowed.used == solved.used
        assert flowed.shares == solved.shares


# --- Out of time ------------------------------------------------------------------------------------------------------

TWO: dict[str, Any] = {"id": "two", "need": {"count": 2}, "category": "maths"}
GROUP: dict[str, Any] = {"id": "g", "n": 1, "of": [{**TWO, "id": "one"}, {**TWO, "id": "other"}]}
ALL: dict[str, Any] = {"id": "h", "all": [TWO, ANY]}
BOTH = [lot("a", 2, **M), lot("b", 2, **M)]

# What was asked when the former answer was given, with which pins; what is asked now, of which lots, with which pins;
# whether the former answer is one to that.
SINCE: list[tuple[str, list[Any], Pins, list[Any], list[Candidate], Pins, bool]] = [
    ("nothing has changed", [TWO], Pins(), [TWO], BOTH, Pins(), True),
    ("a lot has come", [TWO], Pins(), [TWO], [*BOTH, lot("c", 2)], Pins(), True),
    ("a lot has gone", [TWO], Pins(), [TWO], BOTH[:1], Pins(), False),
    ("a lot is less", [TWO], Pins(), [TWO], [BOTH[0], lot("b", 1, **M)], Pins(), False),
    ("a lot is of something else", [TWO], Pins(), [TWO], [BOTH[0], lot("b", 2, **A)], Pins(), False),
    ("what was waived is asked for again", [TWO], Pins(), [TWO, ANY], BOTH, Pins(), False),
    ("something was waived", [TWO, {"id": "gone", "need": {"credits": 4}}], Pins(), [TWO], BOTH, Pins(), False),
    ("a lot was pinned to something else", [TWO, ANY], Pins(), [TWO, ANY], BOTH, Pins({"a": "any"}), False),
    ("a lot was pinned to what it fills", [TWO, ANY], Pins(), [TWO, ANY], BOTH, Pins({"a": "two"}), True),
    ("a pin was taken away", [TWO, ANY], Pins({"a": "two"}), [TWO, ANY], BOTH, Pins(), True),
    ("an alternative was pinned", [GROUP], Pins(), [GROUP], BOTH, Pins(requirements=frozenset({"other"})), False),
    ("its alternative was pinned", [GROUP], Pins(), [GROUP], BOTH, Pins(requirements=frozenset({"one"})), True),
    ("what applies together applies together", [ALL], Pins(), [ALL], BOTH, Pins(), True),
    ("alternatives became requirements", [GROUP], Pins(), GROUP["of"], BOTH, Pins(), False),
    ("a group asks for one more", [GROUP], Pins(), [{**GROUP, "n": 2}], BOTH, Pins(), False),
    ("requirements became alternatives", GROUP["of"], Pins(), [GROUP], BOTH, Pins(), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "chosen", "now", "lots", "pins", "is_kept"),
    [case[1:] for case in SINCE],
    ids=[case[0] for case in SINCE],
)
def test_the_former_answer_is_kept_where_it_answers_what_is_asked_now_and_time_ran_out(
    monkeypatch: pytest.MonkeyPatch,
    before: list[Any],
    chosen: Pins,
    now: list[Any],
    lots: list[Candidate],
    pins: Pins,
    is_kept: bool,
) -> None:
    former = allocate(programme("12", before), BOTH, pins=chosen)

    def in_vain(problem: Problem) -> Solved:
        nothing = [0] * len(problem.lots)
        return Solved(nothing, nothing, {}, [True] * len(problem.needs), False)

    monkeypatch.setattr(allocation, "solve", in_vain)
    found = allocate(programme("12", now), lots, pins=pins, former=former)

    assert former.is_best
    assert former.uses
    assert (found.uses, found.shares) == ((former.uses, former.shares) if is_kept else ({}, {}))
    # Nobody proved that nothing is better now.
    assert not found.is_best


def test_a_former_answer_that_is_worse_than_what_was_found_in_time_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = programme("12", [TWO])
    former = allocate(wanted, BOTH[:1])
    monkeypatch.setattr(allocation, "solve", lambda problem: replace(solve(problem), is_best=False))

    assert allocate(wanted, BOTH, former=former).uses == {"a": 2000, "b": 2000}


def test_ways_are_counted_without_walking_them() -> None:
    leaf = [{"id": f"r{number}", "need": {"credits": 1}} for number in range(30)]
    nested = programme("40", [{"id": "g", "n": 3, "of": [{"id": "h", "n": 1, "of": leaf[:4]}, *leaf[4:8]]}, leaf[9]])

    assert count_ways(nested.requirements) == len(list(ways_through(nested.requirements)))
    assert count_ways(programme("40", [{"id": "g", "n": 15, "of": leaf}]).requirements) == 155117520


def test_many_ways_are_chosen_among_by_the_solver() -> None:
    leaf = [{"id": f"r{number:02d}", "need": {"credits": 2}, "category": f"c{number}"} for number in range(12)]
    wanted = programme("12", [{"id": "g", "n": 6, "of": leaf}])
    assert count_ways(wanted.requirements) == 924

    found = allocate(wanted, [lot(f"l{number}", 2, category=f"c{number}") for number in (1, 3, 5, 7, 11)])

    assert sorted(found.missing) == ["r00", "r01", "r03", "r05", "r07", "r11"]
    assert missing(found) == {"r00": 2, "r01": 0, "r03": 0, "r05": 0, "r07": 0, "r11": 0}
    # What the chosen ones ask for is no room for electives.
    assert uses(allocate(wanted, [lot("a", 2, category="c1"), lot("b", 4)])) == {"a": 2}


def test_an_answer_that_breaks_a_constraint_is_found_out() -> None:
    need = Need("r", 1000, 0, True, (0,))
    problem = Problem((lot("a", 2),), (need,), (), (), 2000, 1000, False)

    for used, free, shares in (
        ([3000], [2000], {(0, 0): 1000}),
        ([2000], [0], {(0, 0): 1000}),
        ([2000], [0], {(0, 0): 2000}),
        ([2000], [2000], {}),
    ):
        assert faults_of(problem, Solved(used, free, shares, [True], True))
        # A part used beyond the lot is found although nothing else is wrong with it.
    assert faults_of(problem, Solved([3000], [2000], {(0, 0): 1000}, [True], True))[0].startswith("a is not shared")
    assert not faults_of(problem, Solved([2000], [1000], {(0, 0): 1000}, [True], True))


def test_more_lots_than_a_cap_counts_are_found_out_by_the_name_of_the_cap() -> None:
    capped = {"caps": [{"id": "few", "count_at_most": 1}]}
    posed = programme("4", **capped)
    problem = pose(posed, (), [lot("a", 2), lot("b", 2)], {})

    both = Solved([2000, 2000], [2000, 2000], {}, [], True)

    assert faults_of(problem, both) == ["more are used than the cap few allows"]


def test_the_solver_prints_nothing() -> None:
    # In a process of its own: the library prints its banner once a process.
    made = "from creditbank.rules.allocate.solver import _Model; _Model(1.0).whole(1)"
    done = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True)

    assert done.stdout + done.stderr == ""
