"""Passwords and codes are guessed no oftener than the limit, however many guess at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from sqlalchemy import Engine, event

from creditbank.access.domain import SYSTEM
from creditbank.activations.actions import check, issue
from creditbank.activations.domain import WRONG_MAX, Issued, Proof
from creditbank.database.engine import Database
from creditbank.identifiers import code_of
from creditbank.learners.actions import Opened, open_accounts
from creditbank.learners.domain import Application, NumberForm, Profile
from creditbank.people import actions as people
from creditbank.people.domain import LoginRefused, TooManyAttempts
from creditbank.people.login.proving import prove
from creditbank.people.passwords import Passwords
from creditbank.sealing import Vault
from tests.bank import SECRETS, HandClock

LOGIN, PASSWORD = "li@town", "seven plum-rain bridges"
AT_ONCE = 16
PER_LOGIN, PER_ADDRESS = 10, 100


class Counting(Passwords):
    """Passwords that count how many were compared."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.compared = 0

    async def is_right(self, stored: str | None, password: str) -> bool:
        self.compared += 1
        return await super().is_right(stored, password)


@dataclass
class Door:
    """A bank with one person, and as many connections as there are guesses."""

    database: Database
    passwords: Counting
    clock: HandClock
    vault: Vault

    async def guess(self, login: str = LOGIN, address: str = "192.0.2.1") -> type[Exception]:
        """Guess once; answers what was refused."""
        with pytest.raises((LoginRefused, TooManyAttempts)) as refused:
            await prove(self.database, self.vault, self.passwords, self.clock, login, "wrong", address)
        return refused.type


@pytest_asyncio.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    made = Door(Database(database_url, pool_size=AT_ONCE), Counting(), HandClock(), Vault(*SECRETS))
    async with made.database.write() as connection:
        stored = await made.passwords.hash(PASSWORD)
        user_id = await people.enter(connection, made.vault, people.NewUser(LOGIN, "Li"), "test:", made.clock())
        await people.set_password(connection, user_id, stored, "test:", made.clock())
    # Every connection is open before anybody guesses, so that the guesses meet.
    await asyncio.gather(*[made.database.ping() for _ in range(AT_ONCE)])
    yield made
    await made.database.close()


async def test_what_is_refused_costs_as_much_whether_there_is_such_a_login_or_not(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door.database.write() as connection:
        for login, password in (("elsewhere@town", None), ("closed@town", await door.passwords.hash("closed"))):
            new = people.NewUser(login, "Somebody", password)
            user_id = await people.enter(connection, door.vault, new, "test:", door.clock())
            if login == "closed@town":
                await people.close(connection, user_id, "test:", door.clock())
    done: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, stored: str, password: str) -> bool:
        # All but the salt and the hash: the algorithm and what it costs.
        done.append("$".join(stored.split("$")[:4]))
        return real(self, stored, password)

    def note(_: object, __: object, statement: str, *rest: object) -> None:
        done.append(statement)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    event.listen(Engine, "before_cursor_execute", note)
    costs = []
    try:
        for login in (LOGIN, "nobody@town", "elsewhere@town", "closed@town"):
            assert await door.guess(login) is LoginRefused
            costs.append(list(done))
            done.clear()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sum("$argon2id$" in step for step in costs[0]) == 1
    assert sum("INSERT INTO audit_events" in step for step in costs[0]) == 1
    assert costs == [costs[0]] * 4


async def test_of_many_guesses_at_once_no_more_than_the_limit_are_compared(door: Door) -> None:
    refused = await asyncio.gather(*[door.guess(address=f"192.0.2.{n}") for n in range(AT_ONCE)])
    assert door.passwords.compared == PER_LOGIN
    assert refused.count(TooManyAttempts) == AT_ONCE - PER_LOGIN


async def test_nor_of_many_logins_from_one_address(door: Door) -> None:
    async with door.database.write() as connection:
        for number in range(PER_ADDRESS - 4):
            await people.note_attempt(connection, door.vault, f"login-{number}", "192.0.2.1", door.clock())
    refused = await asyncio.gather(*[door.guess(f"other-{n}") for n in range(AT_ONCE)])
    assert door.passwords.compared == 4
    assert refused.count(TooManyAttempts) == AT_ONCE - 4


async def test_nor_of_what_goes_with_a_code(door: Door) -> None:
    database, vault, now = door.database, door.vault, door.clock()
    async with database.write() as connection:
        applied = Application("Sun Wukong", date(2001, 2, 3), None, (), None)
        (opened,) = await open_accounts(connection, vault, NumberForm("CQ", 9), [applied], now)
        assert isinstance(opened, Opened)
        ids, lasting = [opened.learner.id], timedelta(days=90)
        (issued,) = await issue(connection, vault, ids, lambda _: True, SYSTEM, now, lasting, now.date())
    assert isinstance(issued, Issued)
    code = code_of(issued.code)
    learner_id = issued.learner_id
    asked: list[UUID] = []

    class Guess(Proof):
        def fits(self, profile: Profile) -> bool:
            asked.append(learner_id)
            return False

    async def guess() -> None:
        async with database.write() as connection:
            assert await check(connection, vault, code or "", Guess(), now) is None

    await asyncio.gather(*[guess() for _ in range(AT_ONCE)])
    assert len(asked) == WRONG_MAX
