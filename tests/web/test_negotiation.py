"""Which form of an answer, and which language, a caller wants most (RFC 9110 section 12.5)."""

from __future__ import annotations

import pytest

from creditbank.web.negotiation import best_of
from creditbank.web.sentences import negotiate

FORMS = ("application/json", "text/html")

WANTED = [
    (None, "application/json"),
    ("", "application/json"),
    ("*/*", "application/json"),
    ("text/html", "text/html"),
    ("TEXT/HTML", "text/html"),
    ("text/*", "text/html"),
    ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
    ("text/html;q=0.5, application/json", "application/json"),
    ("application/json;q=0.2, text/html;q=0.3", "text/html"),
    ("application/json;q=0, */*", "text/html"),
    ("text/html;q=0, text/*", None),
    ("application/pdf", None),
    ("*/*;q=0", None),
    ("text/html;q=nonsense", None),
    ("text/html;q=9, application/json", "application/json"),
    (";;;,,,", None),
]


@pytest.mark.parametrize(("accept", "form"), WANTED)
def test_the_form_wanted_most(accept: str | None, form: str | None) -> None:
    assert best_of(accept, FORMS) == form


LANGUAGES = [
    (None, "en"),
    ("", "en"),
    ("zh", "zh-Hans"),
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
    ("zh-Hans-CN", "zh-Hans"),
    ("en;q=0.3, zh;q=0.7", "zh-Hans"),
    ("en-GB, zh;q=0.5", "en"),
    ("fr, zh;q=0.1", "zh-Hans"),
    ("fr", "en"),
    ("zh;q=0", "en"),
    ("zh;q=abc", "en"),
    (",;,", "en"),
    ("x" * 10_000, "en"),
]


@pytest.mark.parametrize(("accept_language", "language"), LANGUAGES)
def test_the_language_wanted_most(accept_language: str | None, language: str) -> None:
    assert negotiate(accept_language) == language
