"""What a sandbox takes over of its bank, and how its clock stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.catalogue.tables import offerings
from creditbank.programmes.tables import programme_admissions
from creditbank.providers.tables import accreditations, providers
from creditbank.regions.tables import populations, region_group_members, region_groups, regions
from creditbank.rulesets.tables import rule_set_publications, rule_set_versions, rule_sets
from creditbank.sandbox.tables import sandbox_clock

Rows = Sequence[Mapping[str, Any]]

_PUBLISHED: Final = select(rule_set_versions.c.rule_set_id).where(
    rule_set_versions.c.state.in_(("published", "withdrawn"))
)

COPIED: Final[Mapping[Table, Select[Any]]] = {
    regions: select(regions),
    region_groups: select(region_groups),
    region_group_members: select(region_group_members),
    populations: select(populations),
    providers: select(providers),
    accreditations: select(accreditations),
    offerings: select(offerings),
    rule_sets: select(rule_sets).where(rule_sets.c.id.in_(_PUBLISHED)),
    rule_set_versions: select(rule_set_versions).where(rule_set_versions.c.state.in_(("published", "withdrawn"))),
    rule_set_publications: select(rule_set_publications),
    programme_admissions: select(programme_admissions).where(programme_admissions.c.rule_set_id.in_(_PUBLISHED)),
}
"""What is copied, in the order in which it may be entered: what everybody may know, and nothing about a person."""


async def read_published(connection: AsyncConnection) -> dict[Table, Rows]:
    """The network, its offerings and the rules that were ever published."""
    return {table: [dict(row._mapping) for row in await connection.execute(chosen)] for table, chosen in COPIED.items()}


async def clock_of(connection: AsyncConnection) -> tuple[timedelta, datetime] | None:
    """How far the clock is ahead, and when the sandbox was made; None in a database that is no sandbox."""
    row = (await connection.execute(select(sandbox_clock))).one_or_none()
    return None if row is None else (timedelta(microseconds=row.ahead_microseconds), row.made_at)
