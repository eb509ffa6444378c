"""Reads of people; what names them is opened here and nowhere else."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.queries import stopped_by
from creditbank.database.statements import among, for_update, under
from creditbank.people.domain import Account, Grant, Place, Session, Standing, User, UserNotFound
from creditbank.people.tables import failed_logins, sessions, user_identities, user_keys, user_roles, users
from creditbank.sealing import LearnerKey, Vault

PROFILE = b"users.profile"
DEVICE = b"sessions.device"


def login_key(vault: Vault, login: str) -> bytes:
    """The key under which a login is found; how its letters are written makes no difference."""
    return vault.lookup_key("login", unicodedata.normalize("NFKC", login).casefold().strip())


def attempt_key(vault: Vault, login_key: bytes) -> bytes:
    """The key under which attempts to sign in with a login are counted: another, so that a count names no account."""
    return vault.lookup_key("attempt", "login", login_key.hex())


def seal_profile(key: LearnerKey, login: str, name: str) -> bytes:
    """The profile as it is stored."""
    return key.seal(orjson.dumps({"login": login, "name": name}), PROFILE)


async def find_account(connection: AsyncConnection, vault: Vault, login: str) -> Account | None:
    """The account that signs in under this login."""
    return await _account(connection, users.c.login_key == login_key(vault, login))


async def account_of(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> Account | None:
    """The account of a user; locked, nobody else changes it meanwhile."""
    return await _account(connection, users.c.id == user_id, lock=lock)


async def account_at(connection: AsyncConnection, vault: Vault, issuer: str, subject: str) -> Account | None:
    """The account of whom an identity provider knows under this subject."""
    key = vault.lookup_key("oidc", issuer, subject)
    found = select(user_identities.c.user_id).where(user_identities.c.key == key).scalar_subquery()
    return await _account(connection, users.c.id == found)


async def _account(connection: AsyncConnection, condition: Any, *, lock: bool = False) -> Account | None:
    columns = (users.c.id, users.c.password, users.c.is_password_initial, users.c.status)
    statement: Select[Any] = select(*columns).where(condition)
    if lock:
        statement = for_update(connection, statement, users)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Account(row.id, row.password, row.is_password_initial, row.status == "active")


def _grant_of(row: Row[Any]) -> Grant:
    place = Place(row.provider, row.learner_id)
    return Grant(row.id, row.role, place, row.granted_by, row.granted_at, row.until, row.revoked_at)


async def grants_of(connection: AsyncConnection, user_ids: Sequence[UUID]) -> dict[UUID, tuple[Grant, ...]]:
    """What these users were ever granted, oldest first."""
    found: dict[UUID, tuple[Grant, ...]] = dict.fromkeys(user_ids, ())
    if user_ids:
        statement = select(user_roles).where(among(connection, user_roles.c.user_id, user_ids))
        for row in await connection.execute(statement.order_by(user_roles.c.id)):
            found[row.user_id] = (*found[row.user_id], _grant_of(row))
    return found


async def find_key(connection: AsyncConnection, vault: Vault, user_id: UUID) -> LearnerKey:
    """The key to what is sealed of a user. Raises UserNotFound."""
    statement = select(user_keys.c.wrapped).where(user_keys.c.user_id == user_id)
    wrapped = (await connection.execute(statement)).scalar_one_or_none()
    if wrapped is None:
        raise UserNotFound
    return vault.unwrap(user_id, wrapped)


async def find(connection: AsyncConnection, vault: Vault, user_id: UUID, seen_from: str | None = None) -> User:
    """A user; with ``seen_from`` only one who holds a role for that provider or below. Raises UserNotFound."""
    found = await page(connection, vault, seen_from=seen_from, after=None, limit=1, only=user_id)
    if not found:
        raise UserNotFound
    return found[0]


async def page(
    connection: AsyncConnection,
    vault: Vault,
    *,
    seen_from: str | None,
    after: UUID | None,
    limit: int,
    only: UUID | None = None,
) -> list[User]:
    """Users by id; with ``seen_from`` those to whom a role was given, and not revoked, for that provider or below."""
    statement = (
        select(users, user_keys.c.wrapped)
        .join(user_keys, user_keys.c.user_id == users.c.id)
        .order_by(users.c.id)
        .limit(limit)
    )
    if seen_from is not None:
        held = select(user_roles.c.user_id).where(
            user_roles.c.revoked_at.is_(None), under(user_roles.c.provider, seen_from)
        )
        statement = statement.where(users.c.id.in_(held))
    if after is not None:
        statement = statement.where(users.c.id > after)
    if only is not None:
        statement = statement.where(users.c.id == only)
    rows = (await connection.execute(statement)).all()
    grants = await grants_of(connection, [row.id for row in rows])
    return [_user_of(row, vault, grants[row.id]) for row in rows]


def _user_of(row: Row[Any], vault: Vault, grants: tuple[Grant, ...]) -> User:
    profile = orjson.loads(vault.unwrap(row.id, row.wrapped).open(bytes(row.profile), PROFILE))
    return User(row.id, profile["login"], profile["name"], row.status, row.created_at, grants)


def _session_of(row: Row[Any], device: str | None = None) -> Session:
    return Session(
        row.id,
        row.user_id,
        Place(row.provider, row.learner_id),
        row.created_at,
        row.authenticated_at,
        row.used_at,
        row.ended_at,
        device,
    )


async def standing_of(connection: AsyncConnection, token_sha256: bytes) -> Standing | None:
    """The session that a cookie names, with its user's roles; None when there is none."""
    statement = (
        select(sessions, users.c.status, users.c.is_password_initial)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.token_sha256 == token_sha256)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    grants = await grants_of(connection, [row.user_id])
    stopped = await stopped_by(connection, row.provider) if row.provider is not None else None
    return Standing(_session_of(row), grants[row.user_id], row.status == "active", row.is_password_initial, stopped)


async def sessions_of(connection: AsyncConnection, key: LearnerKey, user_id: UUID, since: datetime) -> list[Session]:
    """A user's sessions that are not ended and were used since then, the newest first."""
    statement = (
        select(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.used_at > since)
        .order_by(sessions.c.id.desc())
    )
    rows = await connection.execute(statement)
    return [_session_of(row, key.open(bytes(row.device), DEVICE).decode()) for row in rows]


async def failures(connection: AsyncConnection, keys: Sequence[bytes], since: datetime) -> dict[bytes, list[datetime]]:
    """When since then attempts were wrong under each of these keys, oldest first."""
    statement = (
        select(failed_logins.c.key, failed_logins.c.at)
        .where(or_(*[failed_logins.c.key == key for key in keys]), failed_logins.c.at > since)
        .order_by(failed_logins.c.at)
    )
    found: dict[bytes, list[datetime]] = {key: [] for key in keys}
    for key, at in await connection.execute(statement):
        found[bytes(key)].append(at)
    return found
