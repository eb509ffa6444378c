"""Running the tests that documents carry (rules/v1 section 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from creditbank.credits import Credits
from creditbank.rules.allocate.allocation import allocate
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.converting import convert
from creditbank.rules.document import ParsedDocument
from creditbank.rules.evaluate import evaluate
from creditbank.rules.explain import explain_decision, explain_lot
from creditbank.rules.fact import Assurance, Fact
from creditbank.rules.language.examples import Example, Expectation, Given
from creditbank.rules.numbers import decimal_text, is_number
from creditbank.rules.outcome import Decision, TargetLot


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a test and the engine disagree; ``key`` is ``total`` or that of an achievement or lot."""

    test: str
    key: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What the tests of some documents came to.

    ``exercised`` names what tests made decide something: rules that took a binding and limits that cut a lot, each as
    (rule set, version, id).
    """

    tests: int
    mismatches: Sequence[Mismatch]
    exercised: frozenset[tuple[str, int, str]]


def examine(documents: Sequence[ParsedDocument]) -> Examination:
    """Run every test of the documents, which are versions of rule sets and are tested together.

    A test speaks of the rule set in whose document it stands. As on publication, a version without an end ends where
    its successor begins.
    """
    versions = in_line([compile_version(d.layered, sha256=sha256(canonical(d.model))) for d in documents])
    mismatches: list[Mismatch] = []
    exercised: set[tuple[str, int, str]] = set()
    for document in documents:
        mine = [v for v in versions if v.rule_set == document.model.ruleset.id]
        for example in document.model.tests:
            facts = [fact_of(given) for given in example.given if given.status == "valid"]
            decisions = evaluate(facts, mine, example.as_of).decisions
            mismatches += _compare_all(example, facts, decisions)
            mismatches += _compare_conversions(example, document)
            exercised |= _exercised(decisions)
            mismatches += _compare_programmes(example, document, facts, decisions)
    tests = sum(len(document.model.tests) for document in documents)
    return Examination(tests, mismatches, frozenset(exercised))


def _exercised(decisions: Sequence[Decision]) -> set[tuple[str, int, str]]:
    found: set[tuple[str, int, str]] = set()
    for decision in decisions:
        if decision.effect != "none" and decision.rule is not None:
            found.add((decision.rule_set, decision.version, decision.rule))
        for lot in decision.lots:
            steps = [step for step in lot.trace["steps"] if step["op"] == "limit"]
            found.update((decision.rule_set, decision.version, step["id"]) for step in steps)
    return found


def _compare_programmes(
    example: Example, document: ParsedDocument, facts: Sequence[Fact], decisions: Sequence[Decision]
) -> Iterator[Mismatch]:
    known = {programme.id: programme for programme in document.layered.programmes()}
    keys = {id(lot): key for key, (_, lot) in reversed(list(_outcomes(decisions).items())) if lot is not None}
    candidates = candidates_of(facts, decisions)
    for expected in example.then.programme:
        found = allocate(known[expected.id], [candidate for candidate, _ in candidates])
        about = f"programme {expected.id}"
        if expected.recognised * 1000 != found.recognised:
            yield Mismatch(
                example.name, f"{about} recognised", decimal_text(expected.recognised), _milli_text(found.recognised)
            )
        if expected.missing is not None:
            lacking = {id_: Fraction(one.milli, 1000) + one.count for id_, one in found.missing.items()}
            yield from _compare_amounts(example.name, f"{about} missing", expected.missing, lacking)
        if expected.use is not None:
            names = {candidate.id: keys[id(lot)] for candidate, lot in candidates}
            used = {names[id_]: Fraction(milli, 1000) for id_, milli in found.uses.items()}
            written = {_canonical_key(key, decisions, keys): amount for key, amount in expected.use.items()}
            yield from _compare_amounts(example.name, f"{about} use", written, used)


def _canonical_key(key: str, decisions: Sequence[Decision], keys: Mapping[int, str]) -> str:
    """Of the keys that name one lot the one that everything is compared by."""
    found = _outcomes(decisions).get(key)
    return keys[id(found[1])] if found is not None and found[1] is not None else key


def _compare_amounts(
    test: str, about: str, expected: Mapping[str, Fraction], got: Mapping[str, Fraction]
) -> Iterator[Mismatch]:
    for key in sorted(expected.keys() | got.keys()):
        amounts = [one.get(key, Fraction()) for one in (expected, got)]
        if amounts[0] != amounts[1]:
            yield Mismatch(test, f"{about} {key}", *map(decimal_text, amounts))


def _milli_text(milli: int) -> str:
    return str(Credits(milli))


def candidates_of(facts: Sequence[Fact], decisions: Sequence[Decision]) -> list[tuple[Candidate, TargetLot]]:
    """The available lots of an evaluation as a programme sees them."""
    by_key = {fact.key: fact for fact in facts}
    found = []
    for decision in decisions:
        bound = [by_key[key] for key in decision.binding]
        for lot in decision.lots:
            if lot.state == "available" and lot.recognised:
                name = "+".join(decision.binding)
                candidate = Candidate(
                    f"{name}/{lot.unit}#{lot.number}",
                    lot.recognised.milli,
                    lot.unit,
                    bound[0].kind,
                    bound[0].provider,
                    lot.category,
                    lot.level,
                    name,
                    lot.expires,
                    max(fact.completed for fact in bound),
                    decision.binding,
                    lot.grant,
                )
                found.append((candidate, lot))
    return found


def _compare_conversions(example: Example, document: ParsedDocument) -> Iterator[Mismatch]:
    known = {c.id: c for one in document.layered.documents for c in one.unit_conversions}
    for expected in example.then.convert:
        converted = convert(Credits.of(expected.amount), known[expected.id])
        for name, wanted, got in (
            ("gives", expected.gives, converted.gives),
            ("rest", expected.rest, converted.rest),
        ):
            if wanted * 1000 != got.milli:
                yield Mismatch(example.name, f"convert {expected.id} {name}", decimal_text(wanted), str(got))


def in_line(versions: Sequence[CompiledVersion]) -> list[CompiledVersion]:
    """The versions as publishing them would leave them: one without an end ends where its successor begins."""
    ordered = sorted(versions, key=lambda v: (v.rule_set, v.valid_from, v.version))
    line = []
    for index, version in enumerate(ordered):
        later = ordered[index + 1] if index + 1 < len(ordered) else None
        if version.valid_until is None and later is not None and later.rule_set == version.rule_set:
            line.append(replace(version, valid_until=later.valid_from))
        else:
            line.append(version)
    return line


def fact_of(given: Given) -> Fact:
    """The fact of a test; its key is the given id."""
    return Fact(
        key=given.id,
        kind=given.kind,
        provider=given.provider,
        completed=given.completed,
        code=given.code,
        unit=given.unit,
        category=given.category,
        credits=given.credits,
        hours=given.hours,
        attendance=given.attendance,
        grade=next(iter(given.grade.items())) if given.grade is not None else None,
        level=tuple(given.level.items()),
        accredited=frozenset(given.accredited),
        assurance=Assurance[given.assurance.upper()],
        submitted=given.submitted,
        applied=given.applied,
        recognised=given.recognised,
        shelf_life=given.shelf_life,
        tags=frozenset(given.tags),
        learning=given.learning,
        provider_type=given.provider_type,
        conditions_met=frozenset(given.conditions_met),
        facts=tuple(given.facts.items()),
    )


def _compare_all(example: Example, facts: Sequence[Fact], decisions: Sequence[Decision]) -> Iterator[Mismatch]:
    lots = [lot for decision in decisions for lot in decision.lots]
    if example.then.total is not None:
        total = sum(lot.recognised.milli for lot in lots if lot.state == "available")
        if total != example.then.total * 1000:
            yield Mismatch(example.name, "total", decimal_text(example.then.total), str(Credits(total)))
    outcomes = _outcomes(decisions)
    for key, expected in example.then.outcomes.items():
        found = outcomes.get(key)
        if found is None:
            near = [other for other in outcomes if other.partition("/")[0] == key.partition("/")[0]]
            yield Mismatch(example.name, key, ", ".join(expected), f"only {', '.join(near)}" if near else "nothing")
        else:
            yield from _compare(example.name, key, expected, found)
    mentioned = {part for key in example.then.outcomes for part in key.partition("/")[0].split("+")}
    for fact in facts:
        if fact.key not in mentioned:
            yield Mismatch(example.name, fact.key, "an outcome for every valid achievement", "not mentioned")


_Outcome = tuple[Decision, TargetLot | None]


def _outcomes(decisions: Sequence[Decision]) -> Mapping[str, _Outcome]:
    """By every key that names exactly one decision or lot."""
    outcomes: dict[str, _Outcome] = {}
    for decision in decisions:
        key = "+".join(decision.binding)
        if not decision.lots:
            outcomes[key] = (decision, None)
        elif len(decision.lots) == 1:
            outcomes[key] = (decision, decision.lots[0])
        units = [lot.unit for lot in decision.lots]
        for lot in decision.lots:
            if units.count(lot.unit) == 1:
                outcomes[f"{key}/{lot.unit}"] = (decision, lot)
            outcomes[f"{key}/{lot.unit}#{lot.grant}"] = (decision, lot)
    return outcomes


def _compare(test: str, key: str, expected: Expectation, found: _Outcome) -> Iterator[Mismatch]:
    decision, lot = found
    first, *rest = expected
    got = decision.effect if lot is None else str(lot.recognised)
    if not _is_same(first, got):
        yield Mismatch(test, key, first, f"{got}: {_text(decision, lot)}")
        return
    if lot is not None:
        excess = rest.pop(0) if rest and is_number(rest[0]) else "0"
        if not _is_same(excess, str(lot.excess)):
            yield Mismatch(test, key, f"excess {excess}", f"excess {lot.excess}: {_text(decision, lot)}")
    text = _text(decision, lot)
    for fragment in rest:
        if fragment not in text:
            yield Mismatch(test, key, fragment, text)


def _is_same(expected: str, got: str) -> bool:
    if is_number(expected) and is_number(got):
        return Fraction(expected) == Fraction(got)
    return expected == got


def _text(decision: Decision, lot: TargetLot | None) -> str:
    """The English explanation, with what only tests look at: rule, grade, level, category, unit and state."""
    if lot is None:
        return f"{explain_decision(decision)}; rule={decision.rule or 'none'}"
    named: dict[str, Any] = {
        "rule": decision.rule,
        "grade": lot.grade[1] if lot.grade is not None else None,
        "level": lot.level,
        "category": lot.category,
        "unit": lot.unit,
    }
    shown = "; ".join(f"{name}={'none' if value is None else value}" for name, value in named.items())
    return f"{explain_lot(lot.trace)}; {shown}; {lot.state}"
