"""Letting clients in and out, and writing down who did what."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, insert, null, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import (
    LIVE_KEYS_MAX,
    SCOPES,
    SYSTEM,
    By,
    Client,
    ClientProviderUnknown,
    PrintedKey,
    TooManyKeys,
    UnknownScope,
    hash_secret,
    networks_of,
)
from creditbank.access.policy import NOBODY_S, Owned
from creditbank.access.queries import find_client, is_provider
from creditbank.access.tables import api_clients, api_keys, assertion_ids, audit_events
from creditbank.database.statements import insert_new
from creditbank.identifiers import new_id


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is needed to let a program in."""

    name: str
    provider: str | None
    scopes: Sequence[str]
    assurance: str
    expires_at: datetime | None = None
    networks: Sequence[str] = ()
    is_test: bool = False
    # The principal who lets it in; none for the operator.
    made_by: str | None = None


async def create_client(
    connection: AsyncConnection, new: NewClient, now: datetime, by: By = SYSTEM
) -> tuple[UUID, PrintedKey]:
    """Enter a client and make its first key, which is never to be seen again.

    Raises UnknownScope, NetworkMalformed, ClientProviderUnknown.
    """
    _check_scopes(new.scopes)
    networks_of(new.networks)
    if new.provider is not None and not await is_provider(connection, new.provider):
        raise ClientProviderUnknown(provider=new.provider)
    client_id = new_id()
    await connection.execute(
        insert(api_clients).values(
            id=client_id,
            name=new.name,
            provider=new.provider,
            scopes=" ".join(sorted(set(new.scopes))),
            assurance=new.assurance,
            networks=" ".join(new.networks),
            public_keys=null(),
            public_key_makers=null(),
            revision=1,
            created_at=now,
            made_by=new.made_by,
        )
    )
    details = {"scopes": sorted(set(new.scopes)), "provider": new.provider, "assurance": new.assurance}
    await record(connection, by, "client.create", f"client:{client_id}", details, now, Owned(new.provider))
    key = await _insert_key(
        connection, client_id, new.provider, now, new.expires_at, by, new.made_by, is_test=new.is_test
    )
    return client_id, key


def _check_scopes(scopes: Sequence[str]) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope=scope)


async def add_key(
    connection: AsyncConnection,
    client_id: UUID,
    now: datetime,
    expires_at: datetime | None = None,
    by: By = SYSTEM,
    made_by: str | None = None,
    *,
    is_test: bool = False,
) -> PrintedKey:
    """A key to follow the one in use, which stays good until it is revoked. Raises ClientNotFound, TooManyKeys.

    ``made_by`` is the principal who will have it. The operator (None) makes it for whoever let the client in.
    """
    client = await find_client(connection, client_id, lock=True)
    live = [
        key
        for key in client.keys
        if key.is_test == is_test and key.revoked_at is None and (key.expires_at is None or now < key.expires_at)
    ]
    if len(live) >= LIVE_KEYS_MAX:
        raise TooManyKeys
    maker = made_by or client.made_by
    return await _insert_key(connection, client_id, client.provider, now, expires_at, by, maker, is_test=is_test)


async def _insert_key(
    connection: AsyncConnection,
    client_id: UUID,
    provider: str | None,
    now: datetime,
    expires_at: datetime | None,
    by: By,
    made_by: str | None,
    *,
    is_test: bool,
) -> PrintedKey:
    key = PrintedKey.make(secrets.choice, is_test=is_test)
    await connection.execute(
        insert(api_keys).values(
            id=key.id,
            client_id=client_id,
            secret_sha256=hash_secret(key.secret),
            expires_at=expires_at,
            created_at=now,
            is_test=is_test,
            made_by=made_by,
        )
    )
    details = {"client": str(client_id), "kind": "test" if is_test else "live"}
    await record(connection, by, "key.create", f"key:{key.id}", details, now, Owned(provider))
    return key


async def revoke_key(
    connection: AsyncConnection, key_id: str, now: datetime, by: By = SYSTEM, client_id: UUID | None = None
) -> bool:
    """Make a key worthless; every process honours it no longer than its cache lasts. False when there is none.

    Of a client that is named only its own key is revoked.
    """
    statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if client_id is not None:
        statement = statement.where(api_keys.c.client_id == client_id)
    done = await connection.execute(statement.values(revoked_at=now))
    if done.rowcount:
        await record(connection, by, "key.revoke", f"key:{key_id}", {}, now)
    return bool(done.rowcount)


