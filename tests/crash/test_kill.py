"""kill -9 under load: what was acknowledged is there after the restart, and nothing is there twice."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from creditbank.achievements.tables import achievement_versions, achievements
from creditbank.database.engine import Database
from creditbank.ledger.tables import lots
from tests.crash.served import Posters, ServedBank

POSTERS = 8
REQUESTS = 16
KILLS_AFTER = (30, 75, 120)


@pytest.mark.slow
async def test_what_was_acknowledged_survives_and_nothing_is_there_twice(database_url: str, tmp_path: Path) -> None:
    bank = ServedBank(database_url, tmp_path)
    bank.start()
    try:
        posters = Posters(bank, await bank.furnish(learners=12))
        async with posters.posting(POSTERS, REQUESTS):
            for acknowledged in KILLS_AFTER:
                await posters.crash_after(acknowledged)
    finally:
        bank.stop()

    sent = POSTERS * (REQUESTS // 4 * 3 + REQUESTS * 3 // 4)
    assert len(posters.acknowledged) == sent
    # Each kill caught somebody whose answer was under way, or nothing was shown.
    assert posters.again >= len(KILLS_AFTER)
    stored, versions, granted = await count(database_url)
    assert stored == {UUID(id_) for id_ in posters.acknowledged.values()}
    assert versions == granted == sent
    assert f"{sent} achievements" in bank.run("verify").stdout


async def count(url: str) -> tuple[set[UUID], int, int]:
    """The achievements that are stored, how many versions they have, and how many lots there are."""
    database = Database(url)
    async with database.snapshot() as connection:
        stored = set((await connection.execute(select(achievements.c.id))).scalars())
        versions = (await connection.execute(select(func.count()).select_from(achievement_versions))).scalar_one()
        granted = (await connection.execute(select(func.count()).select_from(lots))).scalar_one()
    await database.close()
    return stored, versions, granted
