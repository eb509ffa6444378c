"""What signing in decides without a database: whither to go afterwards, and when somebody last proved who they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

HOME: Final = "/login"
# So far an identity provider's clock may be behind the bank's.
_SKEW: Final = timedelta(seconds=60)
_LOCAL: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")


def local_path(wanted: str | None) -> str:
    """Where to go after signing in: a path of the bank's own, and nothing that a browser would take elsewhere."""
    return wanted if wanted is not None and _LOCAL.fullmatch(wanted) else HOME


def proven_at(auth_time: object, now: datetime, *, forced_at: datetime | None, recent: timedelta) -> datetime:
    """When the person last proved who they are to an identity provider; ``forced_at`` is when it was told to ask anew.

    One that does not say when is not believed: the person may have signed in there long ago, and what it was told to
    do stood in an address that the person's browser may have changed. For that reason an instant before it was told
    does not count as recent either, but for a clock that goes slow (OpenID Connect Core 1.0, 3.1.2.1, `max_age`).
    """
    if isinstance(auth_time, int) and not isinstance(auth_time, bool) and 0 <= auth_time < 2**33:
        said = min(datetime.fromtimestamp(auth_time, UTC), now)
        return said if forced_at is None or said >= forced_at - _SKEW else min(said, now - recent)
    return now - recent
