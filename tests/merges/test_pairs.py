"""Pairs that may be one person's: what was said of them counts when they are merged."""

from __future__ import annotations

import pytest

from tests.api.test_merges import asked, candidates, merge, propose, settle, trace, undo
from tests.api.world import World
from tests.conversions.desk import post, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

APPROVE = {"decision": "approve"}


async def pair(world: World) -> list[str]:
    """Two accounts with one name and birth date."""
    name = world.fresh("Zhang Fei")
    return [await world.open(name, birth_date="1967-08-09") for _ in range(2)]


async def dismissed(world: World, both: list[str]) -> None:
    said = {"learners": both, "reason": "different_people"}
    await post(world, "/v1/duplicates/dismissals", said, status=200)


@pytest.mark.parametrize("turned", [False, True])
async def test_a_dismissed_pair_is_merged_only_by_whoever_says_so(world: World, turned: bool) -> None:
    both = await pair(world)
    await dismissed(world, both)
    stays, goes = reversed(both) if turned else both
    (error,) = await refused(world, f"/v1/learners/{stays}/merges", asked(goes), "pair_dismissed", 409, by="bank")
    assert error["pointer"] == "/merged"
    knowing = {**asked(goes), "despite_dismissal": True}
    made = await post(world, f"/v1/learners/{stays}/merges", knowing, by="bank", status=201)
    assert made.json()["despite_dismissal"] is True
    await settle(world, f"/v1/learners/{stays}/merges/{made.json()['id']}")
    assert (await trace(world, goes))["state"] == "done"


async def test_what_is_dismissed_after_the_proposal_is_not_approved(world: World) -> None:
    stays, goes = both = await pair(world)
    at = await propose(world, stays, goes)
    await dismissed(world, both)
    await refused(world, f"{at}/decision", APPROVE, "pair_dismissed", 409, by="second")
    await settle(world, at, "refuse")


@pytest.mark.parametrize(("reason", "is_listed"), [("different_people", False), ("wrong_direction", True)])
async def test_undone_as_two_people_s_they_are_dismissed(world: World, reason: str, is_listed: bool) -> None:
    stays, goes = both = await pair(world)
    assert both in await candidates(world)
    at = await merge(world, stays, goes)
    await post(world, f"{at}/undoing", {"reason": reason}, by="bank", status=200)
    await post(world, f"{at}/decision", APPROVE, by="second", status=200)
    # From the decision on, not only when the facts are back.
    assert (both in await candidates(world)) is is_listed
    await world.work()
    assert (both in await candidates(world)) is is_listed
    for one, other in (both, both[::-1]):
        answer = await world.bank.post(f"/v1/learners/{one}/merges", json=asked(other))
        code = answer.json().get("code")
        assert code == (None if is_listed else "pair_dismissed"), answer.text
        if is_listed:
            await settle(world, f"/v1/learners/{one}/merges/{answer.json()['id']}", "refuse")


async def test_an_undoing_that_was_refused_says_nothing_of_the_pair(world: World) -> None:
    stays, goes = both = await pair(world)
    at = await merge(world, stays, goes)
    await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
    await settle(world, at, "refuse")
    await post(world, f"{at}/undoing", {"reason": "wrong_direction"}, by="bank", status=200)
    await settle(world, at)
    assert both in await candidates(world)


async def test_made_again_despite_it_and_undone_they_stay_dismissed(world: World) -> None:
    stays, goes = await pair(world)
    await undo(world, await merge(world, stays, goes))
    knowing = {**asked(goes), "despite_dismissal": True}
    made = await post(world, f"/v1/learners/{stays}/merges", knowing, by="bank", status=201)
    at = f"/v1/learners/{stays}/merges/{made.json()['id']}"
    await settle(world, at)
    await post(world, f"{at}/undoing", {"reason": "learner_asked"}, by="bank", status=200)
    await settle(world, at)
    await refused(world, f"/v1/learners/{stays}/merges", asked(goes), "pair_dismissed", 409, by="bank")
