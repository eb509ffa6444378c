"""Proof that the books say what the facts say: everything is recomputed and nothing is believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID, Achievement
from creditbank.achievements.queries import claimed, forgotten, lookup_key, of_learners, owners
from creditbank.achievements.tables import achievement_keys, achievements
from creditbank.database.engine import Database
from creditbank.database.statements import among
from creditbank.identifiers import new_id
from creditbank.learners.domain import ERASED, NO_POSTING
from creditbank.learners.queries import ErasedLearner, LockedLearner, erased, load, page_of_ids
from creditbank.learners.tables import learners
from creditbank.ledger.domain import Account, Code, Hold, Lot, Posting, PostingUnreadable, broken_link
from creditbank.ledger.queries import chains_of, lots_of, open_holds
from creditbank.recognition.domain import settle_learner
from creditbank.recognition.queries import all_marks, latest_decisions, rulings_of, trace_bytes
from creditbank.recognition.reach import Touched, bases_of, books_of, former_of, in_force, known_of
from creditbank.rulesets.domain import Book
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import SealBroken, Vault

LEARNERS_A_PAGE: Final = 200
# No database takes any number of values in one statement.
_KEYS_A_LOOK: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. ``learner_id`` is None when it concerns the bank as a whole."""

    code: str
    learner_id: UUID | None
    detail: str


@dataclass(frozen=True, slots=True)
class Page:
    """What verifying some learners came to."""

    learners: int
    achievements: int
    postings: int
    findings: Sequence[Finding]
    # Of these people the key is destroyed: their chains and sums are proven, and what is sealed is nobody's to open.
    erased: int = 0


async def count_learners(database: Database) -> int:
    """How many learners there are to verify."""
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(learners))).scalar_one()


Chains = Mapping[UUID, Sequence[Posting]]
Standing = LockedLearner | ErasedLearner
Check = Callable[[AsyncConnection, Mapping[UUID, Standing], Chains], Awaitable[list[Finding]]]
"""What else is to hold of some learners and their chains, said by whoever knows of it."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is verified: ``is_chains_only`` leaves out facts and decisions; ``also`` adds checks."""

    is_chains_only: bool = False
    also: tuple[Check, ...] = ()


async def verify_bank(
    database: Database, vault: Vault, shelf: Shelf, today: date, depth: Depth = Depth()
) -> AsyncIterator[Page]:
    """Verify every learner, some at a time, each page in one snapshot; then what holds for the bank as a whole."""
    async for page in verify_learners(database, vault, shelf, today, depth):
        yield page
    async with database.snapshot() as connection:
        yield Page(0, 0, 0, await verify_claims(connection))


async def verify_learners(
    database: Database,
    vault: Vault,
    shelf: Shelf,
    today: date,
    depth: Depth,
    *,
    after: UUID | None = None,
    until: UUID | None = None,
) -> AsyncIterator[Page]:
    """Verify the learners beyond ``after`` up to ``until``, in the order of their ids."""
    while True:
        async with database.snapshot() as connection:
            ids = await page_of_ids(connection, after=after, limit=LEARNERS_A_PAGE)
            wanted = [id_ for id_ in ids if until is None or id_ <= until]
            if wanted and depth.is_chains_only:
                yield await _verify_chains(connection, vault, wanted, depth)
            elif wanted:
                yield await _verify_page(connection, vault, shelf, wanted, today, depth)
        if len(wanted) < LEARNERS_A_PAGE:
            return
        after = wanted[-1]


async def verify_claims(connection: AsyncConnection) -> list[Finding]:
    taken = (await connection.execute(select(func.count()).select_from(achievement_keys))).scalar_one()
    # The external ids of erased people are forgotten with them.
    # One that a merge moved stands under one id at two accounts.
    held = select(func.count(achievements.c.id.distinct())).join_from(achievements, learners)
    held = held.where(learners.c.state != ERASED)
    stored = (await connection.execute(held)).scalar_one()
    # One that an undoing gave back left a withdrawn copy, which outlives whoever it was of.
    twice = select(achievements.c.id).group_by(achievements.c.id).having(func.count() > 1)
    ids = list((await connection.execute(twice)).scalars())
    for start in range(0, len(ids), _KEYS_A_LOOK):
        gone = await forgotten(connection, ids[start : start + _KEYS_A_LOOK])
        keyless = sorted(gone - (await owners(connection, sorted(gone))).keys())
        left = held.where(among(connection, achievements.c.id, keyless))
        stored -= (await connection.execute(left)).scalar_one() if keyless else 0
    if taken != stored:
        return [Finding("claims_differ", None, f"{taken} external ids are claimed for {stored} achievements")]
    return []


