"""A clock that runs ahead of the bank's."""

from __future__ import annotations

from datetime import datetime, timedelta

from creditbank.clock import Clock


class SandboxClock:
    """The bank's clock, and so much more."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock = clock
        self.ahead = ahead

    def __call__(self) -> datetime:
        """The instant in the sandbox."""
        return self._clock() + self.ahead
