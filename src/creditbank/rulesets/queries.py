"""Reads of rule sets."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, for_update, pairs_among
from creditbank.rules.document import RuleSetDocument
from creditbank.rules.layers import Layered, chain_of
from creditbank.rulesets.domain import (
    Chapter,
    Interval,
    Publication,
    RuleSet,
    RuleSetNotFound,
    Simulation,
    StoredVersion,
)
from creditbank.rulesets.tables import (
    rule_set_edits,
    rule_set_publications,
    rule_set_simulations,
    rule_set_versions,
    rule_sets,
)


def publication_of(row: Row[Any]) -> Publication:
    """The publication that a row holds."""
    return Publication(
        row.id, row.version_id, Interval(row.valid_from, row.valid_until), row.known_from, row.known_until
    )


def _rule_set_of(row: Row[Any]) -> RuleSet:
    return RuleSet(row.id, row.code, row.owner, row.audience)


async def find_rule_set(connection: AsyncConnection, rule_set_id: UUID) -> RuleSet:
    """One registration. Raises RuleSetNotFound."""
    row = (await connection.execute(select(rule_sets).where(rule_sets.c.id == rule_set_id))).one_or_none()
    if row is None:
        raise RuleSetNotFound
    return _rule_set_of(row)


async def rule_sets_by_id(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, RuleSet]:
    """These registrations by id."""
    statement = select(rule_sets).where(among(connection, rule_sets.c.id, list(ids)))
    return {row.id: _rule_set_of(row) for row in await connection.execute(statement)}


async def rule_set_by_code(connection: AsyncConnection, code: str, *, lock: bool = False) -> RuleSet | None:
    """The registration under a document's own id; held until the transaction ends if asked."""
    statement = select(rule_sets).where(rule_sets.c.code == code)
    if lock:
        statement = for_update(connection, statement, rule_sets)
    row = (await connection.execute(statement)).one_or_none()
    return _rule_set_of(row) if row else None


async def page(connection: AsyncConnection, *, after: str | None, limit: int) -> list[RuleSet]:
    """Registrations by code."""
    statement = select(rule_sets).order_by(rule_sets.c.code).limit(limit)
    if after is not None:
        statement = statement.where(rule_sets.c.code > after)
    return [_rule_set_of(row) for row in await connection.execute(statement)]


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
            row.approved_by,
            row.approved_at,
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


@dataclass(frozen=True, slots=True)
class InForce:
    """A publication that the bank holds now, with the version behind it."""

    rule_set: RuleSet
    publication: Publication
    number: int
    document: str
    sha256: str


async def in_force(connection: AsyncConnection, code: str | None = None) -> list[InForce]:
    """What governs any day as the bank holds it now, by rule set and day; of one rule set if asked."""
    statement = (
        select(
            rule_set_publications,
            rule_set_versions.c.document,
            rule_set_versions.c.sha256,
            rule_set_versions.c.number,
            rule_sets.c.code,
            rule_sets.c.owner,
            rule_sets.c.audience,
        )
        .join(rule_set_versions, rule_set_versions.c.id == rule_set_publications.c.version_id)
        .join(rule_sets, rule_sets.c.id == rule_set_publications.c.rule_set_id)
        .where(rule_set_publications.c.known_until.is_(None))
        .order_by(rule_sets.c.code, rule_set_publications.c.valid_from)
    )
    if code is not None:
        statement = statement.where(rule_sets.c.code == code)
    return [
        InForce(
            RuleSet(row.rule_set_id, row.code, row.owner, row.audience),
            publication_of(row),
            row.number,
            row.document,
            row.sha256,
        )
        for row in await connection.execute(statement)
    ]


