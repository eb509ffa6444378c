"""Entering people, giving and taking roles, changing passwords; sessions begun and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM, Actor, By, hash_secret
from creditbank.access.policy import Owned
from creditbank.database.statements import hold, insert_new
from creditbank.identifiers import new_id
from creditbank.learners.queries import existing
from creditbank.people import queries
from creditbank.people.domain import (
    GUARDIANSHIP,
    GrantNotFound,
    LoginTaken,
    NewGrant,
    Place,
    RoleHeld,
    Session,
    UnknownPlace,
    check_attempts,
    check_grantable,
    check_held,
    is_by_hand,
)
from creditbank.people.queries import DEVICE, attempt_key, login_key, seal_profile
from creditbank.people.tables import failed_logins, sessions, user_identities, user_keys, user_roles, users
from creditbank.people.tokens import make_token
from creditbank.providers.queries import by_code
from creditbank.sealing import Vault

ERASURE: Final = "erasure"
"""Who takes back what an erased person had."""

_DEVICE_CHARS_MAX: Final = 200
# Wrong answers in this time, after which the login, the code or the address waits.
_WINDOW: Final = timedelta(minutes=15)
_PER_LOGIN: Final = 10
_PER_ADDRESS: Final = 100


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is needed to enter a person; ``password`` is the stored form of one that somebody else knows."""

    login: str
    name: str
    password: str | None = None


async def enter(
    connection: AsyncConnection, vault: Vault, new: NewUser, by: str, now: datetime, acting_for: str | None = None
) -> UUID:
    """Enter a person, who may do nothing yet; ``acting_for`` is the provider whose people do it. Raises LoginTaken."""
    user_id = new_id()
    key, wrapped = vault.new_key(user_id)
    row = {
        "id": user_id,
        "login_key": login_key(vault, new.login),
        "profile": seal_profile(key, new.login, new.name),
        "password": new.password,
        "is_password_initial": new.password is not None,
        "status": "active",
        "created_at": now,
    }
    if not await insert_new(connection, users, [row]):
        raise LoginTaken
    await connection.execute(insert(user_keys).values(user_id=user_id, wrapped=wrapped))
    await record(connection, _by(by, acting_for), "user.enter", f"user:{user_id}", {"by": by}, now)
    return user_id


def _by(identity: str, provider: str | None = None) -> By:
    """Who acts, as the audit log names them; an identity provider is a part of the bank, known by its name."""
    kind, _, id_ = identity.partition(":")
    match kind:
        case "user":
            return By("person", id_, provider)
        case "client":
            return By("client", id_, provider)
        case "operator":
            return By("command_line", identity)
        case _:
            return By("system", identity)


async def grant(
    connection: AsyncConnection, user_id: UUID, new: NewGrant, giver: Actor | None, by: str, now: datetime
) -> UUID:
    """Give a person a role; without a giver the operator, or a provider's mapping, gives it.

    Raises UnknownRole, RoleMisplaced, GrantBeyondOwn, UnknownPlace, RoleHeld.
    """
    check_grantable(giver, new.role, new.place)
    provider, learner_id = new.place.provider, new.place.learner_id
    if provider is not None and not await by_code(connection, [provider]):
        raise UnknownPlace
    if learner_id is not None and not await existing(connection, [learner_id]):
        raise UnknownPlace(pointer="/learner")
    if is_by_hand(by):
        await _make_room(connection, user_id, new, now)
    grant_id = new_id()
    await connection.execute(
        insert(user_roles).values(
            id=grant_id,
            user_id=user_id,
            role=new.role,
            provider=provider,
            learner_id=learner_id,
            granted_by=by,
            granted_at=now,
            until=new.until,
        )
    )
    details = {
        "grant": str(grant_id), "role": new.role, "by": by, "provider": provider,
        "learner": str(learner_id) if learner_id else None, "until": new.until.isoformat() if new.until else None,
    }  # fmt: skip
    whose = Owned(provider, learner_id)
    await record(connection, giver.by if giver else _by(by), "role.grant", f"user:{user_id}", details, now, whose)
    return grant_id


