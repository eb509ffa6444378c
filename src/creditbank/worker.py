"""Composition root of background work: which jobs there are, who does them, who carries events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from creditbank.access.domain import networks_of
from creditbank.activities.actions import REVOKE_ATTENDANCES
from creditbank.activities.jobs import Revoking
from creditbank.checkpoints.jobs import CHECKPOINT, Checkpointing
from creditbank.checkpoints.notes import signer_of
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.jobs import SWEEPING, Holding, Sweeping
from creditbank.claims.queries import files_named
from creditbank.clock import Clock
from creditbank.conversions.actions import Counter
from creditbank.conversions.jobs import LAPSING, Lapsing
from creditbank.database.engine import Database
from creditbank.imports.actions import IMPORT
from creditbank.imports.jobs import FORGETTING_IMPORTS, ForgettingImports, Importing
from creditbank.imports.queries import pieces_named
from creditbank.intake.actions import Desk
from creditbank.jobs.housekeeping import HOUSEKEEPING, Housekeeping
from creditbank.jobs.working import Handler, Worker
from creditbank.learners.domain import NumberForm
from creditbank.merges.actions import MERGE
from creditbank.merges.jobs import MARKING, Marking, Merging
from creditbank.people.jobs import FORGETTING, ForgettingSessions
from creditbank.privacy.actions import REMOVE_FILES
from creditbank.privacy.jobs import FORGETTING_LOOKS, ForgettingLooks, RemovingFiles
from creditbank.publishing.actions import RESETTLE, SIMULATE, Resettling
from creditbank.publishing.dates import DATES, Dates
from creditbank.publishing.simulating import Simulating
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from creditbank.settings import Settings
from creditbank.web.metrics import Metrics
from creditbank.webhooks.courier import Courier
from creditbank.webhooks.jobs import FORGETTING_DELIVERIES, ForgettingDeliveries
from creditbank.webhooks.sending import Sender


def build_worker(
    settings: Settings, database: Database, vault: Vault, shelf: Shelf, clock: Clock, metrics: Metrics
) -> Worker:
    """The worker with a handler for each kind of job."""
    evidence = Holding(EvidenceFolder(settings.evidence_folder), vault, settings.database_place)
    counter = Counter(vault, shelf, clock, timedelta(days=settings.hold_days))
    form = NumberForm(settings.account_prefix, settings.account_digits)
    handlers: Mapping[str, Handler] = {
        RESETTLE: Resettling(vault, shelf, clock, settings.zone),
        DATES: Dates(vault, shelf, clock, settings.zone),
        SIMULATE: Simulating(vault, shelf, clock),
        HOUSEKEEPING: Housekeeping(clock, settings.idempotency_days, settings.audit_months),
        CHECKPOINT: Checkpointing(vault, signer_of(settings), clock, timedelta(minutes=settings.checkpoint_minutes)),
        IMPORT: Importing(Desk(vault, shelf, clock, form), EvidenceFolder(settings.evidence_folder), settings.zone),
        FORGETTING_IMPORTS: ForgettingImports(clock, timedelta(days=settings.import_days)),
        MERGE: Merging(Desk(vault, shelf, clock, form), settings.zone),
        MARKING: Marking(vault),
        LAPSING: Lapsing(counter, settings.zone),
        SWEEPING: Sweeping(
            evidence, (files_named, pieces_named), timedelta(days=settings.evidence_unnamed_days), clock
        ),
        FORGETTING: ForgettingSessions(clock),
        FORGETTING_LOOKS: ForgettingLooks(clock, settings.looks_months),
        REVOKE_ATTENDANCES: Revoking(Desk(vault, shelf, clock, form), settings.zone),
        FORGETTING_DELIVERIES: ForgettingDeliveries(clock, settings.webhook_days),
        REMOVE_FILES: RemovingFiles(EvidenceFolder(settings.evidence_folder)),
    }
    return Worker(database, clock, handlers, metrics)


def build_courier(
    settings: Settings, database: Database, vault: Vault, clock: Clock, metrics: Metrics, *, is_sandbox: bool = False
) -> Courier:
    """Whoever carries events to webhooks. What a sandbox tells names the sandbox as its source."""
    source = f"{settings.public_url}/sandbox" if is_sandbox else settings.public_url
    networks = networks_of(settings.webhook_networks.split())
    sender = Sender.of(settings.public_url, source, networks, settings.webhook_seconds)
    failing_for = timedelta(days=settings.webhook_failing_days)
    return Courier(database, vault, clock, sender, metrics, failing_for=failing_for)
