"""Awards whose basis falls away: debts, waivers, annulments (rules/v1 section 17, after redemption)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from creditbank.access.tables import audit_events
from creditbank.learners.queries import lock
from creditbank.ledger.actions import Act, waive_debt
from creditbank.ledger.domain import Account, NothingOwed, TwoPeopleNeeded
from creditbank.ledger.queries import lots_of
from creditbank.recognition import tables
from tests.api.world import World
from tests.conversions.desk import (
    CERTIFICATE,
    apply_for,
    codes,
    decide,
    learner_with,
    only,
    post,
    programme,
    refused,
    standing,
    verified,
)

AUTHOR, APPROVER = UUID(int=1), UUID(int=2)


async def revoke(world: World, achievement: str) -> None:
    """Revoke an achievement."""
    answer = await world.partner.post(f"/v1/achievements/{achievement}/revocation", json={"reason": "a mistake"})
    assert answer.status_code == 201, answer.text


async def amend(world: World, achievement: str, **others: Any) -> None:
    """State an achievement anew."""
    content = dict((await world.partner.get(f"/v1/achievements/{achievement}")).json()["content"])
    del content["provider"]
    body = {"reason": "counted anew", "achievement": {**content, **others}}
    answer = await world.partner.post(f"/v1/achievements/{achievement}/amendments", json=body)
    assert answer.status_code == 201, answer.text


async def annul(world: World, conversion: dict[str, Any]) -> dict[str, Any]:
    """Withdraw an award, by two people."""
    at = f"/v1/conversions/{conversion['id']}/annulment"
    await post(world, at, {"reason": "quality_in_doubt"}, "registrar", status=200)
    answer = await post(world, f"{at}/decision", {"decision": "approve"}, "partner", status=200)
    found: dict[str, Any] = answer.json()
    return found


async def waive(world: World, learner: str, author: UUID = AUTHOR, approver: UUID | None = APPROVER) -> None:
    """Waive what the learner owes on the only lot that owes, as the review of a debt does."""
    edge = world.app.state.edge
    async with world.database.write() as connection:
        locked = (await lock(connection, edge.vault, [UUID(learner)]))[UUID(learner)]
        (lots,) = (await lots_of(connection, [locked.id])).values()
        lot = min(lots, key=lambda one: one.positions[Account.OWED])
        done = Act(f"waive:{lot.id}:{edge.clock()}", "write_off", "hardship", author, approver)
        await waive_debt(connection, locked, lot, done, today=edge.today(), now=edge.clock())


async def reviews(world: World) -> list[tuple[str, str, str | None]]:
    """Every review of a debt: kind, state, outcome. Those of claims were there before."""
    async with world.database.read() as connection:
        columns = (tables.reviews.c.kind, tables.reviews.c.state, tables.reviews.c.outcome)
        debts = select(*columns).where(tables.reviews.c.kind == "debt").order_by(tables.reviews.c.id)
        rows = await connection.execute(debts)
        return [(row.kind, row.state, row.outcome) for row in rows]


async def awarded(world: World, *programmes: Any, **others: Any) -> tuple[str, str, dict[str, Any]]:
    """A learner with an award of 3 credits; answers the learner, the achievement, the application."""
    await only(world, CERTIFICATE, *programmes, **others)
    learner, (achievement,), _ = await learner_with(world, "3")
    return learner, achievement, await decide(world, await apply_for(world, learner))


async def test_a_revoked_basis_is_a_debt_that_dies_when_it_holds_again(world: World) -> None:
    learner, achievement, _ = await awarded(world, programme("other", "1"))
    await amend(world, achievement, credits="1")
    indebted = await standing(world, learner)
    await world.record(learner, kind="training", credits="1")
    other = {"learner": learner, "programme": "college.other"}
    await refused(world, "/v1/conversions", other, "learner_in_debt", 409)
    opened = await reviews(world)

    await amend(world, achievement, credits="3")

    assert indebted == {"redeemed": "3", "owed": "-2"}
    assert opened == [("debt", "open", None)]
    assert await standing(world, learner) == {"redeemed": "3", "available": "1"}
    assert await reviews(world) == [("debt", "closed", "settled")]
    assert (await apply_for(world, learner, "college.other"))["state"] == "held"
    assert "CLAWBACK" in await codes(world, learner)
    await verified(world)


WHY = {"reason": "good_faith"}
APPROVE, REFUSE = {"decision": "approve"}, {"decision": "refuse"}


async def indebted(world: World) -> tuple[str, str, str]:
    """A learner who owes 2 of 3 redeemed credits; answers the learner, the achievement, where the review stands."""
    learner, achievement, _ = await awarded(world)
    await amend(world, achievement, credits="1")
    return learner, achievement, await review_of(world, learner)


async def review_of(world: World, learner: str) -> str:
    """Where the open review of the learner's debt stands."""
    page = await world.bank.get("/v1/reviews", params={"limit": 500, "kind": "debt"})
    (review,) = [one for one in page.json()["items"] if one["learner_id"] == learner]
    return f"/v1/learners/{learner}/reviews/{review['id']}"