async def _make_room(connection: AsyncConnection, user_id: UUID, new: NewGrant, now: datetime) -> None:
    """Let a role be given by hand: a former grant that ran out is closed. Raises RoleHeld while one is in force."""
    # Of two who give at once the second finds what the first gave.
    await queries.account_of(connection, user_id, lock=True)
    held = (await queries.grants_of(connection, [user_id]))[user_id]
    for one in held:
        if one.revoked_at is not None or not one.is_by_hand or (one.role, one.place) != (new.role, new.place):
            continue
        if one.holds(now):
            raise RoleHeld(role=new.role)
        closed = {"revoked_by": "expiry", "revoked_at": one.until}
        await connection.execute(update(user_roles).where(user_roles.c.id == one.id).values(closed))


async def revoke(
    connection: AsyncConnection, user_id: UUID, grant_id: UUID, taker: Actor | None, by: str, now: datetime
) -> None:
    """Take a role back; only who could give it may. Raises GrantNotFound, GrantBeyondOwn."""
    held = (await queries.grants_of(connection, [user_id]))[user_id]
    found = next((one for one in held if one.id == grant_id and one.revoked_at is None), None)
    if found is None:
        raise GrantNotFound
    check_grantable(taker, found.role, found.place)
    statement = update(user_roles).where(user_roles.c.id == grant_id, user_roles.c.revoked_at.is_(None))
    done = await connection.execute(statement.values(revoked_by=by, revoked_at=now))
    if not done.rowcount:
        raise GrantNotFound
    details = {"grant": str(grant_id), "role": found.role, "by": by}
    whose = Owned(found.place.provider, found.place.learner_id)
    await record(connection, taker.by if taker else _by(by), "role.revoke", f"user:{user_id}", details, now, whose)


async def change_end(
    connection: AsyncConnection, user_id: UUID, grant_id: UUID, until: datetime, by: str, now: datetime
) -> None:
    """Let a role that is held end at another instant. Raises GrantNotFound."""
    held = (await queries.grants_of(connection, [user_id]))[user_id]
    found = next((one for one in held if one.id == grant_id and one.holds(now)), None)
    if found is None:
        raise GrantNotFound
    statement = update(user_roles).where(user_roles.c.id == grant_id, user_roles.c.revoked_at.is_(None))
    if not (await connection.execute(statement.values(until=until))).rowcount:
        raise GrantNotFound
    details = {"grant": str(grant_id), "role": found.role, "by": by, "until": until.isoformat()}
    whose = Owned(found.place.provider, found.place.learner_id)
    await record(connection, _by(by), "role.change_end", f"user:{user_id}", details, now, whose)


async def sync_grants(
    connection: AsyncConnection, user_id: UUID, wanted: Sequence[NewGrant], by: str, now: datetime
) -> None:
    """Make what an identity provider gave what it gives now; what others gave is left alone."""
    # Two browsers of one person at once: the second finds what the first gave.
    await queries.account_of(connection, user_id, lock=True)
    held = (await queries.grants_of(connection, [user_id]))[user_id]
    given = [one for one in held if one.granted_by == by and one.revoked_at is None]
    mine = {(one.role, one.place) for one in given if one.holds(now)}
    asked = {(one.role, one.place): one for one in wanted}
    for one in given:
        if (one.role, one.place) not in asked or not one.holds(now):
            await revoke(connection, user_id, one.id, None, by, now)
    for key, new in asked.items():
        if key not in mine:
            await grant(connection, user_id, new, None, by, now)


