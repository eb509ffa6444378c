"""Commands that serve: the server, the worker, the demonstration, the description, the health of a container.

What serves is imported by whoever serves: every other command begins sooner without it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from creditbank import __version__, logs
from creditbank.cli.privacy import require_replayed
from creditbank.cli.running import calm_collector, fail, migrated, opened, out
from creditbank.clock import system_clock
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings


def version() -> None:
    """Print the version."""
    out.print(__version__)


def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="server processes; more than one needs PostgreSQL")] = 1,
) -> None:
    """Serve the API and work off jobs."""
    import uvicorn

    settings = migrated()
    require_replayed(settings)
    if settings.is_sqlite and workers > 1:
        fail("SQLite has one writer: serve it with one process, or use PostgreSQL.")
    if settings.sandbox_folder and workers > 1:
        fail("All sandboxes are served by one process: give CREDITBANK_SANDBOX_FOLDER to a server of its own.")
    logs.configure(settings.log_level)
    if workers > settings.rate_processes:
        # Each process allows its share of what the limits say.
        os.environ["CREDITBANK_RATE_PROCESSES"] = str(workers)
    uvicorn.run(
        "creditbank.cli.server:served",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


def served() -> Any:
    """The application as a server process builds it."""
    from creditbank.app import create_app

    calm_collector()
    settings = Settings()
    logs.configure(settings.log_level)
    return create_app(settings)


def worker() -> None:
    """Work off jobs and carry events, without serving; when told to end, after the step under way."""
    from creditbank.web.metrics import Metrics
    from creditbank.worker import build_courier, build_worker

    calm_collector()
    settings = migrated()
    require_replayed(settings)
    logs.configure(settings.log_level)

    async def run() -> None:
        async with opened(settings) as database:
            vault, shelf, metrics = Vault(*settings.secrets()), Shelf(settings.zone), Metrics()
            built = build_worker(settings, database, vault, shelf, system_clock, metrics)
            courier = build_courier(settings, database, vault, system_clock, metrics)

            def stop() -> None:
                built.stop()
                courier.stop()

            loop = asyncio.get_running_loop()
            for signal in (SIGINT, SIGTERM):
                loop.add_signal_handler(signal, stop)
            await asyncio.gather(built.run(), courier.run())

    asyncio.run(run())


def demo(
    folder: Annotated[Path, typer.Option(help="where the demonstration keeps its database")] = Path("demo"),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    once: Annotated[bool, typer.Option("--once", help="stop after the transcript is printed")] = False,
) -> None:
    """Run a small city: a network, learners, rules, achievements over HTTP, a transcript; then go on serving."""
    from creditbank.demo import run_demo

    run_demo(folder, host, port, once=once)


def openapi(
    check: Annotated[Path | None, typer.Option(help="compare with this file instead of printing")] = None,
) -> None:
    """Print the OpenAPI document."""
    from creditbank.app import openapi_document

    fresh = [SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()) for _ in range(2)]
    # No connection is ever made; the address only names a kind of database.
    settings = Settings(sealing_secret=fresh[0], lookup_secret=fresh[1], database_url="sqlite+aiosqlite:///unopened")
    text = json.dumps(openapi_document(settings), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if check is None:
        sys.stdout.write(text)
    elif not check.exists() or check.read_text("utf-8") != text:
        fail(f"{check} is not what the code says: run `make openapi`.", 1)


def healthcheck(url: Annotated[str, typer.Option(help="what to ask")] = "http://127.0.0.1:8000/readyz") -> None:
    """Ask a running server whether it can work; for containers."""
    import httpx

    try:
        # A proxy in the environment is for the outside, and the server asked is this machine's own.
        answer = httpx.get(url, timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        fail(f"no answer: {error}", 1)
    if answer.status_code != 200:
        fail(f"{answer.status_code}: {answer.text}", 1)
