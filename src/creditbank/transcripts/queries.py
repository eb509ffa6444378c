"""Reading what a transcript is composed of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import shown_of
from creditbank.database.statements import among
from creditbank.learners.domain import Learner
from creditbank.learners.queries import find, last_record
from creditbank.learners.tables import learners
from creditbank.ledger.domain import as_read
from creditbank.ledger.queries import lots_of
from creditbank.providers.domain import Provider
from creditbank.providers.queries import by_code
from creditbank.providers.tables import providers
from creditbank.recognition.domain import Moment
from creditbank.recognition.explain import names_of
from creditbank.recognition.past import Stood, stood_at
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


async def draw(connection: AsyncConnection, vault: Vault, shelf: Shelf, learner_id: UUID, moment: Moment) -> Drawn:
    """The learner's transcript as it stood at a moment, whatever was recorded since. The connection must be a snapshot.

    Raises LearnerNotFound.
    """
    learner, key = await find(connection, vault, learner_id)
    return await _drawn(connection, shelf, learner, await stood_at(connection, learner_id, key, moment), moment)


async def draw_present(
    connection: AsyncConnection, vault: Vault, shelf: Shelf, learner_id: UUID, today: date, zone: ZoneInfo
) -> Drawn:
    """The learner's transcript as it stands: the same as that of the moment it names, but read from the positions.

    The instant it names is that of the last record, or the beginning of the day when that was later: asked for again
    by it, however late, it is the same. The connection must be a snapshot. Raises LearnerNotFound.
    """
    learner, key = await find(connection, vault, learner_id)
    achievements = await shown_of(connection, learner_id, key)
    lots = (await lots_of(connection, [learner_id]))[learner_id]
    decisions = await current_decisions(connection, learner_id, key)
    recorded_at = await last_record(connection, learner_id)
    begun = datetime.combine(today, time(), zone).astimezone(UTC)
    return await _drawn(
        connection, shelf, learner, Stood(achievements, lots, decisions), Moment(today, max(recorded_at, begun))
    )


async def _drawn(connection: AsyncConnection, shelf: Shelf, learner: Learner, stood: Stood, moment: Moment) -> Drawn:
    named = await by_code(connection, sorted({a.current.content["provider"] for a in stood.achievements}))
    versions = {
        (trace["rule_set"], trace["version"])
        for decision in stood.decisions
        if (trace := decision.trace or {}).get("rule_set")
    }
    names = names_of(
        await shelf.book_seen(connection), stood.achievements, named, await shelf.wordings(connection, versions)
    )
    lots = [as_read(lot, moment.effective) for lot in stood.lots]
    return Drawn(compose(learner, stood.achievements, lots, stood.decisions, moment), named, names)


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
