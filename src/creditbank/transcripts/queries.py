"""Reading what a transcript is composed of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import of_learners
from creditbank.database.statements import among
from creditbank.learners.queries import find
from creditbank.learners.tables import learners
from creditbank.ledger.queries import lots_of
from creditbank.providers.domain import Provider
from creditbank.providers.queries import by_code
from creditbank.providers.tables import providers
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
    named = await by_code(connection, sorted({a.current.content["provider"] for a in achievements}))
    return Drawn(compose(learner, achievements, lots, decisions, as_of), named)


Subject = tuple[UUID, tuple[str, ...]]
"""What a transcript is about: a learner, and the codes of the providers that it names."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """As long as it is the same, so is the transcript: profile, records, and the providers named in it."""

    revision: int
    recorded_at: datetime
    providers: tuple[int, ...]


async def stamps_of(connection: AsyncConnection, subjects: Sequence[Subject]) -> dict[Subject, Stamp | None]:
    """The stamp of each transcript; None where the account is gone.

    Every record of a learner raises ``recorded_at``, every change of the profile or of a provider its revision. Each of
    these only rises, so the two statements need not see one state: a stamp that is still the same was so all the while.
    """
    statement = select(learners.c.id, learners.c.revision, learners.c.recorded_at).where(
        among(connection, learners.c.id, list({learner_id for learner_id, _ in subjects}))
    )
    accounts = {id_: (revision, recorded_at) for id_, revision, recorded_at in await connection.execute(statement)}
    codes = sorted({code for _, named in subjects for code in named})
    named = select(providers.c.code, providers.c.revision).where(among(connection, providers.c.code, codes))
    revisions = {code: revision for code, revision in await connection.execute(named)}
    return {
        (learner_id, codes): Stamp(*accounts[learner_id], tuple(revisions[code] for code in codes))
        if learner_id in accounts
        else None
        for learner_id, codes in subjects
    }
