"""Which sandbox a test credential opens, and how its clock may go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from creditbank.access.domain import Actor
from creditbank.errors import Kind, Refusal

AHEAD_MAX: Final = timedelta(days=100 * 366)
"""So far may a sandbox's clock be ahead."""


def name_of(actor: Actor) -> str:
    """The sandbox of an actor: all programs of one provider share one, and each of the bank's own has its own."""
    whose = f"client:{actor.client_id}" if actor.provider is None else f"provider:{actor.provider}"
    return hashlib.sha256(whose.encode()).hexdigest()[:32]


def check_travel(now: datetime, to: datetime, ahead: timedelta) -> None:
    """Whether the clock may go there, being ``ahead`` already. Raises ClockBackwards, ClockTooFar."""
    if to < now:
        raise ClockBackwards
    if ahead + (to - now) > AHEAD_MAX:
        raise ClockTooFar


@dataclass(eq=False, kw_only=True)
class ClockBackwards(Refusal):
    """The sandbox's clock only goes forward: what was recorded is not undone."""

    code = "sandbox_clock_backwards"
    kind = Kind.INVALID
    pointer: str = "/to"


@dataclass(eq=False, kw_only=True)
class ClockTooFar(Refusal):
    """The sandbox's clock goes a hundred years ahead and no further."""

    code = "sandbox_clock_too_far"
    kind = Kind.INVALID
    pointer: str = "/to"
