"""What is refused, with its code and what is missing; and requests that come twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import World
from tests.bank import document, granting
from tests.conversions.desk import (
    CERTIFICATE,
    apply_for,
    awarding,
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


async def test_what_an_award_still_lacks_is_said_requirement_by_requirement(world: World) -> None:
    # KR-7 and KR-8: 140 in all, 17 of the 18 that must come from accredited courses; the major lacks one.
    residency = {"id": "residency", "unit": ["R"], "exclusive": False, "need": {"credits": "18"}}
    major = {"id": "major", "category": "social", "need": {"credits": "60"}}
    await only(world, programme("bachelor", "140", residency, major))
    learner = await world.open("Li Na")
    for unit, category, amount in (("R", "social", "17"), ("M", "social", "42"), ("F", "arts", "81")):
        await world.record(learner, kind="training", unit=unit, category=category, credits=amount)

    errors = await refused(
        world, "/v1/conversions", {"learner": learner, "programme": "college.bachelor"}, "requirements_missing", 409
    )

    assert {e["pointer"]: e["message"] for e in errors} == {
        "/requirements/residency": "17 / 18",
        "/requirements/major": "59 / 60",
        "/total": "139 / 140",
    }


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"programme": "college.nothing"}, "unknown_award", 422),
        ({"programme": "nowhere.certificate"}, "unknown_award", 422),
        ({"learner": "019abcde-0000-7000-8000-000000000000"}, "learner_not_found", 404),
        ({"lots": [{"lot": "019abcde-0000-7000-8000-000000000000"}]}, "unknown_lot", 422),
        ({"lots": [{"lot": "mine", "amount": "3.001"}]}, "insufficient_credits", 409),
        ({"lots": [{"lot": "mine", "amount": "2"}]}, "requirements_missing", 409),
        ({"lots": [{"lot": "mine"}, {"lot": "mine"}]}, "unknown_lot", 422),
    ],
)
async def test_a_bad_application_is_refused_and_holds_nothing(
    world: World, asked: dict[str, Any], code: str, status: int
) -> None:
    await only(world, CERTIFICATE)
    learner, _, (lot,) = await learner_with(world, "3")
    body: dict[str, Any] = {"learner": learner, "programme": "college.certificate", **asked}
    if "lots" in body:
        # A list of its own: the table is read once for every database.
        body["lots"] = [one | {"lot": lot if one["lot"] == "mine" else one["lot"]} for one in body["lots"]]

    await refused(world, "/v1/conversions", body, code, status)

    assert await standing(world, learner) == {"available": "3"}


async def test_chosen_lots_are_held_and_no_others(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, (first, second) = await learner_with(world, "3", "3")

    held = await apply_for(world, learner, lots=[{"lot": second, "amount": "3"}])

    assert first != second
    assert held["held"] == [{"lot": second, "amount": "3", "redeemed": "0"}]


async def test_a_second_redemption_of_a_lot_is_refused(world: World) -> None:
    # IN-7 and US-10: a redeemed credit is irrevocably used.
    await only(world, CERTIFICATE, programme("other", "3"))
    learner, _, (lot,) = await learner_with(world, "3")
    await decide(world, await apply_for(world, learner))

    other = {"learner": learner, "programme": "college.other"}
    await refused(world, "/v1/conversions", other, "already_redeemed", 409)
    await refused(world, "/v1/conversions", {**other, "lots": [{"lot": lot}]}, "already_redeemed", 409)
    again = {"learner": learner, "programme": "college.certificate"}
    await refused(world, "/v1/conversions", again, "already_awarded", 409)


async def test_an_open_application_holds_its_award_and_its_credits(world: World) -> None:
    await only(world, CERTIFICATE, programme("other", "3"))
    learner, _, _ = await learner_with(world, "3")
    await apply_for(world, learner)

    again = {"learner": learner, "programme": "college.certificate"}
    await refused(world, "/v1/conversions", again, "already_applied", 409)
    await refused(world, "/v1/conversions", {**again, "programme": "college.other"}, "already_used", 409)


@pytest.mark.parametrize("ended", [False, True], ids=["reserved", "redeemed"])
@pytest.mark.parametrize("same", ["achievement", "learning"])
async def test_learning_used_under_another_rule_set_counts_no_more(world: World, same: str, ended: bool) -> None:
    # Rules/v1 section 6 and UK-3: across rule sets a learning key or an achievement is used once.
    await only(world, CERTIFICATE)
    other = "training" if same == "achievement" else "mooc"
    rival = document(granting("own", kind=[other]), id_="rival", programmes=[CERTIFICATE])
    await world.publish(rival, by="rival")
    await world.work()
    learner = await world.open("Li Na")
    for kind in sorted({"training", other}):
        await world.record(learner, kind=kind, credits="3", learning="welding")
    first = await apply_for(world, learner)
    if ended:
        await decide(world, first)

    await refused(world, "/v1/conversions", {"learner": learner, "programme": "rival.certificate"}, "already_used", 409)


@pytest.mark.parametrize(
    ("verb", "body", "by", "status"),
    [
        ("decision", {"decision": "approve"}, "rival", 404),
        ("withdrawal", {}, "rival", 404),
        ("withdrawal", {}, "registrar", 404),
        ("annulment", {"reason": "other"}, "rival", 404),
        ("annulment/decision", {"decision": "approve"}, "rival", 404),
        ("decision", {"decision": "approve"}, "poster", 403),
        ("decision", {"decision": "approve"}, "nobody", 401),
    ],
)
async def test_only_whom_it_concerns_may_end_an_application(
    world: World, verb: str, body: Any, by: str, status: int
) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)

    answer = await post(world, f"/v1/conversions/{held['id']}/{verb}", body, by)

    assert answer.status_code == status
    assert (await standing(world, learner))["reserved"] == "3"


async def test_only_whom_it_concerns_sees_an_application(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)
    at, listed = f"/v1/conversions/{held['id']}", "/v1/conversions"

    seen = {name: (await world.client(name).get(at)).status_code for name in ("partner", "registrar", "bank", "rival")}
    lists = {
        name: [one["id"] for one in (await world.client(name).get(listed)).json()["items"]]
        for name in ("partner", "registrar", "bank", "rival")
    }
    mine = await world.partner.get(listed, params={"learner": learner, "programme": "certificate"})
    theirs = await world.rival.get(listed, params={"learner": learner})

    assert seen == {"partner": 200, "registrar": 200, "bank": 200, "rival": 404}
    assert lists == {"partner": [held["id"]], "registrar": [held["id"]], "bank": [held["id"]], "rival": []}
    assert [one["id"] for one in mine.json()["items"]] == [held["id"]]
    assert theirs.status_code == 404


async def test_a_change_without_a_key_is_refused(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    held = await apply_for(world, learner)
    exchange = {"rule_set": "college", "unit_conversion": "x", "amount": "1"}
    sent = {
        "/v1/conversions": {"learner": learner, "programme": "college.certificate"},
        f"/v1/conversions/{held['id']}/decision": {"decision": "approve"},
        f"/v1/conversions/{held['id']}/withdrawal": {},
        f"/v1/conversions/{held['id']}/annulment": {"reason": "other"},
        f"/v1/conversions/{held['id']}/annulment/decision": {"decision": "approve"},
        f"/v1/learners/{learner}/exchanges": exchange,
    }

    for at, body in sent.items():
        answer = await world.partner.post(at, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_required"), at


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["within a week", "after the answers are forgotten"])
async def test_the_same_application_again_is_the_same_application(world: World, is_forgotten: bool) -> None:
    await only(world, CERTIFICATE, programme("other", "3"))
    learner, _, _ = await learner_with(world, "3")
    body = {"learner": learner, "programme": "college.certificate"}
    first = await post(world, "/v1/conversions", body, key="once", status=201)
    if is_forgotten:
        world.clock.turn(days=20)
        await world.work()

    again = await post(world, "/v1/conversions", body, key="once", status=201)
    other = await post(world, "/v1/conversions", {**body, "programme": "college.other"}, key="once")

    assert again.json() == first.json()
    assert ("idempotent-replayed" in again.headers) != is_forgotten
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await codes(world, learner)).count("HOLD") == 1
    await verified(world)


async def test_rules_that_do_not_govern_today_make_no_award(world: World) -> None:
    await world.publish(awarding(CERTIFICATE, start="2020-01-01", until="2025-01-01"), by="partner")
    await world.work()
    learner, _, _ = await learner_with(world, "3", completed="2024-06-01")

    body = {"learner": learner, "programme": "college.certificate"}
    await refused(world, "/v1/conversions", body, "unknown_award", 422)


async def test_who_must_be_enrolled_is_told_how(world: World) -> None:
    await only(world, CERTIFICATE)
    asked = await world.partner.put("/v1/programmes/college.certificate/admission", json={"credits": "1"})
    assert asked.status_code == 200, asked.text
    learner, _, _ = await learner_with(world, "3")
    body = {"learner": learner, "programme": "college.certificate"}

    (error,) = await refused(world, "/v1/conversions", body, "not_enrolled", 409)
    path = next(word for word in error["message"].split() if word.startswith("/v1/")).rstrip(";.")
    entered = await world.partner.post(path, json={"programme": body["programme"]})
    held = await apply_for(world, learner)

    assert error["pointer"] == "/programme"
    assert entered.status_code == 201, entered.text
    assert held["state"] == "held"
