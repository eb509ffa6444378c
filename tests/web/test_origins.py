"""What a browser sends at the bidding of a page is told from what the bank's own page sends.

The cases of Go's `http.CrossOriginProtection` (net/http/csrf_test.go), but that who names no origin at all is refused.
"""

from __future__ import annotations

import pytest

from creditbank.web.origins import is_cross_origin

OWN = "https://bank.example"


@pytest.mark.parametrize(
    ("method", "site", "origin", "refused"),
    [
        ("POST", "same-origin", None, False),
        ("POST", "none", None, False),
        ("POST", "cross-site", None, True),
        ("POST", "same-site", None, True),
        ("POST", "", None, True),
        ("POST", "same-origin", "https://attacker.example", False),
        ("POST", "cross-site", OWN, True),
        ("POST", None, None, True),
        ("POST", None, OWN, False),
        ("POST", None, "https://attacker.example", True),
        ("POST", None, "http://bank.example", True),
        ("POST", None, "https://bank.example:8443", True),
        ("POST", None, "https://bank.example.attacker.example", True),
        ("POST", None, "null", True),
        ("GET", "cross-site", "https://attacker.example", False),
        ("HEAD", "cross-site", None, False),
        ("OPTIONS", "cross-site", None, False),
        ("PUT", "cross-site", None, True),
        ("PUT", "same-origin", None, False),
        ("DELETE", None, None, True),
        ("PATCH", "same-site", OWN, True),
        ("get", "cross-site", None, True),
    ],
)
def test_a_request_is_held_to_where_it_came_from(
    method: str, site: str | None, origin: str | None, refused: bool
) -> None:
    given = {"sec-fetch-site": site, "origin": origin}
    headers = {name: value for name, value in given.items() if value is not None}

    assert is_cross_origin(method, headers, OWN) is refused
