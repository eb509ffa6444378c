"""Accounts: opened, found, and shown no further than they must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from creditbank.access.tables import audit_events
from creditbank.identifiers import is_number
from tests.api.world import World

ASKED = "0190a5b2-7c1d-7e3f-8a4b-5c6d7e8f9a0b"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_account_has_a_number_and_shows_no_identity(world: World) -> None:
    identities = [
        {"type": "id_card", "value": "５００１０３ 19900101 7773"},
        {"type": "phone", "value": world.fresh("138")},
    ]
    body = {"name": "  张三丰 ", "birth_date": "1990-01-01", "region": "500103", "identities": identities}

    answer = await world.send("partner", "POST /v1/learners", body)

    assert answer.status_code == 201
    account = answer.json()
    assert answer.headers["location"] == f"/v1/learners/{account['id']}"
    assert is_number(account["number"], "CQ")
    assert {**account, "id": "", "number": ""} == {
        "id": "",
        "number": "",
        "name": "张三丰",
        "birth_date": "1990-01-01",
        "region": "500103",
        "identities": ["id_card", "phone"],
        "claimed": [],
        "merged_into": None,
        "state": "active",
    }
    assert (await world.send("partner", f"GET /v1/learners/{account['id']}")).json() == account


CARD = {"type": "id_card", "value": "110105194912310185"}
WRITES = {
    "an account opened": ("POST /v1/learners", "/birth_date", lambda account, _: account),
    "many at once": ("POST /v1/learners/batch", "/0/birth_date", lambda account, _: [account]),
    "an account opened for a statement": (
        "POST /v1/achievements",
        "/open_account/birth_date",
        lambda account, stated: {**stated, "learner": {"identity": CARD}, "open_account": account},
    ),
}


@pytest.mark.parametrize(("request_", "pointer", "body"), WRITES.values(), ids=WRITES)
async def test_a_birth_date_that_the_card_contradicts_is_refused_wherever_an_account_is_opened(
    request_: str, pointer: str, body: Callable[[Any, Any], Any], world: World
) -> None:
    account = {"name": "李伟", "birth_date": "1949-12-30", "region": "500103"}
    if "achievements" not in request_:
        account["identities"] = [CARD]  # type: ignore[assignment]
    before = await world.stored()
    answer = await world.send("partner", request_, body(account, world.statement(world.ids["learner"])))
    problem = answer.json()["results"][0]["problem"] if "batch" in request_ else answer.json()
    assert problem["code"] == "birth_date_differs"
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert {**await world.stored(), "idempotency_records": 0} == {**before, "idempotency_records": 0}


NOWHERE = {"name": "李伟", "region": "999999"}
PLACED: dict[str, tuple[str, Any, str]] = {
    "opened": ("POST /v1/learners", NOWHERE, "/region"),
    "of many": ("POST /v1/learners/batch", [{"name": "张伟", "region": "500103"}, NOWHERE], "/1/region"),
    "moved since": ("POST /v1/learners/@learner/residences", {"region": "999999", "since": "2024-01-01"}, "/region"),
    "moved today": ("PATCH /v1/learners/@learner", {"region": "999999"}, "/region"),
    "opened for a statement": (
        "POST /v1/achievements",
        {"learner": {"identity": {"type": "phone", "value": "13912345678"}}, "open_account": NOWHERE},
        "/open_account/region",
    ),
}


@pytest.mark.parametrize(("request_", "body", "pointer"), PLACED.values(), ids=PLACED)
async def test_nobody_lives_in_a_division_that_the_bank_does_not_have(
    request_: str, body: Any, pointer: str, world: World
) -> None:
    sent = {**world.statement(), **body} if "achievements" in request_ else body
    headers = {"Idempotency-Key": world.fresh("nowhere"), "If-Match": "*"}
    before = await world.stored()

    # Whoever sends it again under the same key is told the same.
    for _ in range(2):
        answer = await world.send("partner", request_, sent, headers)
        problem = answer.json()["results"][1]["problem"] if "batch" in request_ else answer.json()
        assert (problem["status"], problem["code"]) == (422, "unknown_region")
        assert [error["pointer"] for error in problem["errors"]] == [pointer]

    after = await world.stored()
    assert after["residences"] - before["residences"] == after["learners"] - before["learners"] == ("batch" in request_)


async def test_however_many_are_opened_their_divisions_are_looked_up_at_once(world: World) -> None:
    asked: list[str] = []

    def note(*said: Any) -> None:
        asked.append(said[2])

    event.listen(Engine, "before_cursor_execute", note)
    many = [{"name": f"L{n}", "region": region} for n in range(10) for region in ("500103", "500105", "999999")]
    answer = await world.send("partner", "POST /v1/learners/batch", many)
    event.remove(Engine, "before_cursor_execute", note)

    assert answer.json()["counts"] == {"opened": 20, "refused": 10}
    assert len([one for one in asked if "FROM regions" in one]) == 1


async def test_an_account_is_not_mended_against_its_own_card(world: World) -> None:
    # Where somebody lives may be elsewhere than where the card was issued: people move.
    card = {"type": "id_card", "value": "440308199901101512"}
    learner = await world.open("李伟", birth_date="1999-01-10", region="500103", identities=[card])
    at = f"PATCH /v1/learners/{learner}"
    refused = await world.send("partner", at, {"birth_date": "1999-01-11"}, {"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (422, "birth_date_differs")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/birth_date"]
    for change in ({"birth_date": "1999-01-10"}, {"region": "500105"}):
        assert (await world.send("partner", at, change, {"If-Match": "*"})).status_code == 200


@pytest.mark.parametrize(("name", "masked"), [("张三", "张*"), ("欧阳修文", "欧***"), ("Li Wei", "L*****"), ("X", "X")])
async def test_whoever_is_found_is_shown_by_a_masked_name(name: str, masked: str, world: World) -> None:
    identity = {"type": "passport", "value": world.fresh("P")}
    learner = await world.open(name, identities=[identity])
    number = (await world.send("partner", f"GET /v1/learners/{learner}")).json()["number"]
    reference: Any
    for reference in ({"id": learner}, {"number": number}, {"identity": identity}):
        found = await world.send("rival", "POST /v1/learners/resolve", reference)
        assert found.json() == {"id": learner, "name": masked}


async def test_student_number_is_its_school_s(world: World) -> None:
    student = {"type": "student_number", "value": world.fresh("S")}
    mine = await world.open("A", identities=[student])
    theirs = await world.open("B", by="rival", identities=[student])
    for by, learner in (("partner", mine), ("rival", theirs)):
        found = await world.send(by, "POST /v1/learners/resolve", {"identity": student})
        assert found.json()["id"] == learner
    issued = {"identity": {**student, "issuer": "cq/yuzhong"}}
    assert (await world.send("rival", "POST /v1/learners/resolve", issued)).json()["id"] == mine


@pytest.mark.parametrize(
    ("by", "issuer", "status", "code", "field"),
    [
        ("rival", "cq/yuzhong", 403, "foreign_provider", "/issuer"),
        ("rival", "cq/yuzhong/jiefangbei", 403, "foreign_provider", "/issuer"),
        ("partner", "cq", 403, "foreign_provider", "/issuer"),
        ("partner", "cq/yuzhong/jiefangbei", 201, None, ""),
        ("partner", "cq/yuzhong/nothing", 422, "unknown_provider", "/issuer"),
        ("bank", "cq/nothing", 422, "unknown_provider", "/issuer"),
        ("bank", "cq/yuzhong", 201, None, ""),
        ("bank", None, 422, "issuer_unnamed", "/issuer"),
    ],
)
async def test_a_student_number_is_given_by_whoever_acts_for_its_institution(
    by: str, issuer: str | None, status: int, code: str | None, field: str, world: World
) -> None:
    identity = {"type": "student_number", "value": world.fresh("S"), **({"issuer": issuer} if issuer else {})}
    account = {"name": "Li Wei", "identities": [{"type": "phone", "value": "13612345678"}, identity][status == 201 :]}
    before = await world.stored()

    if status == 201:
        assert (await world.send(by, "POST /v1/learners", account)).status_code == 201
        return
    refused = await world.send(by, "POST /v1/learners", account)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/identities/1{field}"]

    key = {"Idempotency-Key": world.fresh("batch")}
    for _ in range(2):
        batch = (await world.send(by, "POST /v1/learners/batch", [account], key)).json()["results"][0]
        assert (batch["status"], batch["problem"]["code"]) == (status, code)
        assert [error["pointer"] for error in batch["problem"]["errors"]] == [f"/0/identities/1{field}"]

    if issuer is not None:
        own = {"bank": "cq/yuzhong", "rival": "cq/jiangbei", "partner": "cq/yuzhong"}[by]
        stated = {**world.statement(), "provider": own, "learner": {"identity": identity}}
        opening = {**stated, "open_account": {"name": "Li Wei"}}
        posted = await world.send(by, "POST /v1/achievements", opening)
        assert (posted.status_code, posted.json()["code"]) == (status, code)
        assert [error["pointer"] for error in posted.json()["errors"]] == ["/learner/identity/issuer"]
    after = await world.stored()
    assert after["learners"] == before["learners"]
    assert after["learner_identities"] == before["learner_identities"]


async def test_a_student_number_of_nowhere_is_not_looked_up(world: World) -> None:
    identity = {"type": "student_number", "value": world.fresh("S")}
    asked = await world.send("bank", "POST /v1/learners/resolve", {"identity": identity})
    assert (asked.status_code, asked.json()["code"]) == (422, "issuer_unnamed")
    assert [error["pointer"] for error in asked.json()["errors"]] == ["/identity/issuer"]


async def test_every_look_and_change_is_written_down_without_a_word_about_the_person(world: World) -> None:
    learner = await world.open("王五六七", birth_date="1980-05-05")
    headers = {"X-Request-ID": ASKED, "If-Match": "*"}
    await world.send("rival", "POST /v1/learners/resolve", {"id": learner}, headers)
    await world.send("partner", f"PATCH /v1/learners/{learner}", {"name": "王六七八"}, headers)
    async with world.database.read() as connection:
        found = select(audit_events).where(audit_events.c.subject == f"learner:{learner}").order_by(audit_events.c.at)
        events = (await connection.execute(found)).all()
    assert [(e.action, e.details) for e in events] == [
        ("learner.open", {}),
        ("learner.resolve", {"by": "id", "outcome": "found"}),
        ("learner.mend", {"fields": ["name"]}),
    ]
    assert [e.request_id for e in events][1:] == [ASKED, ASKED]
    assert len({e.actor for e in events}) == 2


@pytest.mark.parametrize("way", ["POST /v1/achievements", "POST /v1/achievements/batch"])
async def test_an_account_that_a_statement_opens_is_written_down_too(way: str, world: World) -> None:
    identity = {"type": "student_number", "value": world.fresh("S")}
    stated = {**world.statement(), "learner": {"identity": identity}, "open_account": {"name": "Li Wei"}}
    asked = {"X-Request-ID": ASKED}
    answer = await world.send("partner", way, [stated] if way.endswith("batch") else stated, asked)
    recorded = answer.json()["results"][0] if way.endswith("batch") else answer.json()
    subject = f"learner:{recorded['achievement']['learner_id']}"
    (event,) = (await world.bank.get(f"/v1/audit-events?subject={subject}&action=learner.open")).json()["items"]
    assert (event["actor"], event["owner"]) == (world.ids["client_partner"], "cq/yuzhong")
    # Those that come alone are written in groups, which are of no request.
    assert event["request_id"] == (ASKED if way.endswith("batch") else None)
