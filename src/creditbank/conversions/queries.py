"""Reads of applications, awards and exchanges, and of the programmes that they are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.conversions.domain import (
    Annulment,
    AnnulmentState,
    Award,
    Conversion,
    ConversionNotFound,
    Exchange,
    ExchangeKind,
    Plan,
    StackUse,
)
from creditbank.conversions.tables import annulments, awards, conversions, exchange_lines, exchanges, stack_uses
from creditbank.database.statements import pairs_among, under
from creditbank.ledger.queries import holds_by_id
from creditbank.recognition.tables import reviews
from creditbank.rules.document import read_documents
from creditbank.rules.language.programmes import Programme, UnitConversion
from creditbank.rulesets.domain import RuleSet
from creditbank.rulesets.tables import rule_set_publications, rule_set_versions, rule_sets


class Governing(NamedTuple):
    """What a rule set says on a day of programmes and of conversions of units."""

    rule_set: RuleSet
    version_id: UUID
    credit_unit: str
    programmes: Mapping[str, Programme]
    unit_conversions: Mapping[str, UnitConversion]

    def plan(self, programme: str) -> Plan | None:
        """The award of that id; None when there is none."""
        found = self.programmes.get(programme)
        if found is None:
            return None
        return Plan(
            self.rule_set.id,
            self.rule_set.code,
            self.version_id,
            self.rule_set.owner,
            self.credit_unit,
            found,
            self.programmes,
        )


async def governing(connection: AsyncConnection, code: str, on: date) -> Governing | None:
    """What a rule set says on a day as the bank holds it now; None when it does not govern that day."""
    published, version = rule_set_publications.c, rule_set_versions.c
    statement = (
        select(rule_sets, version.id.label("version_id"), version.document, version.sha256)
        .join(rule_set_publications, published.rule_set_id == rule_sets.c.id)
        .join(rule_set_versions, version.id == published.version_id)
        .where(rule_sets.c.code == code, published.known_until.is_(None), published.valid_from <= on)
        .where(published.valid_until.is_(None) | (published.valid_until > on))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    unit, programmes, unit_conversions = _read(row.sha256, row.document)
    return Governing(
        RuleSet(row.id, row.code, row.owner, row.audience), row.version_id, unit, programmes, unit_conversions
    )


@lru_cache(maxsize=64)
def _read(_sha256: str, document: str) -> tuple[str, Mapping[str, Programme], Mapping[str, UnitConversion]]:
    # A published document never changes, so it is read once.
    layered = read_documents(document, format="json")[0].layered
    own = layered.header.unit
    return (
        own.code,
        {programme.id: programme for programme in layered.programmes()},
        {one.id: one for document_ in layered.documents for one in document_.unit_conversions},
    )


# --- Applications -----------------------------------------------------------------------------------------------------

_CONVERSIONS = (
    select(conversions, rule_sets.c.code.label("rule_set"), rule_set_versions.c.number.label("version"))
    .join(rule_sets, rule_sets.c.id == conversions.c.rule_set_id)
    .join(rule_set_versions, rule_set_versions.c.id == conversions.c.rule_set_version_id)
    .order_by(conversions.c.id)
)


async def conversions_of(connection: AsyncConnection, learner_id: UUID) -> list[Conversion]:
    """Every application of a learner, oldest first."""
    return await _load(connection, _CONVERSIONS.where(conversions.c.learner_id == learner_id))


async def owner(connection: AsyncConnection, conversion_id: UUID) -> UUID | None:
    """Whose application this is; None when there is none."""
    statement = select(conversions.c.learner_id).where(conversions.c.id == conversion_id)
    return (await connection.execute(statement)).scalar_one_or_none()


async def find_conversion(connection: AsyncConnection, conversion_id: UUID) -> Conversion:
    """One application. Raises ConversionNotFound."""
    for found in await _load(connection, _CONVERSIONS.where(conversions.c.id == conversion_id)):
        return found
    raise ConversionNotFound


async def find_request(connection: AsyncConnection, learner_id: UUID, request: str) -> Conversion | None:
    """The application that a request made; None when it made none."""
    asked = _CONVERSIONS.where(conversions.c.learner_id == learner_id, conversions.c.request == request)
    return next(iter(await _load(connection, asked)), None)


async def page(
    connection: AsyncConnection,
    *,
    decided_by: str | None,
    learner_id: UUID | None,
    programme: str | None,
    after: UUID | None,
    limit: int,
) -> list[Conversion]:
    """Applications, oldest first: those that a provider or one under it decides, a learner's, a programme's."""
    statement = _CONVERSIONS.limit(limit)
    if decided_by is not None:
        statement = statement.where(under(conversions.c.provider, decided_by))
    if learner_id is not None:
        statement = statement.where(conversions.c.learner_id == learner_id)
    if programme is not None:
        statement = statement.where(conversions.c.programme == programme)
    if after is not None:
        statement = statement.where(conversions.c.id > after)
    return await _load(connection, statement)


async def _load(connection: AsyncConnection, statement: Select[Any]) -> list[Conversion]:
    rows = (await connection.execute(statement)).all()
    if not rows:
        return []
    pairs = [(row.learner_id, row.id) for row in rows]
    held = await holds_by_id(connection, [(row.learner_id, row.hold_id) for row in rows])
    stacked: dict[UUID, list[StackUse]] = defaultdict(list)
    columns = (stack_uses.c.learner_id, stack_uses.c.conversion_id)
    for row in await connection.execute(
        select(stack_uses).where(pairs_among(connection, columns, pairs)).order_by(stack_uses.c.id)
    ):
        stacked[row.conversion_id].append(StackUse(row.lot_id, row.award_id, row.milli))
    made: dict[UUID, Award] = {}
    columns = (awards.c.learner_id, awards.c.conversion_id)
    for row in await connection.execute(select(awards).where(pairs_among(connection, columns, pairs))):
        made[row.conversion_id] = Award(row.id, row.number, row.awarded_on, row.is_part, row.milli)
    withdrawn: dict[UUID, list[Annulment]] = defaultdict(list)
    if made:
        columns = (annulments.c.learner_id, annulments.c.award_id)
        owners = dict((id_, learner_id) for learner_id, id_ in pairs)
        about = [(owners[conversion_id], award.id) for conversion_id, award in made.items()]
        for row in await connection.execute(
            select(annulments).where(pairs_among(connection, columns, about)).order_by(annulments.c.id)
        ):
            withdrawn[row.award_id].append(
                Annulment(
                    row.id, row.reason, AnnulmentState(row.state), row.author_id, row.approver_id, row.recorded_at
                )
            )
    return [_conversion_of(row, held[row.hold_id], stacked[row.id], made.get(row.id), withdrawn) for row in rows]


def _conversion_of(
    row: Row[Any], hold: Any, stacked: Sequence[StackUse], award: Award | None, withdrawn: Mapping[UUID, Any]
) -> Conversion:
    return Conversion(
        row.learner_id,
        row.id,
        hold,
        row.rule_set_id,
        row.rule_set,
        row.version,
        row.programme,
        row.provider,
        row.total_milli,
        row.applied_by,
        row.shares["use"],
        stacked,
        row.outcome,
        row.reasons.split(),
        row.decided_by,
        row.recorded_at,
        bytes(row.fingerprint),
        award,
        withdrawn.get(award.id, ()) if award is not None else (),
    )


async def open_debts(connection: AsyncConnection, learner_id: UUID) -> frozenset[UUID]:
    """The lots on which the learner owes and nobody has decided yet what becomes of it."""
    statement = select(reviews.c.subject_id).where(
        reviews.c.learner_id == learner_id, reviews.c.kind == "debt", reviews.c.state == "open"
    )
    return frozenset((await connection.execute(statement)).scalars())


# --- Exchanges --------------------------------------------------------------------------------------------------------


async def find_exchange(connection: AsyncConnection, learner_id: UUID, request: str) -> Exchange | None:
    """The exchange that a request made; None when it made none."""
    found = await _exchanges(connection, exchanges.c.learner_id == learner_id, exchanges.c.request == request)
    return next(iter(found), None)


async def exchanges_of(connection: AsyncConnection, learner_id: UUID) -> list[Exchange]:
    """Every exchange of a learner, oldest first."""
    return await _exchanges(connection, exchanges.c.learner_id == learner_id)


async def _exchanges(connection: AsyncConnection, *where: Any) -> list[Exchange]:
    lines = exchange_lines.c
    statement = (
        select(
            exchanges,
            lines.old_lot_id,
            lines.uses_milli.label("used"),
            lines.new_lot_id,
            lines.gives_milli.label("given"),
        )
        .join(exchange_lines, (lines.learner_id == exchanges.c.learner_id) & (lines.exchange_id == exchanges.c.id))
        .where(*where)
        .order_by(exchanges.c.id, lines.id)
    )
    found: dict[UUID, tuple[Row[Any], list[tuple[UUID, int, UUID | None, int]]]] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.id, (row, []))[1].append((row.old_lot_id, row.used, row.new_lot_id, row.given))
    return [
        Exchange(
            row.learner_id,
            row.id,
            ExchangeKind(row.kind),
            row.rule_set_id,
            row.conversion,
            row.provider,
            row.uses_milli,
            row.gives_milli,
            row.rest_milli,
            legs,
            bytes(row.fingerprint),
            row.recorded_at,
        )
        for row, legs in found.values()
    ]
