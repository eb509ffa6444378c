"""The command line. Exit codes: 0 done, 1 found something wrong, 2 bad use."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import httpx
import typer
import uvicorn
from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy.engine import make_url

from creditbank import __version__, logs, proving
from creditbank.access.actions import NewClient, add_key, create_client, revoke_key
from creditbank.access.domain import SCOPES
from creditbank.app import create_app, openapi_document
from creditbank.checkpoints.actions import append, sign
from creditbank.checkpoints.notes import signer_of
from creditbank.checkpoints.receipts import ReceiptMalformed, read_receipt
from creditbank.clock import learning_day, system_clock
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.errors import Refusal
from creditbank.providers.queries import by_code
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentRefused
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings, sqlite_file
from creditbank.web.metrics import Metrics
from creditbank.web.sentences import sentence
from creditbank.worker import build_worker

app = typer.Typer(no_args_is_help=True, help="The Learning Credit Bank.", pretty_exceptions_enable=False)
clients = typer.Typer(no_args_is_help=True, help="Programs that may call the API.")
rules = typer.Typer(no_args_is_help=True, help="Rule sets in files.")
config = typer.Typer(no_args_is_help=True, help="The settings.")
app.add_typer(clients, name="clients")
app.add_typer(rules, name="rules")
app.add_typer(config, name="config")

out = Console()
err = Console(stderr=True)


def _fail(message: str, code: int = 2) -> NoReturn:
    err.print(message, style="red", highlight=False, markup=False)
    raise typer.Exit(code)


def _settings() -> Settings:
    try:
        settings = Settings()
        settings.secrets()
    except ValidationError as invalid:
        lines = [f"CREDITBANK_{str(e['loc'][0]).upper()}: {e['msg']}" for e in invalid.errors() if e["loc"]]
        _fail("The settings are not usable.\n" + "\n".join(lines or [str(invalid)]))
    except ValueError as missing:
        _fail(f"{missing}. `creditbank config secrets` makes a fresh pair for a .env file.")
    return settings


def _calm_collector() -> None:
    """Look for garbage in cycles seldom: a batch makes many small objects and hardly a cycle (decision 0015).

    With Python's own thresholds a third of the time of a batch went into looking.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _database(settings: Settings) -> Database:
    return Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="server processes; more than one needs PostgreSQL")] = 1,
) -> None:
    """Serve the API and work off jobs."""
    settings = _settings()
    if settings.is_sqlite and workers > 1:
        _fail("SQLite has one writer: serve it with one process, or use PostgreSQL.")
    logs.configure(settings.log_level)
    uvicorn.run(
        "creditbank.cli:served",
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
    _calm_collector()
    settings = Settings()
    logs.configure(settings.log_level)
    return create_app(settings)


@app.command()
def worker() -> None:
    """Work off jobs, without serving."""
    _calm_collector()
    settings = _settings()
    logs.configure(settings.log_level)

    async def run() -> None:
        database = _database(settings)
        built = build_worker(settings, database, Vault(*settings.secrets()), Shelf(), system_clock, Metrics())
        await built.run()

    asyncio.run(run())


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema. Safe to run again, and by several at once."""
    settings = _settings()
    schema.upgrade(settings.database_url)

    async def partitions() -> None:
        database = _database(settings)
        async with database.write() as connection:
            await schema.make_month_partitions(connection, "audit_events", system_clock())
        await database.close()

    asyncio.run(partitions())
    out.print(f"at {schema.head()}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="where the demonstration keeps its database")] = Path("demo"),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    once: Annotated[bool, typer.Option("--once", help="stop after the transcript is printed")] = False,
) -> None:
    """Run a small city: a network, learners, rules, achievements over HTTP, a transcript; then go on serving."""
    from creditbank.demo import run_demo

    run_demo(folder, host, port, once=once)


@app.command()
def openapi(
    check: Annotated[Path | None, typer.Option(help="compare with this file instead of printing")] = None,
) -> None:
    """Print the OpenAPI document."""
    fresh = [SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()) for _ in range(2)]
    settings = Settings(sealing_secret=fresh[0], lookup_secret=fresh[1], database_url="sqlite+aiosqlite:///:memory:")
    text = json.dumps(openapi_document(settings), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if check is None:
        sys.stdout.write(text)
    elif not check.exists() or check.read_text("utf-8") != text:
        _fail(f"{check} is not what the code says: run `make openapi`.", 1)


@app.command()
def healthcheck(
    url: Annotated[str, typer.Option(help="what to ask")] = "http://127.0.0.1:8000/readyz",
) -> None:
    """Ask a running server whether it can work; for containers."""
    try:
        # A proxy in the environment is for the outside, and the server asked is this machine's own.
        answer = httpx.get(url, timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        _fail(f"no answer: {error}", 1)
    if answer.status_code != 200:
        _fail(f"{answer.status_code}: {answer.text}", 1)


class _Speed(ProgressColumn):
    """How many learners a second."""

    def render(self, task: Task) -> Text:
        """The figure as it is shown."""
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} learners/s")


@app.command()
def verify(
    processes: Annotated[int, typer.Option(min=1, max=64, help="how many processes verify at once")] = 1,
    chains_only: Annotated[
        bool, typer.Option("--chains-only", help="only hashes and sums, not facts and rules")
    ] = False,
    resume: Annotated[Path | None, typer.Option(help="keep the state here; found there, go on from it")] = None,
    against: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="a checkpoint or proof that left the bank")
    ] = None,
) -> None:
    """Recompute every learner from the facts: chains, positions, decisions, credits, checkpoints. Exit 1 on a finding.

    Whoever has the database and all its secrets can write a past that agrees with itself. Only what left the bank
    before shows that: checkpoints and learners' proofs, given with --against.
    """
    _calm_collector()
    settings = _settings()
    if (file := sqlite_file(settings.database_url)) is not None and not file.exists():
        _fail(f"there is no database at {file}")
    bar = Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task("verifying")
    try:
        receipts = [read_receipt(str(file), file.read_text("utf-8")) for file in against or ()]
        today = learning_day(system_clock(), settings.zone)
        order = proving.Order(settings, today, processes, chains_only, resume, receipts)
        with bar:
            tally = proving.prove(
                order,
                begun=lambda total, done: bar.update(task, total=total, completed=done),
                proven=lambda page: bar.advance(task, page.learners),
            )
    except (proving.ResumeRefused, ReceiptMalformed, UnicodeDecodeError) as refused:
        _fail(str(refused))
    for finding in tally.findings[:100]:
        who = f"learner {finding.learner_id}" if finding.learner_id else "the bank"
        err.print(f"{finding.code}: {who}: {finding.detail}", style="red", highlight=False, markup=False)
    kept = f", {len(receipts)} receipts" if receipts else ""
    out.print(
        f"{tally.learners} learners, {tally.achievements} achievements, {tally.postings} postings{kept} verified; "
        f"{len(tally.findings)} findings",
        highlight=False,
    )
    if tally.findings:
        raise typer.Exit(1)


@app.command()
def checkpoint(
    export: Annotated[Path | None, typer.Option(help="also write the note to this file")] = None,
) -> None:
    """Sign where every learner's chain stands now, and print the note. Keep it where the bank cannot reach it."""
    settings = _settings()
    signer = signer_of(settings)
    if signer is None:
        _fail("CREDITBANK_CHECKPOINT_KEY must be set. `creditbank config secrets` makes one.")

    async def make() -> str:
        database = _database(settings)
        vault = Vault(*settings.secrets())
        async with database.write() as connection:
            appended = await append(connection, vault)
        while appended.after is not None:
            async with database.write() as connection:
                appended = await append(connection, vault, after=appended.after)
        async with database.write() as connection:
            made = await sign(connection, signer, system_clock())
        await database.close()
        return made.note

    note = asyncio.run(make())
    if export is not None:
        export.write_text(note, "utf-8")
    sys.stdout.write(note)


@clients.command("create")
def clients_create(
    name: Annotated[str, typer.Argument(help="what the client is called")],
    provider: Annotated[str | None, typer.Option(help="code of the provider it acts for; none: the bank")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="a scope it carries; all when left out for the bank")] = None,
    assurance: Annotated[str, typer.Option(help="the most its achievements may be assured")] = "provider",
    days: Annotated[int | None, typer.Option(min=1, help="days until the key expires")] = None,
) -> None:
    """Let a program in. The key is printed once."""
    if assurance not in {"self", "provider", "verified", "signed"}:
        _fail("assurance is one of self, provider, verified, signed")
    if scope is None and provider is not None:
        _fail("name the scopes of a provider's client with --scope; there are: " + ", ".join(SCOPES))
    settings = _settings()

    async def create() -> tuple[UUID, str]:
        database = _database(settings)
        now = system_clock()
        expires = datetime.fromtimestamp(now.timestamp() + days * 86_400, UTC) if days else None
        async with database.write() as connection:
            if provider is not None and not await by_code(connection, [provider]):
                _fail(f"there is no provider {provider}", 1)
            client_id, key = await create_client(
                connection, NewClient(name, provider, scope or SCOPES, assurance, expires), now
            )
        await database.close()
        return client_id, str(key)

    try:
        client_id, key = asyncio.run(create())
    except Refusal as refusal:
        _fail(sentence(refusal.code, "en", refusal.terms()), 1)
    out.print(f"client {client_id}", highlight=False)
    out.print(key, highlight=False, soft_wrap=True)


