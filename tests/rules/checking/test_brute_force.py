"""The checks against brute force: every achievement that the tests of small documents can tell apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.fact import Assurance, Fact
from tests.rules.checking.asking import facts_of, parsed, takes, version_of

SCALES = {"us": {"grades": {"A": 4, "B": 3, "C": 2}}, "pct": {"grades": {}}}
BLOCKS: dict[str, Any] = {
    "scales": SCALES,
    "levels": {"eqf": {"low": 3, "high": 5}},
    "registers": {"own": {"entries": [{"provider": "cn", "code": "X"}, {"provider": "us/a", "until": "2022-01-01"}]}},
    "groups": {"best": {"hit": "best_for_learner"}, "plain": {}},
}

_RANGES = [{"min": 10}, {"below": 10}, {"min": 10, "below": 20}, {"min": 20}, {"below": 30}]
TESTS = [
    {"fact": "hours", "op": "<", "value": 10},
    {"fact": "hours", "op": "exists", "value": False},
    {"fact": "hours", "op": "!=", "value": 10},
    {"fact": "code", "op": "not_in", "value": ["X", "Y"]},
    {"fact": "code", "op": "==", "value": "X"},
    {"fact": "provider", "op": "under", "value": "cn/cq"},
    {"fact": "provider", "op": "==", "value": "cn"},
    {"fact": "grade", "op": ">=", "value": 3},
    {"fact": "level", "op": "<", "value": 5},
    {"fact": "level", "op": "!=", "value": 3},
    {"fact": "completed", "op": ">", "value": "2022-01-01"},
    {"fact": "assurance", "op": "in", "value": ["self", "signed"]},
    {"fact": "months", "op": ">=", "value": 12},
    {"fact": "months", "op": "==", "value": 12},
    {"fact": "category", "op": "exists"},
]

FIELDS: dict[str, list[Any]] = {
    "kind": ["course", "mooc", ["course", "mooc"]],
    "provider": ["cn", "cn/cq", "us", ["cn/cq", "us/a"]],
    "code": ["X", "Y", ["X", "Y"]],
    "category": ["maths", "maths/algebra"],
    "grade": [
        {"scale": "us", "min": 3},
        {"scale": "us", "below": 3},
        {"scale": "pct", "min": 3},
        {"scale": "us", "min": 2},
    ],
    "hours": _RANGES,
    "level": [{"min": 4}, {"below": 4}],
    "assurance": ["provider", "signed"],
    "tags": ["t", ["t", "u"]],
    "accredited": ["own"],
    "age": [{"max": "P1Y"}, {"max": "P3Y", "at": "applied"}, {"max": "P12M"}],
}

_PLAIN: st.SearchStrategy[dict[str, Any]] = st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: st.sampled_from(FIELDS[name]) for name in names})
)
_CONDITIONS = st.recursive(
    st.sampled_from(TESTS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)


def _with_where(both: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    return {**both[0], "where": both[1]}


_ASKING: st.SearchStrategy[dict[str, Any]] = st.one_of(_PLAIN, st.tuples(_PLAIN, _CONDITIONS).map(_with_where))

OUTCOMES: list[dict[str, Any]] = [
    {"grant": [{"credits": {"fixed": 1}}]},
    {"grant": [{"credits": {"fixed": 2}}]},
    {"effect": "deny"},
    {"grant": [{"unit": "blanket:x", "credits": {"fixed": 1}}]},
]


def _rules(matchers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {"match": matchers, "priority": st.integers(0, 1), "outcome": st.sampled_from(OUTCOMES)},
        optional={"from": st.just("2022-01-01"), "until": st.just("2022-01-01")},
    ).filter(lambda rule: not {"from", "until"} <= rule.keys())

    def numbered(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"id": f"r{n}", **rule["outcome"], **{key: rule[key] for key in rule if key != "outcome"}}
            for n, rule in enumerate(rules)
        ]

    return st.lists(one, min_size=2, max_size=4).map(numbered)


@lru_cache
def achievements() -> list[Fact]:
    """One achievement of each sort; every value that a test could tell from another is among them.

    Facts vary three at a time and not all at once, which would be millions; a fifth of these is enough.
    """
    values: dict[str, list[Any]] = {
        "kind": ["course", "mooc", "other"],
        "provider": ["cn", "cn/cq", "cn/cq/x", "us/a", "us", "fr"],
        "code": [None, "X", "Y", "Z"],
        "category": [None, "maths", "maths/algebra", "arts"],
        "grade": [None, ("us", "A"), ("us", "C"), ("pct", "2"), ("pct", "3"), ("us", "B")],
        "hours": [None, Fraction(5), Fraction(10), Fraction(15), Fraction(25), Fraction(40)],
        "level": [(), (("eqf", "low"),), (("eqf", "high"),)],
        "assurance": list(Assurance),
        "tags": [frozenset(), frozenset({"t"}), frozenset({"t", "u"})],
        "completed": [date(2021, 6, 1), date(2022, 1, 1), date(2023, 6, 1)],
        "days": [0, 500, 2000],
        "facts": [(), (("months", 6),), (("months", 12),), (("months", 24),)],
    }
    names = sorted(values)
    made = []
    for first, second, third in product(names, names, names):
        if not first < second < third:
            continue
        for base in (0, -1):
            for chosen in product(values[first], values[second], values[third]):
                stated = {name: values[name][base] for name in names}
                stated |= {first: chosen[0], second: chosen[1], third: chosen[2]}
                later = date.fromordinal(stated["completed"].toordinal() + stated.pop("days"))
                made.append(Fact("a", submitted=later, applied=later, **stated))
    return list(dict.fromkeys(made))[::5]


@settings(max_examples=60, deadline=None)
@given(rules=_rules(_ASKING))
def test_clashes_are_those_that_brute_force_finds(rules: list[dict[str, Any]]) -> None:
    document = parsed(*rules, **BLOCKS)
    version = version_of(document)
    told: dict[frozenset[str], str] = {}
    for verdict in examine_documents([document]):
        if verdict.code in {"E2", "W2", "W9"}:
            told[frozenset(verdict.rules)] = verdict.code
        if verdict.code in {"E2", "W2", "W7"}:
            (fact,) = facts_of(verdict)
            assert all(takes(version, id_, fact) for id_ in verdict.rules), (verdict, fact)
    facts = [fact for fact in achievements() if version.governs(version.governing(fact))]
    taken = {rule.id: {n for n, fact in enumerate(facts) if rule.holds(fact)} for rule in version.rules}
    for one in rules:
        for other in rules:
            if (
                one["id"] < other["id"]
                and one["priority"] == other["priority"]
                and taken[one["id"]] & taken[other["id"]]
            ):
                assert frozenset((one["id"], other["id"])) in told, facts[min(taken[one["id"]] & taken[other["id"]])]


@settings(max_examples=60, deadline=None)
@given(rules=_rules(_ASKING))
def test_a_rule_said_to_be_shadowed_decides_nothing(rules: list[dict[str, Any]]) -> None:
    document = parsed(*rules, **BLOCKS)
    version = version_of(document)
    shadowed = [verdict for verdict in examine_documents([document]) if verdict.code == "E3"]
    for verdict in shadowed:
        for fact in achievements():
            if version.governs(version.governing(fact)):
                first = version.scan(fact)
                assert first is None or first.id != verdict.rules[0], (verdict, fact)
        for fact in facts_of(verdict):
            assert takes(version, verdict.rules[0], fact)


@settings(max_examples=60, deadline=None)
@given(rules=_rules(_PLAIN))
def test_a_rule_inside_a_higher_one_is_said_to_be_shadowed(rules: list[dict[str, Any]]) -> None:
    document = parsed(*rules, **BLOCKS)
    version = version_of(document)
    found = examine_documents([document])
    shadowed = {verdict.rules[0] for verdict in found if verdict.code == "E3"}
    clashing = {id_ for verdict in found if verdict.code in {"E2", "W2"} for id_ in verdict.rules}
    by_id = {rule["id"]: rule for rule in rules}
    for lower in rules:
        for upper in rules:
            inside = (
                upper["match"].items() <= lower["match"].items() and not {"from", "until"} & by_id[upper["id"]].keys()
            )
            possible = any(takes(version, lower["id"], fact) for fact in achievements())
            if inside and possible and upper["priority"] > lower["priority"]:
                assert lower["id"] in shadowed or lower["id"] in clashing


@settings(max_examples=60, deadline=None)
@given(base=_ASKING, exception=_ASKING)
def test_an_exception_reaches_outside_exactly_where_brute_force_finds_it(
    base: dict[str, Any], exception: dict[str, Any]
) -> None:
    document = parsed(
        {"id": "base", "match": base, "grant": [{"credits": {"fixed": 1}}]},
        {"id": "exception", "match": exception, "exception_to": "base", "effect": "deny"},
        **BLOCKS,
    )
    version = version_of(document)
    found = {verdict.reason: verdict for verdict in examine_documents([document])}
    outside = [
        fact for fact in achievements() if takes(version, "exception", fact) and not takes(version, "base", fact)
    ]
    if "reaches_outside" in found:
        (fact,) = facts_of(found["reaches_outside"])
        assert takes(version, "exception", fact)
        assert not takes(version, "base", fact)
    elif outside:
        assert "exception_undecided" in found, outside[0]


_SIMPLE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(FIELDS[name]) for name in ("kind", "provider", "code", "hours")}
)
_TOGETHER: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"n": len(parts) - 1, "of": parts}),
    ),
    max_leaves=3,
)


@st.composite
def _entangled(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rules on several achievements, in groups, and exceptions of each other."""
    rules = draw(_rules(_TOGETHER))
    for number, rule in enumerate(rules):
        if number and draw(st.booleans()):
            rule["exception_to"] = rules[draw(st.integers(0, number - 1))]["id"]
        if draw(st.integers(0, 3)) == 0:
            rule["group"] = draw(st.sampled_from(["best", "plain"]))
    return rules


