"""What a change touches: the achievements that must be evaluated together with those that changed.

Achievements interact only through shared keys. Where no rule in force takes achievements together, limits, pools or
lets lots expire (``Book.is_local``), that is the unit: lots of one unit compete under ``unique``. So a change touches
the achievements that changed and, through the units of their lots, those whose lots compete with them, and so on until
no further one is found. Evaluating these gives the same lots as evaluating everything (law; held by a property test
and by ``verify``, which evaluates everything). Under any other rules the whole learner is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import Achievement
from creditbank.achievements.queries import of_learners, of_pairs
from creditbank.enrolments.queries import enrolled_in, enrolments_of
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.domain import Account, Hold, Lot
from creditbank.ledger.queries import (
    built_on,
    lots_of,
    lots_of_bindings,
    lots_of_units,
    open_holds,
    redeemed_since,
    with_redeemed,
)
from creditbank.providers import queries as providers
from creditbank.recognition.domain import NOTHING_KNOWN, Decision, HeldRuling, Known, evaluate_achievements, unit_of
from creditbank.recognition.queries import (
    every_decision,
    first_recognised,
    latest_decisions,
    latest_of_bindings,
    rulings_of,
    with_rulings,
)
from creditbank.recognition.standing import NO_BASIS, Basis, Past, former_chapters, standing_of
from creditbank.rules.outcome import Evaluation
from creditbank.rules.rulings import Ruling
from creditbank.rules.standing import Standing
from creditbank.rulesets.domain import Book, Entry
from creditbank.rulesets.shelf import Shelf

BLANKET = "blanket:"
"""Units that never compete begin with this (rules/v1 section 6)."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An achievement that changed, as it is now; ``is_new`` when nothing was ever decided about it."""

    achievement: Achievement
    is_new: bool


@dataclass(slots=True)
class Touched:
    """What has to be evaluated of one learner, with what is held of it."""

    achievements: dict[UUID, Achievement] = field(default_factory=dict)
    lots: dict[UUID, Lot] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    known: Known = NOTHING_KNOWN
    rulings: Sequence[Ruling] = ()
    holds: Sequence[Hold] = ()
    evaluation: Evaluation | None = None
    basis: Basis = NO_BASIS

    def standing(self, book: Book, as_of: date, *, of: str | None = None) -> Standing:
        """What stands against the book's versions; in one rule set only if asked."""
        return standing_of(
            list(self.achievements.values()), self.lots.values(), self.decisions, book, as_of, self.basis, of=of
        )

    def units(self) -> set[str]:
        """The units that lots of this learner have, should have, or had, and compete for."""
        valid = {a.key: a for a in self.achievements.values()}
        made = {unit_of(lot, valid) for d in self.evaluation.decisions for lot in d.lots} if self.evaluation else set()
        return {unit for unit in made | {lot.key.unit for lot in self.lots.values()} if not unit.startswith(BLANKET)}

    def strangers(self) -> set[UUID]:
        """The achievements of its lots that are not in it yet."""
        return {UUID(id_) for lot in self.lots.values() for id_ in lot.key.binding.split(",")} - set(self.achievements)


def is_current(learner: LockedLearner, book: Book, as_of: date) -> bool:
    """Whether what stands of the learner was evaluated under the very rules that an evaluation now would read."""
    if learner.evaluated_epoch is None or learner.evaluated_as_of is None:
        # Nothing was ever evaluated, so there is nothing that could be out of date.
        return True
    return learner.evaluated_epoch == book.epoch and book.same_rules(learner.evaluated_as_of, as_of)


async def books_of(connection: AsyncConnection, book: Book, learner_ids: Sequence[UUID]) -> dict[UUID, Book]:
    """The book by which each of these learners is settled: with the rule sets that concern only the enrolled."""
    if not book.restricted or not learner_ids:
        return dict.fromkeys(learner_ids, book)
    enrolled = await enrolled_in(connection, learner_ids)
    return {id_: book.for_enrolled(rule_sets) for id_, rule_sets in enrolled.items()}


async def load_all(
    connection: AsyncConnection, shelf: Shelf, learners: Sequence[LockedLearner], book: Book, as_of: date
) -> dict[UUID, Touched]:
    """Everything of these learners, and what the bank knows of it that the book's rules read."""
    if not learners:
        return {}
    ids = [learner.id for learner in learners]
    achievements = await of_learners(connection, {learner.id: learner.key for learner in learners})
    lots = await lots_of(connection, ids)
    decisions = await latest_decisions(connection, ids)
    bases = await bases_of(connection, shelf, book, lots)
    known = await known_of(connection, book.with_former(former_of(bases.values())), achievements)
    rulings = await rulings_of(connection, {learner.id: learner.key for learner in learners})
    holds = await open_holds(connection, ids)
    return {
        id_: Touched(
            {a.id: a for a in achievements[id_]},
            {lot.id: lot for lot in lots[id_]},
            decisions[id_],
            known[id_],
            in_force(rulings[id_], achievements[id_], as_of),
            holds[id_],
            basis=bases[id_],
        )
        for id_ in ids
    }


