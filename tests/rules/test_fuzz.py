"""No text makes reading a rule document, checking it or running its tests fall over or run away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditbank.rules.canonical import canonical
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentFault, DocumentRefused
from tests.rules.mutations import documents, mutant
from tests.rules.writing import plain_document

GOOD: Final = documents(*sorted((Path(__file__).parents[2] / "examples" / "rules").glob("*.yaml")))

# Bounds against a run that never ends, not a measurement: `python -m bench.fuzz` measures.
BOUNDED = settings(
    max_examples=150, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def outcome(text: str | bytes, form: str) -> tuple[list[ParsedDocument], Sequence[DocumentFault]]:
    """The documents that were taken, or why they were refused."""
    try:
        return read_documents(text, format="json" if form == "json" else "yaml"), ()
    except DocumentRefused as refused:
        return [], refused.faults


@given(st.integers(0, 2**32))
@BOUNDED
def test_a_mutated_document_is_taken_or_refused(seed: int) -> None:
    taken, faults = outcome(*mutant(Random(seed), GOOD))

    assert bool(taken) != bool(faults)
    assert all(fault.message["en"] and fault.message["zh"] for fault in faults)
    examine_documents(taken)
    examine(taken)
    alone = [document.model for document in taken if document.model.ruleset.extends is None]
    assert [read_documents(canonical(model), format="json")[0].model for model in alone] == alone


@given(st.binary(max_size=200), st.sampled_from(["yaml", "json"]))
@BOUNDED
def test_bytes_are_taken_or_refused(text: bytes, form: str) -> None:
    taken, faults = outcome(text, form)

    assert bool(taken) != bool(faults)


GRANT: Final = {"unit": "X", "credits": {"fixed": 1}}


def many(number: int, **parts: Any) -> list[dict[str, Any]]:
    """So many rules; ``@`` in a text stands for the number of the rule, ``<`` for the one before."""
    written = json.dumps({"id": "r@", "grant": GRANT, **parts})
    return [json.loads(written.replace("@", str(n)).replace("<", str(max(n - 1, 0)))) for n in range(number)]


def either(number: int) -> dict[str, Any]:
    """Its disjunctive form has two to the power of so many terms."""
    one, other = {"fact": "f@", "op": "==", "value": 1}, {"fact": "g@", "op": "==", "value": 1}
    written = json.dumps({"any": [one, other]})
    return {"where": {"all": [json.loads(written.replace("@", str(n))) for n in range(number)]}}


LARGE: list[tuple[str, dict[str, Any]]] = [
    ("thirty alternatives in a row", plain_document(*many(3, match=either(30)))),
    ("twelve slots that all want the same", plain_document(*many(1, match={"all": [{}] * 12}))),
    ("six of twelve, with conditions", plain_document(*many(2, match={"n": 6, "of": [either(2)] * 12}))),
    ("a last slot that starves", plain_document(*many(1, match={"all": [{}] * 11 + [{"code": "Z"}]}))),
    ("two of three of two of three", plain_document(*many(1, match={"n": 2, "of": [{"n": 2, "of": [{}] * 3}] * 3}))),
    ("a group of two hundred rules", plain_document(
        *many(200, match={"kind": "course"}, group="g"), groups={"g": {"hit": "best_for_learner"}})),
    ("an exception to an exception, and so on", plain_document(
        *many(1, match={"kind": "course"}), *many(1200, match={"kind": "course"}, exception_to="r<")[1:])),
    ("a hundred limits", plain_document(
        *many(1, match={}), limits=[{"id": f"l{n}", "at_most": {"credits": n + 1}} for n in range(100)])),
    ("a million years", plain_document(
        *many(1, match={"age": {"max": "P9999Y"}}), validity={"max": "P9999Y9999M99999D"},
        limits=[{"id": "l", "per": "P9999Y9999M99999D", "at_most": {"credits": 1}}])),
]  # fmt: skip


@pytest.mark.parametrize("document", [case[1] for case in LARGE], ids=[case[0] for case in LARGE])
def test_a_document_that_is_large_in_one_direction(document: dict[str, Any]) -> None:
    courses = [
        {"id": f"a{n}", "kind": "course", "provider": "cn", "completed": f"2024-01-{n % 28 + 1:02}"} for n in range(40)
    ]
    document["tests"] = [{"name": "t", "as_of": "2025-01-01", "given": courses, "then": {}}]

    taken, faults = outcome(json.dumps(document), "json")

    assert bool(taken) != bool(faults)
    examine_documents(taken)
    examine(taken)
