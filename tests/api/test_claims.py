"""Where people decide: claims of prior learning, appeals, rulings by two people, and the work that waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from creditbank.access.tables import audit_events
from tests.api.world import COLLEGE, PDF, World, claim, ruling
from tests.bank import document, granting

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def evidence(world: World, learner: str, content: bytes = b"%PDF-1.7 a reference") -> str:
    """Upload a file; answers its id."""
    answer = await world.partner.post(f"/v1/learners/{learner}/evidence", content=content, headers=PDF)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def lodged(world: World, **others: Any) -> tuple[str, dict[str, Any]]:
    """A learner with a claim."""
    learner = await world.open()
    wanted = claim(learner, await evidence(world, learner), **others)
    answer = await world.partner.post("/v1/recognition-claims", json=wanted)
    assert answer.status_code == 201, answer.text
    return learner, answer.json()


async def written(world: World, subject: str) -> Sequence[Any]:
    """What the audit log holds about something, the first first."""
    events = select(audit_events).where(audit_events.c.subject == subject).order_by(audit_events.c.id)
    async with world.database.read() as connection:
        return (await connection.execute(events)).all()


def contents_of(folder: Path) -> list[bytes]:
    """What the files of a folder hold."""
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


async def decide(world: World, learner: str, claim_id: str, decision: str, reason: str | None = None) -> Any:
    """Decide as the bank."""
    body = {"decision": decision, **({"reason": reason} if reason else {})}
    return await world.bank.post(f"/v1/learners/{learner}/recognition-claims/{claim_id}/decision", json=body)


async def available(world: World, learner: str) -> str:
    """The credits that a learner can use."""
    units = (await world.bank.get(f"/v1/learners/{learner}/balance")).json()["units"]
    return str(units[0]["total"]) if units else "0"


@pytest.fixture(scope="module")
def work_rules() -> dict[str, Any]:
    """Verified work earns a credit for every 900 hours; its own rule set, so that others stay as they are."""
    verified = granting("work", {"per_hour": 900}, kind="work", assurance="verified")
    return document(verified, id_="work", tests=[])


async def test_an_accepted_claim_is_verified_and_earns_what_rules_give(
    world: World, work_rules: dict[str, Any]
) -> None:
    await world.publish(work_rules)
    await world.work()
    learner, made = await lodged(world)
    assert (made["state"], made["outcome"]) == ("lodged", "not_recognised")
    assert await available(world, learner) == "0"

    decided = await decide(world, learner, made["id"], "accept")

    assert decided.status_code == 200, decided.text
    assert (decided.json()["state"], decided.json()["outcome"]) == ("accepted", "recognised")
    assert await available(world, learner) == "4"
    again = await decide(world, learner, made["id"], "accept")
    assert (again.status_code, again.json()["code"]) == (409, "claim_decided")


async def test_a_rejected_claim_is_appealed_once_and_decided_by_somebody_else(world: World) -> None:
    learner, made = await lodged(world)
    at = f"/v1/learners/{learner}/recognition-claims/{made['id']}"
    assert (await world.partner.post(f"{at}/appeal")).json()["code"] == "nothing_to_appeal"
    own = await world.partner.post(f"{at}/decision", json={"decision": "accept"})
    assert (own.status_code, own.json()["code"]) == (403, "two_people_needed")
    rejected = await decide(world, learner, made["id"], "reject", "outcomes_not_shown")
    assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "outcomes_not_shown")

    appealed = await world.partner.post(f"{at}/appeal")
    assert (appealed.json()["state"], appealed.json()["appeals"]) == ("appealed", 1)
    same = await decide(world, learner, made["id"], "accept")
    assert (same.status_code, same.json()["code"]) == (403, "two_people_needed")
    await world.let_in("second assessor", None, ["claims:decide"])
    closed = await world.client("second assessor").post(
        f"{at}/decision", json={"decision": "reject", "reason": "evidence_doubtful"}
    )
    assert closed.json()["state"] == "closed"
    assert (await world.partner.post(f"{at}/appeal")).json()["code"] == "nothing_to_appeal"


async def test_a_rejection_names_its_reason_and_an_acceptance_none(world: World) -> None:
    learner, made = await lodged(world)

    for body in ({"decision": "reject"}, {"decision": "accept", "reason": "not_covered"}):
        at = f"/v1/learners/{learner}/recognition-claims/{made['id']}/decision"
        answer = await world.bank.post(at, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_evidence_is_what_it_says_and_is_stored_sealed_and_once(world: World) -> None:
    learner = await world.open()
    at = f"/v1/learners/{learner}/evidence"
    for media_type, content, status, code in (
        ("application/pdf", b"MZ\x90\x00", 422, "evidence_refused"),
        ("image/png", b"%PDF-1.7", 422, "evidence_refused"),
        ("text/html", b"<html>", 415, "unsupported_media_type"),
    ):
        answer = await world.partner.post(at, content=content, headers={"Content-Type": media_type})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    first = await evidence(world, learner, b"%PDF-1.7 of Li Wei")
    assert await evidence(world, learner, b"%PDF-1.7 of Li Wei") == first

    folder = Path(world.app.state.edge.settings.evidence_folder)
    assert all(b"Li Wei" not in content for content in await asyncio.to_thread(contents_of, folder))
    wanted = claim(learner, first)
    assert (await world.partner.post("/v1/recognition-claims", json=wanted)).status_code == 201
    read = await world.bank.get(f"{at}/{first}")
    assert (read.content, read.headers["content-type"]) == (b"%PDF-1.7 of Li Wei", "application/pdf")


async def test_a_ruling_counts_when_a_second_person_approved_it(world: World) -> None:
    learner = await world.open()
    made = await world.record(learner, unit="U")
    wanted = ruling(learner, kind="value", what=None, achievement=made["achievement"]["id"], unit="U", credits="1.5")
    proposed = await world.bank.post("/v1/rulings", json={k: v for k, v in wanted.items() if v is not None})
    assert proposed.status_code == 201, proposed.text
    assert await available(world, learner) == "3"
    at = proposed.headers["location"]

    same = await world.bank.post(f"{at}/approval")
    assert (same.status_code, same.json()["code"]) == (403, "two_people_needed")
    await world.let_in("second ruler", None, ["rulings:approve"])
    approved = await world.client("second ruler").post(f"{at}/approval")
    assert approved.json()["state"] == "approved"
    assert await available(world, learner) == "1.5"
    assert (await world.client("second ruler").post(f"{at}/refusal")).json()["code"] == "ruling_decided"

    withdrawn = await world.client("second ruler").post(f"{at}/withdrawal")
    assert withdrawn.json()["state"] == "withdrawn"
    assert await available(world, learner) == "3"


async def test_a_ruling_still_holds_when_more_is_recorded_and_ends_on_its_day(world: World) -> None:
    learner = await world.open()
    made = await world.record(learner, unit="V")
    block = {"kind": "block", "achievement": made["achievement"]["id"], "expires": "2025-03-03"}
    wanted = {k: v for k, v in ruling(learner, **block).items() if k != "what"}
    at = (await world.bank.post("/v1/rulings", json=wanted)).headers["location"]
    await world.let_in("approver", None, ["rulings:approve"])
    assert (await world.client("approver").post(f"{at}/approval")).status_code == 200
    assert await available(world, learner) == "0"

    await world.record(learner, unit="W")
    assert await available(world, learner) == "3"
    world.clock.turn(days=3)
    await world.record(learner, unit="X")
    assert await available(world, learner) == "9"


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"rule_set": "nowhere"}, "unknown_subject"),
        ({"kind": "block", "what": None, "achievement": "00000000-0000-0000-0000-000000000007"}, "unknown_subject"),
        ({"kind": "force", "what": None}, "invalid_request"),
        ({"kind": "value", "what": None, "achievement": "00000000-0000-0000-0000-000000000007", "unit": "U"},
         "invalid_request"),
        ({"unit": "U"}, "invalid_request"),
    ],
)  # fmt: skip
async def test_a_ruling_about_nothing_is_refused(world: World, others: dict[str, Any], code: str) -> None:
    wanted = {k: v for k, v in ruling(world.ids["learner"], **others).items() if v is not None}
    answer = await world.bank.post("/v1/rulings", json=wanted)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_work_list_has_an_owner_a_day_and_precedents(world: World) -> None:
    await world.publish(document(granting("thesis", {"native": 1}, kind="project"), id_="thesis"))
    await world.work()
    learner = await world.open()
    await world.record(learner, kind="project", credits=None)
    listed = (await world.bank.get("/v1/reviews", params={"kind": "decision"})).json()["items"]
    (mine,) = [review for review in listed if review["learner_id"] == learner]
    assert (mine["reason"], mine["rule_set"], mine["due_on"] > "2025") == ("credits_missing", "thesis", True)
    at = f"/v1/learners/{learner}/reviews/{mine['id']}"

    closed = await world.bank.post(f"{at}/outcome", json={"outcome": "as_decided"})
    assert (closed.json()["state"], closed.json()["outcome"]) == ("closed", "as_decided")

    another = await world.open()
    await world.record(another, kind="project", credits=None)
    listed = (await world.bank.get("/v1/reviews", params={"kind": "decision"})).json()["items"]
    (waiting,) = [review for review in listed if review["learner_id"] == another]
    read = await world.bank.get(f"/v1/learners/{another}/reviews/{waiting['id']}")
    assert read.json()["similar"] == {"as_decided": 1}


async def test_a_review_is_taken_and_released_and_both_are_written_down(world: World) -> None:
    _, made = await lodged(world)
    listed = (await world.bank.get("/v1/reviews", params={"kind": "claim", "limit": 500})).json()["items"]
    (review,) = [one for one in listed if one["subject"] == made["id"]]
    at = f"/v1/learners/{made['learner_id']}/reviews/{review['id']}/assignment"
    await world.let_in("assessor", COLLEGE, ["reviews:write"])
    assessor, colleague = world.client("assessor"), world.partner

    taken = [(await assessor.post(at)).json()["owner"] for _ in range(2)]
    by_others = [await colleague.post(at), await world.bank.post(at), await colleague.delete(at)]
    released = await assessor.delete(at)
    retaken = await colleague.post(at)
    freed = await world.bank.delete(at)
    again = await world.bank.delete(at)
    strange = [await world.rival.post(at), await world.rival.delete(at)]

    assert taken[0] is not None
    assert taken[0] == taken[1]
    assert [(one.status_code, one.json()["code"]) for one in by_others] == [(409, "review_taken")] * 3
    assert [one.json()["owner"] for one in (released, freed, again)] == [None] * 3
    assert retaken.json()["owner"] not in {None, taken[0]}
    assert [(one.status_code, one.json()["code"]) for one in strange] == [(404, "review_not_found")] * 2
    events = [(event.action, event.details.get("owner")) for event in await written(world, f"review:{review['id']}")]
    assert events == [
        ("review.take", None),
        ("review.release", taken[0]),
        ("review.take", None),
        ("review.release", retaken.json()["owner"]),
    ]


async def test_a_decision_that_is_made_otherwise_closes_its_review(world: World) -> None:
    learner = await world.open()
    made = await world.record(learner, external_id="to-mend", credits=None)
    before = [r for r in (await world.bank.get("/v1/reviews?limit=500")).json()["items"] if r["learner_id"] == learner]
    assert len(before) == 1
    whole = {**world.statement(learner), "external_id": "to-mend", "credits": "2"}
    del whole["learner"]
    mended = await world.partner.post(
        f"/v1/achievements/{made['achievement']['id']}/amendments", json={"reason": "typo", "achievement": whole}
    )
    assert mended.status_code == 201, mended.text

    after = [r for r in (await world.bank.get("/v1/reviews?limit=500")).json()["items"] if r["learner_id"] == learner]
    assert after == []
    shut = (await world.bank.get("/v1/reviews?state=closed&limit=500")).json()["items"]
    assert [r["outcome"] for r in shut if r["learner_id"] == learner] == ["replaced"]


async def test_nothing_of_it_speaks_of_others(world: World) -> None:
    learner, made = await lodged(world)

    foreign = await world.rival.get(f"/v1/learners/{learner}/recognition-claims/{made['id']}")
    assert foreign.status_code in {403, 404}
    assert made["provider"] == COLLEGE
    assert "Li Wei" not in json.dumps(made)
