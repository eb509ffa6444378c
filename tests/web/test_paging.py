"""Cursors: opaque, ours alone, and never a way to an error of the server."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest
from starlette.requests import Request

from creditbank.web.paging import converted, page_answer, place_of
from creditbank.web.problems import EdgeRefusal


def request(query: str = "") -> Request:
    """A request for a list."""
    return Request(
        {
            "type": "http", "method": "GET", "path": "/v1/things", "query_string": query.encode(), "scheme": "http",
            "headers": [(b"host", b"bank.test")], "server": ("bank.test", 80),
        }
    )  # fmt: skip


def test_pages_lead_from_one_to_the_next_and_end() -> None:
    things = ["a", "b/ü", "c"]
    cursor, seen = None, []
    for _ in range(3):
        after = place_of(cursor)
        rest = things[things.index(after) + 1 :] if after else things
        answer = page_answer(request("limit=1"), rest[:2], 1, str, str)
        body = json.loads(bytes(answer.body))
        seen += body["items"]
        cursor = body["next"]
        link = answer.headers.get("link")
        assert (link is None) is (cursor is None)
        assert link is None or link == f'<http://bank.test/v1/things?limit=1&cursor={cursor}>; rel="next"'

    assert seen == things
    assert cursor is None


def test_an_empty_page() -> None:
    empty: list[str] = []

    assert json.loads(bytes(page_answer(request(), empty, 1, str, str).body)) == {"items": [], "next": None}


def encoded(place: bytes) -> str:
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


@pytest.mark.parametrize("cursor", ["é", "%%%", "a", encoded(b"\xff\xfe"), encoded(b"a\0b")])
def test_a_cursor_that_was_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(EdgeRefusal) as refused:
        place_of(cursor)

    assert (refused.value.status, [f.pointer for f in refused.value.faults]) == (422, ["?cursor"])


def test_a_cursor_of_another_list_is_refused() -> None:
    assert converted(encoded(str(UUID(int=1)).encode()), UUID) == UUID(int=1)
    assert converted(None, UUID) is None
    for to in (UUID, int):
        with pytest.raises(EdgeRefusal):
            converted(encoded(b"a code"), to)
