"""The stage that most measurements share: one PostgreSQL, a grown bank in it, and copies of the bank for the others."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench import city
from bench.bank import Bank, Server, enter_network, publish, seed
from bench.statements import Capture, Captured
from tests.postgres import EmbeddedPostgres

SETTINGS: Final = {
    # fsync, synchronous_commit and full_page_writes stay as they are: on. These keep a checkpoint from falling into
    # one round and not into the other.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "60min",
    "max_connections": "200",
}

out = Console(highlight=False, soft_wrap=True, width=140)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    only: frozenset[str]
    seconds: float
    rounds: int
    scale: int
    rules: int
    postings: int
    processes: int
    grown: int

    @property
    def learners(self) -> int:
        """Learners who are posted about."""
        return city.learners_for(self.scale)

    @property
    def courses(self) -> int:
        """Courses that the bank begins with and single posts are about; the others are for batches."""
        return self.rules * 9 // 10


@dataclass(slots=True)
class Stage:
    """A bank ready to be measured."""

    plan: Plan
    postgres: EmbeddedPostgres
    bank: Bank
    folder: Path
    achievements: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    def serve(self) -> Server:
        """The bank's server."""
        return self.bank.serve(self.plan.processes)

    def copy(self, name: str) -> str:
        """A copy of the bank for whatever it is compared with; nobody may be connected to the bank."""
        self.postgres.create_database(name, template="bank")
        # What a client cannot know is whom an identity's key leads to, for it is an HMAC. These rows let pgbench ask
        # the same question: learner n, in the order of seeding, is also found under a hash of n.
        self.postgres.sql(
            "insert into learner_identities select sha256(int8send(row_number() over (order by id) - 1)), 'bench', id"
            " from learners",
            name,
        )
        self.postgres.sql("vacuum analyze", name)
        return name

    def learner_id(self, number: int) -> str:
        """The id of the n-th learner that was seeded."""
        return self._sql("select id from learners order by id offset {} limit 1", number)

    def _sql(self, statement: str, *given: object) -> str:
        return self.postgres.sql(statement.format(*given), "bank")

    def capture(self, capture: Capture, request: Callable[[], None], mark: str, number: int, course: int) -> Captured:
        """What a lone request about the n-th learner does."""
        learner_id = self.learner_id(number)
        seq = self._sql("select seq from learners where id = '{}'", learner_id)
        key = self._sql(
            "select key from learner_identities where learner_id = '{}' and type = 'student_number'", learner_id
        )
        return Captured(capture.lone(request, mark, learner_id), learner_id, int(seq), course, key)


def ask(port: int, request: bytes) -> bytes:
    """Send a request on a connection of its own; answers what came back. Raises RuntimeError unless it is 2xx."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(answer.decode("utf-8", "replace")[:2000])
    return answer


def set_up(plan: Plan, postgres: EmbeddedPostgres, folder: Path) -> Stage:
    """A grown bank: the network, the rules, and learners with what they hold, all through the bank's own doors."""
    stage = Stage(plan, postgres, Bank(postgres.create_database("bank"), folder), folder)
    stage.bank.prepare()
    with stage.serve() as server, server.client() as client:
        enter_network(client)
        begun = time.perf_counter()
        publish(client, stage.bank.approver_key, city.with_tests(plan.rules))
        out.print(f"{plan.rules} rules stored and published in {time.perf_counter() - begun:.1f} s")
        begun = time.perf_counter()
        stage.achievements = seed(client, plan.learners, plan.courses)
        seconds = time.perf_counter() - begun
    out.print(
        f"{stage.achievements} achievements of {plan.learners + city.READERS} learners in {seconds:.1f} s: "
        f"{stage.achievements / seconds:,.0f}/s"
    )
    out.print(f"creditbank verify: {stage.bank.verify()}")
    postgres.sql("vacuum analyze", "bank")
    postgres.sql("checkpoint")
    return stage
