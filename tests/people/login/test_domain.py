"""Whither one goes after signing in, and when one last proved who one is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditbank.people.login.domain import local_path, proven_at

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
RECENT = timedelta(minutes=10)


@pytest.mark.parametrize("path", ["/", "/login", "/v1/learners/1?known=x#y", "/a//b", "/%2F%2Fattacker.example"])
def test_a_path_of_the_bank_is_gone_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "elsewhere",
    [
        None,
        "",
        "https://attacker.example/",
        "//attacker.example",
        "/\\attacker.example",
        "\\\\attacker.example",
        "/\t/attacker.example",
        "/a\r\nSet-Cookie: x=y",
        " //attacker.example",
        "javascript:alert(1)",
        "login",
        "/a\\b",
        "/\x00",
        "/" + "a" * 600,
    ],
)
def test_elsewhere_is_not_gone_to(elsewhere: str | None) -> None:
    assert local_path(elsewhere) == "/login"


@given(st.text())
def test_no_text_leads_away(text: str) -> None:
    path = local_path(text)
    assert path[0] == "/"
    assert path[1:2] not in {"/", "\\"}
    assert path.isascii()
    assert path.isprintable()


@pytest.mark.parametrize(
    ("said", "forced", "proven"),
    [
        (int(NOW.timestamp()) - 60, False, NOW - timedelta(seconds=60)),
        (int(NOW.timestamp()) - 86_400, True, NOW - timedelta(days=1)),
        (int(NOW.timestamp()) - 10, True, NOW - timedelta(seconds=10)),
        (int(NOW.timestamp()) - 90, True, NOW - timedelta(seconds=90)),
        (int(NOW.timestamp()) - 91, True, NOW - RECENT),
        (int(NOW.timestamp()) + 999, False, NOW),
        (None, True, NOW - RECENT),
        (None, False, NOW - RECENT),
        ("yesterday", False, NOW - RECENT),
        (True, False, NOW - RECENT),
        (-5, False, NOW - RECENT),
        (2**70, False, NOW - RECENT),
    ],
)
def test_who_signed_in_elsewhere_long_ago_has_not_proven_who_they_are_now(
    said: object, forced: bool, proven: datetime
) -> None:
    begun = NOW - timedelta(seconds=30) if forced else None
    assert proven_at(said, NOW, forced_at=begun, recent=RECENT) == proven
