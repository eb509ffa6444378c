"""Every setting has a row in docs/settings.md with its default, and nothing else has."""

from __future__ import annotations

from pydantic import SecretStr

from creditbank.settings import Settings
from tests.architecture.pages import DOCS, rows


def _written(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_page_has_a_row_for_every_setting_with_its_default() -> None:
    shown = [(name, default) for name, default, _, _ in rows(DOCS / "settings.md")]
    assert shown == [
        (f"CREDITBANK_{name.upper()}", _written(field.default)) for name, field in Settings.model_fields.items()
    ]


def test_every_row_says_what_the_setting_may_be_and_does() -> None:
    assert all(may_be and what.endswith(".") for _, _, may_be, what in rows(DOCS / "settings.md"))


def test_every_setting_describes_itself() -> None:
    assert all(field.description for field in Settings.model_fields.values())
