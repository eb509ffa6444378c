"""The audit log is asked by who, for whom and to whose, and goes through no more of it than that."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, text

from creditbank.access.events import EventFilter, page_of_events
from creditbank.access.tables import audit_events
from creditbank.database.engine import Database
from creditbank.database.schema import make_month_partitions
from creditbank.database.statements import insert_rows
from creditbank.identifiers import new_id

EVENTS = 12_000
FIRST = datetime(2026, 5, 1, tzinfo=UTC)
SOMEBODY, PLACE = UUID(int=7), "cq/p007"


QUESTIONS = {
    "by a person": (EventFilter(actor=str(SOMEBODY)), {"actor"}),
    "for a provider": (EventFilter(provider=PLACE), {"provider"}),
    "what a provider may see": (EventFilter(top=PLACE), {"provider", "owner"}),
    "of a person, as far as a provider may see": (EventFilter(top=PLACE, actor=str(SOMEBODY)), {"(actor|provider)"}),
    "by a person of late": (EventFilter(actor=str(SOMEBODY), since=FIRST + timedelta(days=40)), {"actor"}),
}


async def fill(database: Database) -> None:
    """Two months of a log of many people and many institutions."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "at": FIRST + timedelta(minutes=7 * number),
            "actor_kind": "person",
            "actor": str(UUID(int=number % 300)),
            "provider": f"cq/p{number % 301:03}",
            "action": "learner.read",
            "subject": "learner:x",
            "owner": f"cq/p{number % 299:03}",
            "learner_id": None,
            "details": {},
            "request_id": None,
        }
        for number in range(EVENTS)
    ]
    async with database.write() as connection:
        await make_month_partitions(connection, "audit_events", FIRST, ahead=1)
        await insert_rows(connection, audit_events, rows)
        await connection.execute(text("analyze"))


@pytest.mark.parametrize(("wanted", "columns"), QUESTIONS.values(), ids=QUESTIONS)
async def test_the_log_is_read_by_an_index_of_what_is_asked(
    database_url: str, wanted: EventFilter, columns: set[str]
) -> None:
    database = Database(database_url)
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *rest: object) -> None:
        asked.append((statement, parameters))

    try:
        await fill(database)
        async with database.read() as connection:
            event.listen(Engine, "before_cursor_execute", note)
            try:
                found = await page_of_events(connection, wanted, before=None, limit=51)
            finally:
                event.remove(Engine, "before_cursor_execute", note)
            # On SQLite the transaction is begun before.
            statement, parameters = asked[-1]
            how = "explain query plan " if database.is_sqlite else "explain "
            rows = (await connection.exec_driver_sql(how + statement, parameters)).all()
    finally:
        await database.close()
    plan = "\n".join(str(row) for row in rows)
    assert found
    for column in columns:
        # A month's own index is named after the month, and after the columns.
        assert re.search(f"{column}_at", plan), plan
    assert "SCAN audit_events\n" not in plan
    assert "Seq Scan on audit_events_2026" not in plan, plan
