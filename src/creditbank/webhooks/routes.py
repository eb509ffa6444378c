"""Endpoints of webhooks: where events are sent, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor, BankOnly, Network, networks_of
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, Denied, part
from creditbank.clock import instant_of, microseconds
from creditbank.web.bodies import JsonBody, Read
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer
from creditbank.web.problems import documented
from creditbank.web.revisions import check_match, etag, is_unchanged
from creditbank.webhooks import actions, queries
from creditbank.webhooks.actions import NewWebhook, WebhookChange, check_may_tell, check_sees
from creditbank.webhooks.addresses import read_url
from creditbank.webhooks.domain import Delivery, Secrets, Webhook
from creditbank.webhooks.schemas import (
    DeliveryOut,
    NewSecretOut,
    SecretIn,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
)

router = APIRouter(tags=["webhooks"])

_new = JsonBody(
    WebhookIn, {"url": "https://partner.example/hooks/creditbank", "types": ["achievement.recorded", "credits.changed"]}
)
_change = JsonBody(WebhookChangeIn, {"state": "paused"})
_secret = JsonBody(SecretIn, {"former_hours": 24})

Reader = Annotated[Actor, Depends(require("webhooks:read"))]
# Whoever names an address lets whoever has it hear: people prove who they are just before.
Governor = Annotated[Actor, Depends(require("webhooks:write", is_grave=True))]
Writer = Annotated[Actor, Depends(require("webhooks:write"))]
Remover = Annotated[Actor, Depends(require("webhooks:write", while_stopped=True))]


def _networks(edge: Edge) -> Sequence[Network]:
    return networks_of(edge.settings.webhook_networks.split())


def _answer(webhook: Webhook, status: int = 200) -> Answer:
    return Answer(status, WebhookOut.from_domain(webhook).model_dump_json().encode(), {"ETag": etag(webhook.revision)})


def _with_secret(webhook: Webhook, secret: str, headers: dict[str, str]) -> Answer:
    def shown(told: str | None) -> bytes:
        return NewSecretOut(webhook=WebhookOut.from_domain(webhook), secret=told).model_dump_json().encode()

    return Answer(201, shown(secret), {"ETag": etag(webhook.revision), **headers}, kept=shown(None))


async def _governed(
    connection: AsyncConnection, edge: Edge, actor: Actor, id_: UUID, *, lock: bool = False
) -> tuple[Webhook, Secrets]:
    """The webhook, if the actor may know of it. Raises WebhookNotFound."""
    webhook, secrets = await queries.find_webhook(connection, edge.vault, id_, lock=lock)
    check_sees(actor, webhook)
    return webhook, secrets


@router.post(
    "/v1/webhooks",
    operation_id="create_webhook",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": NewSecretOut, "description": "made"}, **documented(409, 410, 415)},
)
async def create_webhook(
    request: Request, edge: EdgeDep, actor: Governor, body: Annotated[Read[WebhookIn], Depends(_new)]
) -> Response:
    """Have events sent to an address of yours. What is begun after the answer is told.

    The secret is in the answer, once: a repeated request (`Idempotency-Key`) is told all but that.
    """
    wanted = body.value
    provider = actor.provider if wanted.provider is None else wanted.provider
    check_may_tell(actor, provider, wanted.types)
    read_url(wanted.url, _networks(edge))

    async def work(connection: AsyncConnection) -> Answer:
        new = NewWebhook(provider, wanted.url, wanted.types)
        webhook, secret = await actions.create_webhook(connection, edge.vault, new, actor, edge.clock())
        return _with_secret(webhook, secret, {"Location": f"/v1/webhooks/{webhook.id}"})

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/webhooks",
    operation_id="list_webhooks",
    responses={200: {"model": Page[WebhookOut], "description": "a page of webhooks"}, **documented()},
)
async def list_webhooks(
    request: Request, edge: EdgeDep, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Your webhooks and those of the providers below you, in the order in which they were made."""
    top = part(actor, "webhook.govern", NOBODY_S)
    if isinstance(top, Denied):
        raise BankOnly
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_webhooks(
            connection, edge.vault, top=top, after=converted(cursor, UUID), limit=limit + 1
        )
    return page_answer(
        request, found, limit, lambda w: str(w.id), lambda w: WebhookOut.from_domain(w).model_dump(mode="json")
    )


