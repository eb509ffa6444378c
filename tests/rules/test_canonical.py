"""The canonical form: one document, one sequence of bytes, one hash (rules/v1 section 2)."""

from __future__ import annotations

import json

import pytest

from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.document import read_documents

YAML = """
ruleset:
  lcb: rules/v1
  id: town
  version: 1
  from: 2020-03-01
  unit: {code: "Cre\u0301dits", step: "0.5"}
  legal_basis: notice 12/2023 s. 4
title: 学分
scales: {us: {grades: {B: 3, A: "4.0"}}}
recognition:
  - id: math
    priority: 0
    match: {kind: course, hours: {min: "30"}}
    grant: {unit: same, credits: {native: "2/4"}}
tests:
  - {name: t, as_of: 2025-01-01, given: {id: a, kind: course, provider: cn, hours: 40, credits: 4,
     completed: 2024-01-01},
     then: {total: 2, a: ["2.0", "4 native x 0.5 = 2"]}}
"""

BYTES = (
    '{"recognition":[{"grant":[{"credits":{"native":"1/2"}}],"id":"math",'
    '"match":{"hours":{"min":"30"},"kind":["course"]}}],'
    '"ruleset":{"from":"2020-03-01","id":"town","lcb":"rules/v1","legal_basis":["notice 12/2023 s. 4"],'
    '"unit":{"code":"Crédits"},"version":1},'
    '"scales":{"us":{"grades":{"A":"4","B":"3"}}},'
    '"tests":[{"as_of":"2025-01-01",'
    '"given":[{"completed":"2024-01-01","credits":"4","hours":"40","id":"a","kind":"course","provider":"cn"}],'
    '"name":"t","then":{"a":["2","4 native x 0.5 = 2"],"total":"2"}}],'
    '"title":{"en":"学分","zh":"学分"}}'
).encode()


def test_the_canonical_form() -> None:
    (document,) = read_documents(YAML)

    assert canonical(document.model) == BYTES
    assert sha256(BYTES) == "fe0d1cbb08ebe6644c72c9561bc02b1a421022a72eb27c5d79b74a86406d1330"


def test_groups_of_requirements_are_written_as_what_they_are() -> None:
    header = {"lcb": "rules/v1", "id": "town", "version": 1, "from": "2020-03-01", "unit": {"code": "CR"}}
    one, two = ({"id": id_, "need": {"credits": "6"}} for id_ in ("one", "two"))
    groups = [{"id": "any", "n": 1, "of": [one, two]}, {"all": [{"id": "three", "need": {"count": 3}}], "id": "every"}]
    plain = {"programmes": [{"id": "p", "requirements": groups, "total": "12"}], "ruleset": header}
    (document,) = read_documents(json.dumps(plain), format="json")

    assert json.loads(canonical(document.model)) == plain


def test_reading_it_again_changes_nothing() -> None:
    (again,) = read_documents(BYTES, format="json")

    assert canonical(again.model) == BYTES
    assert again.model == read_documents(YAML)[0].model


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ('step: "0.5"', 'step: "1/2", round: down'),
        ("version: 1", "version: 1\n  clock: {recognition: completed}\n  layer: institution"),
        ("{kind: course, hours", "{kind: [course], hours"),
        ('native: "2/4"', 'native: "0.50"'),
        ('"Cre\u0301dits"', '" Cr\u00e9dits "'),
        ("priority: 0", "effect: grant"),
        ("unit: same", "level: mapped, grade: keep"),
        ("title: 学分", "title: {zh: 学分, en: 学分}"),
        ('{B: 3, A: "4.0"}', '{A: 4, B: "3/1"}'),
        ("legal_basis: notice", "legal_basis:\n    - notice"),
        ('"2.0"', "2"),
    ],
)
def test_what_says_the_same_is_the_same(written: str, otherwise: str) -> None:
    changed = YAML.replace(written, otherwise)

    assert changed != YAML
    assert canonical(read_documents(changed)[0].model) == BYTES


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ("priority: 0", "priority: 1"),
        ("2/4", "1/4"),
        ("min:", "below:"),
        ("code:", "title: x, code:"),
        ("B: 3", "B: 2"),
    ],
)
def test_what_says_something_else_is_not(written: str, otherwise: str) -> None:
    assert canonical(read_documents(YAML.replace(written, otherwise))[0].model) != BYTES


def test_json_with_other_spacing_and_order_is_the_same() -> None:
    text = json.dumps(dict(reversed(json.loads(BYTES).items())), indent=3)

    assert canonical(read_documents(text, format="json")[0].model) == BYTES
