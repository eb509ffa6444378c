"""Laws of the engine that hold for any rules and any facts (rules/v1 sections 10, 16 and 18)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditbank.credits import Credits
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import RuleSetDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.explain import explain_decision, explain_lot
from creditbank.rules.fact import Assurance, Fact
from creditbank.rules.layers import Layered
from creditbank.rules.outcome import Decision, Evaluation, TargetLot


def examples(number: int) -> settings:
    """So many examples, however busy the machine is."""
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


START = date(2024, 1, 1)
PATHS = ["cn", "cn/cq", "cn/cqx", "cn/cq/yz", "us"]
KINDS = ["course", "mooc", "exam"]
CODES = ["A", "B", "C"]
CATEGORIES = ["math", "math/algebra", "art"]
NUMBERS = ["0", "1/2", "1", "4/3", "2.5", "3", "29.999", "30", "60"]
ASSURANCES = ["self", "provider", "verified", "signed"]
LEARNINGS = ["L", "M"]
TALK = "talk"
HALF_YEARS = (date(2024, 1, 4), date(2024, 1, 9))
WEEK = timedelta(days=7)
BANDS = [["1/2", "1"], ["30", "2.5"], ["60", "4"]]
TABLE = {"A": "2", "B": "0.5"}


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


MONTHS = {"fact": "months", "op": ">=", "value": 12}
CONDITIONS = st.sampled_from(
    [
        MONTHS,
        {"not": MONTHS},
        {"any": [MONTHS, {"fact": "credits", "op": "<", "value": 3}]},
        {"all": [{"fact": "code", "op": "exists"}, {"not": {"fact": "provider", "op": "under", "value": "cn/cq"}}]},
    ]
)

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
        "tags": some(["online", "night"]),
        "age": st.sampled_from([{"max": "P2D"}, {"max": "P0D", "at": "applied"}]),
        "where": CONDITIONS,
    },
)

LOOSE = st.sampled_from(
    [{}, {"code": "A"}, {"code": ["A", "B"]}, {"kind": "course"}, {"provider": "cn"}, {"code": "C"}]
)


def parts(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Combinations of two or three parts."""
    several = st.lists(inside, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda some: {"all": some}),
        several.map(lambda some: {"any": some}),
        st.integers(1, 2).flatmap(lambda n: several.map(lambda some: {"n": n, "of": some})),
    )


COMBINATIONS = parts(st.one_of(LOOSE, LOOSE, parts(LOOSE)))

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
    st.fixed_dictionaries({"bands": st.just(BANDS)}, optional={"at_most": st.just("3")}),
    st.just({"table": "worth", "key": "code"}),
)

GRANTS = st.fixed_dictionaries(
    {"credits": FORMULAS},
    optional={
        "unit": st.sampled_from(["U", "V", "blanket:art"]),
        "category": st.sampled_from(["art", "math"]),
        "level": st.sampled_from(["none", 3]),
        "grade": st.sampled_from(["pass", "conv"]),
    },
)


