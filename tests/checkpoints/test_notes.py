"""Signed notes: the published form, and that nothing else passes for one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from creditbank.checkpoints.domain import EMPTY_ROOT
from creditbank.checkpoints.notes import NoteMalformed, Signer, VerifierKey, keys_of, read_note, signer_of
from tests.bank import settings_for
from tests.checkpoints.conftest import ORIGIN, SEED, signing_settings

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SIGNER = Signer(ORIGIN, SEED)

# The example of the C2SP signed-note page: other software made it.
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_other_software_signed_is_verified() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)

    assert str(key) == EXAMPLE_KEY
    assert key.has_signed(EXAMPLE)
    assert not key.has_signed(EXAMPLE.replace("answer", "question"))


def test_a_checkpoint_says_its_lines_and_is_read_back() -> None:
    made = SIGNER.sign(0, EMPTY_ROOT, NOW)

    text, _, signature = made.note.partition("\n\n")
    assert text.split("\n") == [
        "bank.test/log",
        "0",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "time 2026-03-01T04:00:00.000000Z",
    ]
    assert signature.startswith("— bank.test/log ")
    assert signature.endswith("\n")
    assert read_note(made.note) == made
    assert SIGNER.key.has_signed(made.note)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bank.test/log\n5", "bank.test/log\n6"),
        ("bank.test/log\n5", "bank.other/log\n5"),
        ("T04:00", "T05:00"),
        ("\n\n", "\n"),
        ("— ", "- "),
        ("— bank.test/log", "— bank.other/log"),
    ],
)
def test_a_note_that_was_changed_is_not_signed(old: str, new: str) -> None:
    note = SIGNER.sign(5, bytes(32), NOW).note
    assert old in note

    assert not SIGNER.key.has_signed(note.replace(old, new))


def test_every_bit_of_a_signature_counts() -> None:
    note = SIGNER.sign(5, bytes(32), NOW).note
    head, _, encoded = note.rstrip("\n").rpartition(" ")
    raw = base64.b64decode(encoded)
    for bit in range(len(raw) * 8):
        other = (int.from_bytes(raw, "big") ^ (1 << bit)).to_bytes(len(raw), "big")
        assert not SIGNER.key.has_signed(f"{head} {base64.b64encode(other).decode()}\n")


def test_further_signatures_do_not_hide_the_banks_own() -> None:
    note = SIGNER.sign(5, bytes(32), NOW).note
    head, _, own = note.partition("— ")

    assert SIGNER.key.has_signed(f"{head}— witness.test AAAAAAAA\n— x &&&\nnonsense\n— {own}")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "bank\n1\n\n",
        "bank\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 2026-03-01T04:00:00Z\n\n— x y\n",
        "bank\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 2026-03-01T04:00:00Z\n\n— x y\n",
        "bank\n1\n47DE\ntime 2026-03-01T04:00:00Z\n\n— x y\n",
        "bank\n1\n&\ntime 2026-03-01T04:00:00Z\n\n— x y\n",
        "bank\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime soon\n\n— x y\n",
        "bank\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nnow\n\n— x y\n",
        "bank\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 2026-03-01T04:00:00Z\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(NoteMalformed):
        read_note(note)


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+00000000+AAAA", EXAMPLE_KEY.replace("c74f", "c74e"), "a+b+&"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        VerifierKey.parse(text)


def test_keys_come_from_the_settings_the_one_in_use_first() -> None:
    former = str(Signer(ORIGIN, b"f" * 32).key)

    keys = keys_of(signing_settings("sqlite+aiosqlite:///x", checkpoint_former_keys=f"{former} {EXAMPLE_KEY}"))

    assert [str(key) for key in keys] == [str(SIGNER.key), former, EXAMPLE_KEY]
    assert signer_of(settings_for("sqlite+aiosqlite:///x")) is None
    assert keys_of(settings_for("sqlite+aiosqlite:///x")) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("checkpoint_key", "c2hvcnQ="),
        ("checkpoint_key", "&"),
        ("checkpoint_origin", "a b"),
        ("checkpoint_origin", "a+b"),
        ("checkpoint_minutes", 0),
    ],
)
def test_settings_that_cannot_be_used_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        settings_for("sqlite+aiosqlite:///x", **{name: value})
