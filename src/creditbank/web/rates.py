"""How often a caller may come: a bucket for each, that drains by what is asked and fills again with time.

Of our own, and not by a library, for the reasons that decision 0033 gives: the clock is the bank's, a caller takes one
number of memory however often it comes, and a request costs microseconds. Each process counts for itself, and allows
its share of what all processes together may answer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import ip_network
from math import ceil
from typing import Final, Literal

from fastapi import Request

from creditbank.clock import Clock
from creditbank.settings import Settings
from creditbank.web.problems import EdgeRefusal

Name = Literal["client", "failed", "public", "register", "reset", "resolve", "token"]

_MINUTE: Final = 60
_HOUR: Final = 3600
_CALLERS_MAX: Final = 50_000
# Who has an IPv6 address has a whole network of them.
_IPV6_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Level:
    """How a caller's bucket stands after it has asked."""

    is_admitted: bool
    # Requests that it may still make at once.
    left: int
    # Until the bucket is full again; of one that is refused, until the next request is admitted.
    seconds: int


class Meter:
    """The buckets of one policy: ``amount`` requests at once, and as many in a window of so many seconds."""

    def __init__(self, amount: int, processes: int, clock: Clock, window: int = _MINUTE) -> None:
        self._window = window
        self._step = window / max(1, amount // processes)
        self._clock = clock
        # When the bucket of a caller will be full again. A full one need not be remembered.
        self._full_at: dict[Hashable, float] = {}

    def take(self, caller: Hashable) -> Level:
        """Take one request out of the caller's bucket, if there is one left."""
        now = self._clock().timestamp()
        # A clock that was set back must not keep anybody out for longer than a window.
        until = min(max(self._full_at.get(caller, now), now), now + self._window) + self._step
        missing = until - now
        if missing > self._window + 1e-6:
            self._full_at[caller] = until - self._step
            return Level(False, 0, max(1, ceil(missing - self._window)))
        if len(self._full_at) >= _CALLERS_MAX and caller not in self._full_at:
            self._sweep(now)
        self._full_at[caller] = until
        return Level(True, int((self._window - missing) / self._step + 1e-6), ceil(missing))

    def is_empty(self, caller: Hashable) -> bool:
        """Whether the caller's next request would be refused."""
        if caller not in self._full_at:
            return False
        return self._full_at[caller] - self._clock().timestamp() > self._window - self._step + 1e-6

    def _sweep(self, now: float) -> None:
        """Make room: the full ones go, and if that is not enough, those that are nearest to it."""
        waiting = sorted(((at, caller) for caller, at in self._full_at.items() if at > now), key=lambda pair: pair[0])
        self._full_at = {caller: at for at, caller in waiting[-_CALLERS_MAX // 2 :]}


class Rates:
    """The policies of a process. One that is set to 0 does not exist."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        processes = settings.rate_processes
        # One process alone has the sandboxes.
        policies: dict[Name, tuple[int, int, int]] = {
            "client": (settings.rate_client_per_minute, processes, _MINUTE),
            "failed": (settings.rate_failed_per_minute, processes, _MINUTE),
            "resolve": (settings.rate_resolve_per_minute, processes, _MINUTE),
            "register": (settings.rate_register_per_minute, processes, _MINUTE),
            "token": (settings.rate_token_per_minute, processes, _MINUTE),
            "public": (settings.rate_public_per_minute, processes, _MINUTE),
            "reset": (settings.rate_reset_per_hour, 1, _HOUR),
        }
        self._meters = {name: Meter(n, of, clock, window) for name, (n, of, window) in policies.items() if n}
        self._policies = {name: f'"{name}";q={n};w={window}' for name, (n, _, window) in policies.items()}

    def admit(self, request: Request, name: Name, caller: Hashable) -> None:
        """Count a request, and leave for its answer what stands. Raises EdgeRefusal: 429 for one too many."""
        meter = self._meters.get(name)
        if meter is None:
            return
        level = meter.take(caller)
        shown = (self._policies[name], f'"{name}";r={level.left};t={level.seconds}')
        request.scope.setdefault("rates", {})[name] = shown
        if not level.is_admitted:
            raise EdgeRefusal(429, code="too_many_requests", headers={"Retry-After": str(level.seconds)})

    def is_spent(self, name: Name, caller: Hashable) -> bool:
        """Whether the caller's next request would be one too many."""
        meter = self._meters.get(name)
        return meter is not None and meter.is_empty(caller)


def origin_of(address: str | None) -> str:
    """Where a caller without a credential comes from: its address, or the network that is its own."""
    if address is None or ":" not in address:
        return address or "unknown"
    try:
        return str(ip_network((address.partition("%")[0], _IPV6_BITS), strict=False))
    except ValueError:
        return address
