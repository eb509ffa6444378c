"""Programmes over the API: entering one, what governs it, the audit, and the nearest ways to close its gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from tests.api.world import COLLEGE, RIVAL, SCHOOL, World
from tests.bank import document, granting
from tests.covering import covered

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAJOR = {"id": "major", "title": {"zh": "专业课", "en": "Major"}, "need": {"credits": 6}, "category": "arts/languages"}
GENERAL = {"id": "general", "need": {"credits": 3}, "category": "social/behaviour"}
CAP = {"id": "exams-3", "title": {"zh": "考试上限", "en": "At most 3 by exam"}, "kind": "exam", "credits_at_most": 3}
DIPLOMA = {"id": "diploma", "total": 12, "requirements": [MAJOR, GENERAL], "caps": [CAP]}


def college(**others: Any) -> dict[str, Any]:
    """The college's rules: courses and exams for their own credits, and one programme."""
    return document(granting("own", kind=["course", "exam"]), id_="college", programmes=[DIPLOMA], **others)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def published(world: World) -> AsyncIterator[None]:
    """The college's programme, and what the catalogue has for it."""
    await world.publish(college(), by="partner")
    for by, offering in (
        ("partner", {"code": "FR1", "category": "arts/languages", "credits": 3, "fee": 200, "ends": "2025-06-30"}),
        ("partner", {"code": "FR2", "category": "arts/languages", "credits": 3, "fee": 100, "ends": "2025-09-30"}),
        ("partner", {"code": "FR6", "category": "arts/languages", "credits": 6, "fee": 900}),
        ("partner", {"code": "PSY", "category": "social/behaviour", "credits": 3, "provider": SCHOOL}),
        ("partner", {"code": "FULL", "category": "arts/languages", "credits": 3, "fee": 1, "places": 0}),
        ("partner", {"code": "FR3", "category": "arts/languages", "credits": 3, "fee": 150, "places": 1}),
        ("rival", {"code": "OLD", "category": "arts/languages", "credits": 6, "ends": "2025-01-31"}),
    ):
        title = {"zh": offering["code"], "en": f"Course {offering['code']}"}
        answer = await world.client(by).post("/v1/offerings", json={"kind": "course", "title": title, **offering})
        assert answer.status_code == 201, answer.text
        world.ids[str(offering["code"])] = answer.json()["id"]
    yield


async def enrolled(world: World, learner: str, programme: str = "college.diploma", **others: Any) -> httpx.Response:
    """Ask the college to enter a learner."""
    return await world.partner.post(f"/v1/learners/{learner}/enrolments", json={"programme": programme, **others})


