"""Storing drafts, and the act of publication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_new
from creditbank.identifiers import new_id
from creditbank.rulesets.domain import (
    Interval,
    NotADraft,
    RuleSet,
    StoredVersion,
    VersionExists,
    succeed,
)
from creditbank.rulesets.queries import publications_of, rule_set_by_code, versions_of
from creditbank.rulesets.tables import rule_set_publications, rule_set_versions, rule_sets, rules_epoch


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was read and checked: what is stored of it."""

    code: str
    number: int
    document: str
    sha256: str


async def register(connection: AsyncConnection, code: str, provider: str | None, now: datetime) -> RuleSet:
    """The registration under this code, locked; made for this owner when it is new."""
    row = {"id": new_id(), "code": code, "provider": provider, "created_at": now}
    await insert_new(connection, rule_sets, [row])
    found = await rule_set_by_code(connection, code, lock=True)
    if found is None:
        raise LookupError(code)
    return found


async def add_draft(
    connection: AsyncConnection, rule_set: RuleSet, draft: Draft, client_id: UUID | None, now: datetime
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
            created_by=client_id,
            created_at=now,
        )
    )
    return version


async def replace_draft(connection: AsyncConnection, version: StoredVersion, draft: Draft) -> None:
    """Put another document in the place of a draft. Raises NotADraft."""
    if version.state != "draft":
        raise NotADraft(state=version.state)
    await connection.execute(
        update(rule_set_versions)
        .where(rule_set_versions.c.id == version.id)
        .values(document=draft.document, sha256=draft.sha256, revision=version.revision + 1)
    )


async def discard_draft(connection: AsyncConnection, version: StoredVersion) -> None:
    """Remove a draft. Raises NotADraft."""
    if version.state != "draft":
        raise NotADraft(state=version.state)
    await connection.execute(delete(rule_set_versions).where(rule_set_versions.c.id == version.id))


async def publish(connection: AsyncConnection, version: StoredVersion, valid: Interval, now: datetime) -> None:
    """Make a draft govern its days from now on. The caller has turned the epoch. Raises NotADraft, VersionOverlaps."""
    if version.state != "draft":
        raise NotADraft(state=version.state)
    standing = await publications_of(connection, [version.rule_set.id], standing=True)
    rows = [(version.id, valid)]
    for change in succeed(standing, valid):
        await connection.execute(
            update(rule_set_publications).where(rule_set_publications.c.id == change.former.id).values(known_until=now)
        )
        if change.rest is not None:
            rows.append((change.former.version_id, change.rest))
    await connection.execute(
        update(rule_set_versions).where(rule_set_versions.c.id == version.id).values(state="published")
    )
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


async def turn_epoch(connection: AsyncConnection) -> None:
    """Tell every process that the rules or the registers are not what they were. Waits for settlings under way."""
    await connection.execute(update(rules_epoch).values(epoch=rules_epoch.c.epoch + 1))
