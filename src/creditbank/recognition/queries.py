"""Reads of evaluations and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, pairs_among
from creditbank.errors import Kind, Refusal
from creditbank.learners.queries import merged_into, merged_keys_of
from creditbank.recognition.domain import Decision, HeldRuling, RulingState
from creditbank.recognition.tables import decisions, evaluations, reviews, rulings
from creditbank.sealing import LearnerKey, SealBroken

TRACE = b"decisions.trace"

_WITHOUT_TRACE = tuple(column for column in decisions.c if column.name != "trace")


def trace_bytes(trace: Mapping[str, Any]) -> bytes:
    """The trace as bytes that are equal for equal traces."""
    return orjson.dumps(trace, option=orjson.OPT_SORT_KEYS)


def _decision_of(row: Row[Any], trace: Mapping[str, Any] | None = None) -> Decision:
    return Decision(
        row.id,
        row.evaluation_id,
        row.rule_set_id,
        row.rule_set_version_id,
        row.kept_by_version_id,
        row.rule,
        row.effect,
        row.binding,
        bytes(row.mark),
        trace,
    )


async def latest_decisions(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, list[Decision]]:
    """The latest decision for each (rule set, binding) of these learners, without traces."""
    found: dict[UUID, dict[tuple[UUID | None, str], Decision]] = {learner_id: {} for learner_id in learner_ids}
    statement = (
        select(*_WITHOUT_TRACE)
        .where(among(connection, decisions.c.learner_id, learner_ids))
        .order_by(decisions.c.recorded_at)
    )
    for row in await connection.execute(statement):
        decision = _decision_of(row)
        found[row.learner_id][decision.key] = decision
    return {learner_id: list(mine.values()) for learner_id, mine in found.items()}


async def every_decision(
    connection: AsyncConnection, learner_ids: Sequence[UUID]
) -> dict[UUID, list[tuple[datetime, Decision]]]:
    """Every decision ever made about these learners with when it was recorded, the first first, without traces."""
    found: dict[UUID, list[tuple[datetime, Decision]]] = {learner_id: [] for learner_id in learner_ids}
    statement = (
        select(*_WITHOUT_TRACE)
        .where(among(connection, decisions.c.learner_id, learner_ids))
        .order_by(decisions.c.recorded_at)
    )
    for row in await connection.execute(statement):
        found[row.learner_id].append((row.recorded_at, _decision_of(row)))
    return found


async def latest_of_bindings(
    connection: AsyncConnection, pairs: Sequence[tuple[UUID, str]]
) -> dict[UUID, list[Decision]]:
    """The latest decision for each rule set on these (learner, binding) pairs, by learner, without traces."""
    if not pairs:
        return {}
    found: dict[UUID, dict[tuple[UUID | None, str], Decision]] = {}
    columns = (decisions.c.learner_id, decisions.c.binding)
    statement = select(*_WITHOUT_TRACE).where(pairs_among(connection, columns, pairs)).order_by(decisions.c.recorded_at)
    for row in await connection.execute(statement):
        decision = _decision_of(row)
        found.setdefault(row.learner_id, {})[decision.key] = decision
    return {learner_id: list(mine.values()) for learner_id, mine in found.items()}


async def first_recognised(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, date]]:
    """The day on which each achievement of these learners was first recognised, by learner."""
    statement = (
        select(decisions.c.learner_id, decisions.c.binding, func.min(evaluations.c.as_of).label("day"))
        .join(
            evaluations,
            (evaluations.c.learner_id == decisions.c.learner_id) & (evaluations.c.id == decisions.c.evaluation_id),
        )
        .where(among(connection, decisions.c.learner_id, learner_ids), decisions.c.effect.in_(("grant", "conditional")))
        .group_by(decisions.c.learner_id, decisions.c.binding)
    )
    found: dict[UUID, dict[UUID, date]] = {}
    for row in await connection.execute(statement):
        mine = found.setdefault(row.learner_id, {})
        for achievement_id in map(UUID, row.binding.split(",")):
            mine[achievement_id] = min(row.day, mine.get(achievement_id, row.day))
    return found


RULING = b"rulings.content"


def ruling_bytes(content: Mapping[str, Any]) -> bytes:
    """What a ruling says, as bytes to be sealed."""
    return orjson.dumps(content)


async def rulings_of(connection: AsyncConnection, keys: Mapping[UUID, LearnerKey]) -> dict[UUID, list[HeldRuling]]:
    """The approved rulings of these learners, by learner; also those that have expired."""
    statement = select(rulings).where(
        among(connection, rulings.c.learner_id, list(keys)), rulings.c.state == RulingState.APPROVED.value
    )
    found: dict[UUID, list[HeldRuling]] = {learner_id: [] for learner_id in keys}
    for row in await connection.execute(statement.order_by(rulings.c.id)):
        found[row.learner_id].append(held_ruling_of(row, keys[row.learner_id]))
    return found


async def with_rulings(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the learners about whom somebody ruled."""
    if not learner_ids:
        return set()
    statement = select(rulings.c.learner_id).where(
        among(connection, rulings.c.learner_id, learner_ids), rulings.c.state == RulingState.APPROVED.value
    )
    return set((await connection.execute(statement)).scalars())


