"""Reads of rule sets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, for_update
from creditbank.rulesets.domain import Interval, Publication, RuleSet, RuleSetNotFound, StoredVersion
from creditbank.rulesets.tables import rule_set_publications, rule_set_versions, rule_sets


def publication_of(row: Row[Any]) -> Publication:
    """The publication that a row holds."""
    return Publication(
        row.id, row.version_id, Interval(row.valid_from, row.valid_until), row.known_from, row.known_until
    )


async def find_rule_set(connection: AsyncConnection, rule_set_id: UUID) -> RuleSet:
    """One registration. Raises RuleSetNotFound."""
    row = (await connection.execute(select(rule_sets).where(rule_sets.c.id == rule_set_id))).one_or_none()
    if row is None:
        raise RuleSetNotFound
    return RuleSet(row.id, row.code, row.provider)


async def rule_set_by_code(connection: AsyncConnection, code: str, *, lock: bool = False) -> RuleSet | None:
    """The registration under a document's own id; held until the transaction ends if asked."""
    statement = select(rule_sets).where(rule_sets.c.code == code)
    if lock:
        statement = for_update(connection, statement, rule_sets)
    row = (await connection.execute(statement)).one_or_none()
    return RuleSet(row.id, row.code, row.provider) if row else None


async def page(connection: AsyncConnection, *, after: str | None, limit: int) -> list[RuleSet]:
    """Registrations by code."""
    statement = select(rule_sets).order_by(rule_sets.c.code).limit(limit)
    if after is not None:
        statement = statement.where(rule_sets.c.code > after)
    return [RuleSet(row.id, row.code, row.provider) for row in await connection.execute(statement)]


async def versions_of(connection: AsyncConnection, rule_sets_: Sequence[RuleSet]) -> list[StoredVersion]:
    """Every version of these rule sets, by number."""
    by_id = {rule_set.id: rule_set for rule_set in rule_sets_}
    if not by_id:
        return []
    rows = await connection.execute(
        select(rule_set_versions)
        .where(among(connection, rule_set_versions.c.rule_set_id, list(by_id)))
        .order_by(rule_set_versions.c.rule_set_id, rule_set_versions.c.number)
    )
    published = await publications_of(connection, list(by_id))
    return [
        StoredVersion(
            row.id,
            by_id[row.rule_set_id],
            row.number,
            row.state,
            row.document,
            row.sha256,
            row.revision,
            row.created_at,
            [p for p in published if p.version_id == row.id],
        )
        for row in rows
    ]


async def publications_of(
    connection: AsyncConnection, rule_set_ids: Sequence[UUID], *, standing: bool = False
) -> list[Publication]:
    """The publications of these rule sets, by the days they govern; only those the bank still holds if asked."""
    statement = (
        select(rule_set_publications)
        .where(among(connection, rule_set_publications.c.rule_set_id, rule_set_ids))
        .order_by(rule_set_publications.c.valid_from, rule_set_publications.c.known_from)
    )
    if standing:
        statement = statement.where(rule_set_publications.c.known_until.is_(None))
    return [publication_of(row) for row in await connection.execute(statement)]


async def find_version(connection: AsyncConnection, rule_set_id: UUID, number: int) -> StoredVersion:
    """One version. Raises RuleSetNotFound."""
    rule_set = await find_rule_set(connection, rule_set_id)
    found = [v for v in await versions_of(connection, [rule_set]) if v.number == number]
    if not found:
        raise RuleSetNotFound
    return found[0]


async def in_force(connection: AsyncConnection) -> list[tuple[RuleSet, Publication, str, str, int]]:
    """What governs any day as the bank holds it now: registration, publication, document, hash and number."""
    statement = (
        select(
            rule_set_publications,
            rule_set_versions.c.document,
            rule_set_versions.c.sha256,
            rule_set_versions.c.number,
            rule_sets.c.code,
            rule_sets.c.provider,
        )
        .join(rule_set_versions, rule_set_versions.c.id == rule_set_publications.c.version_id)
        .join(rule_sets, rule_sets.c.id == rule_set_publications.c.rule_set_id)
        .where(rule_set_publications.c.known_until.is_(None))
        .order_by(rule_sets.c.code, rule_set_publications.c.valid_from)
    )
    return [
        (
            RuleSet(row.rule_set_id, row.code, row.provider),
            publication_of(row),
            row.document,
            row.sha256,
            row.number,
        )
        for row in await connection.execute(statement)
    ]


async def published_documents(
    connection: AsyncConnection, versions: Collection[tuple[str, int]]
) -> list[tuple[str, int, str, str]]:
    """Code, number, document and hash of these versions, as far as they were ever published."""
    if not versions:
        return []
    statement = (
        select(rule_sets.c.code, rule_set_versions.c.number, rule_set_versions.c.document, rule_set_versions.c.sha256)
        .join(rule_sets, rule_sets.c.id == rule_set_versions.c.rule_set_id)
        .where(
            among(connection, rule_sets.c.code, sorted({code for code, _ in versions})),
            rule_set_versions.c.state != "draft",
        )
    )
    return [
        (row.code, row.number, row.document, row.sha256)
        for row in await connection.execute(statement)
        if (row.code, row.number) in versions
    ]
