"""Nothing that names a person is in a log line, an answer that refuses, or a figure, however much is logged."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog

from creditbank import logs
from tests.api.test_policy import TABLE
from tests.api.world import World, opened
from tests.conversions.desk import let_in
from tests.privacy.test_erasure import NEEDLES, erase, live, spellings

SECRET = "Qingfeng-13912345678"
"""What stands where a person's data might be put by mistake: in paths, queries, headers and bodies that are refused."""


CUT = '{"a": "' + SECRET


@pytest.fixture
def logged() -> Iterator[io.BytesIO]:
    """All that is logged at the level that says most, by the bank and by every library."""
    written = io.BytesIO()
    before, level = list(logging.root.handlers), logging.root.level
    stream = io.TextIOWrapper(written, "utf-8", write_through=True)
    logs.configure("debug", stream)
    # A logger that remembers where it wrote would write there in every later test too.
    structlog.configure(cache_logger_on_first_use=False)
    yield written
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    structlog.reset_defaults()
    stream.detach()


@pytest.fixture
async def world(database_url: str, logged: io.BytesIO) -> AsyncIterator[World]:
    """A bank that logs all it can."""
    async with opened(database_url, log_level="debug") as served:
        yield served


async def misuse(world: World) -> list[httpx.Response]:
    """Requests to every route with a person's data in the wrong places."""
    answers = []
    for row in TABLE:
        method, path = row.request.split(" ", 1)
        for by in ("bank", "partner"):
            # The name of a field that is none is said again to who sent it, as the place that is wrong; no value is.
            for body in ({"none": SECRET, "name": 7, "learner": {"number": SECRET}}, [SECRET], SECRET, CUT):
                content = body if isinstance(body, str) else json.dumps(body)
                given = {"Idempotency-Key": f"{SECRET} {SECRET}", "X-Request-ID": f"{SECRET} {SECRET}"}
                headers = {**given, "Content-Type": "application/json", "If-Match": f'"{SECRET}"'}
                answers.append(await world.client(by).request(method, f"/v1/nowhere/{SECRET}"))
                answers.append(
                    await world.client(by).request(
                        method, path.replace("@", ""), content=content, headers=headers, params={"cursor": SECRET}
                    )
                )
    answers.append(await world.bank.get("/v1/learners", headers={"Authorization": f"Bearer {SECRET}"}))
    return [answer for answer in answers if answer.status_code >= 400]


async def test_nothing_that_names_a_person_is_logged_refused_or_counted(world: World, logged: io.BytesIO) -> None:
    who = await live(world)
    taken = await world.partner.post("/v1/learners", json={"name": NEEDLES[0], "identities": [IDENTITY]})
    assert taken.status_code == 409
    refused = [taken, *await misuse(world)]
    await erase(world, who["learner"])
    gone = await world.bank.get(f"/v1/learners/{who['learner']}")
    figures = await world.bank.get("/metrics")

    written = logged.getvalue()
    said = b"\n".join(answer.content + repr(answer.headers).encode() for answer in [*refused, gone, figures])
    # It was logged, and there is something to be found in it.
    assert b'"route":"/v1/learners/{id}/erasure/decision"' in written
    assert b"http_requests" in said or b"creditbank" in figures.content
    assert len(refused) > 100
    for needle in (*NEEDLES, who["number"], SECRET):
        found = [spelt for spelt in spellings(needle) if spelt in written or spelt in said]
        assert found == [], (needle, [line for line in (written + said).splitlines() if found[0] in line][:2])


IDENTITY = {"type": "phone", "value": "13912345678"}


async def test_an_error_that_nobody_foresaw_does_not_quote_what_it_was_about(
    world: World, logged: io.BytesIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    await let_in(world)

    def broken(*_: object) -> None:
        raise ValueError(f"no such person as {NEEDLES[0]}")

    monkeypatch.setattr("creditbank.learners.routes.check_born", broken)
    answer = await world.partner.post("/v1/learners", json={"name": NEEDLES[0]})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert b'"error":"ValueError"' in logged.getvalue()
    for said in (logged.getvalue(), answer.content):
        assert NEEDLES[0].encode() not in said
