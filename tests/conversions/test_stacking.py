"""Awards of one programme at several exits: credits count once more up the ladder (IN-5), and nothing is posted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import World
from tests.conversions.desk import (
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
from tests.conversions.test_debts import annul, revoke, waive

LADDER = (
    programme("certificate", "40", reuse={"stack_into": ["diploma"]}),
    programme("diploma", "80", reuse={"stack_into": ["degree"]}),
    programme("degree", "120"),
)


async def learner_of(world: World, *programmes: Any, credits_: int) -> str:
    """A learner with trainings of 20 credits each, and one of the rest."""
    await only(world, *programmes)
    learner = await world.open("Li Na")
    for _ in range(credits_ // 20):
        await world.record(learner, kind="training", credits="20")
    if credits_ % 20:
        await world.record(learner, kind="training", credits=str(credits_ % 20))
    return learner


async def test_the_exits_follow_one_another(world: World) -> None:
    learner = await learner_of(world, *LADDER, credits_=79)
    certificate = await decide(world, await apply_for(world, learner, "college.certificate"))
    # 79 credits: the certificate only.
    short = await refused(
        world, "/v1/conversions", {"learner": learner, "programme": "college.diploma"}, "requirements_missing", 409
    )
    await world.record(learner, kind="training", credits="41")

    diploma = await decide(world, await apply_for(world, learner, "college.diploma"))
    degree = await decide(world, await apply_for(world, learner, "college.degree"))

    assert [e["message"] for e in short] == ["79 / 80"]
    assert [one["award"]["credits"] for one in (certificate, diploma, degree)] == ["40", "80", "120"]
    stacked = [sum(float(use["amount"]) for use in one["stacked"]) for one in (certificate, diploma, degree)]
    assert stacked == [0, 40, 80]
    assert await standing(world, learner) == {"redeemed": "120"}
    assert (await codes(world, learner)).count("REDEEM") == sum(
        len(one["held"]) for one in (certificate, diploma, degree)
    )
    await verified(world)


async def test_each_credit_counts_once_for_each_higher_award(world: World) -> None:
    learner = await learner_of(world, *LADDER, credits_=80)
    await decide(world, await apply_for(world, learner, "college.certificate"))
    await decide(world, await apply_for(world, learner, "college.diploma"))

    again = {"learner": learner, "programme": "college.diploma"}
    await refused(world, "/v1/conversions", again, "already_awarded", 409)
    degree = {"learner": learner, "programme": "college.degree"}
    errors = await refused(world, "/v1/conversions", degree, "requirements_missing", 409)

    assert [e["message"] for e in errors] == ["80 / 120"]


async def test_what_may_not_stack_counts_once(world: World) -> None:
    alone = (programme("certificate", "40"), programme("diploma", "80"))
    learner = await learner_of(world, *alone, credits_=80)
    await decide(world, await apply_for(world, learner, "college.certificate"))

    body = {"learner": learner, "programme": "college.diploma"}
    await refused(world, "/v1/conversions", body, "already_redeemed", 409)


ENDED = pytest.mark.parametrize("ended", [False, True], ids=["applied for", "awarded"])
# What another award counts is told by the rules under which it was applied for, whatever the rules say now.
CORRECTED = pytest.mark.parametrize("corrected", [False, True], ids=["rules in force", "rules corrected since"])


async def correct(world: World) -> None:
    """Let the rules be corrected: nothing stacks any more."""
    await only(world, programme("other", "3"), header={"version": 2})


@ENDED
@CORRECTED
async def test_an_award_on_which_another_rests_is_not_withdrawn_first(
    world: World, ended: bool, corrected: bool
) -> None:
    learner = await learner_of(world, *LADDER, credits_=80)
    lower = await decide(world, await apply_for(world, learner, "college.certificate"))
    upper = await apply_for(world, learner, "college.diploma")
    if ended:
        await decide(world, upper)
    if corrected:
        await correct(world)
    at = f"/v1/conversions/{lower['id']}/annulment"
    await post(world, at, {"reason": "other"}, "registrar", status=200)

    await refused(world, f"{at}/decision", {"decision": "approve"}, "award_built_upon", 409)
    if ended:
        await annul(world, upper)
    else:
        await post(world, f"/v1/conversions/{upper['id']}/withdrawal", status=200)
    await post(world, f"{at}/decision", {"decision": "approve"}, status=200)

    assert await standing(world, learner) == {"available": "80"}
    await verified(world)


@ENDED
@CORRECTED
async def test_an_award_through_which_another_counts_is_not_withdrawn_first(
    world: World, ended: bool, corrected: bool
) -> None:
    ladder = (
        programme("first", "3", reuse={"stack_into": ["second"]}),
        programme("second", "3", reuse={"stack_into": ["third", "beside"]}),
        programme("third", "3"),
    )
    await only(world, *ladder, programme("beside", "5"))
    learner, _, _ = await learner_with(world, "3")
    await decide(world, await apply_for(world, learner, "college.first"))
    middle = await decide(world, await apply_for(world, learner, "college.second"))
    upper = await apply_for(world, learner, "college.third")
    if ended:
        await decide(world, upper)
    if corrected:
        await correct(world)
    at = f"/v1/conversions/{middle['id']}/annulment"
    await post(world, at, {"reason": "other"}, "registrar", status=200)

    await refused(world, f"{at}/decision", {"decision": "approve"}, "award_built_upon", 409)
    if ended:
        await annul(world, upper)
    else:
        await post(world, f"/v1/conversions/{upper['id']}/withdrawal", status=200)
    await post(world, f"{at}/decision", {"decision": "approve"}, status=200)
    await verified(world)


@CORRECTED
async def test_an_award_beside_another_is_withdrawn_freely(world: World, corrected: bool) -> None:
    await only(
        world, programme("first", "3", reuse={"stack_into": ["left", "right"]}),
        programme("left", "3"), programme("right", "3"),
    )  # fmt: skip
    learner, _, _ = await learner_with(world, "3")
    await decide(world, await apply_for(world, learner, "college.first"))
    left = await decide(world, await apply_for(world, learner, "college.left"))
    await decide(world, await apply_for(world, learner, "college.right"))
    if corrected:
        await correct(world)

    await annul(world, left)
    await verified(world)


async def test_an_award_may_be_made_of_stacked_credits_alone(world: World) -> None:
    learner = await learner_of(
        world, programme("certificate", "40", reuse={"stack_into": ["badge"]}), programme("badge", "40"), credits_=40
    )
    await decide(world, await apply_for(world, learner, "college.certificate"))

    badge = await apply_for(world, learner, "college.badge")
    made = await decide(world, badge)

    assert badge["held"] == []
    assert made["award"]["credits"] == "40"
    assert not made["award"]["in_part"]
    assert await standing(world, learner) == {"redeemed": "40"}
    await verified(world)


@pytest.mark.parametrize(
    ("waived", "said"),
    [
        (False, {}),
        (False, {"decision": "approve_in_part"}),
        (True, {}),
    ],
    ids=["owed, whole", "owed, in part", "waived"],
)
async def test_no_award_is_made_of_credits_whose_basis_fell_away(
    world: World, waived: bool, said: dict[str, Any]
) -> None:
    await only(world, programme("exit", "3", reuse={"stack_into": ["award"]}), programme("award", "5"))
    learner, (basis, _), _ = await learner_with(world, "3", "2")
    exit_ = await apply_for(world, learner, "college.exit")
    assert len(exit_["held"]) == 1
    await decide(world, exit_)
    award = await apply_for(world, learner, "college.award")
    await revoke(world, basis)
    if waived:
        await waive(world, learner)
    (held,) = award["held"]
    if said:
        said = {**said, "amounts": [{"lot": held["lot"], "amount": "1"}]}

    at = f"/v1/conversions/{award['id']}/decision"
    if waived:
        assert (await decide(world, award))["award"]["credits"] == "5"
    else:
        body = {"decision": "approve", **said}
        await refused(world, at, body, "stacked_credits_lost", 409, by="registrar")
        rejected = await decide(world, award, decision="reject", reasons=["other"])
        assert rejected["state"] == "rejected"
    await verified(world)
