"""Documents that are refused: where, and why (rules/v1 sections 2 and 15)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from creditbank.rules.document import read_documents
from creditbank.rules.faults import SENTENCES, DocumentFault, DocumentRefused
from creditbank.rules.registry import Registry
from creditbank.rules.source import read_sources
from tests.rules.writing import plain_document, rule

HEADER = "ruleset: {lcb: rules/v1, id: town, version: 1, from: 2020-03-01, unit: {code: CR}}\n"


def refusal(text: str | bytes, format: str = "yaml") -> tuple[DocumentFault, ...]:
    """The faults of a text that is no good."""
    with pytest.raises(DocumentRefused) as caught:
        read_documents(text, format="json" if format == "json" else "yaml")
    return caught.value.faults


def shown(faults: tuple[DocumentFault, ...]) -> list[tuple[str, str, str]]:
    """Pointer, class and case of each fault."""
    return [(fault.pointer, fault.code, fault.reason) for fault in faults]


RULE = "recognition: [{id: r, match: {%s}, grant: [{%s}]}]"
MATCH = HEADER + RULE % ("%s", "credits: {fixed: 1}")
GRANT = HEADER + RULE % ("kind: course", "%s")
CREDITS = GRANT % "credits: {%s}"
TEST = HEADER + "tests: [{name: t, as_of: 2024-01-01, given: [{%s}], then: {%s}}]"
GIVEN = TEST % ("id: a, kind: course, provider: cn, completed: 2024-01-01%s", "a: [none]")
THEN = TEST % ("id: a, kind: course, provider: cn, completed: 2024-01-01", "%s")

# The text of the document, the pointer, the class, the case.
TEXTS: list[tuple[str, str, str, str]] = [
    # Text that two readers could read differently.
    ("", "", "E0", "no_document"),
    ("a: [1", "", "E0", "syntax"),
    ("a: 1\n b: 2", "", "E0", "syntax"),
    ("a: \x07", "", "E0", "syntax"),
    ('a: "\\x07"', "/a", "E0", "control_character"),
    ("--- \n", "", "E0", "null"),
    ("a: {b: 1, b: 2}", "/a/b", "E0", "duplicate_key"),
    ('a: {"é": 1, "e\u0301": 2}', "/a/é", "E0", "duplicate_key"),
    ("a: &x 1\nb: *x", "/b", "E0", "alias"),
    ("a: &x [*x]", "/a/0", "E0", "alias"),
    ("a: 1.5", "/a", "E0", "float"),
    ("a: [1, -2e3]", "/a/1", "E0", "float"),
    ("a: .inf", "/a", "E0", "float"),
    ("a: no", "/a", "E0", "ambiguous"),
    ("a: [On]", "/a/0", "E0", "ambiguous"),
    ("a: True", "/a", "E0", "ambiguous"),
    ("a: 1:30", "/a", "E0", "ambiguous"),
    ("a: 010", "/a", "E0", "ambiguous"),
    ("a: 0x1F", "/a", "E0", "ambiguous"),
    ("a: 1_000", "/a", "E0", "ambiguous"),
    ("a: +1", "/a", "E0", "ambiguous"),
    ("a: 2024-1-5", "/a", "E0", "ambiguous"),
    ("a: 2024-01-05 10:00:00", "/a", "E0", "ambiguous"),
    ("a: 2024-02-30", "/a", "E0", "not_a_date"),
    ("a: 12345678901234567890", "/a", "E0", "not_a_number"),
    ("a:", "/a", "E0", "null"),
    ("a: ~", "/a", "E0", "null"),
    ("a: null", "/a", "E0", "null"),
    ("no: 1", "/no", "E0", "key_type"),
    ("3: 1", "/3", "E0", "key_type"),
    ("? [x]\n: 1", "", "E0", "key_type"),
    ("a: !!python/object:os.system x", "/a", "E0", "tag"),
    ("a: !!binary eA==", "/a", "E0", "tag"),
    ("a: " + "[" * 60 + "]" * 60, "/a" + "/0" * 48, "E0", "too_deep"),
    ("[" * 500, "/0" * 49, "E0", "too_deep"),
    # Here the parser itself has had enough.
    ("[" * 100_000, "", "E0", "syntax"),
    # The document and its header.
    ("- 1", "", "E0", "wrong_type"),
    ("{}", "/ruleset", "E0", "missing"),
    (HEADER + "rules: []", "/rules", "E0", "unknown_key"),
    (HEADER + "a/b~c: 1", "/a~1b~0c", "E0", "unknown_key"),
    (HEADER.replace("rules/v1", "rules/v2"), "/ruleset/lcb", "E0", "not_one_of"),
    (HEADER.replace("version: 1, ", ""), "/ruleset/version", "E0", "missing"),
    (HEADER.replace("version: 1", "version: 0"), "/ruleset/version", "E0", "out_of_range"),
    (HEADER.replace("version: 1", 'version: "1"'), "/ruleset/version", "E0", "wrong_type"),
    (HEADER.replace("version: 1", "version: true"), "/ruleset/version", "E0", "wrong_type"),
    (HEADER.replace("id: town", "id: Town"), "/ruleset/id", "E0", "wrong_form"),
    (HEADER.replace("id: town", f"id: {'x' * 65}"), "/ruleset/id", "E0", "wrong_form"),
    (HEADER.replace("id: town", "id: 7"), "/ruleset/id", "E0", "wrong_type"),
    (HEADER.replace("2020-03-01", "spring"), "/ruleset/from", "E0", "not_a_date"),
    (HEADER.replace("2020-03-01", "2020-03-01, until: 2020-03-01"), "/ruleset/until", "E0", "empty_interval"),
    (HEADER.replace("CR", "2024-01-01"), "/ruleset/unit/code", "E0", "wrong_type"),
    (HEADER.replace("code: CR", "code: CR, round: up"), "/ruleset/unit/round", "E0", "not_one_of"),
    (HEADER.replace("code: CR", "code: CR, step: 0"), "/ruleset/unit/step", "E8", "not_positive"),
    (HEADER.replace("code: CR", 'code: CR, step: "1/3"'), "/ruleset/unit/step", "E8", "step_too_fine"),
    (HEADER.replace("code: CR", 'code: CR, step: "1/0"'), "/ruleset/unit/step", "E0", "not_a_number"),
    (HEADER.replace("code: CR", 'code: CR, step: "1e-1"'), "/ruleset/unit/step", "E0", "not_a_number"),
    (HEADER + "title: {}", "/title", "E0", "empty"),
    (HEADER + "title: {fr: titre}", "/title/fr", "E0", "unknown_key"),
    # Definitions.
    (HEADER + "scales: {pct: {}}", "/scales/pct/grades", "E0", "missing"),
    (HEADER + "scales: {Pct: {grades: {}}}", "/scales/Pct", "E0", "wrong_form"),
    (HEADER + "scales: {us: {grades: {A: good}}}", "/scales/us/grades/A", "E0", "not_a_number"),
    (HEADER + 'levels: {eqf: {"3": 9}}', "/levels/eqf/3", "E0", "out_of_range"),
    (HEADER + 'levels: {eqf: {"3": "3"}}', "/levels/eqf/3", "E0", "wrong_type"),
    (HEADER + "registers: {r: {}}", "/registers/r", "E0", "alternatives"),
    (HEADER + "registers: {r: {external: true, entries: []}}", "/registers/r", "E0", "alternatives"),
    (HEADER + "registers: {r: {external: false}}", "/registers/r/external", "E0", "not_one_of"),
    (HEADER + "registers: {r: {entries: {code: X}}}", "/registers/r/entries/provider", "E0", "missing"),
    (HEADER + "registers: {r: {entries: {provider: us, from: 2024-01-01, until: 2023-01-01}}}",
     "/registers/r/entries/until", "E0", "empty_interval"),
    # Recognition.
    (HEADER + "recognition: [{match: {}, grant: {credits: {fixed: 1}}}]", "/recognition/0/id", "E0", "missing"),
    (HEADER + "recognition: [{id: r, match: {}}]", "/recognition/0", "E0", "grants_missing"),
    (HEADER + "recognition: [{id: r, match: {}, effect: allow, grant: {credits: {fixed: 1}}}]",
     "/recognition/0/effect", "E0", "not_one_of"),
    (HEADER + "recognition: [{id: r, match: {}, priority: high, grant: {credits: {fixed: 1}}}]",
     "/recognition/0/priority", "E0", "wrong_type"),
    (HEADER + "recognition: [{id: r, match: {}, grant: {credits: {fixed: 1}}}, "
     "{id: r, match: {}, grant: {credits: {fixed: 1}}}]", "/recognition/1/id", "E0", "duplicate_id"),
    (MATCH % "color: red", "/recognition/0/match/color", "E0", "unknown_key"),
    (MATCH % "kind: []", "/recognition/0/match/kind", "E0", "empty"),
    (MATCH % "kind: 3", "/recognition/0/match/kind", "E0", "wrong_type"),
    (MATCH % 'kind: [a, ""]', "/recognition/0/match/kind/1", "E0", "empty"),
    (MATCH % "provider: /cn", "/recognition/0/match/provider", "E0", "wrong_form"),
    (MATCH % "provider: cn/CQ", "/recognition/0/match/provider", "E0", "wrong_form"),
    (MATCH % "category: math/", "/recognition/0/match/category", "E0", "wrong_form"),
    (MATCH % "hours: {}", "/recognition/0/match/hours", "E0", "empty_range"),
    (MATCH % "hours: {min: 3, below: 3}", "/recognition/0/match/hours", "E0", "empty_range"),
    (MATCH % "hours: 3", "/recognition/0/match/hours", "E0", "wrong_type"),
    (MATCH % "grade: {min: 3}", "/recognition/0/match/grade/scale", "E0", "missing"),
    (MATCH % "grade: {scale: pct, min: 60}", "/recognition/0/match/grade/scale", "E1", "unknown_reference"),
    (MATCH % "accredited: niie", "/recognition/0/match/accredited", "E1", "unknown_reference"),
    (MATCH % "assurance: sure", "/recognition/0/match/assurance", "E0", "not_one_of"),
    # Grants.
    (GRANT % "unit: U", "/recognition/0/grant/0/credits", "E0", "missing"),
    (GRANT % 'unit: "blanket:", credits: {fixed: 1}', "/recognition/0/grant/0/unit", "E0", "wrong_form"),
    (GRANT % "category: 3, credits: {fixed: 1}", "/recognition/0/grant/0/category", "E0", "wrong_type"),
    (CREDITS % "", "/recognition/0/grant/0/credits", "E0", "alternatives"),
    (CREDITS % "fixed: 1, native: 1", "/recognition/0/grant/0/credits", "E0", "alternatives"),
    (CREDITS % "fixed: -1", "/recognition/0/grant/0/credits/fixed", "E0", "out_of_range"),
    (CREDITS % "fixed: a lot", "/recognition/0/grant/0/credits/fixed", "E0", "not_a_number"),
    (CREDITS % 'fixed: "1.25"', "/recognition/0/grant/0/credits/fixed", "E8", "off_step"),
    (CREDITS % 'fixed: 1, step: "0.3"', "/recognition/0/grant/0/credits/fixed", "E8", "off_step"),
    (CREDITS % 'fixed: "1/3", round: none', "/recognition/0/grant/0/credits/fixed", "E8", "off_step"),
    (CREDITS % 'fixed: 1, at_most: "1/3", round: none', "/recognition/0/grant/0/credits/at_most", "E8", "off_step"),
    (CREDITS % 'native: 1, at_least: "0.3"', "/recognition/0/grant/0/credits/at_least", "E8", "off_step"),
    (CREDITS % "native: 0", "/recognition/0/grant/0/credits/native", "E8", "not_positive"),
    (CREDITS % "native: -1", "/recognition/0/grant/0/credits/native", "E8", "not_positive"),
    (CREDITS % "per_hour: 0", "/recognition/0/grant/0/credits/per_hour", "E8", "not_positive"),
    (CREDITS % "per_hour: 30, round: none", "/recognition/0/grant/0/credits/round", "E8", "round_none"),
    (CREDITS % 'native: 1, step: "0.0005"', "/recognition/0/grant/0/credits/step", "E8", "step_too_fine"),
    (CREDITS % "native: 2000000000", "/recognition/0/grant/0/credits/native", "E0", "not_a_number"),
    (HEADER + "unique: {keep: worst}", "/unique/keep", "E0", "not_one_of"),
    # Tests.
    (HEADER + "tests: [{as_of: 2024-01-01, given: [], then: {}}]", "/tests/0/name", "E0", "missing"),
    (GIVEN % ", color: red", "/tests/0/given/0/color", "E0", "unknown_key"),
    (GIVEN % ", grade: {}", "/tests/0/given/0/grade", "E0", "alternatives"),
    (GIVEN % ", grade: {us: A, uk: B}", "/tests/0/given/0/grade", "E0", "alternatives"),
    (GIVEN % ", hours: -3", "/tests/0/given/0/hours", "E0", "out_of_range"),
    (GIVEN % ", shelf_life: 5 years", "/tests/0/given/0/shelf_life", "E0", "wrong_form"),
    (THEN % "total: all", "/tests/0/then/total", "E0", "not_a_number"),
    (THEN % "a: []", "/tests/0/then/a", "E0", "wrong_outcome"),
    (THEN % "a: [perhaps]", "/tests/0/then/a", "E0", "wrong_outcome"),
    (THEN % "a: [1, {}]", "/tests/0/then/a", "E0", "wrong_outcome"),
    (HEADER + "tests: [{name: t, as_of: 2024-01-01, given: [{id: a, kind: c, provider: p, completed: 2024-01-01}, "
     "{id: a, kind: c, provider: p, completed: 2024-01-01}], then: {}}]", "/tests/0/given/1/id", "E0", "duplicate_id"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pointer", "code", "reason"), TEXTS, ids=[f"{c[3]} {c[0][-30:]!r}" for c in TEXTS])
def test_a_document_is_refused(text: str, pointer: str, code: str, reason: str) -> None:
    assert (pointer, code, reason) in shown(refusal(text))


RULES = HEADER + "recognition: [%s]\n"
ONE = "{id: a, match: {kind: course}, grant: {credits: {fixed: 1}}}"
PROGRAMME = HEADER + "programmes: {id: p, total: 120, %s}"
LAYERS = (
    "ruleset: {lcb: rules/v1, id: nation, version: 1, from: 2020-01-01, layer: national, unit: {code: CR}}\n"
    "scales: {pct: {grades: {}}}\nrecognition: [{id: top, match: {}, effect: deny}]\n---\n"
)
BELOW = HEADER.replace("unit:", "extends: nation@1, unit:")

# What the rest of the language may get wrong.
MORE: list[tuple[str, str, str, str]] = [
    (HEADER + "calendars: {term: {starts: []}}", "/calendars/term/starts", "E0", "empty"),
    (HEADER + "calendars: {term: {starts: [9-1]}}", "/calendars/term/starts/0", "E0", "wrong_form"),
    (HEADER + 'calendars: {term: {starts: ["09-01", "03-01"]}}', "/calendars/term/starts", "E0", "not_ascending"),
    (HEADER + 'calendars: {term: {starts: ["03-01", "03-01"]}}', "/calendars/term/starts", "E0", "not_ascending"),
    (HEADER + 'calendars: {term: {starts: ["02-29"]}}', "/calendars/term/starts", "E0", "no_such_day"),
    (HEADER + 'calendars: {term: {starts: ["04-31"]}}', "/calendars/term/starts", "E0", "no_such_day"),
    (HEADER + "grade_conversions: {g: {source: {A: 100}, target: {A: 99}}}",
     "/grade_conversions/g/target", "E5", "not_hundred"),
    (HEADER + "grade_conversions: {g: {source: [[A, 50], [A, 50]], target: {A: 100}}}",
     "/grade_conversions/g/source", "E0", "grade_twice"),
    (HEADER + "grade_conversions: {g: {source: {9-7: 100}, target: {A: 100}}}",
     "/grade_conversions/g/source/9-7", "E0", "empty_range"),
    (HEADER + "grade_conversions: {g: {source: {A: 100}, target: {A: 100}, method: luck}}",
     "/grade_conversions/g/method", "E0", "not_one_of"),
    (HEADER + "grade_conversions: {g: [{source: {A: 100}, target: {A: 100}, from: 2022-01-01}, "
     "{source: {A: 100}, target: {A: 100}, from: 2021-01-01}]}", "/grade_conversions/g", "E0", "not_ascending"),
    (HEADER + "tables: {t: {A: many}}", "/tables/t/A", "E0", "not_a_number"),
    (HEADER + "tables: {t: {A: [{from: 2024-01-01, value: 1}, {from: 2023-01-01, value: 2}]}}",
     "/tables/t/A", "E0", "not_ascending"),
    (HEADER + "groups: {g: {hit: all}}", "/groups/g/hit", "E0", "not_one_of"),
    (HEADER.replace("unit:", "extends: nation, unit:"), "/ruleset/extends", "E0", "wrong_form"),
    (HEADER.replace("unit:", "extends: nation@1, unit:"), "/ruleset/extends", "E1", "unknown_version"),
    (HEADER.replace("unit:", "extends: town@1, unit:"), "/ruleset/extends", "E6", "extends_cycle"),
    (HEADER.replace("unit:", "layer: city, unit:"), "/ruleset/layer", "E0", "not_one_of"),
    (HEADER.replace("unit:", "migrations: {old: new}, unit:"), "/ruleset/migrations/old", "E1", "unknown_reference"),
    (LAYERS + BELOW.replace("unit:", "layer: national, unit:"), "/ruleset/extends", "E6", "layer_above"),
    (LAYERS + BELOW.replace("code: CR", "code: KR"), "/ruleset/unit/code", "E1", "unit_differs"),
    (LAYERS + BELOW + "scales: {pct: {grades: {}}}", "/scales/pct", "E1", "redefined"),
    (LAYERS + BELOW + "recognition: [{id: top, match: {}, effect: deny}]", "/recognition/0/id", "E1", "redefined"),
    # Matchers, conditions and combinations.
    (MATCH % "age: {max: 5 years}", "/recognition/0/match/age/max", "E0", "wrong_form"),
    (MATCH % "age: {max: P5Y, at: birth}", "/recognition/0/match/age/at", "E0", "not_one_of"),
    (MATCH % "tags: []", "/recognition/0/match/tags", "E0", "empty"),
    (MATCH % "where: {fact: x}", "/recognition/0/match/where/op", "E0", "missing"),
    (MATCH % "where: {fact: x, op: like, value: y}", "/recognition/0/match/where/op", "E0", "not_one_of"),
    (MATCH % 'where: {fact: x, op: "=="}', "/recognition/0/match/where", "E0", "missing_value"),
    (MATCH % 'where: {fact: x, op: "==", value: [a, b]}', "/recognition/0/match/where", "E0", "wrong_value"),
    (MATCH % 'where: {fact: x, op: "==", value: {a: 1}}', "/recognition/0/match/where/value", "E0", "wrong_value"),
    (MATCH % "where: {fact: x, op: exists, value: 3}", "/recognition/0/match/where", "E0", "wrong_value"),
    (MATCH % 'where: {fact: tags, op: "==", value: x}', "/recognition/0/match/where/fact", "E9", "unknown_fact"),
    (MATCH % 'where: {fact: credits, op: under, value: "3"}',
     "/recognition/0/match/where/op", "E9", "operator_lacking"),
    (MATCH % 'where: {all: [{fact: credits, op: ">=", value: many}]}',
     "/recognition/0/match/where/all/0/value", "E9", "value_of_another_type"),
    (MATCH % ("where: " + "{not: " * 9 + '{fact: hours, op: "==", value: 3}' + "}" * 9),
     "/recognition/0/match/where" + "/not" * 8, "E0", "too_deep"),
    (MATCH % "all: []", "/recognition/0/match/all", "E0", "empty"),
    (MATCH % "n: 2, of: [{code: A}]", "/recognition/0/match", "E0", "n_too_large"),
    (MATCH % "n: 1", "/recognition/0/match/of", "E0", "missing"),
    (MATCH % "all: [{code: A}], any: [{code: B}]", "/recognition/0/match/any", "E0", "unknown_key"),
    (MATCH % "all: [{code: A}, {colour: red}]", "/recognition/0/match/all/1/colour", "E0", "unknown_key"),
    (MATCH % ("all: [" + ", ".join(f"{{code: C{i}}}" for i in range(13)) + "]"),
     "/recognition/0/match", "E0", "too_many_slots"),
    (MATCH % ("all: [" + "{all: [" * 8 + "{code: A}" + "]}" * 8 + "]"), "/recognition/0/match", "E0", "too_deep"),
    # Rules and grants.
    (RULES % "{id: r, match: {}, effect: deny, grant: {credits: {fixed: 1}}}",
     "/recognition/0", "E0", "grants_of_nothing"),
    (RULES % "{id: r, match: {}, effect: review, grant: {credits: {fixed: 1}}}",
     "/recognition/0", "E0", "grants_of_nothing"),
    (RULES % "{id: r, match: {}, effect: conditional, grant: {credits: {fixed: 1}}}",
     "/recognition/0", "E0", "condition_and_effect"),
    (RULES % "{id: r, match: {}, condition: oral, grant: {credits: {fixed: 1}}}",
     "/recognition/0", "E0", "condition_and_effect"),
    (RULES % "{id: r, match: {}, effect: conditional, condition: oral}", "/recognition/0", "E0", "grants_missing"),
    (RULES % "{id: r, match: {}, group: g, effect: deny}", "/recognition/0/group", "E1", "unknown_reference"),
    (RULES % "{id: r, match: {}, exception_to: s, effect: deny}",
     "/recognition/0/exception_to", "E1", "unknown_reference"),
    (RULES % "{id: r, match: {}, exception_to: s, effect: deny}, {id: s, match: {}, exception_to: r, effect: deny}",
     "/recognition/0/exception_to", "E6", "exception_cycle"),
    (RULES % "{id: r, match: {}, from: 2019-01-01, effect: deny}", "/recognition/0/from", "E0", "outside_version"),
    (RULES % "{id: r, match: {}, from: 2022-01-01, until: 2022-01-01, effect: deny}",
     "/recognition/0/until", "E0", "empty_interval"),
    (GRANT % "pool: {per: lifetime}, credits: {fixed: 1}", "/recognition/0/grant/0/pool", "E0", "pool_of_what"),
    (GRANT % "pool: {per: year}, credits: {per_hour: 30}",
     "/recognition/0/grant/0/pool/per", "E1", "unknown_reference"),
    (RULES % "{id: r, match: {all: [{code: A}, {code: B}]}, grant: {pool: {per: lifetime}, credits: {per_hour: 30}}}",
     "/recognition/0/grant/pool", "E0", "pool_of_what"),
    (GRANT % "grade: it-to-local, credits: {fixed: 1}", "/recognition/0/grant/0/grade", "E1", "unknown_reference"),
    (CREDITS % "table: t, key: code", "/recognition/0/grant/0/credits/table", "E1", "unknown_reference"),
    (CREDITS % "table: t", "/recognition/0/grant/0/credits", "E0", "table_and_key"),
    (CREDITS % "fixed: 1, key: code", "/recognition/0/grant/0/credits", "E0", "table_and_key"),
    (HEADER + "tables: {t: {A: 1}}\n" + RULE % ("kind: course", "credits: {table: t, key: tags}"),
     "/recognition/0/grant/0/credits/key", "E9", "unknown_fact"),
    (HEADER + 'tables: {t: {A: "0.3"}}\n' + RULE % ("kind: course", "credits: {table: t, key: code}"),
     "/recognition/0/grant/0/credits/table", "E8", "off_step"),
    (CREDITS % 'bands: [["30", "1"], ["20", "2"]]', "/recognition/0/grant/0/credits/bands/1", "E8", "falling_bands"),
    (CREDITS % 'bands: [["30", "2"], ["60", "1"]]', "/recognition/0/grant/0/credits/bands/1", "E8", "falling_bands"),
    (CREDITS % 'bands: [["30", "0.3"]]', "/recognition/0/grant/0/credits/bands/0", "E8", "off_step"),
    (CREDITS % "bands: []", "/recognition/0/grant/0/credits/bands", "E0", "empty"),
    # Uniqueness, limits, validity.
    (HEADER + "unique: {key: name}", "/unique/key", "E0", "not_one_of"),
    (HEADER + "limits: {id: l}", "/limits/at_most", "E0", "missing"),
    (HEADER + "limits: {id: l, at_most: {}}", "/limits/at_most", "E0", "one_at_least"),
    (HEADER + "limits: {id: l, at_most: {credits: 3}, per: year}", "/limits/per", "E1", "unknown_reference"),
    (HEADER + "limits: {id: l, at_most: {credits: 3}, by: [colour]}", "/limits/by/0", "E0", "not_one_of"),
    (HEADER + "limits: {id: l, at_most: {credits: 3}, over: {all: [{code: A}]}}",
     "/limits/over/all", "E0", "unknown_key"),
    (HEADER + "limits: [{id: l, at_most: {count: 1}}, {id: l, at_most: {count: 2}}]",
     "/limits/1/id", "E0", "duplicate_id"),
    (HEADER + "validity: {}", "/validity", "E0", "one_at_least"),
    (HEADER + "validity: {max: 7}", "/validity/max", "E0", "wrong_type"),
    # Programmes, conversions, transition.
    (PROGRAMME % "requirements: {id: r}", "/programmes/requirements/need", "E0", "missing"),
    (PROGRAMME % "requirements: {id: r, need: {credits: 3, count: 2}}",
     "/programmes/requirements/need", "E0", "alternatives"),
    (PROGRAMME % "requirements: {id: g, need: {count: 2}, all: [{id: r, need: {count: 1}}]}",
     "/programmes/requirements/need", "E0", "unknown_key"),
    (PROGRAMME % "requirements: {id: g, all: [{id: g, need: {count: 1}}]}",
     "/programmes/requirements/all/0/id", "E0", "duplicate_id"),
    (PROGRAMME % "caps: {id: c}", "/programmes/caps", "E0", "alternatives"),
    (PROGRAMME % "prefer: [cheapest]", "/programmes/prefer/0", "E0", "not_one_of"),
    (PROGRAMME % "reuse: {stack_into: [q]}", "/programmes/reuse/stack_into", "E1", "unknown_reference"),
    (PROGRAMME % "reuse: {stack_into: [p]}", "/programmes/reuse", "E6", "stacking_cycle"),
    (HEADER + 'unit_conversions: [{id: a, from: A, to: B, factor: "2/3"}, {id: b, from: B, to: A, factor: "1.51"}]',
     "/unit_conversions/0/factor", "E6", "conversion_gains"),
    (HEADER + "unit_conversions: [{id: a, from: A, to: B, factor: 1}, {id: a, from: C, to: D, factor: 1}]",
     "/unit_conversions/1/id", "E0", "duplicate_id"),
    (HEADER + "unit_conversions: [{id: a, from: A, to: B, factor: 0}]",
     "/unit_conversions/0/factor", "E8", "not_positive"),
    (HEADER + "transition: {applies_to: some}", "/transition/applies_to", "E0", "not_one_of"),
    (HEADER + "transition: {retroactive: true}", "/transition/retroactive", "E0", "legal_basis_missing"),
    (THEN % "programme: {id: p, recognised: 1}", "/tests/0/then/programme/id", "E1", "unknown_reference"),
    (THEN % "convert: {id: c, amount: 1, gives: 1, rest: 0}", "/tests/0/then/convert/id", "E1", "unknown_reference"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pointer", "code", "reason"), MORE, ids=[f"{c[3]} {c[1][:50]}" for c in MORE])
def test_the_rest_of_the_language_is_refused_in_its_places(text: str, pointer: str, code: str, reason: str) -> None:
    assert (pointer, code, reason) in shown(refusal(text))


def test_every_case_is_shown_here() -> None:
    assert set(SENTENCES) - {"too_large", "not_utf8", "same_version"} <= {case[3] for case in (*TEXTS, *MORE)}


def test_harmless_defaults_of_what_is_not_built_are_taken() -> None:
    header = {
        "clock": {"recognition": "completed", "limits": "completed", "programme": "enrolled"},
        "layer": "institution",
        "after_redemption": "review",
    }
    document = plain_document(rule(effect="grant"), header=header, unique={"key": "unit"})

    assert read_documents(json.dumps(document), format="json")[0].model.recognition[0].id == "course"


JSON: list[tuple[str, str, str]] = [
    ('{"a": 1.5}', "/a", "float"),
    ('{"a": [1e3]}', "/a/0", "float"),
    ('{"a": NaN}', "/a", "float"),
    ('{"a": null}', "/a", "null"),
    ('{"a": 1, "a": 2}', "/a", "duplicate_key"),
    ('{"a": 1, " a": 2}', "/a", "duplicate_key"),
    ('{"a": "\\u0000"}', "/a", "control_character"),
    ('{"a": "\\ud800"}', "/a", "control_character"),
    ('{"a": ' + "[" * 60 + "]" * 60 + "}", "/a" + "/0" * 48, "too_deep"),
    ("[" * 100_000, "", "too_deep"),
    ('{"a": ', "", "syntax"),
    ("", "", "syntax"),
    ('{"a": ' + "9" * 5000 + "}", "", "syntax"),
]


@pytest.mark.parametrize(("text", "pointer", "reason"), JSON, ids=[c[0][:30] for c in JSON])
def test_json_is_refused_likewise(text: str, pointer: str, reason: str) -> None:
    faults = refusal(text, "json")

    assert (pointer, "E0", reason) in shown(faults)
    assert {fault.line for fault in faults} == {None}


def test_a_text_that_is_too_large_or_not_utf8_is_refused_before_it_is_read() -> None:
    assert shown(refusal(b" " * (32 * 1024 * 1024 + 1))) == [("", "E0", "too_large")]
    assert shown(refusal(b"a: \xff")) == [("", "E0", "not_utf8")]


def test_every_fault_of_a_stage_is_reported_with_its_line() -> None:
    text = (
        "ruleset:\n"
        "  lcb: rules/v1\n"
        "  id: Town\n"
        "  version: 1\n"
        "  from: 2020-03-01\n"
        "  unit:\n"
        "    code: CR\n"
        "recognition:\n"
        "  - id: r\n"
        "    match: {tags: [3]}\n"
        "    grant:\n"
        "      - credits:\n"
        "          native: 1\n"
        "          speed: 2\n"
    )

    assert [(f.pointer, f.line, f.reason) for f in refusal(text)] == [
        ("/ruleset/id", 3, "wrong_form"),
        ("/recognition/0/match/tags/0", 10, "wrong_type"),
        ("/recognition/0/grant/0/credits/speed", 14, "unknown_key"),
    ]


def test_the_line_of_what_is_missing_is_that_of_its_object() -> None:
    (fault,) = refusal("\n" + HEADER.replace("version: 1, ", ""))

    assert (fault.pointer, fault.line) == ("/ruleset/version", 2)


def test_faults_name_their_document() -> None:
    second = HEADER.replace("version: 1", "version: two")

    assert [(f.document, f.pointer, f.line) for f in refusal(f"{HEADER}---\n{second}")] == [(1, "/ruleset/version", 3)]


def test_one_version_given_twice_is_refused() -> None:
    assert shown(refusal(f"{HEADER}---\n{HEADER}")) == [("/ruleset/version", "E7", "same_version")]


def terms_of(sentence: str) -> set[str]:
    """What a sentence names; a term that has words of its own in Chinese ends in ``_zh`` there."""
    return {part.split("}")[0].removesuffix("_zh") for part in sentence.split("{")[1:]}


@pytest.mark.parametrize("reason", SENTENCES)
def test_every_case_has_a_sentence_in_both_languages(reason: str) -> None:
    code, english, chinese = SENTENCES[reason]

    assert code in {f"E{number}" for number in range(11)}
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert terms_of(english) == terms_of(chinese)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("? [x]\n: 1", "write [..] in quotes"),
        ("? {x: y}\n: 1", "write {..} in quotes"),
        ("3: 1", "write 3 in quotes"),
        (HEADER + 'levels: {eqf: {"3": 9}}', "<= 8"),
        (HEADER.replace("version: 1", "version: 0"), ">= 1"),
    ],
)
def test_a_sentence_names_what_was_written_or_may_be(text: str, named: str) -> None:
    assert any(named in fault.message["en"] and named.rsplit(maxsplit=1)[-1] != "None" for fault in refusal(text))


def test_of_many_faults_five_are_told_in_one_line() -> None:
    faults = refusal("\n".join(f"{number}: 1" for number in range(6)))

    assert len(faults) == 6
    assert str(DocumentRefused(faults)).count("; ") == 4


def test_a_sentence_names_what_is_wrong() -> None:
    (fault,) = refusal(HEADER + "unique: {keep: worst}")

    assert fault.message == {
        "en": "It must be one of best, latest, first.",
        "zh": "只能是以下之一：best, latest, first。",
    }
    assert "latest" in str(DocumentRefused([fault]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 3", 3),
        ("a: -3", -3),
        ('a: "no"', "no"),
        ("a: 'on'", "on"),
        ("a: nothing", "nothing"),
        ("a: none", "none"),
        ("a: n", "n"),
        ("a: 2/3", "2/3"),
        ("a: 12/2023 s. 4", "12/2023 s. 4"),
        ("a: <=5", "<=5"),
        ("a: true", True),
        ('a: " x "', "x"),
        ("a: !!str 5", "5"),
        ("a: 经营学原论", "经营学原论"),
    ],
)
def test_plain_values_are_read_as_anyone_would(text: str, value: Any) -> None:
    (source,) = read_sources(text, "yaml")

    assert (source.value, source.findings) == ({"a": value}, [])


def test_a_category_that_the_bank_does_not_list_is_called_one() -> None:
    with pytest.raises(DocumentRefused) as refused:
        read_documents(MATCH % "category: arts", registry=Registry({}, frozenset({"maths"})))

    (fault,) = refused.value.faults
    assert (fault.pointer, fault.reason) == ("/recognition/0/match/category", "unknown_reference")
    assert fault.message["en"] == "There is no category named arts."
