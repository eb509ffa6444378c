"""Reading what a transcript is composed of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import of_learners
from creditbank.learners.queries import find
from creditbank.ledger.queries import lots_of
from creditbank.providers.domain import Provider
from creditbank.providers.queries import by_code
from creditbank.recognition.queries import current_decisions
from creditbank.sealing import Vault
from creditbank.transcripts.domain import Transcript, compose


@dataclass(frozen=True, slots=True)
class Drawn:
    """A transcript with the names of the providers in it."""

    transcript: Transcript
    providers: Mapping[str, Provider]


async def draw(connection: AsyncConnection, vault: Vault, learner_id: UUID, as_of: date) -> Drawn:
    """The learner's transcript as it stands. The connection must be a snapshot. Raises LearnerNotFound."""
    learner, key = await find(connection, vault, learner_id)
    achievements = (await of_learners(connection, {learner_id: key}))[learner_id]
    lots = (await lots_of(connection, [learner_id]))[learner_id]
    decisions = await current_decisions(connection, learner_id, key)
    providers = await by_code(connection, sorted({a.current.content["provider"] for a in achievements}))
    return Drawn(compose(learner, achievements, lots, decisions, as_of), providers)
