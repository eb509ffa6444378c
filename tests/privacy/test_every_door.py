"""Whatever door a person's data came in by, after their erasure a whole dump of the bank does not hold them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from sqlalchemy import select

from creditbank.achievements.queries import CONTENT, REASON
from creditbank.claims.queries import EVIDENCE
from creditbank.consents.queries import PURPOSE as PURPOSE_OF_CONSENT
from creditbank.database.metadata import metadata
from creditbank.imports.files import ROWS, UPLOAD
from creditbank.imports.tables import imports
from creditbank.learners.queries import MERGED_KEY, PROFILE
from creditbank.learners.tables import learner_keys, merged_keys
from creditbank.people.actions import know_as
from creditbank.people.domain import NewGrant, Place
from creditbank.people.queries import DEVICE as DEVICE_OF_SESSION
from creditbank.people.queries import PROFILE as USER_PROFILE
from creditbank.people.tables import user_keys
from creditbank.privacy.exporting import owned_by, personal_tables
from creditbank.recognition.queries import RULING, TRACE
from creditbank.sealing import SealBroken, Vault
from creditbank.settings import sqlite_file
from creditbank.web import idempotency
from creditbank.webhooks.domain import EVENTS
from creditbank.webhooks.queries import SECRETS, URL
from creditbank.webhooks.tables import webhook_deliveries
from tests.api.world import COLLEGE, PDF, World, claim, opened, ruling
from tests.postgres import EmbeddedPostgres
from tests.privacy.test_erasure import (
    BORN,
    CARD,
    EXTERNAL,
    FILE,
    NAME,
    NEEDLES,
    PHONE,
    TITLE,
    WHY,
    dump,
    erase,
    files_in,
    live,
    spellings,
)
from tests.test_no_name_in_the_bytes import stored_bytes

LOGIN, FORMER, PURPOSE, SUBJECT = "qingfeng.ouyang@town", "Ouyang Qingfang", "Qingfeng's evening course", "idp-771-o"
DEVICE = "Firefox on Qingfeng's telephone"
THEIRS = (*NEEDLES, LOGIN, "Qingfang", PURPOSE, SUBJECT, DEVICE, "telephone")
CSV = {"Content-Type": "text/csv"}
RESULTS = f"external_id,id_card,kind,completed\n{EXTERNAL}/w,{CARD},course,2025-01-20\n".encode()

FILLED = {
    "account_states", "achievement_versions", "achievements", "attendances", "awards", "claims", "consent_withdrawals",
    "consents", "conversions", "decisions", "enrolments", "evidence_files", "idempotency_records", "learner_identities",
    "learner_keys", "looks", "residences", "reviews", "rulings", "sessions", "user_identities", "user_keys",
    "user_roles", "users",
}  # fmt: skip
"""Tables of which the test says that the person was in them; those that this bank does not have are passed over."""


async def come_in_by_every_door(world: World) -> dict[str, str]:
    """A whole life, and then all that it does not do: people who sign in, batches, sheets, consents, appeals.

    Whoever may listen is told of all of it.
    """
    for by in (world.bank, world.partner):
        hook = await by.post("/v1/webhooks", json={"url": "https://listener.example/", "types": list(EVENTS)})
        assert hook.status_code == 201, hook.text
    who = await live(world)
    learner, at = who["learner"], f"/v1/learners/{who['learner']}"
    bank, partner = world.bank, world.partner
    keyed = {"Idempotency-Key": "key-of-the-batch"}

    # Accounts: by batch, with the answer kept, with rows that are wrong; renamed, moved, looked for.
    batch = [
        {"name": NAME, "identities": [{"type": "phone", "value": PHONE}]},
        {"name": NAME, "birth_date": "2999-01-01"},
    ]
    opened_ = await partner.post("/v1/learners/batch", json=batch, headers=keyed)
    assert opened_.status_code in {200, 207}, opened_.text
    for name in (FORMER, NAME):
        tag = (await bank.get(at)).headers["etag"]
        assert (await bank.patch(at, json={"name": name}, headers={"If-Match": tag})).status_code == 200
    lived = await bank.post(
        f"{at}/residences", json={"region": "500105", "since": "2024-01-01"}, headers=keyed_("home")
    )
    assert lived.status_code == 201, lived.text
    for wanted in ({"identity": {"type": "phone", "value": PHONE}}, {"number": who["number"]}):
        assert (await partner.post("/v1/learners/resolve", json=wanted)).status_code == 200

    # Achievements: by identity, in a batch under a key, with what is refused; amended, revoked in words.
    identity = {"identity": {"type": "id_card", "value": CARD}}
    rows = [
        {**world.statement(external_id=f"{EXTERNAL}/b{n}", title=TITLE, credits="1"), "learner": identity}
        for n in range(2)
    ] + [{**world.statement(external_id=f"{EXTERNAL}/bad", title=TITLE, kind="no kind"), "learner": identity}]
    many = await partner.post("/v1/achievements/batch", json=rows, headers={"Idempotency-Key": "key-of-many"})
    assert many.status_code in {200, 207}, many.text
    one = many.json()["results"][0]["achievement"]["id"]
    gone = await partner.post(f"/v1/achievements/{one}/revocation", json={"reason": WHY}, headers=keyed_("revoke"))
    assert gone.status_code == 201, gone.text

    # A file of results: a row that is recorded, and two that are refused and stand nowhere else; and one under way.
    results = (
        f"external_id,id_card,name,kind,title,completed\n{EXTERNAL}/f,{CARD},{NAME},course,{TITLE},2025-01-20\n"
        f"{EXTERNAL}/g,{CARD},{NAME},{NAME},{TITLE},2025-02-30\n{EXTERNAL}/h,{CARD[:-1]},{NAME},course,{TITLE},{WHY}\n"
    ).encode()
    lines = json.dumps({"external_id": f"{EXTERNAL}/l", "kind": NAME, "completed": "2025-01-20", "learner": identity})
    for content, media_type in ((results, "text/csv"), (lines.encode(), "application/x-ndjson")):
        taken = await partner.post(
            "/v1/imports", content=content, headers={"Content-Type": media_type, **keyed_(media_type)}
        )
        assert taken.status_code == 202, taken.text
        await world.work()
        for path in ("", "/problems", "/report"):
            assert (await partner.get(f"/v1/imports/{taken.json()['id']}{path}")).status_code == 200
    refused = await partner.post("/v1/imports", content=f"{NAME},{CARD}\n{NAME}\n".encode(), headers=CSV)
    assert refused.status_code == 422, refused.text

    # Recognition: evidence, a claim that is rejected and appealed, rulings, what waits for people.
    kept = await partner.post(f"{at}/evidence", content=FILE + b" again", headers={**PDF, **keyed_("file")})
    assert kept.status_code == 201, kept.text
    lodged = await partner.post(
        "/v1/recognition-claims", json=claim(learner, kept.json()["id"], title=TITLE), headers=keyed_("claim")
    )
    assert lodged.status_code == 201, lodged.text
    lies = f"{at}/recognition-claims/{lodged.json()['id']}"
    rejected = await bank.post(f"{lies}/decision", json={"decision": "reject", "reason": "not_covered"})
    assert rejected.status_code == 200, rejected.text
    assert (await partner.post(f"{lies}/appeal", headers=keyed_("appeal"))).status_code in {200, 201}
    ruled = await bank.post("/v1/rulings", json=ruling(learner, reason=WHY), headers=keyed_("ruling"))
    assert ruled.status_code == 201, ruled.text

    # Activities: signed in by the staff, and on a sheet.
    talk = {"title": {"zh": "讲座", "en": "A talk"}, "starts": "2025-03-01T00:00:00Z", "ends": "2025-03-02T00:00:00Z"}
    held = await partner.post("/v1/activities", json=talk)
    sheet = f"账号,时间\n{who['number']},{world.clock.instant:%Y-%m-%dT%H:%M:%SZ}\n{NAME},yesterday\n"
    signed = await partner.post(
        f"/v1/activities/{held.json()['id']}/sheets", content=sheet.encode(), headers={**CSV, **keyed_("sheet")}
    )
    assert signed.status_code in {200, 207}, signed.text

    # Programmes and consents.
    audited = await bank.get(f"{at}/programmes/college.diploma/audit")
    assert audited.status_code == 200, audited.text
    consent = {"recipient": COLLEGE, "what": ["credits"], "purpose": PURPOSE}
    given = await bank.post(f"{at}/consents", json=consent, headers=keyed_("consent"))
    assert given.status_code == 201, given.text
    assert (await bank.post(f"{at}/consents/{given.json()['id']}/withdrawal")).status_code in {200, 201}

    # People: the learner signs in, wrongly at first, from a device, and an identity provider knows them.
    user = await world.person(LOGIN, NewGrant("learner", Place(learner_id=UUID(learner))))
    async with world.database.write() as connection:
        await know_as(connection, world.app.state.edge.vault, user, "https://idp.example", SUBJECT, world.clock())
    wrong = await world.browser().post("/login", data={"login": LOGIN, "password": f"{NAME} {PHONE}"})
    assert wrong.status_code != 303
    browser = await world.sign_in(LOGIN, world.browser(**{"User-Agent": DEVICE}))
    for path in (at, f"{at}/transcript", f"{at}/export", f"{at}/looks"):
        assert (await browser.get(path)).status_code == 200, path
    entered = await bank.post(
        "/v1/users",
        json={"login": f"second.{LOGIN}", "name": NAME, "roles": [{"role": "learner", "learner": learner}]},
        headers=keyed_("user"),
    )
    assert entered.status_code == 201, entered.text
    for accept in ("application/json", "text/html"):
        shown = await bank.get(f"{at}/transcript", headers={"Accept": accept})
        assert NAME in shown.text
    # Looks are written, and what waits is worked off: jobs' payloads are dumped too.
    await bank.get(f"{at}/looks")
    await world.work()
    return who


def keyed_(of: str) -> dict[str, str]:
    """A key under which the answer is kept."""
    return {"Idempotency-Key": f"key-of-the-{of}"}


def as_text(url: str, request: pytest.FixtureRequest) -> bytes:
    """The database as its own tool dumps it in plain text, every row of every table."""
    file = sqlite_file(url)
    if file is not None:
        database = sqlite3.connect(file)
        plain = "\n".join(database.iterdump()).encode()
        database.close()
        return plain
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    tool = server.bin("pg_dump")
    if not tool.exists():
        pytest.skip("the PostgreSQL of the tests came without pg_dump")
    environment = server.environment(url.rpartition("/")[2])
    return subprocess.run([str(tool), "--inserts"], env=environment, capture_output=True, check=True).stdout


PLACES = (
    ROWS, UPLOAD, CONTENT, REASON, EVIDENCE, PURPOSE_OF_CONSENT, PROFILE, USER_PROFILE, DEVICE_OF_SESSION, RULING,
    TRACE, idempotency._BODY, SECRETS, URL,
)  # fmt: skip
"""All for which anything is sealed."""


async def opens(world: World) -> bytes:
    """All that opens with the keys that there are, by whoever has the bank's secrets: rows and files."""
    vault: Vault = world.app.state.edge.vault
    keys = [vault.passing, vault.bank]
    sealed: list[bytes] = []
    async with world.database.read() as connection:
        own = {}
        for table, owner in ((learner_keys, "learner_id"), (user_keys, "user_id")):
            for who, wrapped in await connection.execute(select(table.c[owner], table.c.wrapped)):
                own[who] = vault.unwrap(who, wrapped)
        keys += own.values()
        for row in await connection.execute(select(merged_keys)):
            keys.append(own[row.learner_id].open_key(row.sealed, MERGED_KEY))
        for id_, wrapped in await connection.execute(select(imports.c.id, imports.c.wrapped)):
            if wrapped is not None:
                keys.append(vault.unwrap(id_, wrapped))
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                sealed += [value for value in row if isinstance(value, bytes)]
    sealed += [path.read_bytes() for path in files_in(Path(world.app.state.edge.settings.evidence_folder))]
    found = []
    # What was opened may be sealed once more within.
    for value in sealed:
        for key in keys:
            for place in PLACES:
                with contextlib.suppress(SealBroken):
                    found.append(key.open(value, place))
                    sealed.append(found[-1])
    return b"\n".join(found)


