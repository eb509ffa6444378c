"""Reads of consents."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.consents.domain import Consent, ConsentNotFound, What
from creditbank.consents.tables import consent_withdrawals, consents
from creditbank.sealing import LearnerKey

PURPOSE: Final = b"consents.purpose"

_ENDED = (consent_withdrawals.c.learner_id == consents.c.learner_id) & (
    consent_withdrawals.c.consent_id == consents.c.id
)
_CONSENTS = (
    select(consents, consent_withdrawals.c.recorded_at.label("withdrawn_at"))
    .outerjoin(consent_withdrawals, _ENDED)
    .order_by(consents.c.id)
)


async def _load(connection: AsyncConnection, learner_id: UUID, key: LearnerKey | None) -> list[Consent]:
    """The consents of a learner; without the key their purposes stay sealed and are left empty."""
    rows = await connection.execute(_CONSENTS.where(consents.c.learner_id == learner_id))
    return [
        Consent(
            row.learner_id,
            row.id,
            row.recipient,
            frozenset(map(What, row.what.split())),
            key.open(row.purpose, PURPOSE).decode() if key is not None else "",
            row.since,
            row.until,
            row.given_by,
            row.recorded_at,
            row.withdrawn_at,
        )
        for row in rows
    ]


async def consents_of(connection: AsyncConnection, learner_id: UUID, key: LearnerKey) -> list[Consent]:
    """Every consent that a learner ever gave, the first first."""
    return await _load(connection, learner_id, key)


async def find_consent(connection: AsyncConnection, learner_id: UUID, consent_id: UUID, key: LearnerKey) -> Consent:
    """One consent. Raises ConsentNotFound."""
    for consent in await _load(connection, learner_id, key):
        if consent.id == consent_id:
            return consent
    raise ConsentNotFound


async def lets(connection: AsyncConnection, actor: Actor, learner_id: UUID, what: What, today: date) -> bool:
    """Whether a consent of the learner lets this actor read that, today. Nothing is remembered of it."""
    return any(one.opens(actor, what, today) for one in await _load(connection, learner_id, None))
