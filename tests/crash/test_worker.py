"""kill -9 of a worker between any two writes: no job is lost, and none is done twice in effect.

The same work is done by a worker that lives and by one that is killed again and again, over two copies of one bank.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.bank import Bank, opened
from tests.crash.queued import (
    Written,
    ask_for_everybody,
    ask_for_simulations,
    environment,
    fill,
    findings,
    written,
)
from tests.postgres import EmbeddedPostgres

Copy = Callable[[], str]

# Five steps of at most fifty learners: killed on the first, on some between and on the last, before and behind writing.
LEARNERS: Final = 220
DEATHS: Final = ("1before", "1done", "1after", "2after", "2before", "1done", "3after")


@pytest.fixture
def copy(request: pytest.FixtureRequest, database_url: str) -> Copy:
    """Makes a copy of the database, to which nobody may be connected."""

    def copy_file() -> str:
        file = database_url.partition("///")[2]
        shutil.copyfile(file, f"{file}.copy")
        return f"{database_url}.copy"

    def copy_database() -> str:
        server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
        name = database_url.rpartition("/")[2]
        request.addfinalizer(lambda: server.drop_database(f"{name}_copy"))
        return server.create_database(f"{name}_copy", name)

    return copy_file if database_url.startswith("sqlite") else copy_database


def work(bank: Bank, url: str, *deaths: str) -> None:
    """Let a worker do what is due in the bank of this address, and die on the way as often as is said."""
    since = (bank.clock.instant + timedelta(minutes=1)).isoformat()
    command = [sys.executable, "-m", "tests.crash.mortal", since, *deaths]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITBANK_")}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, env={**kept, **environment(url)}, cwd=root, capture_output=True, text=True, check=False
    )
    # Each death was met, or nothing is shown.
    assert (done.returncode, done.stdout.strip()) == (0, str(len(deaths))), done.stderr


def states(found: Written) -> set[str]:
    return {state for _, _, state in found.jobs}


@pytest.mark.slow
async def test_of_forty_queued_jobs_none_is_lost_and_none_is_done_twice(database_url: str, copy: Copy) -> None:
    async with opened(database_url) as bank:
        await fill(bank, LEARNERS // 3)
        await ask_for_everybody(bank, 10)
        await ask_for_simulations(bank, 30)
    waiting = await written(database_url)
    other = copy()

    work(bank, other)
    work(bank, database_url, *DEATHS, "7before", "19done", "40after")

    lived, killed = await written(other), await written(database_url)
    assert sorted(state for _, _, state in waiting.jobs).count("waiting") == 40
    assert states(killed) == {"done"}
    assert killed == lived
    assert killed.lots != waiting.lots
    assert not any(report == "None" for _, report in killed.reports)
    assert await findings(database_url) == []


@pytest.mark.slow
async def test_a_re_evaluation_of_everybody_goes_on_behind_every_kill(database_url: str, copy: Copy) -> None:
    async with opened(database_url) as bank:
        await fill(bank, LEARNERS)
        await ask_for_everybody(bank)
    other, before = copy(), await written(database_url)

    work(bank, other)
    work(bank, database_url, *DEATHS)

    lived, killed = await written(other), await written(database_url)
    assert killed == lived
    assert sum(killed.evaluations.values()) == sum(before.evaluations.values()) + LEARNERS
    assert await findings(database_url) == []
