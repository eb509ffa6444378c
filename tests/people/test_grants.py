"""A role that somebody gives is held once: taking it back takes it, whoever gave it at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy.exc import IntegrityError

from creditbank.database.engine import Database
from creditbank.people import actions as people
from creditbank.people import queries
from creditbank.people.domain import Grant, NewGrant, Place, RoleHeld
from creditbank.people.tables import user_roles
from creditbank.sealing import Vault
from tests.bank import SCHOOL, SECRETS, Bank, HandClock

AT_ONCE = 8
AUDITOR, STAFF = NewGrant("auditor", Place()), NewGrant("provider_staff", Place(SCHOOL))


@dataclass
class Desk:
    """A bank with one person, and as many connections as there are givers."""

    database: Database
    clock: HandClock
    user_id: UUID

    async def give(self, new: NewGrant, by: str = "operator:root") -> UUID | None:
        """Give the role; None when it is held already."""
        try:
            async with self.database.write() as connection:
                return await people.grant(connection, self.user_id, new, None, by, self.clock())
        except RoleHeld:
            return None

    async def held(self) -> list[Grant]:
        async with self.database.read() as connection:
            every = (await queries.grants_of(connection, [self.user_id]))[self.user_id]
        return [one for one in every if one.revoked_at is None]


@pytest_asyncio.fixture
async def desk(bank: Bank) -> AsyncIterator[Desk]:
    database, clock = Database(bank.url, pool_size=AT_ONCE), HandClock()
    async with database.write() as connection:
        user_id = await people.enter(connection, Vault(*SECRETS), people.NewUser("li", "Li"), "test:", clock())
    await asyncio.gather(*[database.ping() for _ in range(AT_ONCE)])
    yield Desk(database, clock, user_id)
    await database.close()


@pytest.mark.parametrize("new", [AUDITOR, STAFF], ids=["for the bank", "for a provider"])
async def test_of_many_who_give_a_role_at_once_one_gives_it(desk: Desk, new: NewGrant) -> None:
    given = await asyncio.gather(*[desk.give(new, f"operator:{n}") for n in range(AT_ONCE)])
    assert len([one for one in given if one is not None]) == 1
    (held,) = await desk.held()
    async with desk.database.write() as connection:
        await people.revoke(connection, desk.user_id, held.id, None, "operator:root", desk.clock())
    assert await desk.held() == []
    assert await desk.give(new) is not None


async def test_what_comes_and_goes_by_itself_stands_beside_it(desk: Desk) -> None:
    for by in ("operator:root", "issuer:campus", "guardianship:1", "guardianship:2"):
        assert await desk.give(STAFF, by) is not None
    assert await desk.give(NewGrant("provider_staff", Place("cq"))) is not None
    assert await desk.give(NewGrant("assessor", Place(SCHOOL))) is not None
    assert await desk.give(STAFF, "user:x") is None


async def test_a_role_that_ran_out_is_given_again(desk: Desk) -> None:
    until: datetime = desk.clock() + timedelta(days=1)
    assert await desk.give(NewGrant("auditor", Place(), until)) is not None
    assert await desk.give(AUDITOR) is None
    desk.clock.turn(days=2)
    again = await desk.give(AUDITOR)
    assert [one.id for one in await desk.held()] == [again]


@pytest.mark.parametrize("new", [AUDITOR, STAFF], ids=["for the bank", "for a provider"])
async def test_the_database_itself_holds_it(desk: Desk, new: NewGrant) -> None:
    await desk.give(new)
    (held,) = await desk.held()
    row = {"user_id": desk.user_id, "role": new.role, "provider": new.place.provider, "learner_id": None}
    twice = user_roles.insert().values(id=UUID(int=7), **row, granted_by="user:x", granted_at=held.granted_at)
    with pytest.raises(IntegrityError):
        async with desk.database.write() as connection:
            await connection.execute(twice)
