"""Making webhooks, telling them what happened, and carrying it there at least once."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM, Actor, By, ClientProviderUnknown, ProviderNotHeld, ScopeNotHeld
from creditbank.access.policy import Owned, can
from creditbank.access.queries import is_provider
from creditbank.database.statements import among, insert_rows, skip_locked, update_rows
from creditbank.identifiers import new_id
from creditbank.sealing import Vault
from creditbank.webhooks.domain import (
    ATTEMPTS_KEPT,
    DISABLED,
    EVENTS,
    TEST,
    WEBHOOKS_MAX,
    Attempt,
    Delivery,
    Event,
    Listeners,
    Outcome,
    Parcel,
    Secrets,
    State,
    TooManyWebhooks,
    Webhook,
    WebhookNotActive,
    WebhookNotFound,
    next_try,
)
from creditbank.webhooks.queries import SECRETS, URL, find_delivery, find_webhook, is_due, listeners_now, secrets_of
from creditbank.webhooks.tables import webhook_deliveries, webhooks, webhooks_epoch

_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


# --- Telling ----------------------------------------------------------------------------------------------------------


async def tell(connection: AsyncConnection, listeners: Listeners, events: Iterable[Event]) -> None:
    """Write down, in the transaction of what happened, whom to tell of it: one statement, none if nobody listens."""
    await insert_rows(
        connection,
        webhook_deliveries,
        [_delivery_row(webhook_id, event) for event in events for webhook_id in listeners.of(event)],
    )


async def announce(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Tell what happened, for whoever has no book that knows who listens."""
    if events and (listeners := await listeners_now(connection)):
        await tell(connection, listeners, events)


def _delivery_row(webhook_id: UUID, event: Event) -> dict[str, Any]:
    return {
        "id": new_id(),
        "webhook_id": webhook_id,
        "type": event.type,
        "path": event.path,
        "data": dict(event.data),
        "occurred_at": event.at,
        "state": "waiting",
        "next_at": event.at,
        "tries": 0,
        "log": [],
        "ended_at": None,
    }


# --- Webhooks ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What is needed to tell a program of what happens. ``url`` was read and found fit."""

    provider: str | None
    url: str
    types: Collection[str]


def check_may_tell(actor: Actor, provider: str | None, types: Sequence[str]) -> None:
    """Nobody lets another hear what they may not read themselves. Raises ProviderNotHeld, ScopeNotHeld."""
    if not can(actor, "webhook.govern", Owned(provider)):
        raise ProviderNotHeld(provider=provider or "-", pointer="/provider")
    for place, type_ in enumerate(types):
        if EVENTS[type_] not in actor.scopes:
            raise ScopeNotHeld(scope=EVENTS[type_], pointer=f"/types/{place}")


def check_sees(actor: Actor, webhook: Webhook) -> None:
    """A provider knows of its own webhooks and of those below it. Raises WebhookNotFound."""
    if not can(actor, "webhook.govern", webhook.owned):
        raise WebhookNotFound


async def create_webhook(
    connection: AsyncConnection, vault: Vault, new: NewWebhook, actor: Actor, now: datetime
) -> tuple[Webhook, str]:
    """Enter a webhook; answers it and its secret, which is never to be seen again.

    What begins after this transaction is told. Raises ClientProviderUnknown, TooManyWebhooks.
    """
    if new.provider is not None and not await is_provider(connection, new.provider):
        raise ClientProviderUnknown(provider=new.provider)
    # First the row that everybody changes who changes who listens: two at once are counted one after the other.
    await _listeners_changed(connection)
    mine = webhooks.c.provider == new.provider if new.provider is not None else webhooks.c.provider.is_(None)
    standing = await connection.execute(
        select(func.count()).select_from(webhooks).where(mine, webhooks.c.state != "removed")
    )
    if standing.scalar_one() >= WEBHOOKS_MAX:
        raise TooManyWebhooks
    webhook_id, secret = new_id(), new_secret()
    values = {
        "id": webhook_id,
        "provider": new.provider,
        "url": vault.bank.seal(new.url.encode(), URL),
        "secrets": _sealed(vault, Secrets(secret)),
        "types": " ".join(sorted(set(new.types))),
        "state": "active",
        "created_at": now,
        "made_by": actor.principal,
        "revision": 1,
    }
    await connection.execute(insert(webhooks).values(**values))
    details = {"types": sorted(set(new.types)), "provider": new.provider}
    await record(connection, actor.by, "webhook.create", f"webhook:{webhook_id}", details, now, Owned(new.provider))
    return (await find_webhook(connection, vault, webhook_id))[0], secret


def _sealed(vault: Vault, kept: Secrets) -> bytes:
    return vault.bank.seal(orjson.dumps({"present": kept.present, "former": kept.former}), SECRETS)


