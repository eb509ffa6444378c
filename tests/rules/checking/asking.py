"""Short ways to ask what publishing finds in a document, and whether its counterexamples are what they claim."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.compile import CompiledRule, CompiledVersion, compile_version
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.examine import fact_of
from creditbank.rules.fact import Fact
from creditbank.rules.language.examples import Given
from creditbank.rules.registry import Registry
from tests.rules.writing import plain_document


def parsed(*rules: Mapping[str, Any], header: Mapping[str, Any] | None = None, **blocks: Any) -> ParsedDocument:
    """A document with these rules, read."""
    return read_documents(json.dumps(plain_document(*rules, header=header, **blocks)), format="json")[0]


def granting(id_: str, credits_: str | Mapping[str, Any] = "1", /, **parts: Any) -> dict[str, Any]:
    """A rule that grants so many credits; what is not a field of rules belongs to its matcher."""
    own = {name: parts.pop(name) for name in tuple(parts) if name in _OF_RULES}
    formula = {"fixed": credits_} if isinstance(credits_, str) else credits_
    if own.get("effect", "grant") in {"grant", "conditional"}:
        own.setdefault("grant", [{"credits": formula}])
    # "from" is a word of Python.
    if "since" in own:
        own["from"] = own.pop("since")
    return {"id": id_, "match": parts, **own}


_OF_RULES = {"priority", "effect", "exception_to", "group", "since", "until", "grant", "match", "condition"}


def verdicts(*rules: Mapping[str, Any], registry: Registry | None = None, **blocks: Any) -> list[Verdict]:
    """What is found in a document with these rules."""
    return examine_documents([parsed(*rules, **blocks)], registry)


def classes(found: Sequence[Verdict]) -> list[str]:
    """Class and pointer of each, such as ``E2 /recognition/1``."""
    return [f"{verdict.code} {verdict.pointer}" for verdict in found]


def version_of(document: ParsedDocument) -> CompiledVersion:
    """The document, compiled."""
    return compile_version(document.layered, sha256="")


def rule_named(version: CompiledVersion, id_: str) -> CompiledRule:
    """The compiled rule of this id."""
    return next(rule for rule in version.rules if rule.id == id_)


def facts_of(verdict: Verdict) -> list[Fact]:
    """The achievements of a counterexample; they are in the form of section 9, or this refuses them."""
    return [fact_of(Given.model_validate(dict(made))) for made in verdict.counterexample]


def takes(version: CompiledVersion, id_: str, fact: Fact) -> bool:
    """Whether a rule on single achievements takes the fact in this version."""
    return version.governs(version.governing(fact)) and rule_named(version, id_).holds(fact)
