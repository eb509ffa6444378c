"""Passwords: how they are kept, how long that takes whoever asks, and which are too easily guessed."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from creditbank.people.domain import PasswordLength, PasswordObvious

LENGTH_MAX: Final = 200
# What is longer is not looked at: the estimate grows with the square of the length.
_LOOKED_AT: Final = 64
# "Safely unguessable: moderate protection from an offline slow-hash scenario", in the estimator's words.
_SCORE_MIN: Final = 3
# Digits and signs that stand for letters. The estimator tries every way to read them, and takes seconds for so many
# different ones; nobody guesses such a password first.
_SIGNS: Final = frozenset("4@8({[<369&61!|0$5+7%2")
_SIGNS_MANY: Final = 12
# A shorter word of the person's own may stand in any password by chance.
_WORD_MIN: Final = 5
_LOCAL_WORDS: Final = ("creditbank", "learning", "xuefenyinhang", "xuefen", "mima", "woaini")
# Each verification takes 64 MiB and a core: more at once would only make all of them wait.
_AT_ONCE: Final = 2


def _plain(password: str) -> str:
    """One way to write what looks the same, so that another keyboard's accents do not lock anybody out."""
    return unicodedata.normalize("NFKC", password)


def check_strength(password: str, length_min: int, about: Iterable[str] = ()) -> None:
    """Hold a new password to its length and refuse what is guessed first, such as words of the person's own.

    Raises PasswordLength, PasswordObvious.
    """
    plain = _plain(password)
    if not length_min <= len(plain) <= LENGTH_MAX:
        raise PasswordLength(length_min=length_min)
    words = [word for text in about for word in (text, *text.replace("@", " ").replace(".", " ").split())]
    if any(len(word) >= _WORD_MIN and word.casefold() in plain.casefold() for word in words):
        raise PasswordObvious
    if len(_SIGNS.intersection(plain)) >= _SIGNS_MANY:
        return
    if zxcvbn(plain[:_LOOKED_AT], user_inputs=[*words, *_LOCAL_WORDS])["score"] < _SCORE_MIN:
        raise PasswordObvious


class Passwords:
    """Hashes and verifies with Argon2id in threads, few at a time. An unknown login costs what a known one costs."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, _plain(password))

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one that was stored; without one it is wrong, after as much work."""
        async with self._turns:
            matches = await asyncio.to_thread(self._matches, stored, _plain(password))
        return matches and stored is not None

    @cached_property
    def _nobody(self) -> str:
        """What an unknown login is compared with. Made when it is first needed: most starts need none."""
        return self._hasher.hash(secrets.token_urlsafe())

    def _matches(self, stored: str | None, password: str) -> bool:
        nobody = self._nobody
        try:
            return self._hasher.verify(stored or nobody, password)
        except (VerificationError, InvalidHashError):
            return False
