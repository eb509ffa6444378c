"""kill -9 of a worker in the middle of a file: every row is recorded once, and the counts are exact."""

from __future__ import annotations

import json
from typing import Final

import pytest
from sqlalchemy import func, select

from creditbank.achievements.tables import achievement_versions
from creditbank.claims.files import EvidenceFolder
from creditbank.identifiers import new_id
from creditbank.imports import actions, queries
from creditbank.imports.domain import OPEN, Counts, Import, Speaker
from creditbank.imports.files import Pieces
from creditbank.imports.tables import import_problems
from creditbank.imports.taking import take_in
from tests.bank import CLIENT, SCHOOL, Bank, document, granting, opened, settings_for
from tests.crash.queued import findings
from tests.crash.test_worker import work

# Six steps, the last of them short; every fiftieth row is wrong.
ROWS: Final = 1_300
WRONG: Final = 26
LEARNERS: Final = 65


async def hand_in(bank: Bank) -> Import:
    """Take a file of lines in that speaks of learners whom the bank knows."""
    learners = await bank.open(*(f"Learner {number}" for number in range(LEARNERS)))
    lines = [
        {
            "external_id": f"F-{row}",
            "learner": {"id": str(learners[row % LEARNERS])},
            "kind": "course",
            "completed": "2025-01-20",
            "credits": "x" if row % 50 == 0 else "1",
        }
        for row in range(ROWS)
    ]
    import_id = new_id()
    key, wrapped = bank.vault.new_key(import_id)
    folder = EvidenceFolder(settings_for(bank.url).evidence_folder)
    uploaded, kept = Pieces(folder, key), Pieces(folder, key)
    uploaded.keep_upload("\n".join(map(json.dumps, lines)).encode())
    found = take_in("ndjson", uploaded, kept, {}, ROWS)
    now = bank.clock()
    speaker = Speaker(CLIENT, SCHOOL, "verified", opens_accounts=False)
    new = Import(
        import_id, speaker, "ndjson", [], found.rows, False, "skip", OPEN, Counts(), new_id(), now, None, wrapped
    )
    async with bank.database.write() as connection:
        await actions.add(connection, new, kept.names, now)
    return new


@pytest.mark.slow
async def test_of_a_file_every_row_is_recorded_once_behind_every_kill(database_url: str) -> None:
    async with opened(database_url) as bank:
        await bank.publish(document(granting("own", {"native": 1}, kind="course")))
        await bank.work()
        new = await hand_in(bank)

        work(bank, database_url, "1before", "1done", "1after", "2after", "2done", "1after", "1done")

        async with bank.database.read() as connection:
            shown = await queries.find(connection, new.id)
            stored = (await connection.execute(select(func.count()).select_from(achievement_versions))).scalar_one()
            problems = (await connection.execute(select(func.count()).select_from(import_problems))).scalar_one()
    assert (shown.state, shown.one.counts) == ("done", Counts(ROWS - WRONG, 0, WRONG))
    assert (stored, problems) == (ROWS - WRONG, WRONG)
    assert await findings(database_url) == []