UNITS: list[dict[str, str]] = [{}, {"unit": "U"}, {"unit": "blanket:art"}]


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rules of every effect; some on combinations, some in a group, some with a pool, some with an exception."""
    written: list[dict[str, Any]] = []
    for index in range(draw(st.integers(0, 6))):
        one: dict[str, Any] = {"id": f"r{index}", "priority": draw(st.integers(-1, 2))}
        one["match"] = draw(st.one_of(MATCHERS, MATCHERS, COMBINATIONS))
        one["effect"] = draw(st.sampled_from(["grant"] * 6 + ["deny", "review", "conditional"]))
        if one["effect"] == "conditional":
            one["condition"] = TALK
        if one["effect"] in {"grant", "conditional"}:
            one["grant"] = draw(st.lists(GRANTS, min_size=1, max_size=3))
        group = draw(st.sampled_from([None, None, None, "best", "in-order"]))
        is_single = not {"all", "any", "n"} & set(one["match"])
        if group is not None:
            one["group"] = group
        elif is_single and draw(st.booleans()):
            for grant in one.get("grant", ()):
                if {"per_hour", "bands"} & set(grant["credits"]):
                    grant["pool"] = {"per": draw(st.sampled_from(["half", "lifetime"]))}
        written.append(one)
        if is_single and "tags" not in one["match"] and draw(st.booleans()):
            match = {**one["match"], "tags": ["online"]}
            exception = {"id": f"x{index}", "match": match, "exception_to": one["id"]}
            written.append({**exception, "grant": [draw(GRANTS)]} | draw(st.sampled_from([{}, {"priority": 1}])))
    if draw(st.integers(0, 3)):
        # Most achievements are worth something, or limits and keys would seldom have anything to do.
        grant = {"credits": {"fixed": draw(st.sampled_from(["1", "1.5", "2"]))}}
        written.append({"id": "rest", "priority": -9, "match": {}, "grant": [grant | draw(st.sampled_from(UNITS))]})
    return written


LIMITS = st.lists(
    st.fixed_dictionaries(
        {
            "at_most": st.sampled_from(
                [{"credits": "3"}, {"credits": "4.5"}, {"count": 2}, {"credits": "5", "count": 3}]
            ),
            "per": st.sampled_from(["half", "lifetime", "P7D"]),
        },
        optional={
            "over": st.sampled_from(
                [{"kind": "course"}, {"category": "math"}, {"kind": ["mooc", "exam"], "category": "art"}]
            ),
            "by": st.sampled_from([["provider"], ["kind", "category"], ["unit"]]),
            "overflow": st.just("drop"),
            "split": st.just(False),
        },
    ),
    max_size=3,
).map(lambda limits: [{"id": f"l{index}", **limit} for index, limit in enumerate(limits)])


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
    header["clock"]["limits"] = draw(st.sampled_from(["completed", "submitted"]))
    document: dict[str, Any] = {
        "ruleset": header,
        "recognition": draw(rules()),
        "scales": {"pct": {"grades": {}}},
        "levels": {"eqf": {"3": 3, "4": 4}, "nvq": {"2": 1, "3": 3}},
        "registers": {"niie": {"external": True}, "listed": {"entries": [{"provider": "cn/cq", "code": "A"}]}},
        "calendars": {"half": {"starts": [day.strftime("%m-%d") for day in HALF_YEARS]}},
        "groups": {"best": {"hit": "best_for_learner"}, "in-order": {}},
        "tables": {"worth": TABLE},
        "grade_conversions": {"conv": {"source": {"60": "30", "0-59": "70"}, "target": {"X": "50", "Y": "50"}}},
        "limits": draw(LIMITS),
    }
    if keep := draw(st.sampled_from([None, "best", "latest", "first"])):
        document["unique"] = {"keep": keep, "key": draw(st.sampled_from(["unit", "learning"]))}
    validity = draw(
        st.sampled_from([None, {"max": "P10D", "shorter_of": "provider"}, {"max": "P3D", "start": "recognised"}])
    )
    if validity is not None:
        document["validity"] = validity
    if version == 2:
        document["transition"] = draw(
            st.sampled_from([{}, {"applies_to": "all"}, {"applies_to": "unredeemed", "never_less_than": "previous"}])
        )
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
        tags=st.sampled_from([frozenset(), frozenset({"online"}), frozenset({"online", "night"})]),
        learning=st.one_of(st.none(), st.sampled_from(LEARNINGS)),
        shelf_life=st.sampled_from([None, "P5D", "P1M"]),
        recognised=st.one_of(st.none(), st.integers(0, 12).map(lambda days: START + timedelta(days=days))),
        conditions_met=st.sampled_from([frozenset(), frozenset({TALK})]),
        facts=st.sampled_from([(), (("months", 11),), (("months", 12),)]),
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
@examples(60)
def test_the_order_of_facts_rules_and_versions_changes_nothing(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date, random: Any
) -> None:
    """The order of limits is one of precedence, as that of slots: the first with the least room is the reason."""
    straight = evaluate(facts, [compiled(first), compiled(second)], as_of)

    random.shuffle(facts)
    random.shuffle(first["recognition"])
    random.shuffle(second["recognition"])

    assert evaluate(facts, [compiled(second), compiled(first)], as_of) == straight


@given(documents(1), documents(2), FACTS, AS_OF)
@examples(40)
def test_a_version_that_is_withdrawn_leaves_nothing_behind(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date
) -> None:
    """Invariant 13: versions 1, 2, 1 return to the first answer, though the compiled versions are the same ones."""
    one, two = compiled(first), compiled(second)
    before = evaluate(facts, [one], as_of)
    evaluate(facts, [one, two], as_of)

    assert evaluate(facts, [one], as_of) == before


@given(documents(1), FACTS, AS_OF)
@examples(40)
def test_what_is_revoked_leaves_nothing_behind(document: dict[str, Any], facts: list[Fact], as_of: date) -> None:
    version = compiled(document)
    without = evaluate(facts[1:], [version], as_of)
    evaluate(facts, [version], as_of)

    assert evaluate(facts[1:], [version], as_of) == without


@given(documents(1), documents(2), FACTS, AS_OF)
@examples(60)
def test_what_an_evaluation_always_keeps(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact], as_of: date
) -> None:
    evaluation = evaluate(facts, [compiled(first), compiled(second)], as_of)

    every_fact_is_decided_once(evaluation, facts)
    every_lot_adds_up(evaluation)
    every_state_is_that_of_the_day(evaluation, facts, as_of)
    every_key_counts_once(evaluation, facts, [first, second], as_of)
    every_trace_survives_storage_and_explains_itself(evaluation)


def every_fact_is_decided_once(evaluation: Evaluation, facts: list[Fact]) -> None:
    """With one rule set each fact is consumed once, and what is not consumed is said to be so."""
    assert sorted(key for decision in evaluation.decisions for key in decision.binding) == sorted(f.key for f in facts)
    assert all(bool(one.lots) == (one.effect in {"grant", "conditional"}) for one in evaluation.decisions)


def every_lot_adds_up(evaluation: Evaluation) -> None:
    """Invariant 17: granted = recognised + excess + dropped; and nothing is below zero or off the thousandth."""
    for decision in evaluation.decisions:
        for lot in decision.lots:
            assert Credits.parse(lot.trace["granted"]) == lot.recognised + lot.excess + lot.dropped
            assert min(lot.recognised.milli, lot.excess.milli, lot.dropped.milli) >= 0
            assert lot.effective == decision.governing
        assert len({(lot.unit, lot.number) for lot in decision.lots}) == len(decision.lots)


def every_state_is_that_of_the_day(evaluation: Evaluation, facts: list[Fact], as_of: date) -> None:
    """Expired on the first day on which it cannot be used; else pending until the lead has met the condition."""
    met = {fact.key: TALK in fact.conditions_met for fact in facts}
    for decision in evaluation.decisions:
        for lot in decision.lots:
            assert (lot.state == "expired") == (lot.expires is not None and lot.expires <= as_of)
            if decision.effect == "grant":
                assert lot.state != "pending"
            elif lot.state != "expired" and len(decision.binding) == 1:
                assert (lot.state == "pending") == (not met[decision.binding[0]])


def every_key_counts_once(evaluation: Evaluation, facts: list[Fact], line: list[dict[str, Any]], as_of: date) -> None:
    """Invariant 18, in the version of the day: of a unit, or of a learning, one decision has credits."""
    in_force = line[1] if as_of >= START + timedelta(days=5) else line[0]
    if "unique" not in in_force:
        return
    learning = {fact.key: fact.learning for fact in facts}
    counted: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for decision in evaluation.decisions:
        learnings = {name for key in decision.binding if (name := learning[key]) is not None}
        for lot in decision.lots:
            if lot.recognised and not lot.unit.startswith("blanket:"):
                if in_force["unique"]["key"] == "learning" and learnings:
                    for name in learnings:
                        counted["learning", name].add(decision.binding)
                else:
                    counted["unit", lot.unit].add(decision.binding)
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
@examples(40)
def test_the_day_of_evaluation_shows_in_no_trace_that_it_does_not_change(
    first: dict[str, Any], second: dict[str, Any], facts: list[Fact]
) -> None:
    """Where nothing expires and both days lie in one version."""
    first.pop("validity", None)
    second.pop("validity", None)
    line = [compiled(first), compiled(second)]

    assert evaluate(facts, line, date(2024, 2, 1)).decisions == evaluate(facts, line, date(2044, 2, 1)).decisions


@given(documents(1), FACTS)
@examples(80)
def test_the_index_changes_nothing(document: dict[str, Any], facts: list[Fact]) -> None:
    version = compiled(document)

    for fact in facts:
        assert version.first_match(fact) is version.scan(fact)
        if version.scan(fact) is None:
            assert version.nearest(fact) == version.scan_nearest(fact)
        apart = [
            (one.rank, number) for one in version.together for number, slot in enumerate(one.slots) if slot.holds(fact)
        ]
        assert sorted((entry.rank, entry.number) for entry in version.slots.all(fact)) == sorted(apart)


# --- Limits, recomputed by their words -------------------------------------------------------------------------------


@given(documents(1), FACTS, AS_OF)
@examples(100)
def test_no_bucket_of_any_limit_holds_more_than_it_may(
    document: dict[str, Any], facts: list[Fact], as_of: date
) -> None:
    """Invariant 16: recognised <= every limit in every bucket, added up from the answer alone."""
    document["ruleset"].pop("until")
    evaluation = evaluate(facts, [compiled(document)], as_of)
    by_key = {fact.key: fact for fact in facts}

    for limit in document["limits"]:
        for held in buckets(limit, document, evaluation, by_key):
            if (most := limit["at_most"].get("credits")) is not None:
                assert sum(lot.recognised.milli for _, lot in held) <= Fraction(most) * 1000
            if (most := limit["at_most"].get("count")) is not None:
                assert len({decision.binding for decision, _ in held}) <= most


def buckets(
    limit: Mapping[str, Any], document: Mapping[str, Any], evaluation: Evaluation, by_key: Mapping[str, Fact]
) -> Iterator[list[tuple[Decision, TargetLot]]]:
    """The lots that got credits, by period and values; of a rolling window those in it on the day of each."""
    by_submission = document["ruleset"]["clock"]["limits"] == "submitted"
    apart: dict[tuple[Any, ...], list[tuple[date, Decision, TargetLot]]] = defaultdict(list)
    for decision in evaluation.decisions:
        parts = [by_key[key] for key in decision.binding]
        day = max((fact.submitted or fact.completed) if by_submission else fact.completed for fact in parts)
        for lot in decision.lots:
            if lot.recognised and is_over(limit.get("over", {}), parts[0], lot):
                named = {
                    "provider": parts[0].provider,
                    "kind": parts[0].kind,
                    "category": lot.category,
                    "unit": lot.unit,
                }
                values = tuple(named[name] for name in limit.get("by", ()))
                period = max([start for start in HALF_YEARS if start <= day], default=None)
                apart[values if limit["per"] != "half" else (period, *values)].append((day, decision, lot))
    for held in apart.values():
        if limit["per"] != "P7D":
            yield [(decision, lot) for _, decision, lot in held]
        else:
            for last, _, _ in held:
                yield [(decision, lot) for day, decision, lot in held if day <= last < day + WEEK]


def is_over(over: Mapping[str, Any], lead: Fact, lot: TargetLot) -> bool:
    """Kind is the lead's, category the lot's."""
    kinds, category = over.get("kind"), over.get("category")
    if kinds is not None and lead.kind not in ([kinds] if isinstance(kinds, str) else kinds):
        return False
    return category is None or (lot.category is not None and (lot.category + "/").startswith(category + "/"))


# --- Amounts, recomputed by their words ------------------------------------------------------------------------------


@given(documents(1), FACTS)
@examples(100)
def test_what_is_granted_is_what_the_formula_says(document: dict[str, Any], facts: list[Fact]) -> None:
    """Invariant 17: recognised + excess + dropped is the formula's value; of a pool all lots come to that of its "
    "hours."""
    document["ruleset"].pop("until")
    written = {rule["id"]: rule for rule in document["recognition"]}
    by_key = {fact.key: fact for fact in facts}
    pools: dict[tuple[Any, ...], tuple[list[TargetLot], list[Fact], Mapping[str, Any]]] = {}
    for decision in evaluate(facts, [compiled(document)], START).decisions:
        bound = [by_key[key] for key in decision.binding]
        for lot in decision.lots:
            grant = written[str(decision.rule)]["grant"][lot.grant]
            if "pool" not in grant:
                assert granted(lot) == worth(grant["credits"], bound, document)
                continue
            by_submission = document["ruleset"]["clock"]["limits"] == "submitted"
            day = (bound[0].submitted or bound[0].completed) if by_submission else bound[0].completed
            half = max([start for start in HALF_YEARS if start <= day], default=None)
            period = half if grant["pool"]["per"] == "half" else "all"
            lots, members, _ = pools.setdefault((decision.rule, lot.grant, period), ([], [], grant["credits"]))
            lots.append(lot)
            members.extend(bound)
    for lots, members, formula in pools.values():
        assert sum(granted(lot) for lot in lots) == worth(formula, members, document)


