"""What an account has that no other could take over bars that it be merged, and what has ended does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.api.test_merges import asked, merge, propose, settle, train, undo
from tests.api.world import PDF, World, claim, opened
from tests.conversions.desk import CERTIFICATE, apply_for, decide, let_in, only, post, refused, verified
from tests.conversions.test_debts import annul, revoke, waive
from tests.conversions.test_exchanges import exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")

Setup = Callable[[World, str], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college counts trainings, three credits of which make a certificate, and exchanges them."""
    async with opened(database_url) as served:
        await let_in(served)
        await only(served, CERTIFICATE, unit_conversions=[{"id": "x", "from": "CR", "to": "PT", "factor": "1"}])
        yield served


async def nothing(world: World, learner: str) -> None:
    """An account with credits only."""


async def exchanged(world: World, learner: str) -> None:
    await exchange(world, learner, unit_conversion="x", amount="2")


async def exchanged_and_owing(world: World, learner: str) -> None:
    await exchanged(world, learner)
    for one in (await world.bank.get(f"/v1/learners/{learner}/achievements")).json()["items"]:
        await revoke(world, one["id"])


async def applied(world: World, learner: str) -> dict[str, object]:
    return await apply_for(world, learner)


async def withdrawn(world: World, learner: str) -> None:
    made = await applied(world, learner)
    await post(world, f"/v1/conversions/{made['id']}/withdrawal", {}, status=200)


async def awarded(world: World, learner: str) -> dict[str, object]:
    return await decide(world, await applied(world, learner))


async def annulled(world: World, learner: str) -> None:
    await annul(world, await awarded(world, learner))


async def awarded_and_owing(world: World, learner: str) -> None:
    await awarded(world, learner)
    for one in (await world.bank.get(f"/v1/learners/{learner}/achievements")).json()["items"]:
        await revoke(world, one["id"])


async def owing_no_more(world: World, learner: str) -> None:
    await awarded_and_owing(world, learner)
    for _ in range(2):
        # One lot a training.
        await waive(world, learner)


async def lodged(world: World, learner: str) -> str:
    kept = await world.partner.post(f"/v1/learners/{learner}/evidence", content=b"%PDF-1.7 w", headers=PDF)
    made = await post(world, "/v1/recognition-claims", claim(learner, kept.json()["id"]), status=201)
    return f"/v1/learners/{learner}/recognition-claims/{made.json()['id']}"


async def rejected(world: World, learner: str) -> str:
    at = await lodged(world, learner)
    await post(world, f"{at}/decision", {"decision": "reject", "reason": "not_covered"}, by="bank", status=200)
    return at


async def appealed(world: World, learner: str) -> None:
    await post(world, f"{await rejected(world, learner)}/appeal", status=200)


async def accepted(world: World, learner: str) -> None:
    await post(world, f"{await lodged(world, learner)}/decision", {"decision": "accept"}, by="bank", status=200)


async def stands_for_another(world: World, learner: str) -> None:
    await merge(world, learner, await world.open(world.fresh("Li")))


async def stood_for_another(world: World, learner: str) -> None:
    await undo(world, await merge(world, learner, await world.open(world.fresh("Li"))))


CASES: dict[str, tuple[Setup, str]] = {
    "credits": (nothing, ""),
    "an exchange": (exchanged, "exchanges"),
    "an exchange of which the basis fell away": (exchanged_and_owing, "exchanges, debts"),
    "an open application": (applied, "applications, redeemed"),
    "an application that was withdrawn": (withdrawn, ""),
    "an award": (awarded, "awards, redeemed"),
    "an award that was withdrawn": (annulled, "awards"),
    "a debt": (awarded_and_owing, "awards, redeemed, debts"),
    "a debt that was waived": (owing_no_more, "awards, redeemed"),
    "a claim": (lodged, "applications"),
    "a claim that was rejected": (rejected, ""),
    "an appeal": (appealed, "applications"),
    "a claim that was accepted": (accepted, ""),
    "an account merged into it": (stands_for_another, "merged_accounts"),
    "an account that was merged into it": (stood_for_another, ""),
}


async def accounts(world: World) -> tuple[str, str]:
    """Two accounts, each with three credits in two trainings."""
    both = [await world.open(world.fresh("Li")) for _ in range(2)]
    for one in both:
        await train(world, one, "1")
        await train(world, one, "2")
    return both[0], both[1]


@pytest.mark.parametrize("case", CASES)
async def test_what_bars_and_what_does_not(case: str, world: World) -> None:
    set_up, what = CASES[case]
    stays, goes = await accounts(world)
    await set_up(world, goes)
    if not what:
        await merge(world, stays, goes)
        await verified(world)
        return
    (error,) = await refused(world, f"/v1/learners/{stays}/merges", asked(goes), "merge_barred", 409, by="bank")
    assert f"it has: {what}." in error["message"]
    # The other direction may do, and does.
    await merge(world, goes, stays)
    await verified(world)


# No merge is proposed into an account that waits to be merged itself.
BARRING = sorted(case for case, (_, what) in CASES.items() if what not in {"", "merged_accounts"})


@pytest.mark.parametrize("case", BARRING)
async def test_what_came_since_the_proposal_bars_the_approval(case: str, world: World) -> None:
    set_up, _ = CASES[case]
    stays, goes = await accounts(world)
    at = await propose(world, stays, goes)
    await set_up(world, goes)
    await refused(world, f"{at}/decision", {"decision": "approve"}, "merge_barred", 409, by="second")
    await settle(world, at, "refuse")


async def test_barred_both_ways_it_says_so(world: World) -> None:
    stays, goes = await accounts(world)
    await lodged(world, goes)
    await exchanged(world, stays)
    at = f"/v1/learners/{stays}/merges"
    (error,) = await refused(world, at, asked(goes), "merge_barred_both_ways", 409, by="bank")
    assert "applications" in error["message"]
