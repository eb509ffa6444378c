"""Settle: the one path from facts to credits, whatever the cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import Achievement
from creditbank.awards.domain import State
from creditbank.awards.telling import ended_with
from creditbank.clock import Clock, rising
from creditbank.database.statements import insert_rows, pairs_among, update_rows
from creditbank.identifiers import new_id
from creditbank.learners.actions import advance
from creditbank.learners.queries import LockedLearner, merged_keys_of
from creditbank.ledger.actions import Chain, Change, close_holds, post
from creditbank.ledger.domain import Account, Code, HoldState
from creditbank.ledger.telling import credits_changed
from creditbank.recognition.domain import ENGINE, Cause, Decision, Difference, input_hash, settle_learner
from creditbank.recognition.queries import TRACE, trace_bytes
from creditbank.recognition.reach import Changed, Touched, books_of, is_current, load_all, load_touched
from creditbank.recognition.tables import decisions, evaluations, reviews
from creditbank.rules.standing import NOTHING_STANDS
from creditbank.rulesets.domain import Book
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import LearnerKey
from creditbank.webhooks.actions import tell
from creditbank.webhooks.domain import Event


@dataclass(frozen=True, slots=True)
class Settled:
    """How a learner stands after settling, as far as it was evaluated."""

    learner: LockedLearner
    achievements: Mapping[UUID, Achievement]
    difference: Difference
    # The rules it was settled by.
    book: Book


async def settle(
    connection: AsyncConnection,
    shelf: Shelf,
    learners: Mapping[UUID, LockedLearner],
    cause: Cause,
    *,
    as_of: date,
    clock: Clock,
    changes: Sequence[Changed] | None = None,
) -> dict[UUID, Settled]:
    """Evaluate the learners, whom the caller has locked, and post what differs. The same facts again post nothing.

    With ``changes`` only what these touch is evaluated, save where achievements meet otherwise than through units, and
    for a learner who stands under other rules than those in force or is settled by rules for the enrolled: these are
    evaluated whole. Without, everybody is.
    """
    if not learners:
        return {}
    # The rules are asked for first: from here on nobody publishes until this transaction ends.
    book = await shelf.book(connection)
    books = await books_of(connection, book, list(learners))
    whole = [
        one
        for id_, one in learners.items()
        if changes is None or not book.is_local or books[id_] is not book or not is_current(one, book, as_of)
    ]
    touched = await load_all(connection, shelf, whole, book, as_of)
    some = [c for c in changes or () if c.achievement.learner_id not in touched]
    touched.update(await load_touched(connection, shelf, learners, some, book, as_of))
    settled = {id_: _settle_one(learners[id_], mine, books[id_], as_of) for id_, mine in touched.items()}
    await _write(connection, book, [s for s in settled.values() if not s.difference.is_empty], cause, as_of, clock())
    for one in settled.values():
        one.learner.evaluated_as_of, one.learner.evaluated_epoch = as_of, book.epoch
    await advance(connection, [one.learner for one in settled.values()])
    if book.listeners:
        await tell(connection, book.listeners, await _happened(connection, learners, cause, changes or (), settled))
    return settled


_STATED: Final = {
    Cause.ACHIEVEMENT: "achievement.recorded",
    Cause.AMENDMENT: "achievement.amended",
    Cause.REVOCATION: "achievement.revoked",
}


async def _happened(
    connection: AsyncConnection,
    learners: Mapping[UUID, LockedLearner],
    cause: Cause,
    changes: Sequence[Changed],
    settled: Mapping[UUID, Settled],
) -> list[Event]:
    """What is to be told of a settling: what was stated, whose credits changed, which applications fell with it."""
    events = []
    for changed in changes:
        achievement = changed.achievement
        # A statement that was there before comes as a change too; nothing happened to it.
        if cause in _STATED and (changed.is_new or cause is not Cause.ACHIEVEMENT):
            current = achievement.current
            about = {
                "achievement_id": str(achievement.id),
                "learner_id": str(achievement.learner_id),
                "version": current.number,
                "status": current.status,
            }
            at = learners[achievement.learner_id].recorded_at
            events.append(
                Event(_STATED[cause], current.content["provider"], f"/v1/achievements/{achievement.id}", about, at)
            )
    for id_, one in settled.items():
        difference, at = one.difference, learners[id_].recorded_at
        events += credits_changed(id_, [*difference.made, *difference.moved], at)
        events += await ended_with(connection, difference.broken, State.BROKEN, at)
    return events


def _settle_one(learner: LockedLearner, touched: Touched, book: Book, as_of: date) -> Settled:
    book = book.with_former(touched.basis.former)
    # Where only what was touched was evaluated, nothing stands in its way.
    standing = touched.standing(book, as_of) if touched.evaluation is None else NOTHING_STANDS
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
        standing=standing,
        rulings=touched.rulings,
        holds=touched.holds,
        evaluation=touched.evaluation,
    )
    return Settled(learner, touched.achievements, difference, book)


REVIEW_DAYS: Final = timedelta(days=20)
"""How long a person may take before a review is overdue."""


async def keep_reviews(connection: AsyncConnection, book: Book, settled: Sequence[Settled], today: date) -> None:
    """Open a review for each decision that asks for a person and for each debt; close what was replaced."""
    rule_sets = {entry.rule_set_id: entry.compiled.rule_set for entry in book.entries.values()}
    opened: list[dict[str, Any]] = []
    replaced: list[tuple[UUID, UUID]] = []
    died: list[tuple[UUID, UUID]] = []
    for one in settled:
        learner_id, recorded_at = one.learner.id, one.learner.recorded_at
        waiting: list[tuple[str, UUID, str | None, str, str | None]] = []
        for decision in one.difference.decisions:
            rule_set = rule_sets.get(decision.rule_set_id) if decision.rule_set_id is not None else None
            if decision.effect == "review":
                reason = str((decision.trace or {}).get("reason", "review_wanted"))
                waiting.append(("decision", decision.id, rule_set, reason, None))
        replaced.extend((learner_id, former) for former in one.difference.replaced)
        owing = {e.lot_id for e in one.difference.entries if e.movement.code is Code.CLAWBACK}
        owing -= {e.lot_id for e in one.difference.entries if e.movement.code is Code.WRITE_OFF}
        for lot in one.difference.moved:
            if lot.id in owing:
                waiting.append(("debt", lot.id, rule_sets.get(lot.key.rule_set_id), "debt", lot.terms.provider))
        opened += [
            {
                "learner_id": learner_id,
                "id": new_id(),
                "kind": kind,
                "subject_id": subject,
                "rule_set": rule_set,
                "reason": reason,
                "provider": provider,
                "owner_id": None,
                "state": "open",
                "outcome": None,
                "due_on": today + REVIEW_DAYS,
                "recorded_at": recorded_at,
                "closed_at": None,
            }
            for kind, subject, rule_set, reason, provider in waiting
        ]
        paid = {e.lot_id for e in one.difference.entries if e.movement.target is Account.OWED}
        died += [
            (learner_id, lot.id)
            for lot in one.difference.moved
            if lot.id in paid and lot.id not in owing and not lot.positions[Account.OWED]
        ]
    await close_reviews(connection, sorted(set(replaced)), "replaced", settled)
    # A debt that died leaves nothing to be decided.
    await close_reviews(connection, sorted(set(died)), "settled", settled)
    await insert_rows(connection, reviews, opened)


async def close_reviews(
    connection: AsyncConnection, subjects: Sequence[tuple[UUID, UUID]], outcome: str, settled: Sequence[Settled]
) -> None:
    """Close the open reviews about these (learner, subject) pairs."""
    if not subjects:
        return
    ends = {one.learner.id: one.learner.recorded_at for one in settled}
    pairs = pairs_among(connection, (reviews.c.learner_id, reviews.c.subject_id), subjects)
    found = await connection.execute(select(reviews.c.learner_id, reviews.c.id).where(pairs, reviews.c.state == "open"))
    rows = [
        {"learner_id": row.learner_id, "id": row.id, "state": "closed", "outcome": outcome,
         "closed_at": ends[row.learner_id]}
        for row in found
    ]  # fmt: skip
    await update_rows(connection, reviews, rows, ("learner_id", "id"))


def _merged_of(achievement: Achievement) -> UUID | None:
    """The merged account of which an achievement was stated at the account that stands or stood for it."""
    return achievement.current.merged_id


async def _keys_for(connection: AsyncConnection, settled: Sequence[Settled]) -> dict[tuple[UUID, UUID], LearnerKey]:
    """The keys to what these learners hold of merged accounts."""
    holding = {
        one.learner.id: one.learner.key
        for one in settled
        if any(_merged_of(held) is not None for held in one.achievements.values())
    }
    return await merged_keys_of(connection, holding) if holding else {}


def _sealed(one: Settled, decision: Decision, keys: Mapping[tuple[UUID, UUID], LearnerKey]) -> dict[str, Any]:
    """The trace of a decision, sealed. Where it speaks of what is a merged account's, so that it outlives neither.

    Of an erased person nothing is left that a trace could tell.
    """
    trace = trace_bytes(decision.trace or {})
    said = trace.decode() + decision.binding
    merged = sorted(
        {
            account
            for held in one.achievements.values()
            if (account := _merged_of(held)) is not None
            and (one.learner.id, account) in keys
            and (str(held.id) in said or _quoted(held.key) in said)
        }
    )
    for account in merged:
        trace = keys[one.learner.id, account].seal(trace, TRACE)
    if not merged:
        trace = one.learner.key.seal(trace, TRACE)
    return {"trace": trace, "merged_ids": ",".join(map(str, merged)) or None}


def _quoted(text: str) -> str:
    """A text as it stands in a trace."""
    return trace_bytes({"": text}).decode()[5:-2]


async def _write(
    connection: AsyncConnection, book: Book, settled: Sequence[Settled], cause: Cause, as_of: date, now: datetime
) -> None:
    for one in settled:
        one.learner.recorded_at = rising(now, one.learner.recorded_at)
    hashes = [entry.compiled.sha256 for entry in book.entries.values()]
    keys = await _keys_for(connection, settled)
    former = {one.learner.id: [entry.compiled.sha256 for entry in one.book.former.values()] for one in settled}
    await insert_rows(
        connection,
        evaluations,
        [
            {
                "learner_id": one.learner.id,
                "id": one.difference.evaluation_id,
                "cause": cause.value,
                "as_of": as_of,
                "epoch": book.epoch,
                "input_sha256": input_hash(one.achievements.values(), [*hashes, *former[one.learner.id]], as_of),
                "engine": ENGINE,
                "recorded_at": one.learner.recorded_at,
            }
            for one in settled
        ],
    )
    await insert_rows(
        connection,
        decisions,
        [
            {
                "learner_id": one.learner.id,
                "id": decision.id,
                "evaluation_id": decision.evaluation_id,
                "rule_set_id": decision.rule_set_id,
                "rule_set_version_id": decision.version_id,
                "kept_by_version_id": decision.kept_by_id,
                "rule": decision.rule,
                "effect": decision.effect,
                "binding": decision.binding,
                "mark": decision.mark,
                **_sealed(one, decision, keys),
                "recorded_at": one.learner.recorded_at,
            }
            for one in settled
            for decision in one.difference.decisions
        ],
    )
    chains = await post(
        connection,
        [
            Change(
                one.learner.id,
                Chain(one.learner.seq, one.learner.head),
                one.learner.recorded_at,
                one.difference.made,
                one.difference.moved,
                one.difference.entries,
            )
            for one in settled
        ],
    )
    for one in settled:
        broken = [(hold, HoldState.BROKEN) for hold in one.difference.broken]
        await close_holds(connection, broken, one.learner.recorded_at)
    await keep_reviews(connection, book, settled, as_of)
    for one in settled:
        chain = chains[one.learner.id]
        one.learner.seq, one.learner.head = chain.seq, chain.head
