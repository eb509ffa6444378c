"""From lots, decisions and elections to what stands against changed rules. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from uuid import UUID

from creditbank.achievements.domain import Achievement
from creditbank.enrolments.domain import Enrolment, elections
from creditbank.ledger.domain import Account, Lot, Redeemed
from creditbank.recognition.domain import Decision
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.standing import Bound, Era, Standing
from creditbank.rulesets.domain import Book, Chapter, Entry


@dataclass(frozen=True, slots=True)
class Basis:
    """What the bank knows of a learner beside facts, lots and decisions, that says how changed rules reach them.

    ``since`` gives by lot when what is redeemed of it began to be; ``former`` are versions that govern no more, by
    version, on which such credits rest.
    """

    since: Mapping[UUID, Redeemed] = field(default_factory=dict)
    former: Mapping[UUID, Entry] = field(default_factory=dict)
    enrolments: Sequence[Enrolment] = ()


NO_BASIS: Final = Basis()


def former_chapters(book: Book, lots: Iterable[Lot], since: Mapping[UUID, Redeemed]) -> list[Chapter]:
    """What governed when these lots were redeemed, as far as its version governs nothing any more."""
    return [
        chapter
        for lot in lots
        if lot.id in since
        for chapter in book.line_known(lot.key.rule_set_id, since[lot.id].at)
        if (chapter.code, chapter.number) not in book.entries
    ]


def standing_of(
    achievements: Iterable[Achievement],
    lots: Collection[Lot],
    decisions: Iterable[Decision],
    book: Book,
    as_of: date,
    basis: Basis = NO_BASIS,
    *,
    of: str | None = None,
) -> Standing:
    """What stands against the rules of the book's versions; in one rule set only if asked.

    ``decisions`` are the latest for each (rule set, binding).
    """
    keys = {str(a.id): a.key for a in achievements}
    codes = {id_: chapters[0].code for id_, chapters in book.history.items() if of in {None, chapters[0].code}}
    built = [lot for lot in lots if lot.key.rule_set_id in codes and (_is_redeemed(lot) or _is_reserved(lot))]
    elected = {codes[id_]: names for id_, names in elections(basis.enrolments, as_of).items() if id_ in codes}
    if not built:
        return Standing(elected=elected)
    return Standing(_bound(built, decisions, book, codes, keys), _eras(built, book, basis, codes, keys, as_of), elected)


def _is_redeemed(lot: Lot) -> bool:
    return lot.positions.get(Account.REDEEMED, 0) > 0


def _is_reserved(lot: Lot) -> bool:
    return lot.positions.get(Account.RESERVED, 0) > 0


def _facts(lot: Lot, keys: Mapping[str, str]) -> Iterator[str]:
    return (keys[id_] for id_ in lot.key.binding.split(",") if id_ in keys)


def _bound(
    lots: Iterable[Lot],
    decisions: Iterable[Decision],
    book: Book,
    codes: Mapping[UUID, str],
    keys: Mapping[str, str],
) -> dict[str, dict[str, Bound]]:
    """By which version each fact was decided; of a fact on several lots that of the redeemed one counts."""
    latest = {decision.key: decision.version_id for decision in decisions}
    found: dict[str, dict[str, Bound]] = {}
    for lot in sorted(lots, key=lambda one: (_is_redeemed(one), one.id)):
        version_id = latest.get((lot.key.rule_set_id, lot.key.binding))
        if version_id is not None and version_id in book.names:
            one = Bound(book.names[version_id], _is_redeemed(lot))
            found.setdefault(codes[lot.key.rule_set_id], {}).update(dict.fromkeys(_facts(lot, keys), one))
    return found


_Days = tuple[int, date, date | None]


def _eras(
    lots: Iterable[Lot], book: Book, basis: Basis, codes: Mapping[UUID, str], keys: Mapping[str, str], as_of: date
) -> dict[str, list[Era]]:
    """The rules under which lots were redeemed, where they are not those in force: other versions, or fewer begun.

    What is redeemed of an achievement rests on the rules under which its first credits were.
    """
    present: dict[str, list[_Days]] = {}
    for version in book.versions:
        present.setdefault(version.rule_set, []).append((version.version, version.valid_from, version.valid_until))
    found: dict[str, dict[tuple[tuple[_Days, ...], int], Era]] = {}
    taken: set[tuple[str, str]] = set()
    redeemed = [(basis.since[lot.id], lot) for lot in lots if lot.id in basis.since]
    for since, lot in sorted(redeemed, key=lambda pair: (pair[0].at, pair[1].id)):
        code = codes[lot.key.rule_set_id]
        facts = frozenset(key for key in _facts(lot, keys) if (code, key) not in taken)
        taken.update((code, key) for key in facts)
        line = sorted(
            [_as_published(book, basis, one) for one in book.line_known(lot.key.rule_set_id, since.at)],
            key=lambda version: (version.valid_from, version.version),
        )
        named = tuple([(v.version, v.valid_from, v.valid_until) for v in line])
        begun = _begun(named, since.on)
        if list(named) == sorted(present.get(code, ()), key=lambda one: (one[1], one[0])) and begun == _begun(
            named, as_of
        ):
            continue
        mine = found.setdefault(code, {})
        before = mine.get((named, begun))
        mine[named, begun] = Era(line, since.on, facts | before.keys if before is not None else facts)
    return {code: list(eras.values()) for code, eras in found.items()}


def _as_published(book: Book, basis: Basis, chapter: Chapter) -> CompiledVersion:
    publication = chapter.publication
    entry = book.entries.get((chapter.code, chapter.number)) or basis.former[publication.version_id]
    return replace(entry.compiled, valid_from=publication.valid.start, valid_until=publication.valid.until)


def _begun(line: Sequence[_Days], day: date) -> int:
    """How many of the line's first and last days have been reached by a day."""
    return sum(edge is not None and edge <= day for _, *edges in line for edge in edges)
