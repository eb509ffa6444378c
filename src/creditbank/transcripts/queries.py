"""Reading what a transcript is composed of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import of_learners
from creditbank.database.statements import among
from creditbank.learners.domain import LearnerNotFound
from creditbank.learners.queries import find
from creditbank.learners.tables import learners
from creditbank.ledger.queries import lots_of
from creditbank.providers.domain import Provider
from creditbank.providers.queries import by_code
from creditbank.providers.tables import providers
from creditbank.recognition.explain import names_of
from creditbank.recognition.queries import current_decisions
from creditbank.rules.telling.names import Names
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.transcripts.domain import Transcript, compose


@dataclass(frozen=True, slots=True)
class Drawn:
    """A transcript with the providers in it, and what things are called in its reasons."""

    transcript: Transcript
    providers: Mapping[str, Provider]
    names: Names


async def draw(connection: AsyncConnection, vault: Vault, shelf: Shelf, learner_id: UUID, as_of: date) -> Drawn:
    """The learner's transcript as it stands. The connection must be a snapshot. Raises LearnerNotFound."""
    learner, key = await find(connection, vault, learner_id)
    achievements = (await of_learners(connection, {learner_id: key}))[learner_id]
    lots = (await lots_of(connection, [learner_id]))[learner_id]
    decisions = await current_decisions(connection, learner_id, key)
    named = await by_code(connection, sorted({a.current.content["provider"] for a in achievements}))
    names = names_of(await shelf.book_seen(connection), achievements, named)
    return Drawn(compose(learner, achievements, lots, decisions, as_of), named, names)


@dataclass(frozen=True, slots=True)
class Stamp:
    """As long as it is the same, so is the transcript: profile, records, and the providers named in it."""

    revision: int
    recorded_at: datetime
    providers_revision: int


async def stamp_of(connection: AsyncConnection, learner_id: UUID, codes: Sequence[str]) -> Stamp:
    """The stamp of a learner's transcript that names these providers, in one row. Raises LearnerNotFound.

    Every record of a learner raises ``recorded_at``, every change of the profile or of a provider its revision.
    """
    named = select(func.coalesce(func.sum(providers.c.revision), 0)).where(among(connection, providers.c.code, codes))
    statement = select(learners.c.revision, learners.c.recorded_at, named.scalar_subquery()).where(
        learners.c.id == learner_id
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise LearnerNotFound
    return Stamp(*row)
