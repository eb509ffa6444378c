"""The solver works while no transaction is open; what moved meanwhile is audited again (decision 28)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from creditbank.programmes import queries, turns
from creditbank.programmes.auditing import Question
from creditbank.rules.allocate.allocation import Allocation
from tests.api.world import World
from tests.conversions.desk import apply_for, awarding, codes, learner_with, only, post, programme, standing, verified

TWO = programme("certificate", "6")


class Solver:
    """Counts its answers, and lets something be written before each: on SQLite nobody can while one writes."""

    def __init__(self, *before: Callable[[], Awaitable[object]]) -> None:
        self.answers = 0
        self._before = list(before)

    async def __call__(self, question: Question) -> Allocation:
        self.answers += 1
        if self._before:
            await self._before.pop(0)()
        return await queries.worked_out(question)


async def _trained(world: World, learner: str) -> None:
    await world.record(learner, kind="training", credits="3")


async def _revoked(world: World, achievement: str) -> None:
    answer = await world.partner.post(f"/v1/achievements/{achievement}/revocation", json={"reason": "a mistake"})
    assert answer.is_success, answer.text


async def test_others_write_while_the_solver_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await only(world, TWO)
    learner, _, _ = await learner_with(world, "3", "3")
    other, _, _ = await learner_with(world, "3")
    solver = Solver(lambda: _trained(world, other))
    monkeypatch.setattr(turns, "worked_out", solver)

    await apply_for(world, learner)

    assert solver.answers == 1
    assert await standing(world, learner) == {"reserved": "6"}
    assert await standing(world, other) == {"available": "6"}
    await verified(world)


async def test_an_audit_that_was_read_before_is_not_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await only(world, TWO)
    learner, _, _ = await learner_with(world, "3", "3")
    await world.bank.get(f"/v1/learners/{learner}/programmes/college.certificate/audit")
    solver = Solver()
    monkeypatch.setattr(turns, "worked_out", solver)

    await apply_for(world, learner)

    assert solver.answers == 0


async def test_credits_that_came_while_the_solver_worked_are_audited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await only(world, TWO)
    learner, _, _ = await learner_with(world, "3")
    solver = Solver(lambda: _trained(world, learner))
    monkeypatch.setattr(turns, "worked_out", solver)

    await apply_for(world, learner)

    assert solver.answers == 2
    assert await standing(world, learner) == {"reserved": "6"}
    await verified(world)


async def test_credits_that_went_while_the_solver_worked_are_not_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await only(world, TWO)
    learner, (_, second), _ = await learner_with(world, "3", "3")
    solver = Solver(lambda: _revoked(world, second))
    monkeypatch.setattr(turns, "worked_out", solver)

    answer = await post(world, "/v1/conversions", {"learner": learner, "programme": "college.certificate"})

    assert (answer.status_code, answer.json()["code"]) == (409, "requirements_missing")
    assert [error["message"] for error in answer.json()["errors"]][-1].count("3 / 6") == 1
    assert solver.answers == 2
    assert "HOLD" not in await codes(world, learner)
    assert await standing(world, learner) == {"available": "3"}
    await verified(world)


async def test_whoever_is_overtaken_again_and_again_is_served_at_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await only(world, TWO)
    learner, _, _ = await learner_with(world, "3", "3")
    solver = Solver(*[lambda: _trained(world, learner)] * turns.TURNS)
    monkeypatch.setattr(turns, "worked_out", solver)

    await apply_for(world, learner)

    assert solver.answers == turns.TURNS + 1
    assert await standing(world, learner) == {"reserved": "6", "available": str(3 * turns.TURNS)}
    await verified(world)


async def test_a_learner_who_waits_to_be_settled_is_settled_before_the_solver_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, _, _ = await learner_with(world, "3", "3")
    await world.publish(awarding(TWO), by="partner")
    solver = Solver()
    monkeypatch.setattr(turns, "worked_out", solver)

    await apply_for(world, learner)

    assert solver.answers == 1
    assert await standing(world, learner) == {"reserved": "6"}
    await verified(world)
