"""Writing down consents, and that they were withdrawn. The learner is locked by whoever calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.consents.domain import Consent, ConsentWithdrawn, What, check_days, codes_of
from creditbank.consents.queries import PURPOSE
from creditbank.consents.tables import consent_withdrawals, consents
from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id
from creditbank.providers.domain import UnknownProvider
from creditbank.providers.queries import by_code
from creditbank.sealing import LearnerKey


async def give(
    connection: AsyncConnection,
    learner_id: UUID,
    key: LearnerKey,
    actor: Actor,
    *,
    recipient: str,
    what: frozenset[What],
    purpose: str,
    since: date,
    until: date | None,
    now: datetime,
) -> Consent:
    """Write down a consent. Raises UnknownProvider, ConsentBackwards."""
    check_days(since, until)
    if not await by_code(connection, [recipient]):
        raise UnknownProvider(pointer="/recipient")
    consent = Consent(learner_id, new_id(), recipient, what, purpose, since, until, actor.client_id, now, None)
    row = {
        "learner_id": learner_id,
        "id": consent.id,
        "recipient": recipient,
        "what": codes_of(what),
        "purpose": key.seal(purpose.encode(), PURPOSE),
        "since": since,
        "until": until,
        "given_by": actor.client_id,
        "recorded_at": now,
    }
    await insert_rows(connection, consents, [row])
    return consent


async def withdraw(connection: AsyncConnection, consent: Consent, actor: Actor, now: datetime) -> Consent:
    """Write down that a consent was withdrawn: from this transaction on it opens nothing. Raises ConsentWithdrawn."""
    if consent.withdrawn_at is not None:
        raise ConsentWithdrawn
    row = {
        "learner_id": consent.learner_id,
        "id": new_id(),
        "consent_id": consent.id,
        "withdrawn_by": actor.client_id,
        "recorded_at": now,
    }
    await insert_rows(connection, consent_withdrawals, [row])
    return replace(consent, withdrawn_at=now)
