"""Whether a browser was made to send a request by a page of somebody else's.

A cookie goes along with whatever a browser sends, so what changes something is held to where it came from: browsers say
so in `Sec-Fetch-Site`, older ones in `Origin`, and no page can make either say something else. As in Go's
`http.CrossOriginProtection`, but that who says neither is refused: it is no browser, and a program has a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_cross_origin(method: str, headers: Mapping[str, str], own: str) -> bool:
    """Whether the request must be refused; ``own`` is the bank's own origin, such as ``https://bank.example``."""
    if method in _SAFE:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return headers.get("origin") != own
