"""Reads of applications and awards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.awards.domain import (
    Annulment,
    AnnulmentState,
    Award,
    Conversion,
    ConversionNotFound,
    StackUse,
)
from creditbank.awards.tables import annulments, awards, conversions, stack_uses
from creditbank.database.statements import pairs_among, under
from creditbank.ledger.queries import holds_by_id
from creditbank.rulesets.tables import rule_set_versions, rule_sets

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
