"""A learner who is signed in: the whole of their own account, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from creditbank.people.domain import NewGrant, Place
from tests.api.test_policy import GUARDED, Row
from tests.api.world import CLOSED, COLLEGE, RIVAL, World, claim, opened
from tests.conversions.desk import CERTIFICATE, learner_with, only

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINE = "/v1/learners/@learner"
# What a learner reads of their own account, and of what is nobody's.
OWN = (
    "",
    "/achievements",
    "/balance",
    "/balance?effective=2025-03-01",
    "/lots",
    "/lots?effective=2025-03-01",
    "/postings",
    "/decisions",
    "/evaluations/@achievement_evaluation",
    "/transcript",
    "/enrolments",
    "/enrolments/@enrolment",
    "/programmes/overlapping.diploma/audit",
    "/exchanges",
    "/recognition-claims",
    "/recognition-claims/@claim",
)
# What is about the learner's own account is foreign to a provider and not to the learner.
FOREIGN_TO_LEARNERS = [
    row for row in GUARDED if row.foreign is not None and "@learner" not in f"{row.foreign[0]} {row.foreign[1]}"
]
PDF = {"Content-Type": "application/pdf"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank in which two learners have accounts to sign in with; one has credits for a certificate."""
    async with opened(database_url) as served:
        await only(served, CERTIFICATE)
        ready, _, _ = await learner_with(served, "3")
        served.ids["ready"] = ready
        for login, learner in (("learner@town", served.ids["learner"]), ("ready@town", ready)):
            await served.person(login, NewGrant("learner", Place(learner_id=UUID(learner))))
            served._clients[login] = await served.sign_in(login)
        yield served


async def send(
    world: World, request: str, body: Any = None, by: str = "learner@town", **headers: str
) -> httpx.Response:
    return await world.send(by, request, body, headers)


@pytest.mark.parametrize("path", OWN)
async def test_a_learner_reads_the_whole_of_their_own_account(path: str, world: World) -> None:
    seen = await send(world, f"GET {MINE}{path}")
    assert seen.status_code == 200, seen.text
    # As much as the bank sees of it.
    same = await world.send("bank", f"GET {MINE}{path}")
    assert seen.json() == same.json()


@pytest.mark.parametrize("path", OWN)
async def test_a_learner_reads_nothing_of_another_s(path: str, world: World) -> None:
    for other in ("@stranger", "@ready", "@nowhere"):
        refused = await send(world, f"GET {MINE}{path}".replace("@learner", other, 1))
        assert refused.status_code in {403, 404}, refused.text
        assert "items" not in refused.json()


@pytest.mark.parametrize("row", FOREIGN_TO_LEARNERS, ids=lambda row: row.route)
async def test_what_a_provider_is_refused_a_learner_is_too_unless_it_is_their_own(row: Row, world: World) -> None:
    assert row.foreign is not None
    request, body, _, _ = row.foreign
    before = await world.stored()
    refused = await send(world, request, body, **row.headers)
    assert refused.status_code in {403, 404}, refused.text
    assert await world.stored() == before


async def test_a_learner_applies_for_an_award_sees_it_and_takes_it_back(world: World) -> None:
    mine = await send(
        world, "POST /v1/conversions", {"learner": "@ready", "programme": "college.certificate"}, "ready@town",
        **{"Idempotency-Key": "mine"},
    )  # fmt: skip
    assert mine.status_code == 201, mine.text
    world.ids["mine"] = mine.json()["id"]
    foreign = await send(
        world, "POST /v1/conversions", {"learner": "@ready", "programme": "college.certificate"},
        **{"Idempotency-Key": "foreign"},
    )  # fmt: skip
    assert (foreign.status_code, foreign.json()["code"]) == (404, "learner_not_found")

    for at in ("/v1/conversions", "/v1/conversions?learner=@ready"):
        listed = await send(world, f"GET {at}", by="ready@town")
        assert [one["id"] for one in listed.json()["items"]] == [world.ids["mine"]]
    assert (await send(world, "GET /v1/conversions")).json()["items"] == []
    for at in ("/v1/conversions/@mine", "/v1/conversions?learner=@ready"):
        assert (await send(world, f"GET {at}")).status_code == 404
    decided = await send(world, "POST /v1/conversions/@mine/decision", {"decision": "approve"}, "ready@town")
    assert (decided.status_code, decided.json()["code"]) == (403, "missing_scope")

    taken = {"Idempotency-Key": "withdraw"}
    refused = await send(world, "POST /v1/conversions/@mine/withdrawal", {}, **taken)
    assert (refused.status_code, refused.json()["code"]) == (404, "conversion_not_found")
    done = await send(world, "POST /v1/conversions/@mine/withdrawal", {}, "ready@town", **taken)
    assert (done.status_code, done.json()["state"]) == (200, "withdrawn")