def granted(lot: TargetLot) -> int:
    return lot.recognised.milli + lot.excess.milli + lot.dropped.milli


def worth(formula: Mapping[str, Any], bound: Sequence[Fact], document: Mapping[str, Any]) -> Fraction:
    """One base, then at_most, then at_least, then one rounding; in thousandths."""
    hours = sum(fact.hours or Fraction(0) for fact in bound)
    if "fixed" in formula:
        value = Fraction(formula["fixed"])
    elif "native" in formula:
        value = sum(fact.credits or Fraction(0) for fact in bound) * Fraction(formula["native"])
    elif "per_hour" in formula:
        value = hours / Fraction(formula["per_hour"])
    elif "bands" in formula:
        value = max((Fraction(gives) for least, gives in BANDS if Fraction(least) <= hours), default=Fraction(0))
    else:
        value = Fraction(TABLE[str(bound[0].code)])
    if "at_most" in formula:
        value = min(value, Fraction(formula["at_most"]))
    if "at_least" in formula:
        value = max(value, Fraction(formula["at_least"]))
    unit = document["ruleset"]["unit"]
    step = Fraction(formula.get("step", unit["step"]))
    whole, rest = divmod(value, step)
    mode = formula.get("round", unit["round"])
    if mode != "down" and (rest * 2 > step or (rest * 2 == step and (mode == "half_up" or whole % 2 == 1))):
        whole += 1
    return whole * step * 1000


