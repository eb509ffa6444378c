"""Long walks through everything that can happen to credits, with every invariant checked at each step.

``python -m bench.books [walks] [steps]``. The same machine as the test's, for as long as one likes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from creditbank.database.schema import upgrade
from tests.conversions.books import Books, WaivingBooks


def template_in(folder: Path) -> Path:
    """A migrated database that is only ever copied."""
    file = folder / "template.sqlite"
    # In a thread of its own, because a migration runs an event loop.
    migration = threading.Thread(target=upgrade, args=(f"sqlite+aiosqlite:///{file}",))
    migration.start()
    migration.join()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


def main() -> None:
    """Walk, and say how long it took; what fails is raised with the shortest walk that shows it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    given = [int(text) for text in sys.argv[1:]]
    walks, steps = given if len(given) == 2 else (500, 40)
    folder = Path(tempfile.mkdtemp())
    try:
        for machine in (Books, WaivingBooks):
            machine.template = template_in(Path(tempfile.mkdtemp(dir=folder)))
            began = time.perf_counter()
            long = settings(
                max_examples=walks,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            run_state_machine_as_test(machine, settings=long)
            print(f"{machine.__name__}: {walks} walks of up to {steps} steps in {time.perf_counter() - began:.0f} s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
