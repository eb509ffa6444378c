"""A consent opens what it names to whom it names, for its days, and nothing else; withdrawn, nothing at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.api.world import COLLEGE, PARTNER_SCOPES, RIVAL, SCHOOL, World, opened
from tests.bank import document, granting

READS = {
    "profile": "",
    "achievements": "/achievements",
    "credits": "/balance",
    "lots": "/lots",
    "then": "/lots?effective=2025-03-02",
    "transcript": "/transcript",
    "decisions": "/decisions",
    "postings": "/postings",
    "exchanges": "/exchanges",
    "enrolments": "/enrolments",
}
OPENED = {
    "profile": {"profile"},
    "achievements": {"achievements"},
    "credits": {"credits", "lots", "then"},
    "transcript": {"transcript"},
}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank with a learner of the college; ``candidate`` is a client of another college."""
    async with opened(database_url) as served:
        await served.let_in("candidate", RIVAL, [*PARTNER_SCOPES, "transcripts:read"])
        await served.let_in("school", SCHOOL, [*PARTNER_SCOPES, "transcripts:read"])
        yield served


async def give(world: World, *what: str, recipient: str = RIVAL, **others: Any) -> str:
    """The learner consents; answers the consent's id."""
    body = {"recipient": recipient, "what": list(what), "purpose": "Admission to the evening course.", **others}
    answer = await world.bank.post(f"/v1/learners/{world.ids['learner']}/consents", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def readable(world: World, by: str = "candidate") -> set[str]:
    """What a client may read of the learner."""
    found = set()
    for name, path in READS.items():
        answer = await world.client(by).get(f"/v1/learners/{world.ids['learner']}{path}")
        assert answer.status_code in {200, 403, 404}, answer.text
        found |= {name} if answer.status_code == 200 else set()
    return found


@pytest.mark.parametrize("what", OPENED)
async def test_a_consent_opens_what_it_names_and_nothing_else(world: World, what: str) -> None:
    assert await readable(world) == set()
    consent = await give(world, what)
    assert await readable(world) == OPENED[what]
    # Nobody else, and of nobody else.
    assert await readable(world, "school") <= {"achievements", "credits", "lots", "then"}
    for path in READS.values():
        other = await world.client("school").get(f"/v1/learners/{world.ids['stranger']}{path}")
        assert other.status_code in {403, 404}
    at = f"/v1/learners/{world.ids['learner']}/consents/{consent}/withdrawal"
    assert (await world.bank.post(at)).json()["withdrawn_at"] is not None
    assert await readable(world) == set()
    again = await world.bank.post(at)
    assert (again.status_code, again.json()["code"]) == (409, "consent_withdrawn")


async def test_with_a_consent_all_is_seen_that_others_gave_too(world: World) -> None:
    learner = world.ids["learner"]
    await world.record(learner, by="rival")
    at = f"/v1/learners/{learner}/achievements"
    mine = (await world.client("candidate").get(at)).json()["items"]
    assert [one["provider"] for one in mine] == [RIVAL]
    await give(world, "achievements", "credits")
    seen = (await world.client("candidate").get(at)).json()["items"]
    assert {one["provider"] for one in seen} == {RIVAL, COLLEGE}
    whole = (await world.bank.get(f"/v1/learners/{learner}/balance")).json()
    assert (await world.client("candidate").get(f"/v1/learners/{learner}/balance")).json() == whole


DAYS = {
    "from tomorrow": ({"from": "2025-03-02"}, set()),
    "until today": ({"from": "2025-01-01", "until": "2025-03-01"}, set()),
    "until tomorrow": ({"until": "2025-03-02"}, {"profile"}),
    "from today": ({"from": "2025-03-01"}, {"profile"}),
}


@pytest.mark.parametrize(("days", "opens"), DAYS.values(), ids=DAYS)
async def test_a_consent_holds_for_its_days(world: World, days: dict[str, str], opens: set[str]) -> None:
    await give(world, "profile", **days)
    assert await readable(world) == opens


TO = {
    "the institution": (RIVAL, {"profile"}),
    "one under it": (f"{RIVAL}/school", {"profile"}),
    "the one above it": ("cq", set()),
    "another": (COLLEGE, set()),
}


@pytest.mark.parametrize(("recipient", "opens"), TO.values(), ids=TO)
async def test_who_acts_for_the_recipient_may_read(world: World, recipient: str, opens: set[str]) -> None:
    if recipient not in world.ids:
        body = {"code": recipient, "name": {"zh": "校", "en": "School"}, "provider_type": "community_school"}
        assert (await world.bank.post("/v1/providers", json=body)).status_code == 201
    await give(world, "profile", recipient=recipient)
    assert await readable(world) == opens


async def test_a_consent_opens_nothing_to_an_institution_that_is_suspended(world: World) -> None:
    await give(world, "profile")
    at = f"/v1/providers/{world.ids[RIVAL]}"
    for status, opens in (("suspended", set()), ("active", {"profile"})):
        await world.bank.patch(at, json={"status": status}, headers={"If-Match": "*"})
        assert await readable(world) == opens


WRONG = {
    "nothing named": ({"what": []}, "invalid_request"),
    "something that cannot be opened": ({"what": ["decisions"]}, "invalid_request"),
    "no purpose": ({"purpose": " "}, "invalid_request"),
    "nobody": ({"recipient": "cq/nowhere"}, "unknown_provider"),
    "backwards": ({"from": "2025-03-01", "until": "2025-03-01"}, "consent_backwards"),
}


@pytest.mark.parametrize(("change", "code"), WRONG.values(), ids=WRONG)
async def test_what_is_no_consent_is_refused(world: World, change: dict[str, Any], code: str) -> None:
    before = await world.stored()
    body = {"recipient": RIVAL, "what": ["profile"], "purpose": "Admission.", **change}
    answer = await world.bank.post(f"/v1/learners/{world.ids['learner']}/consents", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await world.stored() == before


async def test_who_was_given_a_consent_sees_it_and_no_other(world: World) -> None:
    await world.publish(document(granting("other", kind="heritage"), id_="other"))
    mine = await give(world, "profile")
    await give(world, "profile", recipient=COLLEGE)
    at = f"/v1/learners/{world.ids['learner']}/consents"
    seen = (await world.client("candidate").get(at)).json()["items"]
    assert [one["id"] for one in seen] == [mine]
    first = (await world.bank.get(at, params={"limit": 1})).json()
    rest = (await world.bank.get(at, params={"limit": 1, "cursor": first["next"]})).json()
    assert [one["recipient"] for one in first["items"] + rest["items"]] == [RIVAL, COLLEGE]


@pytest.mark.parametrize("table", ["consents", "consent_withdrawals"])
async def test_what_was_allowed_and_ended_stays(world: World, table: str) -> None:
    consent = await give(world, "profile")
    await world.bank.post(f"/v1/learners/{world.ids['learner']}/consents/{consent}/withdrawal")
    for statement in (f"update {table} set recorded_at = recorded_at", f"delete from {table}"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with world.database.write() as connection:
                await connection.execute(text(statement))
