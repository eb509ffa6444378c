"""A rule document as a whole, and how a text becomes one (rules/v1 section 2).

The parts of the closed model stand in ``language``; here they are one document, read, checked and refused with a place
and a sentence for each fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from creditbank.rules.checking.reading import check
from creditbank.rules.faults import SENTENCES, DocumentRefused, Finding
from creditbank.rules.language.definitions import (
    Calendar,
    GradeConversion,
    Group,
    Header,
    LevelMap,
    Register,
    Scale,
    TableEntry,
)
from creditbank.rules.language.examples import Example
from creditbank.rules.language.programmes import Programme, Transition, UnitConversion
from creditbank.rules.language.recognition import Limit, Rule, Unique, Validity
from creditbank.rules.language.values import GradeText, Id, Listed, Some, Titled
from creditbank.rules.layers import Layered, chain_of
from creditbank.rules.registry import Registry
from creditbank.rules.source import Format, Source, Value, place_in, read_sources, with_lines


class RuleSetDocument(Titled):
    """One version of one rule set."""

    ruleset: Header
    calendars: dict[Id, Calendar] = {}
    scales: dict[Id, Scale] = {}
    grade_conversions: dict[Id, Some[GradeConversion]] = {}
    tables: dict[Id, dict[GradeText, TableEntry]] = {}
    levels: dict[Id, LevelMap] = {}
    registers: dict[Id, Register] = {}
    groups: dict[Id, Group] = {}
    recognition: Listed[Rule] = ()
    unique: Unique | None = None
    limits: Listed[Limit] = ()
    validity: Validity | None = None
    programmes: Listed[Programme] = ()
    unit_conversions: Listed[UnitConversion] = ()
    transition: Transition = Transition()
    tests: Listed[Example] = ()


# --- Reading ----------------------------------------------------------------------------------------------------------


_NOTHING: Final[Mapping[str, RuleSetDocument]] = {}

MOST_FAULTS: Final = 200
"""Nobody mends more at once, and a text of 32 MB can have a fault in every byte."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document that was taken: with the chain that it extends, and the plain values it was read from."""

    layered: Layered
    source: Value

    @property
    def model(self) -> RuleSetDocument:
        """The document itself."""
        return self.layered.own


def read_documents(
    text: str | bytes,
    *,
    format: Format = "yaml",
    above: Mapping[str, RuleSetDocument] = _NOTHING,
    registry: Registry | None = None,
) -> list[ParsedDocument]:
    """Read and check every document of a text: shape, references, numbers (rules/v1 sections 2 and 15).

    A document may extend another one of the text, or one of ``above``, by ``id@version``. Without a ``registry`` the
    document's own kinds, facts and categories are taken as they are. Raises DocumentRefused with the faults that were
    found, at most ``MOST_FAULTS``; the faults of one stage hide those of the next.
    """
    sources = read_sources(text, format)
    shaped: list[tuple[Source, RuleSetDocument]] = []
    for source in sources:
        if not source.findings:
            model = _shape(source)
            if model is not None:
                shaped.append((source, model))
    parsed: list[ParsedDocument] = []
    if len(shaped) == len(sources):
        known = {**above, **{model.ruleset.ref: model for _, model in shaped}}
        _refuse_same_version(shaped)
        for source, model in shaped:
            layered = chain_of(model, known)
            for finding in islice(check(layered, registry), MOST_FAULTS):
                source.findings.append(replace(finding, path=place_in(source.value, finding.path)))
            parsed.append(ParsedDocument(layered, source.value))
    if any(source.findings for source in sources):
        raise _refused(text, format, sources)
    return parsed


def _refused(text: str | bytes, format: Format, sources: Sequence[Source]) -> DocumentRefused:
    if format == "yaml":
        with_lines(text, sources)
    found = ((source, finding) for source in sources for finding in source.findings)
    return DocumentRefused(
        [finding.as_fault(source.index, source.line(finding.path)) for source, finding in islice(found, MOST_FAULTS)]
    )


def _refuse_same_version(shaped: Sequence[tuple[Source, RuleSetDocument]]) -> None:
    seen: set[str] = set()
    for source, model in shaped:
        header = model.ruleset
        if header.ref in seen:
            terms = {"id": header.id, "version": header.version}
            source.findings.append(Finding(("ruleset", "version"), "same_version", terms))
        seen.add(header.ref)


def _shape(source: Source) -> RuleSetDocument | None:
    try:
        return RuleSetDocument.model_validate(source.value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        source.findings.extend(_finding(detail, source.value) for detail in details)
        return None
    except RecursionError:
        source.findings.append(Finding((), "too_deep", {}))
        return None


_WANTED: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("a text (perhaps quotes are missing)", "文本（可能缺少引号）"),
    "int": ("an integer", "整数"),
    "bool": ("true or false", "true 或 false"),
    "dict": ("an object", "对象"),
    "model": ("an object", "对象"),
    "tuple": ("a list", "列表"),
}


def _finding(detail: ErrorDetails, value: Value) -> Finding:
    """Our sentence for what Pydantic found, at the place in the source that it means."""
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    path = place_in(value, detail["loc"])
    if kind == "missing":
        key = str(detail["loc"][-1])
        return Finding((*path, key), "missing", {"key": key})
    if kind in SENTENCES:
        return Finding(path, kind, context)
    if kind == "extra_forbidden":
        return Finding(path, "unknown_key", {"key": str(detail["loc"][-1])})
    if kind == "string_pattern_mismatch":
        return Finding(path, "wrong_form", {"form": context["pattern"]})
    if kind == "literal_error":
        return Finding(path, "not_one_of", {"choices": context["expected"].replace("'", "").replace(" or ", ", ")})
    if kind in {"too_short", "string_too_short"}:
        return Finding(path, "empty", {})
    if kind in {"greater_than_equal", "less_than_equal", "string_too_long"}:
        limit = context.get("ge", context.get("le", context.get("max_length")))
        return Finding(path, "out_of_range", {"range": f"{'>=' if 'ge' in context else '<='} {limit}"})
    wanted, wanted_zh = _WANTED.get(kind.partition("_")[0], ("another type", "其他类型"))
    return Finding(path, "wrong_type", {"wanted": wanted, "wanted_zh": wanted_zh})