async def proposals(world: World, at: str) -> list[tuple[str, str, str]]:
    """What was proposed about a debt: amount, reason, state."""
    shown = (await world.bank.get(at)).json()
    return [(one["credits"], one["reason"], one["state"]) for one in shown["waivers"]]


async def test_a_debt_is_waived_when_another_approves_what_one_proposed(world: World) -> None:
    learner, _, at = await indebted(world)
    await refused(world, f"{at}/waiver/decision", APPROVE, "no_waiver_proposed", 409, "second")

    made = await post(world, f"{at}/waiver", WHY, "bank", status=201)

    assert await standing(world, learner) == {"redeemed": "3", "owed": "-2"}
    await refused(world, f"{at}/waiver", WHY, "waiver_proposed", 409, "second")
    await refused(world, f"{at}/waiver/decision", APPROVE, "two_people_needed", 403, "bank")
    await refused(world, f"{at}/waiver/decision", REFUSE, "two_people_needed", 403, "bank")
    await refused(world, f"{at}/outcome", {"outcome": "stands"}, "waiver_proposed", 409, "second")
    assert await proposals(world, at) == [("2", "good_faith", "proposed")]
    decided = (await post(world, f"{at}/waiver/decision", APPROVE, "second", status=200)).json()
    assert await standing(world, learner) == {"redeemed": "3", "write_off": "-2"}
    assert await reviews(world) == [("debt", "closed", "waived")]
    assert (await codes(world, learner))[-1] == "WRITE_OFF"
    await refused(world, f"{at}/waiver/decision", APPROVE, "review_not_found", 404, "second")
    assert await proposals(world, at) == [("2", "good_faith", "approved")]
    whole = {"credits": "2", "learner": learner, "lot": decided["lot"], "reason": "good_faith", "review": at[-36:]}
    assert await audited(world, f"waiver:{made.json()['id']}") == [
        ("waiver.propose", decided["proposed_by"], {**whole, "state": "proposed"}),
        ("waiver.decide", decided["decided_by"], {**whole, "state": "approved"}),
    ]
    assert decided["proposed_by"] != decided["decided_by"]
    await verified(world)


async def audited(world: World, subject: str) -> list[tuple[str, str | None, Any]]:
    """What the audit log holds about something: what was done, by whom, the details."""
    events = select(audit_events).where(audit_events.c.subject == subject).order_by(audit_events.c.id)
    async with world.database.read() as connection:
        return [(row.action, row.actor, row.details) for row in await connection.execute(events)]


async def test_a_waiver_that_is_refused_or_taken_back_leaves_the_debt(world: World) -> None:
    learner, _, at = await indebted(world)

    await post(world, f"{at}/waiver", WHY, "bank", status=201)
    await refused(world, f"{at}/waiver/withdrawal", None, "not_the_proposer", 403, "second")
    await post(world, f"{at}/waiver/withdrawal", None, "bank", status=200)
    await post(world, f"{at}/waiver", {"reason": "hardship"}, "bank", status=201)
    await post(world, f"{at}/waiver/decision", REFUSE, "second", status=200)

    assert await proposals(world, at) == [("2", "good_faith", "withdrawn"), ("2", "hardship", "refused")]
    assert await standing(world, learner) == {"redeemed": "3", "owed": "-2"}
    assert await reviews(world) == [("debt", "open", None)]
    await post(world, f"{at}/outcome", {"outcome": "stands"}, "second", status=200)
    await refused(world, f"{at}/waiver", WHY, "review_not_found", 404, "bank")
    assert await reviews(world) == [("debt", "closed", "stands")]
    await verified(world)


