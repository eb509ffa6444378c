"""Composition root of the server: the only place that puts the parts together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.staticfiles import StaticFiles

from creditbank import __version__
from creditbank.access.credentials import Credentials
from creditbank.access.oauth.routes import router as oauth
from creditbank.access.routes import router as access
from creditbank.access.tokens import tokens_of
from creditbank.accounts.routes import router as accounts
from creditbank.achievements.routes import router as achievements
from creditbank.activations.routes import router as activations
from creditbank.activities.counting import router as head_counts
from creditbank.activities.routes import router as activities
from creditbank.catalogue.routes import router as catalogue
from creditbank.checkpoints.jobs import ask_checkpoint
from creditbank.checkpoints.notes import keys_of
from creditbank.checkpoints.routes import router as checkpoints
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.jobs import Holding, ask_sweeping
from creditbank.claims.routes import router as claims
from creditbank.clock import Clock, learning_day, system_clock
from creditbank.conversions.actions import Counter
from creditbank.conversions.jobs import ask_lapsing
from creditbank.conversions.routes import router as conversions
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.database.gathered import GatheredRead
from creditbank.exchanges.routes import router as exchanges
from creditbank.guardianships.routes import router as guardianships
from creditbank.imports.jobs import ask_forgetting_imports
from creditbank.imports.routes import router as imports
from creditbank.intake.actions import Desk
from creditbank.intake.gathering import Gathering
from creditbank.intake.routes import router as intake
from creditbank.jobs.housekeeping import ask_housekeeping
from creditbank.learners.queries import find_key
from creditbank.learners.routes import number_form
from creditbank.learners.routes import router as learners
from creditbank.ledger.queries import holdings_of
from creditbank.ledger.routes import router as ledger
from creditbank.merges.jobs import ask_marking
from creditbank.merges.routes import router as merges
from creditbank.people.jobs import ask_forgetting
from creditbank.people.login.providers import Gate, read_providers
from creditbank.people.login.routes import router as login
from creditbank.people.passwords import Passwords
from creditbank.people.roles import roles_with
from creditbank.people.routes import router as people
from creditbank.people.sessions import Limits, Sessions
from creditbank.privacy.actions import Eraser, check_roll, is_roll_ahead
from creditbank.privacy.jobs import ask_forgetting_looks
from creditbank.privacy.looks import Looks, write_again_and_again
from creditbank.privacy.roll import Roll, RollBroken
from creditbank.privacy.routes import router as privacy
from creditbank.programmes.routes import router as programmes
from creditbank.providers.routes import router as providers
from creditbank.publishing.dates import ask_dates
from creditbank.publishing.routes import router as publishing
from creditbank.recognition.routes import router as recognition
from creditbank.regions.routes import router as regions
from creditbank.registrations.routes import router as registrations
from creditbank.rulesets.shelf import Shelf
from creditbank.sandbox.dispatch import SandboxDoor, Sandboxes
from creditbank.sandbox.queries import clock_of
from creditbank.sandbox.routes import router as sandbox
from creditbank.sealing import LearnerKey, Vault
from creditbank.settings import Settings
from creditbank.transcripts.prints import Prints
from creditbank.transcripts.queries import stamps_of
from creditbank.transcripts.routes import router as transcripts
from creditbank.web import description, health, parameters, problems
from creditbank.web.edge import Edge
from creditbank.web.envelope import Envelope
from creditbank.web.limits import BodyLimit
from creditbank.web.metrics import Metrics
from creditbank.web.rates import Rates
from creditbank.webhooks.jobs import ask_forgetting_deliveries
from creditbank.webhooks.routes import router as webhooks
from creditbank.worker import build_courier, build_worker

# What is asked for most comes first: a request is held against one route after the other.
ROUTERS = (
    recognition,
    transcripts,
    intake,
    imports,
    ledger,
    achievements,
    learners,
    providers,
    regions,
    activities,
    head_counts,
    claims,
    programmes,
    conversions,
    exchanges,
    catalogue,
    checkpoints,
    publishing,
    access,
    oauth,
    people,
    login,
    privacy,
    accounts,
    activations,
    registrations,
    guardianships,
    merges,
    webhooks,
    health.router,
)


class SchemaBehind(Exception):
    """The database is not at the newest migration: `creditbank migrate` comes first."""


# These are not in a sandbox: clients, keys and tokens are the real bank's alone, and so is whatever it signs.
_REAL_ONLY = (access, oauth, checkpoints)


class NoRealBooks(Exception):
    """The database is a sandbox's, and the server was told to serve it as a bank."""


def create_app(settings: Settings, *, clock: Clock = system_clock) -> FastAPI:
    """The server as an application. Raises ValueError when a secret is missing, a former key is none, or the
    file of identity providers cannot be used."""
    return _create(settings, clock)


