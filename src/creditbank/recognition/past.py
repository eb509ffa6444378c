"""What stood on a day as the bank knew it at an instant: facts, decisions and lots by two times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import Achievement
from creditbank.achievements.queries import shown_of
from creditbank.ledger.domain import ACCOUNTS, Lot, LotTerms
from creditbank.ledger.queries import lots_of, positions_at
from creditbank.recognition.domain import WITHDRAWN, Decision, Moment
from creditbank.recognition.queries import current_decisions
from creditbank.sealing import LearnerKey


@dataclass(frozen=True, slots=True)
class Stood:
    """What stood at a moment. Achievements have the versions that were known, decisions their traces."""

    achievements: Sequence[Achievement]
    lots: Sequence[Lot]
    decisions: Sequence[Decision]


async def stood_at(connection: AsyncConnection, learner_id: UUID, key: LearnerKey, moment: Moment) -> Stood:
    """What stood of a learner at a moment. The connection must be a snapshot.

    Every version stays, so nothing is guessed: versions and decisions are those recorded by then, positions are the
    postings replayed by both times, and a lot's terms are what its decision's trace said.
    """
    achievements = []
    for achievement in await shown_of(connection, learner_id, key):
        versions = [version for version in achievement.versions if version.recorded_at <= moment.known]
        if versions and date.fromisoformat(versions[-1].content["completed"]) <= moment.effective:
            achievements.append(replace(achievement, versions=versions))
    decisions = await current_decisions(connection, learner_id, key, known=moment.known)
    return Stood(achievements, await _lots_at(connection, learner_id, decisions, moment), decisions)


async def _lots_at(
    connection: AsyncConnection, learner_id: UUID, decisions: Sequence[Decision], moment: Moment
) -> list[Lot]:
    by_key = {decision.key: decision for decision in decisions}
    positions = await positions_at(connection, learner_id, effective=moment.effective, known=moment.known)
    found = []
    for lot in (await lots_of(connection, [learner_id]))[learner_id]:
        if lot.id not in positions:
            continue
        decision = by_key.get((lot.key.rule_set_id, lot.key.binding))
        terms = lot.terms if decision is None else _terms_by(lot, decision)
        stood = {account: positions[lot.id].get(account, 0) for account in ACCOUNTS}
        found.append(replace(lot, terms=terms, positions=stood))
    return found


def _terms_by(lot: Lot, decision: Decision) -> LotTerms:
    """The terms of a lot as a decision's trace has them; of a decision that closed another only the reference."""
    if decision.effect == WITHDRAWN:
        return replace(lot.terms, decision_id=decision.id)
    traces = [one for one in (decision.trace or {}).get("lots", ()) if one["unit"] == lot.key.unit]
    said = next((one for one in traces if one["number"] == lot.key.number), None)
    if said is None:
        return replace(lot.terms, decision_id=decision.id)
    scale, grade = said["grade"] if said["grade"] is not None else (None, None)
    return replace(
        lot.terms,
        decision_id=decision.id,
        category=said["category"],
        level=said["level"],
        grade_scale=scale,
        grade=grade,
        expires=date.fromisoformat(said["expires"]) if said["expires"] is not None else None,
    )