# --- Bindings, found by trying everything -----------------------------------------------------------------------------


@given(
    COMBINATIONS,
    st.lists(
        st.builds(
            Fact,
            key=st.integers(0, 99).map(lambda number: f"{number:02}"),
            kind=st.sampled_from(KINDS),
            provider=st.sampled_from(["cn", "us"]),
            completed=st.integers(0, 3).map(lambda days: START + timedelta(days=days)),
            code=st.one_of(st.none(), st.sampled_from(CODES)),
        ),
        max_size=7,
        unique_by=lambda fact: fact.key,
    ),
)
@examples(250)
def test_a_combination_binds_what_a_search_with_backtracking_finds_first(
    match: dict[str, Any], facts: list[Fact]
) -> None:
    grant = [{"unit": "X", "credits": {"fixed": 1}}]
    header = {"lcb": "rules/v1", "id": "town", "version": 1, "from": "2020-01-01", "unit": {"code": "CR"}}
    version = compiled({"ruleset": header, "recognition": [{"id": "r", "match": match, "grant": grant}]})
    left = sorted(facts, key=lambda fact: (fact.completed, fact.key))
    wanted = []
    while (found := next(bindings(match, left), None)) is not None:
        wanted.append(tuple(fact.key for fact in found))
        left = [fact for fact in left if fact not in found]

    decisions = evaluate(facts, [version], START).decisions

    assert sorted(one.binding for one in decisions if one.effect == "grant") == sorted(wanted)


def bindings(match: Mapping[str, Any], facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    """Every binding in the order of section 5.3: slots, then achievements; alternatives; the earlier slots of n."""
    if "any" in match:
        for part in match["any"]:
            yield from bindings(part, facts)
    elif "all" in match or "of" in match:
        slots = match.get("all") or match["of"]
        yield from chosen(slots, match.get("n", len(slots)), facts)
    else:
        yield from ([fact] for fact in facts if takes(match, fact))


def chosen(slots: Sequence[Mapping[str, Any]], needed: int, facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    if needed == 0:
        yield []
    elif needed <= len(slots):
        for first in bindings(slots[0], facts):
            for others in chosen(slots[1:], needed - 1, [fact for fact in facts if fact not in first]):
                yield first + others
        yield from chosen(slots[1:], needed, facts)


def takes(matcher: Mapping[str, Any], fact: Fact) -> bool:
    codes = matcher.get("code", fact.code)
    return (
        fact.code in (codes if isinstance(codes, list) else [codes])
        and matcher.get("kind", fact.kind) == fact.kind
        and matcher.get("provider", fact.provider) == fact.provider
    )


@given(documents(1))
@examples(60)
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
@examples(60)
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
