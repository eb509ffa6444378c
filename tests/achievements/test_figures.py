"""No figure of few learners can be computed from the figures that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditbank.achievements.domain import Figure, Level, hidden_below, is_hidden

LEAST = 5
NONE = Figure(0, 0)


def few(*learners: int) -> dict[str, Figure]:
    """Institutions with so many learners each, of two achievements a learner."""
    return {f"c/{letter}": Figure(n * 2, n) for letter, n in zip("abcdefgh", learners, strict=False)}


ROWS: dict[str, tuple[dict[str, Figure], Figure, bool, set[str]]] = {
    "none is small": (few(9, 8, 7), NONE, False, set()),
    "one is small, and the next smallest goes with it": (few(9, 2, 7, 8), NONE, False, {"c/b", "c/c"}),
    "of two equal ones the first": (few(7, 2, 7), NONE, False, {"c/b", "c/a"}),
    "two are small and few together": (few(9, 2, 2), NONE, False, {"c/a", "c/b", "c/c"}),
    "three are small and enough": (few(9, 2, 2, 2), NONE, False, {"c/b", "c/c", "c/d"}),
    "what is done above is unseen anyway": (few(9, 2, 7), Figure(20, 10), False, {"c/b"}),
    "what is done above is small": (few(9, 8, 7), Figure(2, 1), False, {"c/c"}),
    "nothing is of nobody": (few(0, 9, 0), NONE, False, set()),
    "the whole is hidden, so one of its parts is": (few(9, 8, 7), NONE, True, {"c/c"}),
    "one achievement each would be told": (
        {**{f"c/{letter}": Figure(1, 1) for letter in "abcde"}, "c/z": Figure(9, 9)},
        NONE,
        False,
        {"c/a", "c/b", "c/c", "c/d", "c/e", "c/z"},
    ),
}


@pytest.mark.parametrize(("below", "own", "is_whole_hidden", "hidden"), ROWS.values(), ids=ROWS)
def test_of_a_row_so_much_is_hidden(
    below: Mapping[str, Figure], own: Figure, is_whole_hidden: bool, hidden: set[str]
) -> None:
    learners = own.learners + sum(figure.learners for figure in below.values())
    achievements = own.achievements + sum(figure.achievements for figure in below.values())
    level = Level(Figure(achievements, learners), own, below)
    assert hidden_below(level, LEAST, is_whole_hidden=is_whole_hidden) == hidden


def codes(tree: Mapping[str, object], top: str) -> list[str]:
    """Every code of a tree."""
    found = [top]
    for name, below in tree.items():
        assert isinstance(below, dict)
        found += codes(below, f"{top}/{name}")
    return found


TREES: st.SearchStrategy[dict[str, object]] = st.recursive(
    st.just({}), lambda below: st.dictionaries(st.sampled_from("abcd"), below, min_size=1, max_size=4), max_leaves=9
)


@given(TREES, st.data())
def test_no_small_figure_follows_from_those_that_are_shown(tree: dict[str, object], data: st.DataObject) -> None:
    places = codes(tree, "c")
    own = {code: data.draw(st.integers(0, 9)) for code in places}
    each = data.draw(st.integers(1, 3))

    def at(code: str) -> list[bool]:
        return [one == code or one.startswith(code + "/") for one in places]

    def whole(code: str) -> Figure:
        learners = sum(own[one] for one, is_in in zip(places, at(code), strict=True) if is_in)
        return Figure(learners * each, learners)

    def level(code: str) -> Level:
        below = {one: whole(one) for one in places if one.rpartition("/")[0] == code}
        return Level(whole(code), Figure(own[code] * each, own[code]), below)

    def is_shown(code: str) -> bool:
        steps = code.split("/")
        path = ["/".join(steps[: n + 1]) for n in range(len(steps))]
        return not whole(code).is_small(LEAST) and not is_hidden([level(above) for above in path[:-1]], path, LEAST)

    shown = [code for code in places if is_shown(code)]
    # Every figure is a sum of what institutions did themselves; what is shown are equations, and that nobody did
    # anything says so of each.
    idle = [
        one for code in shown if not whole(code).learners for one, is_in in zip(places, at(code), strict=True) if is_in
    ]
    known = [at(code) for code in shown] + [[one == idler for one in places] for idler in idle]
    small = [at(code) for code in places if whole(code).is_small(LEAST)]
    small += [[one == code for one in places] for code in places if 0 < own[code] < LEAST]
    for sought in small:
        assert rank([*known, sought]) > rank(known), (own, shown)


def rank(rows: Sequence[Sequence[int]]) -> int:
    """How many of the equations say something that the others do not: exactly, by elimination."""
    left = [[Fraction(value) for value in row] for row in rows]
    found = 0
    for column in range(len(left[0]) if left else 0):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        found += 1
        left.remove(pivot)
        left = [
            [value - row[column] / pivot[column] * base for value, base in zip(row, pivot, strict=True)] for row in left
        ]
    return found
