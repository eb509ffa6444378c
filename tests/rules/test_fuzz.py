"""No text makes reading a rule document, checking it or running its tests fall over or run away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditbank.rules.canonical import canonical
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentRefused
from tests.rules.mutations import documents, mutant

GOOD: Final = documents(*sorted((Path(__file__).parents[2] / "examples" / "rules").glob("*.yaml")))

# Bounds against a run that never ends, not a measurement: `python -m bench.fuzz` measures.
BOUNDED = settings(
    max_examples=150, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@given(st.integers(0, 2**32))
@BOUNDED
def test_a_mutated_document_is_taken_or_refused(seed: int) -> None:
    text, form = mutant(Random(seed), GOOD)
    try:
        taken = read_documents(text, format="json" if form == "json" else "yaml")
    except DocumentRefused as refused:
        assert refused.faults
        assert all(fault.message["en"] and fault.message["zh"] for fault in refused.faults)
        return
    examine_documents(taken)
    examine(taken)
    again = [read_documents(canonical(document.model), format="json") for document in taken if not document.model.ruleset.extends]
    assert [one.model for (one,) in again] == [one.model for one in taken if not one.model.ruleset.extends]


@given(st.binary(max_size=200), st.sampled_from(["yaml", "json"]))
@BOUNDED
def test_bytes_are_taken_or_refused(text: bytes, form: str) -> None:
    try:
        read_documents(text, format="json" if form == "json" else "yaml")
    except DocumentRefused as refused:
        assert refused.faults
