"""What publishing asks of documents beyond what reading refuses: E2 to E5, E7, E10 and the warnings (section 15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import TYPE_CHECKING, Final

from creditbank.rules.checking.boxes import Boxes
from creditbank.rules.checking.figures import Figures, untested
from creditbank.rules.checking.overlaps import Overlaps
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.examine import Mismatch, examine
from creditbank.rules.source import Source, place_in, with_lines

if TYPE_CHECKING:
    from creditbank.rules.document import ParsedDocument, RuleSetDocument
    from creditbank.rules.registry import Registry

MOST_VERDICTS: Final = 500
"""Errors come first; nobody reads more at once."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What speaks against publishing documents, as far as it can be known without a bank's people.

    ``warnings`` are for the approver; each of the others blocks. ``untested`` are rules and limits without a test (W8).
    """

    errors: Sequence[Verdict]
    warnings: Sequence[Verdict]
    mismatches: Sequence[Mismatch]
    untested: Sequence[Verdict]
    tests: int


def check_documents(documents: Sequence[ParsedDocument], registry: Registry) -> Checked:
    """Everything that a draft is held to before it is published: static checks, its own tests, and what they exercise.

    Of documents that extend others these have tests of their own.
    """
    verdicts = examine_documents(documents, registry)
    examination = examine(documents)
    missing = [
        replace(verdict, document=index, path=place_in(document.source, verdict.path))
        for index, document in enumerate(documents)
        for verdict in untested(document.layered, examination.exercised)
    ]
    return Checked(
        [verdict for verdict in verdicts if verdict.severity == "error"],
        [verdict for verdict in verdicts if verdict.severity == "warning"],
        examination.mismatches,
        missing,
        examination.tests,
    )


def examine_documents(documents: Sequence[ParsedDocument], registry: Registry | None = None) -> list[Verdict]:
    """What the static checks say of documents that were read together, errors first, at most ``MOST_VERDICTS``.

    Without a ``registry`` a typed fact is taken to be of the type it is compared with.
    """
    found: list[Verdict] = []
    for index, document in enumerate(documents):
        layered = document.layered
        boxes = Boxes(layered, registry)
        mine = [*Overlaps(layered, registry, boxes).verdicts(), *Figures(layered, registry, boxes).verdicts()]
        found += [replace(verdict, document=index, path=place_in(document.source, verdict.path)) for verdict in mine]
    found += _versions([document.model for document in documents])
    found.sort(key=lambda verdict: (verdict.severity != "error", verdict.document))
    return list(islice(found, MOST_VERDICTS))


def _versions(models: Sequence[RuleSetDocument]) -> Iterator[Verdict]:
    """Two versions of one rule set must not govern the same days (E7).

    A version without an end ends where its successor begins, and one with the very days of another corrects it.
    """
    for (_, one), (index, other) in combinations(enumerate(models), 2):
        mine, theirs = one.ruleset, other.ruleset
        if mine.id != theirs.id or (mine.from_, mine.until) == (theirs.from_, theirs.until):
            continue
        earlier, later = (mine, theirs) if mine.from_ <= theirs.from_ else (theirs, mine)
        if earlier.until is None:
            overlaps = earlier.from_ == later.from_ or later.until is not None
        else:
            overlaps = later.from_ < earlier.until
        if overlaps:
            terms = {"id": theirs.id, "version": theirs.version, "other": mine.version}
            yield Verdict(("ruleset", "from"), "overlapping_versions", terms, document=index)


def with_places(verdicts: Sequence[Verdict], text: str | bytes) -> list[Verdict]:
    """The same verdicts with the lines of the YAML text that the documents were read from."""
    last = max((verdict.document for verdict in verdicts), default=-1)
    sources = [Source(index, None) for index in range(last + 1)]
    with_lines(text, sources)
    return [replace(verdict, line=sources[verdict.document].line(verdict.path)) for verdict in verdicts]