@dataclass(frozen=True, slots=True)
class ClientChange:
    """What changes of a client; None leaves it as it is. An empty set of keys takes the client's away."""

    name: str | None = None
    scopes: Sequence[str] | None = None
    networks: Sequence[str] | None = None
    public_keys: Mapping[str, Any] | None = None
    is_suspended: bool | None = None


async def change_client(
    connection: AsyncConnection,
    client: Client,
    wanted: ClientChange,
    now: datetime,
    by: By,
    made_by: str | None = None,
) -> Client:
    """Change a locked client; ``made_by`` is the principal who gives it public keys, as of a key.

    Raises UnknownScope, NetworkMalformed.
    """
    _check_scopes(wanted.scopes or ())
    networks_of(wanted.networks or ())
    suspended_at = client.suspended_at
    if wanted.is_suspended is not None:
        suspended_at = (client.suspended_at or now) if wanted.is_suspended else None
    keys, makers = client.public_keys, client.public_key_makers
    if wanted.public_keys is not None:
        keys = wanted.public_keys
        # A key that stays the same stays whoever's it is.
        known = {key["kid"]: key for key in (client.public_keys or {"keys": ()})["keys"]}
        maker = made_by or client.made_by
        makers = {key["kid"]: makers[key["kid"]] if known.get(key["kid"]) == key else maker for key in keys["keys"]}
    changed = replace(
        client,
        name=wanted.name or client.name,
        scopes=client.scopes if wanted.scopes is None else frozenset(wanted.scopes),
        networks=client.networks if wanted.networks is None else tuple(wanted.networks),
        public_keys=keys if keys and keys["keys"] else None,
        public_key_makers=makers,
        suspended_at=suspended_at,
        revision=client.revision + 1,
    )
    await connection.execute(
        update(api_clients)
        .where(api_clients.c.id == client.id)
        .values(
            name=changed.name,
            scopes=" ".join(sorted(changed.scopes)),
            networks=" ".join(changed.networks),
            public_keys=null() if changed.public_keys is None else dict(changed.public_keys),
            public_key_makers=null() if changed.public_keys is None else dict(changed.public_key_makers),
            suspended_at=changed.suspended_at,
            revision=changed.revision,
        )
    )
    details: dict[str, Any] = {"scopes": sorted(changed.scopes), "suspended": suspended_at is not None}
    if wanted.public_keys is not None:
        details["public_keys"] = [key["kid"] for key in wanted.public_keys["keys"]]
    if wanted.networks is not None:
        details["networks"] = list(wanted.networks)
    await record(connection, by, "client.change", f"client:{client.id}", details, now, Owned(client.provider))
    return changed


async def take_once(connection: AsyncConnection, key: bytes, expires_at: datetime) -> bool:
    """Take what is good for one time, once and for all processes. False when it was taken before."""
    return bool(await insert_new(connection, assertion_ids, [{"key": key, "expires_at": expires_at}]))


async def forget_assertions(connection: AsyncConnection, now: datetime) -> int:
    """Forget what was taken once and has expired, and is refused for that; answers how many."""
    done = await connection.execute(delete(assertion_ids).where(assertion_ids.c.expires_at < now))
    return done.rowcount


async def record_all(
    connection: AsyncConnection, by: By, action: str, things: Sequence[tuple[str, Owned]], now: datetime
) -> None:
    """Write down that somebody did one thing to many, each with whose it is, in the transaction that did it."""
    if things:
        rows = [_event(by, action, subject, {}, now, about) for subject, about in things]
        await connection.execute(insert(audit_events), rows)


async def record(
    connection: AsyncConnection,
    by: By,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    now: datetime,
    about: Owned = NOBODY_S,
) -> None:
    """Write down that somebody did something, in the transaction that did it. Ids and codes only in ``details``.

    ``about`` says whose the thing is to which it was done: of that provider's part of the log it is too.
    """
    await connection.execute(insert(audit_events).values(_event(by, action, subject, details, now, about)))


def _event(
    by: By, action: str, subject: str, details: Mapping[str, Any], now: datetime, about: Owned
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "at": now,
        "actor_kind": by.kind,
        "actor": by.actor,
        "provider": by.provider,
        "action": action,
        "subject": subject,
        "owner": about.provider,
        "learner_id": about.learner_id,
        "details": dict(details),
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