async def _verify_chains(connection: AsyncConnection, vault: Vault, ids: Sequence[UUID], depth: Depth) -> Page:
    """Only what the ledger says of itself: that chains hold, and that lots stand where their postings put them."""
    try:
        loaded = await load(connection, vault, ids)
        chains = await chains_of(connection, ids)
    except SealBroken:
        broken = await _find_broken_seals(connection, vault, ids)
        return await _verify_others(lambda others: _verify_chains(connection, vault, others, depth), ids, broken)
    except PostingUnreadable as unreadable:
        found = [Finding("posting_unreadable", unreadable.learner_id, str(unreadable))]
        return await _verify_others(lambda others: _verify_chains(connection, vault, others, depth), ids, found)
    lots = await lots_of(connection, ids)
    findings: list[Finding] = []
    gone = await erased(connection, ids)
    everybody: dict[UUID, Standing] = {**loaded, **gone}
    for id_, learner in everybody.items():
        findings += _verify_chain(learner, chains[id_])
        findings += _verify_positions(id_, lots[id_], chains[id_])
        findings += _verify_reversals(id_, chains[id_])
    for check in depth.also:
        findings += await check(connection, everybody, chains)
    return Page(len(ids), 0, sum(len(chain) for chain in chains.values()), findings, len(gone))


async def _verify_page(
    connection: AsyncConnection, vault: Vault, shelf: Shelf, ids: Sequence[UUID], today: date, depth: Depth
) -> Page:
    book = await shelf.book_seen(connection)
    try:
        loaded = await load(connection, vault, ids)
        facts = await of_learners(connection, {id_: learner.key for id_, learner in loaded.items()})
        chains = await chains_of(connection, ids)
    except SealBroken:
        broken = await _find_broken_seals(connection, vault, ids)
        return await _verify_others(
            lambda others: _verify_page(connection, vault, shelf, others, today, depth), ids, broken
        )
    except PostingUnreadable as unreadable:
        found = [Finding("posting_unreadable", unreadable.learner_id, str(unreadable))]
        return await _verify_others(
            lambda others: _verify_page(connection, vault, shelf, others, today, depth), ids, found
        )
    lots = await lots_of(connection, ids)
    latest = await latest_decisions(connection, ids)
    marks = await all_marks(connection, {id_: learner.key for id_, learner in loaded.items()})
    bases = await bases_of(connection, shelf, book, lots)
    known = await known_of(connection, book.with_former(former_of(bases.values())), facts)
    books = await books_of(connection, book, list(loaded))
    rulings = await rulings_of(connection, {id_: learner.key for id_, learner in loaded.items()})
    holds = await open_holds(connection, ids)
    moved = await _find_moved(connection, vault, facts)
    findings: list[Finding] = []
    for id_, learner in loaded.items():
        findings += _verify_versions(id_, facts[id_])
        findings += _verify_chain(learner, chains[id_])
        findings += _verify_positions(id_, lots[id_], chains[id_])
        findings += _verify_reversals(id_, chains[id_])
        findings += _verify_decisions(learner, chains[id_], lots[id_], marks[id_])
        as_of = learner.evaluated_as_of or today
        touched = Touched(
            {a.id: a for a in facts[id_]},
            {lot.id: lot for lot in lots[id_]},
            latest[id_],
            known[id_],
            in_force(rulings[id_], facts[id_], as_of),
            holds[id_],
            basis=bases[id_],
        )
        findings += _verify_holds(id_, lots[id_], holds[id_])
        if id_ in moved:
            # What lies in another's place was never what was decided on, and may not even be one fact.
            findings += moved[id_]
        else:
            findings += _verify_settled(learner, touched, books[id_], as_of)
    gone = await erased(connection, ids)
    for id_, nobody in gone.items():
        findings += _verify_chain(nobody, chains[id_])
        findings += _verify_positions(id_, lots[id_], chains[id_])
        if id_ in loaded:
            findings.append(Finding("erasure_undone", id_, "this person was erased, and the key is there again"))
    for check in depth.also:
        findings += await check(connection, {**gone, **loaded}, chains)
    for missing in set(ids) - set(loaded) - set(gone):
        findings.append(Finding("key_missing", missing, "the key to what is sealed of this learner is gone"))
    return Page(
        len(ids),
        sum(len(mine) for mine in facts.values()),
        sum(len(chain) for chain in chains.values()),
        findings,
        len(gone),
    )


