"""Storing drafts, and the steps of a version's life. What a step asks beforehand is for ``publishing``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_new
from creditbank.identifiers import new_id
from creditbank.rulesets.domain import (
    MUTABLE,
    Audience,
    Interval,
    NotADraft,
    RegistrationFixed,
    RuleSet,
    Simulation,
    StoredVersion,
    VersionExists,
    WrongState,
    succeed,
)
from creditbank.rulesets.queries import publications_of, rule_set_by_code, versions_of
from creditbank.rulesets.tables import (
    rule_set_edits,
    rule_set_publications,
    rule_set_simulations,
    rule_set_versions,
    rule_sets,
    rules_epoch,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was read and checked: what is stored of it."""

    code: str
    number: int
    document: str
    sha256: str


async def register(
    connection: AsyncConnection, code: str, owner: str | None, now: datetime, audience: Audience | None = None
) -> RuleSet:
    """The registration under this code, locked; made for this owner and audience (``everyone``) when it is new.

    Raises RegistrationFixed when it is there with another audience than the one that is asked for.
    """
    row = {"id": new_id(), "code": code, "owner": owner, "audience": audience or "everyone", "created_at": now}
    await insert_new(connection, rule_sets, [row])
    found = await rule_set_by_code(connection, code, lock=True)
    if found is None:
        raise LookupError(code)
    if audience is not None and found.audience != audience:
        raise RegistrationFixed(rule_set=code)
    return found


async def add_draft(
    connection: AsyncConnection, rule_set: RuleSet, draft: Draft, editor: str, now: datetime
) -> StoredVersion:
    """Store a new version as a draft. Raises VersionExists."""
    versions = await versions_of(connection, [rule_set])
    if any(version.number == draft.number for version in versions):
        raise VersionExists(rule_set=draft.code, number=draft.number)
    version = StoredVersion(new_id(), rule_set, draft.number, "draft", draft.document, draft.sha256, 1, now, [])
    await connection.execute(
        insert(rule_set_versions).values(
            id=version.id,
            rule_set_id=rule_set.id,
            number=version.number,
            state=version.state,
            document=version.document,
            sha256=version.sha256,
            revision=version.revision,
            created_at=now,
        )
    )
    await _remember_edit(connection, version.id, draft.sha256, editor, now)
    return version


async def _remember_edit(
    connection: AsyncConnection, version_id: UUID, sha256: str, editor: str, now: datetime
) -> None:
    edit = {"id": new_id(), "version_id": version_id, "sha256": sha256, "editor": editor, "edited_at": now}
    await connection.execute(insert(rule_set_edits).values(**edit))


async def replace_draft(
    connection: AsyncConnection, version: StoredVersion, draft: Draft, editor: str, now: datetime
) -> None:
    """Put another document in the place of an unpublished one, which is a draft again. Raises NotADraft."""
    _check_mutable(version)
    await _set(
        connection,
        version,
        document=draft.document,
        sha256=draft.sha256,
        state="draft",
        approved_by=None,
        approved_at=None,
    )
    await _remember_edit(connection, version.id, draft.sha256, editor, now)


async def discard_draft(connection: AsyncConnection, version: StoredVersion) -> None:
    """Remove an unpublished version with all that belongs to it. Raises NotADraft."""
    _check_mutable(version)
    for table in (rule_set_edits, rule_set_simulations):
        await connection.execute(delete(table).where(table.c.version_id == version.id))
    await connection.execute(delete(rule_set_versions).where(rule_set_versions.c.id == version.id))


def _check_mutable(version: StoredVersion) -> None:
    if version.state not in MUTABLE:
        raise NotADraft(state=version.state)


async def _set(connection: AsyncConnection, version: StoredVersion, **values: Any) -> None:
    await connection.execute(
        update(rule_set_versions)
        .where(rule_set_versions.c.id == version.id)
        .values(revision=version.revision + 1, **values)
    )