async def bases_of(
    connection: AsyncConnection, shelf: Shelf, book: Book, lots: Mapping[UUID, Sequence[Lot]]
) -> dict[UUID, Basis]:
    """What says how changed rules reach these learners, given with all their lots.

    It is looked up for those who have redeemed credits, and, where some version may be elected, for all.
    """
    redeeming = [id_ for id_, mine in lots.items() if any(lot.positions[Account.REDEEMED] for lot in mine)]
    since = await redeemed_since(connection, redeeming) if redeeming and book.ever_changed else {}
    chapters = {id_: former_chapters(book, mine, since) for id_, mine in lots.items()} if since else {}
    former = await shelf.former(connection, [one for mine in chapters.values() for one in mine])
    is_elective = any(
        entry.compiled.transition.elect_until is not None for entry in (*book.entries.values(), *former.values())
    )
    enrolments = await enrolments_of(connection, list(lots)) if is_elective else {}
    reaches_back = is_elective or any(
        entry.compiled.transition.applies_to != "new_only" for entry in (*book.entries.values(), *former.values())
    )
    postings = await built_on(connection, redeeming) if since and reaches_back else {}
    decided = await every_decision(connection, redeeming) if since and reaches_back else {}
    return {
        id_: Basis(
            {lot.id: since[lot.id] for lot in mine if lot.id in since},
            {one.publication.version_id: former[one.publication.version_id] for one in chapters.get(id_, ())},
            enrolments.get(id_, ()),
            Past(postings[id_], decided[id_]) if id_ in postings else None,
        )
        for id_, mine in lots.items()
    }


def former_of(bases: Iterable[Basis]) -> dict[UUID, Entry]:
    """The former versions on which these learners' redeemed credits rest."""
    return {id_: entry for basis in bases for id_, entry in basis.former.items()}


def in_force(held: Sequence[HeldRuling], achievements: Sequence[Achievement], as_of: date) -> list[Ruling]:
    """The rulings that hold on a day, as the engine reads them: an achievement is named there by its key."""
    keys = {str(a.id): a.key for a in achievements}
    holding = [one for one in held if one.expires is None or as_of < one.expires]
    return [ruling for one in holding if (ruling := one.as_input(keys)) is not None]


async def known_of(
    connection: AsyncConnection, book: Book, achievements: Mapping[UUID, Sequence[Achievement]]
) -> dict[UUID, Known]:
    """What the bank itself knows of these achievements, by learner; only what the rules in force read is looked up."""
    types: dict[str, str] = {}
    recognised: dict[UUID, dict[UUID, date]] = {}
    if book.reads("provider_type"):
        codes = {a.current.content["provider"] for mine in achievements.values() for a in mine}
        found = await providers.by_code(connection, sorted(codes))
        types = {code: provider.provider_type for code, provider in found.items()}
    if book.reads("recognised"):
        recognised = await first_recognised(connection, list(achievements))
    return {id_: Known(types, recognised.get(id_, {})) for id_ in achievements}


async def load_touched(
    connection: AsyncConnection,
    shelf: Shelf,
    learners: Mapping[UUID, LockedLearner],
    changes: Sequence[Changed],
    book: Book,
    as_of: date,
) -> dict[UUID, Touched]:
    """What the changes touch, of each of these learners."""
    touched: dict[UUID, Touched] = {}
    for change in changes:
        mine = touched.setdefault(change.achievement.learner_id, Touched())
        mine.achievements[change.achievement.id] = change.achievement
    known = [(c.achievement.learner_id, str(c.achievement.id)) for c in changes if not c.is_new]
    for lot in await lots_of_bindings(connection, known):
        touched[lot.learner_id].lots[lot.id] = lot
    asked: set[tuple[UUID, str]] = set()
    growing = set(touched)
    while growing:
        for id_ in growing:
            mine = touched[id_]
            mine.evaluation = evaluate_achievements(mine.achievements.values(), book, as_of)
        wanted = {(id_, unit) for id_ in growing for unit in touched[id_].units()} - asked
        asked |= wanted
        for lot in await lots_of_units(connection, sorted(wanted)):
            touched[lot.learner_id].lots[lot.id] = lot
        growing = await _add_strangers(connection, learners, touched, growing, known)
    for id_, held in (await latest_of_bindings(connection, known)).items():
        touched[id_].decisions = held
    # On what is reserved or ruled on hangs more than what was touched, and on what was redeemed under other rules.
    hanging = {
        id_ for id_, mine in touched.items() if any(lot.positions[Account.RESERVED] for lot in mine.lots.values())
    }
    hanging |= await with_rulings(connection, list(touched))
    if book.ever_changed:
        hanging |= await with_redeemed(connection, list(touched))
    touched.update(await load_all(connection, shelf, [learners[id_] for id_ in sorted(hanging)], book, as_of))
    return touched


async def _add_strangers(
    connection: AsyncConnection,
    learners: Mapping[UUID, LockedLearner],
    touched: Mapping[UUID, Touched],
    growing: set[UUID],
    known: list[tuple[UUID, str]],
) -> set[UUID]:
    """Add the achievements whose lots were met, with all their lots; answers whose these were."""
    pairs = [(id_, stranger) for id_ in growing for stranger in touched[id_].strangers()]
    if not pairs:
        return set()
    for achievement in await of_pairs(connection, {id_: learners[id_].key for id_, _ in pairs}, pairs):
        touched[achievement.learner_id].achievements[achievement.id] = achievement
    bindings = [(id_, str(stranger)) for id_, stranger in pairs]
    known.extend(bindings)
    for lot in await lots_of_bindings(connection, bindings):
        touched[lot.learner_id].lots[lot.id] = lot
    return {id_ for id_, _ in pairs}
