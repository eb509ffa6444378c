"""A division by its GB/T 2260 code, a group of divisions over time, and how many people of an age lived there.

The codes are those of GB/T 2260 down to the county (six digits) and of the National Bureau of Statistics below it (nine
for a street or town, twelve for a village or neighbourhood), without the zeros that pad them. They have no check digit;
the division above is the code's prefix, so a slip of the pen mostly names a division above that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, Literal

from creditbank.errors import Kind, Refusal

Level = Literal["province", "prefecture", "county", "street", "village"]

LEVELS: Final[Mapping[int, Level]] = {2: "province", 4: "prefecture", 6: "county", 9: "street", 12: "village"}
"""The level of a division by the number of digits of its code."""

_ABOVE: Final[Mapping[int, int]] = {4: 2, 6: 4, 9: 6, 12: 9}

AGES_END: Final = 200
"""The first age outside of a band that has no end."""


@dataclass(frozen=True, slots=True)
class Region:
    """A division. Its level and the division above it are in its code."""

    code: str
    name_zh: str
    name_en: str

    @property
    def level(self) -> Level:
        """What kind of division it is."""
        return LEVELS[len(self.code)]

    @property
    def parent(self) -> str | None:
        """The code of the division above; None for a province."""
        return above(self.code)


@dataclass(frozen=True, slots=True)
class Membership:
    """A division was in a group from ``valid_from`` until before ``valid_until``; None: it still is."""

    region: str
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class RegionGroup:
    """Divisions that are counted together and have a target of their own; who is in it changes with time."""

    code: str
    name_zh: str
    name_en: str
    members: Sequence[Membership]

    def on(self, day: date) -> frozenset[str]:
        """The codes of the divisions in the group on that day."""
        return frozenset(
            one.region
            for one in self.members
            if one.valid_from <= day and (one.valid_until is None or day < one.valid_until)
        )


@dataclass(frozen=True, slots=True)
class Population:
    """So many people aged from ``age_from`` to below ``age_until`` lived in the division in that year, says a source.

    ``age_until`` is AGES_END where the band has no end.
    """

    region: str
    year: int
    age_from: int
    age_until: int
    source: str
    people: int


def above(code: str) -> str | None:
    """The code of the division above; None for a province."""
    return code[: _ABOVE[len(code)]] if len(code) in _ABOVE else None


def twice(memberships: Iterable[Membership]) -> str | None:
    """The code of a division that is in the group twice on one day; None when there is none."""
    ordered = sorted(memberships, key=lambda one: (one.region, one.valid_from))
    for one, following in pairwise(ordered):
        if one.region == following.region and (one.valid_until is None or following.valid_from < one.valid_until):
            return one.region
    return None


@dataclass(eq=False, kw_only=True)
class RegionNotFound(Refusal):
    """There is no such division."""

    code = "region_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class UnknownRegion(Refusal):
    """What was sent names a division that the bank does not have."""

    code = "unknown_region"
    kind = Kind.INVALID
    given: str
    pointer: str = "/region"


@dataclass(eq=False, kw_only=True)
class UnknownRegionAbove(Refusal):
    """The division above is neither there nor among what was sent."""

    code = "unknown_region_above"
    kind = Kind.INVALID
    given: str
    above: str
    pointer: str = "/items"


@dataclass(eq=False, kw_only=True)
class RegionGroupNotFound(Refusal):
    """There is no such group of divisions."""

    code = "region_group_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class MemberTwice(Refusal):
    """A division is in the group twice on one day."""

    code = "member_twice"
    kind = Kind.INVALID
    region: str
    pointer: str = "/members"


@dataclass(eq=False, kw_only=True)
class GivenTwice(Refusal):
    """Two items of one request speak of the same."""

    code = "item_given_twice"
    kind = Kind.INVALID
    first: int
    pointer: str = "/items"