async def tables_of(world: World, learner: str) -> set[str]:
    """The tables in which rows are this learner's, or of whoever signs in as them."""
    found = set()
    async with world.database.read() as connection:
        for table in personal_tables():
            if (await connection.execute(select(table).where(owned_by(table, UUID(learner))).limit(1))).first():
                found.add(table.name)
    return found


async def test_whoever_came_in_by_every_door_is_in_no_dump_after_the_erasure(
    database_url: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened(database_url) as world:
        with structlog.testing.capture_logs() as logged:
            who = await come_in_by_every_door(world)
            outbox = select(webhook_deliveries.c.type, webhook_deliveries.c.data)
            async with world.database.read() as connection:
                told = (await connection.execute(outbox)).all()
            # It was told of them, by their id; so the outbox is searched with something in it.
            assert {"achievement.recorded", "achievement.revoked", "credits.changed"} <= {row.type for row in told}
            assert who["learner"] in {row.data["learner_id"] for row in told}
            known = FILLED & {table.name for table in metadata.sorted_tables}
            of_learners = {table.name for table in personal_tables()}
            assert (known & of_learners) - await tables_of(world, who["learner"]) == set()
            before = await opens(world)
            assert f"{EXTERNAL}/h".encode() in before
            # One that nobody works through before the erasure is forgotten when it ends.
            waiting = await world.partner.post("/v1/imports", content=RESULTS, headers=CSV)
            # Whoever has the secrets and the keys reads all of it now.
            for needle in (NAME, PHONE, CARD, BORN, EXTERNAL, WHY, LOGIN, PURPOSE, DEVICE, FILE.decode()):
                assert needle.encode() in before, needle
            await erase(world, who["learner"])
            await world.work()
            gone = await world.partner.get(f"/v1/imports/{waiting.json()['id']}/report")
            assert (gone.status_code, gone.json()["code"]) == (410, "import_file_gone")
        folder = Path(world.app.state.edge.settings.evidence_folder)
        roll = world.app.state.edge.settings.erasure_roll
        rows = await dump(world)
        after = await opens(world)
    files = b"".join(path.read_bytes() for path in files_in(folder))
    said = json.dumps(logged, default=repr).encode() + "".join(capfd.readouterr()).encode()
    everything = (
        rows
        + as_text(database_url, request)
        + stored_bytes(database_url, request)
        + files
        + roll.read_bytes()
        + said
        + after
    )

    # What may be read is found, so the search does look where the rows and the lines are.
    assert who["learner"].encode() in rows
    assert b"POST /login" in said or b"/login" in said
    assert b"cq/yuzhong" in everything
    # What is sealed of others opens still, and nothing in it is of whoever was erased.
    assert "张三".encode() in after
    for needle in (*THEIRS, who["number"], BORN):
        assert [spelt for spelt in spellings(needle) if spelt in everything] == [], needle