@clients.command("rotate")
def clients_rotate(client: Annotated[UUID, typer.Argument(help="the client's id")]) -> None:
    """Make a further key for a client. Revoke the old one when nobody uses it any more."""
    settings = _settings()

    async def rotate() -> str:
        database = _database(settings)
        async with database.write() as connection:
            key = await add_key(connection, client, system_clock())
        await database.close()
        return str(key)

    out.print(asyncio.run(rotate()), highlight=False, soft_wrap=True)


@clients.command("revoke")
def clients_revoke(key: Annotated[str, typer.Argument(help="the key's id: the part after cb_live_")]) -> None:
    """Make a key worthless. Running servers honour it some seconds longer (credential_cache_seconds)."""
    settings = _settings()

    async def revoke() -> bool:
        database = _database(settings)
        async with database.write() as connection:
            done = await revoke_key(connection, key, system_clock())
        await database.close()
        return done

    if not asyncio.run(revoke()):
        _fail("there is no such key, or it is revoked already", 1)


@rules.command("test")
def rules_test(files: Annotated[list[Path], typer.Argument(help="YAML or JSON files", exists=True)]) -> None:
    """Run the tests that rule sets carry; prints each mismatch as expected and got. Exit 1 on any."""
    wrong = 0
    for file in files:
        try:
            documents = read_documents(file.read_bytes(), format="json" if file.suffix == ".json" else "yaml")
        except DocumentRefused as refused:
            for fault in refused.faults:
                place = f"{file}:{fault.line}" if fault.line else str(file)
                err.print(
                    f"{place}: {fault.code} {fault.pointer}: {fault.message['en']}", highlight=False, markup=False
                )
            wrong += len(refused.faults)
            continue
        mismatches = examine(documents).mismatches
        for m in mismatches:
            err.print(f"{file}: {m.test}: {m.key}\n  expected {m.expected}\n  got      {m.got}", markup=False)
        wrong += len(mismatches)
        count = sum(len(document.model.tests) for document in documents)
        out.print(f"{file}: {count} tests, {len(mismatches)} mismatches", highlight=False, markup=False)
    if wrong:
        raise typer.Exit(1)


@config.command("check")
def config_check() -> None:
    """Say whether the settings are usable; secrets are not shown."""
    settings = _settings()
    for name, value in settings.model_dump(exclude={"sealing_secret", "lookup_secret", "checkpoint_key"}).items():
        shown = make_url(value).render_as_string(hide_password=True) if name == "database_url" else value
        out.print(f"CREDITBANK_{name.upper()}={shown}", highlight=False, markup=False)


@config.command("secrets")
def config_secrets() -> None:
    """Print fresh secrets for a .env file. Keep them: without the first two nothing that is sealed can be read."""
    for name in ("SEALING_SECRET", "LOOKUP_SECRET", "CHECKPOINT_KEY"):
        out.print(f"CREDITBANK_{name}={base64.b64encode(secrets.token_bytes(32)).decode()}", highlight=False)


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