async def mark_validated(connection: AsyncConnection, version: StoredVersion) -> None:
    """A draft held what its checks and tests ask. A version that is further stays where it is. Raises NotADraft."""
    _check_mutable(version)
    if version.state == "draft":
        await _set(connection, version, state="validated")


async def mark_approved(connection: AsyncConnection, version: StoredVersion, approver: str, now: datetime) -> None:
    """A simulated version was approved. Raises NotADraft, WrongState."""
    _check_mutable(version)
    if version.state != "simulated":
        raise WrongState(state=version.state, wanted="simulated")
    await _set(connection, version, state="approved", approved_by=approver, approved_at=now)


async def add_simulation(
    connection: AsyncConnection,
    version: StoredVersion,
    sample: int | None,
    as_of: date,
    job_id: UUID | None,
    now: datetime,
) -> Simulation:
    """Note that a simulation of the version's document is asked for; without a job whoever asks runs it.

    Raises NotADraft, WrongState.
    """
    _check_mutable(version)
    if version.state == "draft":
        raise WrongState(state=version.state, wanted="validated")
    asked = Simulation(new_id(), version.id, version.sha256, sample, as_of, job_id, now, None, None)
    await connection.execute(
        insert(rule_set_simulations).values(
            id=asked.id,
            version_id=asked.version_id,
            sha256=asked.sha256,
            sample=sample,
            as_of=as_of,
            job_id=job_id,
            asked_at=now,
        )
    )
    return asked


async def end_simulation(
    connection: AsyncConnection,
    simulation: Simulation,
    version: StoredVersion,
    report: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep the report. A validated version of the very document is simulated once all learners were looked at."""
    await connection.execute(
        update(rule_set_simulations)
        .where(rule_set_simulations.c.id == simulation.id)
        .values(report=dict(report), ended_at=now)
    )
    if simulation.sample is None:
        # The rule set is not locked here: whoever replaced the document meanwhile has raised the revision.
        held = rule_set_versions.c
        await connection.execute(
            update(rule_set_versions)
            .where(
                held.id == version.id,
                held.sha256 == simulation.sha256,
                held.state == "validated",
                held.revision == version.revision,
            )
            .values(state="simulated", revision=version.revision + 1)
        )


async def publish(connection: AsyncConnection, version: StoredVersion, valid: Interval, now: datetime) -> None:
    """Make an approved version govern its days from now on. The caller has turned the epoch.

    Raises NotADraft, WrongState, VersionOverlaps.
    """
    _check_mutable(version)
    if version.state != "approved":
        raise WrongState(state=version.state, wanted="approved")
    standing = await publications_of(connection, [version.rule_set.id], standing=True)
    rows = [(version.id, valid)]
    for change in succeed(standing, valid):
        await connection.execute(
            update(rule_set_publications).where(rule_set_publications.c.id == change.former.id).values(known_until=now)
        )
        if change.rest is not None:
            rows.append((change.former.version_id, change.rest))
    await _set(connection, version, state="published")
    for version_id, interval in rows:
        await connection.execute(
            insert(rule_set_publications).values(
                id=new_id(),
                rule_set_id=version.rule_set.id,
                version_id=version_id,
                valid_from=interval.start,
                valid_until=interval.until,
                known_from=now,
                known_until=None,
            )
        )


async def withdraw(connection: AsyncConnection, version: StoredVersion, now: datetime) -> None:
    """Let a published version govern nothing from now on. The caller has turned the epoch. Raises WrongState."""
    if version.state != "published":
        raise WrongState(state=version.state, wanted="published")
    await _set(connection, version, state="withdrawn")
    await connection.execute(
        update(rule_set_publications)
        .where(rule_set_publications.c.version_id == version.id, rule_set_publications.c.known_until.is_(None))
        .values(known_until=now)
    )


async def turn_epoch(connection: AsyncConnection) -> None:
    """Tell every process that the rules or the registers are not what they were. Waits for settlings under way."""
    await connection.execute(update(rules_epoch).values(epoch=rules_epoch.c.epoch + 1))
