"""From a document to what governs, and the work that follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import learners_at
from creditbank.catalogue.registry import bank_registry
from creditbank.clock import Clock, learning_day
from creditbank.errors import Fault
from creditbank.identifiers import new_id
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.jobs.queries import find_state
from creditbank.learners.queries import lock, page_of_ids
from creditbank.providers.actions import Amendment, NewAccreditation, accredit, reaccredit
from creditbank.providers.domain import Accreditation
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause
from creditbank.recognition.explain import WORDS
from creditbank.recognition.reach import is_current
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.checking.publishing import check_documents
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import ParsedDocument, RuleSetDocument, read_documents
from creditbank.rules.faults import DocumentFault, DocumentRefused
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets.actions import Draft
from creditbank.rulesets.domain import (
    ChecksFailed,
    DocumentRejected,
    EditorApproves,
    Interval,
    NotCovered,
    NotSimulated,
    RetroactiveNeeded,
    Simulation,
    SimulationStale,
    StoredVersion,
    TestsFailed,
    VersionExtended,
    succeed,
)
from creditbank.rulesets.queries import (
    documents_above,
    editors_of,
    in_force,
    publications_of,
    read_stored,
    simulations_of,
)
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.web.revisions import RevisionChanged
from creditbank.web.sentences import Language

RESETTLE: Final = "resettle"
"""The kind of job that settles every learner again."""

SIMULATE: Final = "simulate"
"""The kind of job that simulates a document (``jobs.Simulating``)."""

FRESH_DAYS: Final = 7
"""How old the simulation may be on which approval and publication stand, unless the settings say otherwise."""

_NOTHING_ABOVE: Final[Mapping[str, RuleSetDocument]] = {}

LEARNERS_A_STEP: Final = 50
"""Learners in one transaction of a job: few enough that nobody waits long for a lock, enough to be quick."""


_REFERENCE: Final = re.compile(rb"[a-z0-9][a-z0-9_-]{0,63}@[1-9][0-9]{0,8}")
_REFERENCES_MAX: Final = 100


async def find_above(connection: AsyncConnection, text: bytes) -> Mapping[str, RuleSetDocument]:
    """The published documents that a text may extend: those of everything in it that looks like ``id@version``.

    So the text, which may be large, is read once and not twice.
    """
    refs = {match.decode() for match in islice(_REFERENCE.findall(text), _REFERENCES_MAX)}
    return await documents_above(connection, refs)


def read_draft(
    text: bytes,
    form: Literal["yaml", "json"],
    language: Language,
    above: Mapping[str, RuleSetDocument] = _NOTHING_ABOVE,
) -> Draft:
    """The one document that the text holds, checked against the bank's kinds, facts and categories.

    It may extend one of the published documents ``above``. Raises DocumentRejected with a fault for each place.
    """
    model = _read(text, form, language, above).model
    document = canonical(model)
    return Draft(model.ruleset.id, model.ruleset.version, document.decode(), sha256(document))


def read_compiled(
    text: bytes, form: Literal["yaml", "json"], language: Language, above: Mapping[str, RuleSetDocument]
) -> CompiledVersion:
    """The one document that the text holds, ready to be evaluated. Raises DocumentRejected."""
    parsed = _read(text, form, language, above)
    return compile_version(parsed.layered, sha256=sha256(canonical(parsed.model)))


def _read(
    text: bytes | str, form: Literal["yaml", "json"], language: Language, above: Mapping[str, RuleSetDocument]
) -> ParsedDocument:
    try:
        documents = read_documents(text, format=form, above=above, registry=bank_registry())
    except DocumentRefused as refused:
        raise DocumentRejected(count=len(refused.faults), faults=faults_in(refused.faults, language)) from refused
    if len(documents) != 1:
        raise DocumentRejected(count=1, faults=(Fault("", "one_document_wanted", ""),))
    return documents[0]


def faults_in(faults: Iterable[DocumentFault], language: Language) -> tuple[Fault, ...]:
    """The faults of a document as those of a request."""
    return tuple(Fault(f.pointer, f.code, f.message[WORDS[language]], f.line) for f in faults)


# --- Validation -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Validation:
    """What a document was found to be, which holds all that validation asks; ``warnings`` are for the approver."""

    sha256: str
    tests: int
    warnings: Sequence[Fault]


def validate(version: StoredVersion, above: Mapping[str, RuleSetDocument], language: Language) -> Validation:
    """Check a stored document in full and run its tests (rules/v1 section 13).

    Raises DocumentRejected, ChecksFailed, TestsFailed, NotCovered. It asks no database and may take seconds: call it in
    a thread and outside of a transaction.
    """
    parsed = _read(version.document, "json", language, above)
    checked = check_documents([parsed], bank_registry())
    if checked.errors:
        raise ChecksFailed(count=len(checked.errors), faults=_faults_of(checked.errors, language))
    if checked.mismatches:
        places = {example.name: f"/tests/{index}" for index, example in enumerate(parsed.model.tests)}
        raise TestsFailed(
            count=len(checked.mismatches),
            faults=tuple(
                Fault(places[m.test], "test_failed", f"{m.key}: {m.expected} / {m.got}") for m in checked.mismatches
            ),
        )
    if checked.untested:
        raise NotCovered(count=len(checked.untested), faults=_faults_of(checked.untested, language))
    return Validation(version.sha256, checked.tests, _faults_of(checked.warnings, language))


def _faults_of(verdicts: Iterable[Verdict], language: Language) -> tuple[Fault, ...]:
    return tuple(Fault(v.pointer, v.code, v.message[WORDS[language]]) for v in verdicts)


async def keep_validation(connection: AsyncConnection, version: StoredVersion, validation: Validation) -> None:
    """Note that the version, as it stands, was validated.

    Raises NotADraft, VersionOverlaps, and RevisionChanged when another document took its place meanwhile.
    """
    check_validated(version, validation)
    model = read_stored(version.document)
    standing = await publications_of(connection, [version.rule_set.id], standing=True)
    succeed(standing, Interval(model.ruleset.from_, model.ruleset.until))
    await rulesets.mark_validated(connection, version)


def check_validated(version: StoredVersion, validation: Validation) -> None:
    """Hold a step to the document that was validated for it. Raises RevisionChanged."""
    if version.sha256 != validation.sha256:
        raise RevisionChanged


# --- Simulation and approval ------------------------------------------------------------------------------------------


async def ask_simulation(
    connection: AsyncConnection, version: StoredVersion, sample: int | None, as_of: date, clock: Clock
) -> Simulation:
    """Ask a worker to simulate the version's document; one that is asked for and not ended is not asked for again.

    Raises NotADraft, WrongState.
    """
    for one in await simulations_of(connection, version.id):
        if one.report is None and one.job_id is not None and (one.sha256, one.sample) == (version.sha256, sample):
            state = await find_state(connection, one.job_id)
            if state is not None and state.state in {"waiting", "running"}:
                return one
    now = clock()
    asked = await rulesets.add_simulation(connection, version, sample, as_of, new_id(), now)
    await enqueue(connection, SIMULATE, {"simulation": str(asked.id)}, now, job_id=asked.job_id)
    return asked


async def check_simulation(
    connection: AsyncConnection, version: StoredVersion, now: datetime, fresh_days: int
) -> Simulation:
    """The simulation of this very document over all learners that approval and publication stand on.

    Raises NotSimulated, SimulationStale, RetroactiveNeeded.
    """
    ended = [
        one
        for one in await simulations_of(connection, version.id)
        if one.sha256 == version.sha256 and one.sample is None and one.report is not None
    ]
    if not ended:
        raise NotSimulated
    latest = ended[0]
    # Counted from when it was asked for: whoever was looked at first was looked at then.
    if now - latest.asked_at > timedelta(days=fresh_days):
        raise SimulationStale(days=fresh_days)
    transition = read_stored(version.document).transition
    shrinking = int((latest.report or {})["shrinking"])
    if transition.applies_to != "new_only" and not transition.retroactive and shrinking:
        raise RetroactiveNeeded(count=shrinking)
    return latest


async def approve(
    connection: AsyncConnection, version: StoredVersion, approver: str, clock: Clock, fresh_days: int = FRESH_DAYS
) -> None:
    """Approve a simulated version.

    Raises NotADraft, WrongState, EditorApproves and what ``check_simulation`` raises.
    """
    now = clock()
    if version.state == "simulated":
        if approver in await editors_of(connection, version.id):
            raise EditorApproves
        await check_simulation(connection, version, now, fresh_days)
    await rulesets.mark_approved(connection, version, approver, now)


# --- Publication ------------------------------------------------------------------------------------------------------


async def publish(
    connection: AsyncConnection, version: StoredVersion, clock: Clock, fresh_days: int = FRESH_DAYS
) -> UUID | None:
    """Make an approved version govern and ask for everybody to be settled again. Answers the job.

    Raises NotADraft, WrongState, VersionOverlaps and what ``check_simulation`` raises. Whoever calls has validated the
    document.
    """
    if version.state == "approved":
        await check_simulation(connection, version, clock(), fresh_days)
    header = read_stored(version.document).ruleset
    # The epoch is turned first: it waits for the settlings under way, so that the instant from which the version is
    # known lies after all that was settled without it.
    await rulesets.turn_epoch(connection)
    await rulesets.publish(connection, version, Interval(header.from_, header.until), clock())
    return await ask_resettling(connection, clock, Cause.RULES)


async def withdraw(connection: AsyncConnection, version: StoredVersion, clock: Clock) -> UUID | None:
    """Let a published version govern nothing any more and ask for everybody to be settled again. Answers the job.

    The days that it governed are then governed by none: what governed them before is not called back.
    Raises WrongState, VersionExtended.
    """
    for one in await in_force(connection):
        if one.publication.version_id != version.id and version.ref == read_stored(one.document).ruleset.extends:
            raise VersionExtended(by=f"{one.rule_set.code}@{one.number}")
    await rulesets.turn_epoch(connection)
    await rulesets.withdraw(connection, version, clock())
    return await ask_resettling(connection, clock, Cause.RULES)


# --- Registers, and everybody settled again ---------------------------------------------------------------------------


async def enter_accreditation(
    connection: AsyncConnection, provider_id: UUID, new: NewAccreditation, clock: Clock
) -> Accreditation:
    """Enter an accreditation and ask for whom it concerns to be settled again. Raises ProviderNotFound."""
    await rulesets.turn_epoch(connection)
    entry = await accredit(connection, provider_id, new, clock())
    await ask_resettling(connection, clock, Cause.ACCREDITATION, entry.provider_code)
    return entry


async def amend_accreditation(
    connection: AsyncConnection, entry: Accreditation, amendment: Amendment, clock: Clock
) -> Accreditation:
    """Amend a held entry and ask for whom it concerns to be settled again. Raises AccreditationEndsEarly."""
    await rulesets.turn_epoch(connection)
    amended = await reaccredit(connection, entry, amendment)
    await ask_resettling(connection, clock, Cause.ACCREDITATION, entry.provider_code)
    return amended


async def ask_resettling(
    connection: AsyncConnection, clock: Clock, cause: Cause, provider: str | None = None
) -> UUID | None:
    """Ask for every learner to be settled again, in the transaction that made it needful.

    With ``provider`` only for those who have an achievement of it or of one below it. The others stand as they did,
    though under rules of a former epoch: whatever comes of them next is evaluated whole.
    """
    payload = {"cause": cause.value} if provider is None else {"cause": cause.value, "provider": provider}
    return await enqueue(connection, RESETTLE, payload, clock())


class Resettling:
    """The job that settles whom it concerns, some a step; a killed one goes on behind the last step it kept."""

    def __init__(self, vault: Vault, shelf: Shelf, clock: Clock, zone: ZoneInfo) -> None:
        self._vault = vault
        self._shelf = shelf
        self._clock = clock
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Settle the next learners. A learner settled twice posts nothing the second time."""
        after = UUID(job.progress["after"]) if "after" in job.progress else None
        if "provider" in job.payload:
            ids = await learners_at(connection, job.payload["provider"], after=after, limit=LEARNERS_A_STEP)
        else:
            ids = await page_of_ids(connection, after=after, limit=LEARNERS_A_STEP)
        today = learning_day(self._clock(), self._zone)
        # Learners come before the epoch, as in every write: a publication need not wait for whoever has them.
        locked = await lock(connection, self._vault, ids)
        book = await self._shelf.book(connection)
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
