"""An erased person is found nowhere, and the books still hold."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import structlog
from sqlalchemy import select, text

from creditbank.app import create_app
from creditbank.claims.tables import evidence_files
from creditbank.database.metadata import metadata
from creditbank.learners.tables import learner_keys
from creditbank.ledger.tables import holds
from creditbank.people.domain import NewGrant, Place
from creditbank.people.tables import user_roles, users
from creditbank.privacy.queries import verify_erasures
from creditbank.privacy.roll import Entry, Roll
from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from creditbank.settings import sqlite_file
from tests.api.test_policy import TABLE, L
from tests.api.world import COLLEGE, PDF, World, claim, opened, ruling
from tests.bank import document, granting, settings_for
from tests.conversions.desk import CERTIFICATE, apply_for, decide, let_in, only, post, programme, verified
from tests.test_no_name_in_the_bytes import stored_bytes

NAME, PHONE, CARD, BORN = "Ouyang Qingfeng", "13912345678", "11010519491231002X", "1949-12-31"
EXTERNAL, TITLE, WHY = "STU-20240917-77", "欧阳清风的论文", "she was not Qingfeng at all"
NEEDLES = (NAME, "Ouyang", "Qingfeng", "欧阳清风", PHONE, CARD, BORN, EXTERNAL, WHY)
FILE = b"%PDF-1.7 the diploma of Ouyang Qingfeng"


async def live(world: World) -> dict[str, str]:
    """A person's whole life at the bank: facts, claims, rulings, applications, an award, a transcript."""
    await let_in(world)
    await only(world, CERTIFICATE, programme("diploma", "3"))
    identities = [{"type": "phone", "value": PHONE}, {"type": "id_card", "value": CARD}]
    body = {"name": NAME, "birth_date": BORN, "region": "500103", "identities": identities}
    account = (await post(world, "/v1/learners", body, status=201)).json()
    learner = str(account["id"])
    first = world.statement(learner, external_id=EXTERNAL, title=TITLE, kind="training", credits="3")
    made = (await post(world, "/v1/achievements", first, status=201)).json()
    second = world.statement(learner, external_id=EXTERNAL + "/2", title=TITLE, kind="training", credits="3")
    batch = await post(world, "/v1/achievements/batch", [second], status=200)
    amended = {name: value for name, value in second.items() if name not in {"learner", "provider"}}
    at = f"/v1/achievements/{batch.json()['results'][0]['achievement']['id']}"
    await post(world, f"{at}/amendments", {"reason": WHY, "achievement": {**amended, "credits": "4"}}, status=201)
    kept = await world.partner.post(f"/v1/learners/{learner}/evidence", content=FILE, headers=PDF)
    lodged = claim(learner, kept.json()["id"], title=TITLE)
    claimed = (await post(world, "/v1/recognition-claims", lodged, status=201)).json()
    ruled = ruling(learner, reason=WHY)
    ruling_ = (await post(world, "/v1/rulings", ruled, by="bank", status=201)).json()
    listed = (await world.bank.get("/v1/reviews")).json()["items"]
    enrolled = await world.bank.post(f"/v1/learners/{learner}/enrolments", json={"programme": "college.certificate"})
    awarded = await apply_for(world, learner)
    await decide(world, awarded)
    for accept in ("application/json", "text/html"):
        shown = await world.bank.get(f"/v1/learners/{learner}/transcript", headers={"Accept": accept})
        assert NAME in shown.text
    applied = await apply_for(world, learner, "college.diploma")
    return {
        "learner": learner,
        "number": account["number"],
        "achievement": made["achievement"]["id"],
        "achievement_evaluation": made["outcome"]["evaluation"],
        "conversion": applied["id"],
        "evidence": kept.json()["id"],
        "claim": claimed["id"],
        "rejected_claim": claimed["id"],
        **{f"ruling_{number}": ruling_["id"] for number in range(3)},
        "review": next(one["id"] for one in listed if one["learner_id"] == learner),
        "decision_review": next(one["id"] for one in listed if one["learner_id"] == learner),
        "enrolment": enrolled.json()["id"],
    }


