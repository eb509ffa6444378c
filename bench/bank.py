"""A bank to be measured: a database, server processes as an operator would start them, and what is in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from bench import city

READY_SECONDS_MAX: Final = 60.0
CHUNK: Final = 1000
_POLL_SECONDS: Final = 0.1

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size``; the last may be shorter."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fresh_secrets() -> dict[str, str]:
    """The two secrets of a bank, as its environment holds them."""
    return {
        f"CREDITBANK_{name}_SECRET": base64.b64encode(secrets.token_bytes(32)).decode()
        for name in ("SEALING", "LOOKUP")
    }


def _resident_kib(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def _family(pid: int) -> list[int]:
    """A process and its children."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(each for child in children for each in _family(int(child)))]
    return [pid]


class Bank:
    """One bank: where its data are, its secrets, and the commands an operator has."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        # Nothing of the developer's own environment or .env file may change what is measured.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITBANK_")}
        self.environment = {
            **kept,
            **fresh_secrets(),
            "CREDITBANK_DATABASE_URL": url,
            "CREDITBANK_LOG_LEVEL": "warning",
            "CREDITBANK_RATE_CLIENT_PER_MINUTE": "1000000",
        }
        self.key = ""
        self.approver_key = ""

    def on(self, url: str) -> Bank:
        """The same bank on a copy of its database."""
        other = Bank(url, self.folder)
        other.environment = {**self.environment, "CREDITBANK_DATABASE_URL": url}
        other.key = self.key
        return other

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the bank."""
        done = subprocess.run(
            [sys.executable, "-m", "creditbank", *command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"creditbank {' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def prepare(self) -> None:
        """Make the schema and let one client in."""
        self.run("migrate")
        self.key = self.run("clients", "create", "bench").stdout.split()[-1]
        self.approver_key = self.run("clients", "create", "approver", "--scope", "rules:approve").stdout.split()[-1]

    def verify(self) -> str:
        """What ``creditbank verify`` says. Raises RuntimeError on any finding."""
        return self.run("verify").stdout.strip().splitlines()[-1]

    def serve(self, processes: int = 1) -> Server:
        """Start serving; the server is used in a ``with`` block."""
        return Server(self, processes)


class Server:
    """``creditbank serve`` in processes of its own."""

    def __init__(self, bank: Bank, processes: int = 1) -> None:
        self._bank = bank
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.begun = 0.0
        self.ready_seconds = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, port: int | None = None) -> None:
        """Start, and wait until it says that it is ready."""
        self.port = port or free_port()
        log = (self._bank.folder / "server.log").open("ab")
        self.begun = time.perf_counter()
        command = [sys.executable, "-m", "creditbank", "serve", "--port", str(self.port)]
        with log:
            self._process = subprocess.Popen(
                [*command, "--workers", str(self._processes)],
                env=self._bank.environment,
                cwd=self._bank.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - self.begun > READY_SECONDS_MAX:
                raise RuntimeError(f"the server did not start:\n{self.log()[-3000:]}")
            time.sleep(0.01)
        self.ready_seconds = time.perf_counter() - self.begun

    def _is_ready(self) -> bool:
        # A socket and a few bytes: an HTTP client's own start would be measured too.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
            line.settimeout(5)
            line.sendall(b"GET /readyz HTTP/1.1\r\nHost: bank\r\nConnection: close\r\n\r\n")
            return line.recv(64).startswith(b"HTTP/1.1 200")
        return False

    def log(self) -> str:
        """What the server wrote."""
        return (self._bank.folder / "server.log").read_text(errors="replace")

    def resident_mib(self) -> float:
        """Resident memory of the largest process."""
        assert self._process is not None
        return max(_resident_kib(pid) for pid in _family(self._process.pid)) / 1024

    def kill(self) -> None:
        """End it as a crash would: no signal handler runs, nothing is flushed."""
        assert self._process is not None
        # The whole group at once, for a server of several processes dies with its machine.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it as an operator would. Raises TimeoutExpired when it does not end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def client(self) -> httpx.Client:
        """A client that may do everything."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self._bank.key}"},
            timeout=120,
        )


def checked(answer: httpx.Response) -> Any:
    """The JSON of an answer. Raises RuntimeError for a refusal."""
    if answer.status_code >= 400:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:2000]}")
    return answer.json()


def enter_network(client: httpx.Client) -> None:
    """Enter the city's schools."""
    named = [(city.TOP, "guidance_centre"), *((city.school(n), "community_school") for n in range(city.SCHOOLS))]
    for code, type_ in named:
        body = {"code": code, "name": {"zh": f"学校 {code}", "en": f"School {code}"}, "provider_type": type_}
        checked(client.post("/v1/providers", json=body))


def publish(client: httpx.Client, approver_key: str, document: dict[str, Any]) -> float:
    """Lead a rule set from draft to published; answers when publication was answered."""
    stored = checked(client.post("/v1/rule-sets", json=document))
    place = f"/v1/rule-sets/{stored['rule_set']}/versions/{stored['version']}"
    for step in ("validate", "simulate"):
        checked(client.post(f"{place}/{step}"))
    while (simulation := checked(client.get(f"{place}/simulation")))["state"] in {"waiting", "running"}:
        time.sleep(_POLL_SECONDS)
    if simulation["report"] is None:
        raise RuntimeError(f"the simulation is {simulation['state']}")
    for step in ("approve", "publish"):
        checked(client.post(f"{place}/{step}", headers={"Authorization": f"Bearer {approver_key}"}))
    return time.perf_counter()


def post_batch(client: httpx.Client, items: Sequence[dict[str, Any]]) -> None:
    """Post achievements that must all be new."""
    answer = checked(client.post("/v1/achievements/batch", json=items))
    if answer["counts"]["recorded"] != len(items):
        wrong = next(one for one in answer["results"] if one["status"] != 201)
        raise RuntimeError(json.dumps(wrong, ensure_ascii=False)[:2000])


def seed(client: httpx.Client, learners: int, courses: int) -> int:
    """Fill the bank through its own doors; answers how many achievements there are."""
    count = 0
    for part in chunks(city.population(learners, courses), CHUNK):
        post_batch(client, part)
        count += len(part)
    return count


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for logs and files between processes, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="creditbank-bench-") as name:
        yield Path(name)
