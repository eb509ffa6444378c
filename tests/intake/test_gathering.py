"""Group commit: who shares a commit, who waits, and what one poisoned submission costs the others (a retry)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.engine import Database
from creditbank.errors import Refusal
from creditbank.intake.actions import Outcome, Recorded, submit
from creditbank.intake.domain import Submission
from creditbank.intake.gathering import Gathering
from creditbank.learners.queries import find_key
from creditbank.sealing import LearnerKey
from creditbank.web.edge import Edge
from creditbank.web.idempotency import Answer, Attempt, KeyReused, claim, keep
from creditbank.web.metrics import Metrics
from creditbank.web.problems import EdgeRefusal
from tests.bank import Bank, document, opened, settings_for, submission
from tests.intake.test_locks import until_waiting


@dataclass
class Gate(Database):
    """The bank's database, whose transactions are counted and can be held up before they begin."""

    bank: Bank
    opened: int = 0
    fail_first: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction of the bank's, once the gate is open."""
        self.opened += 1
        self.asked.set()
        await self.free.wait()
        async with self.bank.database.write() as connection:
            if self.opened <= self.fail_first:
                raise ConnectionResetError
            yield connection


def attempt(key: str, asked: str = "the same") -> Attempt:
    """A request under an Idempotency-Key."""
    return Attempt(key.encode().ljust(32, b"-"), asked.encode())


def show(outcome: Outcome) -> Answer | Refusal:
    """An answer that says which achievement it is about."""
    if isinstance(outcome, Recorded):
        owner = (outcome.achievement.learner_id, outcome.settled.learner.key)
        return Answer(201 if outcome.is_new else 200, str(outcome.achievement.id).encode(), owner=owner)
    return outcome


@dataclass
class Door:
    """A gathering on a bank, and short words for what the tests do with it."""

    gate: Gate
    edge: Edge
    gathering: Gathering

    async def post(self, one: Submission, tried: Attempt | None = None) -> tuple[Answer | Refusal, bool]:
        """Submit one."""
        return await self.gathering.submit(one, tried, show)

    async def post_behind_a_commit(
        self, first: Submission, others: Sequence[tuple[Submission, Attempt | None]]
    ) -> list[Any]:
        """Submit ``others`` while the transaction of ``first`` is under way; answers what all came to."""
        self.gate.asked.clear()
        self.gate.free.clear()
        leading = asyncio.create_task(self.post(first))
        await self.gate.asked.wait()
        following = [asyncio.create_task(self.post(*other)) for other in others]
        # All of them are in the queue once each task has run to its first wait.
        await asyncio.sleep(0)
        self.gate.free.set()
        return await asyncio.gather(leading, *following, return_exceptions=True)


MakeDoor = Callable[..., Door]


def make_door(bank: Bank, **settings: Any) -> Door:
    """A door of the bank with these settings."""
    gate = Gate(bank)

    async def key_of(connection: AsyncConnection, learner_id: UUID) -> LearnerKey | None:
        return await find_key(connection, bank.vault, learner_id)

    edge = Edge(settings_for(bank.url, **settings), gate, bank.vault, bank.clock, key_of)
    return Door(gate, edge, Gathering(edge, bank.desk, Metrics()))


@pytest.fixture
def door(bank: Bank) -> MakeDoor:
    """Makes a door of the bank."""
    return partial(make_door, bank)


def body_of(answered: tuple[Answer | Refusal, bool]) -> bytes:
    answer, _ = answered
    assert isinstance(answer, Answer), answer
    return answer.body


