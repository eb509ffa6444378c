"""Settle: the one path from facts to credits, whatever the cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import Achievement
from creditbank.achievements.queries import of_learners
from creditbank.clock import Clock, rising
from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id
from creditbank.learners.actions import advance
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.actions import Chain, Change, post
from creditbank.ledger.queries import lots_of
from creditbank.recognition.domain import ENGINE, Cause, Difference, input_hash, settle_learner
from creditbank.recognition.queries import TRACE, latest_decisions, trace_bytes
from creditbank.recognition.tables import decisions, evaluations
from creditbank.rulesets.domain import Book
from creditbank.rulesets.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Settled:
    """How a learner stands after settling."""

    learner: LockedLearner
    achievements: Sequence[Achievement]
    difference: Difference


async def settle(
    connection: AsyncConnection,
    shelf: Shelf,
    learners: Mapping[UUID, LockedLearner],
    cause: Cause,
    *,
    as_of: date,
    clock: Clock,
) -> dict[UUID, Settled]:
    """Evaluate the learners, whom the caller has locked, and post what differs. The same facts again post nothing."""
    if not learners:
        return {}
    # The rules are asked for first: from here on nobody publishes until this transaction ends.
    book = await shelf.book(connection)
    ids = list(learners)
    achievements = await of_learners(connection, {id_: learner.key for id_, learner in learners.items()})
    lots = await lots_of(connection, ids)
    held = await latest_decisions(connection, ids)
    settled: dict[UUID, Settled] = {}
    for id_, learner in learners.items():
        key = learner.key
        difference = settle_learner(
            id_,
            achievements[id_],
            lots[id_],
            held[id_],
            book,
            as_of,
            evaluation_id=new_id(),
            new_id=new_id,
            mark=lambda trace, key=key: key.mark(trace_bytes(trace)),  # type: ignore[misc]
        )
        settled[id_] = Settled(learner, achievements[id_], difference)
    await _write(connection, book, [s for s in settled.values() if not s.difference.is_empty], cause, as_of, clock())
    dated = [s.learner for s in settled.values() if s.learner.evaluated_as_of != as_of]
    for learner in dated:
        learner.evaluated_as_of = as_of
    changed = {s.learner.id: s.learner for s in settled.values() if not s.difference.is_empty}
    changed.update({learner.id: learner for learner in dated})
    await advance(connection, list(changed.values()))
    return settled


async def _write(
    connection: AsyncConnection, book: Book, settled: Sequence[Settled], cause: Cause, as_of: date, now: datetime
) -> None:
    for one in settled:
        one.learner.recorded_at = rising(now, one.learner.recorded_at)
    hashes = [entry.compiled.sha256 for entry in book.entries.values()]
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
                "input_sha256": input_hash(one.achievements, hashes, as_of),
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
                "rule": decision.rule,
                "effect": decision.effect,
                "binding": decision.binding,
                "mark": decision.mark,
                "trace": one.learner.key.seal(trace_bytes(decision.trace or {}), TRACE),
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
        chain = chains[one.learner.id]
        one.learner.seq, one.learner.head = chain.seq, chain.head
