"""A piece of work that outlives a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

LEASE: Final = timedelta(seconds=30)
"""How long a worker may be silent before another takes its job. A step takes far less."""

ATTEMPTS_MAX: Final = 8
_BACKOFF: Final = timedelta(seconds=2)
_BACKOFF_MAX: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Job:
    """A job under a lease: ``token`` is the fence that every step must still hold."""

    id: UUID
    kind: str
    payload: Mapping[str, Any]
    progress: Mapping[str, Any]
    token: int


@dataclass(frozen=True, slots=True)
class Step:
    """Where the work stands after a step; ``is_done`` when nothing is left."""

    progress: Mapping[str, Any]
    is_done: bool


class LeaseLost(Exception):
    """Another worker holds the job now: nothing of this step may be kept."""


def next_try(attempts: int, now: datetime) -> datetime | None:
    """When a job that failed is tried again: later each time; None when it has been tried often enough.

    ``attempts`` are those since a step of it was last kept.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    doubled: int = 2 ** max(attempts - 1, 0)
    return now + min(_BACKOFF * doubled, _BACKOFF_MAX)