async def erase(world: World, learner: str) -> None:
    """Two people of the bank erase a person, and a worker removes what lies outside the database."""
    at = f"/v1/learners/{learner}/erasure"
    await post(world, at, {"reason": "learner_asked"}, by="bank", status=201)
    await post(world, f"{at}/decision", {"decision": "approve"}, by="approver", status=200)
    await world.work()


def spellings(needle: str) -> Iterator[bytes]:
    """The ways in which a text may stand among bytes."""
    for plain in (needle.encode(), needle.encode("utf-16-le"), needle.encode("utf-16-be")):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        # At each of the three places in which Base64 may begin it, without what its neighbours change.
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + plain)
            yield encoded[4 if shift else 0 : -4]
    yield needle.encode("unicode_escape")
    yield needle.encode("gb18030")


def files_in(folder: Path) -> list[Path]:
    """Every file under a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def dump(world: World) -> bytes:
    """Every value of every row of every table."""
    found = []
    async with world.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                found += [v if isinstance(v, bytes) else repr(v).encode() for v in row]
    return b"\n".join(found)


async def test_an_erased_person_is_found_nowhere(
    database_url: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened(database_url) as world:
        with structlog.testing.capture_logs() as logged:
            who = await live(world)
            wrapped = await wrapped_key(world, who["learner"])
            await erase(world, who["learner"])
        folder = Path(world.app.state.edge.settings.evidence_folder)
        rows = await dump(world)
        assert not [kind for kind in world.app.state.prints._kept if str(kind.learner_id) == who["learner"]]

    files = b"".join(path.read_bytes() for path in files_in(folder))
    said = repr(logged).encode() + "".join(capfd.readouterr()).encode()
    everything = rows + stored_bytes(database_url, request) + files + said
    # What may be read is found, so the search does look where the rows, the files and the lines are.
    assert b"cq/yuzhong" in everything
    assert who["learner"].encode() in rows
    assert b"/v1/learners/{id}/erasure/decision" in said
    for needle in (*NEEDLES, who["number"]):
        assert [spelt for spelt in spellings(needle) if spelt in everything] == [], needle
    assert wrapped not in rows
    if sqlite_file(database_url) is not None:
        assert wrapped not in everything


async def wrapped_key(world: World, learner: str) -> bytes:
    """The learner's key as it is stored."""
    statement = select(learner_keys.c.wrapped).where(learner_keys.c.learner_id == UUID(learner))
    async with world.database.read() as connection:
        return bytes((await connection.execute(statement)).scalar_one())


@pytest.fixture
async def erased(database_url: str) -> AsyncIterator[World]:
    """A bank at which somebody lived and was erased; ``ids`` names what was theirs."""
    async with opened(database_url) as world:
        world.ids |= {f"gone_{name}": id_ for name, id_ in (await live(world)).items()}
        world.ids["evidence_file"] = await stored_file(world)
        await erase(world, world.ids["gone_learner"])
        yield world


async def stored_file(world: World) -> str:
    """Under which name the evidence lies."""
    statement = select(evidence_files.c.stored_as).where(evidence_files.c.learner_id == UUID(world.ids["gone_learner"]))
    async with world.database.read() as connection:
        return str((await connection.execute(statement)).scalar_one())


