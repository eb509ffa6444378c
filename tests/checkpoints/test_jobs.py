"""Checkpoints by the worker: step by step, one for each interval whoever asks, none without a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from creditbank.checkpoints import jobs
from creditbank.checkpoints.jobs import CHECKPOINT, Checkpointing, ask_checkpoint
from creditbank.identifiers import new_id
from creditbank.jobs.domain import Job
from tests.checkpoints.conftest import Keeper

HOUR = timedelta(hours=1)


async def run(keeper: Keeper, work: Checkpointing) -> list[dict[str, Any]]:
    """Run one job to its end; answers where it stood after each step."""
    job, stood = Job(new_id(), CHECKPOINT, {}, {}, 1), []
    while True:
        async with keeper.bank.database.write() as connection:
            step = await work(connection, job)
        stood.append(dict(step.progress))
        if step.is_done:
            return stood
        job = Job(job.id, CHECKPOINT, {}, step.progress, 1)


async def due(keeper: Keeper) -> list[Any]:
    """When checkpoints are asked for."""
    return [
        row[0] for row in await keeper.bank.sql("select run_at from jobs where kind = 'checkpoint' order by run_at")
    ]


async def test_a_job_appends_some_leaves_a_step_and_signs_last(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEAVES_A_STEP", 2)
    learners = sorted(await keeper.bank.open(*(f"L{number}" for number in range(5))))
    for learner in learners:
        await keeper.bank.record(learner, f"E{learner}", code="A")

    stood = await run(keeper, Checkpointing(keeper.bank.vault, keeper.signer, keeper.bank.clock, HOUR))

    assert stood == [
        {"after": str(learners[1]), "leaves": 2},
        {"after": str(learners[3]), "leaves": 4},
        {"leaves": 5, "size": 5},
    ]
    assert await keeper.bank.count("checkpoints") == 1
    assert len(await due(keeper)) == 1
    assert await keeper.verify() == []


async def test_it_is_asked_for_once_an_interval_whoever_asks(keeper: Keeper) -> None:
    for _ in range(3):
        async with keeper.bank.database.write() as connection:
            await ask_checkpoint(connection, keeper.bank.clock, HOUR)
    assert len(await due(keeper)) == 1

    await run(keeper, Checkpointing(keeper.bank.vault, keeper.signer, keeper.bank.clock, HOUR))
    await run(keeper, Checkpointing(keeper.bank.vault, keeper.signer, keeper.bank.clock, HOUR))

    assert len(await due(keeper)) == 2


async def test_without_a_key_a_job_that_was_asked_for_ends_and_asks_for_no_other(keeper: Keeper) -> None:
    stood = await run(keeper, Checkpointing(keeper.bank.vault, None, keeper.bank.clock, HOUR))

    assert stood == [{}]
    assert await due(keeper) == []
    assert await keeper.bank.count("checkpoints") == 0
