"""Laws of the engine that hold for any rules and any facts (rules/v1 sections 10, 16 and 18)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from creditbank.credits import Credits
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import RuleSetDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.explain import explain_decision, explain_lot
from creditbank.rules.fact import Assurance, Fact
from creditbank.rules.layers import Layered
from creditbank.rules.outcome import Evaluation

START = date(2024, 1, 1)
PATHS = ["cn", "cn/cq", "cn/cqx", "cn/cq/yz", "us"]
KINDS = ["course", "mooc", "exam"]
CODES = ["A", "B", "C"]
CATEGORIES = ["math", "math/algebra", "art"]
NUMBERS = ["0", "1/2", "1", "4/3", "2.5", "3", "29.999", "30", "60"]
ASSURANCES = ["self", "provider", "verified", "signed"]


def some(values: Sequence[str]) -> st.SearchStrategy[Any]:
    """One value or a list of them, as a field of type list takes."""
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, str]:
    """A range that holds something."""
    low, below = sorted(
        draw(st.lists(st.sampled_from(NUMBERS), min_size=2, max_size=2, unique_by=Fraction)), key=Fraction
    )
    return draw(st.sampled_from([{"min": low}, {"below": below}, {"min": low, "below": below}]))


MATCHERS = st.fixed_dictionaries(
    {},
    optional={
        "kind": some(KINDS),
        "provider": some(PATHS),
        "code": some(CODES),
        "category": some(CATEGORIES),
        "level": ranges(),
        "grade": ranges().map(lambda bounds: {"scale": "pct", **bounds}),
        "hours": ranges(),
        "accredited": st.sampled_from(["niie", "listed"]),
        "assurance": st.sampled_from(ASSURANCES),
    },
)

FORMULAS = st.one_of(
    st.sampled_from(["0", "1", "1.5", "4"]).map(lambda value: {"fixed": value}),
    st.fixed_dictionaries(
        {"native": st.sampled_from(["1", "1/2", "2/3"])},
        optional={
            "at_most": st.sampled_from(["1", "2.2"]),
            "at_least": st.sampled_from(["0.5", "1"]),
            "round": st.sampled_from(["down", "half_up", "half_even"]),
        },
    ),
    st.fixed_dictionaries({"per_hour": st.sampled_from(["30", "0.7"])}, optional={"step": st.just("0.25")}),
)

GRANTS = st.fixed_dictionaries(
    {"credits": FORMULAS},
    optional={
        "unit": st.sampled_from(["U", "V", "blanket:art"]),
        "level": st.sampled_from(["none", 3]),
        "grade": st.just("pass"),
    },
)

RULES = st.lists(
    st.fixed_dictionaries(
        {"match": MATCHERS, "grant": st.lists(GRANTS, min_size=1, max_size=3), "priority": st.integers(-1, 2)}
    ),
    max_size=8,
).map(lambda rules: [{"id": f"r{index}", **rule} for index, rule in enumerate(rules)])


@st.composite
def documents(draw: st.DrawFn, version: int = 1) -> dict[str, Any]:
    """A document as plain values; of two versions the second begins in the middle of the facts' days."""
    middle = (START + timedelta(days=5)).isoformat()
    header: dict[str, Any] = {
        "lcb": "rules/v1",
        "id": "town",
        "version": version,
        "from": START.isoformat() if version == 1 else middle,
        "unit": {"code": "CR", "step": "1/2", "round": draw(st.sampled_from(["down", "half_up", "half_even"]))},
        "clock": {"recognition": draw(st.sampled_from(["completed", "submitted"]))},
    }
    if version == 1:
        header["until"] = middle
    document: dict[str, Any] = {
        "ruleset": header,
        "recognition": draw(RULES),
        "scales": {"pct": {"grades": {}}},
        "levels": {"eqf": {"3": 3, "4": 4}, "nvq": {"2": 1, "3": 3}},
        "registers": {"niie": {"external": True}, "listed": {"entries": [{"provider": "cn/cq", "code": "A"}]}},
    }
    if keep := draw(st.sampled_from([None, "best", "latest", "first"])):
        document["unique"] = {"keep": keep}
    return document


def numbers() -> st.SearchStrategy[Fraction | None]:
    return st.one_of(st.none(), st.sampled_from(NUMBERS).map(Fraction))


FACTS = st.lists(
    st.builds(
        Fact,
        key=st.integers(0, 99).map(lambda number: f"cn {number}"),
        kind=st.sampled_from(KINDS),
        provider=st.sampled_from(PATHS),
        completed=st.integers(-1, 10).map(lambda days: START + timedelta(days=days)),
        submitted=st.one_of(st.none(), st.integers(0, 12).map(lambda days: START + timedelta(days=days))),
        code=st.one_of(st.none(), st.sampled_from(CODES)),
        unit=st.one_of(st.none(), st.sampled_from(["U", "V"])),
        category=st.one_of(st.none(), st.sampled_from(CATEGORIES)),
        credits=numbers(),
        hours=numbers(),
        grade=st.one_of(st.none(), st.tuples(st.sampled_from(["pct", "us"]), st.sampled_from(["1", "30", "60", "A"]))),
        level=st.sampled_from([(), (("eqf", "3"),), (("eqf", "4"), ("nvq", "2")), (("x", "1"),)]),
        accredited=st.sampled_from([frozenset(), frozenset({"niie"})]),
        assurance=st.sampled_from(Assurance),
    ),
    max_size=8,
    unique_by=lambda fact: fact.key,
)

AS_OF = st.integers(-3, 12).map(lambda days: START + timedelta(days=days))


