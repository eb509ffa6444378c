"""Passwords: which are taken, and that the wrong and the unknown cost the same."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from creditbank.people.domain import PasswordLength, PasswordObvious
from creditbank.people.passwords import Passwords, check_strength

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("short", PasswordLength),
        ("x" * 201, PasswordLength),
        ("aaaaaaaaaaaaaa", PasswordObvious),
        ("123456789012", PasswordObvious),
        ("abcabcabcabc", PasswordObvious),
        ("qwertyuiop[]", PasswordObvious),
        ("passwordpassword", PasswordObvious),
        ("wangfang2025", PasswordObvious),
        ("wangfang@bank.example wangfang", PasswordObvious),
        ("creditbank123", PasswordObvious),
        ("seven plum-rain bridges", None),
        ("k3Vq9-xTm2e-Lw8pd", None),
        # Minutes of work for the estimator, if it were asked.
        ("4@8({[<36&961!|1l0$5+7%2" * 2, None),
        ("雨后七座桥与一只猫的旧毛衣", None),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, refusal: type[Exception] | None) -> None:
    about = ("wangfang@bank.example", "Wang Fang")
    if refusal is None:
        check_strength(password, 12, about)
    else:
        with pytest.raises(refusal):
            check_strength(password, 12, about)


async def test_only_the_right_one_is_right_however_it_is_typed() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("Café au lait, s’il vous plaît")

    assert stored.startswith("$argon2id$")
    assert await passwords.is_right(stored, "Cafe\u0301 au lait, s’il vous plai\u0302t")
    assert not await passwords.is_right(stored, "cafe au lait")
    assert not await passwords.is_right(None, "")
    assert not await passwords.is_right("no hash at all", "")


async def test_an_unknown_login_costs_a_hash_as_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("seven plum-rain bridges")
    verified: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, hash_: str, password: str) -> bool:
        verified.append(hash_.rpartition("$")[0].rpartition("$")[0])
        return real(self, hash_, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    await passwords.is_right(stored, "wrong")
    await passwords.is_right(None, "wrong")

    # The same algorithm with the same cost, once each.
    assert len(verified) == 2
    assert len(set(verified)) == 1