async def test_a_lone_request_commits_at_once(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()

    answer, replayed = await at.post(submission(learner, "E1"))

    assert isinstance(answer, Answer)
    assert (answer.status, replayed, at.gate.opened) == (201, False, 1)
    assert await bank.count("achievements") == 1


async def test_those_who_come_during_a_commit_share_the_next(bank: Bank, door: MakeDoor) -> None:
    await bank.publish(document())
    learners = await bank.open("Li Wei", "Zhang San")
    at = door()

    answers = await at.post_behind_a_commit(
        submission(learners[0], "E0"), [(submission(learners[n % 2], f"E{n}"), None) for n in range(1, 20)]
    )

    assert [answer.status for answer, _ in answers] == [201] * 20
    assert at.gate.opened == 2
    assert await bank.count("achievements") == 20
    assert await bank.verify() == []


async def test_a_group_holds_no_more_than_it_may(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door(gather_items_max=4)

    await at.post_behind_a_commit(
        submission(learner, "E0"), [(submission(learner, f"E{n}"), None) for n in range(1, 10)]
    )

    assert at.gate.opened == 1 + 3
    assert await bank.count("achievements") == 10


async def test_when_too_many_wait_the_next_is_told_to_come_again(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door(gather_waiting_max=3)

    answers = await at.post_behind_a_commit(
        submission(learner, "E0"), [(submission(learner, f"E{n}"), None) for n in range(1, 6)]
    )

    refused = [answer for answer in answers if isinstance(answer, EdgeRefusal)]
    assert [(one.status, one.headers) for one in refused] == [(503, {"Retry-After": "1"})] * 2
    assert await bank.count("achievements") == 4
    # The queue is empty again: whoever comes now is served.
    assert (await at.post(submission(learner, "E9")))[1] is False


async def test_a_poisoned_submission_fails_alone(bank: Bank, door: MakeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()

    async def poisoned(connection: Any, desk: Any, submissions: Sequence[Submission], today: Any) -> list[Outcome]:
        outcomes = await submit(connection, desk, submissions, today)
        if any(one.content["external_id"] == "E2" for one in submissions):
            raise ZeroDivisionError
        return outcomes

    monkeypatch.setattr("creditbank.intake.gathering.submit", poisoned)

    answers = await at.post_behind_a_commit(
        submission(learner, "E0"), [(submission(learner, f"E{n}"), None) for n in range(1, 5)]
    )

    assert [type(answer).__name__ for answer in answers] == ["tuple", "tuple", "ZeroDivisionError", "tuple", "tuple"]
    assert await bank.count("achievements") == 4
    assert await bank.verify() == []
    assert (await at.post(submission(learner, "E9")))[1] is False


async def test_what_is_refused_in_a_group_harms_no_neighbour(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()

    answers = await at.post_behind_a_commit(
        submission(learner, "E0"),
        [
            (submission(learner, "E1", provider="cq/nowhere"), attempt("a")),
            (submission(learner, "E2"), attempt("b")),
            (submission(learner, "E0", credits="9"), None),
        ],
    )

    assert [a.status if isinstance(a, Answer) else a.code for a, _ in answers] == [
        201, "unknown_provider", 201, "external_id_conflict",
    ]  # fmt: skip
    # A refusal is not remembered under its key: once its reason is gone the same request is done.
    assert await bank.count("idempotency_records") == 1
    assert at.gate.opened == 2


async def test_a_lost_connection_is_tried_once_more(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()
    at.gate.fail_first = 1

    answer, _ = await at.post(submission(learner, "E1"))

    assert isinstance(answer, Answer)
    assert at.gate.opened == 2
    at.gate.fail_first = 4
    with pytest.raises(ConnectionResetError):
        await at.post(submission(learner, "E2"))
    assert await bank.count("achievements") == 1


async def test_two_requests_with_one_key_never_share_a_group(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()

    answers = await at.post_behind_a_commit(
        submission(learner, "E0"),
        [(submission(learner, "E1"), attempt("k")), (submission(learner, "E1"), attempt("k")),
         (submission(learner, "E2"), attempt("other"))],
    )  # fmt: skip

    assert [replayed for _, replayed in answers] == [False, False, True, False]
    assert body_of(answers[1]) == body_of(answers[2])
    assert answers[2][0].status == 201
    assert at.gate.opened == 3
    assert await bank.count("achievements") == 3


async def test_who_waits_for_a_key_bars_nobody_s_way(postgresql_url: str) -> None:
    """A batch holds the key and then locks its learners; an achievement of one of them, under that key, waits first."""
    async with opened(postgresql_url) as bank:
        (learner,) = await bank.open("Li Wei")
        at = make_door(bank)
        async with bank.database.write() as connection:
            await claim(connection, at.edge, [attempt("k", "the batch")])
            coming = asyncio.create_task(at.post(submission(learner, "E1"), attempt("k")))
            await until_waiting(bank, 1)
            await submit(connection, bank.desk, [submission(learner, "E2")], bank.today())
            await keep(connection, at.edge, [(attempt("k", "the batch"), Answer(200, b"[]"))])

        answer, _ = await coming

        assert isinstance(answer, KeyReused)
        # Nobody was turned back to try again.
        assert at.gate.opened == 1
        assert await bank.count("achievements") == 1


async def test_a_refused_achievement_leaves_its_key_free_and_a_neighbour_s_kept(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()

    _, (refused, _), (recorded, _) = await at.post_behind_a_commit(
        submission(learner, "E0"),
        [(submission(UUID(int=1), "E1"), attempt("k")), (submission(learner, "E2"), attempt("other"))],
    )

    assert isinstance(refused, Refusal)
    assert isinstance(recorded, Answer)
    assert [bytes(row.key) for row in await bank.sql("select key from idempotency_records")] == [attempt("other").key]


async def test_a_key_that_came_with_another_request_is_refused(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()
    await at.post(submission(learner, "E1"), attempt("k"))

    answer, _ = await at.post(submission(learner, "E2"), attempt("k", "something else"))

    assert isinstance(answer, KeyReused)
    assert await bank.count("achievements") == 1


async def test_a_stored_answer_is_sealed_with_the_learner_of_whom_it_speaks(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()
    first = await at.post(submission(learner, "E1"), attempt("k"))

    (row,) = await bank.sql("select body, learner_id from idempotency_records")
    assert body_of(first) not in bytes(row.body)
    await bank.sql("delete from learner_keys")

    answer, replayed = await at.post(submission(learner, "E1"), attempt("k"))
    assert (getattr(answer, "code", None), replayed) == ("answer_erased", True)


async def test_a_caller_who_goes_away_gets_it_done_all_the_same(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()
    at.gate.free.clear()
    leaving = asyncio.create_task(at.post(submission(learner, "E1"), attempt("k")))
    await at.gate.asked.wait()

    leaving.cancel()
    at.gate.free.set()
    await at.gathering.close()

    assert await bank.count("achievements") == 1
    assert (await at.post(submission(learner, "E1"), attempt("k")))[1] is True


async def test_closing_waits_for_what_was_taken(bank: Bank, door: MakeDoor) -> None:
    (learner,) = await bank.open("Li Wei")
    at = door()
    at.gate.free.clear()
    posting = [asyncio.create_task(at.post(submission(learner, f"E{n}"))) for n in range(3)]
    await at.gate.asked.wait()
    at.gate.free.set()

    await at.gathering.close()

    assert await bank.count("achievements") == 3
    assert len(await asyncio.gather(*posting)) == 3
