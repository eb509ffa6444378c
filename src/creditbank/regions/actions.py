"""Entering divisions, groups and population: many at once, and the same again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import for_update, insert_new, insert_rows, update_rows
from creditbank.identifiers import new_id
from creditbank.regions.domain import Population, Region, RegionGroup, UnknownRegion, UnknownRegionAbove
from creditbank.regions.queries import by_code, find_group, population_key, stored_populations
from creditbank.regions.tables import populations, region_group_members, region_groups, regions


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of many items."""

    entered: int
    changed: int
    unchanged: int

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.entered + other.entered, self.changed + other.changed, self.unchanged + other.unchanged)


async def put_regions(connection: AsyncConnection, wanted: Sequence[Region], now: datetime) -> Kept:
    """Enter divisions, and give those that are there the names they are given here. Raises UnknownRegionAbove."""
    given = {region.code for region in wanted}
    parents = {region.parent for region in wanted if region.parent is not None}
    known = await by_code(connection, sorted(given | parents))
    for index, region in enumerate(wanted):
        parent = region.parent
        if parent is not None and parent not in given and parent not in known:
            raise UnknownRegionAbove(given=region.code, above=parent, pointer=f"/items/{index}/code")
    new = [{**asdict(region), "recorded_at": now} for region in wanted if region.code not in known]
    entered = await insert_new(connection, regions, new)
    # Somebody may change or enter one while we look: what it is now counts, and stays so until we are done.
    held = await by_code(connection, sorted(given - entered), lock=True)
    changed = [region for region in wanted if region.code in held and held[region.code] != region]
    await update_rows(connection, regions, [{**asdict(r), "recorded_at": now} for r in changed], ("code",))
    return Kept(len(entered), len(changed), len(wanted) - len(entered) - len(changed))


async def hold_group(connection: AsyncConnection, group: RegionGroup) -> int | None:
    """Hold the group of this code until the transaction ends, entering it when it is new; its revision, None if new."""
    row = {"code": group.code, "name_zh": group.name_zh, "name_en": group.name_en, "revision": 1}
    if await insert_new(connection, region_groups, [row]):
        return None
    held = select(region_groups.c.revision).where(region_groups.c.code == group.code)
    revision: int = (await connection.execute(for_update(connection, held, region_groups))).scalar_one()
    return revision


async def put_group(connection: AsyncConnection, group: RegionGroup, held: int | None) -> int:
    """Say what a held group is made of, whole; answers its revision, which stays when this was so already.

    Raises UnknownRegion for a member that is no division of the bank.
    """
    known = await by_code(connection, sorted({member.region for member in group.members}))
    for index, member in enumerate(group.members):
        if member.region not in known:
            raise UnknownRegion(given=member.region, pointer=f"/members/{index}/region")
    former, revision = await find_group(connection, group.code)
    same_name = (former.name_zh, former.name_en) == (group.name_zh, group.name_en)
    if held is not None and same_name and set(former.members) == set(group.members):
        return revision
    revision = revision if held is None else revision + 1
    row = {"code": group.code, "name_zh": group.name_zh, "name_en": group.name_en, "revision": revision}
    await update_rows(connection, region_groups, [row], ("code",))
    await connection.execute(delete(region_group_members).where(region_group_members.c.region_group == group.code))
    await insert_rows(
        connection,
        region_group_members,
        [{"id": new_id(), "region_group": group.code, **asdict(member)} for member in group.members],
    )
    return revision


async def put_populations(connection: AsyncConnection, wanted: Sequence[Population], now: datetime) -> Kept:
    """Enter figures of population; one that is there takes what it says here. Raises UnknownRegion."""
    known = await by_code(connection, sorted({one.region for one in wanted}))
    for index, one in enumerate(wanted):
        if one.region not in known:
            raise UnknownRegion(given=one.region, pointer=f"/items/{index}/region")
    stored = await stored_populations(connection, wanted)
    new = [one for one in wanted if population_key(one) not in stored]
    ids = await insert_new(
        connection, populations, [{"id": new_id(), **asdict(one), "recorded_at": now} for one in new]
    )
    held = await stored_populations(connection, wanted, lock=True)
    found = [(*held[population_key(one)], one) for one in wanted]
    changed = [(id_, one) for id_, former, one in found if former != one]
    rows = [{"id": id_, "people": one.people, "recorded_at": now} for id_, one in changed]
    await update_rows(connection, populations, rows, ("id",))
    return Kept(len(ids), len(changed), len(wanted) - len(ids) - len(changed))
