"""What becomes of statements that repeat, contradict and share each other's courses."""

from __future__ import annotations

import pytest

from creditbank.equivalencies.domain import Composition, Equivalency
from tests.equivalencies.tables import composed, course, statement

A, B, C, D = course("A"), course("B"), course("C"), course("D")


def rules(composition: Composition) -> dict[str, tuple[str, list[list[str]], list[str]]]:
    """By id: the effect, the codes of each alternative, the units."""
    return {
        rule.id: (
            rule.effect,
            [[one.code or "*" for one in courses] for courses in rule.sending],
            [award.unit for award in rule.awards],
        )
        for rule in composition.rules
    }


def remarks(composition: Composition) -> list[tuple[str, tuple[str, ...]]]:
    """Code and counterexample of each remark."""
    return [(remark.code, remark.counterexample) for remark in composition.remarks]


@pytest.mark.parametrize(
    ("statements", "expected", "said"),
    [
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("y", [B], to=["Y:3"])],
            {"x": ("grant", [["A"]], ["X"]), "y": ("grant", [["B"]], ["Y"])},
            [],
            id="what-does-not-touch-stays",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("again", [A], to=["X:3"])],
            {"x": ("grant", [["A"]], ["X"])},
            [("repeated", ())],
            id="said-twice-is-said-once",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("y", [A], to=["Y:3"])],
            {"x": ("review", [["A"]], [])},
            [("several_outcomes", ("cn/a A",))],
            id="two-outcomes-go-to-a-person",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("y", [A], to=["X:4"])],
            {"x": ("review", [["A"]], [])},
            [("several_outcomes", ("cn/a A",))],
            id="two-amounts-go-to-a-person",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("no", [A], effect="deny")],
            {"x": ("review", [["A"]], [])},
            [("several_outcomes", ("cn/a A",))],
            id="credit-and-no-credit-goes-to-a-person",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("xy", [A], to=["X:3", "Y:1"])],
            {"xy": ("grant", [["A"]], ["X", "Y"])},
            [("contained", ())],
            id="the-outcome-that-holds-the-others-stands",
        ),
        pytest.param(
            [statement("x", [A, B], to=["X:3"]), statement("y", [B, A], to=["Y:3"])],
            {"x": ("review", [["A", "B"]], [])},
            [("several_outcomes", ("cn/a A", "cn/a B"))],
            id="the-order-of-the-courses-does-not-matter",
        ),
        pytest.param(
            [statement("x", [A], [B], to=["X:3"]), statement("y", [B], to=["Y:3"])],
            {"x": ("grant", [["A"]], ["X"]), "x-2": ("review", [["B"]], [])},
            [("several_outcomes", ("cn/a B",))],
            id="only-the-alternative-that-clashes-goes-to-a-person",
        ),
        pytest.param(
            [statement("x", [A], [B, C], to=["X:3"])],
            {"x": ("grant", [["A"]], ["X"]), "x-2": ("grant", [["B", "C"]], ["X"])},
            [],
            id="alternatives-of-two-sizes-are-two-rules",
        ),
        pytest.param(
            [statement("x", [A], [course(None, at="cn/b")], to=["X:3"])],
            {"x": ("grant", [["A"]], ["X"]), "x-2": ("grant", [["*"]], ["X"])},
            [],
            id="alternatives-of-two-ranks-are-two-rules",
        ),
        pytest.param(
            [
                statement("low", [course("A", "C", below="B")], to=["X:3"]),
                statement("high", [course("A", "B")], to=["Y:3"]),
            ],
            {"low": ("grant", [["A"]], ["X"]), "high": ("grant", [["A"]], ["Y"])},
            [],
            id="grade-bands-that-do-not-meet-are-two-rules",
        ),
        pytest.param(
            [statement("low", [course("A", "C")], to=["X:3"]), statement("high", [course("A", "B")], to=["Y:3"])],
            {"low": ("review", [["A"]], [])},
            [("several_outcomes", ("cn/a A",))],
            id="grade-bands-that-meet-go-to-a-person",
        ),
        pytest.param(
            [
                statement("low", [course("A", "C", below="A")], to=["X:3"]),
                statement("high", [course("A", "B")], to=["Y:3"]),
            ],
            {"low": ("review", [["A"]], []), "high": ("review", [["A"]], [])},
            [("several_outcomes", ("cn/a A",))],
            id="grade-bands-that-overlap-go-to-a-person-both",
        ),
        pytest.param(
            [statement("good", [course("A", "B")], to=["X:3"]), statement("any", [A], to=["X:3"])],
            {"any": ("grant", [["A"]], ["X"])},
            [("repeated", ())],
            id="any-grade-makes-a-minimum-needless",
        ),
        pytest.param(
            [statement("x", [A], to=["X:3"]), statement("y", [course("A", at="cn/z")], to=["Y:3"])],
            {"x": ("grant", [["A"]], ["X"]), "y": ("grant", [["A"]], ["Y"])},
            [],
            id="one-code-at-two-colleges-is-two-courses",
        ),
    ],
)
def test_what_contradicts_itself_is_never_guessed(
    statements: list[Equivalency],
    expected: dict[str, tuple[str, list[list[str]], list[str]]],
    said: list[tuple[str, tuple[str, ...]]],
) -> None:
    composition = composed(*statements)
    assert rules(composition) == expected
    assert remarks(composition) == said


