"""The command line. Exit codes: 0 done, 1 found something wrong, 2 bad use."""

from __future__ import annotations

import asyncio
import base64
import gc
import getpass
import json
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from signal import SIGINT, SIGTERM
from textwrap import indent
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from uuid import UUID

import httpx
import typer
import uvicorn
import yaml
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
from creditbank.access.commands import audit
from creditbank.access.domain import SCOPES
from creditbank.access.queries import is_client
from creditbank.app import create_app, openapi_document
from creditbank.checkpoints.actions import append, sign
from creditbank.checkpoints.notes import signer_of
from creditbank.checkpoints.receipts import ReceiptMalformed, read_receipt
from creditbank.clock import learning_day, system_clock
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.errors import Refusal
from creditbank.privacy.commands import privacy, require_replayed
from creditbank.providers.queries import by_code
from creditbank.rules.checking.publishing import examine_documents, with_places
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.difference import difference
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.examine import examine
from creditbank.rules.faults import DocumentFault, DocumentRefused
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings, sqlite_file
from creditbank.web.metrics import Metrics
from creditbank.web.sentences import sentence
from creditbank.worker import build_worker

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The Learning Credit Bank.", pretty_exceptions_enable=False)
clients = typer.Typer(no_args_is_help=True, help="Programs that may call the API.")
rules = typer.Typer(no_args_is_help=True, help="Rule sets in files.")
config = typer.Typer(no_args_is_help=True, help="The settings.")
app.add_typer(clients, name="clients")
app.add_typer(rules, name="rules")
app.add_typer(config, name="config")
app.add_typer(privacy, name="privacy")
app.add_typer(audit, name="audit")

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


def _migrated() -> Settings:
    """The settings of a bank whose database is at the newest schema."""
    settings = _settings()

    async def revision() -> str | None:
        async with _opened(settings) as database, database.read() as connection:
            return await schema.current(connection)

    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        _fail(f"there is no database at {file}: run `creditbank migrate` first")
    if asyncio.run(revision()) != schema.head():
        _fail("the database is not at the newest schema: run `creditbank migrate` first")
    return settings


def calm_collector() -> None:
    """Look for garbage in cycles seldom: a batch makes many small objects and hardly a cycle (decision 0015).

    With Python's own thresholds a third of the time of a batch went into looking.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)
    try:
        yield database
    finally:
        await database.close()


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
    settings = _migrated()
    require_replayed(settings)
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
    calm_collector()
    settings = Settings()
    logs.configure(settings.log_level)
    return create_app(settings)


@app.command()
def worker() -> None:
    """Work off jobs, without serving; when told to end, after the step under way."""
    calm_collector()
    settings = _migrated()
    require_replayed(settings)
    logs.configure(settings.log_level)

    async def run() -> None:
        async with _opened(settings) as database:
            built = build_worker(settings, database, Vault(*settings.secrets()), Shelf(), system_clock, Metrics())
            loop = asyncio.get_running_loop()
            for signal in (SIGINT, SIGTERM):
                loop.add_signal_handler(signal, built.stop)
            await built.run()

    asyncio.run(run())


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema. Safe to run again, and by several at once."""
    settings = _settings()
    schema.upgrade(settings.database_url)

    async def partitions() -> None:
        async with _opened(settings) as database, database.write() as connection:
            await schema.make_month_partitions(connection, "audit_events", system_clock())

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
    # No connection is ever made; the address only names a kind of database.
    settings = Settings(sealing_secret=fresh[0], lookup_secret=fresh[1], database_url="sqlite+aiosqlite:///unopened")
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
    settings = _migrated()
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
    if tally.erased:
        told = f"{tally.erased} of the learners were erased: their chains and sums hold, nobody can open the rest"
        out.print(told, highlight=False)
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
    settings = _migrated()
    signer = signer_of(settings)
    if signer is None:
        _fail("CREDITBANK_CHECKPOINT_KEY must be set. `creditbank config secrets` makes one.")

    async def make() -> str:
        vault = Vault(*settings.secrets())
        async with _opened(settings) as database:
            async with database.write() as connection:
                appended = await append(connection, vault)
            while appended.after is not None:
                async with database.write() as connection:
                    appended = await append(connection, vault, after=appended.after)
            async with database.write() as connection:
                return (await sign(connection, signer, system_clock())).note

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
    settings = _migrated()

    async def create() -> tuple[UUID, str]:
        now = system_clock()
        expires = now + timedelta(days=days) if days else None
        async with _opened(settings) as database, database.write() as connection:
            if provider is not None and not await by_code(connection, [provider]):
                _fail(f"there is no provider {provider}", 1)
            client_id, key = await create_client(
                connection, NewClient(name, provider, scope or SCOPES, assurance, expires), now
            )
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
    settings = _migrated()

    async def rotate() -> str:
        async with _opened(settings) as database, database.write() as connection:
            if not await is_client(connection, client):
                _fail("there is no such client", 1)
            key = await add_key(connection, client, system_clock())
        return str(key)

    out.print(asyncio.run(rotate()), highlight=False, soft_wrap=True)