async def _verify_others(
    verify: Callable[[Sequence[UUID]], Awaitable[Page]], ids: Sequence[UUID], findings: Sequence[Finding]
) -> Page:
    """Verify those of a page who can be read: one broken learner must not hide what was done to another."""
    suspects = {finding.learner_id for finding in findings}
    rest = await verify([id_ for id_ in ids if id_ not in suspects])
    return replace(rest, learners=len(ids), findings=[*findings, *rest.findings])


async def _find_broken_seals(connection: AsyncConnection, vault: Vault, ids: Sequence[UUID]) -> list[Finding]:
    findings = []
    for id_ in ids:
        try:
            loaded = await load(connection, vault, [id_])
            await of_learners(connection, {id_: loaded[id_].key})
        except SealBroken:
            findings.append(Finding("seal_broken", id_, "what is sealed of this learner cannot be opened"))
    return findings


def _verify_versions(learner_id: UUID, facts: Sequence[Achievement]) -> list[Finding]:
    """Every version stays, so an achievement's versions are counted from 1 without a gap."""
    return [
        Finding(
            "version_missing", learner_id, f"achievement {fact.id} has {len(fact.versions)} versions up to {highest}"
        )
        for fact in facts
        if (highest := fact.current.number) != len(fact.versions)
    ]


async def _find_moved(
    connection: AsyncConnection, vault: Vault, facts: Mapping[UUID, Sequence[Achievement]]
) -> dict[UUID, list[Finding]]:
    """Statements that do not stand where their external id was claimed: sealed bytes open in any row of the learner."""
    withdrawn = [fact.id for held in facts.values() for fact in held if fact.current.status != VALID]
    # The copy of what was given back to somebody who was erased since: its external id is nobody's, or a later one's.
    left = await forgotten(connection, withdrawn)
    places = {
        (lookup_key(vault, said["provider"], said["external_id"]), fact.id, id_)
        for id_, held in facts.items()
        for fact in held
        if fact.id not in left or fact.current.status == VALID
        for said in (version.content for version in fact.versions)
    }
    keys = sorted({key for key, _, _ in places})
    found: dict[bytes, tuple[UUID, UUID]] = {}
    for start in range(0, len(keys), _KEYS_A_LOOK):
        found |= await claimed(connection, keys[start : start + _KEYS_A_LOOK])
    moved: defaultdict[UUID, list[Finding]] = defaultdict(list)
    for key, achievement_id, id_ in sorted(places, key=lambda place: (place[1], place[0])):
        if key not in found or found[key][1] != achievement_id:
            moved[id_].append(Finding("statement_moved", id_, f"achievement {achievement_id} says another's"))
    return moved


def _verify_chain(learner: Standing, chain: Sequence[Posting]) -> list[Finding]:
    broken = broken_link(chain)
    if broken is not None:
        return [Finding("chain_broken", learner.id, f"at posting {broken.id}, seq {broken.seq}")]
    head = chain[-1].hash if chain else NO_POSTING
    if (learner.seq, learner.head) != (len(chain), head):
        return [Finding("chain_cut", learner.id, f"the account says {learner.seq} postings, there are {len(chain)}")]
    return []


