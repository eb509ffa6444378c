"""Lists: an opaque cursor, a limit, and a link to what comes next."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request, Response
from typing_extensions import TypedDict

from creditbank.errors import Fault
from creditbank.web.bodies import json_answer
from creditbank.web.problems import EdgeRefusal

T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    """Some items of a list; ``next`` is the cursor of the following page, null on the last."""

    items: list[T]
    next: str | None


Limit = Annotated[int, Query(ge=1, le=500, description="most items on a page")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]


def unknown_cursor() -> EdgeRefusal:
    """The refusal of a cursor that was not ours."""
    return EdgeRefusal(422, [Fault("?cursor", "unknown_cursor", "")])


def _cursor_to(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> str | None:
    """Where a page begins. Raises EdgeRefusal for a cursor that was not ours."""
    if cursor is None:
        return None
    try:
        place = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==").decode()
    except ValueError as wrong:
        raise unknown_cursor() from wrong
    # The decoder passes over what is no Base64: only what we would write is ours.
    if "\0" in place or _cursor_to(place) != cursor:
        raise unknown_cursor()
    return place


def converted(cursor: str | None, to: Callable[[str], T]) -> T | None:
    """Where a page begins, as ``to`` reads it. Raises EdgeRefusal for a cursor that was not ours."""
    place = place_of(cursor)
    if place is None:
        return None
    try:
        return to(place)
    except ValueError as wrong:
        raise unknown_cursor() from wrong


# So many digits fit the integers of every database.
_NATURAL = re.compile(r"[0-9]{1,18}")


def natural(text: str) -> int:
    """A place that is a whole number not below 0. Raises ValueError."""
    if not _NATURAL.fullmatch(text):
        raise ValueError(text)
    return int(text)


def page_answer(
    request: Request, items: Sequence[T], limit: int, place: Callable[[T], str], show: Callable[[T], Any]
) -> Response:
    """A page of ``items``, of which one more than ``limit`` was asked for to know whether another page follows."""
    shown, following = items[:limit], len(items) > limit
    cursor = _cursor_to(place(shown[-1])) if following else None
    headers = {}
    if cursor is not None:
        headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
    return json_answer({"items": [show(item) for item in shown], "next": cursor}, headers=headers)
