"""What two versions differ in, and whom that touches (rules/v1 section 13)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from creditbank.rules.difference import EVERYTHING, Difference, Touched, difference
from creditbank.rules.document import read_documents
from creditbank.rules.layers import Layered
from tests.rules.writing import plain_document

RULES = [
    {
        "id": "a",
        "match": {"kind": "course", "provider": "cn/cq", "code": ["X", "Y"]},
        "grant": [{"credits": {"native": 1}}],
    },
    {
        "id": "b",
        "match": {"all": [{"kind": "exam", "code": "B1"}, {"provider": "us", "grade": {"scale": "us", "min": 3}}]},
        "grant": [{"credits": {"table": "t", "key": "code"}, "grade": "pass", "level": 3}],
    },
    {
        "id": "c",
        "match": {"kind": "work", "accredited": "r", "level": {"min": 3}},
        "grant": [{"credits": {"per_hour": 30}, "pool": {"per": "year"}, "grade": "pass", "level": "none"}],
    },
    {
        "id": "d",
        "match": {
            "kind": "workshop",
            "where": {
                "all": [
                    {"fact": "hours", "op": ">=", "value": 8},
                    {"any": [{"fact": "code", "op": "exists"}, {"not": {"fact": "level", "op": "==", "value": 5}}]},
                ]
            },
        },
        "grant": [{"credits": {"fixed": 1}, "grade": "pass", "level": "none"}],
    },
    {
        "id": "e",
        "match": {"kind": "thesis", "where": {"fact": "grade", "op": ">=", "value": 3}},
        "grant": [{"credits": {"fixed": 1}, "grade": "pass", "level": "none"}],
    },
    {
        "id": "f",
        "match": {"kind": "licence"},
        "grant": [{"credits": {"table": "by-level", "key": "level"}, "grade": "pass", "level": 3}],
    },
]
BLOCKS: dict[str, Any] = {
    "scales": {"us": {"grades": {"A": 4, "B": 3}}},
    "tables": {"t": {"B1": 4, "title": 1}, "by-level": {"4": 2, "5": 3}},
    "registers": {"r": {"external": True}},
    "calendars": {"year": {"starts": ["01-01"]}},
    "levels": {"eqf": {"five": 5}},
    "limits": [{"id": "l", "over": {"kind": "course"}, "per": "year", "at_most": {"credits": 10}}],
    "programmes": [{"id": "p", "total": 30}],
}

A = Touched(("course",), ("cn/cq",), ("X", "Y"))
B = [Touched(("exam",), None, ("B1",)), Touched(None, ("us",), None)]
C = Touched(("work",), None, None)
D, E, F = (Touched((kind,), None, None) for kind in ("workshop", "thesis", "licence"))
COURSES = Touched(("course",), None, None)


def _layered(document: Mapping[str, Any]) -> Layered:
    return read_documents(json.dumps(document), format="json")[0].layered


def _changed(path: str, value: Any) -> Difference:
    """The difference that comes from setting one place, or from taking it away (None)."""
    old = plain_document(*RULES, **BLOCKS)
    new = deepcopy(old)
    *way, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    at: Any = new
    for part in way:
        at = at[part]
    if value is None:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return difference(_layered(old), _layered(new))


NEW = {"id": "n", "match": {"kind": "mooc"}, "grant": [{"credits": {"native": 1}}]}

CASES: list[tuple[str, str, Any, tuple[str, str, str], list[Touched]]] = [
    ("a rule added", "recognition/6", NEW, ("added", "/recognition/6", "n"), [Touched(("mooc",), None, None)]),
    ("a rule removed", "recognition/0", None, ("removed", "/recognition/0", "a"), [A]),
    (
        "another amount",
        "recognition/0/grant/0/credits/native",
        "1/2",
        ("changed", "/recognition/0/grant/0/credits/native", "a"),
        [A],
    ),
    ("another priority", "recognition/1/priority", 5, ("added", "/recognition/1/priority", "b"), B),
    (
        "a wider match",
        "recognition/0/match/code",
        ["X", "Z"],
        ("changed", "/recognition/0/match/code/1", "a"),
        [A, Touched(("course",), ("cn/cq",), ("X", "Z"))],
    ),
    ("a title", "recognition/0/title", "Maths", ("added", "/recognition/0/title", "a"), []),
    ("a table", "tables/t/B1", 5, ("changed", "/tables/t/B1", "tables.t"), B),
    ("a table's key named title", "tables/t/title", 2, ("changed", "/tables/t/title", "tables.t"), B),
    ("a grade of a scale", "scales/us/grades/B", 2, ("changed", "/scales/us/grades/B", "scales.us"), [A, *B, E]),
    (
        "a register",
        "registers/r",
        {"entries": [{"provider": "cn"}]},
        ("removed", "/registers/r/external", "registers.r"),
        [C],
    ),
    (
        "a calendar",
        "calendars/year/starts",
        ["03-01"],
        ("changed", "/calendars/year/starts/0", "calendars.year"),
        [C, COURSES],
    ),
    ("a level", "levels/eqf/five", 4, ("changed", "/levels/eqf/five", "levels.eqf"), [A, C, D, F]),
    ("a limit", "limits/0/at_most/credits", 12, ("changed", "/limits/0/at_most/credits", "l"), [COURSES]),
    (
        "a limit over everything",
        "limits/1",
        {"id": "m", "at_most": {"count": 1}},
        ("added", "/limits/1", "m"),
        [EVERYTHING],
    ),
    ("uniqueness", "unique", {"key": "learning"}, ("added", "/unique", "unique"), [EVERYTHING]),
    ("the end", "ruleset/until", "2030-01-01", ("added", "/ruleset/until", "ruleset.until"), [EVERYTHING]),
    ("the version", "ruleset/version", 2, ("changed", "/ruleset/version", "ruleset.version"), []),
    ("a programme", "programmes/0/total", 40, ("changed", "/programmes/0/total", "p"), []),
]


@pytest.mark.parametrize(
    ("path", "value", "change", "touched"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_changed_and_whom_it_touches(
    path: str, value: Any, change: tuple[str, str, str], touched: list[Touched]
) -> None:
    found = _changed(path, value)
    assert change in [(one.kind, one.pointer, one.of) for one in found.changes]
    assert set(found.touched) == set(touched)
    assert found.touches_everything == (touched == [EVERYTHING])
    assert found.programmes == (("p",) if path.startswith("programmes") else ())


@pytest.mark.parametrize("block", ["levels", "scales"])
def test_definitions_of_a_kind_that_there_were_none_of_touch_whoever_has_a_level_or_a_grade(block: str) -> None:
    plain = {"fixed": 1}
    rules = [
        {"id": "own", "match": {"kind": "course"}, "grant": [{"credits": plain}]},
        {"id": "set", "match": {"kind": "exam"}, "grant": [{"credits": plain, "level": 3, "grade": "pass"}]},
    ]
    old, new = plain_document(*rules), plain_document(*rules, **{block: BLOCKS[block]})
    for one, other in ((old, new), (new, old)):
        assert difference(_layered(one), _layered(other)).touched == (COURSES,)


def test_what_moved_and_did_not_change_is_no_difference() -> None:
    old = plain_document(*RULES, **BLOCKS)
    new = {**plain_document(*reversed(RULES), **BLOCKS)}
    found = difference(_layered(old), _layered(new))
    assert found == Difference((), (), ())


def test_another_document_above_touches_everything() -> None:
    above = {
        f"nation@{version}": read_documents(
            json.dumps(plain_document(NEW, header={"id": "nation", "version": version, "layer": "national"})),
            format="json",
        )[0].model
        for version in (1, 2)
    }
    chains = [
        read_documents(
            json.dumps(plain_document(*RULES, header={"extends": f"nation@{version}"}, **BLOCKS)),
            format="json",
            above=above,
        )[0].layered
        for version in (1, 2)
    ]
    assert difference(chains[0], chains[0]).touched == ()
    assert difference(*chains).touches_everything
