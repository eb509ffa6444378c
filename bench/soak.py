"""A bank under load for longer, with crashes: posts, amendments, revocations and publications, and a proof each round.

``python -m bench.soak --help`` lists what can be set. It ends with 1 when anything acknowledged is missing or there
twice, or when ``creditbank verify`` finds anything.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.stage import out
from creditbank.database.schema import upgrade
from tests.covering import covered
from tests.crash.served import RULES, SCHOOL, Posters, ServedBank
from tests.postgres import EmbeddedPostgres

# A job whose worker was killed is taken up again when its lease is over, half a minute later.
JOB_SECONDS_MAX = 120.0
_GIVEN = {"native": 1}, {"native": 2}, {"fixed": 4}, {"native": "1/2"}


@dataclass
class Walkers:
    """People who change their minds: each records, amends, revokes, and now and then publishes a correction."""

    posters: Posters
    chance: random.Random
    version: int = 1
    done: Counter[str] = field(default_factory=Counter)

    async def walk(self, name: str, steps: int) -> None:
        """Take so many steps, one after the other."""
        held: list[tuple[str, dict[str, Any]]] = []
        async with self.posters.bank.client() as client:
            for step in range(steps):
                key = {"Idempotency-Key": f"{name}-{step}"}
                verb = self.chance.choices(("record", "amend", "revoke"), (5, 3, 1))[0] if held else "record"
                if verb == "record":
                    stated = self._statement(f"{name}/{step}")
                    body = {**stated, "provider": SCHOOL, "learner": {"id": self.chance.choice(self.posters.learners)}}
                    said = await self.posters.until_answered(client, "/v1/achievements", body, key)
                    held.append((said["achievement"]["id"], stated))
                    self.posters.acknowledged[stated["external_id"]] = said["achievement"]["id"]
                else:
                    await self._change(client, verb, held, key)
                self.done[verb] += 1

    async def _change(
        self, client: httpx.AsyncClient, verb: str, held: list[tuple[str, dict[str, Any]]], key: Mapping[str, str]
    ) -> None:
        id_, stated = held.pop(self.chance.randrange(len(held)))
        if verb == "revoke":
            await self.posters.until_answered(client, f"/v1/achievements/{id_}/revocation", {"reason": "fraud"}, key)
            return
        # Other credits than before, for an amendment must amend something.
        credits_ = str(int(stated["credits"]) % 9 + 1)
        amended = {**self._statement(stated["external_id"]), "credits": credits_}
        body = {"reason": "a slip", "achievement": amended}
        await self.posters.until_answered(client, f"/v1/achievements/{id_}/amendments", body, key)
        held.append((id_, amended))

    def _statement(self, external_id: str) -> dict[str, Any]:
        return {
            "external_id": external_id,
            "kind": "course",
            "code": self.chance.choice(["SHARED-1", "SHARED-2", external_id]),
            "completed": f"2024-0{self.chance.randint(1, 9)}-10",
            "credits": str(self.chance.randint(1, 9)),
        }

    async def publish(self) -> None:
        """Publish a correction, after which every learner is settled again by a job."""
        self.version += 1
        rule = {**RULES["recognition"][0], "grant": [{"credits": _GIVEN[self.version % len(_GIVEN)]}]}
        header = {**RULES["ruleset"], "version": self.version}
        approver = {"Authorization": f"Bearer {self.posters.bank.approver_key}"}
        async with self.posters.bank.client() as client:
            document = covered({**RULES, "ruleset": header, "recognition": [rule]})
            draft = await self._ask(client, "/v1/rule-sets", "draft", document)
            at = f"/v1/rule-sets/{draft['rule_set']}/versions/{self.version}"
            for step in ("validate", "simulate"):
                await self._ask(client, f"{at}/{step}", step)
            while not await self._is_simulated(client, at):  # noqa: ASYNC110 (asked over HTTP)
                await asyncio.sleep(0.05)
            for step in ("approve", "publish"):
                await self._ask(client, f"{at}/{step}", step, None, approver)
        self.done["publish"] += 1

    async def _ask(
        self,
        client: httpx.AsyncClient,
        path: str,
        step: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        key = {"Idempotency-Key": f"{step}-{self.version}"}
        return await self.posters.until_answered(client, path, body, {**key, **(headers or {})})

    async def _is_simulated(self, client: httpx.AsyncClient, at: str) -> bool:
        try:
            answer = await client.get(f"{at}/simulation")
        except httpx.TransportError:
            return False
        return answer.is_success and answer.json()["report"] is not None


async def run_round(walkers: Walkers, number: int, asked: argparse.Namespace) -> None:
    """Posters and walkers at once; again and again a publication, and a kill while its job is at work."""
    posters = walkers.posters
    posters.name = f"r{number}p"

    async def publish_and_kill() -> None:
        for _ in range(asked.kills):
            before = len(posters.acknowledged)
            await walkers.publish()
            await posters.crash_after(before + asked.between_kills)

    async with posters.posting(asked.posters, asked.requests), asyncio.TaskGroup() as group:
        group.create_task(publish_and_kill())
        for walker in range(asked.walkers):
            group.create_task(walkers.walk(f"r{number}w{walker}", asked.steps))


def wait_for_jobs(postgres: EmbeddedPostgres) -> float:
    """Wait until every learner has been settled under the newest rules; answers the seconds that took."""
    begun = time.monotonic()
    while postgres.sql("select count(*) from jobs where kind = 'resettle' and state <> 'done'", "bank") != "0":
        if time.monotonic() - begun > JOB_SECONDS_MAX:
            raise SystemExit(postgres.sql("select * from jobs where kind = 'resettle' and state <> 'done'", "bank"))
        time.sleep(0.1)
    return time.monotonic() - begun


def check_acknowledged(postgres: EmbeddedPostgres, acknowledged: Mapping[str, str]) -> None:
    """Raises SystemExit unless exactly the acknowledged achievements are stored."""
    stored = postgres.sql("select id from achievements", "bank").split()
    missing, extra = set(acknowledged.values()) - set(stored), set(stored) - set(acknowledged.values())
    if missing or extra or len(acknowledged) != len(stored):
        raise SystemExit(f"{len(missing)} acknowledged achievements are missing, {len(extra)} were never acknowledged")


def soak(asked: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path) -> None:
    """Rounds until the time is over, each with its proof."""
    url = postgres.create_database("bank")
    upgrade(url)
    bank = ServedBank(url, folder, asked.processes)
    bank.start()
    try:
        posters = Posters(bank, asyncio.run(bank.furnish(asked.learners)))
        begun, number = time.monotonic(), 0
        walkers = Walkers(posters, random.Random(asked.seed))
        while not number or time.monotonic() - begun < asked.seconds:
            number += 1
            started = time.monotonic()
            asyncio.run(run_round(walkers, number, asked))
            loaded = time.monotonic() - started
            waited = wait_for_jobs(postgres)
            check_acknowledged(postgres, posters.acknowledged)
            proving = time.monotonic()
            verified = bank.run("verify").stdout.strip().splitlines()[-1]
            out.print(
                f"round {number}  {len(posters.acknowledged):,} acknowledged, {bank.kills} kills, {loaded:.1f} s under "
                f"load, jobs {waited:.1f} s after it; {verified} in {time.monotonic() - proving:.1f} s"
            )
        said = ", ".join(f"{count:,} {verb}" for verb, count in sorted(walkers.done.items()))
        out.print(
            f"{time.monotonic() - begun:.0f} s, {number} rounds, {bank.kills} kills; "
            f"{len(posters.acknowledged):,} achievements acknowledged, none missing, none twice; "
            f"{posters.again:,} requests asked again after a crash, {posters.replayed:,} answers replayed; "
            f"steps of walkers: {said}"
        )
    finally:
        bank.stop()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=80, help="no round begins after this time")
    parser.add_argument("--processes", type=int, default=2, help="server processes")
    parser.add_argument("--learners", type=int, default=100, help="accounts that everything is about")
    parser.add_argument("--posters", type=int, default=12, help="clients that post at once")
    parser.add_argument("--requests", type=int, default=30, help="requests of each poster in a round")
    parser.add_argument("--walkers", type=int, default=4, help="clients that record, amend and revoke")
    parser.add_argument("--steps", type=int, default=30, help="steps of each walker in a round")
    parser.add_argument("--kills", type=int, default=2, help="publications, each followed by a kill, in a round")
    parser.add_argument("--between-kills", type=int, default=100, help="achievements acknowledged before each kill")
    parser.add_argument("--seed", type=int, default=1, help="of the walkers' choices")
    asked = parser.parse_args()
    out.print("soak  " + ", ".join(f"{name} {value:g}" for name, value in sorted(vars(asked).items())))
    with tempfile.TemporaryDirectory(prefix="creditbank-soak-") as folder, EmbeddedPostgres(durable=True) as postgres:
        soak(asked, postgres, Path(folder))


if __name__ == "__main__":
    main()
