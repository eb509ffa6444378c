"""What is sealed opens with the learner's key, in its place, and in no other way."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from creditbank.sealing import LearnerKey, SealBroken, Vault

LEARNER, OTHER = UUID(int=1), UUID(int=2)
PLACE = b"learners.profile"
PLAIN = "欧阳娜娜, 13800138000".encode()


def vault(sealing: bytes = b"s" * 32, lookup: bytes = b"l" * 32) -> Vault:
    return Vault(sealing, lookup)


def test_what_was_sealed_is_opened() -> None:
    key, wrapped = vault().new_key(LEARNER)
    sealed = key.seal(PLAIN, PLACE)

    # In another process the key comes from its wrapped form.
    assert vault().unwrap(LEARNER, wrapped).open(sealed, PLACE) == PLAIN
    assert PLAIN not in sealed


def test_the_same_text_is_never_sealed_alike() -> None:
    key, _ = vault().new_key(LEARNER)

    assert len({key.seal(PLAIN, PLACE) for _ in range(100)}) == 100


def flipped(sealed: bytes, at: int) -> bytes:
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


BREAKS: dict[str, Callable[[LearnerKey, bytes], object]] = {
    "in another place": lambda key, sealed: key.open(sealed, b"achievement_versions.content"),
    "with another key": lambda _, sealed: vault().new_key(LEARNER)[0].open(sealed, PLACE),
    "of another format": lambda key, sealed: key.open(flipped(sealed, 0), PLACE),
    "with a bit of the nonce changed": lambda key, sealed: key.open(flipped(sealed, 1), PLACE),
    "with a bit of the text changed": lambda key, sealed: key.open(flipped(sealed, 14), PLACE),
    "with a bit of the tag changed": lambda key, sealed: key.open(flipped(sealed, len(sealed) - 1), PLACE),
    "cut short": lambda key, sealed: key.open(sealed[:-1], PLACE),
    "with nothing left": lambda key, _: key.open(b"", PLACE),
    "with a format and nothing more": lambda key, _: key.open(b"\x01", PLACE),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_nothing_opens(broken: Callable[[LearnerKey, bytes], object]) -> None:
    key, _ = vault().new_key(LEARNER)

    with pytest.raises(SealBroken):
        broken(key, key.seal(PLAIN, PLACE))


def test_a_wrapped_key_is_of_one_learner_and_one_secret() -> None:
    _, wrapped = vault().new_key(LEARNER)

    for bank, learner, stored in (
        (vault(), OTHER, wrapped),
        (vault(sealing=b"x" * 32), LEARNER, wrapped),
        (vault(), LEARNER, flipped(wrapped, 0)),
        (vault(), LEARNER, flipped(wrapped, 20)),
        (vault(), LEARNER, b"\x01"),
    ):
        with pytest.raises(SealBroken):
            bank.unwrap(learner, stored)


def test_a_mark_tells_equal_texts_of_one_learner_and_nothing_of_two() -> None:
    mine, theirs = vault().new_key(LEARNER)[0], vault().new_key(OTHER)[0]

    assert mine.mark(PLAIN) == mine.mark(PLAIN) != mine.mark(PLAIN + b"!")
    assert mine.mark(PLAIN) != theirs.mark(PLAIN)
    assert len(mine.mark(PLAIN)) == 16


def test_a_look_up_key_depends_on_the_secret_and_on_every_part() -> None:
    keys = [
        vault().lookup_key("phone", "", "138"),
        vault().lookup_key("phone", "138", ""),
        vault().lookup_key("phone", "1", "38"),
        vault().lookup_key("passport", "", "138"),
        vault().lookup_key("phone", "", "139"),
        vault(lookup=b"x" * 32).lookup_key("phone", "", "138"),
    ]

    assert len(set(keys)) == len(keys)
    assert vault(sealing=b"x" * 32).lookup_key("phone", "", "138") == keys[0]
