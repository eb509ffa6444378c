"""What stands on a learner's credits when rules are asked again (rules/v1 sections 8 and 12, law).

Redeemed credits are never evaluated again because a rule changed. So the rules as they stood when credits were redeemed
are kept with them: an ``Era``. Each era is evaluated anew over the facts as they are now, which may have been revoked
or amended, and what it says of redeemed facts stands before anything that is asked of later rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from creditbank.rules.compile import CompiledVersion


@dataclass(frozen=True, slots=True)
class VersionName:
    """A version by its number and the first day it governs, which its correction shares."""

    number: int
    since: date

    def within(self, line: Sequence[CompiledVersion]) -> CompiledVersion | None:
        """The version itself; where it was corrected the one in its place; None where there is neither."""
        for version in line:
            if version.version == self.number:
                return version
        return next((version for version in line if version.valid_from == self.since), None)


@dataclass(frozen=True, slots=True)
class Bound:
    """The decision about a fact on whose credits something is built: they are redeemed, or reserved.

    ``by`` is the version whose ``rule`` decided, ``binding`` are the keys of all facts that it decided about together.
    ``kept_by`` is a later version that reached them and kept what the former gave, since it promises never less.
    """

    by: VersionName
    rule: str | None
    binding: tuple[str, ...]
    is_redeemed: bool
    kept_by: VersionName | None = None

    def turn_in(self, line: Sequence[CompiledVersion]) -> tuple[CompiledVersion, VersionName] | None:
        """The version of a line in whose turn it was decided, by the name that it had; None where there is none."""
        for name in (self.kept_by, self.by):
            version = name.within(line) if name is not None else None
            if name is not None and version is not None:
                return version, name
        return None


@dataclass(frozen=True, slots=True)
class Era:
    """The versions of one rule set, by the days they govern, under which the credits of these facts were redeemed.

    ``day`` is one of the days of redemption: it says which version was in force, whatever has begun since. ``elected``
    and ``bound`` are what stood then. ``late`` are the facts first recorded after the era ended: no rule of it ever
    saw them, so they take nothing from it.
    """

    line: Sequence[CompiledVersion]
    day: date
    keys: frozenset[str]
    elected: Sequence[VersionName] = ()
    bound: Mapping[str, Bound] = field(default_factory=dict)
    late: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is built on a learner's credits, and which versions the learner asked for; everything by rule set.

    ``bound`` names by the key of a fact the version that decided about it, where its credits are reserved or redeemed.
    ``eras`` are those that differ from the rules in force, the first the one in which credits were redeemed first.
    ``elected`` are all versions ever asked for: the latest reaches first, and what an earlier one decided may be bound.
    """

    bound: Mapping[str, Mapping[str, Bound]] = field(default_factory=dict)
    eras: Mapping[str, Sequence[Era]] = field(default_factory=dict)
    elected: Mapping[str, Sequence[VersionName]] = field(default_factory=dict)


NOTHING_STANDS: Final = Standing()
