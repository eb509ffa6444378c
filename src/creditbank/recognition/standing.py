"""From lots, decisions and elections to what stands against changed rules. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, tzinfo
from typing import Final
from uuid import UUID

from creditbank.achievements.domain import VALID, Achievement
from creditbank.enrolments.domain import ChangeKind, Enrolment, elections
from creditbank.ledger.domain import Account, Lot, Posting, Redeemed
from creditbank.recognition.domain import Decision
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.standing import Bound, Era, Standing, VersionName
from creditbank.rulesets.domain import Book, Chapter, Days, Entry


@dataclass(frozen=True, slots=True)
class Past:
    """What was ever reserved and redeemed, and every decision with when it was recorded; the first first."""

    postings: Sequence[Posting]
    decisions: Sequence[tuple[datetime, Decision]]


@dataclass(frozen=True, slots=True)
class Basis:
    """What the bank knows of a learner beside facts, lots and decisions, that says how changed rules reach them.

    ``since`` gives by lot when what is redeemed of it began to be; ``former`` are versions that govern no more, by
    version, on which such credits rest. ``past`` is None where no version reaches back, so that no hold matters.
    """

    since: Mapping[UUID, Redeemed] = field(default_factory=dict)
    former: Mapping[UUID, Entry] = field(default_factory=dict)
    enrolments: Sequence[Enrolment] = ()
    past: Past | None = None


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
    achievements: Collection[Achievement],
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
    codes = book.codes if of is None else {id_: code for id_, code in book.codes.items() if code == of}
    built = [lot for lot in lots if lot.key.rule_set_id in codes and (_is_redeemed(lot) or _is_reserved(lot))]
    elected = {codes[id_]: names for id_, names in elections(basis.enrolments, as_of).items() if id_ in codes}
    if not built:
        return Standing(elected=elected)
    bound = _bound(built, decisions, book, codes, keys)
    eras = _eras(achievements, lots, built, bound, elected, book, basis, codes, keys, as_of)
    return Standing(bound, eras, elected)


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
    latest = {decision.key: decision for decision in decisions}
    found: dict[str, dict[str, Bound]] = {}
    for lot in sorted(lots, key=lambda one: (_is_redeemed(one), one.id)):
        decision = latest.get((lot.key.rule_set_id, lot.key.binding))
        by = book.names.get(decision.version_id) if decision is not None and decision.version_id is not None else None
        if decision is not None and by is not None:
            kept_by = book.names.get(decision.kept_by_id) if decision.kept_by_id is not None else None
            one = Bound(by, decision.rule, tuple(_facts(lot, keys)), _is_redeemed(lot), kept_by)
            found.setdefault(codes[lot.key.rule_set_id], {}).update(dict.fromkeys(one.binding, one))
    return found


def _eras(
    achievements: Collection[Achievement],
    lots: Collection[Lot],
    built: Iterable[Lot],
    bound: Mapping[str, Mapping[str, Bound]],
    elected: Mapping[str, Sequence[VersionName]],
    book: Book,
    basis: Basis,
    codes: Mapping[UUID, str],
    keys: Mapping[str, str],
    as_of: date,
) -> dict[str, list[Era]]:
    """What lots were redeemed under, where it is not what is in force: other rules, other elections, holds that fell.

    What is redeemed of an achievement rests on what its first credits were redeemed under. A hold or a redemption that
    came since changes no decision, so that only what fell away makes a difference.
    """
    redeemed = [(basis.since[lot.id], lot) for lot in built if lot.id in basis.since]
    bound_at = _bound_at(lots, basis.past, {since.at for since, _ in redeemed}, book, codes, keys)
    valid = [a.key for a in achievements if a.current.status == VALID]
    first = {a.key: a.versions[0].recorded_at for a in achievements}
    found: dict[str, dict[tuple[object, ...], Era]] = {}
    taken: set[tuple[str, str]] = set()
    for since, lot in sorted(redeemed, key=lambda pair: (pair[0].at, pair[1].id)):
        id_, code = lot.key.rule_set_id, codes[lot.key.rule_set_id]
        facts = frozenset(key for key in _facts(lot, keys) if (code, key) not in taken)
        taken.update((code, key) for key in facts)
        line = sorted(
            [_as_published(book, basis, one) for one in book.line_known(id_, since.at)],
            key=lambda version: (version.valid_from, version.version),
        )
        named = tuple([(v.version, v.valid_from, v.valid_until) for v in line])
        begun = _begun(named, since.on)
        then = tuple(_elected(basis.enrolments, id_, since))
        held = bound_at.get(since.at, {}).get(code, {})
        now = bound.get(code, {})
        is_loose = any(key in held and _by(now, key) != held[key].by for key in valid)
        if (
            list(named) == list(book.lines_in_force.get(code, ()))
            and begun == _begun(named, as_of)
            and _electing(then, line) == _electing(elected.get(code, ()), line)
            and not is_loose
        ):
            continue
        ends = [*_changes(book, id_), *_begins(named, since.on, book.zone), *_asks(basis.enrolments, id_, line)]
        ends += _falls(basis.past, since.at, id_, lots) if is_loose else []
        end = min([one for one in ends if one > since.at], default=None)
        late = frozenset(key for key, at in first.items() if end is not None and at >= end)
        mine = found.setdefault(code, {})
        signature = (named, begun, then, end)
        before = mine.get(signature)
        if before is not None:
            facts, held = facts | before.keys, {**before.bound, **held}
        mine[signature] = Era(line, since.on, facts, then, held or now, late - facts)
    return {code: list(eras.values()) for code, eras in found.items()}


def _by(bound: Mapping[str, Bound], key: str) -> VersionName | None:
    return bound[key].by if key in bound else None


def _elected(enrolments: Iterable[Enrolment], rule_set_id: UUID, since: Redeemed) -> list[VersionName]:
    """What had been elected when something was redeemed."""
    known = [
        replace(one, changes=[change for change in one.changes if change.recorded_at <= since.at]) for one in enrolments
    ]
    return elections(known, since.on).get(rule_set_id, [])


def _electing(elected: Iterable[VersionName], line: Sequence[CompiledVersion]) -> set[int]:
    """The versions of a line that an election lets reach back."""
    named = [name.within(line) for name in elected]
    return {one.version for one in named if one is not None and one.transition.elect_until is not None}


def _changes(book: Book, rule_set_id: UUID) -> Iterator[datetime]:
    for one in book.history.get(rule_set_id, ()):
        yield one.publication.known_from
        if one.publication.known_until is not None:
            yield one.publication.known_until


def _begins(line: Iterable[Days], day: date, zone: tzinfo) -> Iterator[datetime]:
    """The instants at which first and last days of a line begin, where the bank counts its days."""
    for _, *edges in line:
        yield from (datetime.combine(edge, time(), zone) for edge in edges if edge is not None and edge > day)


def _asks(enrolments: Iterable[Enrolment], rule_set_id: UUID, line: Sequence[CompiledVersion]) -> Iterator[datetime]:
    for enrolment in enrolments:
        for change in enrolment.changes:
            if change.kind is ChangeKind.ELECTED and enrolment.rule_set_id == rule_set_id:
                named = VersionName(change.detail["version"], date.fromisoformat(change.detail["from"]))
                if _electing([named], line):
                    yield change.recorded_at


_Built = dict[UUID, dict[Account, int]]


def _move(built: _Built, posting: Posting) -> None:
    mine = built.setdefault(posting.lot_id, {Account.RESERVED: 0, Account.REDEEMED: 0})
    for account, sign in ((posting.source, -1), (posting.target, 1)):
        if account in mine:
            mine[account] += sign * posting.amount_milli


def _built_at(past: Past, instants: Iterable[datetime]) -> Iterator[tuple[datetime, _Built]]:
    """What of each lot was reserved and redeemed at each instant, the first first, in one pass over the chain."""
    built: _Built = {}
    rest = iter(past.postings)
    coming = next(rest, None)
    for at in sorted(instants):
        while coming is not None and coming.recorded_at <= at:
            _move(built, coming)
            coming = next(rest, None)
        yield at, {id_: dict(mine) for id_, mine in built.items() if any(mine.values())}


def _bound_at(
    lots: Iterable[Lot],
    past: Past | None,
    instants: Collection[datetime],
    book: Book,
    codes: Mapping[UUID, str],
    keys: Mapping[str, str],
) -> dict[datetime, dict[str, dict[str, Bound]]]:
    """By which version each fact was decided on whose credits something was built then, by instant and rule set."""
    if past is None:
        return {}
    mine = [lot for lot in lots if lot.key.rule_set_id in codes]
    return {
        at: _bound(
            [replace(lot, positions=built[lot.id]) for lot in mine if lot.id in built],
            [one for on, one in past.decisions if on <= at],
            book,
            codes,
            keys,
        )
        for at, built in _built_at(past, instants)
    }


def _falls(past: Past | None, since: datetime, rule_set_id: UUID, lots: Iterable[Lot]) -> Iterator[datetime]:
    """When something that was reserved or redeemed ceased to be."""
    if past is None:
        return
    mine = {lot.id for lot in lots if lot.key.rule_set_id == rule_set_id}
    # What one act posts has one instant.
    after = {posting.recorded_at for posting in past.postings if posting.recorded_at > since}
    then: set[UUID] | None = None
    for at, built in _built_at(past, {since, *after}):
        if then is None:
            then = mine.intersection(built)
        elif not then <= built.keys():
            yield at
            return


def _as_published(book: Book, basis: Basis, chapter: Chapter) -> CompiledVersion:
    publication = chapter.publication
    entry = book.entries.get((chapter.code, chapter.number)) or basis.former[publication.version_id]
    return replace(entry.compiled, valid_from=publication.valid.start, valid_until=publication.valid.until)


def _begun(line: Sequence[Days], day: date) -> int:
    """How many of the line's first and last days have been reached by a day."""
    return sum(edge is not None and edge <= day for _, *edges in line for edge in edges)
