"""Clashes between rules, case by case: E2, E3, E4, W2, W7 and W9 (rules/v1 sections 11 and 15)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from creditbank.rules.checking import overlaps
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import fact_of
from creditbank.rules.language.examples import Given
from creditbank.rules.registry import Registry
from tests.rules.checking.asking import classes, facts_of, granting, parsed, takes, verdicts, version_of
from tests.rules.writing import TODAY, plain_document

REGISTRY = Registry(
    {"course": {"months": "number", "mode": "text"}, "exam": {"mode": "text", "months": "date"}},
    frozenset({"maths", "maths/algebra", "arts"}),
)
US = {"scales": {"us": {"grades": {"A": 4, "B": 3, "C": 2}}, "pct": {"grades": {}}}}
GROUPS = {"groups": {"best": {"hit": "best_for_learner"}, "plain": {}}}


def both(*parts: dict[str, Any]) -> dict[str, Any]:
    """A combination of all of them."""
    return {"all": list(parts)}


def course(code: str, **parts: Any) -> dict[str, Any]:
    """A matcher of one course."""
    return {"provider": "cn/cq", "code": code, **parts}


CASES: list[tuple[str, list[dict[str, Any]], dict[str, Any], list[str]]] = [
    # E2: what one achievement can match.
    ("one kind, two outcomes", [granting("a", kind="course"), granting("b", "2", code="X")], {}, ["E2 /recognition/1"]),
    ("kinds apart", [granting("a", kind="course"), granting("b", "2", kind="exam")], {}, []),
    (
        "a tree and a part of it",
        [granting("a", provider="cn"), granting("b", "2", provider="cn/cq", code="X")],
        {},
        ["E2 /recognition/1"],
    ),
    ("paths that only look alike", [granting("a", provider="cn/cq"), granting("b", "2", provider="cn/cqx")], {}, []),
    ("bands that touch", [granting("a", hours={"below": 30}), granting("b", "2", hours={"min": 30})], {}, []),
    (
        "bands that overlap",
        [granting("a", hours={"below": "30.5"}), granting("b", "2", hours={"min": 30})],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "no grade of the scale between",
        [granting("a", grade={"scale": "us", "below": "2.5"}), granting("b", "2", grade={"scale": "us", "min": "2.1"})],
        US,
        [],
    ),
    (
        "two scales",
        [granting("a", grade={"scale": "us", "min": 2}), granting("b", "2", grade={"scale": "pct", "min": 2})],
        US,
        [],
    ),
    ("priorities differ", [granting("a", kind="course"), granting("b", "2", code="X", priority=1)], {}, []),
    ("a deny too", [granting("a", kind="course"), granting("b", code="X", effect="deny")], {}, ["E2 /recognition/1"]),
    ("days apart", [granting("a", until="2022-01-01"), granting("b", "2", since="2022-01-01")], {}, []),
    (
        "days that overlap",
        [granting("a", until="2022-01-02"), granting("b", "2", since="2022-01-01")],
        {},
        ["E2 /recognition/1"],
    ),
    ("nobody's level", [granting("a", level={"min": 3}), granting("b", "2", level={"min": 3})], {}, []),
    (
        "levels that are mapped",
        [granting("a", level={"min": 3}), granting("b", "2", code="X")],
        {"levels": {"eqf": {"5": 5}}},
        ["E2 /recognition/1"],
    ),
    (
        "accredited and not named so",
        [granting("a", accredited="r"), granting("b", "2", code="Y")],
        {"registers": {"r": {"entries": [{"provider": "cn", "code": "X"}]}}},
        [],
    ),
    (
        "accredited under that code",
        [granting("a", accredited="r"), granting("b", "2", code="X")],
        {"registers": {"r": {"entries": [{"provider": "cn", "code": "X"}]}}},
        ["E2 /recognition/1"],
    ),
    (
        "accredited before the version",
        [granting("a", accredited="r"), granting("b", "2", code="X")],
        {"registers": {"r": {"entries": [{"provider": "cn", "until": "2020-03-01"}]}}},
        [],
    ),
    (
        "age and tags never part",
        [granting("a", age={"max": "P1Y"}), granting("b", "2", tags="t")],
        {},
        ["E2 /recognition/1"],
    ),
    # Conditions.
    (
        "where apart",
        [
            granting("a", where={"fact": "months", "op": ">=", "value": 12}),
            granting("b", "2", where={"not": {"fact": "months", "op": ">=", "value": 12}}),
        ],
        {},
        [],
    ),
    (
        "where on absence",
        [granting("a", where={"fact": "code", "op": "exists", "value": False}), granting("b", "2", code="X")],
        {},
        [],
    ),
    (
        "where on what every achievement has",
        [granting("a", where={"fact": "provider", "op": "exists", "value": False}), granting("b", "2", code="X")],
        {},
        [],
    ),
    (
        "where on what every achievement has, under not",
        [granting("a", where={"not": {"fact": "kind", "op": "exists"}}), granting("b", "2", code="X")],
        {},
        [],
    ),
    (
        "where on several texts",
        [
            granting("a", where={"fact": "mode", "op": "not_in", "value": ["day", "night"]}),
            granting("b", "2", where={"fact": "mode", "op": "in", "value": ["day", "night"]}),
        ],
        {},
        [],
    ),
    (
        "where between two whole numbers",
        [
            granting(
                "a",
                where={"all": [{"fact": "hours", "op": ">", "value": 10}, {"fact": "hours", "op": "<", "value": 11}]},
            ),
            granting("b", "2", code="X"),
        ],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where a fact of the kind lies between two whole numbers",
        [
            granting(
                "a",
                where={"all": [{"fact": "months", "op": ">", "value": 10}, {"fact": "months", "op": "<", "value": 11}]},
            ),
            granting("b", "2", code="X"),
        ],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where on a tree of the kind",
        [granting("a", where={"fact": "trade", "op": "under", "value": "crafts"}), granting("b", "2", code="X")],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where on every text but one",
        [granting("a", where={"fact": "mode", "op": "!=", "value": "mode"}), granting("b", "2", code="X")],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where on every text but one, and that one",
        [
            granting("a", where={"fact": "mode", "op": "!=", "value": "night"}),
            granting("b", "2", where={"fact": "mode", "op": "==", "value": "night"}),
        ],
        {},
        [],
    ),
    (
        "where on a yes and a no",
        [
            granting("a", where={"fact": "night", "op": "!=", "value": True}),
            granting("b", "2", where={"fact": "night", "op": "==", "value": True}),
            granting("c", "3", where={"fact": "night", "op": "==", "value": False}),
        ],
        {},
        ["E2 /recognition/2"],
    ),
    (
        "where on how long it lasts",
        [
            granting("a", where={"fact": "shelf_life", "op": "exists"}),
            granting("b", "2", where={"fact": "shelf_life", "op": "==", "value": "P2Y"}),
        ],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where on any length there is",
        [granting("a", where={"fact": "shelf_life", "op": "exists"}), granting("b", "2", code="X")],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "where of two types, unregistered",
        [
            granting("a", where={"fact": "months", "op": ">=", "value": 12}),
            granting("b", "2", where={"fact": "months", "op": "==", "value": "long"}),
        ],
        {},
        ["W9 /recognition/1"],
    ),
    (
        "too many alternatives",
        [
            granting(
                "a",
                where={
                    "all": [{"any": [{"fact": f"f{n}", "op": "==", "value": v} for v in (1, 2, 3)]} for n in range(4)]
                },
            ),
            granting("b", "2"),
        ],
        {},
        ["W9 /recognition/1"],
    ),
    # Combinations.
    (
        "the same two",
        [granting("a", match=both(course("A"), course("B"))), granting("b", "2", match=both(course("B"), course("A")))],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "one of two in common",
        [granting("a", match=both(course("A"), course("B"))), granting("b", "2", match=both(course("A"), course("C")))],
        {},
        [],
    ),
    (
        "a combination and one of its parts",
        [granting("a", match=both(course("A"), course("B"))), granting("b", "2", **course("A"))],
        {},
        [],
    ),
    (
        "two of three and two",
        [
            granting("a", match={"n": 2, "of": [course("A"), course("B"), course("C")]}),
            granting("b", "2", match=both(course("A"), course("C"))),
        ],
        {},
        ["E2 /recognition/1"],
    ),
    (
        "an alternative and a single rule",
        [granting("a", match={"any": [course("A"), course("B")]}), granting("b", "2", **course("B"))],
        {},
        ["E2 /recognition/1"],
    ),
    # Groups.
    (
        "the best of a group",
        [granting("a", kind="course", group="best"), granting("b", "2", code="X", group="best")],
        GROUPS,
        [],
    ),
    (
        "the first of a group",
        [granting("a", kind="course", group="plain"), granting("b", "2", code="X", group="plain")],
        GROUPS,
        [],
    ),
    (
        "two groups",
        [granting("a", kind="course", group="best"), granting("b", "2", code="X", group="plain")],
        GROUPS,
        ["E2 /recognition/1"],
    ),
    # W2, W7.
    ("the same outcome", [granting("a", kind="course"), granting("b", code="X")], {}, ["W2 /recognition/1"]),
    (
        "blanket and real",
        [
            granting("a", kind="course", grant=[{"unit": "blanket:x", "credits": {"fixed": 1}}], group="best"),
            granting("b", code="X", grant=[{"unit": "X", "credits": {"fixed": 1}}], group="best"),
        ],
        GROUPS,
        ["W7 /recognition/0"],
    ),
    (
        "blanket below",
        [
            granting("a", kind="course", grant=[{"unit": "blanket:x", "credits": {"fixed": 1}}], priority=-1),
            granting("b", code="X"),
        ],
        {},
        [],
    ),
    # E3.
    (
        "inside a higher one",
        [granting("a", kind="course", priority=1), granting("b", "2", kind="course", code="X")],
        {},
        ["E3 /recognition/1"],
    ),
    ("partly inside", [granting("a", kind="course", priority=1), granting("b", "2", code="X")], {}, []),
    (
        "inside two bands",
        [
            granting("a", hours={"min": 0, "below": 30}, priority=1),
            granting("b", hours={"min": 30}, priority=2),
            granting("c", "2", hours={"min": 10, "below": 90}),
        ],
        {},
        ["E3 /recognition/2"],
    ),
    (
        "a gap between the bands",
        [
            granting("a", hours={"min": 0, "below": 30}, priority=1),
            granting("b", hours={"min": 31}, priority=2),
            granting("c", "2", hours={"min": 10, "below": 90}),
        ],
        {},
        [],
    ),
    ("absence is left", [granting("a", hours={"min": 0}, priority=1), granting("b", "2")], {}, []),
    (
        "codes one by one",
        [granting("a", code="X", priority=1), granting("b", code="Y", priority=1), granting("c", "2", code=["X", "Y"])],
        {},
        ["E3 /recognition/2"],
    ),
    (
        "by year",
        [
            granting("a", until="2022-01-01", priority=1),
            granting("b", since="2022-01-01", priority=1),
            granting("c", "2", kind="course"),
        ],
        {},
        ["E3 /recognition/2"],
    ),
    (
        "days before the version count where it reaches back",
        [granting("a", since="2020-03-01", priority=1), granting("c", "2", kind="course")],
        {"transition": {"applies_to": "unredeemed"}},
        [],
    ),
    (
        "a combination above takes two only",
        [granting("a", match=both(course("A"), course("B")), priority=1), granting("b", "2", **course("A"))],
        {},
        [],
    ),
    (
        "alternatives above",
        [granting("a", match={"any": [course("A"), course("B")]}, priority=1), granting("b", "2", **course("A"))],
        {},
        ["E3 /recognition/1"],
    ),
    (
        "a combination inside another one",
        [
            granting("a", match=both(course("A"), {"provider": "cn"}), priority=1),
            granting("b", "2", match=both({"provider": "cn/cq/x"}, course("A", hours={"min": 3}))),
        ],
        {},
        ["E3 /recognition/1"],
    ),
    (
        "a combination beside another one",
        [
            granting("a", match=both(course("A"), course("B")), priority=1),
            granting("b", "2", match=both(course("A"), course("B"), course("C"))),
        ],
        {},
        [],
    ),
    (
        "absence is left to the lower",
        [granting("a", where={"fact": "hours", "op": "exists"}, priority=1), granting("b", "2")],
        {},
        [],
    ),
    (
        "there or not there is all",
        [
            granting("a", where={"fact": "hours", "op": "exists"}, priority=1),
            granting("b", where={"fact": "hours", "op": "exists", "value": False}, priority=2),
            granting("c", "2"),
        ],
        {},
        ["E3 /recognition/2"],
    ),
    (
        "one alternative of two is taken",
        [
            granting("a", code="X", priority=1),
            granting(
                "b",
                "2",
                where={"any": [{"fact": "code", "op": "==", "value": code} for code in ("X", "Y")]},
            ),
        ],
        {},
        [],
    ),
    (
        "a rule that another one of its group calls",
        [
            granting("a", kind="course", since="2022-01-01", group="best"),
            granting("b", "2", kind="course", since="2022-01-01", exception_to="a"),
            granting("c", "3", match=both({"kind": "course"}, {"kind": "course"}), group="best"),
        ],
        GROUPS,
        [],
    ),
    (
        "a rule inside another one of its group",
        [granting("a", kind="course", group="best"), granting("b", "2", kind="course", code="X", group="best")],
        GROUPS,
        [],
    ),
    (
        "a rule inside another one of a group whose first wins",
        [granting("a", kind="course", group="plain"), granting("b", "2", kind="course", code="X", group="plain")],
        GROUPS,
        ["E3 /recognition/1"],
    ),
    (
        "a combination of which every part is taken",
        [granting("a", provider="cn", effect="deny", priority=1), granting("b", match=both(course("A"), course("B")))],
        {},
        ["E3 /recognition/1"],
    ),
    (
        "a combination of which one part is taken, which may be older than the version",
        [granting("a", code="A", effect="deny", priority=1), granting("b", match=both(course("A"), course("B")))],
        {},
        [],
    ),
    (
        "a base whose exception takes all",
        [granting("a", kind="course"), granting("b", "2", kind="course", exception_to="a")],
        {},
        ["E3 /recognition/0"],
    ),
    # E4 and exceptions.
    (
        "an exception is no conflict",
        [granting("a", kind="course"), granting("b", "2", kind="course", code="X", exception_to="a")],
        {},
        [],
    ),
    (
        "an exception outside",
        [granting("a", kind="course"), granting("b", "2", code="X", exception_to="a")],
        {},
        ["E4 /recognition/1/exception_to"],
    ),
    (
        "outside by absence",
        [granting("a", hours={"min": 0}), granting("b", "2", kind="course", exception_to="a")],
        {},
        ["E4 /recognition/1/exception_to"],
    ),
    (
        "not at most is more than",
        [
            granting("a", where={"not": {"fact": "months", "op": "<=", "value": 12}}),
            granting("b", "2", where={"fact": "months", "op": "==", "value": 12}),
        ],
        {},
        [],
    ),
    (
        "outside by days",
        [
            granting("a", kind="course", until="2023-01-01"),
            granting("b", "2", kind="course", code="X", exception_to="a"),
        ],
        {},
        ["E4 /recognition/1/exception_to"],
    ),
    (
        "an exception of a vague base",
        [
            granting("a", where={"fact": "months", "op": ">=", "value": 12}),
            granting("b", "2", where={"fact": "months", "op": "==", "value": "long"}, exception_to="a"),
        ],
        {},
        ["W9 /recognition/1"],
    ),
    (
        "a combination that holds its base",
        [granting("a", **course("A")), granting("b", "2", match=both(course("A"), course("B")), exception_to="a")],
        {},
        [],
    ),
    (
        "a combination of three that narrows its base, its parts in another order",
        [
            granting("a", match=both(course("A"), course("B"), course("C"))),
            granting("b", "2", match=both(course("C", kind="exam"), course("A"), course("B")), exception_to="a"),
        ],
        {},
        [],
    ),
    (
        "a combination beside its base",
        [granting("a", **course("A")), granting("b", "2", match=both(course("C"), course("B")), exception_to="a")],
        {},
        ["E4 /recognition/1/exception_to"],
    ),
    (
        "two exceptions of one base",
        [
            granting("a", kind="course"),
            granting("b", "2", kind="course", code="X", exception_to="a"),
            granting("c", "3", kind="course", provider="cn", exception_to="a"),
        ],
        {},
        ["E2 /recognition/2"],
    ),
    (
        "two exceptions of two priorities",
        [
            granting("a", kind="course"),
            granting("b", "2", kind="course", code="X", exception_to="a"),
            granting("c", "3", kind="course", provider="cn", exception_to="a", priority=1),
        ],
        {},
        [],
    ),
    (
        "an exception stands where its base stands",
        [
            granting("a", kind="course"),
            granting("b", kind="exam", priority=5),
            granting("c", "2", kind="course", code="X", priority=5, exception_to="a"),
        ],
        {},
        [],
    ),
]


@pytest.mark.parametrize(("rules", "blocks", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_found(rules: list[dict[str, Any]], blocks: dict[str, Any], wanted: list[str]) -> None:
    found = verdicts(*rules, **blocks)
    assert classes(found) == wanted
    assert all(set(verdict.rules) <= {rule["id"] for rule in rules} for verdict in found)
    assert all(verdict.message["en"] and verdict.message["zh"] for verdict in found)
    # Whatever is claimed about single achievements is true of the achievement that shows it.
    version = version_of(parsed(*rules, **blocks))
    for verdict in found:
        facts = facts_of(verdict)
        if verdict.code in {"E2", "W2", "W7"}:
            assert facts
            assert all(_alone(rules, blocks, id_, facts) for id_ in verdict.rules)
        if verdict.code == "E4" and len(facts) == 1:
            assert [takes(version, id_, facts[0]) for id_ in verdict.rules] == [True, False]
        if verdict.code == "E4":
            assert _alone(rules, blocks, verdict.rules[0], facts)
            assert not _alone(rules, blocks, verdict.rules[1], facts)


def _alone(rules: list[dict[str, Any]], blocks: dict[str, Any], id_: str, facts: list[Any]) -> list[Any]:
    """What a rule would decide were it the only one."""
    (rule,) = (rule for rule in rules if rule["id"] == id_)
    version = version_of(parsed({key: rule[key] for key in rule if key not in {"exception_to", "group"}}, **blocks))
    return [decision for decision in evaluate(facts, [version], TODAY).decisions if decision.effect != "none"]


def test_a_registry_settles_what_types_leave_open() -> None:
    rules = [
        granting("a", kind="course", where={"fact": "months", "op": ">=", "value": 12}),
        granting("b", "2", kind="course", where={"fact": "months", "op": "<", "value": "13"}),
    ]
    (verdict,) = verdicts(*rules, registry=REGISTRY)
    assert verdict.code == "E2"
    assert verdict.counterexample[0]["facts"] == {"months": 12}
    # Whatever it is: a fact of its type.
    for kind, there in (("course", 1), ("exam", date(2024, 1, 1))):
        anything = {"fact": "months", "op": "exists"}
        (verdict,) = verdicts(granting("a", kind=kind, where=anything), granting("b", "2", code="X"), registry=REGISTRY)
        assert verdict.counterexample[0]["facts"] == {"months": there}
    # A fact that two kinds know as two types is left open, as is one that no kind knows together with another.
    loose = [granting("a", where={"fact": "months", "op": "exists"}), granting("b", "2", kind="exam")]
    assert classes(verdicts(*loose, registry=REGISTRY)) == ["E2 /recognition/1"]


def test_categories_of_examples_are_those_of_the_bank() -> None:
    rules = [
        granting("a", where={"fact": "category", "op": "!=", "value": "arts"}),
        granting("b", "2", category="maths"),
    ]
    (verdict,) = verdicts(*rules, registry=REGISTRY)
    assert verdict.counterexample[0]["category"] in REGISTRY.categories


def _layers(*own: dict[str, Any], above: list[dict[str, Any]]) -> list[str]:
    base = plain_document(*above, header={"id": "nation", "layer": "national"})
    below = plain_document(*own, header={"id": "town", "layer": "authority", "extends": "nation@1"})
    upper = read_documents(json.dumps(base), format="json")[0].model
    document = read_documents(json.dumps(below), format="json", above={"nation@1": upper})[0]
    return classes(examine_documents([document]))


def test_layers_come_one_after_another() -> None:
    above = [granting("n", kind="course")]
    assert _layers(granting("a", "2", code="X"), above=above) == []
    # An upper deny comes before all, so that nothing is left to a lower rule inside it.
    assert _layers(
        granting("a", kind="course", code="X", priority=9), above=[granting("n", kind="course", effect="deny")]
    ) == ["E3 /recognition/0"]
    # What the upper layer says to itself was told where it was published.
    assert _layers(granting("a", "2", kind="exam"), above=[*above, granting("m", "3", kind="course")]) == []


def test_a_counterexample_is_an_achievement_of_section_9() -> None:
    rules = [
        granting(
            "a",
            provider="cn",
            code="X",
            grade={"scale": "us", "min": 3},
            tags=["t"],
            accredited="r",
            level={"min": 4},
            attendance={"min": 80},
            assurance="signed",
            age={"max": "P1Y"},
            category="maths",
        ),
        granting(
            "b",
            "2",
            hours={"min": "1/3", "below": "2/3"},
            where={
                "all": [
                    {"fact": "completed", "op": ">", "value": "2023-05-05"},
                    {"fact": "submitted", "op": ">", "value": "2024-01-31"},
                    {"fact": "exam", "op": "==", "value": "final"},
                    {"fact": "shelf_life", "op": "!=", "value": "P1Y"},
                    {"fact": "provider_type", "op": "in", "value": ["school", "union"]},
                ]
            },
        ),
    ]
    blocks: dict[str, Any] = {**US, "levels": {"eqf": {"5": 5}}, "registers": {"r": {"external": True}}}
    (verdict,) = verdicts(*rules, **blocks)
    made = dict(verdict.counterexample[0])
    fact = fact_of(Given.model_validate(made))
    version = version_of(parsed(*rules, **blocks))
    assert verdict.code == "E2"
    assert all(takes(version, id_, fact) for id_ in ("a", "b"))
    assert made["hours"] == "1/3"


def test_thousands_of_bands_are_compared_quickly_and_all() -> None:
    """Rules that differ in numbers, conditions or codes only are parted before they are compared."""
    rules = [granting(f"h{n}", str(n % 3), kind="course", hours={"min": n, "below": n + 1}) for n in range(300)]
    rules += [granting(f"c{n}", str(n % 3), kind="exam", code=f"C{n}") for n in range(300)]
    rules += [
        granting(f"w{n}", str(n % 3), kind="mooc", where={"fact": "mode", "op": "==", "value": f"m-{n}"})
        for n in range(300)
    ]
    assert verdicts(*rules) == []
    rules += [
        granting("x", "7", kind="course", hours={"min": "299.5"}),
        granting("y", "7", kind="exam", code="C7", provider="cn"),
        granting("z", "7", kind="mooc", code="C", where={"fact": "mode", "op": "in", "value": ["m-5", "m-299"]}),
    ]
    found = verdicts(*rules)
    assert {tuple(sorted(v.rules)) for v in found} == {("h299", "x"), ("c7", "y"), ("w5", "z"), ("w299", "z")}
    assert {v.code for v in found} == {"E2"}


@pytest.mark.parametrize("id_", ["a", "z"])
def test_what_reaches_over_many_meets_all_of_them(id_: str) -> None:
    """Rules of one priority are looked at by their ids, and each pair is met from one side."""
    bands = [granting(f"r{n}", hours={"min": n, "below": n + 1}) for n in range(20)]
    schools = [granting(f"r{n}", provider=f"cn/s{n}", code="X") for n in range(20)]
    subjects = [granting(f"r{n}", category=f"maths/{n}") for n in range(20)]
    for rules, wide in (
        (bands, {"hours": {"min": 0, "below": 20}}),
        (schools, {"provider": "cn", "code": "X"}),
        (schools, {"provider": "cn", "kind": "course"}),
        (schools, {"kind": "course"}),
        (subjects, {"provider": "cn", "category": "maths"}),
        (subjects, {"provider": "cn", "hours": {"below": 1}}),
    ):
        told = [verdict for verdict in verdicts(*rules, granting(id_, "2", **wide)) if verdict.code == "E2"]
        assert {one for verdict in told for one in verdict.rules} == {id_, *(rule["id"] for rule in rules)}
        assert len(told) == 20


def test_a_fact_of_its_own_for_every_rule_is_no_trouble() -> None:
    rules = [granting(f"r{n}", priority=n, where={"fact": f"f{n}", "op": "==", "value": "x"}) for n in range(1050)]
    assert verdicts(*rules) == []


@pytest.mark.parametrize(("most", "gives_up"), [(3, False), (2, True)])
def test_the_check_says_that_it_gave_up(monkeypatch: pytest.MonkeyPatch, most: int, gives_up: bool) -> None:
    """Three rules that could overlap are three pairs."""
    monkeypatch.setattr(overlaps, "MOST_COMPARED", most)
    rules = [granting(id_, kind="course", hours={"min": n, "below": n + 2}) for n, id_ in enumerate("abc")]

    told = [verdict for verdict in verdicts(*rules) if verdict.reason == "not_compared"]

    assert [verdict.pointer for verdict in told] == (["/recognition"] if gives_up else [])
