"""kill -9 of a worker between any two writes of a merge, and of its undoing: no achievement is at both or at neither.

The same merge is done by a worker that lives and by one that is killed again and again, over two copies of one bank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.achievements.domain import VALID
from creditbank.achievements.queries import of_learners
from creditbank.achievements.tables import achievement_keys
from creditbank.database.engine import Database
from creditbank.learners.queries import load
from creditbank.merges import actions
from creditbank.merges.domain import StepKind
from creditbank.merges.queries import merges_of, verify_merges
from tests.bank import Bank, document, granting, opened, submission
from tests.crash.queued import Written, findings, written
from tests.crash.test_worker import Copy, copy, work

__all__ = ["copy"]

# Recorded in three steps, withdrawn in three, and one that says so: killed on each, before, in and behind its writing.
FACTS: Final = 2 * actions.FACTS_A_STEP + 7
OWN: Final = 4
MERGE_DEATHS: Final = ("1before", "1done", "1after", "2after", "2done", "1after", "2before", "3done", "1after", "1done")
UNDO_DEATHS: Final = ("1done", "2after", "1after", "1before", "1after", "2done", "3after", "1done", "1after", "1done")


@dataclass(frozen=True)
class Two:
    """Two accounts, and the merge of them."""

    stays: UUID
    goes: UUID
    merge: UUID


@dataclass(frozen=True)
class Became:
    """How both accounts stand, what was traced of each achievement, and how often each was recorded and withdrawn."""

    state: str
    holding: tuple[int, int]
    at_both: set[UUID]
    leading: Mapping[UUID, int]
    steps: Mapping[StepKind, int]
    versions: Mapping[int, int]
    jobs: set[str]


async def approve(bank: Bank, two: Two) -> None:
    async with bank.database.write() as connection:
        await actions.decide(connection, bank.desk, two.stays, two.merge, approves=True, approver="user:two")


async def fill(bank: Bank) -> Two:
    """Two accounts, some of whose achievements share a unit, and a merge that is approved and not begun."""
    await bank.publish(document(granting("own", {"native": 1}, kind="course"), unique={"keep": "best"}))
    await bank.work()
    stays, goes = await bank.open("Li Wei", "Li  Wei")
    await bank.submit(*[submission(stays, f"own{n}", code=f"C{n}") for n in range(OWN)])
    await bank.submit(*[submission(goes, f"E{n}", code=f"C{n}") for n in range(FACTS)])
    async with bank.database.write() as connection:
        made = await actions.propose(connection, bank.desk, stays, goes, "document_seen", "user:one")
    two = Two(stays, goes, made.id)
    await approve(bank, two)
    return two


async def became(bank: Bank, url: str, two: Two) -> Became:
    database = Database(url)
    async with database.snapshot() as connection:
        both = await load(connection, bank.vault, [two.stays, two.goes])
        held = await of_learners(connection, {id_: one.key for id_, one in both.items()})
        valid = {id_: {one.id for one in held[id_] if one.current.status == VALID} for id_ in held}
        leads = Counter((await connection.execute(select(achievement_keys.c.learner_id))).scalars())
        (merge,) = await merges_of(connection, two.goes)
        assert await verify_merges(connection) == []
    await database.close()
    return Became(
        merge.state.value,
        (len(valid[two.stays]), len(valid[two.goes])),
        valid[two.stays] & valid[two.goes],
        leads,
        Counter(step.kind for step in merge.steps),
        Counter(len(one.versions) for mine in held.values() for one in mine),
        {state for _, _, state in (await written(url)).jobs},
    )


def unlike(one: Written, other: Written) -> set[str]:
    """What two banks were written differently of; what the clock asked for in one more life apart."""
    names = ("evaluations", "decisions", "lots", "postings")
    return {name for name in names if getattr(one, name) != getattr(other, name)}


@pytest.mark.slow
async def test_a_merge_and_its_undoing_go_on_behind_every_kill(database_url: str, copy: Copy) -> None:
    async with opened(database_url) as bank:
        two = await fill(bank)
    other = copy()

    work(bank, other)
    work(bank, database_url, *MERGE_DEATHS)

    lived, killed = await became(bank, other, two), await became(bank, database_url, two)
    assert killed == lived
    assert killed == Became(
        "done", (FACTS + OWN, 0), set(), {two.stays: FACTS + OWN}, {StepKind.MOVED: FACTS},
        {1: FACTS + OWN, 2: FACTS}, {"done"},
    )  # fmt: skip
    assert unlike(await written(database_url), await written(other)) == set()
    assert await findings(database_url) == []

    for url in (database_url, other):
        again = Bank(url, Database(url), bank.clock)
        async with again.database.write() as connection:
            await actions.propose_undoing(connection, again.desk, two.stays, two.merge, "different_people", "user:one")
        await approve(again, two)
        await again.database.close()
    work(bank, other)
    work(bank, database_url, *UNDO_DEATHS)

    lived, killed = await became(bank, other, two), await became(bank, database_url, two)
    assert killed == lived
    assert killed == Became(
        "undone", (OWN, FACTS), set(), {two.stays: OWN, two.goes: FACTS},
        {StepKind.MOVED: FACTS, StepKind.RETURNED: FACTS}, {1: OWN, 2: FACTS, 3: FACTS}, {"done"},
    )  # fmt: skip
    assert unlike(await written(database_url), await written(other)) == set()
    assert await findings(database_url) == []
