"""Short ways to write rule sets and facts, for the tests of the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import yaml

from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import RuleSetDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import Mismatch, examine
from creditbank.rules.fact import Fact
from creditbank.rules.layers import Layered
from creditbank.rules.outcome import Decision, TargetLot

TODAY = date(2025, 3, 1)


def plain_document(*rules: Mapping[str, Any], header: Mapping[str, Any] | None = None, **blocks: Any) -> dict[str, Any]:
    """A document as plain values; ``header`` overrides parts of the header, ``blocks`` are further top-level keys."""
    unit = {"code": "CR", "step": "1/2"}
    start = {"lcb": "rules/v1", "id": "town", "version": 1, "from": "2020-03-01", "unit": unit}
    return {"ruleset": {**start, **(header or {})}, "recognition": list(rules), **blocks}


def read(document: Mapping[str, Any]) -> RuleSetDocument:
    """The model of a document."""
    return read_documents(json.dumps(document), format="json")[0].model


def compiled(*rules: Mapping[str, Any], header: Mapping[str, Any] | None = None, **blocks: Any) -> CompiledVersion:
    """A version that holds these rules."""
    model = read(plain_document(*rules, header=header, **blocks))
    return compile_version(Layered((model,)), sha256=sha256(canonical(model)))


def rule(id_: str = "course", credits_: Mapping[str, Any] | None = None, /, **parts: Any) -> dict[str, Any]:
    """A rule: what is not one of its own fields belongs to its matcher. By default it grants the own credits."""
    own: dict[str, Any] = {}
    for name in ("priority", "grant", "effect"):
        if name in parts:
            own[name] = parts.pop(name)
    return {"id": id_, "match": parts, "grant": [{"credits": credits_ or {"native": 1}}], **own}


def fact(key: str = "a", /, **parts: Any) -> Fact:
    """A course of three credits at cn/cq; numbers may be written as texts."""
    for name in ("credits", "hours", "attendance"):
        if parts.get(name) is not None:
            parts[name] = Fraction(parts[name])
    defaults: dict[str, Any] = {
        "kind": "course",
        "provider": "cn/cq",
        "credits": Fraction(3),
        "completed": date(2024, 6, 10),
    }
    return Fact(key, **{**defaults, **parts})


def decide(version: CompiledVersion | Sequence[CompiledVersion], *facts: Fact, as_of: date = TODAY) -> list[Decision]:
    """The decisions about these facts."""
    versions = [version] if isinstance(version, CompiledVersion) else version
    return list(evaluate(facts, versions, as_of).decisions)


def only_lot(version: CompiledVersion, *facts: Fact) -> TargetLot:
    """The one lot of the one decision."""
    (decision,) = decide(version, *facts)
    (lot,) = decision.lots
    return lot


def by_key(decisions: Sequence[Decision]) -> dict[str, Decision]:
    """Decisions by the keys of their bindings."""
    return {"+".join(decision.binding): decision for decision in decisions}


Case = tuple[str, str, str, str]
"""What is shown, the rules, what the learner did, what comes of it: the last three in YAML, without outer brackets."""

_OWN_CREDITS = [{"id": "r", "match": {}, "grant": {"credits": {"native": 1}}}]
_COURSE = {"kind": "course", "provider": "cn/cq", "credits": 3, "completed": "2024-06-10"}


def names(cases: Sequence[tuple[Any, ...]]) -> list[str]:
    """What the cases show, as the names of the tests."""
    return [case[0] for case in cases]


def documents_of(rules: str, given: str, then: str) -> str:
    """The text of a case as documents, the test in the last of them.

    Headers are those of ``plain_document`` where they say nothing else; without a rule there is one that grants the own
    credits; achievements are courses of three credits at cn/cq, and ``null`` takes a field away; the test is of
    2025-03-01 where ``then`` has no ``as_of``.
    """
    texts = []
    parts = [yaml.safe_load(part) or {} for part in rules.split("\n---\n")]
    for number, blocks in enumerate(parts):
        header = plain_document(header=blocks.pop("ruleset", {}))["ruleset"]
        document = {"ruleset": header, "recognition": _OWN_CREDITS, **blocks}
        if number == len(parts) - 1:
            outcomes = yaml.safe_load(f"{{{then}}}")
            stated = [{**_COURSE, **achievement} for achievement in yaml.safe_load(f"[{given}]")]
            example = {
                "name": "case",
                "as_of": outcomes.pop("as_of", "2025-03-01"),
                "given": [{name: value for name, value in one.items() if value is not None} for one in stated],
                "then": outcomes,
            }
            document["tests"] = [example]
        texts.append(json.dumps(document, default=str))
    return "\n---\n".join(texts)


def mismatches(rules: str, given: str, then: str) -> list[Mismatch]:
    """Where the engine and a case disagree."""
    return list(examine(read_documents(documents_of(rules, given, then))).mismatches)
