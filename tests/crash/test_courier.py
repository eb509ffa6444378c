"""kill -9 of whoever carries events, between any two of its steps: none is lost, and none comes under another id."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from standardwebhooks.webhooks import Webhook

from creditbank.webhooks.actions import NewWebhook, create_webhook
from tests.bank import BANKER, SCHOOL, Bank, document, granting, opened, submission
from tests.crash.queued import environment
from tests.webhooks.receivers import NETWORKS, Receiver, receiving

EVENTS: Final = 20
DEATHS: Final = ("1before", "5sent", "1noted", "2sent")


async def carry(bank: Bank, *deaths: str) -> None:
    """Let a courier carry what is due in the bank, and die on the way as often as is said."""
    since = (bank.clock.instant + timedelta(minutes=1)).isoformat()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITBANK_")}
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.crash.carried", since, *deaths,
        env={**kept, **environment(bank.url), "CREDITBANK_WEBHOOK_NETWORKS": NETWORKS},
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await done.communicate()
    # Each death was met, or nothing is shown.
    assert (done.returncode, out.decode().strip()) == (0, str(len(deaths))), error.decode()


@pytest.mark.slow
async def test_what_was_sent_and_not_noted_is_sent_again_under_the_same_id(database_url: str) -> None:
    async with opened(database_url) as bank, receiving(Receiver()) as receiver:
        await bank.publish(document(granting("own", kind="course")))
        async with bank.database.write() as connection:
            new = NewWebhook(SCHOOL, receiver.url, ["achievement.recorded"])
            _, secret = await create_webhook(connection, bank.vault, new, BANKER, bank.clock())
        (learner,) = await bank.open("Li Wei")
        await bank.submit(*(submission(learner, f"E-{number}") for number in range(EVENTS)))
        rows = await bank.sql("select id from webhook_deliveries where state = 'waiting'")
        assert len(rows) == EVENTS

        await carry(bank, *DEATHS)

        times = Counter(one.headers["webhook-id"] for one in receiver.got)
        bodies = {(one.headers["webhook-id"], one.body) for one in receiver.got}
        assert len(times) == len(bodies) == EVENTS
        # What had been sent when it died came twice; the other deaths cost nobody anything.
        assert max(times.values()) > 1
        for one in receiver.got:
            Webhook(secret).verify(one.body, one.headers)
        states = await bank.sql("select state, count(*) from webhook_deliveries group by state")
        assert [tuple(row) for row in states] == [("delivered", EVENTS)]
