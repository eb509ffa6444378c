"""Reads of claims, evidence, rulings and reviews."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.claims.domain import (
    Claim,
    ClaimNotFound,
    ClaimState,
    Evidence,
    EvidenceNotFound,
    Reason,
    Review,
    ReviewNotFound,
    RulingNotFound,
    Waiver,
    WaiverReason,
    WaiverState,
)
from creditbank.claims.tables import claims, evidence_files, waivers
from creditbank.database.statements import among, under
from creditbank.recognition.domain import HeldRuling
from creditbank.recognition.queries import held_ruling_of
from creditbank.recognition.tables import reviews, rulings
from creditbank.sealing import LearnerKey

EVIDENCE = b"evidence"


def _claim_of(row: Row[Any]) -> Claim:
    return Claim(
        row.learner_id,
        row.id,
        row.achievement_id,
        row.provider,
        ClaimState(row.state),
        row.lodged_by,
        row.decided_by,
        Reason(row.reason) if row.reason else None,
        row.appeals,
        row.recorded_at,
    )


async def find_claim(connection: AsyncConnection, learner_id: UUID, claim_id: UUID) -> Claim:
    """One claim. Raises ClaimNotFound."""
    statement = select(claims).where(claims.c.learner_id == learner_id, claims.c.id == claim_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ClaimNotFound
    return _claim_of(row)


async def claims_of(connection: AsyncConnection, learner_id: UUID) -> list[Claim]:
    """The claims of a learner, the first first."""
    statement = select(claims).where(claims.c.learner_id == learner_id).order_by(claims.c.id)
    return [_claim_of(row) for row in await connection.execute(statement)]


async def find_ruling(connection: AsyncConnection, learner_id: UUID, ruling_id: UUID, key: LearnerKey) -> HeldRuling:
    """One ruling. Raises RulingNotFound."""
    statement = select(rulings).where(rulings.c.learner_id == learner_id, rulings.c.id == ruling_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise RulingNotFound
    return held_ruling_of(row, key)


async def all_rulings(connection: AsyncConnection, learner_id: UUID, key: LearnerKey) -> list[HeldRuling]:
    """Every ruling of a learner in whatever state, the first first."""
    statement = select(rulings).where(rulings.c.learner_id == learner_id).order_by(rulings.c.id)
    return [held_ruling_of(row, key) for row in await connection.execute(statement)]


def _review_of(row: Row[Any]) -> Review:
    return Review(
        row.learner_id,
        row.id,
        row.kind,
        row.subject_id,
        row.rule_set,
        row.reason,
        row.provider,
        row.owner_id,
        row.state,
        row.outcome,
        row.due_on,
        row.recorded_at,
    )


async def page_of_reviews(
    connection: AsyncConnection,
    *,
    given_by: str | None,
    kind: str | None,
    state: str,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[Review]:
    """The work list, what is due first first; a provider sees its own work and that of those under it."""
    statement = select(reviews).where(reviews.c.state == state).order_by(reviews.c.due_on, reviews.c.id).limit(limit)
    if given_by is not None:
        statement = statement.where(under(reviews.c.provider, given_by))
    if kind is not None:
        statement = statement.where(reviews.c.kind == kind)
    if after is not None:
        statement = statement.where(tuple_(reviews.c.due_on, reviews.c.id) > after)
    return [_review_of(row) for row in await connection.execute(statement)]


async def find_review(connection: AsyncConnection, learner_id: UUID, review_id: UUID) -> Review:
    """One review. Raises ReviewNotFound."""
    statement = select(reviews).where(reviews.c.learner_id == learner_id, reviews.c.id == review_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise ReviewNotFound
    return _review_of(row)


async def waivers_of(connection: AsyncConnection, learner_id: UUID, lot_id: UUID) -> list[Waiver]:
    """What was proposed about the debt on a lot, the first first. What a closed review left undecided has lapsed."""
    statement = (
        select(waivers, reviews.c.state.label("review"))
        .join(reviews, (reviews.c.learner_id == waivers.c.learner_id) & (reviews.c.id == waivers.c.review_id))
        .where(waivers.c.learner_id == learner_id, waivers.c.lot_id == lot_id)
        .order_by(waivers.c.id)
    )
    return [
        Waiver(
            row.learner_id,
            row.id,
            row.review_id,
            row.lot_id,
            row.milli,
            WaiverReason(row.reason),
            WaiverState.LAPSED
            if row.state == WaiverState.PROPOSED.value and row.review == "closed"
            else WaiverState(row.state),
            row.author_id,
            row.decided_by,
            row.recorded_at,
            row.decided_at,
        )
        for row in await connection.execute(statement)
    ]


async def precedents(connection: AsyncConnection, review: Review, *, most: int = 200) -> Counter[str]:
    """How similar cases ended of late: closed reviews of the same kind, reason and rule set, by outcome."""
    same = [reviews.c.state == "closed", reviews.c.kind == review.kind, reviews.c.reason == review.reason]
    if review.rule_set is not None:
        same.append(reviews.c.rule_set == review.rule_set)
    statement = select(reviews.c.outcome).where(*same).order_by(reviews.c.closed_at.desc()).limit(most)
    return Counter(outcome for outcome in (await connection.execute(statement)).scalars() if outcome)


async def find_evidence(connection: AsyncConnection, learner_id: UUID, evidence_id: UUID) -> Evidence:
    """One file of evidence. Raises EvidenceNotFound."""
    statement = select(evidence_files).where(
        evidence_files.c.learner_id == learner_id, evidence_files.c.id == evidence_id
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise EvidenceNotFound
    return _evidence_of(row)


async def evidence_by_mark(connection: AsyncConnection, learner_id: UUID, mark: str) -> Evidence | None:
    """The evidence of a learner that has this content; None when there is none yet."""
    statement = select(evidence_files).where(evidence_files.c.learner_id == learner_id, evidence_files.c.mark == mark)
    row = (await connection.execute(statement)).one_or_none()
    return _evidence_of(row) if row is not None else None


async def files_named(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Those of the files that some evidence, whoever's, lies in."""
    statement = select(evidence_files.c.stored_as).where(among(connection, evidence_files.c.stored_as, names))
    return set((await connection.execute(statement)).scalars())


def _evidence_of(row: Row[Any]) -> Evidence:
    return Evidence(row.learner_id, row.id, row.media_type, row.size, row.mark, row.stored_as, row.recorded_at)
