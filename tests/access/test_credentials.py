"""From a printed key to an actor: what is asked of the database, how long a verdict lasts, what is written down."""

from __future__ import annotations

import hmac
import secrets

import pytest

from creditbank.access.actions import NewClient, add_key, create_client, revoke_key
from creditbank.access.credentials import Credentials
from creditbank.access.domain import PrintedKey, UnknownScope
from tests.bank import Bank

NEW = NewClient("desk", "cq/school", ("rules:read", "ledger:read"), "verified")


async def let_in(bank: Bank, new: NewClient = NEW) -> PrintedKey:
    async with bank.database.write() as connection:
        _, key = await create_client(connection, new, bank.clock())
    return key


async def test_a_key_leads_to_its_client(bank: Bank) -> None:
    key = await let_in(bank)

    actor = await Credentials(bank.database, bank.clock, 30).actor(str(key))

    assert actor is not None
    assert (actor.provider, actor.assurance) == ("cq/school", "verified")
    assert actor.scopes == {"rules:read", "ledger:read"}


async def test_who_has_another_secret_or_no_key_is_not_let_in(bank: Bank) -> None:
    key = await let_in(bank)
    credentials = Credentials(bank.database, bank.clock, 30)

    for printed in (str(PrintedKey(key.id, "0" * 50)), str(PrintedKey.make(secrets.choice)), "", str(key) + "x"):
        assert await credentials.actor(printed) is None
    assert await credentials.actor(str(key)) is not None


async def test_an_unknown_key_costs_as_much_comparing_as_a_known_one(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await let_in(bank)
    credentials = Credentials(bank.database, bank.clock, 30)
    compared: list[int] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)

    await credentials.actor(str(PrintedKey(key.id, "0" * 50)))
    await credentials.actor(str(PrintedKey.make(secrets.choice)))

    assert compared == [32, 32]


async def test_a_revoked_key_is_honoured_no_longer_than_the_cache_lasts(bank: Bank) -> None:
    key = await let_in(bank)
    caching, asking = (Credentials(bank.database, bank.clock, seconds) for seconds in (30, 0))
    assert await caching.actor(str(key)) is not None
    async with bank.database.write() as connection:
        assert await revoke_key(connection, key.id, bank.clock())
        assert not await revoke_key(connection, key.id, bank.clock())

    assert await asking.actor(str(key)) is None
    bank.clock.turn(seconds=29)
    assert await caching.actor(str(key)) is not None
    bank.clock.turn(seconds=2)
    assert await caching.actor(str(key)) is None


async def test_two_keys_of_a_client_live_side_by_side(bank: Bank) -> None:
    async with bank.database.write() as connection:
        client, old = await create_client(connection, NEW, bank.clock())
        new = await add_key(connection, client, bank.clock())
    credentials = Credentials(bank.database, bank.clock, 30)

    actors = [await credentials.actor(str(key)) for key in (old, new)]

    assert actors[0] == actors[1] is not None
    subjects = {row.subject for row in await bank.sql("select subject from audit_events where action = 'key.create'")}
    assert subjects == {f"key:{old.id}", f"key:{new.id}"}


async def test_a_scope_that_is_none_lets_nobody_in(bank: Bank) -> None:
    with pytest.raises(UnknownScope):
        await let_in(bank, NewClient("x", None, ("rules:read", "rules:everything"), "provider"))

    assert await bank.count("api_clients") == 0