@clients.command("revoke")
def clients_revoke(key: Annotated[str, typer.Argument(help="the key's id: the part after cb_live_")]) -> None:
    """Make a key worthless. Running servers honour it some seconds longer (credential_cache_seconds)."""
    settings = _migrated()

    async def revoke() -> bool:
        async with _opened(settings) as database, database.write() as connection:
            return await revoke_key(connection, key, system_clock())

    if not asyncio.run(revoke()):
        _fail("there is no such key, or it is revoked already", 1)


class Shown(StrEnum):
    """The languages in which sentences are shown."""

    EN = "en"
    ZH = "zh"
    BOTH = "both"


def _form(file: Path) -> Literal["yaml", "json"]:
    return "json" if file.suffix == ".json" else "yaml"


def _read_rules(file: Path) -> list[ParsedDocument] | DocumentRefused:
    try:
        return read_documents(file.read_bytes(), format=_form(file))
    except DocumentRefused as refused:
        return refused


def _tell(file: Path, found: DocumentFault | Verdict, shown: Shown = Shown.EN) -> None:
    """One line for where and what, a further one for each further language."""
    place = f"{file}:{found.line}" if found.line else str(file)
    wanted = ("en", "zh") if shown is Shown.BOTH else (shown.value,)
    sentences = "\n    ".join(found.message[language] for language in wanted)
    text = f"{place}: {found.code} {found.pointer}: {sentences}"
    if isinstance(found, Verdict) and found.counterexample:
        examples = yaml.safe_dump([dict(made) for made in found.counterexample], allow_unicode=True, sort_keys=False)
        text += "\n" + indent(examples.rstrip(), "    ")
    err.print(text, highlight=False, markup=False, soft_wrap=True)


@rules.command("check")
def rules_check(
    files: Annotated[list[Path], typer.Argument(help="YAML or JSON files", exists=True, dir_okay=False)],
    language: Annotated[Shown, typer.Option(help="the language of the sentences")] = Shown.BOTH,
) -> None:
    """Say what speaks against publishing, with achievements that show it. Exit 1 on errors, 0 on warnings alone."""
    calm_collector()
    wrong = 0
    for file in files:
        documents = _read_rules(file)
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault, language)
            wrong += len(documents.faults)
            continue
        verdicts = examine_documents(documents, exercised=examine(documents).exercised)
        if verdicts and file.suffix != ".json":
            verdicts = with_places(verdicts, file.read_bytes())
        for verdict in verdicts:
            _tell(file, verdict, language)
        errors = sum(verdict.severity == "error" for verdict in verdicts)
        told = f"{file}: {errors} errors, {len(verdicts) - errors} warnings"
        out.print(told, highlight=False, markup=False, soft_wrap=True)
        wrong += errors
    if wrong:
        raise typer.Exit(1)


@rules.command("diff")
def rules_diff(
    old: Annotated[Path, typer.Argument(help="the file with the former version", exists=True, dir_okay=False)],
    new: Annotated[Path, typer.Argument(help="the file with the new version", exists=True, dir_okay=False)],
) -> None:
    """Say what changes from one version of a rule set to the next, and which achievements that can touch."""
    newest: list[dict[str, ParsedDocument]] = []
    for file in (old, new):
        documents = _read_rules(file)
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault)
            raise typer.Exit(1)
        by_version = sorted(documents, key=lambda document: document.model.ruleset.version)
        newest.append({document.model.ruleset.id: document for document in by_version})
    both = [id_ for id_ in newest[1] if id_ in newest[0]]
    if not both:
        _fail("the files have no rule set in common")
    for id_ in both:
        found = difference(newest[0][id_].layered, newest[1][id_].layered)
        for change in found.changes:
            sign = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
            told = json.dumps(change.new if change.kind == "added" else change.old, ensure_ascii=False)
            if change.kind == "changed":
                told += f" -> {json.dumps(change.new, ensure_ascii=False)}"
            line = f"{sign} {change.pointer} ({change.of}): {told}"
            out.print(line, highlight=False, markup=False, soft_wrap=True)
        for box in found.touched:
            wanted = {"kind": box.kinds, "provider": box.providers, "code": box.codes}
            asked = "; ".join(f"{name} {', '.join(values)}" for name, values in wanted.items() if values is not None)
            out.print(f"touches {asked or 'everything'}", highlight=False, markup=False, soft_wrap=True)
        for programme in found.programmes:
            out.print(f"touches programme {programme}", highlight=False, markup=False)


@rules.command("test")
def rules_test(files: Annotated[list[Path], typer.Argument(help="YAML or JSON files", exists=True)]) -> None:
    """Run the tests that rule sets carry; prints each mismatch as expected and got. Exit 1 on any."""
    wrong = 0
    for file in files:
        documents = _read_rules(file)
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault)
            wrong += len(documents.faults)
            continue
        mismatches = examine(documents).mismatches
        for m in mismatches:
            err.print(f"{file}: {m.test}: {m.key}\n  expected {m.expected}\n  got      {m.got}", markup=False)
        wrong += len(mismatches)
        count = sum(len(document.model.tests) for document in documents)
        out.print(f"{file}: {count} tests, {len(mismatches)} mismatches", highlight=False, markup=False)
    if wrong:
        raise typer.Exit(1)