async def _listeners_changed(connection: AsyncConnection) -> None:
    await connection.execute(update(webhooks_epoch).values(epoch=webhooks_epoch.c.epoch + 1))


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What changes of a webhook; None leaves it as it is."""

    url: str | None = None
    types: Collection[str] | None = None
    state: State | None = None


async def change_webhook(
    connection: AsyncConnection, vault: Vault, webhook: Webhook, wanted: WebhookChange, by: By, now: datetime
) -> Webhook:
    """Change a locked webhook. One that is made active again begins without its failures."""
    values: dict[str, Any] = {"revision": webhook.revision + 1}
    details: dict[str, Any] = {}
    if wanted.url is not None:
        values["url"] = vault.bank.seal(wanted.url.encode(), URL)
        details["url"] = "changed"
    if wanted.types is not None:
        details["types"] = sorted(set(wanted.types))
        values["types"] = " ".join(details["types"])
    if wanted.state is not None:
        details["state"] = wanted.state
        values |= {"state": wanted.state, "failing_since": None, "disabled_at": None, "disabled_reason": None}
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(**values))
    await _listeners_changed(connection)
    await record(connection, by, "webhook.change", f"webhook:{webhook.id}", details, now, webhook.owned)
    return (await find_webhook(connection, vault, webhook.id))[0]


async def remove_webhook(connection: AsyncConnection, webhook: Webhook, by: By, now: datetime) -> None:
    """Let a locked webhook go, with its address, its secrets and all that waits for it."""
    gone = {
        "state": "removed",
        "removed_at": now,
        "url": b"",
        "secrets": b"",
        "disabled_at": None,
        "revision": webhook.revision + 1,
    }
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(**gone))
    await _listeners_changed(connection)
    await record(connection, by, "webhook.remove", f"webhook:{webhook.id}", {}, now, webhook.owned)


async def rotate_secret(
    connection: AsyncConnection,
    vault: Vault,
    webhook: Webhook,
    kept: Secrets,
    lasting: timedelta,
    by: By,
    now: datetime,
) -> tuple[Webhook, str]:
    """Give a locked webhook a new secret; the one until now signs too as long as ``lasting``, the one before no more.

    Answers the webhook and the new secret, which is never to be seen again.
    """
    fresh, until = new_secret(), now + lasting if lasting else None
    following = Secrets(fresh, kept.present if lasting else None, until)
    values = {"secrets": _sealed(vault, following), "former_until": until, "revision": webhook.revision + 1}
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(**values))
    details = {"former_for_hours": lasting // timedelta(hours=1)}
    await record(connection, by, "webhook.rotate", f"webhook:{webhook.id}", details, now, webhook.owned)
    return (await find_webhook(connection, vault, webhook.id))[0], fresh


def _check_active(webhook: Webhook) -> None:
    if webhook.state != "active":
        raise WebhookNotActive(state=webhook.state)


async def send_test(connection: AsyncConnection, webhook: Webhook, by: By, now: datetime) -> Delivery:
    """Send an event that says nothing, to see whether it arrives. Raises WebhookNotActive."""
    _check_active(webhook)
    event = Event(TEST, webhook.provider, f"/v1/webhooks/{webhook.id}", {"webhook_id": str(webhook.id)}, now)
    row = _delivery_row(webhook.id, event)
    await insert_rows(connection, webhook_deliveries, [row])
    await record(connection, by, "webhook.test", f"webhook:{webhook.id}", {}, now, webhook.owned)
    return await find_delivery(connection, webhook.id, row["id"])


async def send_again(
    connection: AsyncConnection, webhook: Webhook, delivery_id: UUID, by: By, now: datetime
) -> Delivery:
    """Send a delivery again, at once and as often as a new one, whatever became of it. The webhook-id stays.

    Raises WebhookNotActive, DeliveryNotFound.
    """
    _check_active(webhook)
    found = await find_delivery(connection, webhook.id, delivery_id)
    values = {"state": "waiting", "next_at": now, "tries": 0, "ended_at": None}
    await connection.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == found.id).values(**values))
    details = {"delivery": str(found.id)}
    await record(connection, by, "webhook.resend", f"webhook:{webhook.id}", details, now, webhook.owned)
    return await find_delivery(connection, webhook.id, delivery_id)


# --- Carrying ---------------------------------------------------------------------------------------------------------


async def take(
    connection: AsyncConnection, vault: Vault, room: Mapping[UUID, int], now: datetime, lease: timedelta
) -> list[Parcel]:
    """Take what is due to be carried, of each webhook no more than there is room for.

    Whoever takes it and dies has it until the lease is over; then it is due again, under the same id.
    """
    active = among(connection, webhooks.c.id, sorted(room)) & (webhooks.c.state == "active")
    places = {row.id: row for row in await connection.execute(select(webhooks).where(active))} if room else {}
    taken: list[Row[Any]] = []
    for webhook_id in places:
        statement = (
            select(webhook_deliveries)
            .where(webhook_deliveries.c.webhook_id == webhook_id, is_due(now))
            .order_by(webhook_deliveries.c.next_at, webhook_deliveries.c.id)
            .limit(room[webhook_id])
        )
        taken += (await connection.execute(skip_locked(connection, statement))).all()
    rows = [{"id": row.id, "tries": row.tries + 1, "next_at": now + lease} for row in taken]
    await update_rows(connection, webhook_deliveries, rows, ("id",))
    return [_parcel(vault, row, places[row.webhook_id], now) for row in taken]


def _parcel(vault: Vault, row: Row[Any], place: Row[Any], now: datetime) -> Parcel:
    return Parcel(
        row.id,
        row.webhook_id,
        row.type,
        row.path,
        row.data,
        row.occurred_at,
        row.tries + 1,
        row.log,
        vault.bank.open(bytes(place.url), URL).decode(),
        secrets_of(vault, place.secrets, place.former_until).live(now),
    )


def _plain(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at.isoformat(),
        "status": attempt.status,
        "problem": attempt.problem,
        "milliseconds": attempt.milliseconds,
    }


async def note(
    connection: AsyncConnection,
    carried: Sequence[tuple[Parcel, Outcome]],
    now: datetime,
    failing_for: timedelta,
    chance: Callable[[], float],
) -> list[UUID]:
    """Write down how deliveries went, and disable what has failed for too long or is gone; answers what was disabled.

    What somebody else has taken meanwhile, or asked to be sent again, is passed over.
    """
    rows = []
    for parcel, outcome in carried:
        attempt = outcome.attempt
        again = None
        if not outcome.is_delivered:
            again = next_try(parcel.tries, now, chance(), outcome.retry_after)
        state = "delivered" if outcome.is_delivered else "failed" if again is None else "waiting"
        rows.append(
            {
                "id": parcel.id,
                "tries": parcel.tries,
                "state": state,
                "next_at": again,
                "log": [*parcel.log, _plain(attempt)][-ATTEMPTS_KEPT:],
                "ended_at": None if state == "waiting" else now,
            }
        )
    await update_rows(connection, webhook_deliveries, rows, ("id", "tries"))
    reached = {parcel.webhook_id for parcel, outcome in carried if outcome.is_delivered}
    failed = {parcel.webhook_id for parcel, _ in carried} - reached
    gone = {parcel.webhook_id for parcel, outcome in carried if outcome.is_gone}
    if reached:
        mended = among(connection, webhooks.c.id, sorted(reached)) & webhooks.c.failing_since.is_not(None)
        await connection.execute(update(webhooks).where(mended).values(failing_since=None))
    if failed:
        broken = among(connection, webhooks.c.id, sorted(failed)) & webhooks.c.failing_since.is_(None)
        await connection.execute(update(webhooks).where(broken).values(failing_since=now))
    return await _disable(connection, failed, gone, now, failing_for)


async def _disable(
    connection: AsyncConnection, failed: Collection[UUID], gone: Collection[UUID], now: datetime, failing_for: timedelta
) -> list[UUID]:
    done: list[Row[Any]] = []
    long = webhooks.c.failing_since <= now - failing_for
    for ids, reason, condition in ((gone, "gone", None), (failed, "failing", long)):
        if not ids:
            continue
        statement = update(webhooks).where(among(connection, webhooks.c.id, sorted(ids)), webhooks.c.state == "active")
        if condition is not None:
            statement = statement.where(condition)
        values = {
            "state": "disabled",
            "disabled_at": now,
            "disabled_reason": reason,
            "revision": webhooks.c.revision + 1,
        }
        ended = statement.values(values).returning(
            webhooks.c.id, webhooks.c.provider, webhooks.c.disabled_reason, webhooks.c.failing_since
        )
        done += (await connection.execute(ended)).all()
    if not done:
        return []
    await _listeners_changed(connection)
    events = []
    for row in done:
        told = {"webhook_id": str(row.id), "reason": row.disabled_reason}
        await record(connection, SYSTEM, "webhook.disable", f"webhook:{row.id}", told, now, Owned(row.provider))
        events.append(Event(DISABLED, row.provider, f"/v1/webhooks/{row.id}", told, now))
    # Whoever else listens for that provider hears of it.
    await tell(connection, await listeners_now(connection), events)
    return [row.id for row in done]


async def forget_deliveries(connection: AsyncConnection, before: datetime, now: datetime, most: int) -> int:
    """Remove some of what happened before that instant, and of what removed webhooks left; answers how many."""
    old = webhook_deliveries.c.occurred_at < before
    left = webhooks.c.state == "removed"
    some = (
        select(webhook_deliveries.c.id)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .where(old | left)
        .limit(most)
    )
    done = await connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(some)))
    if not done.rowcount:
        # A transaction that began while it was listening may still have written for it.
        ended = left & (webhooks.c.removed_at < now - timedelta(days=1))
        of_one = select(webhook_deliveries.c.id).where(webhook_deliveries.c.webhook_id == webhooks.c.id).exists()
        await connection.execute(delete(webhooks).where(ended, ~of_one))
    return done.rowcount
