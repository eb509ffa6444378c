"""API shapes of webhooks and deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from creditbank.web.fields import EXACT, Body, Change
from creditbank.webhooks.addresses import URL_CHARS_MAX, shown
from creditbank.webhooks.domain import Attempt, Delivery, Webhook

EventType = Literal[
    "achievement.recorded",
    "achievement.amended",
    "achievement.revoked",
    "credits.changed",
    "conversion.applied",
    "conversion.ended",
    "award.annulled",
    "webhook.disabled",
]
Types = Annotated[
    list[EventType],
    Field(min_length=1, max_length=20, description="what it is told; you carry the scope with which you could read it"),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=URL_CHARS_MAX),
    EXACT,
    Field(description="https, on a public address", examples=["https://partner.example/hooks/creditbank"]),
]


class WebhookIn(Body):
    """An address to which events are to be sent."""

    url: Url
    types: Types
    provider: Annotated[str, StringConstraints(min_length=1, max_length=255), EXACT] | None = Field(
        default=None, description="whose events, with those of all below; left out: those for whom you act"
    )


class WebhookChangeIn(Change):
    """What may be changed of a webhook; a field left out stays."""

    url: Url | None = None
    types: Types | None = None
    state: Literal["active", "paused"] | None = Field(
        default=None, description="while paused events wait; `active` also takes a disabled one up again"
    )


class SecretIn(Body):
    """How long the secret until now is to sign beside the new one."""

    former_hours: Annotated[int, Field(ge=0, le=168)] = Field(
        default=24, description="hours for which both sign; 0: the former is worthless at once"
    )


class WebhookOut(BaseModel):
    """A webhook. What follows the question mark in its address is not shown."""

    id: UUID
    provider: str | None = Field(description="whose events it is told; null: everybody's, for the bank")
    url: str
    types: list[str]
    state: Literal["active", "paused", "disabled"]
    failing_since: datetime | None = Field(description="since when nothing has reached it")
    disabled_at: datetime | None
    disabled_reason: Literal["failing", "gone"] | None
    former_secret_until: datetime | None = Field(description="until when the former secret signs too")
    created_at: datetime

    @classmethod
    def from_domain(cls, webhook: Webhook) -> WebhookOut:
        """The shape of a webhook."""
        return cls.model_validate(
            {
                "id": webhook.id,
                "provider": webhook.provider,
                "url": shown(webhook.url),
                "types": sorted(webhook.types),
                "state": webhook.state,
                "failing_since": webhook.failing_since,
                "disabled_at": webhook.disabled_at,
                "disabled_reason": webhook.disabled_reason,
                "former_secret_until": webhook.former_until,
                "created_at": webhook.created_at,
            }
        )


class NewSecretOut(BaseModel):
    """A webhook and a secret just made, which is shown this once; a request that is only repeated is not told it."""

    webhook: WebhookOut
    secret: str | None = Field(description="verifies what is sent; shown once", examples=["whsec_…"])


Trouble = Literal[
    "refused", "redirected", "timeout", "unreachable", "tls", "unresolved", "address_refused", "broken_answer"
]


class AttemptOut(BaseModel):
    """One try: what was answered, or why nothing was."""

    at: datetime
    status: int | None = Field(description="the answer's HTTP status")
    problem: Trouble | None = Field(description="null: delivered")
    milliseconds: int

    @classmethod
    def from_domain(cls, attempt: Attempt) -> AttemptOut:
        """The shape of an attempt."""
        return cls.model_validate(
            {
                "at": attempt.at,
                "status": attempt.status,
                "problem": attempt.problem,
                "milliseconds": attempt.milliseconds,
            }
        )


class DeliveryOut(BaseModel):
    """An event on its way to a webhook, or there."""

    id: UUID = Field(description="the `webhook-id`, and the `id` of the event")
    type: str
    subject: str = Field(description="the path of what it happened to")
    data: dict[str, Any]
    occurred_at: datetime
    state: Literal["waiting", "delivered", "failed"] = Field(description="`failed`: tried often enough, given up")
    next_at: datetime | None = Field(description="when it is tried (again)")
    ended_at: datetime | None
    attempts: list[AttemptOut]

    @classmethod
    def from_domain(cls, delivery: Delivery) -> DeliveryOut:
        """The shape of a delivery."""
        return cls(
            id=delivery.id,
            type=delivery.type,
            subject=delivery.path,
            data=dict(delivery.data),
            occurred_at=delivery.occurred_at,
            state=delivery.state,
            next_at=delivery.next_at,
            ended_at=delivery.ended_at,
            attempts=[AttemptOut.from_domain(attempt) for attempt in delivery.attempts],
        )
