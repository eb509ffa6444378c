"""The checks against brute force: every achievement that the tests of small documents can tell apart."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.fact import Assurance, Fact
from tests.rules.checking.asking import facts_of, parsed, takes, version_of

from hypothesis import Phase

PH = (Phase.explicit, Phase.generate)
SCALES = {"us": {"grades": {"A": 4, "B": 3, "C": 2}}, "pct": {"grades": {}}}
BLOCKS: dict[str, Any] = {
    "scales": SCALES,
    "levels": {"eqf": {"low": 3, "high": 5}},
    "registers": {"own": {"entries": [{"provider": "cn", "code": "X"}, {"provider": "us/a", "until": "2022-01-01"}]}},
    "groups": {"best": {"hit": "best_for_learner"}},
}

_RANGES = [{"min": 10}, {"below": 10}, {"min": 10, "below": 20}, {"min": 20}, {"below": 30}]
_TESTS = [
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

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["course", "mooc", ["course", "mooc"]]),
    "provider": st.sampled_from(["cn", "cn/cq", "us", ["cn/cq", "us/a"]]),
    "code": st.sampled_from(["X", "Y", ["X", "Y"]]),
    "category": st.sampled_from(["maths", "maths/algebra"]),
    "grade": st.sampled_from(
        [{"scale": "us", "min": 3}, {"scale": "us", "below": 3}, {"scale": "pct", "min": 3}, {"scale": "us", "min": 2}]
    ),
    "hours": st.sampled_from(_RANGES),
    "level": st.sampled_from([{"min": 4}, {"below": 4}]),
    "assurance": st.sampled_from(["provider", "signed"]),
    "tags": st.sampled_from(["t", ["t", "u"]]),
    "accredited": st.just("own"),
    "age": st.sampled_from([{"max": "P1Y"}, {"max": "P3Y", "at": "applied"}, {"max": "P12M"}]),
}

_PLAIN = st.lists(st.sampled_from(sorted(_FIELDS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _FIELDS[name] for name in names})
)
_CONDITIONS = st.recursive(
    st.sampled_from(_TESTS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)
_ASKING = st.one_of(_PLAIN, st.tuples(_PLAIN, _CONDITIONS).map(lambda both: {**both[0], "where": both[1]}))

_OUTCOMES = [
    {"grant": [{"credits": {"fixed": 1}}]},
    {"grant": [{"credits": {"fixed": 2}}]},
    {"effect": "deny"},
    {"grant": [{"unit": "blanket:x", "credits": {"fixed": 1}}]},
]


def _rules(matchers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {"match": matchers, "priority": st.integers(0, 1), "outcome": st.sampled_from(_OUTCOMES)},
        optional={"from": st.just("2022-01-01"), "until": st.just("2022-01-01")},
    ).filter(lambda rule: not {"from", "until"} <= rule.keys())
    return st.lists(one, min_size=2, max_size=4).map(
        lambda rules: [{"id": f"r{n}", **rule.pop("outcome"), **rule} for n, rule in enumerate(map(dict, rules))]
    )


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


@settings(max_examples=500, deadline=None, phases=PH)
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


@settings(max_examples=500, deadline=None, phases=PH)
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
            first = version.scan(fact)
            assert first is not None
            assert first.id in verdict.rules[1:] or first.priority > 0


@settings(max_examples=500, deadline=None, phases=PH)
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


@settings(max_examples=500, deadline=None, phases=PH)
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
