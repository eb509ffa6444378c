"""The cookies of signing in."""

from __future__ import annotations

from fastapi import Response

from creditbank.web.edge import Edge


def set_cookie(response: Response, edge: Edge, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie that no script reads and no other site's form sends; with 0 seconds it is removed."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=edge.settings.has_secure_cookies,
        httponly=True,
        samesite="lax",
    )
