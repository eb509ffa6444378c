"""How a file is worked through: in turns with other work, row by row when a chunk fails, and forgotten in time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.claims.jobs import ask_sweeping
from creditbank.imports import jobs
from creditbank.imports.tables import import_pieces, import_problems, imports
from creditbank.intake.actions import Desk, Outcome, submit
from creditbank.intake.domain import Submission
from creditbank.jobs.tables import jobs as job_table
from tests.api.world import World
from tests.imports.results import TERM, TYPES, csv, files, hand_in, problems, row, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def term(world: World) -> str:
    """What the ids of a test's rows begin with, so that none meets another's."""
    TERM["is"] = world.fresh("J")
    return TERM["is"]


async def take_in(world: World, content: bytes) -> str:
    answer = await world.partner.post(
        "/v1/imports?open_accounts=true", content=content, headers={"Content-Type": TYPES["csv"]}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


async def state(world: World, at: str) -> Any:
    return (await world.partner.get(at)).json()


async def test_two_files_and_whatever_else_is_due_take_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_ROWS_A_STEP", 2)
    monkeypatch.setattr(jobs, "_STEPS_A_TURN", 2)
    first, second = [await take_in(world, csv(*(row(n) for n in span))) for span in (range(10), range(10, 16))]
    worker, seen = world.worker(), []
    while await worker.run_once():
        seen.append(((await state(world, first))["done"], (await state(world, second))["done"]))
    seen = [done for place, done in enumerate(seen) if place == 0 or done != seen[place - 1]]
    assert seen == [(4, 0), (4, 4), (8, 4), (8, 6), (10, 6)]
    assert (await state(world, first))["state"] == "done"


async def test_a_row_that_brings_down_its_chunk_harms_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(
        connection: AsyncConnection, desk: Desk, submissions: Sequence[Submission], today: date
    ) -> list[Outcome]:
        outcomes = await submit(connection, desk, submissions, today)
        if any(one.content["external_id"].endswith("-3") for one in submissions):
            raise RuntimeError(f"{TERM['is']}-3")
        return outcomes

    monkeypatch.setattr(jobs, "submit", failing)
    imported = await hand_in(world, "csv", csv(*(row(number) for number in range(6))))
    assert told(imported) == ("done", {"recorded": 5, "unchanged": 0, "refused": 1}, 1)
    assert await problems(world, imported) == ["None try_again "]
    monkeypatch.undo()
    again = await hand_in(world, "csv", csv(*(row(number) for number in range(6))))
    assert again["counts"] == {"recorded": 1, "unchanged": 5, "refused": 0}


async def test_an_import_that_cannot_go_on_has_failed_and_may_be_cancelled(world: World) -> None:
    at = await take_in(world, csv(row(1)))
    async with world.database.write() as connection:
        found = select(imports.c.job_id).order_by(imports.c.id.desc()).limit(1).scalar_subquery()
        await connection.execute(update(job_table).where(job_table.c.id == found).values(state="failed"))
    assert (await state(world, at))["state"] == "failed"
    assert (await world.partner.delete(at)).json()["state"] == "cancelled"


async def test_files_are_forgotten_some_days_after_their_end(world: World) -> None:
    before = set(files(world))
    at = await take_in(world, csv(row(1), row(2, 学分="x")))
    await world.work()
    assert len(set(files(world)) - before) == 2
    assert (await world.partner.get(f"{at}/report")).status_code == 200

    world.clock.turn(days=8)
    await world.work()

    assert set(files(world)) - before == set()
    gone = await world.partner.get(f"{at}/report")
    assert (gone.status_code, gone.json()["code"]) == (410, "import_file_gone")
    shown = await state(world, at)
    assert (shown["is_file_kept"], shown["problems"]) == (False, 1)
    async with world.database.read() as connection:
        left = await connection.execute(select(func.count()).select_from(imports).where(imports.c.wrapped.is_not(None)))
        assert left.scalar_one() == 0
        assert (await connection.execute(select(func.count()).select_from(import_pieces))).scalar_one() == 0


async def test_the_sweep_leaves_the_rows_of_files_where_they_are(world: World) -> None:
    at = await take_in(world, csv(row(1)))
    world.clock.turn(days=2)
    async with world.database.write() as connection:
        await ask_sweeping(connection, world.clock)
    for path in files(world):
        os.utime(path, (0, 0))
    await world.work()
    assert (await state(world, at))["counts"]["recorded"] == 1
    assert (await world.partner.get(f"{at}/report")).status_code == 200
    folder = Path(world.app.state.edge.settings.evidence_folder)
    async with world.database.read() as connection:
        names = set((await connection.execute(select(import_pieces.c.stored_as))).scalars())
    assert names
    assert {path.name for path in files(world)} >= names
    assert not names & {path.name for path in (folder / "unnamed").rglob("*")}


async def test_a_problem_keeps_nothing_of_what_was_sent(world: World) -> None:
    secret = "欧阳清风"
    lines = (
        f'{{"external_id": "{secret}", "kind": "{secret}", "completed": "2025-01-20", "{secret}": 1, '
        f'"facts": {{"{secret}": 1.5}}, "learner": {{"number": "{secret}"}}}}\n'
        f'{{"external_id": "x", "kind": "{secret}", "completed": "2025-01-20", "learner": {{"number": "{secret}"}}}}\n'
        f'{{"external_id": "{secret}", "kind": "course", "completed": "2025-01-20", "learner": {{"number": "1"}}}}'
    )
    imported = await hand_in(world, "ndjson", lines.encode())
    assert imported["counts"]["refused"] == 3
    table = [row(1, 姓名=secret, 成果类型=secret, 学分=secret, 完成日期=secret), row(2, 学号=f"{secret}1")]
    await hand_in(world, "csv", csv(*table), "open_accounts=false")
    async with world.database.read() as connection:
        stored = [str(dict(one)) for one in (await connection.execute(select(import_problems))).mappings()]
    assert len(stored) >= 6
    assert [one for one in stored if secret in one] == []
