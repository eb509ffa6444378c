"""Everything held about a learner is in the archive: no table is forgotten, nothing of others is in it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from creditbank.database.metadata import metadata
from creditbank.people.actions import know_as
from creditbank.people.domain import NewGrant, Place
from creditbank.privacy.exporting import (
    LEFT_OUT,
    SEALED,
    TOLD,
    WITHHELD,
    binary_columns,
    exported_tables,
    owned_by,
    personal_tables,
)
from tests.api.world import World, opened
from tests.architecture.source import import_all
from tests.privacy.test_erasure import BORN, CARD, EXTERNAL, FILE, NAME, PHONE, TITLE, WHY, live

HASHES = {
    "checkpoint_leaves": {"head"},
    "conversions": {"fingerprint"},
    "decisions": {"mark"},
    "evaluations": {"input_sha256"},
    "exchanges": {"fingerprint"},
    "learners": {"head", "likeness"},
    "postings": {"previous", "hash"},
    "programme_audits": {"inputs_sha256"},
}


def test_every_table_that_speaks_of_a_learner_is_exported_or_left_out_for_a_reason() -> None:
    import_all()
    speaking = {table.name for table in personal_tables()}
    of_users = {table.name for table in metadata.sorted_tables if {"user_id", "login_key"} & set(table.c.keys())}
    assert of_users <= speaking
    of_learners = {table.name for table in metadata.sorted_tables if table.info["dist"] == "learner"}
    assert of_learners <= speaking
    exported = {table.name for table in exported_tables()}
    assert exported | set(LEFT_OUT) == speaking
    assert exported.isdisjoint(LEFT_OUT)
    assert set(TOLD) == exported
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())


def test_every_column_of_bytes_is_opened_or_a_hash() -> None:
    import_all()
    for table in exported_tables():
        known = set(SEALED.get(table.name, {})) | HASHES.get(table.name, set())
        withheld = WITHHELD.get(table.name, frozenset())
        assert withheld <= set(table.c.keys())
        assert binary_columns(table) == known | (withheld & binary_columns(table)), table.name


async def archive_of(world: World, learner: str) -> zipfile.ZipFile:
    """A learner's archive."""
    answer = await world.bank.get(f"/v1/learners/{learner}/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{learner}.zip"'
    return zipfile.ZipFile(io.BytesIO(answer.content))


def records(archive: zipfile.ZipFile, name: str) -> list[Mapping[str, Any]]:
    """The rows of one table."""
    found: list[Mapping[str, Any]] = json.loads(archive.read(f"records/{name}.json"))
    return found


async def test_a_learner_finds_everything_in_the_archive_and_nothing_of_others(database_url: str) -> None:
    async with opened(database_url) as world:
        who = await live(world)
        archive = await archive_of(world, who["learner"])
        assert archive.testzip() is None
        text = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
        for mine in (NAME, PHONE, CARD, BORN, EXTERNAL, TITLE, WHY, who["number"]):
            assert mine in text, mine
        assert archive.read(next(n for n in archive.namelist() if n.startswith("evidence/"))) == FILE
        others = (world.ids["learner"], world.ids["stranger"], "张三", "Wang Wu", "500103199001011232")
        assert [other for other in others if other in text] == []
        async with world.database.read() as connection:
            for table in exported_tables():
                counting = select(func.count()).select_from(table).where(owned_by(table, UUID(who["learner"])))
                held = (await connection.execute(counting)).scalar_one()
                assert len(records(archive, table.name)) == held, table.name
                # Where the learner has rows, so has somebody else: that nothing else is shown is seen by the counts.
        filled = {name for name in TOLD if records(archive, name)}
        assert {"achievement_versions", "claims", "conversions", "decisions", "rulings", "awards"} <= filled
        (profile,) = (row["profile"] for row in records(archive, "learners"))
        assert (profile["name"], len(profile["identities"])) == (NAME, 2)
        (shown,) = (row for row in records(archive, "audit_events") if row["action"] == "learner.export")
        assert shown["subject"] == f"learner:{who['learner']}"
        read_me = archive.read("README.txt").decode()
        assert all(f"records/{name}.json" in read_me for name in TOLD)
        assert all(reason in read_me for reason in LEFT_OUT.values())
        for language in ("zh-Hans", "en"):
            assert NAME in archive.read(f"transcript.{language}.html").decode()


async def test_nobody_is_exported_who_is_not_there(database_url: str) -> None:
    async with opened(database_url) as world:
        before = await world.stored()
        answer = await world.bank.get(f"/v1/learners/{UUID(int=7)}/export")
        assert (answer.status_code, answer.json()["code"]) == (404, "learner_not_found")
        assert await world.stored() == before


async def test_a_learner_who_signs_in_finds_their_login_devices_and_providers_and_no_secret(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = await world.open("Li Wei")
        place = Place(learner_id=UUID(learner))
        user = await world.person("liwei@town", NewGrant("learner", place))
        others = await world.person("other@town", NewGrant("learner", Place(learner_id=UUID(world.ids["stranger"]))))
        async with world.database.write() as connection:
            await know_as(connection, world.app.state.edge.vault, user, "https://idp.example", "4711", world.clock())
            await know_as(connection, world.app.state.edge.vault, others, "https://idp.example", "4712", world.clock())
        browser = world.browser(**{"User-Agent": "Firefox of Li Wei"})
        await world.sign_in("liwei@town", browser)
        await world.sign_in("other@town")
        archive = await archive_of(world, learner)

        (account,) = records(archive, "users")
        assert account["profile"] == {"login": "liwei@town", "name": "Name of liwei@town"}
        (session,) = records(archive, "sessions")
        assert (session["device"], session["user_id"]) == ("Firefox of Li Wei", str(user))
        (link,) = records(archive, "user_identities")
        assert link["user_id"] == str(user)
        (role,) = records(archive, "user_roles")
        assert role["user_id"] == str(user)
        assert {"password", "login_key"}.isdisjoint(account)
        assert "token_sha256" not in session
        text = b"".join(archive.read(name) for name in archive.namelist()).decode()
        assert "argon2" not in text
        assert "other@town" not in text
