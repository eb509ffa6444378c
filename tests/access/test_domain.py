"""Keys, scopes, and who acts for whom."""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from creditbank.access.domain import Actor, KeyRecord, PrintedKey, Standing, hash_secret

NOW = datetime(2025, 3, 1, tzinfo=UTC)
ACTOR = Actor(UUID(int=1), "cq/school", frozenset({"rules:read"}), "provider")


def test_a_printed_key_is_read_back() -> None:
    key = PrintedKey.make(secrets.choice)

    assert PrintedKey.parse(str(key)) == key
    assert str(key).startswith(f"cb_live_{key.id}_{key.secret}")
    assert len({str(PrintedKey.make(secrets.choice)) for _ in range(100)}) == 100


def test_a_slip_in_any_letter_is_seen_without_asking_the_database() -> None:
    printed = str(PrintedKey.make(secrets.choice))
    slips = [printed[:i] + ("a" if letter != "a" else "b") + printed[i + 1 :] for i, letter in enumerate(printed)]

    assert [slip for slip in slips if PrintedKey.parse(slip)] == []


def test_a_test_key_is_never_taken_for_a_live_one() -> None:
    printed = str(PrintedKey.make(secrets.choice, is_test=True))

    assert printed.startswith("cb_test_")
    read = PrintedKey.parse(printed)
    assert read is not None
    assert read.is_test
    # The checksum is over the prefix too.
    assert PrintedKey.parse(printed.replace("cb_test_", "cb_live_")) is None


NO_KEYS = [
    "",
    "cb_live_",
    "Bearer",
    "x" * 76,
    "cb_live_é" + "0" * 68,
    "cb_live_" + "0" * 12 + "_" + "0" * 50 + "000000",
]


@pytest.mark.parametrize("text", [*NO_KEYS, " ".join(NO_KEYS)])
def test_what_is_no_key(text: str) -> None:
    assert PrintedKey.parse(text) is None


def test_a_longer_secret_with_a_right_checksum_is_no_key() -> None:
    assert PrintedKey.parse(str(PrintedKey("0" * 12, "0" * 51))) is None
    assert PrintedKey.parse(str(PrintedKey("0" * 11, "0" * 50))) is None


ADMITTED = {
    "a good key": ("right", None, None, True),
    "a wrong secret": ("wrong", None, None, False),
    "revoked": ("right", None, NOW, False),
    "expired": ("right", NOW, None, False),
    "not yet expired": ("right", NOW + timedelta(microseconds=1), None, True),
}


@pytest.mark.parametrize(("secret", "expires", "revoked", "expected"), ADMITTED.values(), ids=ADMITTED)
def test_a_key_admits(secret: str, expires: datetime | None, revoked: datetime | None, expected: bool) -> None:
    record = KeyRecord("k", hash_secret("right"), expires, revoked, Standing(ACTOR))

    assert record.admits(secret, NOW) is expected


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    KeyRecord("k", hash_secret("right"), None, NOW, Standing(ACTOR)).admits("wrong", NOW)

    assert compared == [(hash_secret("wrong"), hash_secret("right"))]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("cq/school", True), ("cq/school/annex", True), ("cq", False), ("cq/schools", False), ("cq/other", False)],
)
def test_a_provider_acts_for_itself_and_those_under_it(code: str, expected: bool) -> None:
    assert ACTOR.acts_for(code) is expected
    assert Actor(UUID(int=1), None, frozenset(), "signed").acts_for(code)
