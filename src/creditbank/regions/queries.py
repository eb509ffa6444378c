"""Reads of divisions, their groups, and population."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, for_update, starting
from creditbank.regions.domain import (
    LEVELS,
    Level,
    Membership,
    Population,
    Region,
    RegionGroup,
    RegionGroupNotFound,
    RegionNotFound,
)
from creditbank.regions.tables import populations, region_group_members, region_groups, regions


def _region_of(row: Row[Any]) -> Region:
    return Region(row.code, row.name_zh, row.name_en)


async def find(connection: AsyncConnection, code: str) -> Region:
    """One division. Raises RegionNotFound."""
    row = (await connection.execute(select(regions).where(regions.c.code == code))).one_or_none()
    if row is None:
        raise RegionNotFound
    return _region_of(row)


async def by_code(connection: AsyncConnection, codes: Sequence[str], *, lock: bool = False) -> dict[str, Region]:
    """Those of the codes that are divisions of the bank; with ``lock`` held until the transaction ends."""
    if not codes:
        return {}
    chosen = select(regions).where(among(connection, regions.c.code, codes)).order_by(regions.c.code)
    rows = await connection.execute(for_update(connection, chosen, regions) if lock else chosen)
    return {row.code: _region_of(row) for row in rows}


async def page(
    connection: AsyncConnection, *, top: str | None, level: Level | None, after: str | None, limit: int
) -> list[Region]:
    """Divisions by code, those at or under ``top`` and beyond ``after``."""
    statement = select(regions).order_by(regions.c.code).limit(limit)
    if top is not None:
        statement = statement.where(starting(regions.c.code, top))
    if level is not None:
        digits = next(length for length, name in LEVELS.items() if name == level)
        statement = statement.where(func.length(regions.c.code) == digits)
    if after is not None:
        statement = statement.where(regions.c.code > after)
    return [_region_of(row) for row in await connection.execute(statement)]


async def groups(connection: AsyncConnection) -> list[tuple[RegionGroup, int]]:
    """Every group with its members and its revision, by code. There are few."""
    found = await connection.execute(select(region_groups).order_by(region_groups.c.code))
    members = await _members(connection)
    return [(RegionGroup(row.code, row.name_zh, row.name_en, members[row.code]), row.revision) for row in found]


async def find_group(connection: AsyncConnection, code: str) -> tuple[RegionGroup, int]:
    """One group with its members and its revision. Raises RegionGroupNotFound."""
    row = (await connection.execute(select(region_groups).where(region_groups.c.code == code))).one_or_none()
    if row is None:
        raise RegionGroupNotFound
    members = await _members(connection, region_group_members.c.region_group == code)
    return RegionGroup(row.code, row.name_zh, row.name_en, members[code]), row.revision


async def _members(
    connection: AsyncConnection, condition: ColumnElement[bool] | None = None
) -> dict[str, list[Membership]]:
    statement = select(region_group_members).order_by(region_group_members.c.region, region_group_members.c.valid_from)
    if condition is not None:
        statement = statement.where(condition)
    found: dict[str, list[Membership]] = defaultdict(list)
    for row in await connection.execute(statement):
        found[row.region_group].append(Membership(row.region, row.valid_from, row.valid_until))
    return found


PopulationKey = tuple[str, int, int, int, str]
"""Division, year, first age, first age outside, source."""

_ORDER = (
    populations.c.region,
    populations.c.year,
    populations.c.age_from,
    populations.c.age_until,
    populations.c.source,
)


def population_key(one: Population) -> PopulationKey:
    """What makes a figure one and the same, whatever it says."""
    return (one.region, one.year, one.age_from, one.age_until, one.source)


async def populations_of(
    connection: AsyncConnection, *, top: str | None, year: int | None, after: PopulationKey | None, limit: int
) -> list[Population]:
    """Figures by division, year and age, those of divisions at or under ``top`` and beyond ``after``."""
    statement = select(populations).order_by(*_ORDER).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) > tuple_(*after))
    if top is not None:
        statement = statement.where(starting(populations.c.region, top))
    if year is not None:
        statement = statement.where(populations.c.year == year)
    return [_population_of(row) for row in await connection.execute(statement)]


async def stored_populations(
    connection: AsyncConnection, wanted: Sequence[Population], *, lock: bool = False
) -> dict[PopulationKey, tuple[UUID, Population]]:
    """Those of the figures that are there, with the ids of their rows; ``lock`` holds them with all of their years."""
    codes, years = sorted({one.region for one in wanted}), sorted({one.year for one in wanted})
    chosen = (
        select(populations)
        .where(among(connection, populations.c.region, codes), among(connection, populations.c.year, years))
        .order_by(populations.c.id)
    )
    rows = await connection.execute(for_update(connection, chosen, populations) if lock else chosen)
    found = [(row.id, _population_of(row)) for row in rows]
    return {population_key(one): (id_, one) for id_, one in found}


def _population_of(row: Row[Any]) -> Population:
    return Population(row.region, row.year, row.age_from, row.age_until, row.source, row.people)
