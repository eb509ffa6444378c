"""A result that is posted while two accounts are merged, or made two again, lands in exactly one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.tables import achievement_keys, achievement_versions
from creditbank.intake.actions import Outcome, Recorded, submit
from creditbank.intake.domain import TryAgain
from creditbank.learners.domain import Identity
from creditbank.merges import actions
from tests.api.test_merges import facts, merge, train
from tests.api.world import opened as served
from tests.bank import Bank, document, opened, submission
from tests.conftest import chosen_engines
from tests.conversions.desk import CERTIFICATE, let_in, only, post, verified
from tests.intake.test_locks import until_waiting

pytestmark = pytest.mark.skipif(
    "postgresql" not in chosen_engines(), reason="SQLite has one writer: there is nothing to race for"
)

PHONE = Identity("phone", "13800138007")


@dataclass
class Pair:
    """Somebody's two accounts; the one that goes is found by a telephone."""

    bank: Bank
    stays: UUID
    goes: UUID

    async def propose(self) -> UUID:
        async with self.bank.database.write() as connection:
            made = await actions.propose(connection, self.bank.desk, self.stays, self.goes, "document_seen", "user:one")
        return made.id

    async def propose_undoing(self, merge_id: UUID) -> None:
        async with self.bank.database.write() as connection:
            await actions.propose_undoing(
                connection, self.bank.desk, self.stays, merge_id, "different_people", "user:one"
            )

    async def approve(self, connection: AsyncConnection, merge_id: UUID) -> None:
        await actions.decide(connection, self.bank.desk, self.stays, merge_id, approves=True, approver="user:two")

    async def hold(self, merge_id: UUID, external_id: str, whom: UUID | Identity) -> Sequence[Outcome] | BaseException:
        """Approve what is proposed, while a result that names somebody waits for the accounts; answers what came."""
        async with self.bank.database.write() as connection:
            await self.approve(connection, merge_id)
            coming = asyncio.create_task(self.bank.submit(submission(whom, external_id)))
            await until_waiting(self.bank, 1)
        (came,) = await asyncio.gather(coming, return_exceptions=True)
        return came

    async def places(self, external_id: str) -> tuple[list[UUID], list[UUID]]:
        """The accounts at which a result holds, and those to which its key leads."""
        (recorded,) = await self.bank.submit(submission(self.goes, external_id))
        assert isinstance(recorded, Recorded)
        async with self.bank.database.read() as connection:
            led = select(achievement_keys.c.learner_id).where(
                achievement_keys.c.achievement_id == recorded.achievement.id
            )
            rows = await connection.execute(
                select(achievement_versions.c.learner_id, achievement_versions.c.status)
                .where(achievement_versions.c.achievement_id == recorded.achievement.id)
                .order_by(achievement_versions.c.number)
            )
            latest = {learner: status for learner, status in rows}
            holding = [learner for learner, status in latest.items() if status == "valid"]
            return holding, list((await connection.execute(led)).scalars())


@pytest_asyncio.fixture
async def pair(postgresql_url: str) -> AsyncIterator[Pair]:
    async with opened(postgresql_url) as bank:
        await bank.publish(document())
        (stays,) = await bank.open("Li Wei")
        (first,) = await bank.submit(submission(PHONE, "E0"))
        assert isinstance(first, Recorded)
        yield Pair(bank, stays, first.achievement.learner_id)
        await bank.work()
        assert await bank.verify() == []


NAMED: dict[str, Callable[[Pair], UUID | Identity]] = {
    "by id": lambda pair: pair.goes,
    "by an identity": lambda _: PHONE,
}


@pytest.mark.parametrize("way", NAMED)
async def test_named_while_it_is_made_two_again_it_lands_where_it_was_named(way: str, pair: Pair) -> None:
    merge_id = await pair.propose()
    async with pair.bank.database.write() as connection:
        await pair.approve(connection, merge_id)
    await pair.bank.work()
    await pair.propose_undoing(merge_id)
    came = await pair.hold(merge_id, "E1", NAMED[way](pair))
    assert isinstance(came, TryAgain), came
    # The undoing may be long over when it is posted again, as whoever was told to does.
    await pair.bank.work()
    (recorded,) = await pair.bank.submit(submission(NAMED[way](pair), "E1"))
    assert isinstance(recorded, Recorded)
    assert await pair.places("E1") == ([pair.goes], [pair.goes])
    assert await pair.places("E0") == ([pair.goes], [pair.goes])


@pytest.mark.parametrize("way", NAMED)
async def test_named_while_it_is_merged_it_lands_at_the_account_that_stays(way: str, pair: Pair) -> None:
    merge_id = await pair.propose()
    came = await pair.hold(merge_id, "E1", NAMED[way](pair))
    assert isinstance(came, TryAgain), came
    (recorded,) = await pair.bank.submit(submission(NAMED[way](pair), "E1"))
    assert isinstance(recorded, Recorded)
    await pair.bank.work()
    assert await pair.places("E1") == ([pair.stays], [pair.stays])


async def test_recorded_before_it_is_made_two_again_it_goes_back(pair: Pair) -> None:
    merge_id = await pair.propose()
    async with pair.bank.database.write() as connection:
        await pair.approve(connection, merge_id)
    await pair.bank.work()
    await pair.propose_undoing(merge_id)

    async def undo() -> None:
        async with pair.bank.database.write() as connection:
            await pair.approve(connection, merge_id)

    async with pair.bank.database.write() as connection:
        await submit(connection, pair.bank.desk, [submission(pair.goes, "E1")], pair.bank.today())
        deciding = asyncio.create_task(undo())
        await until_waiting(pair.bank, 1)
    await deciding
    await pair.bank.work()
    assert await pair.places("E1") == ([pair.goes], [pair.goes])


async def test_many_post_while_a_merge_and_its_undoing_run(postgresql_url: str) -> None:
    async with served(postgresql_url) as world:
        await let_in(world)
        await only(world, CERTIFICATE)
        stays, goes = [await world.open(world.fresh("Li")) for _ in range(2)]
        await train(world, goes, "1")
        theirs, own = set(await facts(world, goes)), set()

        async def state(whom: str) -> str:
            body = {**world.statement(), "kind": "training", "credits": "1", "learner": {"id": whom}}
            while True:
                answer = await world.partner.post("/v1/achievements", json=body)
                if answer.status_code == 201:
                    return str(answer.json()["achievement"]["id"])
                assert answer.json()["code"] == "try_again", answer.text

        async def decide(at: str) -> None:
            await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
            await world.work()

        at = await merge(world, stays, goes)
        await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
        posted = await asyncio.gather(
            *[state(goes) for _ in range(12)], decide(at), *[state(goes) for _ in range(12)], state(stays)
        )
        own.add(posted[-1])
        theirs |= {id_ for id_ in posted[:-1] if id_ is not None}
        await world.work()
        assert set(await facts(world, goes)) == theirs
        assert set(await facts(world, stays)) == own
        assert {status for status, _ in (await facts(world, goes)).values()} == {"valid"}
        await verified(world)