async def test_a_waiver_is_proposed_by_the_institution_and_approved_by_the_bank(world: World) -> None:
    learner, _, at = await indebted(world)

    await refused(world, f"{at}/waiver", WHY, "review_not_found", 404, "rival")
    await post(world, f"{at}/waiver", WHY, "registrar", status=201)
    await refused(world, f"{at}/waiver/decision", APPROVE, "bank_only", 403, "partner")
    await post(world, f"{at}/waiver/decision", APPROVE, "bank", status=200)

    assert await standing(world, learner) == {"redeemed": "3", "write_off": "-2"}


async def test_whoever_works_on_a_debt_is_the_one_to_propose(world: World) -> None:
    _, _, at = await indebted(world)
    await post(world, f"{at}/assignment", None, "registrar", status=200)

    await refused(world, f"{at}/waiver", WHY, "review_taken", 409, "bank")
    await post(world, f"{at}/waiver", WHY, "registrar", status=201)


async def test_no_other_amount_is_waived_than_was_proposed(world: World) -> None:
    learner, achievement, at = await indebted(world)
    await post(world, f"{at}/waiver", WHY, "bank", status=201)
    await amend(world, achievement, credits="2")

    await refused(world, f"{at}/waiver/decision", APPROVE, "debt_changed", 409, "second")
    await post(world, f"{at}/waiver/decision", REFUSE, "second", status=200)
    await post(world, f"{at}/waiver", WHY, "bank", status=201)
    await post(world, f"{at}/waiver/decision", APPROVE, "second", status=200)

    assert await standing(world, learner) == {"redeemed": "3", "write_off": "-1"}
    assert await proposals(world, at) == [("2", "good_faith", "refused"), ("1", "good_faith", "approved")]


async def test_a_waiver_lapses_with_its_debt_and_never_meets_a_later_one(world: World) -> None:
    learner, achievement, at = await indebted(world)
    await post(world, f"{at}/waiver", WHY, "bank", status=201)
    await amend(world, achievement, credits="3")
    lapsed = await proposals(world, at)
    await refused(world, f"{at}/waiver/decision", APPROVE, "review_not_found", 404, "second")

    await amend(world, achievement, credits="1")
    later = await review_of(world, learner)

    assert lapsed == [("2", "good_faith", "lapsed")]
    assert later != at
    await refused(world, f"{later}/waiver/decision", APPROVE, "no_waiver_proposed", 409, "second")
    await post(world, f"{later}/waiver", WHY, "second", status=201)


async def test_an_annulment_undoes_a_debt_first_and_gives_the_rest_back(world: World) -> None:
    learner, achievement, conversion = await awarded(world)
    await amend(world, achievement, credits="1")

    ended = await annul(world, conversion)

    assert ended["state"] == "annulled"
    assert ended["award"]["annulled"]
    assert await standing(world, learner) == {"available": "1"}
    assert (await codes(world, learner))[-2:] == ["ANNUL", "ANNUL"]
    await verified(world)


async def test_an_annulled_award_can_be_applied_for_again(world: World) -> None:
    learner, _, conversion = await awarded(world)
    await annul(world, conversion)

    again = await decide(world, await apply_for(world, learner))

    assert again["state"] == "approved"
    assert again["award"]["number"] != conversion["award"]["number"]
    await verified(world)


async def test_an_annulment_needs_a_second_person(world: World) -> None:
    _, _, conversion = await awarded(world)
    at = f"/v1/conversions/{conversion['id']}/annulment"
    approve = {"decision": "approve"}
    await refused(world, f"{at}/decision", approve, "no_annulment_proposed", 409)
    await post(world, at, {"reason": "other"}, "registrar", status=200)

    await refused(world, at, {"reason": "other"}, "annulment_proposed", 409)
    await refused(world, f"{at}/decision", approve, "two_people_needed", 403, by="registrar")
    kept = await post(world, f"{at}/decision", {"decision": "refuse"}, status=200)
    after = await annul(world, conversion)
    await refused(world, at, {"reason": "other"}, "no_standing_award", 409)

    assert kept.json()["state"] == "approved"
    assert [one["state"] for one in after["annulments"]] == ["refused", "approved"]
    assert after["annulments"][0]["proposed_by"] != after["annulments"][0]["decided_by"]
    await verified(world)


async def test_what_an_annulment_gives_back_expires_when_its_date_has_passed(world: World) -> None:
    await only(world, CERTIFICATE, validity={"max": "P1Y"})
    learner, _, _ = await learner_with(world, "3", completed="2024-04-10")
    conversion = await decide(world, await apply_for(world, learner))
    world.clock.turn(days=45)

    await annul(world, conversion)

    assert await standing(world, learner) == {"expired": "3"}
    assert (await codes(world, learner))[-2:] == ["ANNUL", "EXPIRE"]
    await verified(world)


