"""To open an account is to ask after an identity: counted, and written down, as a look-up is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from creditbank.access.tables import audit_events
from tests.api.world import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_who_fishes_by_opening_is_counted_as_who_looks_up_and_written_down(database_url: str) -> None:
    async with opened(database_url, rate_resolve_per_minute=3) as world:
        phones = [{"type": "phone", "value": f"1371234567{n}"} for n in range(9)]
        for phone in phones[:4]:
            await world.open(by="rival", identities=[phone])

        def asks(n: int) -> dict[str, Any]:
            return {"name": "Li Wei", "identities": [phones[n]]}

        single = await world.send("partner", "POST /v1/learners", asks(0))
        assert (single.status_code, single.json()["code"]) == (409, "identity_taken")
        key = {"Idempotency-Key": "fishing"}
        items = [asks(1), asks(5), asks(2), asks(3), asks(6), {"name": "Nobody asks after anybody"}]
        for _ in range(2):
            batch = await world.send("partner", "POST /v1/learners/batch", items, key)
            # Once the look-ups are spent it is told of no identity whether somebody has it.
            assert [one["status"] for one in batch.json()["results"]] == [409, 201, 409, 429, 429, 201]
        for n in (3, 7):
            spent = await world.send("partner", "POST /v1/learners", asks(n))
            assert (spent.status_code, spent.json()["code"]) == (429, "too_many_requests")
        looked = await world.send("partner", "POST /v1/learners/resolve", {"identity": phones[0]})
        assert looked.status_code == 429

        async with world.database.read() as connection:
            found = select(audit_events).where(audit_events.c.action == "learner.open_refused")
            events = (await connection.execute(found.order_by(audit_events.c.id))).all()
        client = world.ids["client_partner"]
        assert [(e.subject, e.details, str(e.actor)) for e in events] == [
            (f"client:{client}", {"refused": 1}, client),
            (f"client:{client}", {"refused": 2}, client),
        ]
