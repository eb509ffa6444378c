"""Counters that operators watch, in Prometheus form."""

from __future__ import annotations

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_REQUEST_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_GROUP_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """One registry an application, so that two in one process (as in tests) do not count for each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "creditbank_http_request_seconds",
            "Time to answer, by route and status.",
            ("method", "route", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.active = Gauge("creditbank_http_requests_active", "Requests being answered.", registry=self.registry)
        self.groups = Histogram(
            "creditbank_commit_group_size",
            "Single achievements that one commit gathered.",
            buckets=_GROUP_BUCKETS,
            registry=self.registry,
        )
        self.jobs_waiting = Gauge("creditbank_jobs_waiting", "Jobs due and not begun.", registry=self.registry)
        self.jobs_lag = Gauge(
            "creditbank_jobs_lag_seconds", "How long the oldest due job has waited.", registry=self.registry
        )
        self.webhook_attempts = Counter(
            "creditbank_webhook_attempts",
            "Tries to deliver an event, by how they went.",
            ("outcome",),
            registry=self.registry,
        )
        self.webhooks_disabled = Counter(
            "creditbank_webhooks_disabled", "Webhooks that the bank disabled.", registry=self.registry
        )

    def expose(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
