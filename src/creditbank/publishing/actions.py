"""From a document to what governs, and the work that follows from it."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, learning_day
from creditbank.errors import Fault
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.learners.queries import lock, page_of_ids
from creditbank.providers.actions import NewAccreditation, accredit
from creditbank.providers.domain import Accreditation
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause
from creditbank.recognition.explain import WORDS
from creditbank.recognition.reach import is_current
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentRefused
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets.actions import Draft
from creditbank.rulesets.domain import DocumentRejected, Interval, StoredVersion, TestsFailed
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.web.sentences import Language

RESETTLE: Final = "resettle"
"""The kind of job that settles every learner again."""

LEARNERS_A_STEP: Final = 50
"""Learners in one transaction of a job: few enough that nobody waits long for a lock, enough to be quick."""


def read_draft(text: bytes, form: Literal["yaml", "json"], language: Language) -> Draft:
    """The one document that the text holds, checked. Raises DocumentRejected with a fault for each place."""
    try:
        documents = read_documents(text, format=form)
    except DocumentRefused as refused:
        raise DocumentRejected(
            count=len(refused.faults),
            faults=tuple(Fault(f.pointer, f.code, f.message[WORDS[language]]) for f in refused.faults),
        ) from refused
    if len(documents) != 1:
        raise DocumentRejected(count=1, faults=(Fault("", "one_document_wanted", ""),))
    document = canonical(documents[0].model)
    header = documents[0].model.ruleset
    return Draft(header.id, header.version, document.decode(), sha256(document))


async def publish(connection: AsyncConnection, version: StoredVersion, clock: Clock) -> UUID | None:
    """Make a draft govern, once its own tests hold, and ask for everybody to be settled again.

    Raises TestsFailed, NotADraft, VersionOverlaps. Answers the job.
    """
    documents = read_documents(version.document, format="json")
    mismatches = examine(documents).mismatches
    if mismatches:
        raise TestsFailed(
            count=len(mismatches),
            faults=tuple(
                Fault(f"/tests/{m.test}/{m.key}", "test_failed", f"{m.expected} / {m.got}") for m in mismatches
            ),
        )
    header = documents[0].model.ruleset
    # The epoch is turned first: it waits for the settlings under way, so that the instant from which the version is
    # known lies after all that was settled without it.
    await rulesets.turn_epoch(connection)
    await rulesets.publish(connection, version, Interval(header.from_, header.until), clock())
    return await ask_resettling(connection, clock, Cause.RULES)


async def enter_accreditation(
    connection: AsyncConnection, provider_id: UUID, new: NewAccreditation, clock: Clock
) -> Accreditation:
    """Enter an accreditation and ask for everybody to be settled again. Raises ProviderNotFound."""
    await rulesets.turn_epoch(connection)
    entry = await accredit(connection, provider_id, new, clock())
    await ask_resettling(connection, clock, Cause.ACCREDITATION)
    return entry


async def ask_resettling(connection: AsyncConnection, clock: Clock, cause: Cause) -> UUID | None:
    """Ask for every learner to be settled again, in the transaction that made it needful."""
    return await enqueue(connection, RESETTLE, {"cause": cause.value}, clock())


class Resettling:
    """The job that settles everybody, some learners a step; a killed one goes on behind the last step it kept."""

    def __init__(self, vault: Vault, shelf: Shelf, clock: Clock, zone: ZoneInfo) -> None:
        self._vault = vault
        self._shelf = shelf
        self._clock = clock
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Settle the next learners. A learner settled twice posts nothing the second time."""
        after = UUID(job.progress["after"]) if "after" in job.progress else None
        ids = await page_of_ids(connection, after=after, limit=LEARNERS_A_STEP)
        today = learning_day(self._clock(), self._zone)
        book = await self._shelf.book(connection)
        locked = await lock(connection, self._vault, ids)
        # Whoever was settled with these rules since they were published needs nothing more.
        behind = {id_: one for id_, one in locked.items() if not is_current(one, book, today)}
        settled = await settle(
            connection, self._shelf, behind, Cause(job.payload["cause"]), as_of=today, clock=self._clock
        )
        changed = sum(not one.difference.is_empty for one in settled.values())
        progress = {
            "learners": job.progress.get("learners", 0) + len(ids),
            "changed": job.progress.get("changed", 0) + changed,
        }
        if len(ids) < LEARNERS_A_STEP:
            return Step(progress, is_done=True)
        return Step({**progress, "after": str(ids[-1])}, is_done=False)