_UNDOES: Final = {
    Code.VOID: (Code.HOLD, Account.RESERVED),
    Code.TIMEOUT: (Code.HOLD, Account.RESERVED),
    Code.ANNUL: (Code.REDEEM, Account.REDEEMED),
}
"""By the code of a posting that undoes another: the code of that one, and the account that it filled."""


def _verify_reversals(learner_id: UUID, chain: Sequence[Posting]) -> list[Finding]:
    """Whatever undoes says what: a posting before it on the same lot, undone whole and by one act (decision 0029)."""
    before: dict[UUID, Posting] = {}
    undoing: dict[UUID, list[Posting]] = defaultdict(list)
    false: list[Posting] = []
    for posting in chain:
        before[posting.id] = posting
        if posting.reverses is None:
            if posting.code in _UNDOES:
                false.append(posting)
            continue
        undone = before.get(posting.reverses)
        if (
            undone is None
            or undone.lot_id != posting.lot_id
            or _UNDOES.get(posting.code) != (undone.code, undone.target)
            or posting.source is not undone.target
        ):
            false.append(posting)
        else:
            undoing[undone.id].append(posting)
    for id_, parts in undoing.items():
        is_whole = sum(part.amount_milli for part in parts) == before[id_].amount_milli
        if not is_whole or len({part.transaction_id for part in parts}) > 1:
            false.append(parts[-1])
    return [
        Finding("reversal_differs", learner_id, f"posting {one.id}, seq {one.seq}, does not undo what it should")
        for one in false
    ]


def _verify_positions(learner_id: UUID, lots: Sequence[Lot], chain: Sequence[Posting]) -> list[Finding]:
    replayed: dict[UUID, dict[Account, int]] = defaultdict(lambda: dict.fromkeys(Account, 0))
    for posting in chain:
        replayed[posting.lot_id][posting.source] -= posting.amount_milli
        replayed[posting.lot_id][posting.target] += posting.amount_milli
    return [
        Finding("positions_differ", learner_id, f"lot {lot.id} does not stand where its postings put it")
        for lot in lots
        if dict(lot.positions) != replayed[lot.id]
    ]


def _verify_holds(learner_id: UUID, lots: Sequence[Lot], holds: Sequence[Hold]) -> list[Finding]:
    """What is reserved of each lot is what the open holds say (invariant 21)."""
    held: dict[UUID, int] = defaultdict(int)
    for hold in holds:
        for line in hold.lines:
            held[line.lot_id] += line.milli
    return [
        Finding("holds_differ", learner_id, f"lot {lot.id} does not reserve what its open holds say")
        for lot in lots
        if lot.positions[Account.RESERVED] != held[lot.id]
    ]


def _verify_decisions(
    learner: LockedLearner, chain: Sequence[Posting], lots: Sequence[Lot], marks: Mapping[UUID, bool]
) -> list[Finding]:
    findings = [
        Finding("trace_changed", learner.id, f"the trace of decision {decision_id} is not the one that was decided")
        for decision_id, holds in marks.items()
        if not holds
    ]
    named = {posting.decision_id for posting in chain} | {lot.terms.decision_id for lot in lots}
    findings += [
        Finding("decision_missing", learner.id, f"decision {decision_id} is named but not there")
        for decision_id in sorted(named - set(marks))
    ]
    return findings


def _verify_settled(learner: LockedLearner, touched: Touched, book: Book, as_of: date) -> list[Finding]:
    book = book.with_former(touched.basis.former)
    difference = settle_learner(
        learner.id,
        list(touched.achievements.values()),
        list(touched.lots.values()),
        touched.decisions,
        book,
        as_of,
        evaluation_id=new_id(),
        new_id=new_id,
        mark=lambda trace: learner.key.mark(trace_bytes(trace)),
        known=touched.known,
        standing=touched.standing(book, as_of),
        rulings=touched.rulings,
        holds=touched.holds,
    )
    if difference.is_empty:
        return []
    said = f"{len(difference.decisions)} decisions, {len(difference.entries)} postings"
    return [Finding("not_settled", learner.id, f"the facts under the rules in force would lead to {said} more")]