async def audit(world: World, learner: str, by: str = "bank", **query: Any) -> dict[str, Any]:
    """How a learner stands in the diploma."""
    answer = await world.client(by).get(f"/v1/learners/{learner}/programmes/college.diploma/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_id(found: dict[str, Any]) -> dict[str, Any]:
    """The requirements of an audit by their ids."""
    return {one["id"]: one for one in found["requirements"]}


async def test_a_programme_is_read_with_its_requirements(world: World) -> None:
    listed = (await world.bank.get("/v1/programmes")).json()["items"]
    assert [one["id"] for one in listed] == ["college.diploma", "overlapping.diploma"]
    first = (await world.bank.get("/v1/programmes?limit=1")).links["next"]["url"]
    assert (await world.bank.get(first)).json()["items"] == listed[1:]
    one = (await world.bank.get("/v1/programmes/college.diploma")).json()

    assert (one["version"], one["unit"], one["total"], one["owner"]) == (1, "CR", "12", COLLEGE)
    assert [part["id"] for part in one["requirements"]] == ["major", "general"]
    assert one["caps"][0]["credits_at_most"] == "3"
    assert one["admission"] == {"credits": None, "award": None}


async def test_an_audit_says_what_is_missing_and_the_nearest_ways(world: World) -> None:
    learner = await world.open("Audit")
    assert (await enrolled(world, learner)).status_code == 201
    await world.record(learner, category="arts/languages", unit="EN1", credits="3")

    found = await audit(world, learner, by="partner")

    major = by_id(found)["major"]
    assert (found["recognised"], found["missing"], major["missing"], major["is_met"]) == ("3", "9", "3", False)
    # One course is enough, the cheaper first; the dearer one that gives more than is needed comes last; what has
    # ended, or has no place, is no way.
    assert [way["code"] for way in major["ways"]] == ["FR2", "FR3", "FR1", "FR6"]
    assert all(way["closes"] for way in major["ways"])
    assert major["sentence"] == "Major: 3 credits are missing."
    assert major["ways"][0]["sentence"] == f"Course FR2 at {COLLEGE} gives 3; it ends on 2025-09-30."
    assert [one["code"] for one in by_id(found)["general"]["together"]] == ["PSY"]
    assert by_id(found)["general"]["left"] == "0"
    assert found["free_electives"]["missing"] == "3"


async def test_what_is_not_used_has_its_reason_in_both_languages(world: World) -> None:
    learner = await world.open("Idle")
    assert (await enrolled(world, learner)).status_code == 201
    await world.record(learner, kind="exam", category="arts/languages", unit="X1", credits="5")

    for language, sentence in (("en", "The limit is reached: At most 3 by exam."), ("zh", "已达上限:考试上限。")):
        answer = await world.bank.get(
            f"/v1/learners/{learner}/programmes/college.diploma/audit", headers={"Accept-Language": language}
        )
        (unused,) = answer.json()["unused"]
        assert (unused["credits"], unused["reason"], unused["sentence"]) == ("2", "cap", sentence)


async def test_a_plan_is_counted_and_not_kept(world: World) -> None:
    learner = await world.open("Plan")
    before = await audit(world, learner)
    stored = await world.stored()

    planned = await audit(world, learner, add=["FR6", world.ids["PSY"]])

    assert await world.stored() == stored
    assert before["recognised"] == "0"
    assert (planned["recognised"], planned["missing"]) == ("9", "3")
    assert all(use["is_planned"] for use in planned["uses"])
    assert all(one["is_met"] for one in planned["requirements"])


async def test_the_same_audit_is_kept_once(world: World) -> None:
    learner = await world.open("Twice")
    one, stored = await audit(world, learner), await world.stored()
    assert await audit(world, learner) == one
    assert await world.stored() == stored
    await world.record(learner, category="arts/languages", unit="EN1", credits="3")

    other = await audit(world, learner)

    assert other["inputs_sha256"] != one["inputs_sha256"]
    assert (await world.stored())["programme_audits"] == stored["programme_audits"] + 1


async def test_what_a_course_is_worth_is_told_to_everybody(world: World) -> None:
    answer = await world.client("nobody").get(f"/v1/offerings/{world.ids['FR1']}/worth")
    assert answer.status_code == 200
    worth = {one["rule_set"]: one for one in answer.json()["worth"]}

    assert answer.json()["completed"] == "2025-06-30"
    assert worth["college"]["lots"][0]["credits"] == "3"
    assert worth["college"]["sentence"] == "3 credits: the provider's own 3 credits, taken as stated"
    assert worth["town"]["effect"] == "grant"


async def test_pins_move_credits_and_need_the_revision_that_was_read(world: World) -> None:
    learner = await world.open("Pins")
    at = (await enrolled(world, learner)).headers["location"]
    await world.record(learner, category="arts/languages", unit="EN1", credits="3")
    lot = (await audit(world, learner))["uses"][0]["lot"]
    pins = {"kind": "pins", "lots": {lot: "general"}}

    blind = await world.partner.post(f"{at}/changes", json=pins)
    assert (blind.status_code, blind.json()["code"]) == (428, "precondition_required")
    changed = await world.partner.post(f"{at}/changes", json=pins, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
    stale = await world.partner.post(f"{at}/changes", json=pins, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_changed")

    # The lot does not fit what it was pinned to, so it may only be a free elective.
    assert by_id(await audit(world, learner))["major"]["missing"] == "6"


async def test_an_admission_is_refused_with_what_is_missing_and_the_way_to_it(world: World) -> None:
    learner = await world.open("Admission")
    asked = await world.partner.put("/v1/programmes/college.diploma/admission", json={"credits": 6})
    assert asked.json() == {"credits": "6", "award": None}
    try:
        refused = await enrolled(world, learner)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (409, "admission_credits_short")
        assert problem["detail"] == "The programme takes whoever has banked 6 CR; 0 are banked, 6 are missing."
        assert problem["errors"][1]["message"] == f"Course FR6 at {COLLEGE} gives 6; it can be taken at any time."
        await world.record(learner, credits="6", unit="EN1")
        assert (await enrolled(world, learner)).status_code == 201
        await world.partner.put("/v1/programmes/college.diploma/admission", json={"award": "college.diploma"})
        other = await enrolled(world, await world.open("No award"))
        assert (other.status_code, other.json()["code"]) == (409, "admission_award_missing")
        assert other.json()["errors"][1]["message"] == "For the award of college.diploma 12 credits are missing."
    finally:
        await world.partner.put("/v1/programmes/college.diploma/admission", json={})


async def test_an_enrolment_is_interrupted_resumed_and_ended(world: World) -> None:
    learner = await world.open("Interrupted")
    at = (await enrolled(world, learner, enrolled="2024-09-01", applied="2024-06-01")).headers["location"]
    changes = (
        ({"kind": "interruption", "day": "2024-10-01"}, 200, None),
        ({"kind": "interruption", "day": "2024-10-02"}, 409, "enrolment_interrupted"),
        ({"kind": "resumption", "day": "2024-09-30"}, 409, "enrolment_change_out_of_order"),
        ({"kind": "resumption", "day": "2099-01-01"}, 422, "enrolment_day_in_future"),
        ({"kind": "resumption", "day": "2025-01-01"}, 200, None),
        ({"kind": "resumption"}, 409, "enrolment_not_interrupted"),
        ({"kind": "election", "version": 1}, 409, "election_backwards"),
        ({"kind": "election", "version": 2}, 422, "version_not_electable"),
        ({"kind": "pins", "requirements": ["nothing"]}, 422, "unknown_pin"),
        ({"kind": "pins", "lots": {world.ids["nowhere"]: "major"}}, 422, "unknown_pin"),
        ({"kind": "ending", "day": "2025-02-01"}, 200, None),
        ({"kind": "ending"}, 409, "enrolment_ended"),
    )
    for body, status, code in changes:
        revision = (await world.partner.get(at)).headers["etag"]
        answer = await world.partner.post(f"{at}/changes", json=body, headers={"If-Match": revision})
        assert (answer.status_code, answer.json().get("code")) == (status, code), (body, answer.text)
    one = (await world.partner.get(at)).json()
    assert one["interruptions"] == [{"from": "2024-10-01", "until": "2025-01-01"}]
    assert one["ended"] == "2025-02-01"
    assert (await enrolled(world, learner)).status_code == 201


@pytest.mark.parametrize(
    ("by", "method", "path", "body", "status", "code"),
    [
        ("nobody", "GET", "/v1/programmes", None, 401, "unauthenticated"),
        ("scopeless", "GET", "/v1/programmes", None, 403, "missing_scope"),
        ("scopeless", "GET", "/v1/programmes/college.diploma", None, 403, "missing_scope"),
        ("reader", "GET", "/v1/programmes/college", None, 404, "programme_not_found"),
        ("reader", "GET", "/v1/programmes/college.nothing", None, 404, "programme_not_found"),
        ("reader", "GET", "/v1/programmes?cursor=x", None, 422, "invalid_request"),
        ("reader", "PUT", "/v1/programmes/college.diploma/admission", {}, 403, "missing_scope"),
        ("rival", "PUT", "/v1/programmes/college.diploma/admission", {}, 403, "foreign_programme"),
        ("partner", "PUT", "/v1/programmes/college.diploma/admission", {"award": "a.b"}, 422, "unknown_programme"),
        ("partner", "PUT", "/v1/programmes/college.diploma/admission", {"age": 22}, 422, "invalid_request"),
        ("poster", "POST", "/v1/learners/@learner/enrolments", "diploma", 403, "missing_scope"),
        ("partner", "POST", "/v1/learners/@learner/enrolments", {}, 422, "invalid_request"),
        ("partner", "POST", "/v1/learners/@learner/enrolments", {"programme": "a.b"}, 422, "unknown_programme"),
        ("partner", "POST", "/v1/learners/@nowhere/enrolments", "diploma", 404, "learner_not_found"),
        ("partner", "POST", "/v1/learners/@stranger/enrolments", "diploma", 404, "learner_not_found"),
        ("rival", "POST", "/v1/learners/@stranger/enrolments", "diploma", 403, "foreign_programme"),
        ("partner", "POST", "/v1/learners/@learner/enrolments", "future", 422, "enrolment_day_in_future"),
        ("partner", "POST", "/v1/learners/@learner/enrolments", "early", 409, "programme_not_open"),
        ("partner", "POST", "/v1/learners/@learner/enrolments", "backwards", 422, "applied_after_enrolment"),
        ("rival", "GET", "/v1/learners/@learner/enrolments", None, 404, "learner_not_found"),
        ("bank", "GET", "/v1/learners/@nowhere/enrolments", None, 404, "learner_not_found"),
        ("partner", "GET", "/v1/learners/@learner/enrolments/@nowhere", None, 404, "enrolment_not_found"),
        ("partner", "GET", "/v1/learners/@learner/programmes/college.diploma/audit", None, 404, "enrolment_not_found"),
        ("rival", "GET", "/v1/learners/@learner/programmes/college.diploma/audit", None, 404, "learner_not_found"),
        ("bank", "GET", "/v1/learners/@nowhere/programmes/college.diploma/audit", None, 404, "learner_not_found"),
        ("bank", "GET", "/v1/learners/@learner/programmes/college.x/audit", None, 404, "programme_not_found"),
        ("bank", "GET", "/v1/learners/@learner/programmes/college.diploma/audit?add=X", None, 422, "unknown_offering"),
        ("bank", "GET", "/v1/learners/@learner/programmes/college.diploma/audit?add=%00", None, 422, "invalid_request"),
        ("nobody", "GET", "/v1/offerings/@nowhere/worth", None, 404, "offering_not_found"),
    ],
)
async def test_who_may_not(world: World, by: str, method: str, path: str, body: Any, status: int, code: str) -> None:
    bodies = {
        "diploma": {},
        "future": {"enrolled": "2099-01-01"},
        "early": {"enrolled": "2019-01-01"},
        "backwards": {"applied": "2025-03-02", "enrolled": "2025-03-01"},
    }
    if isinstance(body, str):
        body = {"programme": "college.diploma", **bodies[body]}
    for name in ("learner", "nowhere", "stranger"):
        path = path.replace(f"@{name}", world.ids[name])
    stored = await world.stored()
    answer = await world.client(by).request(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await world.stored() == stored


async def test_rules_for_the_enrolled_concern_whoever_enters_their_programme(world: World) -> None:
    plain = document(granting("own", kind="project"), id_="guild", programmes=[{"id": "master", "total": 3}])
    drafted = await world.partner.post("/v1/rule-sets?audience=enrolled", json=covered(plain))
    assert drafted.status_code == 201, drafted.text
    await world.lead(drafted.headers["location"], "publish", "partner")
    await world.work()
    learner, other = await world.open("Inside"), await world.open("Outside")
    for one in (learner, other):
        made = await world.record(one, kind="project", credits="3", unit="H1")
        assert made["outcome"]["state"] == "not_recognised"

    assert (await enrolled(world, learner, "guild.master")).status_code == 201

    assert [lot["unit"] for lot in (await world.bank.get(f"/v1/learners/{learner}/lots")).json()["items"]] == ["H1"]
    assert (await world.bank.get(f"/v1/learners/{other}/lots")).json()["items"] == []
    again = await world.record(learner, kind="project", credits="2", unit="H2")
    assert again["outcome"]["state"] == "recognised"
    edge = world.app.state.edge
    pages = [page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    assert [finding for page in pages for finding in page.findings] == []


async def test_an_election_moves_older_credits_in_its_own_transaction(world: World) -> None:
    """Of whoever elects, not of others; nobody need wait for a job."""
    master = [{"id": "master", "total": 9}]
    first = document(granting("own", {"fixed": 1}, kind="reading"), id_="readers", programmes=master)
    second = document(
        granting("own", {"fixed": 4}, kind="reading"),
        id_="readers",
        version=2,
        start="2025-01-01",
        programmes=master,
        transition={"elect_until": "2025-06-01"},
    )
    for plain in (first, second):
        await world.publish(plain, by="partner")
        await world.work()
    learner, other = await world.open("Elects"), await world.open("Elects not")
    for one in (learner, other):
        await world.record(one, kind="reading", hours="10", completed="2024-06-10")
        assert (await enrolled(world, one, "readers.master", enrolled="2024-09-01")).status_code == 201
    (mine,) = (await world.bank.get(f"/v1/learners/{learner}/enrolments")).json()["items"]

    at = f"/v1/learners/{learner}/enrolments/{mine['id']}/changes"
    elected = await world.partner.post(at, json={"kind": "election", "version": 2}, headers={"If-Match": '"1"'})

    assert elected.status_code == 200, elected.text
    lots = {one: (await world.bank.get(f"/v1/learners/{one}/lots")).json()["items"] for one in (learner, other)}
    assert [lot["positions"]["available"] for lot in lots[learner]] == ["4"]
    assert [lot["positions"]["available"] for lot in lots[other]] == ["1"]
    edge = world.app.state.edge
    pages = [page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    assert [finding for page in pages for finding in page.findings] == []


async def test_enrolments_come_in_pages(world: World) -> None:
    learner = await world.open("Pages")
    for _ in range(3):
        at = (await enrolled(world, learner)).headers["location"]
        ended = await world.partner.post(f"{at}/changes", json={"kind": "ending"}, headers={"If-Match": '"1"'})
        assert ended.status_code == 200
    seen, url = [], f"/v1/learners/{learner}/enrolments?limit=2"
    while url:
        answer = await world.partner.get(url)
        seen.append(len(answer.json()["items"]))
        url = answer.links["next"]["url"] if "next" in answer.links else ""

    assert seen == [2, 1]
    again = await enrolled(world, learner)
    assert again.status_code == 201
    twice = await enrolled(world, learner)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_enrolled")


async def test_a_provider_sees_only_enrolments_in_its_own_programmes(world: World) -> None:
    learner = await world.open("Own")
    assert (await enrolled(world, learner)).status_code == 201

    assert (await world.rival.get(f"/v1/learners/{learner}/enrolments")).status_code == 404
    assert len((await world.bank.get(f"/v1/learners/{learner}/enrolments")).json()["items"]) == 1
    assert RIVAL not in (await world.partner.get(f"/v1/learners/{learner}/enrolments")).text


async def test_an_enrolment_is_seen_when_no_version_has_its_programme_any_more(world: World) -> None:
    # The guild's next edition has another programme: the first stands in no version, and its learners stay enrolled.
    learner = await world.open("Left behind")
    diploma = await enrolled(world, learner)
    await world.publish(craft(1, "journeyman"), by="partner")
    entered = await enrolled(world, learner, "craft.journeyman")
    assert entered.status_code == 201, entered.text
    await world.publish(craft(2, "master"), by="partner")
    assert (await world.bank.get("/v1/programmes/craft.journeyman")).status_code == 404

    listed = f"/v1/learners/{learner}/enrolments"
    seen = {
        by: [one["programme"] for one in (await world.client(by).get(listed)).json()["items"]]
        for by in ("partner", "bank")
    }
    ended = await world.partner.post(
        f"{entered.headers['location']}/changes", json={"kind": "ending"}, headers={"If-Match": '"1"'}
    )

    assert diploma.status_code == 201
    assert seen == {by: ["college.diploma", "craft.journeyman"] for by in ("partner", "bank")}
    assert (await world.rival.get(f"/v1/learners/{learner}/enrolments")).status_code == 404
    assert ended.status_code == 200, ended.text


def craft(version: int, programme: str) -> dict[str, Any]:
    """The same days governed anew, with one programme."""
    programmes = [{"id": programme, "total": 3}]
    return document(granting("own", kind="project"), id_="craft", version=version, programmes=programmes)
