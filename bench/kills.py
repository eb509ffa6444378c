"""kill -9 of a worker at random moments: no job is lost, none is done twice in effect, and the books are the same.

``python -m bench.kills``. The same work is done in two copies of one bank on a durable PostgreSQL: by ``creditbank
worker`` undisturbed, and by one that is killed again and again and started anew, as a supervisor would. First forty
jobs are queued; then everybody is evaluated again. What a killed worker held is free when its lease is over, half a
minute later, and that time is really waited for. It ends with 1 when the two copies differ or ``creditbank verify``
finds anything.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.bank import Bank
from bench.stage import out
from creditbank import logs
from creditbank.database.schema import upgrade
from tests import bank as parts
from tests.crash.queued import ask_for_everybody, ask_for_simulations, environment, fill, written
from tests.postgres import EmbeddedPostgres

# With fewer nothing is shown. There may be fewer than were asked for: the work ends sooner on a quick machine.
_KILLS_MIN: Final = 4
_POLL_SECONDS: Final = 0.05
_WAIT_SECONDS_MAX: Final = 3600
_OPEN: Final = "select count(*) from jobs where state in ('waiting', 'running')"


@dataclass
class Workplace:
    """A bank's database and an operator who starts its worker."""

    postgres: EmbeddedPostgres
    name: str
    bank: Bank

    def ask(self, statement: str) -> int:
        """A number from the database."""
        return int(self.postgres.sql(statement, self.name))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        log = (self.bank.folder / f"{self.name}.log").open("ab")
        command = [sys.executable, "-m", "creditbank", "worker"]
        with log:
            return subprocess.Popen(command, env=self.bank.environment, cwd=self.bank.folder, stdout=log, stderr=log)

    def finish(self) -> float:
        """Let a worker do everything that is due, and end it as an operator would; answers the seconds it took."""
        begun = time.monotonic()
        worker = self.start()
        while self.ask(_OPEN):
            if worker.poll() is not None or time.monotonic() - begun > _WAIT_SECONDS_MAX:
                raise SystemExit((self.bank.folder / f"{self.name}.log").read_text(errors="replace")[-3000:])
            time.sleep(_POLL_SECONDS)
        worker.terminate()
        worker.wait(30)
        return time.monotonic() - begun

    def kill(self, chance: random.Random, seconds_max: float) -> bool:
        """Start a worker and kill it at a random moment after it took a job; False when it had nothing left to do."""
        leases = "select coalesce(sum(lease_token), 0) from jobs"
        before = self.ask(leases)
        worker = self.start()
        while self.ask(leases) == before:
            if not self.ask(_OPEN):
                worker.kill()
                worker.wait()
                return False
            time.sleep(_POLL_SECONDS)
        time.sleep(chance.uniform(0, seconds_max))
        running = self.ask("select count(*) from jobs where state = 'running'")
        worker.kill()
        worker.wait()
        return running > 0


def prove(
    postgres: EmbeddedPostgres,
    folder: Path,
    asked: argparse.Namespace,
    title: str,
    learners: int,
    queue: Callable[[parts.Bank], Awaitable[None]],
) -> None:
    """One bank, the same work in two copies of it, and whether they are the same afterwards."""
    name = title.replace(" ", "_")
    url = postgres.create_database(name)
    upgrade(url)
    begun = time.monotonic()
    asyncio.run(_prepare(url, learners, queue))
    jobs = int(postgres.sql(_OPEN, name))
    achievements = int(postgres.sql("select count(*) from achievements", name))
    out.print(
        f"{title}: {learners:,} learners, {achievements:,} achievements, {jobs} jobs queued"
        f" in {time.monotonic() - begun:.0f} s"
    )
    postgres.create_database(f"{name}_undisturbed", name)
    undisturbed = _workplace(postgres, f"{name}_undisturbed", folder)
    disturbed = _workplace(postgres, name, folder)
    lived = undisturbed.finish()
    chance, killed, begun = random.Random(asked.seed), 0, time.monotonic()
    for _ in range(asked.kills):
        killed += disturbed.kill(chance, asked.between)
    disturbed.finish()
    seconds = time.monotonic() - begun
    one, other = asyncio.run(written(undisturbed.bank.url)), asyncio.run(written(disturbed.bank.url))
    differing = [part for part in one.__slots__ if getattr(one, part) != getattr(other, part)]
    states = Counter(state for _, _, state in other.jobs)
    proof = disturbed.bank.verify()
    out.print(
        f"{title}: undisturbed {lived:.0f} s; killed {killed} times while at work, {seconds:.0f} s; jobs"
        f" {', '.join(f'{count} {state}' for state, count in sorted(states.items()))};"
        f" {sum(other.decisions.values()):,} decisions, {sum(other.lots.values()):,} lots,"
        f" {sum(other.postings.values()):,} postings, {sum(other.reports.values())} reports,"
        f" {len(differing)} of {len(one.__slots__)} parts differ from the undisturbed run; verify: {proof}"
    )
    if differing or killed < _KILLS_MIN or set(states) != {"done"}:
        raise SystemExit(f"{title}: {', '.join(differing) or 'jobs or kills'} are not as they should be")


async def _prepare(url: str, learners: int, queue: Callable[[parts.Bank], Awaitable[None]]) -> None:
    async with parts.opened(url) as bank:
        await fill(bank, learners)
        await queue(bank)


def _workplace(postgres: EmbeddedPostgres, name: str, folder: Path) -> Workplace:
    bank = Bank(postgres.url(name), folder)
    bank.environment |= environment(bank.url)
    return Workplace(postgres, name, bank)


async def queue_forty(bank: parts.Bank) -> None:
    """Thirty simulations and ten re-evaluations of everybody, the first of which changes every credit."""
    await ask_for_everybody(bank, 10)
    await ask_for_simulations(bank, 30)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--learners", type=int, default=20_000, help="who are evaluated again")
    parser.add_argument("--queue-learners", type=int, default=2_000, help="whom each of the forty jobs is about")
    parser.add_argument("--kills", type=int, default=8, help="how often the worker is killed in each part, at most")
    parser.add_argument("--between", type=float, default=3.0, help="seconds until a kill, at most, from taking a job")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    asked = parser.parse_args()
    logs.configure("warning")
    with tempfile.TemporaryDirectory(prefix="creditbank-kills-") as folder, EmbeddedPostgres(durable=True) as postgres:
        prove(postgres, Path(folder), asked, "forty jobs", asked.queue_learners, queue_forty)
        prove(postgres, Path(folder), asked, "re-evaluation", asked.learners, ask_for_everybody)


if __name__ == "__main__":
    main()
