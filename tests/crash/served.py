"""A bank as an operator runs it, in a process of its own that can be killed, and clients that keep on posting to it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from bench.bank import Bank, Server, free_port
from tests.covering import covered

_READY_SECONDS_MAX: Final = 60.0
SCHOOL: Final = "cq/school"
RULES: Final[Mapping[str, Any]] = {
    "ruleset": {"lcb": "rules/v1", "id": "town", "version": 1, "from": "2020-01-01", "unit": {"code": "CR"}},
    "recognition": [{"id": "own", "match": {"kind": "course"}, "grant": [{"credits": {"native": 1}}]}],
    "unique": {"keep": "best"},
}


class ServedBank:
    """``creditbank serve`` on a migrated database, with one school, one rule set, and some learners."""

    def __init__(self, url: str, folder: Path, processes: int = 1) -> None:
        self._bank = Bank(url, folder)
        self._bank.key = self.run("clients", "create", "crash").stdout.split()[-1]
        self._server = Server(self._bank, processes)
        # Kept through every crash, for the posters go on posting to it.
        self._port = free_port()
        self.kills = 0
        self.approver_key = self.run("clients", "create", "approver", "--scope", "rules:approve").stdout.split()[-1]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the bank. Raises RuntimeError when it ends with anything but 0."""
        return self._bank.run(*command)

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._server.start(self._port)

    def kill(self) -> None:
        """End the server as a crash would."""
        self._server.kill()
        self.kills += 1

    def stop(self) -> None:
        """End the server as an operator would, if it runs."""
        self._server.stop()

    def client(self) -> httpx.AsyncClient:
        """A client that may do everything. A proxy in the environment is for the outside."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"Authorization": f"Bearer {self._bank.key}"},
            timeout=60,
            trust_env=False,
        )

    async def furnish(self, learners: int) -> list[str]:
        """Enter the school, publish the rules and open accounts; answers the learners' ids."""
        async with self.client() as client:
            for code in ("cq", SCHOOL):
                entered = {"code": code, "name": {"zh": "学校", "en": "School"}, "provider_type": "community_school"}
                _good(await client.post("/v1/providers", json=entered))
            await publish(client, self.approver_key, covered(RULES))
            opened = [await client.post("/v1/learners", json={"name": f"Learner {n}"}) for n in range(learners)]
        return [_good(answer)["id"] for answer in opened]


def _good(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.request.url, answer.status_code, answer.text)
    return answer.json()


async def publish(client: httpx.AsyncClient, approver_key: str, document: Mapping[str, Any]) -> None:
    """Lead a rule set from draft to published; a worker of the server simulates it."""
    draft = _good(await client.post("/v1/rule-sets", json=document))
    at = f"/v1/rule-sets/{draft['rule_set']}/versions/{draft['version']}"
    for step in ("validate", "simulate"):
        _good(await client.post(f"{at}/{step}"))
    deadline = time.monotonic() + _READY_SECONDS_MAX
    while _good(await client.get(f"{at}/simulation"))["report"] is None:
        assert time.monotonic() < deadline, "nobody simulates"
        await asyncio.sleep(0.02)
    for step in ("approve", "publish"):
        _good(await client.post(f"{at}/{step}", headers={"Authorization": f"Bearer {approver_key}"}))


@dataclass
class Posters:
    """Clients that post achievements until each is acknowledged, again and again under its first Idempotency-Key."""

    bank: ServedBank
    learners: Sequence[str]
    name: str = "p"
    # What was acknowledged: the achievement's id by external id.
    acknowledged: dict[str, str] = field(default_factory=dict)
    again: int = 0
    replayed: int = 0
    _up: asyncio.Event = field(init=False)
    _progress: asyncio.Condition = field(init=False)

    @contextlib.asynccontextmanager
    async def posting(self, posters: int, requests: int) -> AsyncIterator[None]:
        """Let so many clients each make so many requests; at the end of the block they run to their end."""
        # Made here, for they belong to the event loop that runs the block.
        self._up, self._progress = asyncio.Event(), asyncio.Condition()
        self._up.set()
        async with asyncio.TaskGroup() as group:
            for number in range(posters):
                group.create_task(self._post_all(number, requests))
            yield

    async def crash_after(self, acknowledged: int) -> None:
        """Kill the server once so many achievements are acknowledged, while others are under way; start it again."""
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.acknowledged) >= acknowledged)
        await self.crash()

    async def crash(self) -> None:
        """Kill the server while requests are under way, and start it again."""
        self._up.clear()
        self.bank.kill()
        await asyncio.to_thread(self.bank.start)
        self._up.set()

    async def until_answered(self, client: httpx.AsyncClient, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """Post until an answer comes, and answer its JSON; every try is the same request under the same key."""
        while True:
            await self._up.wait()
            try:
                answer = await client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                # The server died before its answer came: what became of the request only the bank knows.
                self.again += 1
                await asyncio.sleep(0.01)
                continue
            if answer.status_code != 503:
                break
            await asyncio.sleep(0.05)
        self.replayed += "Idempotent-Replayed" in answer.headers
        return _good(answer)

    async def _post_all(self, number: int, requests: int) -> None:
        chance = random.Random(f"{self.name}{number}")
        async with self.bank.client() as client:
            for serial in range(requests):
                # Every fourth request is a batch.
                size = 1 if serial % 4 else 3
                items = [self._item(chance, f"{self.name}{number}/{serial}/{n}") for n in range(size)]
                key = {"Idempotency-Key": f"{self.name}-{number}-{serial}"}
                await self._post_until_acknowledged(client, items, key)

    def _item(self, chance: random.Random, external_id: str) -> dict[str, Any]:
        return {
            "external_id": external_id,
            "provider": SCHOOL,
            "kind": "course",
            # Some share a unit, so that settling moves older lots too; most have one of their own.
            "code": chance.choice(["SHARED-1", "SHARED-2", external_id, external_id, external_id]),
            "completed": "2024-06-10",
            "credits": str(chance.randint(1, 6)),
            "learner": {"id": chance.choice(self.learners)},
        }

    async def _post_until_acknowledged(
        self, client: httpx.AsyncClient, items: list[dict[str, Any]], headers: Mapping[str, str]
    ) -> None:
        is_batch = len(items) > 1
        path, body = ("/v1/achievements/batch", items) if is_batch else ("/v1/achievements", items[0])
        said = await self.until_answered(client, path, body, headers)
        results = said["results"] if is_batch else [said]
        async with self._progress:
            for item, result in zip(items, results, strict=True):
                self.acknowledged[item["external_id"]] = result["achievement"]["id"]
            self._progress.notify_all()