async def test_a_policy_of_writing_off_waives_at_once_and_undoes_it_when_the_basis_holds_again(world: World) -> None:
    rules = {"after_redemption": "write_off"}
    learner, achievement, conversion = await awarded(world, header=rules)
    await revoke(world, achievement)
    waived = await standing(world, learner)

    await annul(world, conversion)

    assert waived == {"redeemed": "3", "write_off": "-3"}
    assert await standing(world, learner) == {}
    assert (await codes(world, learner))[-3:] == ["CLAWBACK", "WRITE_OFF", "ANNUL"]
    assert await reviews(world) == []
    await verified(world)


async def test_a_waiver_is_undone_before_the_learner_gains(world: World) -> None:
    learner, achievement, _ = await awarded(world)
    await amend(world, achievement, credits="1")
    await waive(world, learner)
    waived = await standing(world, learner)

    await amend(world, achievement, credits="4")

    assert waived == {"redeemed": "3", "write_off": "-2"}
    assert await standing(world, learner) == {"redeemed": "3", "available": "1"}
    await verified(world)


@pytest.mark.parametrize(("author", "approver"), [(AUTHOR, AUTHOR), (AUTHOR, None)])
async def test_a_waiver_needs_two_people(world: World, author: UUID, approver: UUID | None) -> None:
    learner, achievement, _ = await awarded(world)
    await revoke(world, achievement)

    with pytest.raises(TwoPeopleNeeded):
        await waive(world, learner, author, approver)

    assert (await standing(world, learner))["owed"] == "-3"


async def test_what_is_not_owed_is_not_waived(world: World) -> None:
    learner, _, _ = await awarded(world)

    with pytest.raises(NothingOwed):
        await waive(world, learner)


async def test_an_application_whose_basis_falls_away_is_broken_and_gives_the_rest_back(world: World) -> None:
    await only(world, programme("certificate", "5"))
    learner, (first, _), _ = await learner_with(world, "3", "2")
    held = await apply_for(world, learner)

    await revoke(world, first)
    found = await world.partner.get(f"/v1/conversions/{held['id']}")

    assert found.json()["state"] == "broken"
    assert await standing(world, learner) == {"available": "2"}
    decision = {"decision": "approve"}
    await refused(world, f"/v1/conversions/{held['id']}/decision", decision, "hold_ended", 409, by="registrar")
    await verified(world)


async def test_an_amendment_that_leaves_enough_breaks_no_application(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, (achievement,), _ = await learner_with(world, "5")
    held = await apply_for(world, learner)

    await amend(world, achievement, credits="3")
    found = await world.partner.get(f"/v1/conversions/{held['id']}")

    assert found.json()["state"] == "held"
    assert await standing(world, learner) == {"reserved": "3"}
    await verified(world)


async def test_whoever_came_into_debt_since_the_application_is_not_given_the_award(world: World) -> None:
    learner, achievement, _ = await awarded(world, programme("other", "2"))
    await world.record(learner, kind="training", credits="2")
    held = await apply_for(world, learner, "college.other")
    at, approval = f"/v1/conversions/{held['id']}/decision", {"decision": "approve"}
    amounts = [{"lot": held["held"][0]["lot"], "amount": "1"}]

    await revoke(world, achievement)

    await refused(world, at, approval, "learner_in_debt", 409, by="registrar")
    await refused(
        world, at, {"decision": "approve_in_part", "amounts": amounts}, "learner_in_debt", 409, by="registrar"
    )
    assert (await standing(world, learner))["reserved"] == "2"
    # To say no, and to take back, gives the credits back and redeems nothing.
    rejected = await decide(world, held, decision="reject", reasons=["other"])
    assert rejected["state"] == "rejected"
    await verified(world)


async def test_a_debt_that_somebody_decided_about_stands_in_no_awards_way(world: World) -> None:
    learner, achievement, _ = await awarded(world, programme("other", "2"))
    await world.record(learner, kind="training", credits="2")
    held = await apply_for(world, learner, "college.other")
    await revoke(world, achievement)

    await post(world, f"{await review_of(world, learner)}/outcome", {"outcome": "stands"}, by="bank", status=200)

    assert (await decide(world, held))["state"] == "approved"