@settings(max_examples=50, deadline=None)
@given(rules=_entangled(), seed=st.integers(0, 10**6))
def test_what_is_said_of_entangled_rules_is_what_the_engine_does(rules: list[dict[str, Any]], seed: int) -> None:
    document = parsed(*rules, **BLOCKS)
    version = version_of(document)
    found = examine_documents([document])
    dead = {verdict.rules[0] for verdict in found if verdict.code == "E3"}
    random = Random(seed)
    for size in (1, 2, 3, 5, 8):
        for _ in range(6):
            facts = [replace(fact, key=f"f{n}") for n, fact in enumerate(random.sample(achievements(), size))]
            decided = {
                decision.rule
                for decision in evaluate(facts, [version], date(2025, 1, 1)).decisions
                if decision.effect != "none"
            }
            assert not decided & dead
    plain = {rule["id"]: {key: rule[key] for key in rule if key not in {"exception_to", "group"}} for rule in rules}
    for verdict in found:
        facts = facts_of(verdict)
        taking = []
        for id_ in verdict.rules[:2] if facts else ():
            alone = version_of(parsed(plain[id_], **BLOCKS))
            taking.append(any(d.effect != "none" for d in evaluate(facts, [alone], date(2025, 1, 1)).decisions))
        if verdict.code in {"E2", "W2"}:
            assert taking == [True, True], verdict
        if verdict.code == "E4":
            assert taking == [True, False], verdict