def held_ruling_of(row: Row[Any], key: LearnerKey) -> HeldRuling:
    """The ruling that a row holds."""
    return HeldRuling(
        row.learner_id,
        row.id,
        row.kind,
        row.rule_set,
        orjson.loads(key.open(row.content, RULING)),
        RulingState(row.state),
        row.author_id,
        row.approver_id,
        row.expires,
        row.recorded_at,
    )


async def decisions_of(connection: AsyncConnection, learner_id: UUID, key: LearnerKey) -> list[Decision]:
    """Every decision ever made for the learner, the first first, with traces."""
    statement = (
        select(decisions).where(decisions.c.learner_id == learner_id).order_by(decisions.c.recorded_at, decisions.c.id)
    )
    rows = (await connection.execute(statement)).all()
    return [_decision_of(row, orjson.loads(trace)) for row, trace in await shown(connection, learner_id, key, rows)]


async def current_decisions(
    connection: AsyncConnection, learner_id: UUID, key: LearnerKey, *, known: datetime | None = None
) -> list[Decision]:
    """The latest decision for each (rule set, binding) of the learner, with its trace; only these are opened.

    With ``known`` the latest of those recorded by then.
    """
    statement = (
        select(decisions).where(decisions.c.learner_id == learner_id).order_by(decisions.c.recorded_at, decisions.c.id)
    )
    if known is not None:
        statement = statement.where(decisions.c.recorded_at <= known)
    latest = {(row.rule_set_id, row.binding): row for row in await connection.execute(statement)}
    opened = await shown(connection, learner_id, key, list(latest.values()))
    return [_decision_of(row, orjson.loads(trace)) for row, trace in opened]


async def shown(
    connection: AsyncConnection, learner_id: UUID, key: LearnerKey, rows: Sequence[Row[Any]]
) -> list[tuple[Row[Any], bytes]]:
    """Those of a learner's decisions that may be shown, with their opened traces.

    What speaks of a merged account's achievements is shown as long as this account stands for that one: undone, it is
    another person's perhaps.
    """
    if not any(row.merged_ids for row in rows):
        return [(row, key.open(row.trace, TRACE)) for row in rows]
    stands_for = set(await merged_into(connection, learner_id))
    keys = await merged_keys_of(connection, {learner_id: key})
    return [(row, _open(row, key, keys)) for row in rows if stands_for.issuperset(_accounts(row))]


def _accounts(row: Any) -> list[UUID]:
    """The merged accounts of whose achievements a decision speaks, in the order of their keys."""
    return [UUID(id_) for id_ in row.merged_ids.split(",")] if row.merged_ids else []


def _open(row: Any, key: LearnerKey, keys: Mapping[tuple[UUID, UUID], LearnerKey]) -> bytes:
    """The trace of a decision. Raises SealBroken."""
    accounts, trace = _accounts(row), bytes(row.trace)
    if not accounts:
        return key.open(trace, TRACE)
    for account in reversed(accounts):
        trace = keys[row.learner_id, account].open(trace, TRACE)
    return trace


async def all_marks(connection: AsyncConnection, keys: Mapping[UUID, LearnerKey]) -> dict[UUID, dict[UUID, bool]]:
    """For every decision of the learners whether its trace is still the one that its mark was made of.

    Of those that spoke of somebody who was erased nobody can say it, and nothing is held against them.
    """
    found: dict[UUID, dict[UUID, bool]] = {learner_id: {} for learner_id in keys}
    statement = select(
        decisions.c.learner_id, decisions.c.id, decisions.c.mark, decisions.c.trace, decisions.c.merged_ids
    ).where(among(connection, decisions.c.learner_id, list(keys)))
    rows = (await connection.execute(statement)).all()
    foreign = {row.learner_id for row in rows if row.merged_ids}
    others = await merged_keys_of(connection, {id_: keys[id_] for id_ in foreign}) if foreign else {}
    for row in rows:
        key = keys[row.learner_id]
        if any((row.learner_id, account) not in others for account in _accounts(row)):
            found[row.learner_id][row.id] = True
            continue
        try:
            holds = key.mark(_open(row, key, others)) == bytes(row.mark)
        except SealBroken:
            holds = False
        found[row.learner_id][row.id] = holds
    return found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run of the engine for one learner."""

    id: UUID
    cause: str
    as_of: date
    epoch: int
    input_sha256: bytes
    engine: str
    recorded_at: datetime


@dataclass(eq=False, kw_only=True)
class EvaluationNotFound(Refusal):
    """There is no such evaluation of this learner."""

    code = "evaluation_not_found"
    kind = Kind.NOT_FOUND


async def find_evaluation(connection: AsyncConnection, learner_id: UUID, evaluation_id: UUID) -> Evaluation:
    """One evaluation. Raises EvaluationNotFound."""
    statement = select(evaluations).where(evaluations.c.learner_id == learner_id, evaluations.c.id == evaluation_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise EvaluationNotFound
    return Evaluation(row.id, row.cause, row.as_of, row.epoch, bytes(row.input_sha256), row.engine, row.recorded_at)


async def open_debts(connection: AsyncConnection, learner_id: UUID) -> frozenset[UUID]:
    """The lots on which the learner owes and nobody has decided yet what becomes of it."""
    statement = select(reviews.c.subject_id).where(
        reviews.c.learner_id == learner_id, reviews.c.kind == "debt", reviews.c.state == "open"
    )
    return frozenset((await connection.execute(statement)).scalars())
