"""What is told, to whom, how often it is tried, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from creditbank.access.policy import Owned
from creditbank.errors import Kind, Refusal
from creditbank.identifiers import lineage

EVENTS: Final[Mapping[str, str]] = {
    "achievement.recorded": "achievements:read",
    "achievement.amended": "achievements:read",
    "achievement.revoked": "achievements:read",
    "credits.changed": "ledger:read",
    "conversion.applied": "conversions:read",
    "conversion.ended": "conversions:read",
    "award.annulled": "conversions:read",
    "webhook.disabled": "webhooks:read",
}
"""By type of event the scope with which the same could be read. Whoever lets a program hear of it carries that."""

TEST: Final = "webhook.test"
"""The type of an event that is sent when somebody asks for it, and never otherwise."""

DISABLED: Final = "webhook.disabled"

WEBHOOKS_MAX: Final = 20
"""Most webhooks of one provider, or of the bank."""

ATTEMPTS_KEPT: Final = 30
"""So many attempts of one delivery are remembered, the newest."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to what is that provider's. ``data`` holds ids, codes and numbers, and nothing personal.

    ``path`` leads to what it happened to; a reader there is asked for their rights as always.
    """

    type: str
    provider: str | None
    path: str
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Listener:
    """A webhook that is told events of these types, of its provider and all below it; of everybody for the bank."""

    webhook_id: UUID
    provider: str | None
    types: frozenset[str]


class Listeners:
    """Who is told what, as of one ``epoch``. False when nobody listens, and then nothing need be put together."""

    __slots__ = ("_by_place", "_of", "epoch")

    def __init__(self, epoch: int = 0, listeners: Iterable[Listener] = ()) -> None:
        self.epoch = epoch
        self._by_place: dict[str | None, list[Listener]] = {}
        for one in listeners:
            self._by_place.setdefault(one.provider, []).append(one)
        # What was looked up once; a bank has as many entries as it has providers at most.
        self._of: dict[str | None, tuple[Listener, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def of(self, event: Event) -> list[UUID]:
        """The webhooks that are told of an event."""
        found = self._of.get(event.provider)
        if found is None:
            places = [None, *(lineage(event.provider) if event.provider is not None else ())]
            found = self._of[event.provider] = tuple(one for place in places for one in self._by_place.get(place, ()))
        return [one.webhook_id for one in found if event.type in one.types]


NOBODY: Final = Listeners()

State = Literal["active", "paused", "disabled"]
DeliveryState = Literal["waiting", "delivered", "failed"]

# --- Webhooks and deliveries ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are sent: as long as it is active. Paused it gathers what happens; disabled it does not."""

    id: UUID
    provider: str | None
    url: str
    types: frozenset[str]
    state: State
    # Since when nothing has reached it; None after a success.
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    # Until when what is sent is signed with the former secret too.
    former_until: datetime | None
    created_at: datetime
    revision: int

    @property
    def owned(self) -> Owned:
        """Whose it is."""
        return Owned(self.provider)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: what was answered, or what kept an answer from coming."""

    at: datetime
    status: int | None
    problem: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook. Its id is the webhook-id that the receiver sees, however often it is sent."""

    id: UUID
    webhook_id: UUID
    type: str
    path: str
    data: Mapping[str, Any]
    occurred_at: datetime
    state: DeliveryState
    next_at: datetime | None
    ended_at: datetime | None
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that somebody has taken to carry. ``tries`` counts this one; it is the fence of what is noted."""

    id: UUID
    webhook_id: UUID
    type: str
    path: str
    data: Mapping[str, Any]
    occurred_at: datetime
    tries: int
    log: Sequence[Mapping[str, Any]]
    url: str
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went. ``retry_after`` is how long the receiver asks to be left alone."""

    attempt: Attempt
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.attempt.problem is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that nothing is to be sent there any more (410, Standard Webhooks)."""
        return self.attempt.status == 410


# --- When it is tried again -------------------------------------------------------------------------------------------

_S, _M, _H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DELAYS: Final = (5 * _S, _M, 5 * _M, 30 * _M, 2 * _H, 6 * _H, 12 * _H, *[24 * _H] * 5)
"""How long after each failed try the next one comes, a tenth more or less; after the last it is given up.

Together more than five days, so that a receiver to which nothing gets through is disabled before anything is given up.
"""

FAILING_DAYS_MAX: Final = 5
RETRY_AFTER_MAX: Final = timedelta(days=1)


def next_try(tries: int, failed_at: datetime, chance: float, retry_after: timedelta | None = None) -> datetime | None:
    """When a delivery that failed so often is tried again; None when it is given up.

    ``chance``, from 0 to 1, spreads what failed together. A receiver may ask for more time, up to a day.
    """
    if tries > len(DELAYS):
        return None
    delay = DELAYS[max(tries, 1) - 1] * (0.9 + 0.2 * chance)
    if retry_after is not None:
        delay = max(delay, min(retry_after, RETRY_AFTER_MAX))
    return failed_at + delay


@dataclass(slots=True)
class Secrets:
    """The secrets with which is signed: the present one, and the former while it lives."""

    present: str
    former: str | None = None
    former_until: datetime | None = field(default=None)

    def live(self, now: datetime) -> list[str]:
        """Those that are good now, the present one first."""
        is_former_live = self.former is not None and self.former_until is not None and now < self.former_until
        return [self.present, self.former] if is_former_live and self.former is not None else [self.present]


# --- Refusals ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class WebhookNotFound(Refusal):
    """There is no such webhook, or the caller may not know of it."""

    code = "webhook_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class DeliveryNotFound(Refusal):
    """The webhook has no such delivery, or not any more."""

    code = "delivery_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class WebhookUrlRefused(Refusal):
    """Nothing is sent to such an address: not https, with a password or a fragment, or on a private network."""

    code = "webhook_url_refused"
    kind = Kind.INVALID
    pointer: str = "/url"


@dataclass(eq=False, kw_only=True)
class WebhookNotActive(Refusal):
    """Nothing is sent to a webhook that is paused or disabled."""

    code = "webhook_not_active"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class TooManyWebhooks(Refusal):
    """The provider, or the bank, has as many webhooks as there may be."""

    code = "too_many_webhooks"
    kind = Kind.CONFLICT
    most: int = WEBHOOKS_MAX