async def history(connection: AsyncConnection) -> dict[UUID, list[Chapter]]:
    """Every publication there ever was, by rule set and the days it governs."""
    statement = (
        select(rule_set_publications, rule_set_versions.c.number, rule_sets.c.code)
        .join(rule_set_versions, rule_set_versions.c.id == rule_set_publications.c.version_id)
        .join(rule_sets, rule_sets.c.id == rule_set_publications.c.rule_set_id)
        .order_by(rule_set_publications.c.valid_from, rule_set_publications.c.known_from)
    )
    found: dict[UUID, list[Chapter]] = {}
    for row in await connection.execute(statement):
        chapter = Chapter(row.rule_set_id, row.code, row.number, publication_of(row))
        found.setdefault(row.rule_set_id, []).append(chapter)
    return found


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
            rule_set_versions.c.state.in_(("published", "withdrawn")),
        )
    )
    return [
        (row.code, row.number, row.document, row.sha256)
        for row in await connection.execute(statement)
        if (row.code, row.number) in versions
    ]


async def documents_above(
    connection: AsyncConnection, refs: Collection[str], *, withdrawn: bool = False
) -> dict[str, RuleSetDocument]:
    """The published documents of these ``id@version`` and all that they extend, by ``id@version``.

    A reference to what is not there, or not published, has no entry. One that was withdrawn is given only if asked:
    what extended it before stays what it was. A published version never changes, so a reference pins its document.
    """
    states = ("published", "withdrawn") if withdrawn else ("published",)
    found: dict[str, RuleSetDocument] = {}
    wanted = set(refs)
    while wanted:
        pairs = [(code, int(number)) for code, _, number in (ref.partition("@") for ref in sorted(wanted))]
        statement = (
            select(rule_set_versions.c.document)
            .join(rule_sets, rule_sets.c.id == rule_set_versions.c.rule_set_id)
            .where(
                pairs_among(connection, (rule_sets.c.code, rule_set_versions.c.number), pairs),
                rule_set_versions.c.state.in_(states),
            )
        )
        read = [read_stored(document) for document in (await connection.execute(statement)).scalars()]
        found.update({document.ruleset.ref: document for document in read})
        wanted = {d.ruleset.extends for d in read if d.ruleset.extends is not None} - set(found)
        # What is above a published version was published when that was, and may have been withdrawn since.
        states = ("published", "withdrawn")
    return found


def read_stored(document: str) -> RuleSetDocument:
    """The model of a stored document, which was checked in full when it was stored."""
    return RuleSetDocument.model_validate(json.loads(document))


async def layered_of(connection: AsyncConnection, document: str) -> Layered:
    """A stored document with the chain of documents that it extends, even of one that was withdrawn since."""
    model = read_stored(document)
    extended = model.ruleset.extends
    above = await documents_above(connection, [extended], withdrawn=True) if extended is not None else {}
    return chain_of(model, above)


async def editors_of(connection: AsyncConnection, version_id: UUID) -> set[str]:
    """Everybody who put a document into the version."""
    statement = select(rule_set_edits.c.editor).where(rule_set_edits.c.version_id == version_id)
    return set((await connection.execute(statement)).scalars())


def _simulation_of(row: Row[Any]) -> Simulation:
    return Simulation(
        row.id,
        row.version_id,
        row.sha256,
        row.sample,
        row.as_of,
        row.job_id,
        row.asked_at,
        row.report,
        row.ended_at,
    )


async def simulations_of(connection: AsyncConnection, version_id: UUID) -> list[Simulation]:
    """Every simulation that was asked for of the version, the latest first."""
    statement = (
        select(rule_set_simulations)
        .where(rule_set_simulations.c.version_id == version_id)
        .order_by(rule_set_simulations.c.asked_at.desc(), rule_set_simulations.c.id.desc())
    )
    return [_simulation_of(row) for row in await connection.execute(statement)]


async def find_simulation(connection: AsyncConnection, simulation_id: UUID) -> tuple[Simulation, UUID, int] | None:
    """A simulation with the rule set and the number of its version; None when its version was discarded."""
    statement = (
        select(rule_set_simulations, rule_set_versions.c.rule_set_id, rule_set_versions.c.number)
        .join(rule_set_versions, rule_set_versions.c.id == rule_set_simulations.c.version_id)
        .where(rule_set_simulations.c.id == simulation_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return (_simulation_of(row), row.rule_set_id, row.number) if row is not None else None