async def move_learner(
    connection: AsyncConnection, learner_id: UUID, to: UUID, by: str, now: datetime, *, only_given_by: str | None = None
) -> None:
    """Let whoever signs in as one learner sign in as another, who is the same person; also where they are signed in.

    Guardians stay where they are registered. With ``only_given_by`` only those move to whom that gave the role.
    """
    chosen = (
        user_roles.c.granted_by == only_given_by
        if only_given_by is not None
        else not_(user_roles.c.granted_by.startswith(GUARDIANSHIP))
    )
    theirs = select(user_roles.c.user_id).where(
        user_roles.c.learner_id == learner_id, user_roles.c.revoked_at.is_(None), chosen
    )
    user_ids = sorted(set((await connection.execute(theirs)).scalars()))
    for user_id, grants in (await queries.grants_of(connection, user_ids)).items():
        for one in grants:
            is_chosen = one.granted_by == only_given_by if only_given_by is not None else not one.is_guardian_s
            if one.place.learner_id == learner_id and one.holds(now) and is_chosen:
                await revoke(connection, user_id, one.id, None, by, now)
                await grant(connection, user_id, NewGrant(one.role, Place(learner_id=to), one.until), None, by, now)
    here = (sessions.c.learner_id == learner_id) & sessions.c.user_id.in_(user_ids) & sessions.c.ended_at.is_(None)
    await connection.execute(update(sessions).where(here).values(learner_id=to))


async def close(connection: AsyncConnection, user_id: UUID, by: str, now: datetime) -> None:
    """Close an account: nobody signs in with it any more, and who is signed in is signed out."""
    await connection.execute(update(users).where(users.c.id == user_id).values(status="closed"))
    await end_sessions(connection, user_id, now)
    await record(connection, _by(by), "user.close", f"user:{user_id}", {"by": by}, now)


async def forget_learner(connection: AsyncConnection, vault: Vault, learner_id: UUID, now: datetime) -> None:
    """Take back every role for the account of a learner who is erased, and forget whoever has no other role in force.

    Of a user who is forgotten there stays an id, for what the user did. Who is also here for an institution, or for
    another learner, goes on as that.
    """
    held = (user_roles.c.learner_id == learner_id) & user_roles.c.revoked_at.is_(None)
    once = select(user_roles.c.user_id).where(user_roles.c.learner_id == learner_id).distinct()
    user_ids = list((await connection.execute(once)).scalars())
    if not user_ids:
        return
    await connection.execute(update(user_roles).where(held).values(revoked_by=ERASURE, revoked_at=now))
    await connection.execute(delete(sessions).where(sessions.c.learner_id == learner_id))
    others = await queries.grants_of(connection, user_ids)
    for user_id in user_ids:
        if any(grant.holds(now) for grant in others[user_id]):
            continue
        logins = (await connection.execute(select(users.c.login_key).where(users.c.id == user_id))).scalars()
        attempts = [attempt_key(vault, bytes(login)) for login in logins]
        await connection.execute(delete(failed_logins).where(failed_logins.c.key.in_(attempts)))
        for table in (sessions, user_identities, user_keys):
            await connection.execute(delete(table).where(table.c.user_id == user_id))
        # Nothing hashes to the id's few bytes: nobody is found under them.
        gone = {"login_key": user_id.bytes, "profile": b"", "password": None, "status": "closed"}
        await connection.execute(update(users).where(users.c.id == user_id).values(gone))
        await record(connection, SYSTEM, "user.forget", f"user:{user_id}", {}, now)


async def set_password(
    connection: AsyncConnection, user_id: UUID, password: str, by: str, now: datetime, *, is_initial: bool = False
) -> None:
    """Store another password (in its stored form); every session of the person ends."""
    changed = {"password": password, "is_password_initial": is_initial}
    await connection.execute(update(users).where(users.c.id == user_id).values(changed))
    await end_sessions(connection, user_id, now)
    await record(connection, _by(by), "user.change_password", f"user:{user_id}", {"by": by}, now)


async def know_as(
    connection: AsyncConnection, vault: Vault, user_id: UUID, issuer: str, subject: str, now: datetime
) -> bool:
    """Note under whom an identity provider knows a user; False when that is somebody else already."""
    row = {"key": vault.lookup_key("oidc", issuer, subject), "user_id": user_id, "created_at": now}
    return bool(await insert_new(connection, user_identities, [row]))


