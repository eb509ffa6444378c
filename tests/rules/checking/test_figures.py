"""Numbers that cannot be meant, case by case: E5, E7, E10, W1 and W3 to W8 (rules/v1 section 15)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from creditbank.catalogue.registry import bank_registry
from creditbank.rules.checking.publishing import check_documents, examine_documents, with_places
from creditbank.rules.document import read_documents
from creditbank.rules.registry import Registry
from tests.rules.checking.asking import classes, granting, verdicts
from tests.rules.writing import plain_document

US = {"scales": {"us": {"grades": {"A": 4, "B": 3, "C": 2, "F": 0}}, "pct": {"grades": {}}}}
YEAR = {
    "calendars": {"year": {"starts": ["03-01"]}, "term": {"starts": ["03-01", "09-01"]}, "other": {"starts": ["05-01"]}}
}
ANY = granting("any", {"native": 1})


def table(*keys: str, **parts: Any) -> dict[str, Any]:
    """A rule that looks its credits up by a fact, and the table with these keys."""
    key = parts.pop("key", "grade")
    return {
        "rules": [granting("t", {"table": "t", "key": key}, **parts)],
        "tables": {"t": dict.fromkeys(keys, 1)},
    }


def converting(*grades: str, **parts: Any) -> dict[str, Any]:
    """A rule that converts grades from these, of which each is as frequent."""
    source = {grade: f"100/{len(grades)}" for grade in grades}
    grant = [{"grade": "local", "credits": {"fixed": 1}}]
    return {
        "rules": [granting("c", grant=grant, **parts)],
        "grade_conversions": {"local": {"source": source, "target": {"P": 100}}},
    }


def programme(*requirements: dict[str, Any], total: str = "30", **parts: Any) -> dict[str, Any]:
    """A rule that can give any lot, and a programme."""
    rules = parts.pop("rules", [ANY])
    return {"rules": rules, "programmes": [{"id": "p", "total": total, "requirements": requirements, **parts}]}


def need(id_: str, credits_: str, **parts: Any) -> dict[str, Any]:
    """A requirement of credits."""
    return {"id": id_, "need": {"credits": credits_}, **parts}


def cap(id_: str, credits_: str, **parts: Any) -> dict[str, Any]:
    """A cap on credits."""
    return {"id": id_, "credits_at_most": credits_, **parts}


def limits(*those: dict[str, Any], **blocks: Any) -> dict[str, Any]:
    """A rule that can give any lot, under these limits."""
    return {"rules": [ANY], "limits": [{"id": f"l{n}", **limit} for n, limit in enumerate(those)], **YEAR, **blocks}


def most(credits_: str = "10", **parts: Any) -> dict[str, Any]:
    """A limit."""
    return {"at_most": {"credits": credits_}, **parts}


HIGH = {"kind": "exam", "grade": {"scale": "us", "min": 2}}

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    # E5
    ("a grade without entry", table("A", "B", **HIGH) | US, ["E5 /recognition/0/grant/0/credits/key"]),
    ("every grade that can be", table("A", "B", "C", **HIGH) | US, []),
    ("grades that are numbers are open", table("90", grade={"scale": "pct", "min": 60}) | US, []),
    (
        "a mapped level without entry",
        table("3", key="level") | {"levels": {"eqf": {"a": 3, "b": 4}}},
        ["E5 /recognition/0/grant/0/credits/key"],
    ),
    (
        "the levels that the rule takes",
        table("3", key="level", level={"below": 4}) | {"levels": {"eqf": {"a": 3, "b": 4}}},
        [],
    ),
    (
        "an assurance without entry",
        table("signed", key="assurance", assurance="verified"),
        ["E5 /recognition/0/grant/0/credits/key"],
    ),
    ("codes are open", table("X", key="code", code=["X", "Y"]), []),
    ("a grade that is not converted", converting("A", "B", **HIGH) | US, ["E5 /recognition/0/grant/0/grade"]),
    ("grades that are all converted", converting("A", "B", "C", **HIGH) | US, []),
    (
        "a span of grades",
        converting("18-30", grade={"scale": "n", "min": 0}) | {"scales": {"n": {"grades": {"18": 1, "30": 2}}}},
        [],
    ),
    (
        "only the lead is converted",
        converting("A", "B", "C", match={"all": [HIGH, {"grade": {"scale": "us", "min": 0}, "kind": "course"}]}) | US,
        [],
    ),
    # E10
    ("needs within the total", programme(need("a", "10"), need("b", "20")), []),
    ("needs above the total", programme(need("a", "10"), need("b", "20.5")), ["E10 /programmes/0/requirements"]),
    ("an overlay takes no room", programme(need("a", "20"), need("b", "20", exclusive=False)), []),
    (
        "the least of a choice",
        programme(need("a", "20"), {"id": "c", "n": 1, "of": [need("x", "20"), need("y", "10")]}),
        [],
    ),
    (
        "a choice that is too dear",
        programme(need("a", "20"), {"id": "c", "n": 2, "of": [need("x", "1"), need("y", "10")]}),
        ["E10 /programmes/0/requirements"],
    ),
    (
        "more parts than there are",
        programme({"id": "c", "n": 3, "of": [need("x", "1"), need("y", "10")]}),
        ["E10 /programmes/0/requirements/0/n"],
    ),
    (
        "a category that nothing grants",
        programme(
            need("a", "5", category="maths"),
            rules=[granting("r", grant=[{"category": "arts", "credits": {"fixed": 1}}])],
        ),
        ["E10 /programmes/0/requirements/0"],
    ),
    (
        "a category that the lead may have",
        programme(need("a", "5", category="maths/algebra"), rules=[granting("r", category="maths")]),
        [],
    ),
    (
        "a level that the grant sets",
        programme(
            need("a", "5", level={"min": 5}), rules=[granting("r", grant=[{"level": 5, "credits": {"fixed": 1}}])]
        ),
        [],
    ),
    ("a level that nothing has", programme(need("a", "5", level={"min": 5})), ["E10 /programmes/0/requirements/0"]),
    (
        "a unit that nothing grants",
        programme(
            {"id": "g", "all": [need("a", "5", unit="U2")]},
            rules=[granting("r", grant=[{"unit": "U1", "credits": {"fixed": 1}}])],
        ),
        ["E10 /programmes/0/requirements/0/all/0"],
    ),
    ("credits from elsewhere", programme(need("a", "5", provider="own"), rules=[granting("r", provider="uk")]), []),
    (
        "inside and outside at once",
        programme(need("a", "5", provider="own/x", provider_not="own")),
        ["E10 /programmes/0/requirements/0"],
    ),
    (
        "a denied course fills nothing",
        programme(need("a", "5"), rules=[granting("r", effect="deny")]),
        ["E10 /programmes/0/requirements/0"],
    ),
    (
        "a cap below the residency minimum",
        programme(need("own", "18", provider="own", exclusive=False), caps=[cap("few", "12", provider="own")]),
        ["E10 /programmes/0/caps/0"],
    ),
    (
        "a cap that leaves the minimum",
        programme(need("own", "18", provider="own"), caps=[cap("few", "18", provider="own")]),
        [],
    ),
    (
        "a cap beside the minimum",
        programme(need("own", "18", provider="own"), caps=[cap("few", "12", provider="uk")]),
        [],
    ),
    (
        "a cap below two needs together",
        programme(
            need("a", "10", category="m/a"), need("b", "10", category="m/b"), caps=[cap("m", "15", category="m")]
        ),
        ["E10 /programmes/0/caps/0"],
    ),
    (
        "a cap below two needs of which one looks at the credits of the other",
        programme(
            need("a", "10", category="m/a"),
            need("b", "10", category="m/b", exclusive=False),
            caps=[cap("m", "15", category="m")],
        ),
        [],
    ),
    (
        "a cap below two needs of which one is a choice",
        programme(
            need("a", "10", category="m/a"),
            {"id": "either", "n": 1, "of": [need("b", "10", category="m/b"), need("c", "10", category="x")]},
            caps=[cap("m", "15", category="m")],
        ),
        [],
    ),
    (
        "a share below the minimum",
        programme(need("own", "18", provider="own"), caps=[{"id": "half", "provider": "own", "share_at_most": "1/2"}]),
        ["E10 /programmes/0/caps/0"],
    ),
    (
        "two caps that leave a hole",
        programme(caps=[cap("in", "10", provider="own"), cap("out", "15", provider_not="own")]),
        ["E10 /programmes/0/caps/1"],
    ),
    (
        "two caps that fill the total",
        programme(caps=[cap("in", "10", provider="own"), cap("out", "20", provider_not="own")]),
        [],
    ),
    ("a cap on everything", programme(caps=[cap("all", "20")]), ["E10 /programmes/0/caps/0"]),
    # W1
    (
        "a gap between bands",
        {
            **US,
            "rules": [
                granting("a", code="X", grade={"scale": "pct", "min": 80}),
                granting("b", "2", code="X", grade={"scale": "pct", "min": 60, "below": 70}),
            ],
        },
        ["W1 /recognition/0/match/grade"],
    ),
    (
        "bands that meet",
        {
            **US,
            "rules": [
                granting("a", code="X", grade={"scale": "pct", "min": 70}),
                granting("b", "2", code="X", grade={"scale": "pct", "min": 60, "below": 70}),
            ],
        },
        [],
    ),
    (
        "a gap without a grade in it",
        {
            **US,
            "rules": [
                granting("a", code="X", grade={"scale": "us", "min": 3}),
                granting("b", "2", code="X", grade={"scale": "us", "min": 0, "below": "2.5"}),
            ],
        },
        [],
    ),
    (
        "a gap that holds a grade",
        {
            **US,
            "rules": [
                granting("a", code="X", grade={"scale": "us", "min": 3}),
                granting("b", "2", code="X", grade={"scale": "us", "min": 0, "below": 2}),
            ],
        },
        ["W1 /recognition/0/match/grade"],
    ),
    (
        "bands of two courses",
        {
            **US,
            "rules": [
                granting("a", code="X", grade={"scale": "pct", "min": 80}),
                granting("b", "2", code="Y", grade={"scale": "pct", "min": 60, "below": 70}),
            ],
        },
        [],
    ),
    # W3
    ("the same for longer", limits(most(), most("10", per="year")), ["W3 /limits/1"]),
    ("less for longer", limits(most("10"), most("5", per="year")), []),
    ("more of a part", limits(most("10"), most("12", over={"kind": "exam"})), ["W3 /limits/1"]),
    ("more of the whole", limits(most("12"), most("10", over={"kind": "exam"})), []),
    ("a count beside credits", limits(most("10"), {"at_most": {"credits": "10", "count": 3}}), ["W3 /limits/0"]),
    ("a count of less", limits(most("10"), {"at_most": {"count": 3}}), []),
    ("a longer window", limits(most("10", per="P12M"), most("10", per="P6M")), ["W3 /limits/1"]),
    ("each provider's part", limits(most("10"), most("10", by=["provider"])), ["W3 /limits/1"]),
    (
        "over what nothing gives",
        {"rules": [granting("r", kind="exam")], "limits": [{"id": "l", **most(over={"kind": "course"})}]},
        ["W3 /limits/0"],
    ),
    (
        "over a level that a grant sets",
        {
            "rules": [granting("r", grant=[{"level": 4, "credits": {"fixed": 1}}])],
            "limits": [{"id": "l", **most(over={"level": {"min": 4}})}],
        },
        [],
    ),
    (
        "over a level below",
        {
            "rules": [granting("r", grant=[{"level": 3, "credits": {"fixed": 1}}])],
            "limits": [{"id": "l", **most(over={"level": {"min": 4}})}],
        },
        ["W3 /limits/0"],
    ),
    ("a cap of the whole", programme(caps=[cap("c", "30", provider="uk")]), ["W3 /programmes/0/caps/0"]),
    (
        "a cap implied by another",
        programme(caps=[cap("c", "20", provider="uk"), cap("d", "20", provider="uk/x")]),
        ["W3 /programmes/0/caps/1"],
    ),
    ("a cap for each provider", programme(caps=[cap("c", "20", by="provider"), cap("d", "20", provider="uk")]), []),
    (
        "a cap on what nothing gives",
        programme(caps=[cap("c", "20", kind="course")], rules=[granting("r", kind="exam")]),
        ["W3 /programmes/0/caps/0"],
    ),
    (
        "counts",
        programme(caps=[{"id": "c", "count_at_most": 3}, {"id": "d", "count_at_most": 3, "kind": "exam"}]),
        ["W3 /programmes/0/caps/1"],
    ),
    (
        "one count said twice is told of once",
        programme(
            caps=[{"id": "c", "count_at_most": 3, "kind": "exam"}, {"id": "d", "count_at_most": 3, "kind": "exam"}]
        ),
        ["W3 /programmes/0/caps/1"],
    ),
    # W4
    ("terms in years", limits(most("10", per="year"), most("6", per="term")), []),
    ("years that begin otherwise", limits(most("10", per="year"), most("6", per="other")), ["W4 /limits/0"]),
    ("a window across years", limits(most("10", per="year"), most("6", per="P6M")), ["W4 /limits/0"]),
    ("parts that overlap", limits(most(over={"kind": "exam"}), most(over={"code": "X"})), ["W4 /limits/0"]),
    ("parts that are apart", limits(most(over={"kind": "exam"}), most(over={"kind": "course"})), []),
    ("buckets across", limits(most(by=["provider"]), most(by=["category"])), ["W4 /limits/0"]),
    (
        "a part by year, the whole by term",
        limits(most(per="year", over={"kind": "exam"}), most("6", per="term")),
        ["W4 /limits/0"],
    ),
    ("unsplit inside", limits(most("10", per="year"), most("6", per="term", split=False)), ["W4 /limits/1"]),
    ("unsplit around", limits(most("10", per="year", split=False), most("6", per="term")), []),
    # W5
    (
        "a validity shorter than the limits allow",
        {
            "rules": [ANY],
            **YEAR,
            "limits": [{"id": "l", **most("10", per="year")}],
            "validity": {"max": "P2Y"},
            "programmes": [{"id": "p", "total": "60"}],
        },
        ["W5 /programmes/0"],
    ),
    (
        "a validity that is long enough",
        {
            "rules": [ANY],
            **YEAR,
            "limits": [{"id": "l", **most("10", per="year")}],
            "validity": {"max": "P5Y"},
            "programmes": [{"id": "p", "total": "60"}],
        },
        [],
    ),
    (
        "a right shorter than the limits allow",
        {
            "rules": [ANY],
            "limits": [{"id": "l", **most("10", per="P12M")}],
            "programmes": [{"id": "p", "total": "60", "catalogue_right": "P4Y"}],
        },
        ["W5 /programmes/0/catalogue_right"],
    ),
    (
        "credits that go before the right",
        {
            "rules": [ANY],
            "validity": {"max": "P5Y"},
            "programmes": [{"id": "p", "total": "60", "catalogue_right": "P8Y"}],
        },
        ["W5 /programmes/0/catalogue_right"],
    ),
    (
        "credits that outlast the right",
        {
            "rules": [ANY],
            "validity": {"max": "P8Y"},
            "programmes": [{"id": "p", "total": "60", "catalogue_right": "P8Y"}],
        },
        [],
    ),
    # W6
    (
        "two halves",
        {
            "rules": [
                granting(
                    "r",
                    grant=[{"unit": "A", "credits": {"native": "1/2"}}, {"unit": "B", "credits": {"native": "1/2"}}],
                )
            ]
        },
        [],
    ),
    (
        "two wholes",
        {
            "rules": [
                granting("r", grant=[{"unit": "A", "credits": {"native": 1}}, {"unit": "B", "credits": {"native": 1}}])
            ]
        },
        ["W6 /recognition/0/grant"],
    ),
    (
        "the whole and something",
        {
            "rules": [
                granting("r", grant=[{"unit": "A", "credits": {"native": 1}}, {"unit": "B", "credits": {"fixed": 1}}])
            ]
        },
        ["W6 /recognition/0/grant"],
    ),
    (
        "more than it can have",
        {
            "rules": [
                granting(
                    "r",
                    grant=[{"unit": "A", "credits": {"fixed": 2}}, {"unit": "B", "credits": {"fixed": 2}}],
                    where={"fact": "credits", "op": "<=", "value": 3},
                )
            ]
        },
        ["W6 /recognition/0/grant"],
    ),
    (
        "nobody knows what it receives",
        {
            "rules": [
                granting("r", grant=[{"unit": "A", "credits": {"fixed": 2}}, {"unit": "B", "credits": {"fixed": 2}}])
            ]
        },
        [],
    ),
]


@pytest.mark.parametrize(("document", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_found(document: dict[str, Any], wanted: list[str]) -> None:
    blocks = dict(document)
    rules = blocks.pop("rules")
    found = verdicts(*rules, **blocks)
    assert classes(found) == wanted
    # Each names what it is about, and has a sentence in both languages.
    assert all(verdict.rules and verdict.message["en"] and verdict.message["zh"] for verdict in found)


def test_kinds_are_those_of_the_registry() -> None:
    document = table("course", key="kind")
    registry = Registry({"course": {}, "exam": {}}, frozenset())
    (verdict,) = verdicts(*document["rules"], registry=registry, tables=document["tables"])
    assert verdict.message["en"] == "The table t has no entry for exam, which kind may be."
    assert verdict.message["zh"] == "对照表 t 缺少 kind 可能的取值：exam。"


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ({}, {"from": "2024-01-01"}, False),
        ({"until": "2024-01-01"}, {"from": "2024-01-01"}, False),
        ({"until": "2024-01-02"}, {"from": "2024-01-01"}, True),
        ({}, {"from": "2024-01-01", "until": "2025-01-01"}, True),
        ({}, {"until": "2030-01-01"}, True),
        ({}, {}, False),
        ({}, {"id": "village", "from": "2019-01-01", "until": "2025-01-01"}, False),
    ],
)
def test_versions_of_one_rule_set_do_not_govern_the_same_days(
    one: dict[str, Any], other: dict[str, Any], clash: bool
) -> None:
    documents = [
        plain_document(ANY, header={"version": version, **header}) for version, header in ((1, one), (2, other))
    ]
    text = yaml.safe_dump_all(documents)
    found = with_places(examine_documents(read_documents(text)), text)
    assert classes(found) == (["E7 /ruleset/from"] if clash else [])
    for verdict in found:
        assert verdict.document == 1
        assert text.splitlines()[(verdict.line or 0) - 1].strip().startswith("from:")


def test_what_no_test_exercises_is_told() -> None:
    document = plain_document(
        granting("a", code="A"),
        granting("b", code="B"),
        limits=[
            {"id": "cuts", "at_most": {"credits": "1/2"}},
            {"id": "never", "per": "P12M", "at_most": {"credits": "1/4"}},
        ],
        tests=[
            {
                "name": "one",
                "as_of": "2024-01-01",
                "given": [{"id": "x", "kind": "course", "provider": "cn", "code": "A", "completed": "2023-01-01"}],
                "then": {"x": ["0", "1"]},
            }
        ],
    )
    found = check_documents(read_documents(json.dumps(document), format="json"), bank_registry()).untested
    assert {verdict.code for verdict in found} == {"W8"}
    told = {verdict.rules[0] for verdict in found}
    assert "b" in told
    assert "a" not in told
    assert len(told & {"cuts", "never"}) == 1


def test_a_list_written_as_one_value_keeps_its_place() -> None:
    text = "\n".join(
        [
            "ruleset: {lcb: rules/v1, id: one, version: 1, from: 2024-01-01, unit: {code: CR}}",
            "levels: {eqf: {a: 3, b: 4}}",
            "tables: {t: {'3': 1}}",
            "recognition:",
            "  id: r",
            "  match: {}",
            "  grant:",
            "    credits: {table: t, key: level}",
        ]
    )
    (verdict,) = with_places(examine_documents(read_documents(text)), text)
    assert (verdict.pointer, verdict.line) == ("/recognition/grant/credits/key", 8)