def read(document: dict[str, Any]) -> RuleSetDocument:
    return read_documents(json.dumps(document), format="json")[0].model


def compiled(document: dict[str, Any]) -> CompiledVersion:
    model = read(document)
    return compile_version(Layered((model,)), sha256=sha256(canonical(model)))


@given(documents(1), documents(2), FACTS, AS_OF, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_of_facts_rules_and_versions_changes_nothing(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date, random: Any
) -> None:
    straight = evaluate(facts, [compiled(first), compiled(second)], as_of)

    random.shuffle(facts)
    random.shuffle(first["recognition"])
    random.shuffle(second["recognition"])

    assert evaluate(facts, [compiled(second), compiled(first)], as_of) == straight


@given(documents(1), documents(2), FACTS, AS_OF)
@settings(max_examples=80, deadline=None)
def test_what_an_evaluation_always_keeps(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date
) -> None:
    evaluation = evaluate(facts, [compiled(first), compiled(second)], as_of)

    every_fact_is_decided_once(evaluation, facts)
    every_lot_adds_up(evaluation)
    every_unit_counts_once(evaluation, [first, second], as_of)
    every_trace_survives_storage_and_explains_itself(evaluation)


def every_fact_is_decided_once(evaluation: Evaluation, facts: list[Fact]) -> None:
    """With one rule set each fact is consumed once, and what is not consumed is said to be so."""
    assert sorted(key for decision in evaluation.decisions for key in decision.binding) == sorted(f.key for f in facts)
    assert all(bool(decision.lots) == (decision.effect == "grant") for decision in evaluation.decisions)


def every_lot_adds_up(evaluation: Evaluation) -> None:
    """Invariant 17: granted = recognised + excess + dropped; and nothing is below zero or off the thousandth."""
    for decision in evaluation.decisions:
        for lot in decision.lots:
            assert Credits.parse(lot.trace["granted"]) == lot.recognised + lot.excess + lot.dropped
            assert min(lot.recognised.milli, lot.excess.milli, lot.dropped.milli) >= 0
            assert lot.effective == decision.governing
        assert len({(lot.unit, lot.number) for lot in decision.lots}) == len(decision.lots)


def every_unit_counts_once(evaluation: Evaluation, line: list[dict[str, Any]], as_of: date) -> None:
    """Invariant 18, in the version of the day."""
    in_force = line[1] if as_of >= START + timedelta(days=5) else line[0]
    if "unique" not in in_force:
        return
    counted: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for decision in evaluation.decisions:
        for lot in decision.lots:
            if lot.recognised and not lot.unit.startswith("blanket:"):
                counted[lot.unit].add(decision.binding)
    assert all(len(bindings) == 1 for bindings in counted.values())


def every_trace_survives_storage_and_explains_itself(evaluation: Evaluation) -> None:
    """A trace is JSON through and through, and has no day of evaluation in it."""
    for decision in evaluation.decisions:
        for trace in (decision.trace, *(lot.trace for lot in decision.lots)):
            assert json.loads(json.dumps(trace)) == trace
        for language in ("en", "zh"):
            assert explain_decision(decision, language)
            assert all(explain_lot(lot.trace, language) for lot in decision.lots)


@given(documents(1), documents(2), FACTS)
@settings(max_examples=40, deadline=None)
def test_the_day_of_evaluation_shows_in_no_trace_that_it_does_not_change(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact]
) -> None:
    line = [compiled(first), compiled(second)]

    assert evaluate(facts, line, date(2024, 2, 1)).decisions == evaluate(facts, line, date(2044, 2, 1)).decisions


@given(documents(1), FACTS)
@settings(max_examples=120, deadline=None)
def test_the_index_changes_nothing(document: dict[str, Any], facts: list[Fact]) -> None:
    version = compiled(document)

    for fact in facts:
        assert version.first_match(fact) is version.scan(fact)
        if version.scan(fact) is None:
            assert version.nearest(fact) == version.scan_nearest(fact)


@given(documents(1))
@settings(max_examples=60, deadline=None)
def test_the_canonical_form_of_a_canonical_form_is_itself(document: dict[str, Any]) -> None:
    model = read(document)
    again = read_documents(canonical(model), format="json")[0].model

    assert again == model
    assert canonical(again) == canonical(model)


@given(
    st.fractions(0, 1000, max_denominator=1000),
    st.fractions(Fraction(1, 100), 10, max_denominator=100),
    st.integers(1, 3000),
    st.sampled_from(["down", "half_up", "half_even"]),
)
@settings(max_examples=60, deadline=None)
def test_rounding_is_to_the_nearest_step_that_the_mode_allows(
    own: Fraction, factor: Fraction, step_milli: int, mode: str
) -> None:
    step = Fraction(step_milli, 1000)
    version = compiled(
        {
            "ruleset": {
                "lcb": "rules/v1",
                "id": "town",
                "version": 1,
                "from": START.isoformat(),
                "unit": {"code": "CR", "step": str(step), "round": mode},
            },
            "recognition": [{"id": "r", "match": {}, "grant": [{"credits": {"native": str(factor)}}]}],
        }
    )
    fact = Fact("a", "course", "cn", START, credits=own)

    (decision,) = evaluate([fact], [version], START).decisions
    result = Fraction(decision.lots[0].recognised.milli, 1000)

    exact = own * factor
    assert (result / step).denominator == 1
    if mode == "down":
        assert result <= exact < result + step
    else:
        assert abs(result - exact) * 2 <= step
        if abs(result - exact) * 2 == step:
            assert result > exact if mode == "half_up" else (result / step) % 2 == 0
