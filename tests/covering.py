"""Tests for rule sets that tests write: publishing asks for one that exercises each rule and each limit.

The expectations are what the engine answers, so they prove nothing about the engine: whatever is to be proven of it is
asserted by the test that publishes the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import ParsedDocument, RuleSetDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import examine, fact_of
from creditbank.rules.language.recognition import Matcher, Rule, slots_of
from creditbank.rules.layers import Layered

COPIES = 60

Plain = Mapping[str, Any]


def covered(plain: Plain, above: Mapping[str, RuleSetDocument] | None = None) -> dict[str, Any]:
    """The document with tests for what its own tests leave out. Those that it has are taken as they are."""
    parsed = _read(plain, above or {})
    version = compile_version(parsed.layered, sha256=sha256(canonical(parsed.model)))
    model = parsed.model
    tests = list(plain.get("tests", []))
    done = examine([parsed]).exercised
    by_rule = {rule.id: _givens(rule, parsed.layered) for rule in model.recognition}
    wanted = [rule.id for rule in model.recognition if (model.ruleset.id, model.ruleset.version, rule.id) not in done]
    tests += [_example(plain, above or {}, version, rule, by_rule[rule]) for rule in wanted]
    for limit in model.limits:
        if (model.ruleset.id, model.ruleset.version, limit.id) in done:
            continue
        for givens in by_rule.values():
            test = _example(plain, above or {}, version, limit.id, _copies(givens))
            exercised = examine([_read({**plain, "tests": [test]}, above or {})]).exercised
            if (model.ruleset.id, model.ruleset.version, limit.id) in exercised:
                tests.append(test)
                break
    return {**plain, "tests": tests}


def _read(plain: Plain, above: Mapping[str, RuleSetDocument]) -> ParsedDocument:
    return read_documents(json.dumps(plain), format="json", above=above)[0]


def _copies(givens: Sequence[Plain]) -> list[dict[str, Any]]:
    """Many of the same, rich in credits and each in a unit of its own, so that any limit over it cuts."""
    return [
        {**given, "id": f"{given['id']}-{n}", "unit": f"u{n}-{i}", "credits": "99", "hours": 9000}
        for n in range(COPIES)
        for i, given in enumerate(givens)
    ]


def _givens(rule: Rule, layered: Layered) -> list[dict[str, Any]]:
    start = max(day for day in (layered.header.from_, rule.from_) if day is not None)
    return [
        {
            "id": f"a{number}",
            "completed": start.isoformat(),
            "credits": "3",
            "hours": 100,
            "conditions_met": [rule.condition] if rule.condition else [],
            **dict(_fields(matcher, layered)),
        }
        for number, (_, matcher) in enumerate(slots_of(rule.match))
    ]


def _fields(matcher: Matcher, layered: Layered) -> Iterator[tuple[str, Any]]:
    """Fields of an achievement that the matcher takes, as far as it is a plain one."""
    yield "kind", matcher.kind[0] if matcher.kind else "course"
    yield "provider", matcher.provider[0] if matcher.provider else "cq/school"
    yield "assurance", "signed"
    yield "attendance", 100
    if matcher.code:
        yield "code", matcher.code[0]
    if matcher.category:
        yield "category", matcher.category[0]
    if matcher.tags:
        yield "tags", list(matcher.tags)
    if matcher.grade is not None:
        grades = layered.scales[matcher.grade.scale].grades
        low, below = matcher.grade.min, matcher.grade.below
        fitting = [grade for grade, at in grades.items() if _within(at, low, below)]
        yield "grade", {matcher.grade.scale: fitting[0] if grades else str(low if low is not None else 0)}
    if matcher.accredited is not None:
        register = layered.registers[matcher.accredited]
        for listed in (register.entries or ())[:1]:
            yield "provider", listed.provider or "cq/school"
            yield "code", listed.code or "C"
        if not register.entries:
            yield "accredited", matcher.accredited
    if matcher.level is not None:
        wanted = matcher.level
        framework, value = next(
            (name, value)
            for name, levels in layered.levels.items()
            for value, at in levels.items()
            if _within(Fraction(at), wanted.min, wanted.below)
        )
        yield "level", {framework: value}


def _within(at: Fraction | None, low: Fraction | None, below: Fraction | None) -> bool:
    return at is not None and (low is None or at >= low) and (below is None or at < below)


def _example(
    plain: Plain,
    above: Mapping[str, RuleSetDocument],
    version: CompiledVersion,
    name: str,
    givens: Sequence[Plain],
) -> dict[str, Any]:
    day = givens[0]["completed"]
    test: dict[str, Any] = {"name": name, "as_of": day, "given": list(givens), "then": {}}
    example = _read({**plain, "tests": [test]}, above).model.tests[0]
    for decision in evaluate([fact_of(given) for given in example.given], [version], example.as_of).decisions:
        key = "+".join(decision.binding)
        if not decision.lots:
            test["then"][key] = decision.effect
        for lot in decision.lots:
            test["then"][f"{key}/{lot.unit}#{lot.grant}"] = [str(lot.recognised), str(lot.excess)]
    return test
