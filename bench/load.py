"""The load: many keep-alive connections from one process of its own, requests made of bytes, answers barely read.

Run as ``python -m bench.load`` with an order as JSON on standard input; what was seen is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import cycle
from typing import Any, Final, cast

import uvloop

from bench.city import Posting

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Order:
    """What to send. With ``gets`` they are read in turn, the i-th by connection i; else achievements are posted.

    Without ``rate`` each connection sends its next request when the last is answered; with it requests fall due at
    that rate, however long answers take, and latency counts from when a request was due.
    """

    port: int
    connections: int
    seconds: float
    key: str = ""
    gets: Sequence[str] = ()
    series: str = ""
    learners: int = 1
    courses: int = 1
    rate: float | None = None
    warm_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back in the measured time."""

    answers: int
    seconds: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    worst_ms: float
    bytes_each: float
    # The first answer that was not 2xx, for whoever looks for the reason.
    refused: str = ""
    # Share of the load process's one core that it used itself.
    busy: float = 0.0
    lost: int = field(default=0)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def check(self) -> Seen:
        """Itself, if every answer was 2xx. A measurement of refusals would be worthless."""
        if self.refused or self.lost:
            raise RuntimeError(f"{self.statuses}, {self.lost} connections lost; the first refusal:\n{self.refused}")
        return self


class _Run:
    """One run: when it measures, and what it has seen."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.bytes = 0
        self.refused = ""
        self.lost = 0
        self.unanswered = 0
        self.begins = 0.0
        self.ends = float("inf")
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()

    def note(self, begun: float, answer: bytes) -> None:
        now = time.perf_counter()
        self.unanswered -= 1
        status = answer[9:12].decode("latin-1")
        if not status.startswith("2") and not self.refused:
            self.refused = answer.decode("utf-8", "replace")[:2000]
        if self.begins <= now < self.ends:
            self.statuses[status] += 1
            self.latencies.append(now - begun)
            self.bytes += len(answer)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, run: _Run, make: Callable[[], bytes]) -> None:
        self.run = run
        self.make = make
        self.begun = 0.0
        self.received = b""
        self.wanted = 0
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's and are none of them.
        self.transport = cast(asyncio.WriteTransport, transport)

    def send(self, begun: float | None = None) -> None:
        """Send the next request; latency counts from ``begun``."""
        request = self.make()
        self.run.unanswered += 1
        self.begun = begun or time.perf_counter()
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received = received = self.received + data if self.received else data
        if not self.wanted:
            head = received.find(_END_OF_HEAD)
            if head < 0:
                return
            at = received.find(_LENGTH, 0, head)
            assert at > 0, received[:head]
            self.wanted = head + 4 + int(received[at + len(_LENGTH) : received.index(b"\r", at)])
        if len(received) < self.wanted:
            return
        self.received, self.wanted = b"", 0
        self.run.note(self.begun, received)
        self.next()

    def next(self) -> None:
        """Go on: at once, or with what fell due longest ago."""
        run = self.run
        if time.perf_counter() >= run.ends:
            return
        if run.order.rate is None:
            self.send()
        elif run.due:
            self.send(run.due.popleft())
        else:
            run.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.run.ends:
            self.run.lost += 1


async def _pace(run: _Run) -> None:
    assert run.order.rate is not None
    step, due = 1 / run.order.rate, time.perf_counter()
    while (now := time.perf_counter()) < run.ends:
        while due <= now:
            if run.idle:
                run.idle.popleft().send(due)
            else:
                run.due.append(due)
            due += step
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


def _makers(order: Order) -> list[Callable[[], bytes]]:
    if order.gets:
        authorization = f"Authorization: Bearer {order.key}\r\n" if order.key else ""
        heads = [f"GET {path} HTTP/1.1\r\nHost: bank\r\n{authorization}\r\n".encode() for path in order.gets]
        turns = [cycle(heads[i % len(heads) :: order.connections]) for i in range(order.connections)]
        return [partial(next, turn) for turn in turns]
    post = Posting(order.key, order.series, order.learners, order.courses)
    draw = random.Random(order.series).random
    return [lambda: post(draw(), draw())] * order.connections


async def _drive(order: Order) -> Seen:
    run = _Run(order)
    loop = asyncio.get_running_loop()
    connections = []
    for make in _makers(order):
        _, connection = await loop.create_connection(
            lambda make=make: _Connection(run, make),  # type: ignore[misc]
            "127.0.0.1",
            order.port,
        )
        connections.append(connection)
    run.begins = time.perf_counter() + order.warm_seconds
    run.ends = run.begins + order.seconds
    for connection in connections:
        connection.next()
    pacing = asyncio.create_task(_pace(run)) if order.rate else None
    await asyncio.sleep(order.warm_seconds)
    used = time.process_time()
    await asyncio.sleep(order.seconds)
    used = time.process_time() - used
    if pacing is not None:
        await pacing
    # What is under way is answered before the connections close: nothing of this run is left for the next to meet, and
    # a process that was still reading the rules has read them.
    patience = time.perf_counter() + _PATIENCE_SECONDS
    while run.unanswered and time.perf_counter() < patience:  # noqa: ASYNC110 (an event would cost every answer)
        await asyncio.sleep(0.02)
    for connection in connections:
        assert connection.transport is not None
        connection.transport.close()
    ordered = sorted(run.latencies) or [0.0]
    return Seen(
        len(run.latencies),
        order.seconds,
        dict(run.statuses),
        ordered[len(ordered) // 2] * 1e3,
        ordered[int(len(ordered) * 0.99)] * 1e3,
        ordered[-1] * 1e3,
        run.bytes / max(1, len(run.latencies)),
        run.refused,
        used / order.seconds,
        run.lost,
    )


def drive(order: Order) -> Seen:
    """Run an order in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])
    seen: dict[str, Any] = json.loads(done.stdout)
    return Seen(**seen)


def main() -> None:
    """Read an order, run it, print what was seen."""
    order = Order(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(_drive(order))), sys.stdout)


if __name__ == "__main__":
    main()