async def begin_session(
    connection: AsyncConnection,
    vault: Vault,
    user_id: UUID,
    place: Place,
    device: str,
    now: datetime,
    *,
    authenticated_at: datetime,
) -> str:
    """A new session for whoever has just proven who they are; answers the token that only the cookie will have."""
    token = make_token(vault)
    key = await queries.find_key(connection, vault, user_id)
    session_id = new_id()
    await connection.execute(
        insert(sessions).values(
            id=session_id,
            token_sha256=hash_secret(token),
            user_id=user_id,
            provider=place.provider,
            learner_id=place.learner_id,
            device=key.seal(device[:_DEVICE_CHARS_MAX].encode(errors="replace"), DEVICE),
            created_at=now,
            authenticated_at=authenticated_at,
            used_at=now,
        )
    )
    await record(
        connection, By("person", str(user_id), place.provider), "session.begin", f"session:{session_id}", {}, now
    )
    return token


async def touch_session(connection: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """Note that a session is in use."""
    await connection.execute(update(sessions).where(sessions.c.id == session_id).values(used_at=now))


async def move_session(
    connection: AsyncConnection, session: Session, place: Place, now: datetime, *, is_initial: bool
) -> None:
    """Act in another place from now on. Raises PlaceNotHeld, of whoever has an initial password anywhere."""
    held = (await queries.grants_of(connection, [session.user_id]))[session.user_id]
    check_held(() if is_initial else held, place, now)
    moved = {"provider": place.provider, "learner_id": place.learner_id}
    await connection.execute(update(sessions).where(sessions.c.id == session.id).values(moved))
    details = {"provider": place.provider, "learner": str(place.learner_id) if place.learner_id else None}
    await record(
        connection,
        By("person", str(session.user_id), place.provider),
        "session.move",
        f"session:{session.id}",
        details,
        now,
    )


async def end_session(connection: AsyncConnection, user_id: UUID, session_id: UUID, now: datetime) -> bool:
    """End one of a user's sessions; False when there is none that had not ended."""
    one = update(sessions).where(
        sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.ended_at.is_(None)
    )
    ended = (await connection.execute(one.values(ended_at=now).returning(sessions.c.provider))).one_or_none()
    if ended is None:
        return False
    by = By("person", str(user_id), ended.provider)
    await record(connection, by, "session.end", f"session:{session_id}", {}, now)
    return True


async def end_sessions(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    """Sign a user out everywhere."""
    every = update(sessions).where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
    ended = (await connection.execute(every.values(ended_at=now))).rowcount
    await record(connection, By("person", str(user_id)), "session.end_all", f"user:{user_id}", {"ended": ended}, now)


async def forget_sessions(connection: AsyncConnection, before: datetime) -> int:
    """Remove sessions that nobody used since then, and the failed attempts of before."""
    old = delete(sessions).where(or_(sessions.c.used_at < before, sessions.c.ended_at < before))
    removed = (await connection.execute(old)).rowcount
    await connection.execute(delete(failed_logins).where(failed_logins.c.at < before))
    return removed


async def note_attempt(
    connection: AsyncConnection, vault: Vault, login: str, address: str, now: datetime
) -> tuple[UUID, UUID]:
    """Count an attempt to sign in under the login, whether there is such a one or not, and under the address.

    Of many at once no more than the limit are let through: each waits for the one before to be counted, so the
    transaction is to be short. Answers what is to be forgotten when the password was right. Raises TooManyAttempts.
    """
    by_login = attempt_key(vault, login_key(vault, login))
    by_address = vault.lookup_key("attempt", "address", address)
    await hold(connection, [by_login, by_address])
    failed = await queries.failures(connection, [by_login, by_address], now - _WINDOW)
    check_attempts(((failed[by_login], _PER_LOGIN), (failed[by_address], _PER_ADDRESS)), _WINDOW, now)
    ids = new_id(), new_id()
    rows = [{"id": id_, "key": key, "at": now} for id_, key in zip(ids, (by_login, by_address), strict=True)]
    await connection.execute(insert(failed_logins), rows)
    return ids


async def forget_attempt(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Take back the count of an attempt that was right."""
    await connection.execute(delete(failed_logins).where(failed_logins.c.id.in_(ids)))
