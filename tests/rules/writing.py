"""Short ways to write rule sets and facts, for the tests of the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import RuleSetDocument, read_documents
from creditbank.rules.evaluate import evaluate
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