@router.get(
    "/v1/webhooks/{id}",
    operation_id="read_webhook",
    responses={
        200: {"model": WebhookOut, "description": "the webhook"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_webhook(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """One webhook: whether it is active, since when it fails, why it was disabled."""
    async with edge.database.snapshot() as connection:
        webhook, _ = await _governed(connection, edge, actor, id)
    # A failure changes what is read and not what could be overwritten, so it is in no revision.
    if webhook.failing_since is None and is_unchanged(request, webhook.revision):
        return Response(status_code=304, headers={"ETag": etag(webhook.revision)})
    return _answer(webhook).response()


@router.patch(
    "/v1/webhooks/{id}",
    operation_id="change_webhook",
    openapi_extra=_change.documents,
    responses={200: {"model": WebhookOut, "description": "changed"}, **documented(404, 409, 410, 412, 415, 428)},
)
async def change_webhook(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Governor,
    body: Annotated[Read[WebhookChangeIn], Depends(_change)],
) -> Response:
    """Change a webhook's address or what it is told, pause it, take it up again. Needs `If-Match`."""
    wanted = body.value
    if wanted.url is not None:
        read_url(wanted.url, _networks(edge))

    async def work(connection: AsyncConnection) -> Answer:
        webhook, _ = await _governed(connection, edge, actor, id, lock=True)
        # A new address hears what the old one heard, so whoever gives it must be allowed to tell that.
        told: Sequence[str] = wanted.types or (sorted(webhook.types) if wanted.url is not None else ())
        check_may_tell(actor, webhook.provider, told)
        check_match(request, webhook.revision)
        change = WebhookChange(wanted.url, wanted.types, wanted.state)
        return _answer(await actions.change_webhook(connection, edge.vault, webhook, change, actor.by, edge.clock()))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.delete(
    "/v1/webhooks/{id}",
    operation_id="remove_webhook",
    status_code=204,
    responses={204: {"description": "removed"}, **documented(404, 409, 410)},
)
async def remove_webhook(id: UUID, request: Request, edge: EdgeDep, actor: Remover) -> Response:
    """Send nothing to an address any more. What waits for it is dropped, and its secrets are forgotten."""

    async def work(connection: AsyncConnection) -> Answer:
        webhook, _ = await _governed(connection, edge, actor, id, lock=True)
        await actions.remove_webhook(connection, webhook, actor.by, edge.clock())
        return Answer(204, b"")

    return await once(request, edge, actor.client_id, b"", work)


@router.post(
    "/v1/webhooks/{id}/secret",
    operation_id="rotate_webhook_secret",
    status_code=201,
    openapi_extra=_secret.documents,
    responses={201: {"model": NewSecretOut, "description": "a new secret"}, **documented(404, 409, 410, 415)},
)
async def rotate_webhook_secret(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Governor,
    body: Annotated[Read[SecretIn], Depends(_secret)],
) -> Response:
    """Make a new secret. For some hours what is sent is signed with both, so that nothing is refused meanwhile."""

    async def work(connection: AsyncConnection) -> Answer:
        webhook, secrets = await _governed(connection, edge, actor, id, lock=True)
        # Whoever has a secret can only verify what is sent, so no more is asked than to govern the webhook.
        lasting = timedelta(hours=body.value.former_hours)
        changed, secret = await actions.rotate_secret(
            connection, edge.vault, webhook, secrets, lasting, actor.by, edge.clock()
        )
        return _with_secret(changed, secret, {})

    return await once(request, edge, actor.client_id, body.raw, work)


def _show(delivery: Delivery) -> dict[str, object]:
    return DeliveryOut.from_domain(delivery).model_dump(mode="json")


def _accepted(delivery: Delivery) -> Answer:
    at = f"/v1/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}"
    return Answer(202, DeliveryOut.from_domain(delivery).model_dump_json().encode(), {"Location": at})


@router.post(
    "/v1/webhooks/{id}/test",
    operation_id="test_webhook",
    status_code=202,
    responses={202: {"model": DeliveryOut, "description": "it will be sent"}, **documented(404, 409, 410)},
)
async def test_webhook(id: UUID, request: Request, edge: EdgeDep, actor: Writer) -> Response:
    """Send an event of type `webhook.test`, which says nothing; `Location` leads to what became of it."""

    async def work(connection: AsyncConnection) -> Answer:
        webhook, _ = await _governed(connection, edge, actor, id, lock=True)
        return _accepted(await actions.send_test(connection, webhook, actor.by, edge.clock()))

    return await once(request, edge, actor.client_id, b"", work)


def _place(text: str) -> tuple[datetime, UUID]:
    at, _, id_ = text.partition("-")
    return instant_of(natural(at)), UUID(id_)


@router.get(
    "/v1/webhooks/{id}/deliveries",
    operation_id="list_deliveries",
    responses={200: {"model": Page[DeliveryOut], "description": "a page of deliveries"}, **documented(404)},
)
async def list_deliveries(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    state: Annotated[
        Literal["waiting", "delivered", "failed"] | None, Query(description="only those that stand so")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What was sent or is to be sent to a webhook, what happened last first, with every try."""
    async with edge.database.snapshot() as connection:
        webhook, _ = await _governed(connection, edge, actor, id)
        found = await queries.page_of_deliveries(
            connection, webhook.id, state=state, before=converted(cursor, _place), limit=limit + 1
        )
    return page_answer(request, found, limit, lambda d: f"{microseconds(d.occurred_at)}-{d.id}", _show)


@router.get(
    "/v1/webhooks/{id}/deliveries/{delivery_id}",
    operation_id="read_delivery",
    responses={200: {"model": DeliveryOut, "description": "the delivery"}, **documented(404)},
)
async def read_delivery(id: UUID, delivery_id: UUID, edge: EdgeDep, actor: Reader) -> Response:
    """One delivery, with every try."""
    async with edge.database.snapshot() as connection:
        webhook, _ = await _governed(connection, edge, actor, id)
        found = await queries.find_delivery(connection, webhook.id, delivery_id)
    return Answer(200, DeliveryOut.from_domain(found).model_dump_json().encode()).response()


@router.post(
    "/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
    operation_id="resend_delivery",
    status_code=202,
    responses={202: {"model": DeliveryOut, "description": "it will be sent again"}, **documented(404, 409, 410)},
)
async def resend_delivery(id: UUID, delivery_id: UUID, request: Request, edge: EdgeDep, actor: Writer) -> Response:
    """Send something again, whatever became of it, under the same `webhook-id`."""

    async def work(connection: AsyncConnection) -> Answer:
        webhook, _ = await _governed(connection, edge, actor, id, lock=True)
        return _accepted(await actions.send_again(connection, webhook, delivery_id, actor.by, edge.clock()))

    return await once(request, edge, actor.client_id, b"", work)
