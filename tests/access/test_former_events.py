"""What former versions wrote says in the new columns what it said, and keeps the new rules."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Boolean, Column, LargeBinary, MetaData, Table, Text, Uuid, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from creditbank.access.domain import By
from creditbank.access.events import EventFilter, count_events, page_of_events
from creditbank.access.months import forget_old
from creditbank.access.policy import NOBODY_S, Owned
from creditbank.access.queries import find_client
from creditbank.access.tables import api_clients, api_keys
from creditbank.database.engine import Database
from creditbank.database.metadata import Instant, Json
from creditbank.database.schema import make_month_partitions, upgrade
from creditbank.identifiers import new_id
from creditbank.people.queries import grants_of
from tests.conftest import chosen_engines
from tests.postgres import EmbeddedPostgres

AT = datetime(2026, 5, 1, tzinfo=UTC)
FORMER = MetaData()
EVENTS = Table(
    "audit_events",
    FORMER,
    *[Column(name, Uuid) for name in ("id", "client_id")],
    *[Column(name, Text) for name in ("action", "subject", "request_id")],
    Column("at", Instant),
    Column("details", Json()),
)
CLIENTS = Table(
    "api_clients",
    FORMER,
    Column("id", Uuid),
    *[Column(name, Text) for name in ("name", "provider", "scopes", "assurance", "networks")],
    Column("created_at", Instant),
    Column("revision"),
)
PROVIDERS = Table(
    "providers",
    FORMER,
    Column("id", Uuid),
    *[Column(name, Text) for name in ("code", "name_zh", "name_en", "provider_type", "status")],
    Column("created_at", Instant),
    Column("revision"),
)
USERS = Table(
    "users",
    FORMER,
    Column("id", Uuid),
    *[Column(name, LargeBinary) for name in ("login_key", "profile")],
    Column("is_password_initial", Boolean),
    Column("status", Text),
    Column("created_at", Instant),
)
ROLES = Table(
    "user_roles",
    FORMER,
    *[Column(name, Uuid) for name in ("id", "user_id")],
    *[Column(name, Text) for name in ("role", "granted_by")],
    *[Column(name, Instant) for name in ("granted_at", "until")],
)
KEYS = Table(
    "api_keys",
    FORMER,
    Column("id", Text),
    Column("client_id", Uuid),
    Column("secret_sha256", LargeBinary),
    Column("created_at", Instant),
    Column("is_test", Boolean),
)
EXPORTS = Table(
    "audit_exports",
    FORMER,
    Column("month", Text),
    Column("events"),
    *[Column(name, LargeBinary) for name in ("previous", "hash")],
    Column("exported_at", Instant),
)
LEARNERS = Table(
    "learners",
    FORMER,
    Column("id", Uuid),
    Column("provider", Text),
    *[Column(name, LargeBinary) for name in ("profile", "head")],
    *[Column(name, Instant) for name in ("recorded_at", "created_at")],
    Column("revision"),
    Column("seq"),
)


@pytest.fixture(params=chosen_engines())
def former_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database as it was before."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'former.sqlite'}"
        upgrade(url, "0013")
        yield url
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    name = f"former_{os.urandom(6).hex()}"
    url = server.create_database(name)
    upgrade(url, "0013")
    yield url
    server.drop_database(name)


def test_former_events_say_who_it_was_and_whose(former_url: str) -> None:
    client, person, learner = new_id(), new_id(), new_id()
    college = {"name_zh": "院", "name_en": "C", "provider_type": "community_college", "status": "active"}
    said: list[tuple[str, dict[str, Any], By, Owned]] = [
        ("learner.open", {"client_id": client, "subject": f"learner:{learner}"},
         By("client", str(client), "cq"), Owned("cq", learner)),
        ("erasure.propose", {"client_id": person, "subject": f"learner:{learner}"},
         By("person", str(person)), Owned(None, learner)),
        ("user.enter", {"details": {"by": "operator:root"}}, By("command_line", "operator:root"), NOBODY_S),
        ("role.grant", {"details": {"by": "issuer:campus"}}, By("system", "issuer:campus"), NOBODY_S),
        ("client.create", {}, By("system"), NOBODY_S),
    ]  # fmt: skip

    async def run() -> None:
        database = Database(former_url)
        new = {"created_at": AT, "revision": 1}
        async with database.write() as connection:
            # One month has a partition of its own; what is of another stands in the catch-all.
            await make_month_partitions(connection, "audit_events", AT, ahead=0)
            await connection.execute(insert(PROVIDERS), [{"id": new_id(), "code": "cq", **college, **new}])
            row = {"name": "c", "scopes": "", "assurance": "self", "networks": ""}
            await connection.execute(insert(CLIENTS), [{"id": client, "provider": "cq", **row, **new}])
            account = {"profile": b"", "head": bytes(32), "recorded_at": AT, "seq": 0}
            await connection.execute(insert(LEARNERS), [{"id": learner, "provider": "cq", **account, **new}])
            for action, given, _, _ in said:
                at = AT if given else AT.replace(year=2025)
                plain = {"id": new_id(), "at": at, "client_id": None, "subject": "user:1", "details": {}, **given}
                await connection.execute(insert(EVENTS), [{"action": action, "request_id": None, **plain}])
        await database.close()
        await asyncio.to_thread(upgrade, former_url)
        database = Database(former_url)
        async with database.read() as connection:
            found = await page_of_events(connection, EventFilter(), before=None, limit=10)
        assert {(one.action, one.by, one.about) for one in found} == {(act, by, about) for act, _, by, about in said}
        for statement in ("update audit_events set action = 'x'", "delete from audit_events"):
            with pytest.raises(DBAPIError, match="append-only"):
                async with database.write() as connection:
                    await connection.execute(text(statement))
        await database.close()

    asyncio.run(run())


def test_former_keys_say_who_made_them_and_former_public_keys_who_let_the_program_in(former_url: str) -> None:
    client, person, other = new_id(), new_id(), new_id()

    async def run() -> None:
        database = Database(former_url)
        new = {"created_at": AT, "revision": 1}
        async with database.write() as connection:
            row = {"scopes": "", "assurance": "self", "networks": ""}
            for id_ in (client, other):
                await connection.execute(insert(CLIENTS), [{"id": id_, "name": "c", **row, **new}])
            public = {"keys": [{"kid": "k", "kty": "OKP"}]}
            await connection.execute(update(api_clients).where(api_clients.c.id == client).values(public_keys=public))
            for key, by in (("person's", person), ("program's", other), ("nobody's", None)):
                held = {"id": key, "client_id": client, "secret_sha256": b"", "created_at": AT, "is_test": False}
                await connection.execute(insert(KEYS), [held])
                if by is not None:
                    event = {"id": new_id(), "at": AT, "client_id": by, "action": "key.create", "details": {}}
                    await connection.execute(insert(EVENTS), [{**event, "subject": f"key:{key}", "request_id": None}])
        await database.close()
        await asyncio.to_thread(upgrade, former_url, "0021")
        database = Database(former_url)
        async with database.write() as connection:
            maker = "user:of the client"
            await connection.execute(update(api_clients).where(api_clients.c.id == client).values(made_by=maker))
        await database.close()
        await asyncio.to_thread(upgrade, former_url)
        database = Database(former_url)
        async with database.read() as connection:
            rows = await connection.execute(select(api_keys.c.id, api_keys.c.made_by))
            made = {row.id: row.made_by for row in rows}
            found = await find_client(connection, client)
        assert made == {"person's": f"user:{person}", "program's": f"client:{other}", "nobody's": maker}
        assert found.public_key_makers == {"k": maker}
        await database.close()

    asyncio.run(run())


def test_of_a_role_given_twice_the_longest_stays_and_what_comes_by_itself_too(former_url: str) -> None:
    user = new_id()
    later = AT.replace(year=2030)
    given = (("operator:a", AT), ("operator:b", None), ("operator:c", later), ("issuer:campus", None))

    async def run() -> None:
        database = Database(former_url)
        async with database.write() as connection:
            row = {"id": user, "login_key": b"k", "profile": b"", "is_password_initial": False, "status": "active"}
            await connection.execute(insert(USERS), [{**row, "created_at": AT}])
            for by, until in given:
                grant = {"id": new_id(), "user_id": user, "role": "auditor", "granted_by": by, "granted_at": AT}
                await connection.execute(insert(ROLES), [{**grant, "until": until}])
        await database.close()
        await asyncio.to_thread(upgrade, former_url)
        database = Database(former_url)
        async with database.read() as connection:
            held = (await grants_of(connection, [user]))[user]
        assert {one.granted_by for one in held if one.revoked_at is None} == {"operator:b", "issuer:campus"}
        await database.close()

    asyncio.run(run())


def test_a_month_that_was_exported_in_the_first_form_is_let_go_of_when_it_is_old(former_url: str) -> None:
    client, person = new_id(), new_id()
    month = AT.replace(year=2025)

    async def run() -> list[str]:
        database = Database(former_url)
        async with database.write() as connection:
            row = {"name": "c", "scopes": "", "assurance": "self", "networks": "", "created_at": AT, "revision": 1}
            await connection.execute(insert(CLIENTS), [{"id": client, **row}])
            head = orjson.dumps({"format": "creditbank.audit/v1", "month": "2025-05", "previous": "00" * 32}) + b"\n"
            chain = hashlib.sha256(bytes(32) + head).digest()
            for number, by in enumerate((client, person, None)):
                at, id_ = month + timedelta(hours=number), new_id()
                event = {"action": "user.enter", "subject": "user:1", "request_id": None, "details": {"by": "x"}}
                await connection.execute(insert(EVENTS), [{**event, "id": id_, "client_id": by, "at": at}])
                told = {**event, "id": str(id_), "at": at.isoformat(), "client": str(by) if by else None}
                line = orjson.dumps(told, option=orjson.OPT_SORT_KEYS) + b"\n"
                chain = hashlib.sha256(chain + line).digest()
            done = {"month": "2025-05", "events": 3, "previous": bytes(32), "hash": chain}
            await connection.execute(insert(EXPORTS), [{**done, "exported_at": AT}])
        await database.close()
        await asyncio.to_thread(upgrade, former_url)
        database = Database(former_url)
        async with database.write() as connection:
            assert await count_events(connection, month, AT) == 3
            gone = await forget_old(connection, AT, 3)
            assert await count_events(connection, month, AT) == 0
        await database.close()
        return gone

    assert asyncio.run(run()) == ["2025-05"]
