"""What signing in decides without a database: whither to go afterwards, and when somebody last proved who they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

HOME: Final = "/login"
_LOCAL: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")


def local_path(wanted: str | None) -> str:
    """Where to go after signing in: a path of the bank's own, and nothing that a browser would take elsewhere."""
    return wanted if wanted is not None and _LOCAL.fullmatch(wanted) else HOME


def proven_at(auth_time: object, now: datetime, *, forced: bool, recent: timedelta) -> datetime:
    """When the person last proved who they are to an identity provider.

    One that does not say so is believed for what it was told to do: to ask anew (``forced``). Else the person may have
    signed in there long ago, and it does not count as recent.
    """
    if isinstance(auth_time, int) and not isinstance(auth_time, bool) and 0 <= auth_time < 2**33:
        return min(datetime.fromtimestamp(auth_time, UTC), now)
    return now if forced else now - recent