async def test_a_learner_checks_in_by_the_venue_s_code_for_themselves_only(world: World) -> None:
    at = "/v1/activities/@activity"
    code = (await world.send("partner", f"GET {at}/check-in-code")).json()["code"]
    before = await world.stored()
    for other in ("@ready", "@stranger", "@nowhere"):
        refused = await send(world, f"POST {at}/check-ins", {"code": code, "learner": {"id": other}})
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_provider")
    forged = await send(world, f"POST {at}/check-ins", {"code": f"{code[:-2]}zz", "learner": {"id": "@learner"}})
    assert forged.is_client_error
    assert await world.stored() == before

    for status, said in ((201, "counted"), (200, "already")):
        there = await send(world, f"POST {at}/check-ins", {"code": code, "learner": {"id": "@learner"}})
        assert (there.status_code, there.json()["status"]) == (status, said)
    for request, body in (
        (f"POST {at}/attendance", {"learners": [{"id": "@learner"}]}),
        (f"GET {at}/check-in-code", None),
        (f"GET {at}/attendance", None),
    ):
        assert (await send(world, request, body)).status_code == 403


async def test_a_learner_hands_in_evidence_lodges_a_claim_and_appeals(world: World) -> None:
    kept = await send(world, f"POST {MINE}/evidence", b"%PDF-1.7 mine", **PDF)
    assert kept.status_code == 201, kept.text
    world.ids["mine_evidence"] = kept.json()["id"]
    unnamed = await send(world, "POST /v1/recognition-claims", claim("@learner", "@mine_evidence"))
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "provider_unnamed")
    nowhere = await send(
        world, "POST /v1/recognition-claims", {**claim("@learner", "@mine_evidence"), "provider": "cq/no"}
    )
    assert nowhere.status_code == 422, nowhere.text
    lodged = await send(
        world, "POST /v1/recognition-claims", {**claim("@learner", "@mine_evidence"), "provider": RIVAL}
    )
    assert lodged.status_code == 201, lodged.text
    world.ids["own_claim"] = lodged.json()["id"]
    for learner, by in (("@ready", "learner@town"), ("@learner", "ready@town")):
        stolen = {**claim(learner, "@mine_evidence"), "provider": COLLEGE}
        refused = await send(world, "POST /v1/recognition-claims", stolen, by)
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_provider")

    at = f"{MINE}/recognition-claims/@own_claim"
    assert (await send(world, f"GET {at}")).json()["state"] == "lodged"
    assert (await send(world, f"GET {at}", by="ready@town")).status_code == 404
    rejected = await world.send("bank", f"POST {at}/decision", {"decision": "reject", "reason": "not_covered"})
    assert rejected.status_code == 200, rejected.text
    assert (await send(world, f"POST {at}/appeal", by="ready@town")).status_code == 404
    assert (await send(world, f"POST {at}/appeal")).status_code == 200


async def test_a_learner_lodges_no_claim_with_whoever_is_suspended_and_appeals_to_the_bank(world: World) -> None:
    kept = await send(world, f"POST {MINE}/evidence", b"%PDF-1.7 of a school that closes", **PDF)
    world.ids["late_evidence"] = kept.json()["id"]
    school = {"code": "cq/leaving", "name": {"zh": "校", "en": "School"}, "provider_type": "community_school"}
    assert (await world.send("bank", "POST /v1/providers", school)).status_code == 201
    below = {**school, "code": "cq/leaving/class"}
    assert (await world.send("bank", "POST /v1/providers", below)).status_code == 201
    asked = claim("@learner", "@late_evidence")
    lodged = await send(world, "POST /v1/recognition-claims", {**asked, "provider": "cq/leaving"})
    assert lodged.status_code == 201, lodged.text
    world.ids["late_claim"] = lodged.json()["id"]
    found = (await world.send("bank", "GET /v1/providers?under=cq/leaving")).json()["items"][0]
    stopped = await world.send("bank", f"PATCH /v1/providers/{found['id']}", {"status": "suspended"}, {"If-Match": "*"})
    assert stopped.status_code == 200, stopped.text

    before = await world.stored()
    for provider in ("cq/leaving", "cq/leaving/class", CLOSED):
        for by in ("learner@town", "bank"):
            refused = await send(world, "POST /v1/recognition-claims", {**asked, "provider": provider}, by)
            assert (refused.status_code, refused.json()["code"]) == (403, "provider_not_active"), (provider, by)
    assert await world.stored() == before
    # What was lodged before goes on: the bank decides in its place, and whom it refuses may ask once more.
    at = f"{MINE}/recognition-claims/@late_claim"
    rejected = await world.send("bank", f"POST {at}/decision", {"decision": "reject", "reason": "not_covered"})
    assert rejected.status_code == 200, rejected.text
    assert (await send(world, f"POST {at}/appeal")).status_code == 200


async def test_a_learner_decides_states_and_mends_nothing(world: World) -> None:
    for request, body in (
        ("POST /v1/achievements", {**world.statement(), "provider": COLLEGE}),
        (f"PATCH {MINE}", {"region": "50"}),
        ("GET /v1/reviews", None),
        ("GET /v1/users", None),
        ("GET /v1/providers", None),
        ("POST /v1/learners/resolve", {"id": "@ready"}),
        (f"GET {MINE}/evidence/@evidence", None),
    ):
        refused = await send(world, request, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope"), request
