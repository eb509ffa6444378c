"""What documents say of achievements in a file, as `creditbank rules explain` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import compile_version
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import fact_of, in_line
from creditbank.rules.explain import Language, explain_decision, explain_lot
from creditbank.rules.fact import Fact
from creditbank.rules.faults import DocumentFault, DocumentRefused, Finding
from creditbank.rules.outcome import Decision
from creditbank.rules.source import Format, read_sources, with_lines
from creditbank.rules.telling.decisions import tell_decision, tell_lot
from creditbank.rules.telling.names import Achieved, Names, wording_of

_AROUND: Final = {"lcb": "rules/v1", "id": "explained", "version": 1, "from": "1900-01-01", "unit": {"code": "CR"}}
_PLACE: Final = "/tests/0/given"


@dataclass(frozen=True, slots=True)
class Answer:
    """One outcome: ``key`` names the achievements, and the unit where there are several lots; ``state`` is that of the
    lot, else the effect. ``trace`` are the tests and steps, one a line."""

    key: str
    credits: str
    unit: str
    state: str
    sentence: str
    canonical: str
    trace: Sequence[str]


def read_given(text: str | bytes, format: Format) -> list[Fact]:
    """The achievements of a file: a list of them in the form of rules/v1 section 9. Raises DocumentRefused.

    They are read as the achievements of a test, which is what they are the form of.
    """
    sources = read_sources(text, format)
    source = sources[0]
    findings = source.findings
    if len(sources) > 1:
        findings = [Finding((), "wrong_type", {"wanted": "one list of achievements", "wanted_zh": "一份成果列表"})]
    if findings:
        if format == "yaml":
            with_lines(text, sources)
        raise DocumentRefused([finding.as_fault(0, source.line(finding.path)) for finding in findings])
    test = {"name": "explained", "as_of": "2000-01-01", "given": source.value, "then": {}}
    around = json.dumps({"ruleset": _AROUND, "tests": [test]}, default=date.isoformat)
    try:
        (document,) = read_documents(around, format="json")
    except DocumentRefused as refused:
        raise DocumentRefused([_in_file(fault) for fault in refused.faults]) from None
    return [fact_of(given) for given in document.model.tests[0].given if given.status == "valid"]


def _in_file(fault: DocumentFault) -> DocumentFault:
    pointer = fault.pointer.removeprefix(_PLACE)
    return DocumentFault(fault.document, pointer, None, fault.code, fault.reason, fault.message)


def answers(
    documents: Sequence[ParsedDocument], facts: Sequence[Fact], as_of: date, language: Language
) -> Iterator[Answer]:
    """What the documents, governing as they would when published, say of the facts of one learner."""
    compiled = [compile_version(d.layered, sha256=sha256(canonical(d.model))) for d in documents]
    names = Names(
        {(v.rule_set, v.version): wording_of(d.layered, v) for d, v in zip(documents, compiled, strict=True)},
        {fact.key: Achieved(fact.key, fact.completed.isoformat()) for fact in facts},
        held=lambda: facts,
    )
    for decision in evaluate(facts, in_line(compiled), as_of).decisions:
        yield from _answers(decision, language, names)


def _answers(decision: Decision, language: Language, names: Names) -> Iterator[Answer]:
    key = "+".join(decision.binding)
    tests = [json.dumps(test, ensure_ascii=False) for test in _tests(decision.trace)]
    if not decision.lots:
        steps = [json.dumps(step, ensure_ascii=False) for step in decision.trace.get("steps", ())]
        yield Answer(
            key,
            "0",
            decision.credit_unit,
            decision.effect,
            tell_decision(decision, language, names),
            explain_decision(decision, language),
            [*tests, *steps],
        )
    for lot in decision.lots:
        yield Answer(
            f"{key}/{lot.unit}" if len(decision.lots) > 1 else key,
            str(lot.recognised),
            decision.credit_unit,
            lot.state,
            tell_lot(lot.trace, decision.trace, language, names),
            explain_lot(lot.trace, language),
            [*tests, *(json.dumps(step, ensure_ascii=False) for step in lot.trace["steps"])],
        )


def _tests(trace: dict[str, Any]) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = trace.get("tests", trace.get("failed", ()))
    return found
