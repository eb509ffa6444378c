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
from creditbank.achievements.routes import router as achievements
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
from creditbank.intake.actions import Desk
from creditbank.intake.gathering import Gathering
from creditbank.intake.routes import router as intake
from creditbank.jobs.housekeeping import ask_housekeeping
from creditbank.learners.queries import find_key
from creditbank.learners.routes import number_form
from creditbank.learners.routes import router as learners
from creditbank.ledger.queries import holdings_of
from creditbank.ledger.routes import router as ledger
from creditbank.programmes.routes import router as programmes
from creditbank.providers.routes import router as providers
from creditbank.publishing.dates import ask_dates
from creditbank.publishing.routes import router as publishing
from creditbank.recognition.routes import router as recognition
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import LearnerKey, Vault
from creditbank.settings import Settings
from creditbank.transcripts.prints import Prints
from creditbank.transcripts.queries import stamps_of
from creditbank.transcripts.routes import router as transcripts
from creditbank.web import description, health, problems
from creditbank.web.edge import Edge
from creditbank.web.envelope import Envelope
from creditbank.web.limits import BodyLimit
from creditbank.web.metrics import Metrics
from creditbank.worker import build_worker

# What is asked for most comes first: a request is held against one route after the other.
ROUTERS = (
    recognition,
    transcripts,
    intake,
    ledger,
    achievements,
    learners,
    providers,
    claims,
    programmes,
    conversions,
    exchanges,
    catalogue,
    checkpoints,
    publishing,
    health.router,
)


class SchemaBehind(Exception):
    """The database is not at the newest migration: `creditbank migrate` comes first."""


def create_app(settings: Settings, *, clock: Clock = system_clock) -> FastAPI:
    """The server as an application. Raises ValueError when a secret is missing or a former key is none."""
    # A former key that cannot be read must stop the start, not the first request for it.
    keys_of(settings)
    vault = Vault(*settings.secrets())
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)

    async def key_of(connection: AsyncConnection, learner_id: UUID) -> LearnerKey | None:
        return await find_key(connection, vault, learner_id)

    edge = Edge(settings, database, vault, clock, key_of)
    metrics = Metrics()
    shelf = Shelf()
    desk = Desk(vault, shelf, clock, number_form(edge))
    gathering = Gathering(edge, desk, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database.read() as connection:
            if await schema.current(connection) != schema.head():
                raise SchemaBehind
        # Before any evidence is taken or swept up, so that whoever shares the folder knows of this bank.
        await Holding(app.state.evidence, vault, settings.database_place).is_ours()
        worker = build_worker(settings, database, vault, shelf, clock, metrics)
        working = asyncio.create_task(worker.run()) if settings.worker else None
        async with database.write() as connection:
            await ask_housekeeping(connection, clock)
            today = learning_day(clock(), settings.zone)
            await ask_dates(connection, clock, today - timedelta(days=1), today, settings.zone)
            if settings.checkpoint_seed is not None:
                await ask_checkpoint(connection, clock, timedelta(minutes=settings.checkpoint_minutes))
            await ask_lapsing(connection, clock)
            await ask_sweeping(connection, clock)
        yield
        await gathering.close()
        worker.stop()
        if working is not None:
            await working
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
    app.state.credentials = Credentials(database, clock, settings.credential_cache_seconds)
    app.state.shelf = shelf
    app.state.desk = desk
    app.state.counter = Counter(vault, shelf, clock, timedelta(days=settings.hold_days))
    app.state.gathering = gathering
    app.state.evidence = EvidenceFolder(settings.evidence_folder)
    app.state.holdings = GatheredRead(database, holdings_of)
    app.state.stamps = GatheredRead(database, stamps_of)
    app.state.prints = Prints(settings.transcript_cache_bytes)
    app.state.metrics = metrics
    for router in ROUTERS:
        # `include_router` would match each request twice, first the router and then its routes.
        app.router.routes.extend(router.routes)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    problems.install(app)
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(Envelope, metrics=metrics)
    description.install(app)
    return app


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document, without a database."""
    return create_app(settings).openapi()