def _create(settings: Settings, clock: Clock, visiting: Credentials | None = None) -> FastAPI:
    """A bank; or, for those that ``visiting`` lets in, the sandbox of one."""
    # A former key that cannot be read must stop the start, not the first request for it.
    keys_of(settings)
    vault = Vault(*settings.secrets())
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)

    async def key_of(connection: AsyncConnection, learner_id: UUID) -> LearnerKey | None:
        return await find_key(connection, vault, learner_id)

    edge = Edge(settings, database, vault, clock, key_of)
    metrics = Metrics()
    shelf = Shelf(settings.zone)
    desk = Desk(vault, shelf, clock, number_form(edge))
    gathering = Gathering(edge, desk, metrics)
    looks = Looks(clock)

    async def write_looks() -> None:
        if looks.are_waiting:
            async with database.write() as connection:
                await looks.write(connection)

    counter = Counter(vault, shelf, clock, timedelta(days=settings.hold_days))
    eraser = Eraser(counter, Roll(settings.erasure_roll, vault))

    async def is_fit(connection: AsyncConnection) -> bool:
        try:
            return not await is_roll_ahead(connection, eraser.roll)
        except RollBroken:
            return False

    tokens = tokens_of(settings)
    credentials = visiting or Credentials(database, clock, settings.credential_cache_seconds, tokens)
    rates = Rates(settings, clock)
    worker = build_worker(settings, database, vault, shelf, clock, metrics)
    courier = build_courier(settings, database, vault, clock, metrics, is_sandbox=visiting is not None)
    sandboxes: Sandboxes | None = None
    if settings.sandbox_folder:
        # A test credential is as good as the real clock says; only what it opens has another time.
        tests = Credentials(database, clock, settings.credential_cache_seconds, tokens, is_test=True)
        sandboxes = Sandboxes(settings, database, clock, tests, rates, _create)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with database.read() as connection:
                if await schema.current(connection) != schema.head():
                    raise SchemaBehind
                if visiting is None and await clock_of(connection) is not None:
                    raise NoRealBooks
                await check_roll(connection, eraser.roll)
        except Exception:
            await database.close()
            raise
        # Before any evidence is taken or swept up, so that whoever shares the folder knows of this bank.
        await Holding(app.state.evidence, vault, settings.database_place).is_ours()
        working = [asyncio.create_task(one.run()) for one in (worker, courier)] if settings.worker else []
        async with database.write() as connection:
            await ask_housekeeping(connection, clock)
            today = learning_day(clock(), settings.zone)
            await ask_dates(connection, clock, today - timedelta(days=1), today, settings.zone)
            if settings.checkpoint_seed is not None:
                await ask_checkpoint(connection, clock, timedelta(minutes=settings.checkpoint_minutes))
            await ask_lapsing(connection, clock)
            await ask_sweeping(connection, clock)
            await ask_forgetting(connection, clock)
            await ask_forgetting_looks(connection, clock)
            await ask_marking(connection, clock)
            await ask_forgetting_deliveries(connection, clock)
            await ask_forgetting_imports(connection, clock)
        writing = [] if visiting else [credentials] if sandboxes is None else [credentials, sandboxes.credentials]
        uses = [asyncio.create_task(used.keep_writing()) for used in writing]
        looking = asyncio.create_task(write_again_and_again(write_looks, settings.looks_seconds))
        yield
        if sandboxes is not None:
            await sandboxes.close()
        for task in uses:
            task.cancel()
        for used in writing:
            await used.write_uses()
        await gathering.close()
        looking.cancel()
        await write_looks()
        worker.stop()
        courier.stop()
        for task in working:
            await task
        await database.close()

    app = FastAPI(
        title="Learning Credit Bank",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/openapi.json",
    )
    app.state.edge = edge
    app.state.credentials = credentials
    app.state.tokens = tokens
    app.state.rates = rates
    app.state.sandboxes = sandboxes
    app.state.worker = worker
    app.state.courier = courier
    if visiting is not None:
        app.state.sandbox_clock = clock
    limits = Limits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    app.state.sessions = Sessions(database, vault, clock, settings.credential_cache_seconds, limits)
    app.state.person_of = app.state.sessions.actor
    app.state.roles_with = roles_with

    def forget_standings() -> None:
        credentials.forget()
        app.state.sessions.forget_all()

    app.state.forget_standings = forget_standings
    app.state.gates = {one.name: Gate(one, settings.public_url) for one in read_providers(settings.identity_providers)}
    app.state.passwords = Passwords()
    app.state.shelf = shelf
    app.state.desk = desk
    app.state.counter = counter
    app.state.eraser = eraser
    app.state.is_fit = is_fit
    app.state.looks = looks
    app.state.gathering = gathering
    app.state.evidence = EvidenceFolder(settings.evidence_folder)
    app.state.import_books = asyncio.Semaphore(1)
    app.state.holdings = GatheredRead(database, holdings_of)
    app.state.stamps = GatheredRead(database, stamps_of)
    app.state.prints = Prints(settings.transcript_cache_bytes)
    app.state.metrics = metrics
    routers = ROUTERS if visiting is None else (*(r for r in ROUTERS if r not in _REAL_ONLY), sandbox)
    for router in routers:
        # `include_router` would match each request twice, first the router and then its routes.
        app.router.routes.extend(router.routes)
    parameters.install(app.router.routes)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    problems.install(app)
    # What is read as it comes, and never whole, may be larger.
    larger = {"/v1/imports": settings.import_bytes_max}
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max, larger=larger)
    app.add_middleware(Envelope, metrics=metrics, answered=looks.note)
    if sandboxes is not None:
        app.add_middleware(SandboxDoor, sandboxes=sandboxes, envelop=lambda inner: Envelope(inner, metrics, looks.note))
    description.install(app)
    return app


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document, without a database."""
    return create_app(settings).openapi()
