"""Everything that is said of documents with something wrong in them: places, rules, examples, both sentences, as kept.

The tables of cases say what is found and where; these pages hold the rest of each finding, word by word, so that what
authors read is changed only on purpose. ``python -m tests.rules.test_said`` writes the pages anew: read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.document import read_documents
from creditbank.rules.faults import DocumentFault, DocumentRefused
from tests.rules import test_refused
from tests.rules.checking import test_clashes, test_figures
from tests.rules.checking.asking import verdicts
from tests.rules.checking.test_brute_force import BLOCKS, FIELDS, OUTCOMES, TESTS

FOLDER: Final = Path(__file__).parent / "said"
# Texts that are long in order to be too long are no reading matter.
_LONGEST: Final = 1000
_LOTS: Final = 300


def _verdict(found: Verdict, *languages: str) -> Iterator[str]:
    about = f" ({', '.join(found.rules)})" if found.rules else ""
    yield f"{found.code} {found.severity} {found.reason} {found.pointer}{about}"
    yield from (f"  {found.message[language]}" for language in languages)
    yield from (
        f"  {json.dumps(made, ensure_ascii=False, sort_keys=True, default=str)}" for made in found.counterexample
    )


def _fault(found: DocumentFault) -> Iterator[str]:
    yield f"{found.code} {found.reason} {found.pointer or 'the top'}, line {found.line} of document {found.document}"
    yield from (f"  {found.message[language]}" for language in ("en", "zh"))


def _refused(text: str, *, plain: bool) -> list[str]:
    try:
        read_documents(text, format="json" if plain else "yaml")
    except DocumentRefused as refused:
        return [*(line for fault in refused.faults for line in _fault(fault)), f"  = {refused}"]
    raise AssertionError(text)


def clashes() -> Iterator[tuple[str, list[str]]]:
    """What is said of rules that contradict each other."""
    for name, rules, blocks, _ in test_clashes.CASES:
        yield name, [line for found in verdicts(*rules, **blocks) for line in _verdict(found, "en", "zh")]


def figures() -> Iterator[tuple[str, list[str]]]:
    """What is said of numbers that cannot be meant."""
    for name, document, _ in test_figures.CASES:
        rules = document.get("rules", ())
        blocks = {key: value for key, value in document.items() if key != "rules"}
        yield name, [line for found in verdicts(*rules, **blocks) for line in _verdict(found, "en", "zh")]


def _drawn(lot: Random, depth: int) -> dict[str, Any]:
    """A matcher drawn by lot, seldom of several achievements."""
    shape = lot.choice(("plain", "plain", "plain", "all", "any", "n")) if depth else "plain"
    if shape == "n":
        return {"n": 1, "of": [_drawn(lot, depth - 1), _drawn(lot, depth - 1)]}
    if shape != "plain":
        return {shape: [_drawn(lot, depth - 1) for _ in range(lot.randint(1, 2))]}
    matcher: dict[str, Any] = {name: lot.choice(FIELDS[name]) for name in lot.sample(sorted(FIELDS), lot.randint(1, 2))}
    if lot.random() < 0.4:
        tests = lot.sample(TESTS, lot.randint(1, 2))
        joined = {lot.choice(("all", "any")): tests} if len(tests) > 1 else tests[0]
        matcher["where"] = {"not": joined} if lot.random() < 0.3 else joined
    return matcher


def _rules_by_lot(lot: Random) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for number in range(lot.randint(2, 4)):
        rule = {"id": f"r{number}", "match": _drawn(lot, 1), "priority": lot.randint(0, 1), **lot.choice(OUTCOMES)}
        if number and lot.random() < 0.3:
            rule["exception_to"] = f"r{lot.randrange(number)}"
        if lot.random() < 0.2:
            rule[lot.choice(("from", "until"))] = "2022-01-01"
        if lot.random() < 0.1:
            rule["group"] = lot.choice(("best", "plain"))
        rules.append(rule)
    return rules


def by_lot() -> Iterator[tuple[str, list[str]]]:
    """What is said of rules drawn by lot, without the sentences, which the other pages hold."""
    for seed in range(_LOTS):
        rules = _rules_by_lot(Random(seed))
        yield f"seed {seed}", [line for found in verdicts(*rules, **BLOCKS) for line in _verdict(found)]


def refusals() -> Iterator[tuple[str, list[str]]]:
    """What is said of texts that cannot be read, but for what the parsers of YAML and JSON say of syntax themselves."""
    texts = [(text, reason, False) for text, _, _, reason in (*test_refused.TEXTS, *test_refused.MORE)]
    texts += [(text, reason, True) for text, _, reason in test_refused.JSON]
    for text, reason, plain in texts:
        if reason != "syntax" and len(text) < _LONGEST:
            yield repr(text.removeprefix(test_refused.HEADER)), _refused(text, plain=plain)


PAGES: Final[dict[str, Callable[[], Iterator[tuple[str, list[str]]]]]] = {
    "by_lot": by_lot,
    "clashes": clashes,
    "figures": figures,
    "refusals": refusals,
}


def page(name: str) -> str:
    """All that is said of the cases of one page that say anything."""
    return "\n".join("\n".join([f"# {case}", *lines, ""]) for case, lines in PAGES[name]() if lines)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_said_is_what_was_kept(name: str) -> None:
    assert page(name).splitlines() == (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()


if __name__ == "__main__":
    for each in PAGES:
        (FOLDER / f"{each}.txt").write_text(page(each), "utf-8")