@pytest.mark.parametrize(
    ("statements", "order", "said"),
    [
        pytest.param(
            [statement("one", [A], to=["X:3"]), statement("two", [A, B], to=["X:3", "Y:3"])],
            ["two", "one"],
            [],
            id="more-courses-come-first-and-nothing-is-lost",
        ),
        pytest.param(
            [statement("one", [A], to=["X:3"]), statement("two", [A, B], to=["Y:3"])],
            ["two", "one"],
            [("larger_set_first", ("cn/a A", "cn/a B"))],
            id="more-courses-come-first-and-something-is-lost",
        ),
        pytest.param(
            [statement("ab", [A, B], to=["X:3"]), statement("bc", [B, C], to=["Y:3"])],
            ["ab", "bc"],
            [("order_decides", ("cn/a A", "cn/a B", "cn/a C"))],
            id="of-two-that-share-a-course-the-earlier-line",
        ),
        pytest.param(
            [statement("ab", [A, B], to=["X:3"]), statement("bcd", [B, C, D], to=["Y:3"])],
            ["bcd", "ab"],
            [("order_decides", ("cn/a B", "cn/a C", "cn/a D", "cn/a A"))],
            id="of-two-that-share-a-course-the-larger",
        ),
        pytest.param(
            [statement("ab", [A, B], to=["X:3"]), statement("cd", [C, D], to=["Y:3"])],
            ["ab=cd"],
            [],
            id="what-shares-nothing-shares-a-priority",
        ),
        pytest.param(
            [statement("any", [course(None)], to=["blanket:elective:native"]), statement("one", [A], to=["X:3"])],
            ["one", "any"],
            [],
            id="blanket-credit-comes-last",
        ),
        pytest.param(
            [statement("wide", [course("A", at="cn")], to=["X:3"]), statement("near", [A], to=["Y:3"])],
            ["near", "wide"],
            [],
            id="the-nearer-provider-comes-first",
        ),
    ],
)
def test_no_two_rules_that_clash_share_a_priority(
    statements: list[Equivalency], order: list[str], said: list[tuple[str, tuple[str, ...]]]
) -> None:
    composition = composed(*statements)
    by_priority: dict[int, list[str]] = {}
    for rule in composition.rules:
        by_priority.setdefault(rule.priority or 0, []).append(rule.id)
    assert ["=".join(ids) for _, ids in sorted(by_priority.items(), reverse=True)] == order
    assert remarks(composition) == said


def test_priorities_that_a_person_gave_stand() -> None:
    first = Equivalency("x", ((A,),), "grant", statement("x", [A], to=["X:3"]).awards, priority=7)
    second = Equivalency("y", ((A,),), "grant", statement("y", [A], to=["Y:3"]).awards, priority=5)
    composition = composed(first, second)
    assert [(rule.id, rule.priority, rule.effect) for rule in composition.rules] == [
        ("x", 7, "grant"),
        ("y", 5, "grant"),
    ]
    assert composition.remarks == ()