@rules.command("explain")
def rules_explain(
    file: Annotated[Path, typer.Argument(help="rule sets, YAML or JSON", exists=True, dir_okay=False)],
    achievements: Annotated[Path, typer.Option(help="one learner's achievements", exists=True, dir_okay=False)],
    language: Annotated[Literal["en", "zh"], typer.Option(help="of the sentences")] = "en",
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the day of the evaluation; today")
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="show the canonical text, the tests and the steps too")
    ] = False,
) -> None:
    """Say what rule sets make of achievements, and why. Exit 1 when either file is refused."""
    from creditbank.rules.telling.answers import answers, read_given

    day = (as_of or system_clock().astimezone()).date()
    reading = file
    try:
        documents = read_documents(file.read_bytes(), format=_form(file))
        reading = achievements
        facts = read_given(achievements.read_bytes(), _form(achievements))
    except DocumentRefused as refused:
        for fault in refused.faults:
            _tell(reading, fault, Shown(language))
        raise typer.Exit(1) from None
    for answer in answers(documents, facts, day, language):
        lines = [f"{answer.key}  {answer.credits} {answer.unit}  {answer.state}", f"  {answer.sentence}"]
        if trace:
            lines += [f"  {answer.canonical}", *(f"    {part}" for part in answer.trace)]
        out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


@rules.command("import")
def rules_import(
    file: Annotated[Path, typer.Argument(help="an equivalency table, CSV or XLSX", exists=True, dir_okay=False)],
    to: Annotated[Path, typer.Option(help="where the rule sets go, one file for each receiving institution")] = Path(),
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="first day, where no sheet says it")
    ] = None,
    unit: Annotated[str, typer.Option(help="unit of credit, where no sheet says it")] = "CR",
) -> None:
    """Make rule sets with tests from an equivalency table. Exit 1, and nothing written, on a cell that is wrong."""
    from creditbank.equivalencies.commands import import_table
    from creditbank.equivalencies.rows import Defaults

    if not import_table(file, to, Defaults(start.date() if start else None, unit), out, err):
        raise typer.Exit(1)


@rules.command("table")
def rules_table(
    files: Annotated[list[Path], typer.Argument(help="rule sets, YAML or JSON", exists=True, dir_okay=False)],
    to: Annotated[Path, typer.Option(help="the spreadsheet to write")] = Path("equivalencies.xlsx"),
) -> None:
    """Write rule sets into a spreadsheet that `rules import` reads. Exit 1 on anything that a table cannot say."""
    from creditbank.equivalencies.commands import export_table

    if not export_table(files, to, out, err):
        raise typer.Exit(1)


_OPERATOR = typer.Option(
    "--operator", envvar="CREDITBANK_OPERATOR", help="who works here, as the audit log names it; by default the login"
)
_RULES_FILE = typer.Argument(help="a YAML or JSON file", exists=True, dir_okay=False)


def _operator(name: str | None) -> str:
    try:
        return (name or getpass.getuser()).strip() or _fail("--operator needs a name")
    except (KeyError, OSError):
        _fail("nobody is logged in: name yourself with --operator")


def _done(work: Coroutine[Any, Any, T]) -> T:
    """What the work answers; a refusal ends the command with its sentence and every fault."""
    try:
        return asyncio.run(work)
    except Refusal as refusal:
        for fault in refusal.faults:
            message = fault.message or sentence(fault.code, "en")
            err.print(f"{fault.code} {fault.pointer}: {message}", highlight=False, markup=False)
        _fail(sentence(refusal.code, "en", refusal.terms()), 1)


@rules.command("simulate")
def rules_simulate(
    file: Annotated[Path, _RULES_FILE],
    operator: Annotated[str | None, _OPERATOR] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="look at about so many learners only")] = None,
) -> None:
    """Store a rule set as a draft, validate it, and say what publishing it would change. Nobody is settled."""
    from creditbank.publishing.commands import Operating, show_report

    settings, name = _migrated(), _operator(operator)
    report = _done(Operating(settings, name, err).simulate(file.read_bytes(), _form(file), sample))
    show_report(out, report)


@rules.command("publish")
def rules_publish(
    file: Annotated[Path, _RULES_FILE],
    approved_by: Annotated[str, typer.Option("--approved-by", help="who approved it: somebody who did not edit it")],
    operator: Annotated[str | None, _OPERATOR] = None,
) -> None:
    """Lead a rule set all the way: draft, validated, simulated, approved by another, published.

    Whoever runs this answers for the approval: both names stand in the audit log. A worker settles everybody then.
    """
    from creditbank.publishing.commands import Operating, show_report

    settings, name = _migrated(), _operator(operator)
    approver = approved_by.strip() or _fail("--approved-by needs a name")
    published = _done(Operating(settings, name, err).publish(file.read_bytes(), _form(file), approver))
    show_report(out, published.report)
    out.print(f"{published.ref} published; job {published.job} settles everybody", highlight=False)


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
