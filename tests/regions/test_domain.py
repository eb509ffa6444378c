"""A division's code says its level and what is above it; a group of divisions changes with time."""

from __future__ import annotations

from datetime import date

import pytest

from creditbank.learners.domain import Residence, residence_on
from creditbank.regions.domain import Membership, Region, RegionGroup, twice

LINES = [
    ("50", "province", None),
    ("5001", "prefecture", "50"),
    ("500103", "county", "5001"),
    ("500103001", "street", "500103"),
    ("500103001002", "village", "500103001"),
]


@pytest.mark.parametrize(("code", "level", "parent"), LINES)
def test_the_code_says_the_level_and_the_division_above(code: str, level: str, parent: str | None) -> None:
    region = Region(code, "名", "Name")
    assert (region.level, region.parent) == (level, parent)


def member(region: str, start: str, until: str | None = None) -> Membership:
    return Membership(region, date.fromisoformat(start), date.fromisoformat(until) if until else None)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ([], None),
        ([member("1", "2008-01-01", "2010-01-01"), member("1", "2010-01-01")], None),
        ([member("1", "2010-01-01"), member("1", "2008-01-01", "2010-01-01")], None),
        ([member("1", "2008-01-01"), member("1", "2010-01-01")], "1"),
        ([member("1", "2008-01-01", "2010-01-02"), member("1", "2010-01-01")], "1"),
        ([member("1", "2008-01-01"), member("2", "2008-01-01")], None),
    ],
)
def test_nobody_is_in_a_group_twice_on_one_day(members: list[Membership], found: str | None) -> None:
    assert twice(members) == found


@pytest.mark.parametrize(
    ("day", "codes"),
    [("2007-12-31", set()), ("2008-01-01", {"1"}), ("2009-12-31", {"1", "2"}), ("2010-01-01", {"2"})],
)
def test_who_is_in_a_group_depends_on_the_day(day: str, codes: set[str]) -> None:
    group = RegionGroup("g", "组", "Group", [member("1", "2008-01-01", "2010-01-01"), member("2", "2009-12-31")])
    assert group.on(date.fromisoformat(day)) == codes


MOVES = [Residence("1", None), Residence("2", date(2024, 3, 1)), Residence("3", date(2024, 3, 1))]


@pytest.mark.parametrize(
    ("residences", "day", "region"),
    [
        ([], "2024-01-01", None),
        (MOVES, "1990-01-01", "1"),
        (MOVES, "2024-02-29", "1"),
        (MOVES, "2024-03-01", "3"),
        (MOVES[1:], "2020-01-01", "2"),
    ],
)
def test_where_somebody_lived_is_as_of_a_day(residences: list[Residence], day: str, region: str | None) -> None:
    assert residence_on(date.fromisoformat(day), residences) == region