async def test_the_books_of_an_erased_person_are_proven_and_the_person_counted(erased: World) -> None:
    edge = erased.app.state.edge
    pages = [page async for page in verify_bank(erased.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    async with erased.database.snapshot() as connection:
        findings = await verify_erasures(connection)
    assert [finding for page in pages for finding in page.findings] + findings == []
    assert sum(page.erased for page in pages) == 1
    # Credits that were reserved for an application went back, and what was redeemed stays so.
    statement = select(holds.c.state, holds.c.ended_at).where(holds.c.learner_id == UUID(erased.ids["gone_learner"]))
    async with erased.database.read() as connection:
        states = sorted(row.state for row in await connection.execute(statement))
    assert states == ["redeemed", "voided"]


TAMPERED = {
    "a posting is changed": (
        "update postings set amount_milli = amount_milli + 1 where learner_id = :id",
        "chain_broken",
    ),
    "a position is changed": (
        "update lots set redeemed_milli = redeemed_milli + 1, issued_milli = issued_milli - 1 where learner_id = :id",
        "positions_differ",
    ),
    "nobody decided it": ("delete from erasures where learner_id = :id", "erasure_unasked"),
    "the account is there again": ("update learners set state = 'active' where id = :id", "key_missing"),
}


@pytest.mark.parametrize(("statement", "code"), TAMPERED.values(), ids=TAMPERED)
async def test_what_is_done_to_the_books_of_an_erased_person_is_found(erased: World, statement: str, code: str) -> None:
    if not erased.database.is_sqlite:
        statement = f"set session_replication_role = replica; {statement}" if "postings" in statement else statement
    who = UUID(erased.ids["gone_learner"])
    async with erased.database.write() as connection:
        for trigger in ("postings_no_update",) if erased.database.is_sqlite else ():
            await connection.execute(text(f"drop trigger {trigger}"))
        for one in statement.split("; "):
            given = {"id": who.hex if erased.database.is_sqlite else who} if ":id" in one else {}
            await connection.execute(text(one), given)
    edge = erased.app.state.edge
    pages = [page async for page in verify_bank(erased.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    async with erased.database.snapshot() as connection:
        findings = await verify_erasures(connection)
    assert code in {finding.code for page in pages for finding in page.findings} | {one.code for one in findings}


OF_A_LEARNER = tuple(row for row in TABLE if L in row.route and row.scope is not None)


@pytest.fixture
def asked() -> dict[str, str]:
    """What the requests of the table of scopes name beside the learner: anything, for nothing of it may matter."""
    names = re.findall(r"@([a-z_0-9]+)", " ".join(repr((row.request, row.body)) for row in OF_A_LEARNER))
    return dict.fromkeys(names, str(UUID(int=7)))


async def test_every_route_refuses_an_erased_learner(erased: World, asked: dict[str, str]) -> None:
    learners_ = {"learner", "stranger", "exchanging", "staying", "going", "pending", "minor", "undecided", "united"}
    theirs = {name.removeprefix("gone_"): id_ for name, id_ in erased.ids.items() if name.startswith("gone_")}
    erased.ids = {**asked, **erased.ids, **theirs, **dict.fromkeys(learners_, erased.ids["gone_learner"])}
    before = await erased.stored()
    for row in OF_A_LEARNER:
        for by in ("bank", "partner"):
            answer = await erased.send(by, row.request, row.body, row.headers)
            wanted = {410} if by == "bank" and row.route.count("{") == 1 else {403, 404, 410}
            assert answer.status_code in wanted, (row.route, by, answer.text)
            assert answer.json()["code"] != "unauthenticated"
    assert len(OF_A_LEARNER) > 20
    assert await erased.stored() == before


OTHERWISE = (
    ("an achievement", "GET /v1/achievements/@gone_achievement", None, 404),
    ("its revocation", "POST /v1/achievements/@gone_achievement/revocation", {"reason": "late"}, 404),
    ("an application", "GET /v1/conversions/@gone_conversion", None, 404),
    ("the applications", "GET /v1/conversions?learner=@gone_learner", None, 410),
    ("by the number", "POST /v1/learners/resolve", {"number": "@gone_number"}, 404),
    ("by an identity", "POST /v1/learners/resolve", {"identity": {"type": "phone", "value": PHONE}}, 404),
    ("by the id", "POST /v1/learners/resolve", {"id": "@gone_learner"}, 410),
)


async def test_an_erased_learner_is_found_by_nothing_else(erased: World) -> None:
    for way, request, body, status in OTHERWISE:
        assert (await erased.send("bank", request, body)).status_code == status, way


async def test_nothing_is_recorded_of_an_erased_learner(erased: World) -> None:
    stated = erased.statement(erased.ids["gone_learner"])
    answer = await erased.partner.post("/v1/achievements", json=stated)
    assert (answer.status_code, answer.json()["code"]) == (410, "learner_erased")
    other = await erased.open()
    batch = await erased.partner.post("/v1/achievements/batch", json=[stated, erased.statement(other)])
    assert [one["status"] for one in batch.json()["results"]] == [410, 201]
    # The same person may come again, as a stranger, and the provider may use its own numbers again.
    again = await erased.open(NAME, identities=[{"type": "phone", "value": PHONE}])
    assert (await erased.record(again, external_id=EXTERNAL))["achievement"]["external_id"] == EXTERNAL


async def test_what_was_answered_about_an_erased_learner_is_not_answered_again(database_url: str) -> None:
    async with opened(database_url) as world:
        headers = {"Idempotency-Key": "opening"}
        body = {"name": NAME, "birth_date": BORN}
        first = await world.partner.post("/v1/learners", json=body, headers=headers)
        await erase(world, first.json()["id"])
        again = await world.partner.post("/v1/learners", json=body, headers=headers)
        assert (again.status_code, again.json()["code"]) == (410, "answer_erased")


async def test_files_of_evidence_are_removed(erased: World) -> None:
    folder = Path(erased.app.state.edge.settings.evidence_folder)
    assert not (folder / erased.ids["evidence_file"][:2] / erased.ids["evidence_file"]).exists()
    # Those of others stay.
    assert any(len(path.name) == 64 for path in files_in(folder))


async def test_jobs_pass_over_the_erased(erased: World) -> None:
    await erased.publish(document(granting("later", kind="heritage"), id_="later"))
    erased.clock.turn(days=2)
    await erased.work()
    async with erased.database.read() as connection:
        failed = await connection.execute(text("select count(*) from jobs where state = 'failed' or error is not null"))
        assert failed.scalar_one() == 0
    await verified(erased)


# --- Two people -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def asking(database_url: str) -> AsyncIterator[World]:
    """A bank and a learner who may be erased: ``ids`` names the way there."""
    async with opened(database_url) as world:
        world.ids["leaver"] = await world.open(NAME)
        yield world


PROPOSE = ("POST /v1/learners/@leaver/erasure", {"reason": "learner_asked"})
DECIDE = "POST /v1/learners/@leaver/erasure/decision"


async def test_one_person_cannot_erase(asking: World) -> None:
    nothing = await asking.send("bank", DECIDE, {"decision": "approve"})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no_erasure_proposed")
    assert (await asking.send("bank", *PROPOSE)).status_code == 201
    twice = await asking.send("approver", *PROPOSE)
    assert (twice.status_code, twice.json()["code"]) == (409, "erasure_proposed")
    alone = await asking.send("bank", DECIDE, {"decision": "approve"})
    assert (alone.status_code, alone.json()["code"]) == (403, "two_people_needed")
    assert (await asking.bank.get(f"/v1/learners/{asking.ids['leaver']}")).status_code == 200


@pytest.mark.parametrize("by", ["bank", "approver"])
async def test_a_refused_erasure_changes_nothing_and_may_be_proposed_again(asking: World, by: str) -> None:
    assert (await asking.send("bank", *PROPOSE)).status_code == 201
    refused = await asking.send(by, DECIDE, {"decision": "refuse"})
    assert refused.json()["state"] == "refused"
    assert (await asking.bank.get(f"/v1/learners/{asking.ids['leaver']}")).json()["name"] == NAME
    assert (await asking.send("bank", *PROPOSE)).status_code == 201
    listed = (await asking.bank.get("/v1/erasures", params={"state": "proposed"})).json()["items"]
    assert [one["learner"] for one in listed] == [asking.ids["leaver"]]


async def test_a_roll_that_cannot_be_written_erases_nobody(asking: World) -> None:
    roll: Roll = asking.app.state.eraser.roll
    roll.file = roll.file.parent / "no such folder" / "roll"
    assert (await asking.send("bank", *PROPOSE)).status_code == 201
    answer = await asking.send("approver", DECIDE, {"decision": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (503, "erasure_roll_unwritable")
    assert (await asking.bank.get(f"/v1/learners/{asking.ids['leaver']}")).json()["name"] == NAME


# --- Who signed in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("also", "stays"),
    [
        ((), False),
        ((NewGrant("provider_staff", Place(COLLEGE)),), True),
        ((NewGrant("provider_staff", Place(COLLEGE), datetime(2020, 1, 1, tzinfo=UTC)),), False),
    ],
    ids=["a learner", "staff too", "staff once"],
)
async def test_whoever_signed_in_as_the_learner_is_forgotten_unless_staff(
    database_url: str, also: tuple[NewGrant, ...], stays: bool
) -> None:
    async with opened(database_url) as world:
        learner = await world.open(NAME)
        before = await world.stored()
        user = await world.person("qingfeng@town", NewGrant("learner", Place(learner_id=UUID(learner))), *also)
        browser = await world.sign_in("qingfeng@town")
        await erase(world, learner)
        counts = await world.stored()
        async with world.database.read() as connection:
            standing = (
                await connection.execute(select(users.c.status, users.c.profile).where(users.c.id == user))
            ).one()
            held = (await connection.execute(select(user_roles.c.learner_id, user_roles.c.revoked_by))).all()
        answer = await browser.get(f"/v1/learners/{learner}")

    assert (UUID(learner), "erasure") in [tuple(row) for row in held]
    assert (standing.status, standing.profile == b"") == (("active", False) if stays else ("closed", True))
    assert counts["user_keys"] == before["user_keys"] + stays
    assert answer.status_code in ({401, 404, 410} if stays else {401})


async def test_in_every_process_whoever_was_erased_is_signed_out_at_once(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = await world.open(NAME)
        await world.person("qingfeng@town", NewGrant("learner", Place(learner_id=UUID(learner))))
        browser = await world.sign_in("qingfeng@town")
        # Another process of the same bank, which has answered to the same cookie.
        elsewhere = create_app(settings_for(database_url, worker=False), clock=world.clock)
        async with elsewhere.router.lifespan_context(elsewhere):
            cookies = dict(browser.cookies.items())
            there = httpx.AsyncClient(transport=httpx.ASGITransport(elsewhere), base_url=str(browser.base_url))
            there.cookies.update(cookies)
            for _ in range(2):
                assert (await there.get(f"/v1/learners/{learner}")).status_code == 200
            await erase(world, learner)
            assert (await there.get(f"/v1/learners/{learner}")).status_code == 401
            await there.aclose()
        assert (await browser.get(f"/v1/learners/{learner}")).status_code == 401


async def test_wrong_passwords_of_whoever_is_erased_are_forgotten_at_once(database_url: str) -> None:
    async with opened(database_url) as world:
        learner = await world.open(NAME)
        await world.person("qingfeng@town", NewGrant("learner", Place(learner_id=UUID(learner))))
        await world.person("li@town", NewGrant("provider_staff", Place(COLLEGE)))
        for login in ("qingfeng@town", "Qingfeng@Town ", "li@town"):
            answer = await world.browser().post("/login", data={"login": login, "password": "not hers at all"})
            assert answer.status_code != 303
        assert (await world.stored())["failed_logins"] == 6
        await erase(world, learner)
        # By the address, which is of no one person, and the other login's own.
        assert (await world.stored())["failed_logins"] == 4


@pytest.mark.parametrize("line", [None, b"{}"], ids=["ahead", "broken"])
async def test_a_bank_that_holds_somebody_on_the_roll_is_not_ready(database_url: str, line: bytes | None) -> None:
    async with opened(database_url) as world:
        learner = await world.open(NAME)
        assert (await world.send("nobody", "GET /readyz")).status_code == 200
        roll: Roll = world.app.state.eraser.roll
        roll.add([Entry(UUID(learner), datetime(2026, 11, 25, tzinfo=UTC))])
        if line is not None:
            roll.file.write_bytes(line + b"\n")
        answer = await world.send("nobody", "GET /readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        roll.file.unlink()
        assert (await world.send("nobody", "GET /readyz")).status_code == 200
