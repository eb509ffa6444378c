"""The audit: how a learner's lots are best used for a programme, and the answer as it is kept. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from creditbank.awards.domain import StackUse
from creditbank.enrolments.domain import Enrolment
from creditbank.ledger.domain import Lot
from creditbank.programmes.domain import Place
from creditbank.programmes.stakes import SetAside, Stake
from creditbank.rules.allocate.allocation import Allocation, Idle, Missing, Pins, allocate
from creditbank.rules.allocate.problem import Candidate
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import Programme

AUDITOR: Final = "2"
"""Kept inside the hash of every audit's inputs: it changes when the same lots may be used otherwise."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an allocation is asked: everything that it reads, and the hash of it under which the answer is kept.

    ``former`` is what is kept where nothing better is found in time; it is not part of what is asked.
    """

    inputs: bytes
    programme: Programme
    candidates: Sequence[Candidate]
    pins: Pins
    former: Allocation | None

    def solve(self) -> Allocation:
        """The one best use. Raises NotSolved. It may take the solver seconds."""
        return allocate(self.programme, self.candidates, pins=self.pins, former=self.former)


class Use(NamedTuple):
    """What is used of one lot, in thousandths: of that held for this programme already, and counted once more."""

    stake: Stake
    milli: int
    reserved: int
    stacked: int
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """How a learner stands in a programme under the version that governs it for this learner."""

    place: Place
    version: CompiledVersion
    version_id: UUID
    programme: Programme
    enrolment: Enrolment | None
    lapsed_on: date | None
    waived: tuple[str, ...]
    pins: Pins
    stakes: Mapping[str, Stake]
    set_aside: Sequence[SetAside]
    allocation: Allocation
    inputs: bytes

    @property
    def to_hold(self) -> list[tuple[Lot, int]]:
        """What an application reserves: of each lot in use what is neither held already nor counts once more."""
        spent = [(self.stakes[id_], milli) for id_, milli in self.allocation.uses.items()]
        return [(s.lot, fresh) for s, milli in spent if s.lot is not None and (fresh := s.spent(milli).fresh)]

    @property
    def to_stack(self) -> list[StackUse]:
        """What was used for earlier awards and counts once more in this one."""
        return [use for id_, milli in self.allocation.uses.items() for use in self.stakes[id_].spent(milli).stacked]

    @property
    def shares(self) -> Mapping[tuple[str, str], int]:
        """What each lot gives to each requirement, and under no name to the free electives."""
        found: dict[tuple[str, str], int] = {}
        free = {(id_, ""): milli for id_, milli in self.allocation.free.items()}
        for (id_, requirement), milli in (*self.allocation.shares.items(), *free.items()):
            key = (self.stakes[id_].lot_name, requirement)
            found[key] = found.get(key, 0) + milli
        return found

    @property
    def uses(self) -> list[Use]:
        """What is used of each lot, the oldest first."""
        found: dict[str, Use] = {}
        for id_, milli in self.allocation.uses.items():
            stake = self.stakes[id_]
            stacked, reserved, _ = stake.spent(milli)
            before = found.get(stake.lot_name, Use(stake, 0, 0, 0, False))
            found[stake.lot_name] = Use(
                stake if not stake.stacked else before.stake,
                before.milli + milli,
                before.reserved + reserved,
                before.stacked + sum(use.milli for use in stacked),
                before.is_planned or stake.lot is None or stake.planned > 0,
            )
        return sorted(found.values(), key=_age)


def _age(use: Use) -> tuple[date, tuple[str, ...], int]:
    candidate = use.stake.candidate
    return candidate.completed, candidate.achievements, candidate.grant


def read_pins(pinned: Mapping[str, Any]) -> Pins:
    """What a learner chose, as the allocation reads it."""
    return Pins(dict(pinned.get("lots", {})), frozenset(pinned.get("requirements", ())))


def on_stakes(pins: Pins, stakes: Iterable[Stake]) -> Pins:
    """The pins of lots as pins of all their parts."""
    lots = {s.candidate.id: pins.lots[s.lot_name] for s in stakes if s.lot_name in pins.lots}
    return Pins(lots, pins.requirements)


# --- The stored answer ------------------------------------------------------------------------------------------------

_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def inputs_of(
    version: CompiledVersion, programme: str, waived: Sequence[str], pins: Pins, stakes: Iterable[Stake]
) -> bytes:
    """A hash of all that an allocation reads. Lots are named by their ids: no text about a person is in it."""
    listed = sorted(
        [s.candidate.id, s.candidate.milli, s.unit, s.candidate.kind, s.candidate.provider,
         s.candidate.category or "", -1 if s.candidate.level is None else s.candidate.level,
         str(s.candidate.expires), s.candidate.completed.isoformat(), s.candidate.grant]
        for s in stakes
    )  # fmt: skip
    read = [
        AUDITOR,
        version.sha256,
        programme,
        sorted(waived),
        sorted(pins.lots.items()),
        sorted(pins.requirements),
        listed,
    ]
    return hashlib.sha256(_COMPACT(read).encode()).digest()


def write_allocation(found: Allocation) -> dict[str, Any]:
    """The allocation as it is stored."""
    return {
        "total": found.total,
        "recognised": found.recognised,
        "missing": {id_: [one.milli, one.count] for id_, one in found.missing.items()},
        "uses": dict(found.uses),
        "shares": [[lot, requirement, milli] for (lot, requirement), milli in found.shares.items()],
        "free": dict(found.free),
        "idle": [[one.lot, one.milli, one.reason, list(one.names)] for one in found.idle],
        "is_best": found.is_best,
    }


def read_allocation(programme: str, plain: Mapping[str, Any]) -> Allocation:
    """The allocation that was stored."""
    return Allocation(
        programme,
        plain["total"],
        plain["recognised"],
        {id_: Missing(milli, count) for id_, (milli, count) in plain["missing"].items()},
        plain["uses"],
        {(lot, requirement): milli for lot, requirement, milli in plain["shares"]},
        plain["free"],
        [Idle(lot, milli, reason, tuple(names)) for lot, milli, reason, names in plain["idle"]],
        plain["is_best"],
    )
